"""One data directory being written: capture ▶ core ▶ parts.

This is what `live` and `replay` have in common: every arrival is appended to the capture, goes
through the pipeline, and its rows wait for the next part. Nothing here waits or reads a clock.
The hours are cut by the arrivals' times: an hour's capture ends with `Ended` and the next begins
with `Carried`, so that each can be replayed alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recorder.before import Before, look_before
from recorder.core import many
from recorder.core import state as states
from recorder.core.coverage import GAP, RECORDED, UNVERIFIED, Coverage
from recorder.core.frames import (
    HOUR_NS,
    Arrival,
    Carried,
    Ended,
    Frame,
    Noted,
    hour_base,
    hour_of,
)
from recorder.core.messages import Reconnect, Request
from recorder.core.pipeline import Pipeline, Step
from recorder.core.rows import Columns, Rows
from recorder.core.tables import TABLES
from recorder.core.trades import TradeIds, all_merged
from recorder.store.capture import nothing_whole
from recorder.store.capture_writer import CaptureWriter
from recorder.store.importing import take_back
from recorder.store.parts import to_arrow, write_cut, write_open, write_part
from recorder.store.paths import CUTS, Root
from recorder.store.seal import taken_to

Wanted = Sequence[tuple[str, str | None]]


# What a block of rows takes in memory, one whose columns are arrays, and each of the rows, at most
# but for long texts.
BLOCK_BYTES = 1536
COLUMNS_BYTES = 4096
ROW_BYTES = 160


@dataclass(slots=True)
class Pending:
    """Rows that wait for their part: those of the frames at offsets [first, end) of an hour.

    ``held_bytes`` is about what they take in memory; ``sizes`` are the bytes of the files that were
    written, by table.
    """

    hour: int
    first: int
    end: int = 0
    rows: dict[str, list[Rows]] = field(default_factory=dict)
    count: int = 0
    held_bytes: int = 0
    trades: bytes = b"{}"
    last_ns: int = 0
    tracks: list[dict[str, Any]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    def add(self, rows: Sequence[Rows]) -> None:
        """Append the rows of one step."""
        for block in rows:
            if block.count:
                self.rows.setdefault(block.table, []).append(block)
                self.count += block.count
                bare = COLUMNS_BYTES if type(block) is Columns else BLOCK_BYTES
                self.held_bytes += bare + ROW_BYTES * block.count

    @property
    def reached(self) -> int:
        """The ``ingest_seq`` up to which the capture must be durable before this is published."""
        return hour_base(self.hour) + self.end

    def publish(
        self,
        root: Root,
        may_go_on: Callable[[], bool] = lambda: True,
        between: Callable[[], None] | None = None,
    ) -> dict[str, int]:
        """Write the parts, then the record of the cut (blocking); returns rows by table.

        ``may_go_on`` is asked before each file; without the record nobody reads them. ``between``
        is called between pieces of the work that keep other threads from theirs.
        """
        rows, parts = dict[str, int](), []
        for name, blocks in sorted(self.rows.items()):
            if not may_go_on():
                return rows
            arrow = to_arrow(TABLES[name], blocks, between)
            parts.append(write_part(root, TABLES[name], arrow, self.hour, self.first, self.end))
            rows[name], self.sizes[name] = arrow.num_rows, parts[-1].stat().st_size
        write_cut(root, self.hour, self.first, self.end, rows, self.trades, self.last_ns, parts)
        write_open(root, self.hour, self.end, self.last_ns, self.tracks)
        return rows


def end_lost(root: Root) -> None:
    """Give a recording that died its end, so that its intervals are written down."""
    before = look_before(root)
    if not before.orderly:
        _writer_of_end(root, before).close()


def _writer_of_end(root: Root, before: Before) -> CaptureWriter:
    """A segment that begins with the end of a recording that died."""
    assert before.hour is not None
    assert before.last_ns is not None
    capture = CaptureWriter(root, before.hour, before.offset)
    capture.append(Ended(before.last_ns, "lost"))
    return capture


def remember(root: Root, recv_ns: int, trades: Mapping[str, TradeIds]) -> None:
    """Tell the next recording of trades that came into hours before the newest one.

    A stretch tells of them in which nothing is recorded, at a time not before all that is held.
    """
    recording = Recording(root, recv_ns, backfill=True, idle=True, also=trades)
    recording.stop(recv_ns)
    recording.flush()
    recording.capture.close()


def write_down(root: Root, notes: Sequence[tuple[str, str]]) -> int:
    """Write faults down, (kind, detail), where nobody records; returns the hour that tells them.

    That is the newest one: a stretch of it in which nothing is recorded.
    """
    before = look_before(root)
    newest = max([part.hour for part in root.parts(CUTS)] or [before.hour or 0])
    recv_ns = max(before.last_ns or 0, newest * HOUR_NS)
    recording = Recording(root, recv_ns, idle=True)
    for kind, detail in notes:
        recording.take(Noted(recording.last_ns, kind, detail))
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    return recording.hour


HOURS_MAX = 24  # a machine that was asleep for a night has an hour each, and its books


class Recording:
    """Takes arrivals in their order. ``ready`` holds what can be published as parts.

    Not thread-safe; the capture's `write` and `sync` and `Pending.publish` may run elsewhere.
    """

    def __init__(
        self,
        root: Root,
        recv_ns: int,
        wanted: Wanted = (),
        *,
        backfill: bool = False,
        idle: bool = False,
        also: Mapping[str, TradeIds] | None = None,
    ) -> None:
        """Begin to record at a time; the caller holds the directory's lock.

        A recording before this one that did not end in order is given its end, and an import that
        did not finish is taken back. ``backfill``: this is an import, and hours after this time may
        be there already. ``idle``: nothing is recorded but trades that were missing. ``also``:
        trades that are recorded, of which the recordings before do not tell.
        """
        if not backfill:
            take_back(root)
        before = look_before(root, hour_of(recv_ns) if backfill else None)
        trades, elsewhere = before.trades, dict[str, TradeIds]()
        if backfill and (newest := look_before(root)).hour != before.hour:
            elsewhere = all_merged(newest.trades, also or {})
        elif also:
            trades = all_merged(trades, also)
        self.root = root
        self.pipeline = Pipeline()
        self.ready: list[Pending] = []
        self.last_ns = max(recv_ns, before.last_ns or 0)
        hour = hour_of(self.last_ns)
        if before.orderly:
            self.capture = CaptureWriter(root, hour, taken_to(root, hour))
        else:
            self.capture = _writer_of_end(root, before)
            if hour != self.capture.hour:
                self.capture.turn(hour, taken_to(root, hour))
        self.begin_hour, self.begin_offset = hour, self.capture.offset
        self._pending = Pending(hour, self.begin_offset)
        damaged = nothing_whole(root.segment(hour, self.begin_offset))
        known = states.State(
            ended_ns=before.told_ns,
            wanted=list(wanted),
            trades=states.trades_to_state(trades),
            idle=idle,
            elsewhere=states.trades_to_state(elsewhere),
        )
        self._step(Carried(self.last_ns, "start", states.encode(known)))
        if damaged:
            self._step(Noted(self.last_ns, "capture_damaged", damaged))
        self.capture.flush()

    @property
    def hour(self) -> int:
        """The hour that is being recorded."""
        return self.capture.hour

    @property
    def pending_rows(self) -> int:
        """Rows that wait for their part."""
        return self._pending.count + sum(each.count for each in self.ready)

    @property
    def pending_bytes(self) -> int:
        """About what they take in memory."""
        return self._pending.held_bytes + sum(each.held_bytes for each in self.ready)

    @property
    def uncut_bytes(self) -> int:
        """About what those take that are in no cut yet."""
        return self._pending.held_bytes

    def take(self, arrival: Arrival) -> Step:
        """Take one arrival, whose time must not be before the last one's (asserted)."""
        assert arrival.recv_ns >= self.last_ns, "time went back"
        requests = self._reach(arrival.recv_ns)
        self.last_ns = arrival.recv_ns
        step = self._step(arrival)
        step.requests += requests
        return step

    def take_frames(self, frames: Sequence[Frame]) -> Step:
        """Take frames in their order at once, all of one hour (asserted)."""
        first, last = frames[0], frames[-1]
        assert self.last_ns <= first.recv_ns <= last.recv_ns, "time went back"
        assert hour_of(first.recv_ns) == hour_of(last.recv_ns), "frames of two hours"
        requests = self._reach(first.recv_ns)
        self.last_ns = last.recv_ns
        placed = [(self.capture.append(frame), frame) for frame in frames]
        step = self._keep(many.take(self.pipeline, placed))
        step.requests += requests
        return step

    def _reach(self, recv_ns: int) -> list[Request]:
        return self.turn(recv_ns) if hour_of(recv_ns) != self.capture.hour else []

    def _step(self, arrival: Arrival) -> Step:
        return self._keep(self.pipeline.step(arrival, self.capture.append(arrival)))

    def _keep(self, step: Step) -> Step:
        if self.pipeline.private and not self.capture.private:
            # Whoever has opened the segment may go on reading it: orders go to another.
            self.capture.private = True
            self.capture.turn(self.capture.hour, self.capture.offset)
        self._pending.add(step.rows)
        return step

    def turn(self, recv_ns: int) -> list[Request]:
        """Go on in the hours up to the one of this time, each with its own capture and parts.

        Nothing may be recorded of those hours yet. Of more than `HOURS_MAX` at once nothing is
        recorded: then there are requests, to connect anew.
        """
        if hour_of(recv_ns) - self.capture.hour > HOURS_MAX:
            return self._leap(recv_ns)
        while self.capture.hour < hour_of(recv_ns):
            boundary_ns = (self.capture.hour + 1) * HOUR_NS
            self._step(Ended(boundary_ns - 1, "hour"))
            self.cut()
            self.capture.turn(self.capture.hour + 1)
            # The checkpoint's rows stand before the first frame: this part begins at 0.
            self._pending = Pending(self.capture.hour, 0)
            self._step(Carried(boundary_ns, "hour", self.pipeline.state()))
            self.last_ns = max(self.last_ns, boundary_ns)
            self.cut()  # the books on disk at once: the hour before is held against them
        return []

    def _leap(self, recv_ns: int) -> list[Request]:
        """End here, and begin at a time far from it, as a recorder does that was down between.

        The clock was set, or the machine slept. What is connected still is of before.
        """
        pipeline, ended_ns, hour = self.pipeline, self.last_ns, hour_of(recv_ns)
        requests: list[Request] = [
            Reconnect(connection_id, "the time went on by days")
            for connection_id in pipeline.sessions
        ]
        known = states.State(
            ended_ns=ended_ns,
            wanted=list(pipeline.coverage.tracks),
            trades=states.trades_to_state(pipeline.trades),
        )
        self._step(Ended(ended_ns, "stop"))
        self.cut()
        self.capture.turn(hour, taken_to(self.root, hour))
        self._pending = Pending(hour, self.capture.offset)
        self.last_ns = recv_ns
        self._step(Carried(recv_ns, "start", states.encode(known)))
        return requests

    def cut(self) -> None:
        """Make the rows so far ready to be published."""
        pending = self._pending
        pending.end = self.capture.offset
        self._pending = Pending(self.capture.hour, self.capture.offset)
        if pending.end > pending.first:
            pending.last_ns = self.last_ns
            pending.trades = states.encode(states.trades_to_state(self.pipeline.trades))
            pending.tracks = open_tracks(self.pipeline.coverage)
            self.ready.append(pending)

    def take_ready(self) -> list[Pending]:
        """What can be published now, oldest first; publish it after the capture is durable."""
        ready, self.ready = self.ready, []
        return ready

    def stop(self, recv_ns: int) -> Step:
        """End the recording in order. The caller publishes what is ready afterwards."""
        recv_ns = max(recv_ns, self.last_ns)
        if hour_of(recv_ns) != self.capture.hour:
            self.turn(recv_ns)
        self.last_ns = recv_ns
        step = self._step(Ended(recv_ns, "stop"))
        self.cut()
        return step

    def flush(self, may_publish: Callable[[], bool] = lambda: True) -> None:
        """Make everything durable and publish it, here and now (blocking).

        ``may_publish`` is asked before each file; what it refuses, recovery publishes.
        """
        self.cut()
        self.capture.flush()
        for pending in self.take_ready():
            if not may_publish():
                break
            pending.publish(self.root, may_publish)


def open_tracks(coverage: Coverage) -> list[dict[str, Any]]:
    """The intervals that have begun and not ended, for readers; see `write_open`."""
    found: list[dict[str, Any]] = []
    for (channel, product_id), track in coverage.tracks.items():
        named = {"channel": channel, "product_id": product_id}
        for connection_id, recording in track.recordings.items():
            state = RECORDED if recording.verified else UNVERIFIED
            interval = {"state": state, "start_ns": recording.start_ns, "reason": None}
            found.append({**named, **interval, "connection_id": connection_id})
        missing = track.missing
        if missing is not None and not missing.quiet:
            gap = {"state": GAP, "start_ns": missing.start_ns, "reason": missing.reason}
            found.append({**named, **gap, "connection_id": missing.connection_id})
    return found
