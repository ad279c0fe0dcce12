"""The shapes of the Exchange's texts, as msgspec decodes them (`coinbase.md` §2.2 to §2.4).

Only what the tables need is named: unknown keys are ignored, and so is what stands behind the
known places of a level. A key with a default was missing in some recording or document, all others
were in every one.
"""

from typing import Any, Literal

import msgspec


class Level(msgspec.Struct, array_like=True, gc=False):
    """One level of a snapshot, an array."""

    price: str
    size: str


class Change(msgspec.Struct, array_like=True, gc=False):
    """One changed level, an array; ``buy`` is the side of the bids."""

    side: Literal["buy", "sell"]
    price: str
    size: str


class OfProduct(msgspec.Struct, tag_field="type", gc=False):
    """A frame of one product."""

    product_id: str


class Snapshot(OfProduct, tag="snapshot", gc=False):
    """A whole book."""

    bids: list[Level]
    asks: list[Level]
    time: str | None = None  # in no recording and no document; tardis-node reads it


class Update(OfProduct, tag="l2update", gc=False):
    """Changes of a book; of a batch the newest time (documents before 2018 have none)."""

    changes: list[Change]
    time: str | None = None


class Numbered(OfProduct, kw_only=True, gc=False):
    """A frame that has the product's number, where it has (`coinbase.md` §2.5)."""

    sequence: int | None = None


class Match(Numbered, tag="match", gc=False):
    """One trade; the side is the maker's."""

    trade_id: int
    price: str
    size: str
    side: str
    time: str


class LastMatch(Match, tag="last_match", gc=False):
    """The newest trade at the time of the subscription, sent once a product."""


class Ticker(Numbered, tag="ticker", gc=False):
    """One product's ticker; the side is the taker's, of the last trade."""

    price: str | None = None
    open_24h: str | None = None
    volume_24h: str | None = None
    low_24h: str | None = None
    high_24h: str | None = None
    volume_30d: str | None = None
    best_bid: str | None = None
    best_bid_size: str | None = None
    best_ask: str | None = None
    best_ask_size: str | None = None
    last_size: str | None = None
    side: str | None = None
    trade_id: int | None = None
    time: str | None = None  # some had none (cryptofeed's changelog)


class Heartbeat(Numbered, tag="heartbeat", gc=False):
    """One beat of a product."""

    last_trade_id: int
    time: str


class Product(msgspec.Struct, gc=False):
    """One product's rules."""

    id: str
    base_currency: str | None = None
    quote_currency: str | None = None
    base_increment: str | None = None
    quote_increment: str | None = None
    display_name: str | None = None
    status: str | None = None
    status_message: str | None = None
    min_market_funds: str | None = None
    post_only: bool | None = None
    limit_only: bool | None = None
    cancel_only: bool | None = None
    fx_stablecoin: bool | None = None


class Status(msgspec.Struct, tag_field="type", tag="status", gc=False):
    """All products."""

    products: list[Product]


class Subscribed(msgspec.Struct, gc=False):
    """One channel of an answer or of a request, with the products that it names itself."""

    name: str
    product_ids: list[str] | None = None


class Subscriptions(msgspec.Struct, tag_field="type", tag="subscriptions", gc=False):
    """The answer to every subscribe and unsubscribe: all that the connection has."""

    channels: list[Subscribed]


class Loose(msgspec.Struct, gc=False):
    """What can be read of a frame that is not as expected."""

    type: Any = None
    product_id: Any = None
    # Not in a union with None: msgspec would take the union for null alone.
    message: msgspec.Raw = msgspec.Raw()
    reason: msgspec.Raw = msgspec.Raw()


class Request(msgspec.Struct):
    """What we sent; the four texts of a signed one are not looked at."""

    type: Literal["subscribe", "unsubscribe"]
    channels: list[str | Subscribed]
    product_ids: list[str] | None = None
