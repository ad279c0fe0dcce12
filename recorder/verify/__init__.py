"""Is a data directory whole? Every claim that it makes about itself, against the bytes.

    findings.py    what is found, and what to do about it
    reading.py     a Parquet file read to the last byte
    sealed.py      commit records against files and numbers
    days.py        packed days against the records of their hours
    parts.py       the open hours: parts, and the records of their cuts
    raw.py         the capture: checksums, offsets, digest
    books.py       the book at the end of an hour is the one that the next begins with
    coverage.py    intervals leave no hole and do not overlap
    again.py       rows made again from the capture are the rows on disk
    directory.py   all of it together
    noted.py       what came of it, for whoever records there

Reads only (but for the note), takes no lock, and may run while the directory is recorded into.
"""

from recorder.verify.directory import verify
from recorder.verify.findings import Finding, Note, Report
from recorder.verify.noted import note

__all__ = ["Finding", "Note", "Report", "note", "verify"]
