"""Bars of trades: open, high, low, close, volume, by the time of the trade."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import TRADES
from recorder.dataset.files import View
from recorder.dataset.fills import FLIGHT_NS
from recorder.dataset.gaps import Gap
from recorder.dataset.ranges import complete_range, examine
from recorder.dataset.selection import Query, rows_of
from recorder.errors import UsageError

_UNITS_NS = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_every = re.compile(r"([1-9][0-9]{0,6})(ms|s|m|h|d)").fullmatch
BARS_MAX = 20_000_000
LENGTH_NS_MAX = 36_500 * _UNITS_NS["d"]
_NS_MAX = 2**63 - 1 - FLIGHT_NS
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("start_time", _TIME, nullable=False),
        pa.field("product_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        *(pa.field(name, pa.float64()) for name in ("open", "high", "low", "close")),
        pa.field("volume", pa.float64(), nullable=False),
        pa.field("vwap", pa.float64()),
        pa.field("trades", pa.int64(), nullable=False),
        pa.field("complete", pa.bool_(), nullable=False),
    ]
)
COLUMNS = ("trade_id", "price", "size", "trade_time", "recv_time", "ingest_seq")


def length_ns(every: str) -> int:
    """The length of bars: ``500ms``, ``1s``, ``5m``, ``1h``, ``1d``.

    Raises UsageError for what is no length, and for more than a century.
    """
    found = _every(every) if isinstance(every, str) else None
    if found is None:
        shown = repr(every)[:40]
        raise UsageError(f"{shown} is no length of bars. Write 500ms, 1s, 5m, 1h or 1d.")
    length = int(found[1]) * _UNITS_NS[found[2]]
    if length > LENGTH_NS_MAX:
        raise UsageError(f"bars of {every} are longer than a century. Write 500ms, 1s, 5m or 1d.")
    return length


def grid(start_ns: int, end_ns: int, width_ns: int) -> tuple[int, int]:
    """The range rounded to whole bars, outwards.

    Raises UsageError where they are too many, or reach beyond what nanoseconds can tell.
    """
    first_ns, last_ns = start_ns // width_ns * width_ns, -(-end_ns // width_ns) * width_ns
    if first_ns < -_NS_MAX or last_ns > _NS_MAX:
        raise UsageError(
            "whole bars would reach beyond the times that there are, 1677 to 2262. Ask for a "
            "shorter range or shorter bars."
        )
    if (last_ns - first_ns) // width_ns > BARS_MAX:
        raise UsageError(
            f"That would be {(last_ns - first_ns) // width_ns:,} bars, more than {BARS_MAX:,}. "
            "Ask for a shorter range or longer bars."
        )
    return first_ns, last_ns


def bars_in(
    view: View,
    width_ns: int,
    product_id: str,
    start_ns: int | None,
    end_ns: int | None,
    *,
    allow_gaps: bool,
) -> pa.Table:
    """The bars of a range. Raises IncompleteData where it has gaps that are not allowed."""
    found = complete_range(view, TRADES, product_id, start_ns, end_ns, allow_gaps=allow_gaps)
    assert found.start_ns is not None
    assert found.end_ns is not None
    if found.start_ns == found.end_ns:
        return SCHEMA.empty_table()
    first_ns, last_ns = grid(found.start_ns, found.end_ns, width_ns)
    # Both clocks differ a little, and a trade takes its time to come.
    around = first_ns - FLIGHT_NS, last_ns + FLIGHT_NS
    query = Query(TRADES, product_id, *around, columns=COLUMNS)
    whole = examine(view, TRADES, product_id, first_ns, last_ns)
    rows = rows_of(view, query, whole.later)
    return bars(rows, product_id, (first_ns, last_ns), width_ns, whole.gaps)


def bars(
    rows: pa.Table, product_id: str, span: tuple[int, int], width_ns: int, gaps: Iterable[Gap]
) -> pa.Table:
    """A row for each bar of a range of whole bars, also where nothing was traded.

    ``rows`` are trades with `COLUMNS`; a trade whose own time could not be read counts where it was
    received. A bar that a gap touches is not complete.
    """
    first_ns, last_ns = span
    count = (last_ns - first_ns) // width_ns
    times = rows.column("trade_time")
    if times.null_count:
        times = pc.coalesce(times, rows.column("recv_time"))
    at = (times.cast(pa.int64()).to_numpy() * 1000 - first_ns) // width_ns
    inside = np.flatnonzero((at >= 0) & (at < count))
    ids = rows.column("trade_id").to_numpy()
    order = inside[np.lexsort((ids[inside], at[inside]))]
    at = at[order]
    prices, sizes = (rows.column(name).to_numpy()[order] for name in ("price", "size"))
    begins = np.flatnonzero(np.append(True, at[1:] != at[:-1])[: len(at)])
    values = {name: np.full(count, np.nan) for name in ("open", "high", "low", "close", "vwap")}
    volume, trades = np.zeros(count), np.zeros(count, np.int64)
    if len(begins):
        places = at[begins]
        ends = np.append(begins[1:], len(at))
        values["open"][places] = prices[begins]
        values["close"][places] = prices[ends - 1]
        values["high"][places] = np.maximum.reduceat(prices, begins)
        values["low"][places] = np.minimum.reduceat(prices, begins)
        volume[places] = np.add.reduceat(sizes, begins)
        trades[places] = ends - begins
        with np.errstate(invalid="ignore", divide="ignore"):
            values["vwap"][places] = np.add.reduceat(prices * sizes, begins) / volume[places]
    starts = first_ns + np.arange(count, dtype=np.int64) * width_ns
    product = pa.array([product_id]).dictionary_encode()
    columns = {
        "start_time": pa.array(starts // 1000).cast(_TIME),
        "product_id": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(count, np.int32)), product.dictionary
        ),
        **{name: pa.array(each, mask=np.isnan(each)) for name, each in values.items()},
        "volume": pa.array(volume),
        "trades": pa.array(trades),
        "complete": pa.array(_complete(count, first_ns, width_ns, gaps)),
    }
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _complete(
    count: int, first_ns: int, width_ns: int, gaps: Iterable[Gap]
) -> npt.NDArray[np.bool_]:
    whole = np.ones(count, np.bool_)
    for gap in gaps:
        begin = max((gap.start_ns - first_ns) // width_ns, 0)
        # A gap without length hurts the bar that it lies in.
        end = max(-(-(gap.end_ns - first_ns) // width_ns), begin + 1)
        whole[begin : max(end, 0)] = False
    return whole
