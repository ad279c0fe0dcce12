"""The order of writes, syncs and renames, read from a trace of the real store's system calls.

    session (every path that renames, the daemon among them) ─▶ strace ─▶ trace ─▶ rules

``python -m tests.order`` prints what was checked, how often, and every breach. A power cut shows
what a wrong order can lose; this shows the wrong order itself, whatever the disk makes of it.
"""
