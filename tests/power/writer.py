"""The writer whose power is cut: the real store, driven as the daemon drives it, in fast motion.

Blocks, syncs, parts and seals come as often as they can instead of every second or hour, and the
arrivals' clock runs towards full hours, so that any of them is what is cut off.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow.dataset  # noqa: F401  what reading a file imports late, and every child would again

from recorder import finishing, recovery, replay, sealing
from recorder.before import look_before
from recorder.core.frames import HOUR_NS, Arrival, Frame, Sent, hour_of
from recorder.hours import show_open_hour
from recorder.recording import Pending, Recording
from recorder.store.capture_writer import CaptureWriter
from recorder.store.lines import to_line
from recorder.store.lock import WriterLock
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.publish import empty
from recorder.store.retire import retire
from recorder.store.seal import seal_hour, sealed_before, switch
from tests.frames_made import HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.power.promises import Promises

LATER_S = 4e9  # every hour is long over, every grace has passed
MARKETS = 3
IMPORTED = "imported"  # how the connections of the imported file are called


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the writer: what it does, and when its power goes, in seconds.

    They count from its first promise on, or from its start (``early``), which a busy machine draws
    out: otherwise too many lives would end before they began.
    It syncs its capture every ``sync_s`` at the longest. ``turns`` is how often the clock is put
    before a full hour: where it is seldom, parts wait for a sync, and not for the hours before.
    """

    number: int
    seed: int
    cut_s: float
    early: bool
    sync_s: float
    turns: float
    keep_capture: bool
    imports: bool


def warm_up() -> None:
    """What every child needs and would make again; it starts in no time then."""
    for market in range(MARKETS):
        Made(market, HOUR_START_NS)


def _made(life: Life, start_ns: int) -> Made:
    """A venue at a time, whose market was opened long ago."""
    made = Made(life.seed % MARKETS, HOUR_START_NS)
    made.wait((start_ns - HOUR_START_NS) / SECOND_NS)
    return made


def live(life: Life, data: Path, folder: Path) -> None:
    """Record into ``data`` until killed; what is believed to be durable goes to ``folder``."""
    promises = Promises(folder, life.number)
    _mirror(promises)
    if life.imports:
        _import(life, data, folder, promises)
    asyncio.run(_Writer(life, data, promises).run())


def _mirror(promises: Promises) -> None:
    """Keep every line that is handed to a capture, by any writer of this process."""
    original = CaptureWriter.append

    def append(self: CaptureWriter, arrival: Arrival) -> int:
        ingest_seq = original(self, arrival)
        promises.appended(ingest_seq, to_line(arrival))
        return ingest_seq

    CaptureWriter.append = append


def _import(life: Life, data: Path, folder: Path, promises: Promises) -> None:
    """Import a file of others into hours of its own."""
    before = look_before(Root(data))
    begin_ns = ((before.last_ns or HOUR_START_NS) // HOUR_NS + 2) * HOUR_NS - SECOND_NS // 4
    made, name = _made(life, begin_ns), f"{IMPORTED}{life.number}"
    arrivals = [each for each in [*made.open(name), *made.run(0.5)] if type(each) in (Frame, Sent)]
    path, frames = folder / "import.ndjson", sum(type(each) is Frame for each in arrivals)
    with path.open("w") as file:
        for each in arrivals:
            direction = "in" if type(each) is Frame else "out"
            digits = f"{each.recv_ns // SECOND_NS}.{each.recv_ns % SECOND_NS:09d}"
            line = json.dumps({"conn": name, "dir": direction, "raw": each.raw.decode()})
            file.write(f'{{"t": {digits}, {line[1:]}\n')
    promises.tell("importing", frames=frames)
    report = replay.import_captures([path], data)
    assert report.frames_in == frames
    promises.tell("imported", frames=frames)
    promises.tell("switched", to=sealed_before(Root(data)))


class _Writer:
    """Recording, recovery, sealing and clearing up beside each other, as in `recorder.live`."""

    def __init__(self, life: Life, data: Path, promises: Promises) -> None:
        self._life = life
        self._root = Root(data)
        self._random = Random(f"power/{life.seed}/{life.number}")
        self._promises = promises
        self._synced = asyncio.Condition()
        self._ended: list[int] = []

    async def run(self) -> None:
        """Record until killed."""
        root = self._root
        with WriterLock(root):
            empty(root.staging)
            write_empty_parts(root)
            before = look_before(root)
            last_ns = before.last_ns or HOUR_START_NS + HOUR_NS - SECOND_NS
            self._made = _made(self._life, last_ns + 10_000)
            self._made.wait(self._random.choice((0.0, 0.4, 3000)))
            self._show(hour_of(self._made.now_ns))
            self._recording = Recording(root, self._made.now_ns, WANTED)
            self._promises.synced(self._recording.capture.synced)
            async with asyncio.TaskGroup() as tasks:
                for job in (self._feed, self._write, self._sync, self._publish, self._hours):
                    tasks.create_task(job())

    def _show(self, hour: int) -> None:
        self._promises.tell("switching", to=hour)
        show_open_hour(self._root, hour)
        self._promises.tell("switched", to=sealed_before(self._root))

    # --- what arrives ---------------------------------------------------------------------------

    async def _feed(self) -> None:
        for number, arrival in enumerate(self._arrivals()):
            self._recording.take(arrival)
            if number % 8 == 0:
                await asyncio.sleep(self._random.uniform(0.0, 0.004))

    def _arrivals(self) -> Iterator[Arrival]:
        made, random, opened = self._made, self._random, 0
        live: list[str] = []
        while True:
            if not live or (len(live) < 2 and random.random() < 0.1):
                live.append(f"c{self._life.number}x{opened}")
                opened += 1
                yield from made.open(live[-1])
            elif random.random() < 0.1:
                yield from made.close(live.pop(0))
            elif random.random() < 0.1:
                made.skip(live[0], random.randrange(1, 4))
            elif random.random() < self._life.turns:
                left_ns = HOUR_NS - made.now_ns % HOUR_NS - SECOND_NS // 10
                made.wait(max(left_ns / SECOND_NS, 0.0))
            yield from made.run(random.uniform(0.05, 0.4))

    # --- what is written ------------------------------------------------------------------------

    async def _write(self) -> None:
        capture = self._recording.capture
        while True:
            await asyncio.sleep(self._random.uniform(0.001, 0.01))
            await asyncio.to_thread(capture.write, capture.cut())

    async def _sync(self) -> None:
        capture = self._recording.capture
        while True:
            await asyncio.sleep(self._random.uniform(0.001, self._life.sync_s))
            await asyncio.to_thread(capture.sync)
            self._promises.synced(capture.synced)
            async with self._synced:
                self._synced.notify_all()

    async def _publish(self) -> None:
        recording = self._recording
        while True:
            await asyncio.sleep(self._random.uniform(0.005, 0.08))
            recording.cut()
            while recording.ready:
                pending = recording.ready[0]
                async with self._synced:
                    await self._synced.wait_for(
                        lambda: recording.capture.synced >= recording.ready[0].reached
                    )
                rows = await asyncio.to_thread(pending.publish, self._root)
                self._tell_part(pending, rows)
                recording.ready.pop(0)
                left = {each.hour for each in recording.ready} | {recording.hour}
                if pending.hour not in left:
                    self._ended.append(pending.hour)

    def _tell_part(self, pending: Pending, rows: dict[str, int]) -> None:
        where = {"hour": pending.hour, "first": pending.first, "end": pending.end}
        self._promises.tell("part", **where, rows=rows)

    # --- hours ----------------------------------------------------------------------------------

    async def _hours(self) -> None:
        root, recording = self._root, self._recording
        until = recovery.Until(recording.begin_hour, recording.begin_offset)
        await asyncio.to_thread(sealing.recover, root.path, until)
        self._promises.tell("recovered")
        if committed := [hour for hour in root.committed_hours() if hour < until.hour]:
            await self._switch(committed[-1] + 1)
        while True:
            await asyncio.sleep(0.005)
            for hour in list(self._ended):
                commit = await asyncio.to_thread(seal_hour, root, hour)
                self._ended.remove(hour)
                self._promises.tell("sealed", hour=hour, end=commit.capture_end, rows=commit.rows)
                await asyncio.sleep(self._random.uniform(0.0, 0.03))
                await self._switch(hour + 1)
            if self._random.random() < 0.1:
                await self._retire()

    async def _switch(self, hour: int) -> None:
        if (sealed_before(self._root) or 0) < hour:
            self._promises.tell("switching", to=hour)
            await asyncio.to_thread(switch, self._root, hour)
            self._promises.tell("switched", to=hour)

    async def _retire(self) -> None:
        before = sealed_before(self._root)
        if before is not None:
            keep_s = None if self._life.keep_capture else 0
            self._promises.tell("retiring", before=before, capture=keep_s is not None)
            await asyncio.to_thread(retire, self._root, LATER_S, keep_s)
            self._promises.tell("retired", before=before)


def recover_all(data: Path) -> float:
    """Finish everything by hand, as `recorder seal` does; returns milliseconds."""
    began_s = time.perf_counter()
    with suppress(FileNotFoundError):
        (data / ".lock").unlink()
    finishing.seal(data, include_current=True)
    return (time.perf_counter() - began_s) * 1000
