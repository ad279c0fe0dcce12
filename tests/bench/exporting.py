"""Exports, and beside them what others make of the same data: hftbacktest, NautilusTrader, polars.

Theirs are measured where `make beside` has installed them, each in an environment of its own; it
sets RECORDER_BESIDE to the folder of these. Seconds are those of the processor, over all threads.
"""

import json
import os
import subprocess
import time
from collections import deque
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import recorder
from recorder.export import export
from recorder.store.paths import Root
from tests.bench.figures import Figure
from tests.bench.reading import PRODUCT
from tests.bench.timing import race, timed

ENVIRONMENTS = os.environ.get("RECORDER_BESIDE")
PROGRAMS = Path(__file__).parent / "others"
EXPORTED_ROWS = 300_000
STEPS = {"price_increment": "0.01", "size_increment": "0.00000001"}
GOAL_OVER_PLUGIN = 2.5


def measure(root: Root, folder: Path, rows: int, rounds: int) -> list[Figure]:
    """Of an hour of so many rows: exports of its begin, and the whole of it in the plugin."""
    db = recorder.open(root.path)
    (product,) = (each for each in db.products() if each.product_id == PRODUCT)
    length = (product.last - product.first) * min(1.0, EXPORTED_ROWS / rows)
    end = min(product.last, product.first + length)
    figures = []
    for kind in ("tardis", "hftbacktest", "nautilus"):
        to = folder / f"export-{kind}"
        run = partial(export, root.path, kind, [PRODUCT], to, end=end, allow_gaps=True, **STEPS)
        seconds = timed(run, time.process_time)
        (told,) = json.loads((to / "export.json").read_text(encoding="utf-8"))["products"]
        count = told["book_rows"] + told["trades"]
        figures.append(Figure(f"export {kind}, checked", count / seconds, "rows/s"))
    if ENVIRONMENTS:
        figures += _loaders(db, folder, end, rounds)
        figures += _plugin(db, root, rows, rounds)
    return figures


def _loaders(db: Any, folder: Path, end: datetime, rounds: int) -> list[Figure]:
    """Our replay with books, and the loaders of others with theirs, over the same range."""
    rows = db.level2(PRODUCT, end=end, allow_gaps=True).to_arrow().num_rows

    def books() -> None:
        run = db.replay(PRODUCT, end=end, channels="level2", books=True, allow_gaps=True)
        deque(run, maxlen=0)

    ours = rows / race({"ours": books}, rounds, time.process_time)["ours"]
    figures = []
    for name in ("hftbacktest", "nautilus"):
        theirs = rows / _ask(name, folder / f"export-{name}", rounds)
        figures.append(
            Figure("replay with books", ours, "rows/s", (f"{name}'s loader and book", theirs))
        )
    return figures


def _plugin(db: Any, root: Root, rows: int, rounds: int) -> list[Figure]:
    taken = race({"ours": lambda: db.top_of_book(PRODUCT).to_arrow()}, rounds, time.process_time)
    (path,) = (root.path / "level2").rglob("*.parquet")
    whole, alone = _ask("plugin", path, rounds)
    ours = rows / taken["ours"]
    goal = f"{GOAL_OVER_PLUGIN}"
    return [
        Figure("top of book, read and checked", ours, "rows/s",
               ("polars-order-book, with reading", rows / whole), goal),
        Figure("  the same", ours, "rows/s", ("polars-order-book alone", rows / alone), goal),
    ]  # fmt: skip


def _ask(name: str, given: Path, rounds: int) -> Any:
    assert ENVIRONMENTS is not None
    python = Path(ENVIRONMENTS) / name / "bin" / "python"
    ran = subprocess.run(
        [python, PROGRAMS / f"time_{name}.py", given, str(rounds)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return json.loads(ran.stdout.splitlines()[-1])
