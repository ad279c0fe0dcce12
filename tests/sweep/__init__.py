"""Every file-system call of a reference session fails once, or for a while, with each errno.

    python -m tests.sweep                 every call, every errno, transient and lasting
    python -m tests.sweep --every 5       each fifth call only

The session records across an hour with a lost connection in it, publishes parts, seals, switches,
recovers and seals again. Whatever fails, the driver does what the daemon does: it tries again
later. At the end every frame must be in the capture once and in order, and the sealed files must
be those of a session in which nothing failed.
"""
