"""What a frame says, in our own types: the vocabulary between the wire modules and the pipeline.

A wire module turns one text into a `Decoded`: the envelope, the messages in it, and what was wrong
with it. Prices and sizes are float64; a ``*_texts`` list is there only where at least one value
does not survive that, with None for those that do. Times are int: ``*_ns`` nanoseconds, ``*_us``
microseconds since 1970 UTC.

Here and in `frames` and `rows` values are msgspec structs: made several times a frame, they cost a
tenth of frozen dataclasses (docs/speed.md). Nothing in them points back, so ``gc=False`` is safe.
"""

from typing import Any

import msgspec

BID = "bid"
ASK = "ask"
LEVEL2 = "level2"  # the channel of the books
TRADES = "market_trades"
TICKER = "ticker"
TICKER_BATCH = "ticker_batch"
HEARTBEATS = "heartbeats"
STATUS = "status"
CANDLES = "candles"
USER = "user"  # the account's own orders; private


class Subscriptions(msgspec.Struct, frozen=True, gc=False):
    """The venue's full set of subscriptions of the connection: channel (subscribe name) → ids."""

    channels: dict[str, tuple[str, ...]]


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """One beat. ``product_id`` and ``last_trade_id`` exist on the Exchange feed only."""

    heartbeat_counter: int | None
    product_id: str | None = None
    last_trade_id: int | None = None


class Level2(msgspec.Struct, frozen=True, gc=False):
    """Changes of one product's book, in the order to apply; a snapshot replaces the book.

    The lists are parallel. ``sides`` holds `BID` or `ASK`; sizes are absolute, in base currency,
    and 0 removes the level. ``event_us`` is the engine's time of each change, or one int for all.
    """

    product_id: str
    snapshot: bool
    sides: list[str]
    prices: list[float]
    sizes: list[float]
    event_us: list[int | None] | int | None
    price_texts: list[str | None] | None = None
    size_texts: list[str | None] | None = None


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade. ``side`` is the maker's, as sent; ``taker_side`` its inverse where it is known."""

    product_id: str
    trade_id: int
    side: str
    taker_side: str | None
    price: float
    size: float
    trade_us: int | None
    price_text: str | None = None
    size_text: str | None = None


class Trades(msgspec.Struct, frozen=True, gc=False):
    """Trades of one product, oldest first; ``unread``: the ids of those that came unreadable."""

    product_id: str
    snapshot: bool
    trades: list[Trade]
    unread: tuple[int, ...] = ()


class Ticker(msgspec.Struct, frozen=True, gc=False):
    """One product's ticker. ``values`` has one entry a number column of the table `ticker`.

    ``inexact`` maps a column to its wire text where the float does not give the value back.
    """

    product_id: str
    snapshot: bool
    values: dict[str, float | None]
    trade_id: int | None = None
    last_side: str | None = None
    inexact: dict[str, str] | None = None


class ProductStatus(msgspec.Struct, frozen=True, gc=False):
    """One product's rules, as sent: increments stay text."""

    product_id: str
    snapshot: bool
    rules: dict[str, str | None]


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One five-minute candle; the forming one is sent again and again."""

    product_id: str
    snapshot: bool
    start_us: int
    values: dict[str, float]


class Order(msgspec.Struct, frozen=True, gc=False):
    """One of the account's own orders, whole, as it is now.

    ``values`` has an entry for each column of the table `user_orders` that is of the order itself;
    ``inexact`` maps a column to its wire text where the float does not give the value back.
    """

    values: dict[str, Any]
    inexact: dict[str, str] | None = None


class UserOrders(msgspec.Struct, frozen=True, gc=False):
    """The account's own orders: the open ones in snapshots of 50 at most, then each that changes.

    ``positions`` counts those in futures, of which nothing else is kept.
    """

    snapshot: bool
    orders: list[Order]
    positions: int = 0
    product_id: None = None


Message = Subscriptions | Heartbeat | Level2 | Trades | Ticker | ProductStatus | Candle | UserOrders


class Problem(msgspec.Struct, frozen=True, gc=False):
    """Something wrong in a frame: what is in ``faults``, and whose data it hurts.

    ``kind`` is one of the fault kinds of docs/operating.md. ``channel`` (a subscribe name) and
    ``product_id`` say whose record is in doubt; a product of None means any product of the channel.
    """

    kind: str
    detail: str
    channel: str | None = None
    product_id: str | None = None


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """One frame, understood as far as it can be.

    ``channel`` is the subscribe name (``level2``, not ``l2_data``), or None where it could not be
    read; ``label`` is what was counted (``l2_data/update``). ``sequence`` is the connection's
    number, None where the frame has none, or it could not be read. ``product_sequence`` is the
    number of one product's own count (Exchange), with that product.
    """

    label: str
    channel: str | None
    sequence: int | None
    exchange_ns: int | None
    messages: tuple[Message, ...]
    problems: tuple[Problem, ...] = ()
    product_sequence: tuple[str, int] | None = None


# --- what the core wants done; live obeys, replay ignores -------------------------------------


class Resubscribe(msgspec.Struct, frozen=True, gc=False):
    """Unsubscribe these products and subscribe them again: the way to a fresh snapshot.

    A plain re-subscribe sends none (`coinbase.md` §1.5).
    """

    connection_id: str
    channel: str
    product_ids: tuple[str, ...]
    reason: str


class Unsubscribe(msgspec.Struct, frozen=True, gc=False):
    """Unsubscribe these again, if they are not wanted: the venue did not say that it took it.

    Without products, the whole channel, whose subscription names none.
    """

    connection_id: str
    channel: str
    product_ids: tuple[str, ...]


class Reconnect(msgspec.Struct, frozen=True, gc=False):
    """Close this connection and open another."""

    connection_id: str
    reason: str


class SlowDown(msgspec.Struct, frozen=True, gc=False):
    """Hold back what we ask of the venue: it answered that this is too much."""

    connection_id: str
    reason: str


Request = Resubscribe | Unsubscribe | Reconnect | SlowDown


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Something worth a log line: an event of the catalogue and its fields."""

    event: str
    fields: dict[str, Any]
