"""Others beside us, on the same frames, in turns: `make bench PEERS=1`.

Each runs in a process of its own (tests/bench/contenders), in the environment that `make bench`
made for it. What counts is the processor time of taking all updates of full books, the best bid
and ask read after every message; medians of turns that were taken one after the other.
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

from tests.bench.crowd import numbered, split
from tests.bench.figures import number
from tests.bench.traffic import Stamped, Traffic, changes_in

CONTENDERS = Path(__file__).parent / "contenders"
REPOSITORY = Path(__file__).parents[2]
UPDATES = 6_000  # frames a turn: the slowest of them takes seconds for it
TURNS = 7


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's program: where it is installed, and what of the work it does.

    ``goal`` is how many times as fast we want to be, None where it is only told.
    """

    name: str
    folder: str
    script: str
    goal: float | None
    does: str
    arguments: tuple[str, ...] = ()

    def command(self, folder: Path, frames: Path) -> list[str]:
        """How it is started on a file of frames."""
        script = str(CONTENDERS / self.script)
        if script.endswith(".mjs"):
            return ["node", script, str(frames), str(folder / self.folder)]
        python = folder / self.folder / "bin" / "python"
        return [str(python), script, str(frames), *self.arguments]


OURS = "decode, number grammar, wire texts of what a float does not hold, sequence check, books"
KEPT = "all of that and rows, capture, Parquet parts that are on disk"
TO_DISK, BESIDE, TO_DISK_GOAL = "ours, to disk", "cryptofeed", 2.3
PEERS = (
    Peer(
        "cryptofeed", "cryptofeed", "cryptofeed.py", 5,
        "decode, Decimal books of a compiled package; no sequence check; asks of a snapshot only "
        "where they are not called `offer`",
    ),
    Peer(
        "ccxt.pro", "ccxt_pro", "ccxt_pro.py", 13,
        "json, books of lists; no sequence check; times and nonce parsed",
    ),
    Peer(
        "nautilus_trader, Python", "nautilus", "nautilus.py", 4,
        "json and deltas by us (no adapter), Cython objects, books in Rust; no sequence check",
        ("python",),
    ),
    Peer(
        "nautilus_trader, pyo3", "nautilus", "nautilus.py", 2,
        "json and deltas by us (no adapter), pyo3 objects, books in Rust; no sequence check",
        ("pyo3",),
    ),
    Peer(
        "tardis-dev, Node", "tardis", "tardis.mjs", 2,
        "JSON.parse and changes by us (no mapper), its books; no sequence check, no times",
    ),
    Peer(
        "coinbase-advanced-py", "advanced_py", "advanced_py.py", None,
        "json and objects; no books, no sequence check",
    ),
)  # fmt: skip


class Contender:
    """One process that takes turns."""

    def __init__(self, command: list[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        self.seconds: list[float] = []
        self.tops: Any = None
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def turn(self, *, counts: bool) -> None:
        """Let it take all frames once. Raises RuntimeError where it ended instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("turn\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise RuntimeError(f"{self._process.args} ended; what it said stands above")
        found = json.loads(told)
        self.tops = found["tops"]
        if counts:
            self.seconds.append(found["seconds"])


def measure(traffic: Traffic, installed: Path, work: Path) -> list[dict[str, Any]]:
    """A row for us and for each peer that is installed: name, changes a second, ratio, goal."""
    frames, updates = work / "frames", traffic.updates()[:UPDATES]
    write_frames(frames, traffic.snapshots(), updates)
    present = [each for each in PEERS if (installed / each.folder).exists()]
    commands = {
        name: [sys.executable, str(CONTENDERS / script), str(frames)]
        for name, script in (("ours", "ours.py"), (TO_DISK, "kept.py"))
    }
    commands |= {each.name: each.command(installed, frames) for each in present}
    with ExitStack() as stack:
        racing = {name: stack.enter_context(Contender(each)) for name, each in commands.items()}
        for turn in range(TURNS + 1):
            for contender in racing.values():
                contender.turn(counts=turn > 0)
    rate = {
        name: changes_in(updates) / median(contender.seconds) for name, contender in racing.items()
    }
    rows: list[dict[str, Any]] = [
        {"who": "ours", "changes_s": rate["ours"], "does": OURS},
        {"who": TO_DISK, "changes_s": rate[TO_DISK], "does": KEPT},
    ]
    for each in present:
        alike = racing[each.name].tops in (None, racing["ours"].tops)
        rows.append(
            {
                "who": each.name,
                "changes_s": rate[each.name],
                "ratio": rate["ours"] / rate[each.name],
                "goal": each.goal,
                "does": each.does + ("" if alike else "; ENDS WITH OTHER BEST PRICES"),
            }
        )
        if each.name == BESIDE:
            row = {"who": f"  {TO_DISK}", "changes_s": rate[each.name], "goal": TO_DISK_GOAL}
            beside = {"ratio": rate[TO_DISK] / rate[each.name], "does": f"{BESIDE}'s books alone"}
            rows.append({**row, **beside})
    return rows


def write_frames(path: Path, snapshots: list[Stamped], after: list[Stamped]) -> None:
    """Frames for contenders: how many snapshots, then all of them, numbered without a hole."""
    raws = [numbered(split(raw), number) for number, (_, raw) in enumerate((*snapshots, *after))]
    path.write_bytes(b"\n".join([b"%d" % len(snapshots), *raws, b""]))


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text, one a line."""
    lines = [f"{'who':<24}{'changes/s':>10}{'we are':>8}{'goal':>7}  what it does"]
    for row in rows:
        ratio = f"{row['ratio']:.1f}x" if "ratio" in row else ""
        goal = f"{row['goal']:g}x" if row.get("goal") else ""
        rate = number(row["changes_s"])
        lines.append(f"{row['who']:<24}{rate:>10}{ratio:>8}{goal:>7}  {row['does']}")
    return "\n".join(lines)
