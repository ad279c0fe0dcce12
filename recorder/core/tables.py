"""The tables, each declared once.

The store derives the Arrow schema from these declarations, the documentation is checked against
them, and readers find the columns in this order.
"""

from dataclasses import dataclass
from enum import Enum

SCHEMA_VERSION = 1


class Kind(Enum):
    """How a column is stored."""

    INT = "int64"
    FLOAT = "float64"
    WORD = "text, dictionary-encoded"
    TEXT = "text"
    TIME = "timestamp[us, UTC]"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``derived`` names the nanosecond column that a time is computed from."""

    name: str
    kind: Kind
    meaning: str
    nullable: bool = False
    derived: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table, its rows in the order of column ``order``.

    ``per_product``: a sealed hour has one file a product, otherwise one in all. ``private``: its
    files are for their owner alone.
    """

    name: str
    meaning: str
    per_product: bool
    columns: tuple[Column, ...]
    order: str = "ingest_seq"
    private: bool = False

    def stored(self) -> tuple[str, ...]:
        """The columns that rows carry: all but the derived ones."""
        return tuple(column.name for column in self.columns if column.derived is None)


_RECV_TIME = Column("recv_time", Kind.TIME, "when we received it, UTC", derived="recv_ns")
_PRODUCT = Column("product_id", Kind.WORD, "the product, as in the frame")
_KIND = Column("kind", Kind.WORD, "update, snapshot, checkpoint, backfill or rest")
_PRICE = Column("price", Kind.FLOAT, "quote currency per unit of base currency")
_SIZE = Column("size", Kind.FLOAT, "base currency")
_EXCHANGE_TIME = Column(
    "exchange_time", Kind.TIME, "when the venue built the message, UTC", True, "exchange_ns"
)
_SEQUENCE = Column("sequence", Kind.INT, "the venue's number of the frame", True)
_INGEST_SEQ = Column("ingest_seq", Kind.INT, "the order of everything recorded; unique")
_CONNECTION = Column("connection_id", Kind.WORD, "the session that it came on; rest: fetched")
_RECV_NS = Column("recv_ns", Kind.INT, "when we received it, nanoseconds since 1970 UTC")
_EXCHANGE_NS = Column(
    "exchange_ns", Kind.INT, "when the venue built the message, nanoseconds since 1970 UTC", True
)
_PRICE_TEXT = Column("price_text", Kind.WORD, "the wire text, where price does not hold it", True)
_SIZE_TEXT = Column("size_text", Kind.WORD, "the wire text, where size does not hold it", True)
_ORIGIN = (_SEQUENCE, _INGEST_SEQ, _CONNECTION, _RECV_NS, _EXCHANGE_NS)

LEVEL2 = Table(
    "level2",
    "Changes of the order book, absolute sizes; size 0 removes the level.",
    True,
    (
        _RECV_TIME,
        _PRODUCT,
        _KIND,
        Column("side", Kind.WORD, "bid or ask"),
        _PRICE,
        _SIZE,
        _EXCHANGE_TIME,
        Column("event_time", Kind.TIME, "the engine's time of the change, UTC", True),
        Column(
            "book_epoch",
            Kind.INT,
            "ingest_seq of the snapshot or checkpoint it builds on; null: the book is not valid",
            True,
        ),
        *_ORIGIN,
        _PRICE_TEXT,
        _SIZE_TEXT,
    ),
)
TRADES = Table(
    "trades",
    "Trades, oldest first, each trade_id of a product once.",
    True,
    (
        _RECV_TIME,
        _PRODUCT,
        _KIND,
        Column("trade_id", Kind.INT, "the venue's id, contiguous per product"),
        Column("side", Kind.WORD, "the maker's side: BUY or SELL"),
        Column("taker_side", Kind.WORD, "the inverse of side", True),
        _PRICE,
        _SIZE,
        Column("trade_time", Kind.TIME, "the engine's time of the trade, UTC", True),
        _EXCHANGE_TIME,
        *_ORIGIN,
        _PRICE_TEXT,
        _SIZE_TEXT,
    ),
)
TICKER_NUMBERS = (
    ("price", "price of the last trade"),
    ("best_bid", "best bid"),
    ("best_bid_size", "size at the best bid"),
    ("best_ask", "best ask"),
    ("best_ask_size", "size at the best ask"),
    ("last_size", "size of the last trade"),
    ("volume_24h", "base volume of 24 hours"),
    ("volume_30d", "base volume of 30 days"),
    ("low_24h", "lowest price of 24 hours"),
    ("high_24h", "highest price of 24 hours"),
    ("open_24h", "price 24 hours ago"),
    ("low_52w", "lowest price of 52 weeks"),
    ("high_52w", "highest price of 52 weeks"),
    ("price_percent_chg_24h", "change of the price in 24 hours, percent"),
)
TICKER = Table(
    "ticker",
    "Tickers, of the channels ticker and ticker_batch.",
    True,
    (
        _RECV_TIME,
        _PRODUCT,
        _KIND,
        *(Column(name, Kind.FLOAT, meaning, True) for name, meaning in TICKER_NUMBERS),
        Column("last_side", Kind.WORD, "the taker's side of the last trade", True),
        Column("trade_id", Kind.INT, "id of the last trade", True),
        _EXCHANGE_TIME,
        *_ORIGIN,
        Column("inexact_text", Kind.TEXT, "JSON of wire texts that a float does not hold", True),
    ),
)
CANDLES = Table(
    "candles",
    "Five-minute candles as sent; the forming one comes again and again.",
    True,
    (
        _RECV_TIME,
        _PRODUCT,
        _KIND,
        Column("start_time", Kind.TIME, "begin of the candle, UTC"),
        *(
            Column(name, Kind.FLOAT, f"{name} of the five minutes")
            for name in ("open", "high", "low", "close", "volume")
        ),
        _EXCHANGE_TIME,
        *_ORIGIN,
    ),
)
HEARTBEATS = Table(
    "heartbeats",
    "The venue's beats, one a second and connection.",
    False,
    (
        _RECV_TIME,
        Column("product_id", Kind.WORD, "the product (Exchange feed only)", True),
        Column("heartbeat_counter", Kind.INT, "the venue's counter", True),
        Column("last_trade_id", Kind.INT, "id of the last trade (Exchange feed only)", True),
        _EXCHANGE_TIME,
        *_ORIGIN,
    ),
)
STATUS_TEXTS = (
    ("product_type", "SPOT or FUTURE"),
    ("base_currency", "what is traded"),
    ("quote_currency", "what it is paid in"),
    ("base_increment", "smallest step of a size, as sent"),
    ("quote_increment", "smallest step of a price, as sent"),
    ("price_increment", "smallest step of a price, as the list of products has it (rest only)"),
    ("display_name", "the product's name for people"),
    ("status", "online, offline, delisted or empty"),
    ("status_message", "the venue's remark"),
    ("min_market_funds", "smallest market order in quote currency, as sent"),
    ("post_only", "true where orders may only rest (Exchange feed and rest)"),
    ("limit_only", "true where only limit orders are taken (Exchange feed and rest)"),
    ("cancel_only", "true where orders may only be cancelled (Exchange feed and rest)"),
    ("auction_mode", "true while an auction is held (rest only)"),
    ("trading_disabled", "true where it is not traded (rest only)"),
    ("view_only", "true where it is shown and not traded (rest only)"),
    ("fx_stablecoin", "true for a pair of stablecoins (Exchange feed only)"),
    ("alias", "the product that this one is another name of (rest only)"),
    ("aliases", "its other names, with spaces between (rest only)"),
)
STATUS = Table(
    "status",
    "The rules of products as sent; increments stay text.",
    False,
    (
        _RECV_TIME,
        _PRODUCT,
        _KIND,
        *(Column(name, Kind.WORD, meaning, True) for name, meaning in STATUS_TEXTS),
        _EXCHANGE_TIME,
        *_ORIGIN,
    ),
)
COVERAGE = Table(
    "coverage",
    "What was recorded and what was not, as intervals that do not overlap.",
    False,
    (
        Column("channel", Kind.WORD, "the channel, by its subscribe name"),
        Column("product_id", Kind.WORD, "the product; null for channels without", True),
        Column("start_time", Kind.TIME, "begin of the interval, UTC"),
        Column("end_time", Kind.TIME, "end of the interval, exclusive, UTC"),
        Column(
            "state", Kind.WORD, "recorded, unverified (a loss would not show), gap or backfilled"
        ),
        Column("reason", Kind.WORD, "why it is a gap", True),
        Column("sequence_before", Kind.INT, "last number before the gap", True),
        Column("sequence_after", Kind.INT, "first number after the gap", True),
        Column("messages_missing", Kind.INT, "frames of the connection that were lost", True),
        Column("ingest_seq_first", Kind.INT, "first row of the interval", True),
        Column("ingest_seq_last", Kind.INT, "last row of the interval", True),
        Column("connection_id", Kind.WORD, "the session that recorded, or that was hurt", True),
        Column("detail", Kind.TEXT, "more about it", True),
        # Not unique: the end of a connection or of an hour ends many intervals at once.
        Column("noted_seq", Kind.INT, "ingest_seq of the arrival that ended the interval"),
    ),
    order="noted_seq",
)
FAULTS = Table(
    "faults",
    "Every doubt about the data: what, when, where the raw bytes are.",
    False,
    (
        _RECV_TIME,
        Column("kind", Kind.WORD, "which fault; docs/operating.md has them all"),
        Column("product_id", Kind.WORD, "the product that it hurts", True),
        Column("connection_id", Kind.WORD, "the session that it came on", True),
        _INGEST_SEQ,
        Column("detail", Kind.TEXT, "what was found, in words"),
        _RECV_NS,
        Column("channel", Kind.WORD, "the channel that it hurts", True),
        Column("raw", Kind.TEXT, "the frame, where it is short; the capture holds all", True),
    ),
)

AUDITS = Table(
    "audits",
    "How often tickers fitted the book of their connection, an hour or a session a row.",
    False,
    (
        _PRODUCT,
        _CONNECTION,
        Column("start_time", Kind.TIME, "begin of the count, UTC"),
        Column("end_time", Kind.TIME, "end of the count, UTC"),
        Column("agree", Kind.INT, "best bid and ask were the book's"),
        Column("lagging", Kind.INT, "they were so within 2 s before or after"),
        Column("disagree", Kind.INT, "neither"),
        # Not unique: the end of a connection or of an hour ends many counts at once.
        Column("noted_seq", Kind.INT, "ingest_seq of the arrival that ended the count"),
    ),
    order="noted_seq",
)

ORDER_NUMBERS = (
    ("limit_price", "price limit"),
    ("stop_price", "price that triggers a stop order"),
    ("avg_price", "average price of what is filled"),
    ("cumulative_quantity", "filled so far, base currency"),
    ("leaves_quantity", "not filled yet, base currency"),
)
ORDER_AMOUNTS = (
    ("filled_value", "filled so far in quote currency, as sent"),
    ("total_fees", "fees so far, as sent"),
    ("total_value_after_fees", "filled so far with the fees, as sent"),
    ("outstanding_hold_amount", "held for what is not filled yet, as sent"),
    ("completion_percentage", "how much is filled, percent, as sent"),
)
ORDER_WORDS = (
    ("post_only", "true where it may only rest"),
    ("trigger_status", "of a stop order: whether it was triggered"),
    ("cancel_reason", "why it was cancelled"),
    ("reject_reason", "why it was rejected"),
    ("product_type", "SPOT or FUTURE"),
    ("contract_expiry_type", "of a future"),
    ("risk_managed_by", "of a future"),
    ("retail_portfolio_id", "the portfolio that it is of"),
)
ORDER_TIMES = (
    ("creation_time", "when it was made, UTC"),
    ("start_time", "when it begins, UTC"),
    ("end_time", "when it ends by itself, UTC"),
)
USER_ORDERS = Table(
    "user_orders",
    "The account's own orders, whole, at every change; recorded with a key and `feed.user` only.",
    False,
    (
        _RECV_TIME,
        _PRODUCT,
        _KIND,
        Column("order_id", Kind.TEXT, "the venue's id of the order"),
        Column("client_order_id", Kind.TEXT, "the id that whoever made it gave it", True),
        Column("status", Kind.WORD, "PENDING, OPEN, FILLED, CANCELLED, …", True),
        Column("order_side", Kind.WORD, "BUY or SELL", True),
        Column("order_type", Kind.WORD, "Limit, Market, Stop Limit, …", True),
        Column("time_in_force", Kind.WORD, "how long it is good", True),
        *(Column(name, Kind.FLOAT, meaning, True) for name, meaning in ORDER_NUMBERS),
        Column("number_of_fills", Kind.INT, "in how many pieces it was filled so far", True),
        *(Column(name, Kind.TEXT, meaning, True) for name, meaning in ORDER_AMOUNTS),
        *(Column(name, Kind.WORD, meaning, True) for name, meaning in ORDER_WORDS),
        *(Column(name, Kind.TIME, meaning, True) for name, meaning in ORDER_TIMES),
        _EXCHANGE_TIME,
        *_ORIGIN,
        Column("inexact_text", Kind.TEXT, "JSON of wire texts that a float does not hold", True),
    ),
    private=True,
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        *(LEVEL2, TRADES, TICKER, CANDLES, HEARTBEATS, STATUS, COVERAGE, FAULTS, AUDITS),
        USER_ORDERS,
    )
}
