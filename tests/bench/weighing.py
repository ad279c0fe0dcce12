"""Size on disk: sealed files beside the same rows as others keep them.

Beside stand `incremental_book_L2` as Tardis gives it to download (gzip, its columns, plain digits),
and Parquet as pyarrow writes it where nobody tells it how.
"""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.tables import LEVEL2
from recorder.export.tardis import BOOK, EXCHANGE, HEADERS
from recorder.export.writing import written
from recorder.replay import import_captures
from recorder.store.parts import read_parts
from recorder.store.paths import Root
from recorder.store.seal import seal_hour
from tests.bench.figures import Figure
from tests.bench.resting import record
from tests.bench.traffic import made
from tests.captures import ADVANCED
from tests.captures import EXCHANGE as EXCHANGES

GOAL = 0.6
GZIP_LEVEL = 6  # what gzip does if it is not told otherwise
CSV_NOTE = (
    "Bytes of the sealed files of level2, footers and all, by their rows; beside them the same "
    f"rows as {BOOK} CSV, gzip level {GZIP_LEVEL}, one file a product. Ours has also the sequence "
    "number, the connection, the epoch of the book and the text of what a float does not hold."
)
DEFAULTS_NOTE = "The same rows and columns, by pyarrow.parquet.write_table with nothing else said."


def measure(folder: Path, changes: int) -> list[Figure]:
    """The made market, and each recording that is beside the checkout."""
    root = Root(folder / "weighed")
    record(made(changes, rate=2.0), root)
    for hour in root.captured_hours():
        seal_hour(root, hour)
    figures = _weigh(root, "made market, 2 products", folder)
    for capture, what in (
        (ADVANCED, "recording of 2026, 16 s, mostly snapshots"),
        (EXCHANGES[2], "recording of 2021, 10 products, 31 s"),
        (EXCHANGES[1], "recording of 2018, BTC-USD, 10 min"),
    ):
        if capture.exists():
            root = Root(folder / f"weighed-{capture.name[:8]}")
            import_captures([capture], root.path)
            figures += _weigh(root, what, folder)
        else:
            print(f"size of the {what}: skipped, {capture.name} is not beside this checkout")
    return figures


def _weigh(root: Root, what: str, folder: Path) -> list[Figure]:
    sealed = sorted((root.path / "level2").rglob("*.parquet"))
    assert sealed, f"{root.path} has nothing sealed"
    ours = theirs = defaults = rows = 0
    for path in sealed:
        arrow = read_parts(LEVEL2, [path])
        rows += arrow.num_rows
        ours += path.stat().st_size
        theirs += len(gzip.compress(_csv(arrow), GZIP_LEVEL, mtime=0))
        plain = folder / "defaults.parquet"
        pq.write_table(arrow, plain)
        defaults += plain.stat().st_size
    goal = f"goal <= {GOAL:.0%}"
    return [
        Figure(f"size of a level2 row, {rows:,} rows, {what}", ours / rows, "B",
               ("gzip CSV", theirs / rows), goal, CSV_NOTE),
        Figure("  the same", ours / rows, "B", ("pyarrow defaults", defaults / rows), goal,
               DEFAULTS_NOTE),
    ]  # fmt: skip


def _csv(arrow: pa.Table) -> bytes:
    """Rows of level2 of one product as `incremental_book_L2`."""
    names = ("product_id", "kind", "side", "price", "size", "price_text", "size_text")
    values = [arrow.column(name).to_pylist() for name in names]
    times = [arrow.column(name).cast(pa.int64()).to_pylist()
             for name in ("exchange_time", "recv_time")]  # fmt: skip
    lines = [HEADERS[BOOK]]
    lines += [
        f"{EXCHANGE},{product_id},{exchange_us},{recv_us},{'false' if kind == 'update' else 'true'}"
        f",{side},{written(price, price_text)},{written(size, size_text)}"
        for product_id, kind, side, price, size, price_text, size_text, exchange_us, recv_us in zip(
            *values, *times, strict=True
        )
    ]
    return "\n".join([*lines, ""]).encode()
