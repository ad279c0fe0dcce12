"""Coinbase Advanced Trade: text ↔ messages.

Source: `coinbase.md` §1.2 to §1.10 and recorded traffic. Every numbered frame has ``channel``,
``timestamp``, ``sequence_num`` and ``events``; error frames have ``type`` and ``message`` instead.
Unknown keys are ignored, unknown channels reported, and a frame that does not have the expected
shape is reported with whatever of its envelope can still be read, so that its number counts.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec

from recorder.core.messages import (
    ASK,
    BID,
    LEVEL2,
    USER,
    Candle,
    Decoded,
    Heartbeat,
    Level2,
    Message,
    Problem,
    ProductStatus,
    Subscriptions,
    Ticker,
    Trade,
    Trades,
    UserOrders,
)
from recorder.core.numbers import amounts, count
from recorder.core.times import SECONDS_MAX, go_time_ns, rfc3339_ns
from recorder.core.wire import advanced_orders, fields
from recorder.core.wire import advanced_shapes as shapes
from recorder.core.wire.fields import product_problem
from recorder.core.wire.unreadable import UNREADABLE, malformed, text, unknown_channel, venue_error

SEQUENCE_MAX = fields.INT64_MAX
FIRST_SEQUENCE = 0  # the first frame of a connection carries it (`coinbase.md` §1.4)

# The number in a text that is cut off or spoilt behind it; not one that stands deeper.
_sequence = re.compile(rb'\{[^{}\[\]]*"sequence_num":(0|[1-9][0-9]{0,18})[,}]').match

_CHANGES = b'{"channel":"l2_data",'

# The channel in a frame, and the name it is subscribed under.
SUBSCRIBE_NAMES = {
    "subscriptions": "subscriptions",
    "heartbeats": "heartbeats",
    "l2_data": "level2",
    "ticker": "ticker",
    "ticker_batch": "ticker_batch",
    "market_trades": "market_trades",
    "status": "status",
    "candles": "candles",
    "user": "user",
}
CHANNELS = frozenset(SUBSCRIBE_NAMES.values()) - {"subscriptions"}
# Channels whose subscription names no product: `user` then has the orders of all of them.
UNFILTERED = frozenset({"heartbeats", "user"})
_Known = (
    shapes.L2Data
    | shapes.MarketTrades
    | shapes.TickerFrame
    | shapes.TickerBatch
    | shapes.Heartbeats
    | shapes.Status
    | shapes.Candles
    | shapes.User
    | shapes.Subscriptions
)
decode_shape = msgspec.json.Decoder(_Known).decode
_decode_changes = msgspec.json.Decoder(shapes.L2Data).decode
_decode_loose = msgspec.json.Decoder(shapes.Loose).decode
_decode_named = msgspec.json.Decoder(list[shapes.Named]).decode
_decode_number = msgspec.json.Decoder(shapes.Numbered).decode
_decode_request = msgspec.json.Decoder(shapes.Request).decode

is_product = fields.is_product


def decode(raw: bytes) -> Decoded:
    """Decode one frame; never raises, whatever the bytes are."""
    is_changes = raw.startswith(_CHANGES)  # most are; one shape is read faster than one of many
    try:
        frame: Any = _decode_changes(raw) if is_changes else decode_shape(raw)
    except UNREADABLE as error:
        return _decode_unexpected(raw, error)
    plain = _plain_changes(frame) if is_changes else None
    return plain or understand(raw, frame)


def _plain_changes(frame: shapes.L2Data) -> Decoded | None:
    """What `understand` makes of changes of one book; None where anything of them is unusual."""
    sequence = frame.sequence_num
    if len(frame.events) != 1 or not 0 <= sequence <= SEQUENCE_MAX:
        return None
    (event,) = frame.events
    found = fields.changes(event.updates)
    if found is None or not is_product(event.product_id):
        return None
    sides, prices, sizes, times = found
    try:
        exchange_ns, event_us = rfc3339_ns(frame.timestamp), fields.event_times(times)
    except ValueError:
        return None
    is_book = event.type == "snapshot"
    message = Level2(event.product_id, is_book, sides, prices, sizes, event_us)
    label = "l2_data/snapshot" if is_book else "l2_data/update"
    return Decoded(label, LEVEL2, sequence, exchange_ns, (message,))


def understand(raw: bytes, frame: Any) -> Decoded:
    """What `decode` makes of a frame whose shape is known already."""
    if not 0 <= frame.sequence_num <= SEQUENCE_MAX:
        return _decode_unexpected(raw, ValueError("sequence_num is not in 0 … 2^63-1"))
    problems: list[Problem] = []
    wire_name, build = _BUILDERS[type(frame)]
    channel = SUBSCRIBE_NAMES[wire_name]
    exchange_ns = None
    try:
        exchange_ns = rfc3339_ns(frame.timestamp)
    except ValueError as error:
        problems.append(Problem("impossible_time", f"timestamp: {error}"))
    messages: list[Message] = []
    for event in frame.events:
        build(event, messages, problems)
    kind = frame.events[0] if frame.events else None
    label = f"{wire_name}/{kind.type}" if isinstance(kind, shapes.Typed) else wire_name
    return Decoded(
        label, channel, frame.sequence_num, exchange_ns, tuple(messages), tuple(problems)
    )


def sequence_of(raw: bytes) -> int | None:
    """The number of a frame as `decode` finds it, without making anything of the rest."""
    try:
        sequence = _decode_number(raw).sequence_num
    except UNREADABLE as error:
        return _decode_unexpected(raw, error).sequence
    return sequence if 0 <= sequence <= SEQUENCE_MAX else None


def _decode_unexpected(raw: bytes, error: Exception) -> Decoded:
    """Name what is wrong with a frame and keep what of its envelope can be read."""
    try:
        loose = _decode_loose(raw)
    except UNREADABLE as worse:
        return Decoded("malformed", None, _scanned(raw), None, (), (malformed(str(worse)),))
    sequence = loose.sequence_num
    if type(sequence) is not int or not 0 <= sequence <= SEQUENCE_MAX:  # a bool is no number
        sequence = None
    if loose.type == "error":
        return Decoded("error", None, sequence, None, (), (venue_error(text(loose.message)),))
    if not isinstance(loose.channel, str):
        return Decoded("malformed", None, sequence, None, (), (malformed(str(error)),))
    channel = SUBSCRIBE_NAMES.get(loose.channel)
    if channel is None:
        unknown = unknown_channel(f"channel {loose.channel[:100]!r}")
        return Decoded("unknown", None, sequence, None, (), (unknown,))
    problem = malformed(str(error), channel, _only_product(loose.events))
    return Decoded("malformed", channel, sequence, None, (), (problem,))


def _scanned(raw: bytes) -> int | None:
    """Find the number in a text that is no JSON, where it stands whole and once."""
    found = _sequence(raw)
    if found is None or raw.count(b'"sequence_num"') != 1:
        return None
    sequence = int(found[1])
    return sequence if sequence <= SEQUENCE_MAX else None


def _only_product(events: msgspec.Raw) -> str | None:
    """Find the product of a malformed frame, where every event of it names the same one."""
    try:
        named = {event.product_id for event in _decode_named(events)}
    except (*UNREADABLE, TypeError):
        return None
    product_id = named.pop() if len(named) == 1 else None
    return product_id if isinstance(product_id, str) and is_product(product_id) else None


def _level2(event: shapes.Level2Event, messages: list[Message], problems: list[Problem]) -> None:
    product_id = event.product_id
    if not is_product(product_id):
        problems.append(product_problem(product_id, "level2"))
        return
    changes = event.updates
    price_texts = [change.price_level for change in changes]
    size_texts = [change.new_quantity for change in changes]
    try:
        numbers = fields.levels(price_texts, size_texts)
    except ValueError as error:
        problems.append(Problem("impossible_number", str(error), "level2", product_id))
        return
    try:
        event_us = fields.event_times([change.event_time for change in changes])
    except ValueError as error:
        # The change itself is whole, so it is kept and applied; only its time is not known.
        problems.append(Problem("impossible_time", f"event_time: {error}"))
        event_us = None
    sides = [BID if change.side == "bid" else ASK for change in changes]
    messages.append(
        Level2(
            product_id, event.type == "snapshot", sides, numbers.prices, numbers.sizes, event_us,
            numbers.price_texts, numbers.size_texts,
        )
    )  # fmt: skip


def _trades(event: shapes.TradesEvent, messages: list[Message], problems: list[Problem]) -> None:
    by_product: dict[str, list[Trade]] = {}
    unread: dict[str, list[int]] = {}
    for wire in event.trades:
        if not is_product(wire.product_id):
            problems.append(product_problem(wire.product_id, "market_trades"))
            continue
        try:
            trade = _trade(wire, problems)
        except ValueError as error:
            detail = f"trade {wire.trade_id[:40]!r}: {error}"
            problems.append(Problem("impossible_number", detail, "market_trades", wire.product_id))
            with suppress(ValueError):
                unread.setdefault(wire.product_id, []).append(count(wire.trade_id))
            continue
        by_product.setdefault(wire.product_id, []).append(trade)
    for product_id in dict.fromkeys((*by_product, *unread)):
        trades = by_product.get(product_id, [])
        trades.sort(key=lambda trade: trade.trade_id)  # the wire has the newest first
        ids = tuple(sorted(unread.get(product_id, ())))
        if trades or ids:
            messages.append(Trades(product_id, event.type == "snapshot", trades, ids))


def _trade(wire: shapes.Trade, problems: list[Problem]) -> Trade:
    texts = (wire.price, wire.size)
    numbers = amounts(texts)
    trade_us = None
    try:
        trade_us = fields.microseconds(rfc3339_ns(wire.time))
    except ValueError as error:
        problems.append(Problem("impossible_time", f"trade {wire.trade_id[:40]!r}: {error}"))
    trade_id = count(wire.trade_id)
    return fields.trade(wire.product_id, trade_id, wire.side, numbers, texts, trade_us)


_TICKER_NUMBERS = fields.NumberColumns(shapes.TICKER_COLUMNS)


def _tickers(channel: str) -> Callable[[Any, list[Message], list[Problem]], None]:
    def build(event: shapes.TickerEvent, messages: list[Message], problems: list[Problem]) -> None:
        for ticker in event.tickers:
            if not is_product(ticker.product_id):
                problems.append(product_problem(ticker.product_id, channel))
                continue
            messages.append(_ticker(ticker, event.type == "snapshot", channel, problems))

    return build


def _ticker(wire: shapes.Ticker, snapshot: bool, channel: str, problems: list[Problem]) -> Ticker:
    values, inexact_texts = fields.ticker_numbers(wire, _TICKER_NUMBERS, channel, problems)
    return Ticker(wire.product_id, snapshot, values, inexact=inexact_texts)


def _status(event: shapes.StatusEvent, messages: list[Message], problems: list[Problem]) -> None:
    for product in event.products:
        if not is_product(product.id):
            problems.append(product_problem(product.id, "status"))
            continue
        rules = msgspec.structs.asdict(product)
        del rules["id"]
        messages.append(ProductStatus(product.id, event.type == "snapshot", rules))


def _candles(event: shapes.CandlesEvent, messages: list[Message], problems: list[Problem]) -> None:
    for wire in event.candles:
        if not is_product(wire.product_id):
            problems.append(product_problem(wire.product_id, "candles"))
            continue
        try:
            numbers = amounts((wire.open, wire.high, wire.low, wire.close, wire.volume))
            start_us = _seconds(wire.start) * 1_000_000
        except ValueError as error:
            problems.append(Problem("impossible_number", str(error), "candles", wire.product_id))
            continue
        values = dict(zip(("open", "high", "low", "close", "volume"), numbers, strict=True))
        messages.append(Candle(wire.product_id, event.type == "snapshot", start_us, values))


def _seconds(text: str) -> int:
    """Convert seconds since 1970, within what a time in nanoseconds can be."""
    seconds = count(text)
    if seconds >= SECONDS_MAX:
        raise ValueError(f"a time too far in the future: {text!r}")
    return seconds


def _user(event: shapes.UserEvent, messages: list[Message], problems: list[Problem]) -> None:
    """Take the account's own orders; of its positions in futures only how many there are."""
    orders = []
    for wire in event.orders:
        if not is_product(wire.product_id):
            problems.append(product_problem(wire.product_id, USER))
            continue
        orders.append(advanced_orders.order(wire, problems))
    held = event.positions if isinstance(event.positions, dict) else {}
    positions = sum(len(each) for each in held.values() if isinstance(each, list))
    messages.append(UserOrders(event.type == "snapshot", orders, positions))


def _heartbeat(
    event: shapes.HeartbeatEvent, messages: list[Message], problems: list[Problem]
) -> None:
    counter = None
    try:
        counter = count(str(event.heartbeat_counter))
    except ValueError as error:
        problems.append(Problem("impossible_number", f"heartbeat_counter: {error}"))
    try:
        go_time_ns(event.current_time)
    except ValueError as error:
        problems.append(Problem("impossible_time", f"current_time: {error}"))
    messages.append(Heartbeat(counter))


def _subscriptions(
    event: shapes.SubscriptionsEvent, messages: list[Message], problems: list[Problem]
) -> None:
    """Take the channels and products that can be ours; report the others once an answer."""
    channels: dict[str, tuple[str, ...]] = {}
    strange: list[str] = []
    for channel, product_ids in event.subscriptions.items():
        if channel not in CHANNELS:
            strange.append(channel)
        elif channel in UNFILTERED:
            channels[channel] = ()  # in the place of products stands its name, or the user's id
        else:
            channels[channel] = tuple(filter(is_product, product_ids))
            strange += [each for each in product_ids if not is_product(each)]
    messages.append(Subscriptions(channels))
    problems += fields.subscription_problems(strange)


# The name in the frame, and what builds messages of its events.
_BUILDERS: dict[type, tuple[str, Callable[[Any, list[Message], list[Problem]], None]]] = {
    shapes.L2Data: ("l2_data", _level2),
    shapes.MarketTrades: ("market_trades", _trades),
    shapes.TickerFrame: ("ticker", _tickers("ticker")),
    shapes.TickerBatch: ("ticker_batch", _tickers("ticker_batch")),
    shapes.Heartbeats: ("heartbeats", _heartbeat),
    shapes.Status: ("status", _status),
    shapes.Candles: ("candles", _candles),
    shapes.User: ("user", _user),
    shapes.Subscriptions: ("subscriptions", _subscriptions),
}


# --- requests -----------------------------------------------------------------------------------


def request(
    kind: Literal["subscribe", "unsubscribe"], channel: str, product_ids: Sequence[str] = ()
) -> bytes:
    """Write the text that subscribes or unsubscribes one channel (`coinbase.md` §1.2)."""
    body: dict[str, Any] = {"type": kind, "channel": channel}
    if channel not in UNFILTERED:
        body["product_ids"] = list(product_ids)
    return msgspec.json.encode(body)


def requested(raw: bytes) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Read a text that was sent: (type, channel, product ids), one at most; none is no request.

    Channels that are not recorded are no request, and ids that cannot be are left out.
    """
    try:
        sent = _decode_request(raw)
    except UNREADABLE:
        return ()
    if sent.channel not in CHANNELS:
        return ()
    if sent.channel in UNFILTERED:
        return ((sent.type, sent.channel, ()),)  # products are accepted and mean nothing
    return ((sent.type, sent.channel, tuple(filter(is_product, sent.product_ids))),)
