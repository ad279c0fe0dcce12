"""What is found: a finding is wrong, a note is only worth knowing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from recorder.store.paths import hour_text

REPAIR = (
    "Stop the recorder and run `recorder repair`: the capture of the hour is kept, and it is made "
    "again from that."
)
GONE = (
    "The capture of the hour is not kept whole, so this cannot be made again. Take the file from a "
    "copy; nothing else is affected."
)
CAPTURE_DAMAGED = (
    "Check the disk. What the hour's files hold is not affected; what only the capture held is "
    "gone, and the next start (or `recorder seal`) writes that down."
)
RECORD_GONE = (
    "Neither capture nor parts of the hour are kept, so its record cannot be made again. Take it "
    "from a copy; if the hour was being removed (`recorder prune`), remove its files by hand."
)
SET_ASIDE = "Stop the recorder and run `recorder repair`: it moves the file to `quarantine`."
EMPTY_AGAIN = "Run `recorder repair`, or start the recorder: it is written again."
SWITCH = "Stop the recorder and run `recorder repair`: it writes the switch again."
SQL_AGAIN = (
    "Run `recorder repair`, or start the recorder: it is written again. Read it again in sessions "
    "that have."
)

REPAIR_DAY = (
    "Run `recorder repair` while nobody records: it takes the day apart into files of its hours "
    "again, from what is whole of it and from their capture."
)

# What a finding is about: `recorder.repair` decides by it.
COMMIT = "commit_record"
SEALED = "sealed_file"
PACKED = "packed_file"
DAY = "day_record"
STRAY = "stray_file"
EMPTY = "empty_part"
PART = "part"
CUT = "cut_record"
CAPTURE = "capture"
CHECKPOINT = "checkpoint"
COVERAGE = "coverage"
CURRENT = "switch"
VIEWS = "views"
REBUILT = "rebuilt"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: what about, where, what, and what to do.

    ``hour`` is as in file names (``2026112119``), None where it concerns no single hour.
    """

    kind: str
    path: str
    hour: str | None
    problem: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing that is no damage: a torn end, a file of others."""

    path: str
    hour: str | None
    text: str


@dataclass(slots=True)
class Report:
    """What was checked and what was found.

    ``files`` and ``rows`` count sealed files and parts, ``bytes`` those of sealed files and
    capture, ``checkpoints`` the books compared, ``rebuilt`` the hours made again.
    """

    path: str
    deep: bool = False
    whole: bool = True
    hours: int = 0
    files: int = 0
    rows: int = 0
    bytes: int = 0
    segments: int = 0
    checkpoints: int = 0
    rebuilt: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Take over what was found by a part of the work."""
        for name in ("hours", "files", "rows", "bytes", "segments", "checkpoints", "rebuilt"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.findings += other.findings
        self.notes += other.notes
        self.whole = self.whole and not other.findings

    def find(self, kind: str, path: Path, hour: int | None, problem: str, what_to_do: str) -> None:
        """Add a finding."""
        named = None if hour is None else hour_text(hour)
        self.findings.append(Finding(kind, str(path), named, problem, what_to_do))
        self.whole = False

    def note(self, path: Path, hour: int | None, text: str) -> None:
        """Add a note."""
        self.notes.append(Note(str(path), None if hour is None else hour_text(hour), text))

    def about(self, kinds: Iterable[str]) -> list[Finding]:
        """The findings of some kinds."""
        wanted = set(kinds)
        return [each for each in self.findings if each.kind in wanted]
