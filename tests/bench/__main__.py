"""The command line: measures everything and prints one table."""

import argparse
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recorder.feed.dial import TRANSPORTS
from recorder.store.paths import Root
from tests.bench import (
    exporting,
    growing,
    lagging,
    listening,
    looking,
    peers,
    reading,
    resting,
    sharing,
    through,
    understanding,
    weighing,
)
from tests.bench.figures import Figure, as_json, table
from tests.bench.timing import fixed_ms
from tests.bench.traffic import Traffic, made, recorded

ROWS = 1_000_000
ROWS_QUICK = 100_000
SOCKET_ROWS = 300_000
ROUNDS, ROUNDS_QUICK = 9, 3
BUSY_ROWS, BUSY_ROWS_QUICK = 6_200_000, 600_000  # an hour of the design's figures
BUSY_RATE = 9.0  # of the venue's market: about as many changes a second
FRAMES_A_BLOCK = {8: "2 products", 149: "188 products"}  # what 200 ms bring
READ_ROWS, READ_ROWS_QUICK = 3_000_000, 200_000  # an hour of BTC-USD
SHARE_S, SHARE_S_LONG = 20.0, 120.0
MEMORY_CHANGES, MEMORY_CHANGES_LONG = 50_000, 500_000
DISK_CHANGES, DISK_CHANGES_LONG = 600_000, 6_000_000
GROWTH_TURNS, GROWTH_TURNS_LONG = 12, 62  # two of warm-up, then whole parts
GROWTH_CHANGES, GROWTH_CHANGES_LONG = 2_500_000, 50_000_000
THROUGH_CHANGES, THROUGH_CHANGES_LONG = 150_000, 1_000_000
SECTIONS = (
    *("core", "store", "socket", "latency", "read", "export"),
    *("share", "memory", "disk", "growth", "through"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    asked = _parser().parse_args(arguments)
    if asked.peers:
        return _peers(asked.peers, asked.json_lines)
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        sections = asked.only or SECTIONS
        before_ms = fixed_ms()
        figures = _measure(folder, sections, asked.rows, quick=asked.quick)
        figures += _goals(folder, sections, long=asked.long)
        after_ms = fixed_ms()
    finally:
        shutil.rmtree(folder)
    seconds = time.monotonic() - began_s
    note = "The same Python each time: by it runs of different hours and machines are compared."
    what = "a fixed piece of work after all this"
    figures.append(Figure(what, after_ms, "ms", ("before it", before_ms), note=note))
    print(table(figures))
    print(f"{platform.python_version()} on {platform.machine()}, {seconds:.0f} s")
    if asked.json_lines:
        _append(asked.json_lines, as_json(figures))
    if asked.json:
        content = {"python": platform.python_version(), "seconds": seconds,
                   "figures": as_json(figures)}  # fmt: skip
        asked.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds: a minute")
    parser.add_argument("--long", action="store_true", help="share to through: minutes to an hour")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section only")
    parser.add_argument("--rows", type=int, metavar="N", help="of the hour that `read` reads")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--json-lines", type=Path, metavar="FILE", help="append them, one a line")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="beside those installed there")
    return parser


def _peers(installed: Path, kept: Path | None) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = peers.measure(made(12 * peers.UPDATES), installed, Path(folder))
    print(peers.table(rows))
    if kept:
        _append(kept, rows)
    return 0


def _append(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Keep figures for later: one JSON object a line, each with when and by which Python."""
    run = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
           "python": platform.python_version()}  # fmt: skip
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({**run, **row}) + "\n" for row in rows)


def _measure(
    folder: Path, sections: Sequence[str], rows: int | None, *, quick: bool
) -> list[Figure]:
    figures: list[Figure] = []

    def add(what: str, run: Callable[[], Figure | list[Figure]]) -> None:
        print(f"… {what}", file=sys.stderr, flush=True)
        found = run()
        figures.extend(found if isinstance(found, list) else [found])

    if "core" in sections:
        real = recorded() or _small(quick=quick)
        add("core", lambda: understanding.measure(real, _rounds(quick=quick)))
        add("meter", lambda: looking.measure_meter(real, folder, _rounds(quick=quick)))
    if "store" in sections:
        _store(folder, add, quick=quick)
    if "socket" in sections:
        add("socket", lambda: _socket(folder, quick=quick))
    if "latency" in sections:
        real = recorded() or _small(quick=quick)
        for transport in TRANSPORTS:
            if find_spec(transport) is not None:
                add(f"latency, {transport}", partial(lagging.measure, real, folder, transport))
    if "read" in sections:
        rows = rows or (READ_ROWS_QUICK if quick else READ_ROWS)
        add("read", lambda: reading.measure(folder, rows, _rounds(quick=quick)))
    if "export" in sections:
        add("export", lambda: _export(folder, rows, quick=quick))
    return figures


def _goals(folder: Path, sections: Sequence[str], *, long: bool) -> list[Figure]:
    """The sections that take the whole recorder, each a row of the goals; ``long``: more of it."""
    runs: dict[str, Callable[[], list[Figure]]] = {
        "share": lambda: sharing.measure(folder, SHARE_S_LONG if long else SHARE_S),
        "memory": lambda: sharing.measure_memory(MEMORY_CHANGES_LONG if long else MEMORY_CHANGES),
        "disk": lambda: weighing.measure(folder, DISK_CHANGES_LONG if long else DISK_CHANGES),
        "growth": lambda: growing.measure(
            folder,
            GROWTH_TURNS_LONG if long else GROWTH_TURNS,
            GROWTH_CHANGES_LONG if long else GROWTH_CHANGES,
        ),
        "through": lambda: through.measure(
            made(THROUGH_CHANGES_LONG if long else THROUGH_CHANGES), folder, ROUNDS_QUICK
        ),
    }
    figures: list[Figure] = []
    for name, run in runs.items():
        if name in sections:
            print(f"… {name}", file=sys.stderr, flush=True)
            figures += run()
    return figures


def _export(folder: Path, rows: int | None, *, quick: bool) -> list[Figure]:
    root = Root(folder / "hour")
    held = (
        reading.rows_in(root)
        if root.path.exists()
        else reading.make_hour(root, rows or (READ_ROWS_QUICK if quick else READ_ROWS))
    )
    return exporting.measure(root, folder, held, min(_rounds(quick=quick), 5))


def _rounds(*, quick: bool) -> int:
    return ROUNDS_QUICK if quick else ROUNDS


def _small(*, quick: bool) -> Traffic:
    return made((ROWS_QUICK if quick else ROWS) // 4)


def _store(folder: Path, add: Callable[..., None], *, quick: bool) -> None:
    small, rounds = _small(quick=quick), _rounds(quick=quick)
    volume = made(ROWS_QUICK if quick else ROWS, rate=2.0)  # one hour, not two
    busy = made(ROWS_QUICK, depth=0.02, rate=BUSY_RATE)
    real = recorded() or small
    root = Root(folder / "volume")
    for frames, what in FRAMES_A_BLOCK.items():
        add("capture", lambda: resting.measure_capture(real, folder, frames, what))  # noqa: B023
    add("fdatasync", lambda: resting.measure_sync(small.updates(), folder, 60))
    for traffic in (real, busy):
        add("parts", lambda: resting.measure_part(traffic, folder, rounds))  # noqa: B023
    add("import path", lambda: resting.measure_record(volume, root))
    add("recovery", lambda: resting.measure_recovery(root, folder, volume, min(rounds, 3)))
    add("seal", lambda: resting.measure_seal(root))
    add("parquet", lambda: resting.measure_parquet(root, folder))
    add("everything written", lambda: resting.measure_written(busy, folder))
    rows = BUSY_ROWS_QUICK if quick else BUSY_ROWS
    add("seal of a busy hour", lambda: resting.measure_busy_seal(folder, rows))


def _socket(folder: Path, *, quick: bool) -> list[Figure]:
    source = Root(folder / "source")
    resting.record(made(ROWS_QUICK if quick else SOCKET_ROWS, depth=0.2), source)
    return listening.measure_socket(source.capture, folder)


if __name__ == "__main__":
    sys.exit(main())
