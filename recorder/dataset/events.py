"""What a replay gives: one event for each message, typed, in the order of `ingest_seq`.

Times are nanoseconds since 1970 UTC, prices and sizes as in the tables. Events are tuples with
names: immutable, cheap, and good in a ``match``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
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
_LEVEL2_COLUMNS = (
    *("ingest_seq", "recv_ns", "product_id", "kind", "side", "price", "size", "exchange_ns"),
    *("event_time", "book_epoch", "sequence", "connection_id", "price_text", "size_text"),
)

Made = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Sequence[Any]]
"""Events with the number of their last row and the time of their receipt."""


def columns_of(table: Table) -> tuple[str, ...]:
    """The columns that the events of a table are made from."""
    if table is LEVEL2:
        return _LEVEL2_COLUMNS
    fields: tuple[str, ...] = _ROW_EVENTS[table.name]._fields
    return tuple(_COLUMN_OF.get(name, name) for name in fields)


def maker_of(table: Table) -> Callable[[pa.Table], Made]:
    """What makes the events of a table's rows, which are whole messages."""
    return _level_changes if table is LEVEL2 else _row_maker(table)


def _row_maker(table: Table) -> Callable[[pa.Table], Made]:
    make = partial(tuple.__new__, _ROW_EVENTS[table.name])
    names = columns_of(table)

    def made(rows: pa.Table) -> Made:
        columns = [_values(rows.column(name)) for name in names]
        events = list(map(make, zip(*columns, strict=True)))
        return rows.column("ingest_seq").to_numpy(), rows.column("recv_ns").to_numpy(), events

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


def _level_changes(rows: pa.Table) -> Made:
    ends = message_ends(rows)
    begins = np.append(0, ends[:-1])
    first = rows.take(pa.array(begins))
    columns = [_values(first.column(name)) for name in _LEVEL2_COLUMNS[:4]]
    columns += _lists(
        [_flat(rows.column(name)) for name in ("side", "price", "size")], begins, ends
    )
    columns += [_values(first.column(name)) for name in _LEVEL2_COLUMNS[7:12]]
    columns += [_texts(rows.column(name), begins, ends) for name in _LEVEL2_COLUMNS[12:]]
    events = list(map(partial(tuple.__new__, LevelChanges), zip(*columns, strict=True)))
    numbers = rows.column("ingest_seq").to_numpy()[ends - 1]
    return numbers, first.column("recv_ns").to_numpy(), events


def _lists(
    columns: Sequence[npt.NDArray[Any]],
    begins: npt.NDArray[np.intp],
    ends: npt.NDArray[np.intp],
) -> list[list[Any]]:
    """Cut columns into lists, one from each begin to its end.

    Those of one length are cut together, as the rows of a matrix: that is twice as fast as to slice
    one after the other.
    """
    lengths = ends - begins
    order = np.argsort(lengths, kind="stable")
    of_length = np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1)
    cut: list[list[Any]] = [[] for _ in columns]
    for mine in of_length:
        places = begins[mine, None] + np.arange(lengths[mine[0]])
        for column, lists in zip(columns, cut, strict=True):
            lists.extend(column[places].tolist())
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    if len(back) == 1:
        return cut
    pick = itemgetter(*back.tolist())
    return [list(pick(lists)) for lists in cut]


def _texts(
    column: pa.ChunkedArray, begins: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]
) -> list[Any]:
    if column.null_count == len(column):
        return [None] * len(begins)
    texts = column.to_pylist()
    bounds = zip(begins.tolist(), ends.tolist(), strict=True)
    return [texts[a:b] if any(texts[a:b]) else None for a, b in bounds]


def _flat(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column without nulls as an array; words are objects."""
    if not pa.types.is_dictionary(column.type):
        numbers: npt.NDArray[Any] = column.to_numpy()
        return numbers
    array = column.unify_dictionaries().combine_chunks()
    words = np.array([*array.dictionary.to_pylist(), None], object)
    texts: npt.NDArray[Any] = words.take(array.indices.to_numpy())
    return texts


def _values(column: pa.ChunkedArray) -> list[Any]:
    """A column as a list of Python values; several times faster than `to_pylist`."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        array = column.unify_dictionaries().combine_chunks()
        words = np.array([*array.dictionary.to_pylist(), None], object)
        codes = pc.fill_null(array.indices, -1).to_numpy()
        found: list[Any] = words[codes].tolist()
        return found
    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_timestamp(kind):
        column, kind = column.cast(pa.int64()), pa.int64()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        plain: list[Any] = column.to_pylist()
        return plain
    if not column.null_count:
        values: list[Any] = column.to_numpy().tolist()
        return values
    there = column.is_valid().to_numpy()
    every = pc.fill_null(column, 0).to_numpy().astype(object)
    every[~there] = None
    sparse: list[Any] = every.tolist()
    return sparse
