"""The rows of each table, built from messages.

Rows travel as `Rows`: a block of a table's columns, each either a list (one entry a row) or one
value for all of them, because most columns of a message are the same for all its changes.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recorder.core.audit import Audit
from recorder.core.coverage import Interval
from recorder.core.messages import (
    Candle,
    Heartbeat,
    Level2,
    ProductStatus,
    Ticker,
    Trade,
    UserOrders,
)
from recorder.core.tables import (
    AUDITS,
    CANDLES,
    COVERAGE,
    FAULTS,
    HEARTBEATS,
    LEVEL2,
    STATUS,
    STATUS_TEXTS,
    TABLES,
    TICKER_NUMBERS,
    USER_ORDERS,
    Table,
)

RAW_BYTES_MAX = 4096  # a longer frame is not repeated in `faults`; the capture holds it


class Rows(msgspec.Struct, frozen=True, gc=False):
    """``count`` rows of a table; ``values`` has an entry for each of `Table.stored`."""

    table: str
    count: int
    values: tuple[Any, ...]


class Words(NamedTuple):
    """A column of words: the place of each row's word in ``words``, in which they first occur."""

    places: NDArray[np.int32]
    words: list[str]


class Columns(Rows, frozen=True, gc=False):
    """Rows of many frames: each of ``values`` is the whole column.

    That is an array of int64 or float64, a list of texts, `Words`, or None where all of it is null.
    """


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where rows come from: the columns that all rows of one frame share."""

    recv_ns: int
    connection_id: str | None
    sequence: int | None
    exchange_ns: int | None


def _block(table: Table, count: int, values: dict[str, Any]) -> Rows:
    """A block from values by column; columns not given are null."""
    block = Rows(table.name, count, tuple(map(values.pop, _STORED[table.name], _NULLS)))
    assert not values, f"no such column in {table.name}: {', '.join(values)}"
    return block


def columns(table: Table, count: int, values: dict[str, Any]) -> Columns:
    """Rows of many frames from whole columns; those not given are null."""
    block = Columns(table.name, count, tuple(map(values.pop, _STORED[table.name], _NULLS)))
    assert not values, f"no such column in {table.name}: {', '.join(values)}"
    return block


_STORED = {name: table.stored() for name, table in TABLES.items()}
_NULLS = (None,) * 64  # `map` stops at the shorter
_TICKER_NUMBERS = dict(TICKER_NUMBERS)


def _words(origin: Origin, product_id: str | None, snapshot: bool | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "product_id": product_id,
        "sequence": origin.sequence,
        "connection_id": origin.connection_id,
        "recv_ns": origin.recv_ns,
        "exchange_ns": origin.exchange_ns,
    }
    if snapshot is not None:
        values["kind"] = "snapshot" if snapshot else "update"
    return values


def level2_rows(message: Level2, origin: Origin, first: int, epoch: int | None) -> Rows:
    """The changes of one message, in its order, from ``ingest_seq`` ``first`` on."""
    count = len(message.prices)
    kind = "snapshot" if message.snapshot else "update"
    return Rows(
        "level2",
        count,
        (
            message.product_id,
            kind,
            message.sides,
            message.prices,
            message.sizes,
            message.event_us,
            epoch,
            origin.sequence,
            range(first, first + count),
            origin.connection_id,
            origin.recv_ns,
            origin.exchange_ns,
            message.price_texts,
            message.size_texts,
        ),
    )


def checkpoint_rows(
    product_id: str, connection_id: str, recv_ns: int, first: int, levels: Sequence[tuple[Any, ...]]
) -> Rows:
    """A whole book at the begin of an hour: (side, price, size, price text, size text)."""
    sides, prices, sizes, price_texts, size_texts = (
        map(list, zip(*levels, strict=True)) if levels else ([], [], [], [], [])
    )
    return _block(
        LEVEL2,
        len(levels),
        {
            "product_id": product_id,
            "kind": "checkpoint",
            "side": sides,
            "price": prices,
            "size": sizes,
            "book_epoch": first,
            "ingest_seq": range(first, first + len(levels)),
            "connection_id": connection_id,
            "recv_ns": recv_ns,
            "price_text": price_texts if any(price_texts) else None,
            "size_text": size_texts if any(size_texts) else None,
        },
    )


def trades_rows(
    product_id: str, kind: str, trades: Sequence[Trade], origin: Origin, first: int
) -> Rows:
    """Trades of one product, oldest first; ``kind``: update, snapshot or backfill."""
    count = len(trades)
    return Rows(
        "trades",
        count,
        (
            product_id,
            kind,
            [trade.trade_id for trade in trades],
            [trade.side for trade in trades],
            [trade.taker_side for trade in trades],
            [trade.price for trade in trades],
            [trade.size for trade in trades],
            [trade.trade_us for trade in trades],
            origin.sequence,
            range(first, first + count),
            origin.connection_id,
            origin.recv_ns,
            origin.exchange_ns,
            [trade.price_text for trade in trades],
            [trade.size_text for trade in trades],
        ),
    )


def ticker_rows(message: Ticker, origin: Origin, first: int) -> Rows:
    """One ticker."""
    values = message.values
    known = _TICKER_NUMBERS.keys()
    assert values.keys() <= known, f"no such column in ticker: {', '.join(values.keys() - known)}"
    return Rows(
        "ticker",
        1,
        (
            message.product_id,
            "snapshot" if message.snapshot else "update",
            *map(values.get, _TICKER_NUMBERS),
            message.last_side,
            message.trade_id,
            origin.sequence,
            first,
            origin.connection_id,
            origin.recv_ns,
            origin.exchange_ns,
            inexact_text(message.inexact),
        ),
    )


def inexact_text(texts: dict[str, str] | None) -> str | None:
    """The wire texts of numbers that floats do not hold, as one column has them."""
    return json.dumps(texts) if texts else None


def candle_rows(message: Candle, origin: Origin, first: int) -> Rows:
    """One candle."""
    values = _words(origin, message.product_id, message.snapshot)
    values |= message.values
    values |= {"ingest_seq": first, "start_time": message.start_us}
    return _block(CANDLES, 1, values)


def heartbeat_rows(message: Heartbeat, origin: Origin, first: int) -> Rows:
    """One beat."""
    values = _words(origin, message.product_id, None)
    values |= {
        "ingest_seq": first,
        "heartbeat_counter": message.heartbeat_counter,
        "last_trade_id": message.last_trade_id,
    }
    return _block(HEARTBEATS, 1, values)


def status_rows(
    message: ProductStatus, origin: Origin, first: int, kind: str | None = None
) -> Rows:
    """One product's rules; ``kind`` where neither update nor snapshot is right."""
    values = _words(origin, message.product_id, message.snapshot)
    if kind is not None:
        values["kind"] = kind
    values |= {name: message.rules.get(name) for name, _ in STATUS_TEXTS}
    values["ingest_seq"] = first
    return _block(STATUS, 1, values)


def user_order_rows(message: UserOrders, origin: Origin, first: int) -> Rows:
    """The orders of one message, in its order."""
    count = len(message.orders)
    values = _words(origin, None, message.snapshot)
    names = dict.fromkeys(name for order in message.orders for name in order.values)
    values |= {name: [order.values.get(name) for order in message.orders] for name in names}
    values |= {
        "ingest_seq": range(first, first + count),
        "inexact_text": [
            json.dumps(order.inexact) if order.inexact else None for order in message.orders
        ],
    }
    return _block(USER_ORDERS, count, values)


def fault_rows(
    kind: str,
    detail: str,
    origin: Origin,
    first: int,
    *,
    channel: str | None = None,
    product_id: str | None = None,
    raw: bytes | None = None,
) -> Rows:
    """One doubt, with the frame that raised it where that is short."""
    text = None
    if raw is not None and len(raw) <= RAW_BYTES_MAX:
        text = raw.decode("utf-8", "backslashreplace")
    return _block(
        FAULTS,
        1,
        {
            "kind": kind,
            "product_id": product_id,
            "connection_id": origin.connection_id,
            "ingest_seq": first,
            "detail": detail,
            "recv_ns": origin.recv_ns,
            "channel": channel,
            "raw": text,
        },
    )


def coverage_rows(intervals: Sequence[Interval], noted_seq: int) -> Rows:
    """Intervals that ended at one arrival."""
    return _block(
        COVERAGE,
        len(intervals),
        {
            "channel": [interval.channel for interval in intervals],
            "product_id": [interval.product_id for interval in intervals],
            "start_time": [interval.start_ns // 1000 for interval in intervals],
            "end_time": [interval.end_ns // 1000 for interval in intervals],
            "state": [interval.state for interval in intervals],
            "reason": [interval.reason for interval in intervals],
            "sequence_before": [interval.sequence_before for interval in intervals],
            "sequence_after": [interval.sequence_after for interval in intervals],
            "messages_missing": [interval.messages_missing for interval in intervals],
            "ingest_seq_first": [interval.ingest_seq_first for interval in intervals],
            "ingest_seq_last": [interval.ingest_seq_last for interval in intervals],
            "connection_id": [interval.connection_id for interval in intervals],
            "detail": [interval.detail for interval in intervals],
            "noted_seq": noted_seq,
        },
    )


def audit_rows(audits: Sequence[tuple[str, str, Audit]], end_ns: int, noted_seq: int) -> Rows:
    """Counts that ended at one arrival: (connection, product, count)."""
    return _block(
        AUDITS,
        len(audits),
        {
            "product_id": [product_id for _, product_id, _ in audits],
            "connection_id": [connection_id for connection_id, _, _ in audits],
            "start_time": [audit.start_ns // 1000 for _, _, audit in audits],
            "end_time": end_ns // 1000,
            "agree": [audit.agree for _, _, audit in audits],
            "lagging": [audit.lagging for _, _, audit in audits],
            "disagree": [audit.disagree for _, _, audit in audits],
            "noted_seq": noted_seq,
        },
    )


def levels_from(rows: Sequence[dict[str, Any]], product_id: str) -> Level2:
    """A checkpoint's rows as the snapshot they stand for; rows are dicts by column."""
    return Level2(
        product_id,
        True,
        [row["side"] for row in rows],
        [row["price"] for row in rows],
        [row["size"] for row in rows],
        None,
        [row["price_text"] for row in rows],
        [row["size_text"] for row in rows],
    )
