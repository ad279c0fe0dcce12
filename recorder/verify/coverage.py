"""The intervals of every channel and product: no overlap, and no hole while a recording lasts.

A gap overlaps with nothing, but where it takes back what an hour before told; what is recorded may
overlap with what another connection records. A hole is right only where nothing at all was told of:
between two recordings.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa

from recorder.core.coverage import BACKFILLED
from recorder.core.frames import HOUR_NS, hour_of_seq
from recorder.core.tables import COVERAGE
from recorder.store.parts import read_parts
from recorder.store.paths import File, path_of
from recorder.verify.findings import COVERAGE as ABOUT
from recorder.verify.findings import Report

Key = tuple[str, str | None]
Remedy = Callable[[int], str]  # what to do about an hour
_HOUR_US = HOUR_NS // 1000


class Interval(NamedTuple):
    """One row, times in microseconds since 1970; ``hour`` is the one whose file holds it."""

    start: int
    end: int
    recorded: bool
    reason: str | None
    line: str | None
    hour: int
    path: File


@dataclass(slots=True)
class Ledger:
    """The intervals of all hours. ``files`` holds a file that tells some, by hour."""

    tracks: dict[Key, list[Interval]]
    files: dict[int, File]

    @classmethod
    def empty(cls) -> "Ledger":
        """Nothing is told yet."""
        return cls(defaultdict(list), {})

    def add(self, path: File, before_seq: int) -> None:
        """Take the rows of a file whose numbers are below one.

        Raises DataError or FileNotFoundError where it cannot be read.
        """
        rows = read_parts(COVERAGE, [path])
        names = ("channel", "product_id", "state", "reason", "connection_id", "noted_seq")
        columns = [rows.column(name).to_pylist() for name in names]
        times = [rows.column(name).cast(pa.int64()).to_pylist() for name in _TIMES]
        for channel, product_id, state, reason, line, noted, start, end in zip(
            *columns, *times, strict=True
        ):
            if noted < before_seq and state != BACKFILLED:  # lies over the gap that it fills
                hour = hour_of_seq(noted)
                interval = Interval(start, end, state != "gap", reason, line, hour, path)
                self.tracks[channel, product_id].append(interval)
                self.files.setdefault(hour, path)


_TIMES = ("start_time", "end_time")


def tells_of_damage(path: File) -> bool:
    """Whether a file of coverage says that capture was lost."""
    reasons = read_parts(COVERAGE, [path]).column("reason")
    return "capture_damaged" in reasons.cast(pa.string()).to_pylist()


def check_coverage(ledger: Ledger, report: Report, remedy: Remedy) -> None:
    """Look at all intervals of all tracks."""
    quiet = _Quiet(ledger)
    for key, intervals in sorted(
        ledger.tracks.items(), key=lambda item: (item[0][0], str(item[0][1]))
    ):
        intervals.sort(key=lambda each: (each.start, each.end))
        name = " ".join(each for each in key if each)
        _check_holes(name, intervals, ledger, quiet, report, remedy)
        _check_overlaps(name, intervals, report, remedy)


class _Quiet:
    """When nothing was told of by any track: no interval goes on over that moment."""

    def __init__(self, ledger: Ledger) -> None:
        self._hours = ledger.files.keys()
        spans = sorted((i.start, i.end) for each in ledger.tracks.values() for i in each)
        self._spans: list[tuple[int, int]] = []
        for start, end in spans:
            if self._spans and start < self._spans[-1][1]:
                self._spans[-1] = (self._spans[-1][0], max(end, self._spans[-1][1]))
            elif end > start:
                self._spans.append((start, end))

    def at(self, moment: int) -> bool:
        """Whether recording may have ended here; not at the turn of an hour that is there."""
        if moment % _HOUR_US == 0 and moment // _HOUR_US in self._hours:
            return False
        return not any(start < moment < end for start, end in self._spans)


def _check_holes(
    name: str,
    intervals: list[Interval],
    ledger: Ledger,
    quiet: _Quiet,
    report: Report,
    remedy: Remedy,
) -> None:
    reached = intervals[0].start
    for each in intervals:
        if each.start > reached and not quiet.at(reached):
            problem = f"{name}: nothing is told of {_moment(reached)} to {_moment(each.start)}"
            # An hour's end ends its intervals: what is missing belongs to the hour where it begins.
            hour = reached // _HOUR_US if reached // _HOUR_US in ledger.files else each.hour
            report.find(ABOUT, path_of(ledger.files[hour]), hour, problem, remedy(hour))
        reached = max(reached, each.end)


def _check_overlaps(name: str, intervals: list[Interval], report: Report, remedy: Remedy) -> None:
    # Sorted by begin: an interval can overlap with those that are open when it begins.
    open_now: list[Interval] = []
    for each in intervals:
        open_now = [other for other in open_now if other.end > each.start]
        for other in open_now:
            both = each.recorded and other.recorded
            if (both and each.line != other.line) or each.start == each.end:
                continue
            if _takes_back(each, other) or _takes_back(other, each):
                continue
            problem = f"{name}: two intervals tell of {_moment(each.start)}"
            if {each.reason, other.reason} & {"recorder_down"} and each.hour != other.hour:
                # Imported later into a time of which a start said that no recorder ran.
                report.note(
                    path_of(each.path), each.hour, f"{problem}: a gap, and what was imported there"
                )
                continue
            report.find(ABOUT, path_of(each.path), each.hour, problem, remedy(each.hour))
        if each.end > each.start:
            open_now.append(each)


def _takes_back(gap: Interval, recorded: Interval) -> bool:
    """Whether a gap that begins before its hour is of what was told as recorded before it."""
    before = gap.start < gap.hour * _HOUR_US and recorded.hour < gap.hour
    return before and not gap.recorded and recorded.recorded


def _moment(us: int) -> str:
    whole = datetime.fromtimestamp(us // 1_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{us % 1_000_000:06d}Z"
