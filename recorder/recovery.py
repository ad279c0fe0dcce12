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

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow.compute as pc

from recorder.beside import Beside
from recorder.checkpoints import Books, begins_with_books, checkpoint_files, read_books
from recorder.checkpoints import read_checkpoint as read_checkpoint  # noqa: PLC0414  told on
from recorder.core import many
from recorder.core import state as states
from recorder.core.frames import (
    FIRST_OFFSET,
    HOUR_NS,
    Arrival,
    Carried,
    Ended,
    hour_base,
    offset_of_seq,
)
from recorder.core.pipeline import Pipeline
from recorder.core.rows import Origin, Rows, fault_rows
from recorder.core.tables import TABLES
from recorder.losses import DAMAGED, Range, after, around, lost_end, missing
from recorder.recording import Pending
from recorder.store.capture import Damage, Lost, end_of, read_stretches
from recorder.store.lines import to_line
from recorder.store.parts import to_arrow, write_cut, write_part
from recorder.store.paths import CUTS, Root, hour_text
from recorder.store.seal import Commit, read_commit, seal_hour, sealed_before, switch, taken_to
from recorder.store.views import publish_views

CUT_ROWS = 250_000  # twice as many are held: those being written, and those being made


@dataclass(slots=True)
class Recovered:
    """What was done: rows published that were in the capture only, hours sealed, damage found.

    ``notes`` are (kind, detail) of faults to write down, ``failed`` hours that could not be
    finished, and why.
    """

    rows: int = 0
    hours: list[str] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Until:
    """Where to stop: another process records from this offset of this hour on."""

    hour: int
    offset: int


def publish_missing(
    path: Path, until: Until | None = None, passed_over: Collection[int] = ()
) -> Recovered:
    """Publish the rows of every captured frame that no part holds.

    ``until`` is None where nobody records.
    """
    root = Root(path)
    hours = [
        hour
        for hour in _held(root)
        if (until is None or hour <= until.hour)
        and hour not in passed_over
        and not is_sealed(root, hour, until)
    ]
    return publish_hours(root, hours, until)


def publish_hours(root: Root, hours: Sequence[int], until: Until | None = None) -> Recovered:
    """Publish the rows of captured frames of some hours, in their order, that no part holds."""
    done = Recovered()
    hours = [hour for hour in hours if not _is_complete(root, hour, until)]
    if hours:
        walk = _Walk(root, root, until, done)
        for hour in range(_begin(root, hours[0]), hours[-1] + 1):
            if root.segments(hour) or hour in hours:
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


def unsealed(root: Root) -> list[int]:
    """The hours that have capture, or parts alone, and are not sealed whole; oldest first."""
    return [hour for hour in _held(root) if not is_sealed(root, hour)]


def is_sealed(root: Root, hour: int, until: Until | None = None) -> bool:
    """Whether a commit record covers all of an hour's capture."""
    commit = read_commit(root, hour)
    return commit is not None and commit.capture_end >= _end(root, hour, until)


# --- what is done -------------------------------------------------------------------------------


def _held(root: Root) -> list[int]:
    """The hours that have capture, or cuts alone, since their capture is gone."""
    return sorted({*root.captured_hours(), *(cut.hour for cut in root.parts(CUTS))})


def _end(root: Root, hour: int, until: Until | None) -> int:
    """The offset before which an hour's rows are to be published.

    Where the end of its capture is lost, what is said of that takes the next one.
    """
    if until is not None and hour == until.hour:
        return until.offset
    if lost_end(root, hour, until.hour if until is not None else None) is not None:
        return max(taken_to(root, hour), FIRST_OFFSET) + 1
    return end_of(root.segments(hour)).offset


def _is_complete(root: Root, hour: int, until: Until | None) -> bool:
    """Whether complete cuts of parts (or an earlier seal) cover the capture of an hour."""
    return not missing(_done(root, CUTS, hour), FIRST_OFFSET, _end(root, hour, until))


def _done(root: Root, table: str, hour: int) -> list[Range]:
    """The offsets of an hour whose rows of a table are published (of `CUTS`: of every table)."""
    commit = read_commit(root, hour)
    ranges = [(0, commit.capture_end)] if commit is not None else []
    for name in {table, CUTS}:
        ranges += [(part.first, part.end) for part in root.parts(name, hour)]
    return ranges


def _begin(root: Root, hour: int) -> int:
    """The hour to replay from, so that the books at the begin of an hour are known."""
    while True:
        if not begins_with_books(root, hour):
            return hour
        if checkpoint_files(root, hour) or not root.segments(hour - 1):
            return hour
        hour -= 1


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
        self._beside = Beside()

    def begin(self, hour: int, books: Books) -> None:
        """Know these books, and nothing else, at the begin of an hour."""
        self._pipeline = Pipeline()
        self._pipeline.load_checkpoint(books)
        self._next_hour, self._last_ns = hour, None

    def hour(self, hour: int, *, publish: bool) -> None:
        """Replay one hour; publish its missing rows where asked to.

        Parts are written while the rows of the next ones are made; all are there at the end.
        """
        with Beside() as self._beside:
            self._hour(hour, publish=publish)

    def _hour(self, hour: int, *, publish: bool) -> None:
        if self._pipeline is None or self._next_hour != hour:
            self.begin(hour, read_books(self._source, hour))
        assert self._pipeline is not None
        self._next_hour = hour + 1
        pending = Pending(hour, 0)
        end = _end(self._source, hour, self._until)
        resume: int | None = None
        lost: Lost | None = None
        arrival: Arrival | Lost | None = None
        for some in many.gathered(self._arrivals(hour, end)):
            arrival = some[-1][1]
            if isinstance(arrival, Lost):
                # Its own begin says more of the next hour than what is made of this one from here.
                self._next_hour = None
                lost = Lost(lost.first if lost else arrival.first, arrival.end)
                resume = self._first_missing(hour, lost.first, end)
                continue
            arrivals = cast("list[tuple[int, Arrival]]", some)
            if lost is not None and resume is not None:
                # What is published already was made from what is not known.
                arrivals = [each for each in arrivals if offset_of_seq(each[0]) >= resume]
                if not arrivals:
                    continue
            rows: list[Rows] = []
            if lost is not None and resume is not None:
                pending = self._pass(pending, lost, resume, publish=publish)
                rows, lost = self._doubt(hour, lost, resume, arrivals[0][1]), None
            elif pending.count >= CUT_ROWS:
                pending.end = offset_of_seq(arrivals[0][0])
                self._publish(pending)
                pending = Pending(hour, pending.end)
            rows += many.take(self._pipeline, arrivals).rows
            self._last_ns = arrival.recv_ns
            if publish:
                pending.add(rows)
        if lost is not None and resume is not None and resume < end:
            pending = self._pass(pending, lost, resume, publish=publish)
            pending.add(self._doubt(hour, lost, resume, None))
        self._finish(pending, arrival, end, publish=publish)

    def _finish(
        self, pending: Pending, last: Arrival | Lost | None, end: int, *, publish: bool
    ) -> None:
        if not (isinstance(last, Ended) and last.cause == "hour"):
            self._next_hour = None  # it ended, or its end is lost: the next one says what it knows
        pending.end = end
        if publish and end > FIRST_OFFSET:
            self._publish(pending)
            self._done.hours.append(hour_text(pending.hour))

    def _pass(self, pending: Pending, lost: Lost, resume: int, *, publish: bool) -> Pending:
        """What waits from here on, behind rows that are published and were not made again."""
        if resume == lost.first and lost.first > FIRST_OFFSET:
            return pending  # nothing was passed over
        if publish and self._first_missing(pending.hour, pending.first, lost.first) < lost.first:
            pending.end = lost.first
            self._publish(pending)
        return Pending(pending.hour, resume)

    def _first_missing(self, hour: int, offset: int, end: int) -> int:
        """The first offset from this one on whose rows are not all published."""
        self._beside.wait()
        lacking = missing(_done(self._target, CUTS, hour), max(offset, FIRST_OFFSET), end)
        return lacking[0][0] if lacking else end

    def _doubt(self, hour: int, lost: Lost, resume: int, arrival: Arrival | None) -> list[Rows]:
        """Write down that a stretch of the capture is lost; nothing is known to go on behind it.

        ``resume`` is from where on rows are missing; the ledger takes what it has to say there.
        ``arrival`` is what came then; None: nothing that is left.
        """
        self._beside.wait()  # for what the tables know
        begun = lost.first > FIRST_OFFSET
        if not begun:
            self.begin(hour, {})
            self._next_hour = None
        assert self._pipeline is not None
        known = around(self._target, hour, resume, self._pipeline, self._last_ns or 0, begun=begun)
        now_ns = self._last_ns or known.state.ended_ns or hour * HOUR_NS
        if arrival is not None:
            now_ns = arrival.recv_ns
            if isinstance(arrival, Ended) and arrival.cause == "hour":
                now_ns = (hour + 1) * HOUR_NS
        last_ns = self._last_ns or known.state.ended_ns or now_ns
        at = hour_base(hour) + resume
        rows = self._pipeline.step(Ended(last_ns, "lost"), at).rows if begun else []
        carried = Carried(now_ns, "start", states.encode(known.state))
        rows += self._pipeline.step(carried, at).rows
        for track in self._pipeline.coverage.tracks.values():
            if track.missing is not None:
                track.missing.reason = DAMAGED
        rows = [after(block, known.ends) for block in rows]
        self._last_ns = now_ns
        return [*rows, self._fault(hour, lost, at, last_ns, arrival)]

    def _fault(self, hour: int, lost: Lost, at: int, last_ns: int, arrival: Arrival | None) -> Rows:
        """The fault's number lies in the stretch that is lost, or is the arrival's last."""
        detail = f"offsets {lost.first} … {lost.end - 1} of the hour's capture cannot be read"
        if lost.end >= _end(self._source, hour, self._until):
            detail = f"the hour's capture cannot be read from offset {lost.first} on"
        if at >= hour_base(hour) + lost.end:
            # Of a line fewer rows are made than it has bytes, so that its last number is free.
            at += len(to_line(arrival)) - 1 if arrival is not None else 0
            detail += "; parts have its rows"
        return fault_rows(DAMAGED, detail, Origin(last_ns, None, None, None), at)

    def _arrivals(self, hour: int, end: int) -> Iterator[tuple[int, Arrival | Lost]]:
        """What the capture holds before an offset, and the end that was lost."""
        stop = hour_base(hour) + end
        for each in read_stretches(self._source.segments(hour), self._done.damage):
            if each[0] >= stop:
                return
            yield each
        ended = lost_end(self._source, hour, self._until.hour if self._until else None)
        if ended is not None:
            last = end_of(self._source.segments(hour)).offset
            yield hour_base(hour) + last, Lost(last, end)
            yield hour_base(hour) + end - 1, ended

    def _publish(self, pending: Pending) -> None:
        """Publish the rows of a stretch that no part holds yet, and its record, in their turn."""
        assert self._pipeline is not None
        pending.trades = states.encode(states.trades_to_state(self._pipeline.trades))
        pending.last_ns = self._last_ns or 0
        self._beside.do(partial(self._write, pending))

    def _write(self, pending: Pending) -> None:
        """Write parts table by table, then the record of the cut."""
        hour, base = pending.hour, hour_base(pending.hour)
        counts: dict[str, int] = {}
        parts = []
        for name in sorted(pending.rows):
            table = TABLES[name]
            arrow = to_arrow(table, pending.rows.pop(name))
            order = arrow.column(table.order)
            for first, end in missing(_done(self._target, name, hour), pending.first, pending.end):
                inside = pc.and_(pc.greater_equal(order, base + first), pc.less(order, base + end))
                rows = arrow.filter(inside)
                if rows.num_rows:
                    parts.append(write_part(self._target, table, rows, hour, first, end))
                    self._done.rows += rows.num_rows
            counts[name] = arrow.num_rows
        write_cut(
            self._target, hour, pending.first, pending.end, counts, pending.trades,
            pending.last_ns, parts,
        )  # fmt: skip
