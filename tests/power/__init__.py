"""Power cuts of the real writer on real file systems, and what must have survived them.

    disk (ext4, xfs on a loop device) ─▶ writer (a child; promises elsewhere) ─▶ cut ─▶ judge

``python -m tests.power --cuts 200 --fs both`` prints a table. A cut is the shutdown ioctl of the
file system without flushing its journal: what was not synced is gone, and mounting again plays the
journal back. A seed decides what is recorded and when the power goes; how threads meet is real.
"""
