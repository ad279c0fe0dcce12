"""Growth: what a change costs with few and many products, and late in a long run.

Each recording is fed in this process's child, which holds nothing else, from markets that live in
processes of their own: their memory and their time are not the recorder's.
"""

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import mean
from typing import Any

from recorder.core.frames import Frame, Opened, Sent
from recorder.core.wire import advanced
from recorder.live import settle
from recorder.recording import Recording
from recorder.store.paths import Root
from recorder.venue import wire
from recorder.venue.market import Market
from recorder.venue.specs import spec_of
from tests.bench.crowd import SEED, Halves, frames_of, names, numbered, split
from tests.bench.crowd import opening as opening_of
from tests.bench.figures import Figure
from tests.bench.living import PART_S
from tests.bench.traffic import SECOND_NS, START_NS, Stamped

PRODUCTS = (8, 50, 500)
RUN_PRODUCTS = 50
TURN_CHANGES = 30_000  # 2 s: every fifth turn writes parts, which the mean counts in
WARM_TURNS = 2
CHANGES_A_SECOND = 15_000
DEPTH = 0.5  # of the made market's levels: 800 a side on average
CHANGES_A_FRAME = 7.0  # of the made market's books
BLOCK_NS = SECOND_NS // 5
LINE = "bench-1"
FLAT = 1.25
RSS_FLAT = 1.02
REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCTS_NOTE = (
    f"Frame in memory to capture, books, rows and parts every {PART_S} s of the frames' time, "
    f"processor time, means of turns; {CHANGES_A_SECOND:,} changes a second whatever the number "
    "of products, so that only their number differs."
)
RUN_NOTE = (
    f"{RUN_PRODUCTS} products, one recording, the markets in a process of their own. Compared are "
    "its last quarter and its second."
)


def measure(folder: Path, turns: int, run_changes: int) -> list[Figure]:
    """Cost by number of products, in turns; then one long run."""
    beside = _child(folder / "growth", turns, *PRODUCTS)
    alone = _child(folder / "run", max(4, run_changes // TURN_CHANGES), RUN_PRODUCTS)
    cost = {each["products"]: mean(each["micro"][WARM_TURNS:]) for each in beside}
    figures = [
        Figure(f"a change, {count} products", cost[count], "us",
               (f"{PRODUCTS[0]} products", cost[PRODUCTS[0]]),
               f"goal: flat within {FLAT - 1:.0%}", PRODUCTS_NOTE)
        for count in PRODUCTS
    ]  # fmt: skip
    (run,) = alone
    quarter = len(run["micro"]) // 4
    first, last = slice(quarter, 2 * quarter), slice(-quarter, None)
    millions = len(run["micro"]) * TURN_CHANGES / 1e6
    figures += [
        Figure(f"a change at the end of {millions:.1f} M changes", mean(run["micro"][last]), "us",
               ("in the second quarter", mean(run["micro"][first])),
               f"goal: flat within {FLAT - 1:.0%}", RUN_NOTE),
        Figure("  memory of the process", mean(run["rss_mb"][last]), "MB",
               ("in the second quarter", mean(run["rss_mb"][first])),
               f"goal: flat within {RSS_FLAT - 1:.0%}"),
    ]  # fmt: skip
    return figures


def _child(folder: Path, turns: int, *products: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.bench.growing", str(folder), str(turns)]
    done = subprocess.run(
        [*command, *map(str, products)], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


# --- the process that records ---------------------------------------------------------------------


@dataclass(slots=True)
class Grown:
    """One recording: microseconds of a change and the process's memory, turn by turn."""

    products: int
    recording: Recording
    market: Connection
    micro: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    block_ns: int = START_NS
    part_ns: int = START_NS

    def turn(self) -> None:
        """Take some frames more."""
        changes, frames = self.market.recv()
        began_s = time.process_time()
        self._take(frames)
        self.micro.append((time.process_time() - began_s) / changes * 1e6)
        del frames
        self.rss_mb.append(_rss_mb())

    def _take(self, frames: list[Stamped]) -> None:
        recording = self.recording
        for recv_ns, raw in frames:
            recording.take(Frame(recv_ns, LINE, raw))
            if recv_ns >= self.block_ns + BLOCK_NS:
                self.block_ns = recv_ns
                recording.capture.write(recording.capture.cut())
            if recv_ns >= self.part_ns + PART_S * SECOND_NS:
                self.part_ns = recv_ns
                recording.flush()

    def begin(self) -> None:
        """Subscribe, and take the books."""
        self.recording.take(Opened(START_NS, LINE, "bench"))
        for channel in ("level2", "market_trades", "ticker", "heartbeats"):
            asked = () if channel == "heartbeats" else names(self.products)
            request = advanced.request("subscribe", channel, asked)
            self.recording.take(Sent(START_NS, LINE, request))
        _, frames = self.market.recv()
        self._take(frames)
        self.recording.flush()


def _rss_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1000


def main(folder: str, turns: str, *products: str) -> None:
    """Recordings of so many products each, in turns; prints what each turn took."""
    context = multiprocessing.get_context("spawn")
    grown = []
    for count in map(int, products):
        here, there = context.Pipe(duplex=False)
        context.Process(target=_market, args=(there, count), daemon=True).start()
        root = Root(Path(folder) / str(count))
        root.path.mkdir(parents=True)
        grown.append(Grown(count, Recording(root, START_NS), here))
    for each in grown:
        each.begin()
    settle()
    for turn in range(int(turns)):
        for each in grown:
            each.turn()
        told = (f"{each.products}: {each.micro[-1]:.1f} us, {each.rss_mb[-1]:.1f} MB"
                for each in grown)  # fmt: skip
        print(f"turn {turn + 1} of {turns}, products", *told, file=sys.stderr, flush=True)
    print(json.dumps([
        {"products": each.products, "micro": each.micro, "rss_mb": each.rss_mb} for each in grown
    ]))  # fmt: skip


# --- the markets ----------------------------------------------------------------------------------


def _market(pipe: Connection, count: int) -> None:
    """Tell the books of so many products, then changes, as long as somebody listens."""
    frames_a_second = sum(spec_of(each, SEED).frames_a_second for each in names(count))
    rate = CHANGES_A_SECOND / CHANGES_A_FRAME / frames_a_second
    market = Market(SEED, names(count), START_NS, rate=rate, depth=DEPTH)
    openings = [split(raw) for each in market.products.values()
                for _, raw in opening_of(each, START_NS)]  # fmt: skip
    beat = split(wire.frame("heartbeats", START_NS, 0, wire.heartbeat(START_NS, SECOND_NS)))
    frames = [(START_NS, numbered(each, number)) for number, each in enumerate((*openings, beat))]
    pipe.send((1, frames))
    told = _told(market, len(frames))
    try:
        while True:
            changes, some = 0, []
            while changes < TURN_CHANGES:
                more, frame = next(told)
                changes += more
                some.append(frame)
            pipe.send((changes, some))
    except BrokenPipeError:
        return


def _told(market: Market, number: int) -> Iterator[tuple[int, Stamped]]:
    """Frames one by one with the changes of books in each, and a heartbeat every second."""
    beat_ns = START_NS + SECOND_NS
    while True:
        step = market.step()
        now_ns = step.due_ns
        sent: list[tuple[int, Halves]] = []
        while now_ns >= beat_ns:
            event = wire.heartbeat(beat_ns, beat_ns - START_NS)
            sent.append((0, split(wire.frame("heartbeats", beat_ns, 0, event))))
            beat_ns += SECOND_NS
        sent += [(len(step.changes) if channel == "level2" else 0, split(raw))
                 for channel, raw in frames_of(step)]  # fmt: skip
        for changes, halves in sent:
            yield changes, (now_ns, numbered(halves, number))
            number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
