"""What of a data directory a bucket lacks, in the order in which it is published.

An hour is published when its record is there and says the same. Where it says something else, the
hour was sealed again since (recording went on in it, an import, a repair), and the later one of
the two is right. A packed day and the files of its hours are the same rows: what is published
already stays in force, and nothing is sent twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from recorder.bucket.objects import Entry
from recorder.errors import DataError
from recorder.publishing import records
from recorder.publishing.records import File, Key, Record
from recorder.publishing.there import There, hours_of
from recorder.store.paths import Root, day_iso, hour_from_iso, hour_text

NEW, REPLACED, PACKED = "new", "replaced", "packed"
_KNOWN_BY = ("capture_end", "ended_ns", "trades")  # what a later start would take from it


@dataclass(frozen=True, slots=True)
class Left:
    """An hour or a day that was left alone. ``wrong``: time alone will not change that."""

    what: str
    reason: str
    wrong: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """An hour to publish, or (``hour`` None) the record and files of a packed day.

    ``entry`` is the record that is there, to be replaced; ``kept`` are files that are there
    already, by the names that they have there; ``files`` are those to be sent.
    """

    how: str
    day: int
    hour: int | None
    record: Record
    entry: Entry | None
    kept: dict[Key, str]
    files: tuple[File, ...]

    @property
    def bytes(self) -> int:
        """How much is sent, where none of it is there."""
        return sum(file.bytes for file in self.files)

    @property
    def name(self) -> str:
        """The hour (``2026112119``) or the day (``2026-11-21``)."""
        return day_iso(self.day) if self.hour is None else hour_text(self.hour)


@dataclass(slots=True)
class Plan:
    """What is to be done, in this order; ``there``: how many hours are published already."""

    tasks: list[Task] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    there: int = 0


@dataclass(frozen=True, slots=True)
class _Hour:
    """An hour here, and what is there of it; ``same``: nothing is to be done."""

    hour: int
    record: Record
    entry: Entry | None
    before: Record | None
    same: bool


class Planner:
    """Compares a directory with a bucket. ``objects``: what lies there, where that is checked."""

    def __init__(
        self,
        root: Root,
        there: There,
        *,
        private: bool,
        objects: dict[str, Entry] | None = None,
    ) -> None:
        self._root = root
        self._there = there
        self._private = private
        self._objects = objects
        self._plan = Plan()

    def plan(self, hours: Iterable[int]) -> Plan:
        """What these hours need, the oldest first."""
        for day, of_day in groupby(sorted(hours), key=lambda hour: hour // 24):
            self._day(day, list(of_day))
        return self._plan

    def _day(self, day: int, hours: list[int]) -> None:
        try:
            packed = records.of_day(self._root, day, private=self._private)
        except DataError as error:
            self._plan.left.append(Left(day_iso(day), str(error)))
            return
        inside = hours_of(packed) if packed is not None else set()
        theirs = self._there.packed(day)
        found = [each for hour in hours if (each := self._hour(hour)) is not None]
        mine = [each for each in found if each.hour in inside]
        # Hours that are in a packed day there, and have files of their own here.
        apart = [each for each in found if each.hour in theirs - inside]
        others = [each for each in found if each.hour not in theirs | inside]
        if packed is not None:
            if self._pack(day, packed, mine, apart):
                self._publish(mine, alone=False)
        elif not all(each.same for each in apart):
            self._release(day, apart)
        else:
            self._plan.there += len(apart)
        self._publish(others, alone=True)

    # --- hours -----------------------------------------------------------------------------------

    def _hour(self, hour: int) -> _Hour | None:
        """What there is of an hour, here and there; None where nothing can be done with it."""
        try:
            record = records.of_hour(self._root, hour, private=self._private)
        except DataError as error:
            self._plan.left.append(Left(hour_text(hour), str(error)))
            return None
        if record is None:
            return None  # pruned just now
        entry = self._there.hours.get(hour)
        if entry is None:
            return _Hour(hour, record, None, None, same=False)
        before = record if entry.etag == record.etag else self._there.hour(hour)
        same = before is not None and self._is_same(record, before)
        if before is not None and not same and _later(before, record, "sealed_at"):
            reason = "what is published was sealed later than what is here, so it stays"
            self._plan.left.append(Left(hour_text(hour), reason))
            return None
        if before is not None and hour not in self._there.packed(hour // 24):
            same = same and not self._lacks(before)
        return _Hour(hour, record, entry, before, same=same)

    def _is_same(self, record: Record, before: Record) -> bool:
        if any(record.content.get(name) != before.content.get(name) for name in _KNOWN_BY):
            return False
        both = (each.digests(private=self._private) for each in (record, before))
        return next(both) == next(both)

    def _publish(self, hours: list[_Hour], *, alone: bool) -> None:
        """Publish hours; ``alone``: with files of their own."""
        for each in hours:
            if each.same:
                self._plan.there += 1
                continue
            how = NEW if each.entry is None else REPLACED
            kept = self._kept(each.record, each.before) if alone else {}
            files = [file for file in each.record.files if alone and file.key not in kept]
            self._add(how, each, kept, files)

    def _add(self, how: str, each: _Hour, kept: dict[Key, str], files: list[File]) -> None:
        self._plan.tasks.append(
            Task(how, each.hour // 24, each.hour, each.record, each.entry, kept, tuple(files))
        )

    def _kept(self, record: Record, before: Record | None) -> dict[Key, str]:
        """The files of a record that are there, under the names that they have there."""
        if before is None:
            return {}
        wanted = {file.key: file.sha256 for file in record.files}
        return {
            file.key: file.path
            for file in before.files
            if wanted.get(file.key) == file.sha256 and self._is_there(file)
        }

    def _is_there(self, file: File) -> bool:
        if self._objects is None:
            return True
        found = self._objects.get(file.path)
        return found is not None and found.size == file.bytes

    def _lacks(self, before: Record) -> bool:
        return not all(self._is_there(file) for file in before.files)

    # --- days ------------------------------------------------------------------------------------

    def _pack(self, day: int, record: Record, hours: list[_Hour], apart: list[_Hour]) -> bool:
        """A day that is packed here: its files, unless its hours are there in some way.

        ``apart`` are hours that only the day there has, so they need files before it is replaced.
        False where nothing of the day may be published.
        """
        before, entry = self._there.day(day), self._there.days.get(day)
        if before is not None and hours_of(before):
            same = before.digests(private=self._private) == record.digests(private=self._private)
            if same and hours_of(before) == hours_of(record) and not self._lacks(before):
                return True
            if _later(before, record, "packed_at"):
                reason = "what is published was packed later than what is here, so it stays"
                self._plan.left.append(Left(day_iso(day), reason))
                return False
        elif all(each.same for each in hours):
            return True  # the files of its hours are there
        for each in apart:
            self._add(REPLACED, each, {}, each.record.files)
        kept = self._kept(record, before)
        files = tuple(file for file in record.files if file.key not in kept)
        self._plan.tasks.append(Task(PACKED, day, None, record, entry, kept, files))
        return True

    def _release(self, day: int, apart: list[_Hour]) -> None:
        """A day that is packed there and not here, and is another now.

        First the files of its hours, then the day's record lets them go.
        """
        before, entry = self._there.day(day), self._there.days.get(day)
        assert before is not None
        for each in apart:
            self._add(REPLACED, each, {}, each.record.files)
        gone = {each.hour for each in apart}
        left = [each for each in before.content["hours"] if hour_from_iso(each["hour"]) not in gone]
        content = {**before.content, "hours": left}
        if not left:
            content |= {"files": [], "rows": 0, "bytes": 0}
        kept = {file.key: file.path for file in before.files} if left else {}
        self._plan.tasks.append(Task(REPLACED, day, None, records.made(content), entry, kept, ()))


def _later(one: Record, other: Record, name: str) -> bool:
    """Whether one record was made later than the other."""
    return datetime.fromisoformat(one.content[name]) > datetime.fromisoformat(other.content[name])
