"""Finishing what is not finished: capture without parts, parts without a seal.

An hour's capture is the truth. Offsets that a complete cut of parts covers are done; the rest is
run through the core, from the begin of the hour because the books need it, and the rows that are
not there yet are published as parts. Then the hour can be sealed. Doing any of it again is
harmless.

Where a stretch of the capture cannot be read, that is written down: a gap of every channel that was
recorded, and where no part holds the rows of the stretch either, a fault `capture_damaged`. A
connection may have ended in it, or begun, so that none is taken to have lived through it.

The same walk rebuilds the tables of one data directory in another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from recorder.checkpoints import Books, begins_with_books, checkpoint_files, read_books
from recorder.checkpoints import read_checkpoint as read_checkpoint  # noqa: PLC0414  told on
from recorder.core import state as states
from recorder.core.frames import (
    FIRST_OFFSET,
    Arrival,
    Carried,
    Ended,
    hour_base,
    offset_of_seq,
)
from recorder.core.pipeline import Pipeline
from recorder.core.rows import Origin, Rows, fault_rows
from recorder.core.tables import COVERAGE, TABLES
from recorder.recording import Pending
from recorder.store.capture import Damage, Lost, end_of, read_stretches
from recorder.store.days import files_of
from recorder.store.parts import read_cut, read_parts, to_arrow, write_cut, write_part
from recorder.store.paths import CUTS, Root, hour_text
from recorder.store.seal import Commit, read_commit, seal_hour, sealed_before, switch
from recorder.store.views import publish_views

CUT_ROWS = 1_000_000
DAMAGED = "capture_damaged"  # the kind of the fault, and the reason of the gaps

Range = tuple[int, int]
Key = tuple[str, str | None]


@dataclass(slots=True)
class Recovered:
    """What was done: rows published that were in the capture only, hours sealed, damage found."""

    rows: int = 0
    hours: list[str] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Until:
    """Where to stop: another process records from this offset of this hour on."""

    hour: int
    offset: int


def recover(path: Path, until: Until) -> Recovered:
    """Finish every hour before ``until``: publish the rows that no part holds, seal what is over.

    Runs in a process of its own beside a recording; the caller holds the lock.
    """
    done = publish_missing(path, until)
    root = Root(path)
    for hour in root.captured_hours():
        if hour < until.hour and not _is_sealed(root, hour, until):
            seal_hour(root, hour)
            done.sealed.append(hour_text(hour))
    return done


def publish_missing(path: Path, until: Until | None = None) -> Recovered:
    """Publish the rows of every captured frame that no part holds.

    ``until`` is None where nobody records.
    """
    root, done = Root(path), Recovered()
    hours = [
        hour
        for hour in root.captured_hours()
        if (until is None or hour <= until.hour)
        and not _is_sealed(root, hour, until)
        and not _is_complete(root, hour, until)
    ]
    if hours:
        walk = _Walk(root, root, until, done)
        for hour in range(_begin(root, hours[0]), hours[-1] + 1):
            if root.segments(hour):
                walk.hour(hour, publish=hour in hours)
    return done


def rebuild(
    source: Root, target: Root, progress: Callable[[int, int], None] | None = None
) -> list[str]:
    """Make the tables of a data directory again from its capture, in another one; seal all."""
    hours = source.captured_hours()
    for index, hour in enumerate(rows_again(source, target, hours)):
        seal_hour(target, hour, capture=source)
        if progress is not None:
            progress(index + 1, len(hours))
    if hours:
        switch(target, hours[-1] + 1)
        publish_views(target)
    return [hour_text(hour) for hour in hours]


def rows_again(
    source: Root, target: Root, hours: Sequence[int], until: Until | None = None
) -> Iterator[int]:
    """Make the rows of hours again from their capture, as parts in another directory.

    Gives each hour when its parts are there. An hour that follows on another takes its books from
    there; the first one, and those behind a hole, from their checkpoint rows.
    """
    walk = _Walk(source, target, until, Recovered())
    for hour in hours:
        walk.hour(hour, publish=True)
        yield hour


def rebuild_hour(
    source: Root, target: Root, hour: int, begin: int, books: Books | None = None
) -> Commit:
    """Make one hour again from its capture, in another directory, and seal it there.

    The walk begins with an hour at or before it whose books at the begin can be trusted, or with
    ``books`` in the place of its checkpoint rows; the capture of the hours between must be whole.
    """
    walk = _Walk(source, target, None, Recovered())
    if books is not None:
        walk.begin(begin, books)
    for each in range(begin, hour + 1):
        walk.hour(each, publish=each == hour)
    return seal_hour(target, hour, capture=source)


def seal_and_switch(root: Root, hours: Sequence[int]) -> list[Commit]:
    """Seal complete hours and let readers take them at once."""
    commits = [seal_hour(root, hour) for hour in hours]
    if hours:
        advance(root, max(hours) + 1)
        publish_views(root)
    return commits


def advance(root: Root, hour: int) -> None:
    """Let readers take sealed files for the hours before this one, if they do not yet."""
    present = sealed_before(root)
    if present is None or present < hour:
        switch(root, hour)


def is_sealed(root: Root, hour: int) -> bool:
    """Whether a commit record covers all of an hour's capture."""
    return _is_sealed(root, hour, None)


# --- what is done -------------------------------------------------------------------------------


def _end(root: Root, hour: int, until: Until | None) -> int:
    if until is not None and hour == until.hour:
        return until.offset
    return end_of(root.segments(hour)).offset


def _is_sealed(root: Root, hour: int, until: Until | None) -> bool:
    commit = read_commit(root, hour)
    return commit is not None and commit.capture_end >= _end(root, hour, until)


def _is_complete(root: Root, hour: int, until: Until | None) -> bool:
    """Whether complete cuts of parts (or an earlier seal) cover the capture of an hour."""
    return not _missing(_done(root, CUTS, hour), FIRST_OFFSET, _end(root, hour, until))


def _missing(ranges: Sequence[Range], first: int, end: int) -> list[Range]:
    """The ranges of [first, end) that no range covers."""
    missing = []
    for begin, stop in sorted(ranges):
        if begin > first:
            missing.append((first, min(begin, end)))
        first = max(first, stop)
        if first >= end:
            return missing
    return [*missing, (first, end)] if first < end else missing


def _done(root: Root, table: str, hour: int) -> list[Range]:
    """The offsets of an hour whose rows of a table are published (of `CUTS`: of every table)."""
    commit = read_commit(root, hour)
    ranges = [(0, commit.capture_end)] if commit is not None else []
    for name in {table, CUTS}:
        ranges += [(part.first, part.end) for part in root.parts(name, hour)]
    return ranges


def _trades_at(root: Root, hour: int, offset: int) -> dict[str, states.TradeState] | None:
    """The recorded trade ids where a cut or a seal ended; None where none ended there."""
    commit = read_commit(root, hour)
    content = commit.trades if commit is not None and commit.capture_end == offset else None
    for cut in root.parts(CUTS, hour):
        if cut.end == offset:
            content = read_cut(cut.path).trades
    return None if content is None else msgspec.convert(content, dict[str, states.TradeState])


def _begin(root: Root, hour: int) -> int:
    """The hour to replay from, so that the books at the begin of an hour are known."""
    while True:
        if not begins_with_books(root, hour):
            return hour
        if checkpoint_files(root, hour) or not root.segments(hour - 1):
            return hour
        hour -= 1


def _ledger(root: Root, hour: int, before_seq: int) -> dict[Key, int]:
    """Up to when the published intervals of each channel and product reach, in microseconds."""
    commit = read_commit(root, hour)
    files = files_of(root, hour, commit.files if commit is not None else (), COVERAGE.name)
    rows = read_parts(COVERAGE, files + [part.path for part in root.parts(COVERAGE.name, hour)])
    rows = rows.filter(pc.less(rows.column("noted_seq"), before_seq))
    ends: dict[Key, int] = {}
    times = rows.column("end_time").cast(pa.int64()).to_pylist()
    channels, product_ids = (rows.column(name).to_pylist() for name in ("channel", "product_id"))
    for channel, product_id, end_us in zip(channels, product_ids, times, strict=True):
        ends[channel, product_id] = max(end_us, ends.get((channel, product_id), end_us))
    return ends


def _after(block: Rows, ends: dict[Key, int]) -> Rows:
    """What is left of intervals after what the ledger holds, with the damage as the gaps' cause."""
    if block.table != COVERAGE.name:
        return block
    lists = [value if isinstance(value, list) else [value] * block.count for value in block.values]
    kept = []
    for values in zip(*lists, strict=True):
        row = dict(zip(COVERAGE.stored(), values, strict=True))
        end_us = ends.get((row["channel"], row["product_id"]))
        if end_us is not None and row["start_time"] < end_us:
            row["start_time"] = end_us
        if row["reason"] == "recorder_down":
            row["reason"] = DAMAGED
        if row["start_time"] < row["end_time"] or end_us is None:
            kept.append(tuple(row.values()))
    return Rows(block.table, len(kept), tuple(map(list, zip(*kept, strict=True))))


# --- the walk -----------------------------------------------------------------------------------


class _Walk:
    """Replays hours of one directory in order and publishes the rows that the other lacks."""

    def __init__(self, source: Root, target: Root, until: Until | None, done: Recovered) -> None:
        self._source = source
        self._target = target
        self._until = until
        self._done = done
        self._pipeline: Pipeline | None = None
        self._next_hour: int | None = None
        self._last_ns: int | None = None

    def begin(self, hour: int, books: Books) -> None:
        """Know these books, and nothing else, at the begin of an hour."""
        self._pipeline = Pipeline()
        self._pipeline.load_checkpoint(books)
        self._next_hour, self._last_ns = hour, None

    def hour(self, hour: int, *, publish: bool) -> None:
        """Replay one hour; publish its missing rows where asked to."""
        if self._pipeline is None or self._next_hour != hour:
            self.begin(hour, read_books(self._source, hour))
        assert self._pipeline is not None
        self._next_hour = hour + 1
        pending = Pending(hour, 0)
        resume: int | None = None
        lost: Lost | None = None
        for ingest_seq, arrival in self._arrivals(hour):
            offset = offset_of_seq(ingest_seq)
            if isinstance(arrival, Lost):
                # Its own begin says more of the next hour than what is made of this one from here.
                self._next_hour, lost = None, lost or arrival
                resume = self._first_missing(hour, lost.first)
                continue
            if lost is not None and resume is not None and offset < resume:
                continue  # its rows are published, and what they were made from is not known
            rows: list[Rows] = []
            if lost is not None:
                rows, lost = self._doubt(hour, lost, resume or offset, arrival.recv_ns), None
            elif pending.count >= CUT_ROWS:
                pending.end = offset
                self._publish(pending)
                pending = Pending(hour, offset)
            rows += self._pipeline.step(arrival, ingest_seq).rows
            self._last_ns = arrival.recv_ns
            if publish:
                pending.add(rows)
        pending.end = self._end_of(hour)
        if publish and pending.end > FIRST_OFFSET:
            self._publish(pending)
            self._done.hours.append(hour_text(hour))

    def _first_missing(self, hour: int, offset: int) -> int:
        """The first offset from this one on whose rows are not all published."""
        missing = _missing(_done(self._target, CUTS, hour), offset, self._end_of(hour))
        return missing[0][0] if missing else self._end_of(hour)

    def _doubt(self, hour: int, lost: Lost, resume: int, now_ns: int) -> list[Rows]:
        """Write down that a stretch of the capture is lost; nothing is known to go on behind it.

        ``resume`` is from where on rows are missing; the ledger takes what it has to say there.
        """
        assert self._pipeline is not None
        last_ns = now_ns if self._last_ns is None else self._last_ns
        trades = _trades_at(self._target, hour, resume)
        known = states.State(
            ended_ns=last_ns,
            wanted=list(self._pipeline.coverage.tracks),
            trades=trades or states.trades_to_state(self._pipeline.trades),
        )
        at = hour_base(hour) + resume
        rows = self._pipeline.step(Ended(last_ns, "lost"), at).rows
        rows += self._pipeline.step(Carried(now_ns, "start", states.encode(known)), at).rows
        ends = _ledger(self._target, hour, at)
        rows = [_after(block, ends) for block in rows]
        if resume == lost.first:
            detail = f"offsets {lost.first} … {lost.end - 1} of the hour's capture cannot be read"
            rows.append(fault_rows(DAMAGED, detail, Origin(last_ns, None, None, None), at))
        return rows

    def _end_of(self, hour: int) -> int:
        return _end(self._source, hour, self._until)

    def _arrivals(self, hour: int) -> Iterator[tuple[int, Arrival | Lost]]:
        end = self._end_of(hour)
        segments = self._source.segments(hour)
        for ingest_seq, arrival in read_stretches(segments, self._done.damage):
            if offset_of_seq(ingest_seq) >= end:
                return
            yield ingest_seq, arrival

    def _publish(self, pending: Pending) -> None:
        """Publish the rows of a stretch that no part holds yet, table by table, and its record."""
        assert self._pipeline is not None
        hour, base = pending.hour, hour_base(pending.hour)
        counts: dict[str, int] = {}
        for name, blocks in sorted(pending.rows.items()):
            table = TABLES[name]
            arrow = to_arrow(table, blocks)
            order = arrow.column(table.order)
            for first, end in _missing(_done(self._target, name, hour), pending.first, pending.end):
                inside = pc.and_(pc.greater_equal(order, base + first), pc.less(order, base + end))
                rows = arrow.filter(inside)
                if rows.num_rows:
                    write_part(self._target, table, rows, hour, first, end)
                    self._done.rows += rows.num_rows
            counts[name] = arrow.num_rows
        trades = states.encode(states.trades_to_state(self._pipeline.trades))
        write_cut(
            self._target, hour, pending.first, pending.end, counts, trades, self._last_ns or 0
        )
