"""Receipt to book, at multiples of Coinbase's real rate, with a snapshot of 5 MB and a seal inside.

The recorder runs in this process, as it does alone: two connections, one a product, capture and
parts on. Another process sends the recorded frames, numbered anew, at a steady rate; in the middle
the first product's whole book comes again, and an hour is sealed beside it. Every frame is
measured, from when it came out of its socket until it was kept, understood and its book changed.
What comes behind a snapshot on the same connection waits for it, because it changes that book: it
stands in rows of its own, beside those of the connection that has nothing to wait for.
"""

import asyncio
import json
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from recorder import config as settings
from recorder import logs
from recorder.core.frames import Frame, Opened, Sent
from recorder.core.wire import advanced
from recorder.daemon import Recorder
from recorder.feed import plan
from recorder.finishing import seal
from recorder.live import settle
from recorder.recording import Recording
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
from recorder.worker import work
from tests.bench import pacing
from tests.bench.crowd import numbered
from tests.bench.figures import Figure, share
from tests.bench.pacing import LONG_BYTES, Venue, rounds_of, streams_of
from tests.bench.resting import record
from tests.bench.traffic import CHANNELS, PRODUCTS, START_NS, Traffic, changes_in, made

TIMES = (1, 10, 100)
RATE_GOAL = 10_000.0  # frames a second, of the goals
SECONDS = 8.0
BEHIND_S_MAX = 20.0
PART_S = 5  # so that parts are written while it is measured
GOALS_US = {"p50": 50.0, "p99": 300.0, "p99.9": 2000.0, "max": 25_000.0}
MEMORY_FRAMES = 20_000
NOTE = (
    "From when a frame came out of its socket. The other connection is the one without the "
    "snapshot; on the connection of the snapshot frames wait for it, as their order demands."
)


@dataclass(slots=True)
class Seen:
    """Microseconds of frames by connection: in all, and the part of it that is work.

    ``long`` are those of snapshots, which came on the connections ``theirs``; ``lags`` how much
    later than wanted the loop turned; ``seal_s`` how long the seal took. ``together`` frames were
    taken with others, because many waited.
    """

    all: dict[str, "array[float]"] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    work: "array[float]" = field(default_factory=lambda: array("d"))
    long: list[float] = field(default_factory=list)
    theirs: set[str] = field(default_factory=set)
    lags: list[float] = field(default_factory=list)
    seal_s: float | None = None
    faults: int = 0
    together: int = 0

    def of(self, *, theirs: bool) -> list[float]:
        """All frames of the connections that had a snapshot, or of the others."""
        lines = [line for line in self.all if (line in self.theirs) == theirs]
        return [each for line in lines for each in self.all[line]]

    def clear(self) -> None:
        """Forget what was before."""
        self.all.clear()
        self.theirs.clear()
        self.long.clear()
        self.together = 0
        del self.work[:]


def measure(traffic: Traffic, folder: Path, transport: str) -> list[Figure]:
    """Figures at each multiple of the recording's rate, and at the rate of the goals."""
    logs.configure(service=False, level="warning")  # doubts, and nothing else, beside the table
    sealed = Root(folder / f"sealed-{transport}")
    record(made(30_000), sealed)
    span_s = (traffic.frames[-1][0] - traffic.frames[0][0]) / 1e9
    rate = len(traffic.frames) / span_s if span_s > 0 else 70.0
    rates = {f"{times}x the recorded rate": rate * times for times in TIMES}
    rates["the goals' rate"] = RATE_GOAL
    figures = [_in_memory(traffic, folder / f"memory-{transport}")]
    for name, each in rates.items():
        root = folder / f"latency-{transport}-{each:.0f}"
        root.mkdir()
        with Venue(traffic, PRODUCTS, each, SECONDS) as venue:
            busy = sealed if each == RATE_GOAL else None
            seen, sent = asyncio.run(_record(venue, root, busy, transport))
        figures += _told(f"{transport}, {name}", each, seen, sent)
    return figures


def _told(name: str, rate: float, seen: Seen, sent: list[pacing.Sent]) -> list[Figure]:
    came = sum(each.frames for each in sent) / max(each.seconds for each in sent)
    late = sum(each.late for each in sent) / sum(each.frames for each in sent) * 100
    other, own = seen.of(theirs=False), seen.of(theirs=True)
    name = f"{name}, {came:,.0f} frames/s"
    figures = [Figure(f"sent, {name}", came, "frames/s", ("wanted", rate)),
               Figure("  of it more than 1 ms late", late, "%")]  # fmt: skip
    for lines, values in (("all frames", [*other, *own]), ("the other connection", other),
                          ("the connection of the snapshot", own)):  # fmt: skip
        figures += [
            Figure(f"receipt to book, {name}, {lines}: {each}", share(values, each), "us",
                   ("goal", goal), note=NOTE)
            for each, goal in GOALS_US.items()
        ]  # fmt: skip
    figures.append(Figure("  of it the frame's own work: p50", share(seen.work, "p50"), "us"))
    figures.append(Figure("  of it the frame's own work: p99.9", share(seen.work, "p99.9"), "us"))
    taken = max(1, len(seen.work))
    figures.append(Figure("  taken together, since many waited", seen.together / taken * 100, "%"))
    figures.append(Figure("  the snapshot itself, longest", max(seen.long, default=0), "us"))
    figures.append(Figure("  loop lag, longest", max(seen.lags, default=0), "us"))
    figures.append(Figure("  faults found meanwhile", seen.faults, ""))
    if seen.seal_s is not None:
        figures.append(Figure("  the seal beside it", seen.seal_s, "s"))
    return figures


def _in_memory(traffic: Traffic, data: Path) -> Figure:
    """The same frames one behind the other, from memory: without sockets, waiting or threads."""
    data.mkdir()
    recording = Recording(Root(data), START_NS)
    streams = streams_of(traffic, PRODUCTS)
    for line in PRODUCTS:
        recording.take(Opened(START_NS, line, "bench"))
        for channel in CHANNELS:
            asked = () if channel == "heartbeats" else (line,)
            recording.take(Sent(START_NS, line, advanced.request("subscribe", channel, asked)))
        recording.take(Frame(START_NS, line, numbered(streams[line][0], 0)))
    coming = {line: rounds_of(streams[line][1]) for line in PRODUCTS}
    taken = array("d")
    settle()
    for number in range(1, MEMORY_FRAMES // len(PRODUCTS)):
        for line in PRODUCTS:
            raw = numbered(next(coming[line]), number)
            began_ns = time.perf_counter_ns()
            recording.take(Frame(START_NS + number * 1000, line, raw))
            taken.append((time.perf_counter_ns() - began_ns) / 1000)
    recording.flush()
    recording.capture.close()
    updates = traffic.updates()
    changes = changes_in(updates) / len(updates)
    what = f"a frame of {changes:.1f} changes from memory, kept and understood, {traffic.source}"
    return Figure(what, share(taken, "p50"), "us")


async def _record(
    venue: Venue, data: Path, sealed: Root | None, transport: str
) -> tuple[Seen, list[pacing.Sent]]:
    config = settings.parse(
        f'data = "{data}"\n[feed]\nurl = "ws://127.0.0.1:{venue.port}"\n'
        f"products = {json.dumps(PRODUCTS)}\nchannels = {json.dumps(CHANNELS)}\n"
        f'compression = false\ntransport = "{transport}"\n[http]\nlisten = "off"\n'
        f"[store]\npart_seconds = {PART_S}\n",
        None,
    )
    root, seen = Root(data), Seen()
    with WriterLock(root), patch.object(plan, "PRODUCTS_MAX", 1):
        recorder = Recorder(root, config)
        settle()
        with _measured(recorder, seen):
            running = asyncio.create_task(recorder.run())
            while recorder.progress().books_live < len(PRODUCTS):  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
            seen.clear()
            watching = asyncio.create_task(_lags(seen.lags))
            sealing = asyncio.create_task(_seal(sealed, seen))
            sent = await asyncio.to_thread(venue.send)
            await _taken(seen, sum(each.frames for each in sent))
        watching.cancel()
        await sealing
        recorder.stop()
        seen.faults = (await running).faults
    return seen, sent


async def _taken(seen: Seen, frames: int) -> None:
    """Wait for what is on its way: frames that are late are those that count."""
    end_s = time.monotonic() + BEHIND_S_MAX
    while len(seen.work) < frames and time.monotonic() < end_s:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)


@contextmanager
def _measured(recorder: Recorder, seen: Seen) -> Iterator[None]:
    """Measure every frame that is delivered."""
    deliver, deliver_frames = recorder.deliver, recorder.deliver_frames

    def measured(arrival: Any, came_ns: int | None = None) -> None:
        began_ns = time.perf_counter_ns()
        deliver(arrival, came_ns)
        if came_ns is None:
            return
        ended_ns = time.perf_counter_ns()
        if len(arrival.raw) > LONG_BYTES:
            seen.theirs.add(arrival.connection_id)
            seen.long.append((ended_ns - came_ns) / 1000)
        else:
            seen.all[arrival.connection_id].append((ended_ns - came_ns) / 1000)
            seen.work.append((ended_ns - began_ns) / 1000)

    def measured_together(frames: Sequence[Frame], came_ns: Sequence[int]) -> None:
        began_ns = time.perf_counter_ns()
        deliver_frames(frames, came_ns)
        ended_ns = time.perf_counter_ns()
        seen.together += len(frames)
        for frame, each_ns in zip(frames, came_ns, strict=True):
            seen.all[frame.connection_id].append((ended_ns - each_ns) / 1000)
            seen.work.append((ended_ns - began_ns) / 1000 / len(frames))

    recorder.deliver = measured  # type: ignore[method-assign]
    recorder.deliver_frames = measured_together  # type: ignore[method-assign]
    yield
    recorder.deliver = deliver  # type: ignore[method-assign]
    recorder.deliver_frames = deliver_frames  # type: ignore[method-assign]


async def _seal(sealed: Root | None, seen: Seen) -> None:
    """Seal an hour beside it, as the recorder does it, from before the snapshot comes."""
    if sealed is not None:
        await asyncio.sleep(SECONDS / 2 - 0.5)
        began_s = time.perf_counter()
        await work(partial(seal, include_current=True), sealed.path)
        seen.seal_s = time.perf_counter() - began_s


async def _lags(lags: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + 0.005
        await asyncio.sleep(0.005)
        lags.append((loop.time() - due_s) * 1e6)
