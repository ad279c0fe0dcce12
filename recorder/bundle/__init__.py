"""What somebody who reports a problem sends along: one file, with nothing in it that is secret.

    shown.py      what of a text, a value, a setting may be shown
    machine.py    versions, the machine, its limits, the disk
    held.py       what the data directory holds, lacks and doubts; no market data
    running.py    what a recorder that runs says of itself
    said.py       the last lines of the log
    archive.py    the file: whole or not at all, and searched for the keys of this machine
    course.py     all of it together

What is shown is what is known to be harmless. Nothing is looked for that must be hidden, but for a
last search: who does not know the form of a secret cannot find it.
"""

from recorder.bundle.course import Asked, Made, make

__all__ = ["Asked", "Made", "make"]
