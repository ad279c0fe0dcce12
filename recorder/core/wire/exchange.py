"""Coinbase Exchange (formerly Pro, GDAX): text ↔ messages.

Source: `coinbase.md` §2.2 to §2.5 and recorded traffic of 2018, 2021 and 2025. A frame is one flat
object whose ``type`` says what it is, about one product; ``level3`` sends arrays. No number counts
the frames of a connection: some types have the product's own ``sequence``, with holes in it, and
books have none. So a frame that was lost on the way is not found by its number.

Channels have Advanced Trade's names wherever the core, coverage and the tables name them. Unknown
keys are ignored, unknown types reported, and a frame that does not have the expected shape is
reported with the channel and the product that can still be read.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from recorder.core.messages import (
    ASK,
    BID,
    Decoded,
    Heartbeat,
    Level2,
    Message,
    Problem,
    ProductStatus,
    Subscriptions,
    Ticker,
    Trades,
)
from recorder.core.numbers import amounts
from recorder.core.times import rfc3339_ns
from recorder.core.wire import exchange_shapes as shapes
from recorder.core.wire import fields
from recorder.core.wire.unreadable import UNREADABLE, malformed, text, unknown_channel, venue_error

FIRST_SEQUENCE = None  # the frames of a connection are not numbered (`coinbase.md` §2.5)

# The channel's name on the Exchange, and ours. An answer names `level2_batch` and `ticker_batch`
# in another way than the request did (`coinbase.md` §2.2).
SUBSCRIBE_NAMES = {
    "level2": "level2",
    "level2_batch": "level2",
    "level2_50": "level2",
    "matches": "market_trades",
    "heartbeat": "heartbeats",
    "ticker": "ticker",
    "ticker_batch": "ticker_batch",
    "ticker_1000": "ticker_batch",
    "status": "status",
}
# Our name, and the one that a request has. `level2` needs a key and `level2_batch` does not
# (`coinbase.md` §2.3); both record `level2`.
REQUEST_NAMES = {
    "level2": "level2",
    "level2_batch": "level2_batch",
    "market_trades": "matches",
    "heartbeats": "heartbeat",
    "ticker": "ticker",
    "ticker_batch": "ticker_batch",
    "status": "status",
}
CHANNELS = frozenset(SUBSCRIBE_NAMES.values())
UNFILTERED = frozenset({"status"})  # channels whose subscription names no product
# A ticker does not say which of the two channels it is of; `decode` says the first.
TICKER_CHANNELS = ("ticker", "ticker_batch")

# The channel of each type; an answer is of none.
_CHANNEL_OF = {
    "l2update": "level2",
    "snapshot": "level2",
    "match": "market_trades",
    "last_match": "market_trades",
    "ticker": "ticker",
    "heartbeat": "heartbeats",
    "status": "status",
    "subscriptions": "subscriptions",
}
# Types of channels that are not recorded (`coinbase.md` §2.4.3, §2.4.7 to §2.4.9).
_FULL = {"received", "open", "done", "change", "activate"}
_NOT_RECORDED = frozenset({*_FULL, "level3", "auction", "rfq_match", "balance"})
_LEVEL3 = frozenset({"change", "done", "match", "noop", "open"})

# A trade's side is lower case here and upper case on Advanced Trade; the tables have one spelling.
_SIDES = {"buy": "BUY", "sell": "SELL"}

# Type and product of a text that is cut off or spoilt behind them; not those that stand deeper.
_type = re.compile(rb'\{[^{}\[\]]*"type":"([a-z0-9_]{1,40})"').match
_product = re.compile(rb'\{[^{}\[\]]*"product_id":"([A-Z0-9-]{1,83})"').match

_Known = (
    shapes.Update
    | shapes.Snapshot
    | shapes.Match
    | shapes.LastMatch
    | shapes.Ticker
    | shapes.Heartbeat
    | shapes.Status
    | shapes.Subscriptions
)
_decode = msgspec.json.Decoder(_Known).decode
_decode_loose = msgspec.json.Decoder(shapes.Loose).decode
_decode_array = msgspec.json.Decoder(list).decode
_decode_request = msgspec.json.Decoder(shapes.Request).decode

is_product = fields.is_product


def decode(raw: bytes) -> Decoded:
    """Decode one frame; never raises, whatever the bytes are.

    ``sequence`` is always None. ``product_sequence`` is the product's number where the frame has
    one; that of ``last_match`` and of the first ticker is the last trade's, and may be minutes old.
    """
    try:
        frame = _decode(raw)
    except UNREADABLE as error:
        return _decode_unexpected(raw, error)
    problems: list[Problem] = []
    if isinstance(frame, shapes.OfProduct):
        return _of_product(frame, problems)
    if isinstance(frame, shapes.Status):
        messages = _status(frame, problems)
        return Decoded("status", "status", None, None, messages, tuple(problems))
    answer = _subscriptions(frame, problems)
    return Decoded("subscriptions", "subscriptions", None, None, (answer,), tuple(problems))


def _of_product(frame: Any, problems: list[Problem]) -> Decoded:
    """Decode a frame of one product."""
    label, build = _BUILDERS[type(frame)]
    channel = _CHANNEL_OF[label]
    exchange_ns = None
    if frame.time is not None:
        try:
            exchange_ns = rfc3339_ns(frame.time)
        except ValueError as error:
            # The rest of the frame is whole, so it is kept; only its time is not known.
            problems.append(Problem("impossible_time", f"time: {error}"))
    product_id = frame.product_id
    if not is_product(product_id):
        problems.append(fields.product_problem(product_id, channel))
        return Decoded(label, channel, None, exchange_ns, (), tuple(problems))
    message = build(frame, fields.microseconds(exchange_ns), problems)
    messages = () if message is None else (message,)
    numbered = None
    if isinstance(frame, shapes.Numbered):
        sequence = _whole("sequence", frame.sequence, channel, product_id, problems)
        numbered = None if sequence is None else (product_id, sequence)
    return Decoded(label, channel, None, exchange_ns, messages, tuple(problems), numbered)


def _whole(
    key: str, value: int | None, channel: str, product_id: str, problems: list[Problem]
) -> int | None:
    """Take a whole number that has to fit a column."""
    if value is None or 0 <= value <= fields.INT64_MAX:
        return value
    detail = f"{key} is not in 0 … 2^63-1"
    problems.append(Problem("impossible_number", detail, channel, product_id))
    return None


# --- what cannot be decoded ---------------------------------------------------------------------


def _decode_unexpected(raw: bytes, error: Exception) -> Decoded:
    """Name what is wrong with a frame and keep what of its envelope can be read."""
    try:
        loose = _decode_loose(raw)
    except UNREADABLE as worse:
        return _unnamed(raw, worse)
    kind = loose.type
    if kind == "error":
        said = filter(None, (text(loose.message), text(loose.reason)))
        return Decoded("error", None, None, None, (), (venue_error(": ".join(said)),))
    if not isinstance(kind, str):
        return _malformed(str(error))
    if kind not in _CHANNEL_OF:
        return _unknown(f"type {kind[:100]!r}", recorded=kind not in _NOT_RECORDED)
    return _malformed(str(error), kind, loose.product_id)


def _unnamed(raw: bytes, error: Exception) -> Decoded:
    """Look at what is no JSON object: an array of ``level3``, or a text that is cut off or spoilt.

    Type and product of a text are read where they stand whole, once, and at the top.
    """
    if raw.lstrip(b" \t\r\n").startswith(b"["):
        word = _first_word(raw)
        if word not in _LEVEL3:
            return _malformed(str(error))
        return _unknown(f"an array of level3, {word!r}", recorded=False)
    kind = _scanned(_type(raw), b'"type"', raw)
    if kind not in _CHANNEL_OF:
        return _malformed(str(error))
    return _malformed(str(error), kind, _scanned(_product(raw), b'"product_id"', raw))


def _first_word(raw: bytes) -> str | None:
    """Read the text that an array begins with."""
    try:
        first = next(iter(_decode_array(raw)), None)
    except UNREADABLE:
        return None
    return first if isinstance(first, str) else None


def _scanned(found: re.Match[bytes] | None, key: bytes, raw: bytes) -> str | None:
    """Take the text of a key that a spoilt frame names once."""
    return found[1].decode() if found is not None and raw.count(key) == 1 else None


def _malformed(detail: str, kind: str | None = None, product_id: Any = None) -> Decoded:
    """Say that a frame is malformed, and whose it is as far as that is known."""
    channel = None if kind is None else _CHANNEL_OF[kind]
    if channel in UNFILTERED or not isinstance(product_id, str) or not is_product(product_id):
        product_id = None
    problem = malformed(detail, channel, product_id)
    return Decoded("malformed", channel, None, None, (), (problem,))


def _unknown(name: str, *, recorded: bool) -> Decoded:
    """Say that a frame is of a channel that has no table."""
    detail = name if recorded else f"{name}: not recorded by this version"
    return Decoded("unknown", None, None, None, (), (unknown_channel(detail),))


# --- messages -----------------------------------------------------------------------------------


def _snapshot(
    frame: shapes.Snapshot, event_us: int | None, problems: list[Problem]
) -> Level2 | None:
    sides = [BID] * len(frame.bids) + [ASK] * len(frame.asks)
    return _level2(frame.product_id, True, sides, frame.bids + frame.asks, event_us, problems)


def _update(frame: shapes.Update, event_us: int | None, problems: list[Problem]) -> Level2 | None:
    sides = [BID if change.side == "buy" else ASK for change in frame.changes]
    return _level2(frame.product_id, False, sides, frame.changes, event_us, problems)


def _level2(
    product_id: str,
    snapshot: bool,
    sides: list[str],
    wire: Sequence[shapes.Level | shapes.Change],
    event_us: int | None,
    problems: list[Problem],
) -> Level2 | None:
    price_texts = [level.price for level in wire]
    size_texts = [level.size for level in wire]
    try:
        # A size written `0.-10000` was seen in a book of this feed (tardis-node's tests).
        numbers = fields.levels(price_texts, size_texts)
    except ValueError as error:
        problems.append(Problem("impossible_number", str(error), "level2", product_id))
        return None
    return Level2(
        product_id, snapshot, sides, numbers.prices, numbers.sizes, event_us,
        numbers.price_texts, numbers.size_texts,
    )  # fmt: skip


def _match(frame: shapes.Match, trade_us: int | None, problems: list[Problem]) -> Trades | None:
    product_id = frame.product_id
    trade_id = _whole("trade_id", frame.trade_id, "market_trades", product_id, problems)
    if trade_id is None:
        return None
    snapshot = isinstance(frame, shapes.LastMatch)
    texts = (frame.price, frame.size)
    try:
        numbers = amounts(texts)
    except ValueError as error:
        detail = f"trade {trade_id}: {error}"
        problems.append(Problem("impossible_number", detail, "market_trades", product_id))
        return Trades(product_id, snapshot, [], (trade_id,))
    side = _SIDES.get(frame.side, frame.side)
    trade = fields.trade(product_id, trade_id, side, numbers, texts, trade_us)
    return Trades(product_id, snapshot, [trade])


_TICKER_NUMBERS = (
    *("price", "best_bid", "best_bid_size", "best_ask", "best_ask_size", "last_size"),
    *("volume_24h", "volume_30d", "low_24h", "high_24h", "open_24h"),
)
_TICKER = fields.NumberColumns(dict(zip(_TICKER_NUMBERS, _TICKER_NUMBERS, strict=True)))


def _ticker(frame: shapes.Ticker, _us: int | None, problems: list[Problem]) -> Ticker:
    product_id = frame.product_id
    values, inexact_texts = fields.ticker_numbers(frame, _TICKER, "ticker", problems)
    trade_id = _whole("trade_id", frame.trade_id, "ticker", product_id, problems)
    last_side = _SIDES.get(frame.side, frame.side) if frame.side else None
    return Ticker(product_id, False, values, trade_id, last_side, inexact_texts)


def _heartbeat(frame: shapes.Heartbeat, _us: int | None, problems: list[Problem]) -> Heartbeat:
    product_id = frame.product_id
    last = _whole("last_trade_id", frame.last_trade_id, "heartbeats", product_id, problems)
    return Heartbeat(None, product_id, last)


_BUILDERS: dict[type, tuple[str, Callable[[Any, int | None, list[Problem]], Message | None]]] = {
    shapes.Update: ("l2update", _update),
    shapes.Snapshot: ("snapshot", _snapshot),
    shapes.Match: ("match", _match),
    shapes.LastMatch: ("last_match", _match),
    shapes.Ticker: ("ticker", _ticker),
    shapes.Heartbeat: ("heartbeat", _heartbeat),
}


def _status(frame: shapes.Status, problems: list[Problem]) -> tuple[ProductStatus, ...]:
    """Take the rules of each product; the frame always has all of them."""
    found = []
    for product in frame.products:
        if not is_product(product.id):
            problems.append(fields.product_problem(product.id, "status"))
            continue
        rules = {key: _rule(value) for key, value in msgspec.structs.asdict(product).items()}
        del rules["id"]
        found.append(ProductStatus(product.id, True, rules))
    return tuple(found)


def _rule(value: str | bool | None) -> str | None:
    """Write a rule as text; a document has a number with a space before it (§2.4.2)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else value.strip(" ")


def _subscriptions(frame: shapes.Subscriptions, problems: list[Problem]) -> Subscriptions:
    """Take the channels and products that can be ours; report the others once an answer."""
    channels: dict[str, tuple[str, ...]] = {}
    strange: list[str] = []
    for subscribed in frame.channels:
        channel = SUBSCRIBE_NAMES.get(subscribed.name)
        if channel is None:
            strange.append(subscribed.name)
        elif channel in UNFILTERED:
            channels[channel] = ()
        else:
            named = subscribed.product_ids or ()
            channels[channel] = _products((*channels.get(channel, ()), *named))
            strange += [each for each in named if not is_product(each)]
    problems += fields.subscription_problems(strange)
    return Subscriptions(channels)


def _products(named: Iterable[str]) -> tuple[str, ...]:
    """Keep the ids that can be, each once, in their order."""
    return tuple(filter(is_product, dict.fromkeys(named)))


# --- requests -----------------------------------------------------------------------------------


def request(
    kind: Literal["subscribe", "unsubscribe"], channel: str, product_ids: Sequence[str] = ()
) -> bytes:
    """Write the text that subscribes or unsubscribes one channel (`coinbase.md` §2.2).

    ``channel`` is a name of `SUBSCRIBE_NAMES` or of `REQUEST_NAMES` (asserted). Without products an
    unsubscribe drops the whole channel.
    """
    assert channel in REQUEST_NAMES or channel in SUBSCRIBE_NAMES, f"no channel {channel!r}"
    body: dict[str, Any] = {"type": kind}
    if product_ids and channel not in UNFILTERED:
        body["product_ids"] = list(product_ids)
    body["channels"] = [REQUEST_NAMES.get(channel, channel)]
    return msgspec.json.encode(body)


def requested(raw: bytes) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Read a text that was sent: (type, channel, product ids) for each channel of it.

    Empty where it is no request. Channels that are not recorded and ids that cannot be are left
    out, and so is a channel of which nothing else is left: no products at all mean every product.
    """
    try:
        sent = _decode_request(raw)
    except UNREADABLE:
        return ()
    asked: dict[str, dict[str, None]] = {}
    for each in sent.channels:
        subscribed = shapes.Subscribed(each) if isinstance(each, str) else each
        channel = SUBSCRIBE_NAMES.get(subscribed.name)
        if channel is not None:
            named = (*(sent.product_ids or ()), *(subscribed.product_ids or ()))
            asked.setdefault(channel, {}).update(dict.fromkeys(named))
    found = []
    for channel, named_once in asked.items():
        product_ids = () if channel in UNFILTERED else _products(named_once)
        if product_ids or channel in UNFILTERED or not named_once:
            found.append((sent.type, channel, product_ids))
    return tuple(found)
