"""What a replay gives: one event for each message, typed, in the order of `ingest_seq`.

Times are nanoseconds since 1970 UTC, prices and sizes as in the tables. Events are tuples with
names: immutable, cheap, and good in a ``match``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import CANDLES, HEARTBEATS, LEVEL2, STATUS, TICKER, TRADES, Table
from recorder.dataset.gaps import Gap
from recorder.dataset.stretches import NO_EPOCH


class LevelChanges(NamedTuple):
    """One message of changes of a book, or a whole book (``kind`` snapshot or checkpoint).

    Sizes are absolute, 0 removes the level. ``epoch`` is None where the book was not trusted. The
    texts are lists only where any of the numbers is not exact. ``ingest_seq`` is that of the first
    change.
    """

    ingest_seq: int
    recv_ns: int
    product_id: str
    kind: str
    sides: list[str]
    prices: list[float]
    sizes: list[float]
    exchange_ns: int | None
    event_us: int | None
    epoch: int | None
    sequence: int | None
    connection_id: str
    price_texts: list[str | None] | None = None
    size_texts: list[str | None] | None = None


class Trade(NamedTuple):
    """One trade; ``side`` is the maker's, as sent. ``kind`` says how it came (docs/format.md)."""

    ingest_seq: int
    recv_ns: int
    product_id: str
    kind: str
    trade_id: int
    side: str
    taker_side: str | None
    price: float
    size: float
    trade_us: int | None
    exchange_ns: int | None
    sequence: int | None
    connection_id: str
    price_text: str | None
    size_text: str | None


class Ticker(NamedTuple):
    """One ticker; what the venue did not send is None."""

    ingest_seq: int
    recv_ns: int
    product_id: str
    kind: str
    price: float | None
    best_bid: float | None
    best_bid_size: float | None
    best_ask: float | None
    best_ask_size: float | None
    last_size: float | None
    volume_24h: float | None
    volume_30d: float | None
    low_24h: float | None
    high_24h: float | None
    open_24h: float | None
    low_52w: float | None
    high_52w: float | None
    price_percent_chg_24h: float | None
    last_side: str | None
    trade_id: int | None
    exchange_ns: int | None
    sequence: int | None
    connection_id: str
    inexact_text: str | None


class Candle(NamedTuple):
    """One five-minute candle as sent; the forming one comes again and again."""

    ingest_seq: int
    recv_ns: int
    product_id: str
    kind: str
    start_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    exchange_ns: int | None
    sequence: int | None
    connection_id: str


class Heartbeat(NamedTuple):
    """One beat of a connection."""

    ingest_seq: int
    recv_ns: int
    product_id: str | None
    heartbeat_counter: int | None
    last_trade_id: int | None
    exchange_ns: int | None
    sequence: int | None
    connection_id: str


class Status(NamedTuple):
    """The rules of a product as sent; increments stay text."""

    ingest_seq: int
    recv_ns: int
    product_id: str
    kind: str
    product_type: str | None
    base_currency: str | None
    quote_currency: str | None
    base_increment: str | None
    quote_increment: str | None
    display_name: str | None
    status: str | None
    status_message: str | None
    min_market_funds: str | None
    post_only: str | None
    limit_only: str | None
    cancel_only: str | None
    fx_stablecoin: str | None
    exchange_ns: int | None
    sequence: int | None
    connection_id: str


Event = LevelChanges | Trade | Ticker | Candle | Heartbeat | Status | Gap
"""Everything that a replay gives."""

_ROW_EVENTS: dict[str, Any] = {
    TRADES.name: Trade,
    TICKER.name: Ticker,
    CANDLES.name: Candle,
    HEARTBEATS.name: Heartbeat,
    STATUS.name: Status,
}
REPLAYED = (LEVEL2.name, *_ROW_EVENTS)
"""The tables whose rows become events."""

# Fields that have another name than their column: whole microseconds, as the column has them.
_COLUMN_OF = {"trade_us": "trade_time", "start_us": "start_time", "event_us": "event_time"}
_OF_MESSAGE = (
    *("ingest_seq", "recv_ns", "product_id", "kind"),
    *("exchange_ns", "event_time", "book_epoch", "sequence", "connection_id"),
)
_OF_CHANGE = ("side", "price", "size")
_TEXTS = ("price_text", "size_text")
_LEVEL2_COLUMNS = (*_OF_MESSAGE[:4], *_OF_CHANGE, *_OF_MESSAGE[4:], *_TEXTS)

Made = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Iterator[Any]]
"""The number of each event's last row, the time of its receipt, and the events.

They are made one by one as they are taken: each is gone before the next is there.
"""


def columns_of(table: Table) -> tuple[str, ...]:
    """The columns that the events of a table are made from."""
    if table is LEVEL2:
        return _LEVEL2_COLUMNS
    fields: tuple[str, ...] = _ROW_EVENTS[table.name]._fields
    return tuple(_COLUMN_OF.get(name, name) for name in fields)


def maker_of(table: Table) -> Callable[[pa.Table, int], Iterator[Made]]:
    """What makes the events of rows of a table, which are whole messages in the order of numbers.

    It gives so many at once as it is told. That is much quicker than all of them: what they are
    made of is used while it is still in the processor's cache.
    """
    return level_changes if table is LEVEL2 else _row_maker(table)


def _row_maker(table: Table) -> Callable[[pa.Table, int], Iterator[Made]]:
    kind = _ROW_EVENTS[table.name]
    names = columns_of(table)

    def made(rows: pa.Table, at_once: int) -> Iterator[Made]:
        columns = [_values(rows.column(name)) for name in names]
        numbers, received = (rows.column(name).to_numpy() for name in ("ingest_seq", "recv_ns"))
        for at in range(0, len(numbers), at_once):
            some = slice(at, at + at_once)
            values = (column[some].tolist() for column in columns)
            yield numbers[some], received[some], _tuples(kind, zip(*values, strict=True))

    return made


def message_ends(rows: pa.Table) -> npt.NDArray[np.intp]:
    """Behind which rows of `level2` a message ends; they are in the order of (product, number).

    The rows of a message have numbers without a hole, and between messages is the rest of a line.
    """
    numbers = rows.column("ingest_seq").to_numpy()
    new = np.diff(numbers) != 1
    for name in ("product_id", "connection_id", "kind"):
        codes = rows.column(name).combine_chunks().indices.to_numpy()
        new |= np.diff(codes) != 0
    epochs = pc.fill_null(rows.column("book_epoch"), NO_EPOCH).to_numpy()
    new |= np.diff(epochs) != 0
    return np.append(np.flatnonzero(new) + 1, len(numbers))


def _tuples(kind: type, values: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Tuples as those of a kind, each when it is taken."""
    return map(tuple.__new__, repeat(kind), values)


def level_changes(
    rows: pa.Table, at_once: int, ends: npt.NDArray[np.intp] | None = None
) -> Iterator[Made]:
    """The events of rows of `level2`; ``ends`` are their `message_ends`, where they are known."""
    ends = message_ends(rows) if ends is None else ends
    begins = np.append(0, ends[:-1])
    first = rows.select(_OF_MESSAGE).take(pa.array(begins))
    heads = [_values_or_one(first.column(name)) for name in _OF_MESSAGE]
    changes = [_values(rows.column(name)) for name in _OF_CHANGE]
    texts = [_values(rows.column(name)) for name in _TEXTS]
    with_texts = [column.null_count < len(rows) for column in rows.select(_TEXTS).columns]
    numbers, received = rows.column("ingest_seq").to_numpy()[ends - 1], _values(first.column(1))
    for at in range(0, len(ends), at_once):
        some = slice(at, at + at_once)
        low, high = begins[at], ends[some][-1]
        cuts = list(map(slice, (begins[some] - low).tolist(), (ends[some] - low).tolist()))
        values = [
            column[some].tolist() if isinstance(column, np.ndarray) else column for column in heads
        ]
        lists = [map(column[low:high].tolist().__getitem__, cuts) for column in changes]
        inexact = [
            _texts(column[low:high].tolist(), cuts) if there else repeat(None, len(cuts))
            for column, there in zip(texts, with_texts, strict=True)
        ]
        # Not strict: what is the same in all events is repeated without end.
        columns = zip(*values[:4], *lists, *values[4:], *inexact)  # noqa: B905
        yield numbers[some], received[some], _tuples(LevelChanges, columns)


def _texts(texts: list[str | None], cuts: Sequence[slice]) -> list[list[str | None] | None]:
    return [texts[cut] if any(texts[cut]) else None for cut in cuts]


def _values_or_one(column: pa.ChunkedArray) -> npt.NDArray[Any] | Iterator[Any]:
    """The values of a column, or the one that all of its rows have, without an end."""
    values = _values(column)
    one = (values == values[0]).all() if len(values) else False
    return repeat(values[:1].tolist()[0]) if one else values


def _values(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column as an array whose `tolist` gives Python's own values, None for null.

    Several times faster than `to_pylist`.
    """
    kind = column.type
    if column.null_count == len(column):
        return np.full(len(column), None, object)
    if pa.types.is_dictionary(kind):
        array = column.unify_dictionaries().combine_chunks()
        words = np.array([*array.dictionary.to_pylist(), None], object)
        texts: npt.NDArray[Any] = words.take(pc.fill_null(array.indices, -1).to_numpy())
        return texts
    if pa.types.is_timestamp(kind):
        column, kind = column.cast(pa.int64()), pa.int64()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.array(column.to_pylist(), object)
    if not column.null_count:
        values: npt.NDArray[Any] = column.to_numpy()
        return values
    there = column.is_valid().to_numpy()
    sparse: npt.NDArray[Any] = pc.fill_null(column, 0).to_numpy().astype(object)
    sparse[~there] = None
    return sparse
