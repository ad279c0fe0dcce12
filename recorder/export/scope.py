"""What of a product is exported: a range with both its ends, its gaps, and its trades."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import LEVEL2, TRADES
from recorder.dataset import Dataset, Gap
from recorder.dataset.files import Files, View
from recorder.dataset.lines import behind
from recorder.dataset.ranges import examine, require
from recorder.errors import NoInputError
from recorder.export.course import Deal
from recorder.export.digests import Sum

_COLUMNS = (
    *("recv_ns", "kind", "trade_id", "taker_side", "price", "size", "trade_time", "exchange_ns"),
    *("price_text", "size_text"),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """[start, end) of a product, and what is missing in it of the book and of trades."""

    product_id: str
    start_ns: int
    end_ns: int
    gaps: tuple[Gap, ...]


def scope_of(
    files: Files, product_id: str, start_ns: int | None, end_ns: int | None, *, allow_gaps: bool
) -> Scope:
    """A range as it was asked for; the ends that were not named are those of what is recorded.

    Raises:
        IncompleteData: it has gaps that are not allowed.
        NoInputError: nothing of the product is recorded.
    """

    def answer(view: View) -> Scope:
        found = [examine(view, table, product_id, start_ns, end_ns) for table in (LEVEL2, TRADES)]
        if not allow_gaps:
            for each in found:
                require(view, each)
        starts = [each.start_ns for each in found if each.start_ns is not None]
        ends = [each.end_ns for each in found if each.end_ns is not None]
        if not any(each.told for each in found) or not starts or not ends:
            raise NoInputError(
                f"No book and no trades of {product_id} are recorded in that range. `recorder "
                "coverage` tells what is."
            )
        end = max(ends) if end_ns is not None else behind(max(ends)) - 1
        gaps = tuple(gap for each in found for gap in each.gaps)
        return Scope(product_id, min(starts), end, gaps)

    return files.consistently(answer)


def trades_in(db: Dataset, scope: Scope, ours: Sum, columns: Sequence[str]) -> list[Deal]:
    """Sum up all trades of a scope; give those that came later than they happened, by their time.

    A trade is late where a snapshot repeated it or it was fetched: it belongs to its own time.
    """
    late: list[pa.RecordBatch] = []
    rows = db.trades(
        scope.product_id, scope.start_ns, scope.end_ns, columns=_COLUMNS, allow_gaps=True
    )
    for batch in rows.batches():
        ours.add(*(_MAKERS[name](batch) for name in columns))
        mine = batch.filter(pc.not_equal(batch.column("kind").cast(pa.string()), "update"))
        if mine.num_rows:
            late.append(mine)
    deals = [
        Deal(
            at_ns := _time_ns(row),
            at_ns,
            row["trade_id"],
            None if row["taker_side"] is None else row["taker_side"] == "BUY",
            *(row[name] for name in ("price", "size", "price_text", "size_text")),
        )
        for batch in late
        for row in batch.cast(_as_int(batch.schema)).to_pylist()
    ]
    deals.sort(key=lambda deal: (deal.local_ns, deal.trade_id))
    return deals


def _as_int(schema: pa.Schema) -> pa.Schema:
    at = schema.get_field_index("trade_time")
    return schema.set(at, pa.field("trade_time", pa.int64()))


def _time_ns(row: dict[str, Any]) -> int:
    at_us = row["trade_time"]
    return int(row["recv_ns"] if at_us is None else at_us * 1000)


def _time_us(batch: pa.RecordBatch) -> np.ndarray[Any, Any]:
    """The engine's time, else the message's, else that of the receipt."""
    made = batch.column("trade_time").cast(pa.int64())
    sent, received = (pc.divide(batch.column(name), 1000) for name in ("exchange_ns", "recv_ns"))
    late = pc.not_equal(batch.column("kind").cast(pa.string()), "update")
    without = pc.if_else(late, received, pc.coalesce(sent, received))
    found: np.ndarray[Any, Any] = pc.coalesce(made, without).to_numpy()
    return found


def _side(batch: pa.RecordBatch) -> np.ndarray[Any, Any]:
    words = batch.column("taker_side").cast(pa.string())
    bought, sold = (
        pc.fill_null(pc.equal(words, word), False).to_numpy(zero_copy_only=False)
        for word in ("BUY", "SELL")
    )
    found: np.ndarray[Any, Any] = bought.astype(np.int64) - sold.astype(np.int64)
    return found


_MAKERS: dict[str, Callable[[pa.RecordBatch], np.ndarray[Any, Any]]] = {
    "trade_id": lambda batch: batch.column("trade_id").to_numpy(),
    "time_us": _time_us,
    "side": _side,
    "price": lambda batch: batch.column("price").to_numpy(),
    "size": lambda batch: batch.column("size").to_numpy(),
}
