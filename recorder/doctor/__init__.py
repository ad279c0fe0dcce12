"""Is this machine fit to record, and is what runs here well? A check a line, each with its fix.

    findings.py    what a check says; what it is given
    settings.py    configuration, Python, libraries
    system.py      clock, limits, time zones
    directory.py   the data directory: rights, disk, speed, space, who writes, what is open
    network.py     names, TLS, the venue's socket and REST, its clock
    access.py      the key
    service.py     the unit, the port of HTTP
    course.py      all of it together

A check reads and changes nothing; two write: the disk's speed into a file that has no name, and the
port is bound for a moment where nobody serves.
"""

from recorder.doctor.course import Asked, Diagnosis, examine
from recorder.doctor.findings import FAIL, OK, SKIP, WARN, Finding

__all__ = ["FAIL", "OK", "SKIP", "WARN", "Asked", "Diagnosis", "Finding", "examine"]
