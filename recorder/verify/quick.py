"""A look at whether what is named is there: lengths of files against their records.

Nothing is read but the records, so it takes a moment where `verify` takes hours; what has changed
within a file, only `verify` sees.
"""

from dataclasses import dataclass

from recorder.errors import DataError
from recorder.store.days import Day, read_day
from recorder.store.paths import Root
from recorder.store.seal import Commit, read_commit


@dataclass(frozen=True, slots=True)
class Quick:
    """What was found in the sealed hours that were looked at: counts, and whether all is there."""

    hours: int
    files: int
    bytes: int
    records_unreadable: int
    files_gone: int
    files_of_other_length: int

    @property
    def there(self) -> bool:
        """Whether everything is there that a record names."""
        return not (self.records_unreadable or self.files_gone or self.files_of_other_length)


def look(root: Root, hours_max: int) -> Quick:
    """Look at the newest sealed hours; reads only, and takes no lock."""
    hours = root.committed_hours()[-hours_max:]
    wanted: dict[str, int] = {}
    unreadable = 0
    for hour in hours:
        try:
            commit, day = read_commit(root, hour), read_day(root, hour // 24)
        except DataError:
            unreadable += 1
            continue
        if commit is not None:
            wanted |= _files(commit, day)
    gone = other = 0
    for path, size in wanted.items():
        try:
            other += (root.path / path).stat().st_size != size
        except OSError:
            gone += 1
    return Quick(len(hours), len(wanted), sum(wanted.values()), unreadable, gone, other)


def _files(commit: Commit, day: Day | None) -> dict[str, int]:
    """The files that hold an hour, by their paths, with their lengths."""
    if day is not None and day.holds(commit.hour):
        return {file.path: file.bytes for file in day.files}
    return {file.path: file.bytes for file in commit.files}
