"""From a frame to what is on disk: in memory, over a socket, and as one would write it first."""

import asyncio
import shutil
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from recorder.feed.dial import TRANSPORTS
from tests.bench.figures import Figure
from tests.bench.living import PART_S, live
from tests.bench.peers import CONTENDERS, Contender, write_frames
from tests.bench.sending import Sender
from tests.bench.traffic import PRODUCTS, Stamped, Traffic, changes_in

NAIVE_GOAL = 4.0
ASKED_FRAMES = 1_500
SOCKET_GOALS = {"websockets": 0.45, "picows": 0.85}
KEPT_NOTE = (
    "Whole traffic of two deep books, tickers and trades among it; processor time, medians of "
    "turns of processes; at the end capture and Parquet parts are synced. All have rows and books; "
    "the naive one checks neither numbers nor order, and has a dict a side. Ours looks at the best "
    "prices after every message; so does the naive one that is asked, the other never does."
)
SOCKET_NOTE = (
    "In turns, medians. The recorder in a process of its own, frames sent as fast as it reads "
    f"them; its processor time, loop, threads and the parts of {PART_S} s included, until they are "
    "on disk."
)


def measure(traffic: Traffic, folder: Path, rounds: int) -> list[Figure]:
    """The path in memory beside the naive one, then each transport beside the path in memory."""
    rates = _in_memory(traffic, folder, rounds)
    kept = rates["kept"]
    figures = [
        Figure("frame in memory to durable capture, book, rows, parts", kept, "changes/s",
               ("naive, asked", rates["asked"]), f"goal >= {NAIVE_GOAL:g}x, 0.39-0.45 M",
               KEPT_NOTE),
        Figure("  the same", kept, "changes/s", ("naive, never asked", rates["naive"])),
    ]  # fmt: skip
    changes = changes_in(traffic.updates())
    over: dict[str, list[float]] = {each: [] for each in TRANSPORTS if find_spec(each)}
    with Sender(PRODUCTS, changes, None) as sender:
        for turn in range(rounds):
            for transport, found in over.items():
                data = folder / f"through-{transport}-{turn}"
                life = asyncio.run(live(sender, PRODUCTS, data, transport, after_s=PART_S + 1.0))
                shutil.rmtree(data)
                idle_s = life.idle_share * (PART_S + 1.0)
                found.append(sender.made.changes / (life.processor_s - idle_s))
    return figures + [
        Figure(f"loopback socket to the same, {transport}", median(found), "changes/s",
               ("in memory", kept), f"goal >= {SOCKET_GOALS[transport]:g}x", SOCKET_NOTE)
        for transport, found in over.items()
    ]  # fmt: skip


def _in_memory(traffic: Traffic, folder: Path, rounds: int) -> dict[str, float]:
    """Changes a second of ours and of the naive ones, in turns."""
    whole, begin = folder / "through-frames", folder / "through-begin"
    after = frames_after(traffic)
    write_frames(whole, traffic.snapshots(), after)
    write_frames(begin, traffic.snapshots(), after[:ASKED_FRAMES])
    commands = {
        "kept": ["kept.py", str(whole)],
        "naive": ["naive.py", str(whole)],
        "asked": ["naive.py", str(begin), "asked"],  # of few frames: a millisecond each
    }
    changes = dict.fromkeys(commands, changes_in(after))
    changes["asked"] = changes_in(after[:ASKED_FRAMES])
    with ExitStack() as stack:
        racing = {
            name: stack.enter_context(
                Contender([sys.executable, str(CONTENDERS / script), *arguments])
            )
            for name, (script, *arguments) in commands.items()
        }
        for turn in range(rounds + 1):
            for contender in racing.values():
                contender.turn(counts=turn > 0)
    assert racing["kept"].tops == racing["naive"].tops, "they end with other best prices"
    return {name: changes[name] / median(each.seconds) for name, each in racing.items()}


def frames_after(traffic: Traffic) -> list[Stamped]:
    """What comes after the last snapshot of a book."""
    return traffic.frames[traffic.frames.index(traffic.snapshots()[-1]) + 1 :]
