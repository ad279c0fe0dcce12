"""One run of the daemon: feed ▶ capture ▶ core ▶ store, from start to a clean stop.

    connections ──deliver──▶ Recording.take ──▶ capture buffer ──200 ms──▶ block, 1 s──▶ fdatasync
                                  │
                                  └─▶ rows ──every part_seconds, after the fdatasync──▶ live parts
    at the hour: seal in a worker process ──60 s──▶ readers' switch ──1 h──▶ parts and capture go

What arrives is stamped, kept and understood without waiting in between; whatever blocks (disk,
sealing, recovery) runs in threads and in a worker process.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from recorder import logs, recovery
from recorder.backfill import Backfill, TradesService
from recorder.before import look_before
from recorder.clock import Clock
from recorder.config import Config
from recorder.core.frames import FIRST_OFFSET, Arrival, Frame, Listed, Noted, hour_of
from recorder.core.messages import Decoded, Fact
from recorder.core.pipeline import Step
from recorder.disk import Disk
from recorder.feed.connection import Connection
from recorder.feed.plan import Line
from recorder.feed.switchboard import Switchboard, UserFeed
from recorder.hours import Hours, show_open_hour
from recorder.inside import Inside
from recorder.keycheck import Signings
from recorder.latency import Latency
from recorder.lineup import Lineup
from recorder.listing import Listing
from recorder.meter import Meter
from recorder.progress import Progress, Summary
from recorder.recording import Recording
from recorder.service import outlook
from recorder.service.unit import State, Unit
from recorder.stopping import Stopping
from recorder.store.aside import set_aside_unreadable
from recorder.store.days import tidy
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root, iso
from recorder.store.publish import empty
from recorder.store.verified import prepare

WATCH_S = 1.0
TURN_CHECK_S = 0.25
SILENCE_CHECK_S = 0.25
FIRST_FRAME_CHECK_S = 0.05
FIRST_FRAME_LOOKS = 100  # so often: recovery waits 5 s at most for the first frame of a start
TURN_GRACE_S = 2.0  # after the full hour, before an hour without arrivals is turned


class Recorder:
    """One run of the daemon. `run` is start, run and stop on one screen; the rest serves it.

    ``latency`` measures how long frames take, ``meter`` counts them, where somebody may look on.
    """

    def __init__(
        self,
        root: Root,
        config: Config,
        watch: Callable[[Progress], None] | None = None,
        stop_after_s: float | None = None,
        wall: Callable[[], int] = time.time_ns,
        *,
        listing: Listing | None = None,
        read: Callable[[], Config] | None = None,
        trades: TradesService | None = None,
        signings: Signings | None = None,
        unit: Unit | None = None,
        leave: Callable[[], None] | None = None,
    ) -> None:
        """``trades``: of whom missing trades are asked; None: of nobody. ``unit``: who is told.

        ``leave`` ends the process, once everything is on disk and it was asked twice to stop.
        """
        empty(root.staging)
        tidy(root)
        write_empty_parts(root)
        prepare(root)
        aside = set_aside_unreadable(root)
        self._root = root
        self._watch = watch
        self._stop_after_s = stop_after_s
        self._reads = read is not None
        self._unit = unit or Unit()
        self._log = logs.log()
        feed = config.feed
        signings = signings or Signings()
        self._feeds = Switchboard(
            self,
            feed.url,
            venue=feed.venue,
            compression=feed.compression,
            transport=feed.transport,
            signing=signings.market,
            user=UserFeed(feed.user_url, signings.user) if signings.user else None,
        )
        self.lineup = Lineup(
            config,
            listing or Listing(root, feed.venue, None),
            self._feeds,
            note=self._note,
            held=self._held,
            now_ns=self.now_ns,
            configured=self._configured,
            listed=self._listed,
            read=read,
            followed=self._unit.reloaded,
        )
        before = look_before(root)
        self._clock = Clock(wall, after_ns=before.last_ns or 0)
        show_open_hour(root, hour_of(self._clock.now_ns()))
        wanted = [key for line in self._lines for key in dict.fromkeys(line.wanted())]
        self._recording = Recording(root, self._clock.now_ns(), list(dict.fromkeys(wanted)))
        self._summary = Summary(config.data)
        self._rows: Counter[str] = Counter()
        self._frames = 0
        self.latency = Latency()
        self.meter: Meter | None = None
        self._venue_clock = signings.clock
        self._configured_ns = self._clock.now_ns()
        self._started_s = time.monotonic()
        self.stopping = Stopping(self._unit, self._cut_off, leave or (lambda: None))
        self._tries: Counter[str] = Counter()
        until = recovery.Until(self._recording.begin_hour, self._recording.begin_offset)
        store = config.store
        self._hours = Hours(root, until, store.keep_capture_s, self._clock.now_ns, self._note)
        self._disk = Disk(
            root,
            self._recording,
            self._hours,
            store.part_seconds,
            store.free_bytes_min,
            self._note,
        )
        self._backfill = None
        if trades is not None:
            self._backfill = Backfill(
                lambda: self._recording.pipeline.trades, trades, self, self._note
            )
        for path in aside:
            self._note("record_set_aside", f"{path} could not be read; it is made again")

    # --- start, run, stop ------------------------------------------------------------------------

    async def run(self) -> Summary:
        """Record until asked to stop."""
        # Without anything to read again SIGHUP is a stop like the others.
        self.stopping.take_signals(self._reload if self._reads else None)
        self._log_start()
        async with asyncio.TaskGroup() as tasks:
            for writer in (self._disk.write, self._disk.sync, self._disk.publish):
                tasks.create_task(writer())
            services = [
                tasks.create_task(service())
                for service in (
                    self._watch_silence,
                    self._turn_hours,
                    self._finish_hours,
                    self._disk.watch,
                    self.latency.watch,
                    self._venue_clock.watch,
                    self._report,
                )
            ]
            feeds = tasks.create_task(self._feeds.run())
            services.append(tasks.create_task(self.lineup.run()))
            if self._backfill is not None:
                services.append(tasks.create_task(self._backfill.run()))
            await self.stopping.wait(self._stop_after_s)
            await self._feeds.stop("recorder stopped")
            await feeds
            await self._disk.end()
            for service in services:
                service.cancel()
        await self._end()
        return self._summary

    async def _finish_hours(self) -> None:
        """Recover and seal, once frames come: until then the processor is for the connections."""
        for _ in range(FIRST_FRAME_LOOKS):
            if self._frames:
                break
            await asyncio.sleep(FIRST_FRAME_CHECK_S)
        await self._hours.run()

    def stop(self) -> None:
        """Ask `run` to end in order."""
        self.stopping.ask()

    def _cut_off(self) -> None:
        for connection in self._connections:
            connection.reconnect("recorder stopped")

    def _reload(self) -> None:
        self._unit.reloading()
        self.lineup.ask_again()

    def _log_start(self) -> None:
        self._log.info(
            "recorder_started",
            data=str(self._root.path),
            products=len(self.lineup.products),
            connections=len(self._lines),
            hour=iso(self._recording.hour),
        )
        self._log_capture(self._recording.begin_offset)

    def _log_capture(self, offset: int) -> None:
        self._log.info("capture_opened", hour=iso(self._recording.hour), offset=offset)

    async def _end(self) -> None:
        """Everything received is on disk, and the ledger says that we stopped.

        It is written in a thread, so that another signal is heard meanwhile.
        """
        recording = self._recording
        step = recording.stop(recording.last_ns)
        self._count(step.rows)
        await asyncio.to_thread(recording.flush, self.stopping.may_publish)
        recording.capture.close()
        pipeline = recording.pipeline
        self._summary.frames, self._summary.gaps = self._frames, pipeline.gaps_told()
        self._summary.sequence_gaps = pipeline.sequence_gaps
        self._summary.faults = pipeline.faults
        self._summary.sealed = list(self._hours.sealed)
        self._summary.rows = dict(sorted(self._rows.items()))
        self._log.info(
            "recorder_stopped",
            frames=self._frames,
            gaps=pipeline.gaps_told(),
            sequence_gaps=pipeline.sequence_gaps,
            faults=pipeline.faults,
            duration_s=round(time.monotonic() - self._started_s, 3),
        )
        self.stopping.ended()

    # --- what the feed needs (feed.connection.Shell) ---------------------------------------------

    def now_ns(self) -> int:
        """The time of receipt."""
        return self._clock.now_ns()

    def deliver(self, arrival: Arrival, came_ns: int | None = None) -> None:
        """Keep an arrival, understand it, obey what the core asks for."""
        hour = self._recording.hour
        step = self._recording.take(arrival)
        if self._recording.hour != hour:
            self._log_capture(FIRST_OFFSET)
        if type(arrival) is Frame:
            self._frames += 1
        self._obey(step)
        if came_ns is not None:
            self.latency.applied.observe(time.perf_counter_ns() - came_ns)
        if self.meter is not None:
            self.meter.took(arrival, step)

    def deliver_frames(self, frames: Sequence[Frame], came_ns: Sequence[int]) -> None:
        """Take frames that waited together; what the core asks for is obeyed after the last."""
        hour = self._recording.hour
        if hour_of(frames[0].recv_ns) != hour_of(frames[-1].recv_ns):
            for frame, each_ns in zip(frames, came_ns, strict=True):
                self.deliver(frame, each_ns)
            return
        step = self._recording.take_frames(frames)
        if self._recording.hour != hour:
            self._log_capture(FIRST_OFFSET)
        self._frames += len(frames)
        self._obey(step)
        now_ns = time.perf_counter_ns()
        for each_ns in came_ns:
            self.latency.applied.observe(now_ns - each_ns)
        if self.meter is not None:
            self.meter.took_frames(step)

    def _obey(self, step: Step) -> None:
        """Count what was recorded, tell what was found, do what is asked for."""
        if step.rows:
            self._count(step.rows)
        for fact in step.facts:
            self._take_fact(fact)
        for request in step.requests:
            self._feeds.obey(request)
        self._disk.look_for_room()

    def decoded(self, raw: bytes, decoded: Decoded) -> None:
        """Keep what a long frame says until it is delivered."""
        self._recording.pipeline.decoded(raw, decoded)

    def has_room(self) -> bool:
        """Whether the disk keeps up; if not, frames wait in the socket."""
        return self._disk.room.is_set()

    async def wait_room(self) -> None:
        """Wait until the disk keeps up."""
        await self._disk.room.wait()

    def tell(self, event: str, **fields: Any) -> None:
        """Log an event of the feed: none of them is good news."""
        self._tries[fields.get("line", "")] += 1
        self._log.warning(event, **fields)

    def _count(self, rows: Sequence[Any]) -> None:
        for block in rows:
            self._rows[block.table] += block.count

    def _take_fact(self, fact: Fact) -> None:
        """Log it, and react to what the venue says of its products and of a connection."""
        fields = fact.fields
        tell = self._log.warning if fact.event in _WARNINGS else self._log.info
        tell(fact.event, **fields)
        if fact.event == "product_status_changed":
            self.lineup.status_changed(fields["product_id"], fields["status"])
        elif fact.event == "fault_recorded" and fields["kind"] == "venue_error":
            self._feeds.heard_error(fields["connection_id"], fields["detail"])

    # --- what the lineup needs -------------------------------------------------------------------

    @property
    def _connections(self) -> list[Connection]:
        return self._feeds.connections

    @property
    def _lines(self) -> list[Line]:
        return self._feeds.every_line

    def _held(self) -> set[str]:
        """The products of which anything is being recorded now."""
        tracks = self._recording.pipeline.coverage.tracks
        return {key[1] for key, track in tracks.items() if key[1] and track.recordings}

    def _listed(self, rules: list[dict[str, str | None]]) -> None:
        """Record what the venue's list says of products."""
        content = json.dumps(rules, separators=(",", ":")).encode()
        self.deliver(Listed(self._clock.now_ns(), content))

    def _configured(self, config: Config) -> None:
        """Take over what can be changed while recording and is not of the feed."""
        self._configured_ns = self._clock.now_ns()
        self._hours.keep_capture(config.store.keep_capture_s)
        self._disk.configure(config.store.part_seconds, config.store.free_bytes_min)

    # --- services --------------------------------------------------------------------------------

    async def _watch_silence(self) -> None:
        """Close a connection whose deadline has passed twice in a row."""
        overdue: set[str] = set()
        while True:
            await asyncio.sleep(SILENCE_CHECK_S)
            self._tell_clock_step()
            now_ns = self._clock.now_ns()
            leaving = {each.connection_id or "" for each in self._connections if each.retiring}
            deadlines_ns = self._recording.pipeline.deadlines_ns(leaving)
            silent = {key for key, deadline_ns in deadlines_ns.items() if now_ns > deadline_ns}
            if self._disk.behind:
                silent.clear()  # it is we who do not read; the venue may close, we do not
            if self._disk.room.is_set():  # else frames wait because we let them: too little is free
                silent -= {each.connection_id for each in self._connections if each.is_behind}
            for connection in self._connections:
                if connection.connection_id in silent & overdue:
                    connection.reconnect(self._disk.stopped or "silence for 5 s")
            overdue = silent

    def _tell_clock_step(self) -> None:
        step_ns = self._clock.take_step()
        if step_ns:
            detail = f"the system's clock was set by {step_ns / 1e9:+.3f} s; no time went back"
            self._note("clock_stepped", detail)
            self._hours.keep_parts()

    def _note(self, kind: str, detail: str) -> None:
        """Write down what we noticed about ourselves."""
        self.deliver(Noted(self._clock.now_ns(), kind, detail))

    async def _turn_hours(self) -> None:
        """Turn the hour when nothing arrives that does."""
        while True:
            await asyncio.sleep(TURN_CHECK_S)
            now_ns = self._clock.now_ns()
            if hour_of(now_ns - int(TURN_GRACE_S * 1e9)) > self._recording.hour:
                for request in self._recording.turn(now_ns):
                    self._feeds.obey(request)
                self._log_capture(FIRST_OFFSET)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if self._watch is not None:
                self._watch(self.progress())
            if self._unit.active:
                self._look()

    def _look(self) -> None:
        """Tell who started us how it goes, and whether it gets on."""
        progress, sessions = self.progress(), self._recording.pipeline.sessions
        doubts = outlook.doubts(progress, self._disk, self.lineup)
        signs = outlook.signs(self._connections, sessions, self._tries, self._disk)
        state = State(progress, bool(self._held()), self._hours.recovered, doubts)
        self._unit.look(state, signs, time.monotonic())

    def inside(self) -> Inside:
        """What it consists of, for those who look on."""
        return Inside(
            self._recording,
            self._feeds,
            self.lineup,
            self._disk,
            self._hours,
            self._venue_clock,
            self._rows,
            self._frames,
            self._configured_ns,
            self.stopping.asked,
            self._unit.pings,
            self._backfill is not None and self._backfill.failing,
        )

    def progress(self) -> Progress:
        """Where the recorder is."""
        recording = self._recording
        books = recording.pipeline.books.values()
        return Progress(
            products=len(self.lineup.products),
            frames=self._frames,
            changes=self._rows["level2"],
            gaps=recording.pipeline.gaps_told(),
            sequence_gaps=recording.pipeline.sequence_gaps,
            capture_bytes=recording.capture.bytes_written,
            connections_up=sum(each.connection_id is not None for each in self._connections),
            connections=len(self._connections),
            books_live=sum(book.epoch is not None for book in books),
            next_seal_s=3600.0 - self._clock.now_ns() / 1e9 % 3600.0,
            elapsed_s=time.monotonic() - self._started_s,
        )


_WARNINGS = frozenset({"gap_found", "fault_recorded", "book_stale"})
