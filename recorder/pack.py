"""Packing days that are closed, beside whoever records: one file a table and product for each.

A day is closed when nothing can be added to it and nobody reads it from elsewhere: it is over, and
not the one of the newest sealed hour, in which a start could go on; every hour of it that anything
is kept of is sealed, readers take it from sealed files, and that for so long that who listed its
parts has finished. Hours of which nothing is kept must be told of: nothing was recorded before
them, or whoever recorded had ended, or a later hour tells of a gap all through them. Every other
day is left alone, with the reason.

What a packed day replaced is removed by a later run, after the time that every reader is given.
"""

import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from recorder import recovery
from recorder.core.coverage import GAP
from recorder.core.tables import COVERAGE
from recorder.errors import DataError, NoInputError, UsageError
from recorder.finishing import on_disk
from recorder.store import retire
from recorder.store.days import Day, clear, day_named, files_of, read_day
from recorder.store.lock import PackLock
from recorder.store.pack import let_go, pack_day, superseded
from recorder.store.parts import read_parts
from recorder.store.paths import Root, day_iso, hour_text
from recorder.store.seal import Commit, read_commit, sealed_before
from recorder.store.views import publish_views
from recorder.verify.sealed import read_record

Progress = Callable[[int, int], None]

_HOUR_US = 3_600_000_000
_FREE_BYTES_MIN = 2**30  # beyond what the day takes: whoever records must not run out of space
DAMAGED = "`recorder verify` tells what is damaged, `recorder repair` mends it."


@dataclass(frozen=True, slots=True)
class PackedDay:
    """A day that was packed (or would be): how many files and bytes became how many."""

    day: str
    hours: int
    rows: int
    files_before: int
    bytes_before: int
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class LeftDay:
    """A day that was left alone. ``wrong``: time alone will not change that."""

    day: str
    reason: str
    wrong: bool = False


@dataclass(slots=True)
class PackReport:
    """What was packed, what went (or would), and which days were left alone, with the reasons.

    ``whole``: no day that was asked for, or is old enough, was left alone for what is wrong with
    it.
    """

    path: str
    dry_run: bool
    whole: bool = True
    packed: list[PackedDay] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[LeftDay] = field(default_factory=list)


class _NotClosedError(Exception):
    """A day is left alone: why, and whether that is wrong."""

    def __init__(self, reason: str, *, wrong: bool = False) -> None:
        super().__init__(reason)
        self.wrong = wrong


def pack(
    path: Path,
    days: Sequence[str] = (),
    *,
    older_than_s: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PackReport:
    """Pack these days, or all that are closed; remove what days packed before have replaced.

    Whoever records needs not stop. ``older_than_s``: only days that ended longer ago.

    Raises:
        LockedError: somebody packs, repairs or prunes it, or imports into it.
        NoInputError: it is no data directory.
        UsageError: a day is none.
        StorageError: the disk refused.
    """
    wanted = [_day(text) for text in days]
    if not path.is_dir():
        raise NoInputError(f"{path}: no such directory. Name one that was recorded into.")
    root = Root(path)
    with PackLock(root), on_disk(root):
        return _Packing(root, dry_run, progress).run(wanted, older_than_s)


def _day(text: str) -> int:
    day = day_named(text)
    if day is None:
        raise UsageError(f"{text[:40]!r} is no day; write it as 2026-11-21 (UTC)")
    return day


class _Packing:
    """One run."""

    def __init__(self, root: Root, dry_run: bool, progress: Progress | None) -> None:
        self._root = root
        self._progress = progress
        self._now_s = time.time()
        self._report = PackReport(str(root.path), dry_run)

    def run(self, wanted: Sequence[int], older_than_s: int | None) -> PackReport:
        """Clean up, remove what is due, pack."""
        report = self._report
        if not report.dry_run and (cleared := clear(self._root)):
            report.removed += cleared  # who died of it may not have told readers
            publish_views(self._root, self._root.packing)
        for day in self._root.noted_days():
            self._let_go(day)
        committed = self._root.committed_hours()
        before_s = self._now_s - (older_than_s or 0)
        every = sorted({hour // 24 for hour in committed} | set(self._root.packed_days()))
        closed: list[tuple[int, list[Commit]]] = []
        for day in sorted(set(wanted)) or every:
            if (day + 1) * 86_400 > before_s and not wanted:
                continue
            try:
                if commits := self._closed(day, committed, asked=bool(wanted)):
                    closed.append((day, commits))
            except _NotClosedError as error:
                self._leave(day, str(error), wrong=error.wrong or bool(wanted))
            except DataError as error:
                self._leave(day, f"{error} {DAMAGED}", wrong=True)
        self._pack_all(closed)
        return report

    def _leave(self, day: int, reason: str, *, wrong: bool) -> None:
        self._report.left.append(LeftDay(day_iso(day), reason, wrong))
        self._report.whole = self._report.whole and not wrong

    # --- what is due to go ----------------------------------------------------------------------

    def _let_go(self, day: int) -> None:
        """Remove the files of a packed day's hours, once who listed them has finished."""
        try:
            record = read_day(self._root, day)
            if record is None:
                return  # cut off: the next run that is no dry one starts it over
            since_s = self._now_s - datetime.fromisoformat(record.packed_at).timestamp()
            if since_s < retire.GRACE_S:
                return
            if self._report.dry_run:
                files = len(superseded(self._root, record))
            else:
                self._tell_readers()
                files = let_go(self._root, day, record)
        except DataError as error:
            reason = f"The files of its hours stay: {error} {DAMAGED}"
            self._leave(day, reason, wrong=True)
        else:
            self._report.removed.append(f"{files} files of the hours of {day_iso(day)}")

    def _tell_readers(self) -> None:
        """See that whoever reads `recorder.sql` from now on knows of packed days."""
        if not publish_views(self._root, self._root.packing):
            raise DataError("recorder.sql cannot be written anew, because a record is damaged.")

    # --- which days -----------------------------------------------------------------------------

    def _closed(self, day: int, committed: Sequence[int], *, asked: bool) -> list[Commit]:
        """The commit records of a day's hours, in order; none where it is packed already.

        Raises _NotClosedError or DataError where it is to be left alone.
        """
        hours = [hour for hour in committed if hour // 24 == day]
        record = read_day(self._root, day)
        if record is not None:
            later = [hour for hour in hours if not record.holds(hour)]
            if later or asked:
                raise _NotClosedError(_packed_already(later))
            return []
        if not hours:
            raise _NotClosedError("nothing of it is sealed", wrong=True)
        if (day + 1) * 86_400 > self._now_s:
            raise _NotClosedError("it is not over")
        if committed[-1] in hours:
            raise _NotClosedError(
                "it has the newest sealed hour, in which a start could go on; it can be packed "
                "when there is a later one"
            )
        self._refuse_open(day, hours)
        commits = [self._commit(hour) for hour in hours]
        self._refuse_holes(day, committed)
        return commits

    def _refuse_open(self, day: int, hours: Collection[int]) -> None:
        """Raise _NotClosedError where an hour is not sealed, or readers may not know of it yet."""
        root = self._root
        for hour in sorted({*root.captured_hours(), *root.part_hours(), *hours}):
            if hour // 24 == day and not recovery.is_sealed(root, hour):
                raise _NotClosedError(
                    f"{hour_text(hour)} is not sealed: the next start of the recorder, or "
                    "`recorder seal`, seals it",
                )
        if (sealed_before(root) or 0) <= max(hours):
            raise _NotClosedError("readers still take it from parts")

    def _commit(self, hour: int) -> Commit:
        """The commit record of an hour, which must be right and old enough."""
        sealed = read_record(self._root, hour)
        if sealed.commit is None:
            raise DataError(f"{self._root.commit(hour)}: {sealed.problem or 'is gone'}.")
        sealed_s = datetime.fromisoformat(sealed.commit.sealed_at).timestamp()
        if self._now_s - sealed_s < retire.GRACE_S:
            raise _NotClosedError(
                f"{hour_text(hour)} was sealed less than {retire.GRACE_S // 60} minutes ago"
            )
        return sealed.commit

    def _refuse_holes(self, day: int, committed: Sequence[int]) -> None:
        """Raise _NotClosedError where hours are missing and nothing tells why."""
        for before, after in pairwise(committed):
            if after // 24 < day or before // 24 > day or after == before + 1:
                continue
            missing = [hour for hour in range(before + 1, after) if hour // 24 == day]
            if missing and not self._told(before, after):
                raise _NotClosedError(
                    f"{_hours(missing)} missing, and neither the hour before says that the "
                    "recording ended, nor the next one that nothing was recorded. Take the files "
                    "from a copy, or their capture, and run `recorder repair`",
                    wrong=True,
                )

    def _told(self, before: int, after: int) -> bool:
        """Whether nothing was recorded between two sealed hours, by what is told of it."""
        turn_us, back_us = (before + 1) * _HOUR_US, after * _HOUR_US
        told = self._coverage(after)
        starts, ends = (told.column(name).cast(pa.int64()) for name in ("start_time", "end_time"))
        gaps = pc.equal(told.column("state").cast(pa.string()), GAP)
        through = pc.and_(pc.less_equal(starts, turn_us), pc.greater_equal(ends, back_us))
        if pc.any(pc.and_(gaps, through)).as_py():
            return True
        # An interval that goes on over the turn of an hour ends there, and begins there.
        ended = self._coverage(before).column("end_time").cast(pa.int64())
        went_on = pc.any(pc.equal(ended, turn_us)).as_py()
        return not went_on and not pc.any(pc.equal(starts, back_us)).as_py()

    def _coverage(self, hour: int) -> pa.Table:
        commit = read_commit(self._root, hour)
        files = commit.files if commit is not None else ()
        return read_parts(COVERAGE, files_of(self._root, hour, files, COVERAGE.name))

    # --- packing --------------------------------------------------------------------------------

    def _pack_all(self, closed: Sequence[tuple[int, list[Commit]]]) -> None:
        total = sum(commit.rows for _, commits in closed for commit in commits)
        done = 0

        def told(rows: int) -> None:
            nonlocal done
            done += rows
            if self._progress is not None:
                self._progress(done, total)

        for day, commits in closed:
            rows, size = (
                sum(getattr(each, name) for each in commits) for name in ("rows", "bytes")
            )
            found = PackedDay(
                day_iso(day), len(commits), rows, sum(len(each.files) for each in commits), size
            )
            if self._report.dry_run:
                self._report.packed.append(found)
                continue
            try:
                self._refuse_little_space(size)
                record = pack_day(self._root, day, commits, _now, told)
            except DataError as error:
                clear(self._root)
                self._leave(day, f"{error} {DAMAGED}", wrong=True)
            except _NotClosedError as error:
                self._leave(day, str(error), wrong=True)
            else:
                publish_views(self._root, self._root.packing)
                self._report.packed.append(_packed(found, record))

    def _refuse_little_space(self, size: int) -> None:
        free = shutil.disk_usage(self._root.path).free
        if free < size + _FREE_BYTES_MIN:
            raise _NotClosedError(
                f"{free:,} bytes are free, and it needs {size + _FREE_BYTES_MIN:,}: its files are "
                "there twice until those of its hours go"
            )


def _now() -> str:
    return f"{datetime.fromtimestamp(time.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"


def _packed(found: PackedDay, record: Day) -> PackedDay:
    before = found.files_before, found.bytes_before
    return PackedDay(found.day, found.hours, found.rows, *before, len(record.files), record.bytes)


def _packed_already(later: Sequence[int]) -> str:
    if not later:
        return "it is packed already"
    return f"it is packed already; {_hours(later, 'came')} later, and keep files of their own"


def _hours(hours: Sequence[int], verb: str = "") -> str:
    names = [hour_text(hour) for hour in hours]
    shown = ", ".join(names) if len(names) < 4 else f"{names[0]} … {names[-1]}"
    return f"{shown} {verb or ('is' if len(names) == 1 else 'are')}"
