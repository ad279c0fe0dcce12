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


# The table's column for each number of a ticker.
TICKER_COLUMNS = {
    "price": "price",
    "best_bid": "best_bid",
    "best_bid_quantity": "best_bid_size",
    "best_ask": "best_ask",
    "best_ask_quantity": "best_ask_size",
    "volume_24_h": "volume_24h",
    "low_24_h": "low_24h",
    "high_24_h": "high_24h",
    "low_52_w": "low_52w",
    "high_52_w": "high_52w",
    "price_percent_chg_24_h": "price_percent_chg_24h",
}


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


Told = str | bool | int | None  # all of it is text today


class Order(msgspec.Struct, gc=False):
    """One of the account's own orders, whole (`coinbase.md` §1.6.9)."""

    order_id: str
    product_id: str
    client_order_id: Told = None
    status: Told = None
    order_side: Told = None
    order_type: Told = None
    time_in_force: Told = None
    limit_price: Told = None
    stop_price: Told = None
    avg_price: Told = None
    cumulative_quantity: Told = None
    leaves_quantity: Told = None
    number_of_fills: Told = None
    filled_value: Told = None
    total_fees: Told = None
    total_value_after_fees: Told = None
    outstanding_hold_amount: Told = None
    completion_percentage: Told = None
    post_only: Told = None
    trigger_status: Told = None
    cancel_reason: Told = None
    reject_reason: Told = None
    product_type: Told = None
    contract_expiry_type: Told = None
    risk_managed_by: Told = None
    retail_portfolio_id: Told = None
    creation_time: Told = None
    start_time: Told = None
    end_time: Told = None


class UserEvent(Typed, gc=False):
    """Orders: 50 at most in a snapshot, of which there may be several; positions in futures."""

    orders: list[Order] = []
    positions: Any = None


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


class User(Envelope, tag="user", gc=False):
    """A frame of ``user``."""

    events: list[UserEvent]


class Numbered(msgspec.Struct, gc=False):
    """Of a frame its number alone."""

    sequence_num: int


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
