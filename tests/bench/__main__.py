"""The command line: measures everything and prints one table."""

import argparse
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from recorder.store.paths import Root
from tests.bench import listening, resting, understanding
from tests.bench.figures import Figure, as_json, table
from tests.bench.traffic import made, recorded

ROWS = 1_000_000
ROWS_QUICK = 100_000
SOCKET_ROWS = 300_000
ROUNDS, ROUNDS_QUICK = 9, 3
FRAMES_A_BLOCK = {10: "2 products", 187: "188 products"}  # what 250 ms bring


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    asked = _parser().parse_args(arguments)
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        figures = _measure(folder, quick=asked.quick)
    finally:
        shutil.rmtree(folder)
    seconds = time.monotonic() - began_s
    print(table(figures))
    print(f"{platform.python_version()} on {platform.machine()}, {seconds:.0f} s")
    if asked.json:
        content = {"python": platform.python_version(), "seconds": seconds,
                   "figures": as_json(figures)}  # fmt: skip
        asked.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds: under 30 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


def _measure(folder: Path, *, quick: bool) -> list[Figure]:
    rounds = ROUNDS_QUICK if quick else ROUNDS
    volume = made(ROWS_QUICK if quick else ROWS, rate=2.0)  # one hour, not two
    small = made(ROWS_QUICK // 4)
    real = recorded() or small
    root = Root(folder / "volume")
    figures: list[Figure] = []

    def add(what: str, run: Callable[[], Figure | list[Figure]]) -> None:
        print(f"… {what}", file=sys.stderr, flush=True)
        found = run()
        figures.extend(found if isinstance(found, list) else [found])

    add("core", lambda: understanding.measure(real, rounds))
    for frames, what in FRAMES_A_BLOCK.items():
        add("capture", lambda: resting.measure_capture(real, folder, frames, what))  # noqa: B023
    add("fdatasync", lambda: resting.measure_sync(small.updates(), folder, 60))
    add("import path", lambda: resting.measure_record(volume, root))
    add("parts", lambda: resting.measure_part(real, folder, rounds))
    add("recovery", lambda: resting.measure_recovery(root, folder, volume.bytes))
    add("socket", lambda: _socket(folder, quick=quick))
    add("seal", lambda: resting.measure_seal(root))
    add("parquet", lambda: resting.measure_parquet(root, folder))
    return figures


def _socket(folder: Path, *, quick: bool) -> list[Figure]:
    source = Root(folder / "source")
    resting.record(made(ROWS_QUICK if quick else SOCKET_ROWS, depth=0.2), source)
    return listening.measure_socket(source.capture, folder)


if __name__ == "__main__":
    sys.exit(main())
