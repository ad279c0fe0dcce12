"""A book at a moment, built from recorded rows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.numbers import plain
from recorder.core.tables import LEVEL2
from recorder.dataset.coverage import coverage_rows
from recorder.dataset.files import Files, hour_of_file
from recorder.dataset.times import to_datetime, to_ns

COLUMNS = (
    "kind", "side", "price", "size", "book_epoch", "ingest_seq", "recv_ns", "price_text",
    "size_text",
)  # fmt: skip
NEWEST_NS = 2**63 - 1
# Gaps that say nothing about the book before them.
ENDINGS = ("connection_closed", "recorder_down", "connecting", "unsubscribed")


@dataclass(frozen=True, slots=True)
class BookView:
    """A book at a moment; levels are (price, size) in plain notation, best first.

    ``valid`` is False where the recorder did not trust the book then; ``reason`` says why.
    ``as_of`` is the time of the last row that it is built from.
    """

    product_id: str
    valid: bool
    as_of: datetime
    reason: str | None
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


def book_at(files: Files, product_id: str, at_ns: int, depth: int | None) -> BookView | None:
    """The book after everything received up to a time; None where no whole book is recorded."""
    rows = _rows(files, product_id, at_ns)
    if rows is None:
        return None
    reason = _doubt(files, product_id, rows, at_ns)
    last = _levels_held(rows)
    return BookView(
        product_id,
        reason is None,
        to_datetime(rows.column("recv_ns")[-1].as_py()),
        reason,
        _side(last, "bid", depth),
        _side(last, "ask", depth),
    )


def _rows(files: Files, product_id: str, at_ns: int) -> pa.Table | None:
    """The rows from the newest whole book (a snapshot or checkpoint) up to a time."""
    wanted = pc.field("product_id") == product_id
    end_ns = None if at_ns >= NEWEST_NS else at_ns + 1
    if end_ns is not None:
        wanted &= pc.field("recv_ns") < end_ns
    hours = sorted({hour_of_file(path) for path in files.of("level2", product_id, None, end_ns)})
    later: list[pa.Table] = []
    for hour in reversed(hours):
        rows = files.read(_of_hour(files, product_id, hour), LEVEL2, wanted, COLUMNS)
        later.insert(0, rows)
        whole = pc.not_equal(rows.column("kind").cast(pa.string()), "update")
        if pc.any(whole).as_py():
            joined = pa.concat_tables(later).unify_dictionaries().combine_chunks()
            return joined.slice(_newest_whole(joined))
    return None


def _of_hour(files: Files, product_id: str, hour: int) -> Callable[[], list[Path]]:
    return lambda: [path for path in files.of("level2", product_id) if hour_of_file(path) == hour]


def _newest_whole(rows: pa.Table) -> int:
    """The index of the first row of the newest snapshot or checkpoint."""
    whole = pc.not_equal(rows.column("kind").cast(pa.string()), "update")
    last = int(np.flatnonzero(whole.to_numpy())[-1])
    epoch = rows.column("book_epoch")[last].as_py()
    if epoch is None:
        return last
    # A whole book's rows follow each other from the one that its epoch names.
    return int(np.searchsorted(rows.column("ingest_seq").to_numpy(), epoch))


def _levels_held(rows: pa.Table) -> pa.Table:
    """The last applied row of each (side, price), where it has a size."""
    # What came while the recorder did not trust the book, it did not apply either.
    applied = rows.filter(pc.is_valid(rows.column("book_epoch")))
    numbered = applied.append_column("row", pa.array(np.arange(len(applied))))
    last = numbered.group_by(["side", "price"]).aggregate([("row", "max")]).column("row_max")
    held = applied.take(last)
    return held.filter(pc.greater(held.column("size"), 0.0))


def _side(held: pa.Table, side: str, depth: int | None) -> list[tuple[str, str]]:
    mine = held.filter(pc.equal(held.column("side").cast(pa.string()), side))
    order = "descending" if side == "bid" else "ascending"
    best = mine.sort_by([("price", order)]).slice(0, depth)
    columns = ("price", "price_text", "size", "size_text")
    values = (best.column(name).to_pylist() for name in columns)
    return [
        (plain(price, price_text), plain(size, size_text))
        for price, price_text, size, size_text in zip(*values, strict=True)
    ]


def _doubt(files: Files, product_id: str, rows: pa.Table, at_ns: int) -> str | None:
    """Why a book that ends with these rows is not to be trusted; None where it is."""
    if rows.column("book_epoch")[-1].as_py() is None:
        return "the newest changes came while the book was not valid"
    last_ns = rows.column("recv_ns")[-1].as_py()
    intervals = coverage_rows(files, product_id, "level2").to_pylist()
    if at_ns == NEWEST_NS:
        # The newest book was right when it was the newest, if only the recording ended then.
        gaps = [each for each in intervals if each["state"] == "gap"]
        doubts = [
            each
            for each in gaps
            if to_ns(each["end_time"]) > last_ns and each["reason"] not in ENDINGS
        ]
        return _not_recorded(doubts[0]) if doubts else None
    # Intervals are in microseconds: the last one is meant to its end.
    around = [
        each
        for each in intervals
        if to_ns(each["start_time"]) <= at_ns <= to_ns(each["end_time"]) + 999
    ]
    if any(each["state"] != "gap" for each in around):
        return None
    if around:
        return _not_recorded(around[0])
    return "nothing is recorded of that time" + ("" if at_ns < last_ns else " yet")


def _not_recorded(gap: dict[str, Any]) -> str:
    return f"not recorded since {gap['start_time']:%Y-%m-%dT%H:%M:%SZ}: {gap['reason']}"
