"""The shapes of Advanced Trade's texts, as msgspec decodes them (`coinbase.md` §1.2 to §1.6).

Only what the tables need is named: unknown keys are ignored. A key with a default was missing in
some recording, all others were in every one.
"""

from typing import Any, Literal

import msgspec


class Typed(msgspec.Struct, gc=False):
    """What most events say of themselves."""

    type: Literal["snapshot", "update"]


class Change(msgspec.Struct, gc=False):
    """One level of a book."""

    side: Literal["bid", "offer"]
    event_time: str
    price_level: str
    new_quantity: str


class Level2Event(Typed, gc=False):
    """A whole book, or changes of one."""

    product_id: str
    updates: list[Change]


class Trade(msgspec.Struct, gc=False):
    """One trade; the side is the maker's."""

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class TradesEvent(Typed, gc=False):
    """Trades, newest first."""

    trades: list[Trade]


class Ticker(msgspec.Struct, gc=False):
    """One product's ticker; ``ticker_batch`` has no best bid and ask."""

    product_id: str
    price: str | None = None
    volume_24_h: str | None = None
    low_24_h: str | None = None
    high_24_h: str | None = None
    low_52_w: str | None = None
    high_52_w: str | None = None
    price_percent_chg_24_h: str | None = None
    best_bid: str | None = None
    best_bid_quantity: str | None = None
    best_ask: str | None = None
    best_ask_quantity: str | None = None


class TickerEvent(Typed, gc=False):
    """Tickers, nearly always one."""

    tickers: list[Ticker]


class Product(msgspec.Struct, gc=False):
    """One product's rules."""

    id: str
    product_type: str | None = None
    base_currency: str | None = None
    quote_currency: str | None = None
    base_increment: str | None = None
    quote_increment: str | None = None
    display_name: str | None = None
    status: str | None = None
    status_message: str | None = None
    min_market_funds: str | None = None


class StatusEvent(Typed, gc=False):
    """Products, all of those subscribed in a snapshot."""

    products: list[Product]


class Candle(msgspec.Struct, gc=False):
    """Five minutes of one product; ``start`` is in seconds since 1970."""

    product_id: str
    start: str
    open: str
    high: str
    low: str
    close: str
    volume: str


class CandlesEvent(Typed, gc=False):
    """About a hundred candles in a snapshot, one in an update."""

    candles: list[Candle]


class HeartbeatEvent(msgspec.Struct, gc=False):
    """One beat, with the time as Go prints it."""

    current_time: str
    heartbeat_counter: int | str  # an integer today, text in old documents


class SubscriptionsEvent(msgspec.Struct, gc=False):
    """The full set of the connection: subscribe name → product ids."""

    subscriptions: dict[str, list[str]]


class Envelope(msgspec.Struct, tag_field="channel", gc=False):
    """What every numbered frame has."""

    timestamp: str
    sequence_num: int


class L2Data(Envelope, tag="l2_data", gc=False):
    """A frame of the channel that is subscribed as ``level2``."""

    events: list[Level2Event]


class MarketTrades(Envelope, tag="market_trades", gc=False):
    """A frame of ``market_trades``."""

    events: list[TradesEvent]


class TickerFrame(Envelope, tag="ticker", gc=False):
    """A frame of ``ticker``."""

    events: list[TickerEvent]


class TickerBatch(Envelope, tag="ticker_batch", gc=False):
    """A frame of ``ticker_batch``."""

    events: list[TickerEvent]


class Heartbeats(Envelope, tag="heartbeats", gc=False):
    """A frame of ``heartbeats``."""

    events: list[HeartbeatEvent]


class Status(Envelope, tag="status", gc=False):
    """A frame of ``status``."""

    events: list[StatusEvent]


class Candles(Envelope, tag="candles", gc=False):
    """A frame of ``candles``."""

    events: list[CandlesEvent]


class Subscriptions(Envelope, tag="subscriptions", gc=False):
    """The answer to every subscribe and unsubscribe."""

    events: list[SubscriptionsEvent]


class Loose(msgspec.Struct, gc=False):
    """What can be read of a frame that is not as expected."""

    channel: Any = None
    sequence_num: Any = None
    type: Any = None
    # Not in a union with None: msgspec would take the union for null alone.
    message: msgspec.Raw = msgspec.Raw()
    events: msgspec.Raw = msgspec.Raw()


class Named(msgspec.Struct, gc=False):
    """Whose an event is, where it says so."""

    product_id: Any = None


class Request(msgspec.Struct):
    """What we sent."""

    type: Literal["subscribe", "unsubscribe"]
    channel: str
    product_ids: list[str] = msgspec.field(default_factory=list)
