"""What a range is like: how many rows, how fast, how late, how wide the spread, which trades.

Nothing of a range is kept but counts: rows are read in batches, books hour by hour. So memory is
that of one hour of one product's book changes, and four bytes for each second of the range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import CANDLES, LEVEL2, TICKER, TRADES, Table
from recorder.dataset.distributions import Counted, Distribution, Gathered, short
from recorder.dataset.files import View
from recorder.dataset.gaps import Gap
from recorder.dataset.ranges import Range, examine, recorded_anywhere
from recorder.dataset.readable import BATCH_ROWS
from recorder.dataset.selection import Query, stream
from recorder.dataset.shares import DAY_NS
from recorder.dataset.spreads import Spread, spread_in
from recorder.errors import NoInputError, UsageError
from recorder.store.parts import SCHEMAS
from recorder.times import to_datetime

_TABLES: tuple[Table, ...] = (LEVEL2, TRADES, TICKER, CANDLES)
_SECOND_NS = 1_000_000_000
DAYS_MAX = 1_830
_STEPS_MAX = 240  # of the rate through time
_MS = "ms"
# The venue's time of what happened, where a row has one.
_HAPPENED = {LEVEL2.name: "event_time", TRADES.name: "trade_time"}
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TableDescription:
    """The rows of a table in a range.

    ``kinds`` are rows by kind; the rest is of those that came as they happened (`update`).
    ``messages`` are those with such rows. ``per_second`` are rows in each whole second that no gap
    touches, ``seconds`` their number. ``message_latency`` is the time from when the venue built a
    message to its receipt, ``event_latency`` from when a change or trade happened. ``activity`` are
    rows a second through time, in steps of ``step_s``; None in a step that lies in a gap.
    """

    table: str
    rows: int
    kinds: dict[str, int]
    messages: int
    seconds: int
    per_second: Distribution | None
    message_latency: Distribution | None
    event_latency: Distribution | None
    step_s: float
    activity: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Trades:
    """The trades of a range: ``volume`` in the base currency, ``turnover`` in the quote currency.

    ``bought`` and ``sold`` are the parts of the volume that takers did, 0 to 1.
    """

    count: int
    volume: float
    turnover: float
    vwap: float | None
    bought: float | None
    sold: float | None
    first: float
    high: float
    low: float
    last: float
    size: Distribution | None
    value: Distribution | None


@dataclass(frozen=True, slots=True)
class ProductDescription:
    """A product in a range: its gaps by channel, and what was recorded all the same.

    The range is as asked for, or else that of what is recorded of it. ``tables`` are those with
    rows; without a book to be trusted there is no ``spread``, without trades there are no
    ``trades``.
    """

    product_id: str
    start: datetime
    end: datetime
    gaps: tuple[Gap, ...]
    tables: tuple[TableDescription, ...]
    spread: Spread | None
    trades: Trades | None


@dataclass(frozen=True, slots=True)
class Description:
    """What a range of products is like."""

    products: tuple[ProductDescription, ...]


def describe_in(
    view: View, products: Sequence[str], start_ns: int | None, end_ns: int | None
) -> Description:
    """Describe a range of products, one after the other.

    Raises UsageError without products and for too long a range, NoInputError where nothing of one
    is recorded.
    """
    if not products:
        raise UsageError("No product to describe. Name at least one; `product_ids()` lists them.")
    return Description(tuple(_product(view, name, start_ns, end_ns) for name in products))


def _product(
    view: View, product_id: str, start_ns: int | None, end_ns: int | None
) -> ProductDescription:
    found = [examine(view, table, product_id, start_ns, end_ns) for table in _TABLES]
    told = [each for each in found if each.told]
    # A channel that was never subscribed to is not missing.
    known = told or [each for each in found if recorded_anywhere(view, each)] or found
    asked = start_ns, end_ns
    starts = [each.start_ns for each in told if each.start_ns is not None]
    ends = [each.end_ns for each in told if each.end_ns is not None]
    if start_ns is None and starts:
        start_ns = min(starts)
    if end_ns is None and ends:
        # An interval ends with the microsecond of its last frame.
        end_ns = max(ends) + 1000
    if start_ns is None or end_ns is None:
        raise NoInputError(
            f"Nothing of {product_id} is recorded there. `recorder products` tells from when to "
            "when there is something; or give both ends of the range."
        )
    span = start_ns, max(start_ns, end_ns)
    days = (span[1] - span[0]) // DAY_NS
    if days > DAYS_MAX:
        raise UsageError(
            f"That is a range of {days:,} days, more than {DAYS_MAX:,}. Ask for a shorter one."
        )
    totals = _Trades()
    tables = [_Rows(span, each).read(view, asked, totals) for each in found]
    return ProductDescription(
        product_id,
        to_datetime(span[0]),
        to_datetime(span[1]),
        tuple(gap for each in known for gap in each.gaps),
        tuple(each for each in tables if each.rows),
        spread_in(view, product_id, *span),
        totals.told(),
    )


class _Rows:
    """The rows of one table, counted as they come."""

    def __init__(self, span: tuple[int, int], found: Range) -> None:
        self._table, self._found = found.table, found
        self._start_ns, self._end_ns = span
        self._seconds = np.zeros((self._end_ns - self._start_ns) // _SECOND_NS, np.uint32)
        self._kinds: dict[str, int] = {}
        self._messages = 0
        self._last_seq: int | None = None
        self._message, self._event = Gathered(_MS), Gathered(_MS)

    def read(
        self, view: View, asked: tuple[int | None, int | None], totals: "_Trades"
    ) -> TableDescription:
        """Read them all; where an end was not asked for, what came late belongs to it as well."""
        names = SCHEMAS[self._table.name].names
        wanted = [
            *("ingest_seq", "recv_ns", "kind", "exchange_ns", "event_time", "trade_time"),
            *(("price", "size", "taker_side") if self._table is TRADES else ()),
        ]
        columns = tuple(name for name in wanted if name in names)
        query = Query(self._table, self._found.product_id, *asked, columns)
        for rows in stream(view, query, self._found.later, BATCH_ROWS):
            self._add(rows)
            if self._table is TRADES:
                totals.add(rows)
        return self._told()

    def _add(self, rows: pa.Table) -> None:
        for each in rows.column("kind").cast(pa.string()).value_counts().to_pylist():
            kind = each["values"]
            self._kinds[kind] = self._kinds.get(kind, 0) + each["counts"]
        rows = rows.filter(pc.equal(rows.column("kind").cast(pa.string()), "update"))
        if not rows.num_rows:
            return
        numbers: _Ints = rows.column("ingest_seq").to_numpy()
        received: _Ints = rows.column("recv_ns").to_numpy()
        # The rows of a message have numbers without a hole, and between messages there is one.
        before = numbers[0] - 2 if self._last_seq is None else self._last_seq
        begins = np.flatnonzero(np.diff(numbers, prepend=before) != 1)
        self._last_seq = int(numbers[-1])
        self._messages += len(begins)
        at = (received - self._start_ns) // _SECOND_NS
        at = at[(at >= 0) & (at < len(self._seconds))]
        if len(at):
            low = int(at.min())
            counts = np.bincount(at - low)
            self._seconds[low : low + len(counts)] += counts.astype(np.uint32)
        built = rows.column("exchange_ns").take(pa.array(begins))
        self._message.add(_late_ms(received[begins], built))
        name = _HAPPENED.get(self._table.name)
        if name is not None:
            happened = pc.multiply(rows.column(name).cast(pa.int64()), 1000)
            self._event.add(_late_ms(received, happened))

    def _told(self) -> TableDescription:
        whole = np.ones(len(self._seconds), np.bool_)
        for gap in self._found.gaps:
            begin = max(0, (gap.start_ns - self._start_ns) // _SECOND_NS)
            end = max(-(-(gap.end_ns - self._start_ns) // _SECOND_NS), begin + 1)
            whole[begin:end] = False
        rates = Counted("rows/s")
        rates.add(self._seconds[whole].astype(np.float64))
        step = max(1, -(-len(self._seconds) // _STEPS_MAX))
        activity: list[float | None] = []
        for at in range(0, len(self._seconds), step):
            mine = whole[at : at + step]
            rows = self._seconds[at : at + step][mine]
            activity.append(short(rows.mean()) if len(rows) else None)
        return TableDescription(
            self._table.name,
            sum(self._kinds.values()),
            dict(sorted(self._kinds.items())),
            self._messages,
            int(whole.sum()),
            rates.distribution(),
            self._message.distribution(),
            self._event.distribution(),
            float(step),
            tuple(activity),
        )


def _late_ms(received: _Ints, then: Any) -> npt.NDArray[np.float64]:
    """How long before its receipt something was, in milliseconds; where that is not told, NaN."""
    known = pc.is_valid(then).to_numpy(zero_copy_only=False)
    since: _Ints = received - pc.fill_null(then, 0).to_numpy()
    return np.where(known, since / 1e6, np.nan)


class _Trades:
    """The trades of a range, summed as they come."""

    def __init__(self) -> None:
        self._count = 0
        self._volume = self._turnover = self._bought = self._sold = 0.0
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None
        self._low, self._high = np.inf, -np.inf
        self._size, self._value = Gathered("base"), Gathered("quote")

    def add(self, rows: pa.Table) -> None:
        """Trades as they come: a trade that was fetched is behind one that was made after it."""
        if not rows.num_rows:
            return
        prices, sizes = (rows.column(name).to_numpy() for name in ("price", "size"))
        values = prices * sizes
        takers = np.array(rows.column("taker_side").cast(pa.string()).to_pylist(), object)
        self._count += rows.num_rows
        self._volume += float(sizes.sum())
        self._turnover += float(values.sum())
        self._bought += float(sizes[takers == "BUY"].sum())
        self._sold += float(sizes[takers == "SELL"].sum())
        self._low = min(self._low, float(prices.min()))
        self._high = max(self._high, float(prices.max()))
        made = rows.column("trade_time").cast(pa.int64())
        made = pc.coalesce(made, pc.divide(rows.column("recv_ns"), 1000)).to_numpy()
        first, last = int(made.argmin()), len(made) - 1 - int(made[::-1].argmax())
        if self._first is None or made[first] < self._first[0]:
            self._first = int(made[first]), float(prices[first])
        if self._last is None or made[last] >= self._last[0]:
            self._last = int(made[last]), float(prices[last])
        self._size.add(sizes)
        self._value.add(values)

    def told(self) -> Trades | None:
        """What they come to; None where there was none."""
        if self._first is None or self._last is None:
            return None
        sides = self._bought + self._sold
        return Trades(
            self._count,
            short(self._volume),
            short(self._turnover),
            short(self._turnover / self._volume) if self._volume else None,
            short(self._bought / sides) if sides else None,
            short(self._sold / sides) if sides else None,
            self._first[1],
            self._high,
            self._low,
            self._last[1],
            self._size.distribution(),
            self._value.distribution(),
        )
