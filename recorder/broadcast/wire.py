"""The events of Advanced Trade's frames, written anew from what the tables or the books hold.

Numbers are written plainly, with the digits that the venue meant: the wire's text where a float
does not give it back, else the shortest text that has its value. Zeros at the end, which the venue
may have written, are gone; every number is the same.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

from recorder.core.book import Book
from recorder.core.messages import BID, Candle, Level2, ProductStatus, Ticker, Trade
from recorder.core.numbers import plain
from recorder.venue.wire import instant

NO_TIME = "1970-01-01T00:00:00Z"  # of the levels of a snapshot (`coinbase.md` §1.6.5)
_WIRE_NAMES = {"level2": "l2_data"}
# The keys of a ticker in the venue's order, with the columns that hold them.
_TICKER_KEYS = {
    "price": "price",
    "volume_24_h": "volume_24h",
    "low_24_h": "low_24h",
    "high_24_h": "high_24h",
    "low_52_w": "low_52w",
    "high_52_w": "high_52w",
    "price_percent_chg_24_h": "price_percent_chg_24h",
    "best_bid": "best_bid",
    "best_ask": "best_ask",
    "best_bid_quantity": "best_bid_size",
    "best_ask_quantity": "best_ask_size",
}
TICKER_COLUMNS = tuple(_TICKER_KEYS.values())
_STATUS_KEYS = (
    *("product_type", "id", "base_currency", "quote_currency", "base_increment"),
    *("quote_increment", "display_name", "status", "status_message", "min_market_funds"),
)


def head(channel: str, at_ns: int) -> bytes:
    """A frame's text up to its number."""
    name = _WIRE_NAMES.get(channel, channel)
    return f'{{"channel":"{name}","timestamp":"{instant(at_ns)}","sequence_num":'.encode()


def tail(event: str) -> bytes:
    """A frame's text behind its number."""
    return f',"events":[{event}]}}'.encode()


def _time(at_us: int | None, none: str = NO_TIME) -> str:
    return none if at_us is None else instant(at_us * 1000)


def level2(changes: Level2) -> str:
    """The event of changes of a book, or of a whole one."""
    kind = "snapshot" if changes.snapshot else "update"
    each = changes.event_us
    times = each if isinstance(each, list) else [each] * len(changes.sides)
    nothing: list[str | None] = [None] * len(changes.sides)
    rows = zip(
        changes.sides, times, changes.prices, changes.price_texts or nothing, changes.sizes,
        changes.size_texts or nothing, strict=True,
    )  # fmt: skip
    updates = ",".join(
        _level(side, _time(at_us), plain(price, price_text), plain(size, size_text))
        for side, at_us, price, price_text, size, size_text in rows
    )
    return f'{{"type":"{kind}","product_id":"{changes.product_id}","updates":[{updates}]}}'


def book(held: Book) -> str:
    """The event of a snapshot: all bids, best first, then all offers, best first."""
    updates = ",".join(_levels(held))
    return f'{{"type":"snapshot","product_id":"{held.product_id}","updates":[{updates}]}}'


def _levels(held: Book) -> Iterator[str]:
    texts = held.has_texts()
    for side in ("bid", "ask"):
        for price, size in held.levels(side):
            price_text, size_text = held.texts(side, price) if texts else (None, None)
            yield _level(side, NO_TIME, plain(price, price_text), plain(size, size_text))


def _level(side: str, at: str, price: str, size: str) -> str:
    word = "bid" if side == BID else "offer"
    return (
        f'{{"side":"{word}","event_time":"{at}","price_level":"{price}","new_quantity":"{size}"}}'
    )


def trades(kind: str, oldest_first: Sequence[Trade]) -> str:
    """The event of trades; the wire has the newest first."""
    texts = ",".join(
        f'{{"product_id":"{trade.product_id}","trade_id":"{trade.trade_id}"'
        f',"price":"{plain(trade.price, trade.price_text)}"'
        f',"size":"{plain(trade.size, trade.size_text)}"'
        f',"time":"{_time(trade.trade_us)}","side":{json.dumps(trade.side)}}}'
        for trade in reversed(oldest_first)
    )
    return f'{{"type":"{kind}","trades":[{texts}]}}'


def tickers(kind: str, told: Iterable[Ticker]) -> str:
    """The event of tickers; what is not known of one is not in it."""
    texts = []
    for ticker in told:
        inexact = ticker.inexact or {}
        keys = [
            f',"{key}":"{plain(value, inexact.get(column))}"'
            for key, column in _TICKER_KEYS.items()
            if (value := ticker.values.get(column)) is not None
        ]
        texts.append(f'{{"type":"ticker","product_id":"{ticker.product_id}"{"".join(keys)}}}')
    return f'{{"type":"{kind}","tickers":[{",".join(texts)}]}}'


def candles(kind: str, told: Iterable[Candle]) -> str:
    """The event of candles, in the order given."""
    texts = ",".join(
        f'{{"start":"{candle.start_us // 1_000_000}"'
        + "".join(
            f',"{name}":"{plain(candle.values[name])}"'
            for name in ("high", "low", "open", "close", "volume")
        )
        + f',"product_id":"{candle.product_id}"}}'
        for candle in told
    )
    return f'{{"type":"{kind}","candles":[{texts}]}}'


def status(kind: str, told: Iterable[ProductStatus]) -> str:
    """The event of products' rules, as sent."""
    products = []
    for each in told:
        rules = {**each.rules, "id": each.product_id}
        products.append({key: rules[key] for key in _STATUS_KEYS if rules.get(key) is not None})
    text = json.dumps(products, separators=(",", ":"), ensure_ascii=False)
    return f'{{"type":"{kind}","products":{text}}}'
