"""What the market tells by REST: books, trades, candles, in the shapes of both venues.

A query is an argument, so is the time; nothing here waits. Sources: `coinbase.md` §1.13.1 and §2.7.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recorder.venue.market import Market, Product
from recorder.venue.session import OWN_USDC_BOOKS
from recorder.venue.tape import Candle, Trade
from recorder.venue.wire import decimal, instant

Query = Mapping[str, str]

LEVELS_MAX = 1000
TRADES_MAX = 1000
ADVANCED_TRADES_MAX = 100
ADVANCED_CANDLES_MAX = 350
CANDLES_MAX = 300
TAPE_CANDLE_S = 300
GRANULARITIES = {
    "ONE_MINUTE": 60, "FIVE_MINUTE": 300, "FIFTEEN_MINUTE": 900, "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600, "TWO_HOUR": 7200, "FOUR_HOUR": 14400, "SIX_HOUR": 21600, "ONE_DAY": 86400,
}  # fmt: skip
EXCHANGE_GRANULARITIES = frozenset((60, 300, 900, 3600, 21600, 86400))


class RefusedError(Exception):
    """A request that is answered with an error: status, body as JSON or text, headers."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.headers = headers


def advanced_refusal(status: int, error: str, message: str) -> RefusedError:
    """An error in Advanced Trade's words."""
    return RefusedError(status, {"error": error, "error_details": message, "message": message})


def product_of(market: Market, product_id: str, *, exchange: bool) -> Product:
    """A product by any of its names. Raises RefusedError where the venue has none."""
    base, _, quote = product_id.rpartition("-")
    alias = quote == "USDC" and base not in OWN_USDC_BOOKS and not exchange
    product = market.products.get(f"{base}-USD" if alias else product_id)
    if product is None and exchange:
        raise RefusedError(404, {"message": "NotFound"})
    if product is None:
        raise RefusedError(
            404, {"error": "NOT_FOUND", "message": f"Product {product_id} not supported"}
        )
    return product


def advanced_book(market: Market, query: Query, now_ns: int) -> dict[str, Any]:
    """``product_book``: at most 1000 levels a side, no number."""
    product_id = query.get("product_id", "")
    product = product_of(market, product_id, exchange=False)
    limit = min(LEVELS_MAX, _whole(query.get("limit")) or LEVELS_MAX)
    digits, lots = product.spec.price_digits, product.spec.size_digits
    bids, asks = (
        [
            {"price": decimal(price, digits), "size": decimal(size, lots)}
            for price, size in list(side.best_first())[:limit]
        ]
        for side in (product.bids, product.offers)
    )
    touch = product.touch()
    spread = touch.offer - touch.bid
    book = {"product_id": product_id, "bids": bids, "asks": asks, "time": instant(now_ns)}
    return {
        "pricebook": book,
        "last": decimal(touch.last, digits),
        "mid_market": decimal((touch.bid + touch.offer) * 5, digits + 1),
        "spread_bps": f"{spread * 20_000 / (touch.bid + touch.offer):.4f}",
        "spread_absolute": decimal(spread, digits),
    }


def exchange_book(product: Product, query: Query, now_ns: int) -> dict[str, Any]:
    """``/book``: level 1 the best, 2 all levels with the number of orders, 3 all orders."""
    level = query.get("level", "1")
    if level not in {"1", "2", "3"}:
        raise RefusedError(400, {"message": f"unexpected level: {level}"})
    digits, lots = product.spec.price_digits, product.spec.size_digits
    sides: dict[str, list[list[Any]]] = {}
    for name, ladder in (("bids", product.bids), ("asks", product.offers)):
        levels = list(ladder.best_first())[: 1 if level == "1" else None]
        sides[name] = [
            [
                decimal(price, digits),
                decimal(size, lots),
                _order_id(name, price) if level == "3" else 1,
            ]
            for price, size in levels
        ]
    # The engine counts every order; so many a trade id is near to what was seen.
    sequence = product.tape.next_id * 130 + product.event_ns % 130
    return sides | {
        "sequence": sequence, "auction_mode": False, "auction": None, "time": instant(now_ns),
    }  # fmt: skip


def _order_id(side: str, price: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{side}{price}"))


def exchange_trades(product: Product, query: Query) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """``/trades``: newest first, with the cursors of the page as headers.

    ``after`` gives ids below it; ``before`` gives the newest page above, which is not the page next
    to it: so the venue does it, and so nobody can walk upwards (`coinbase.md` §2.7.3).
    """
    limit = min(TRADES_MAX, _whole(query.get("limit")) or TRADES_MAX)
    found = list(product.tape.trades)
    if after := _whole(query.get("after")):
        found = [trade for trade in found if trade.trade_id < after]
    if before := _whole(query.get("before")):
        found = [trade for trade in found if trade.trade_id > before]
    page = found[-limit:][::-1]
    digits, lots = product.spec.price_digits, product.spec.size_digits
    rows = [
        {
            "trade_id": trade.trade_id,
            "side": "buy" if trade.bid else "sell",
            "size": _padded(trade.size, lots),
            "price": _padded(trade.price, digits),
            "time": instant(trade.time_ns),
        }
        for trade in page
    ]
    if not page:
        return rows, {}
    return rows, {"CB-BEFORE": str(page[0].trade_id), "CB-AFTER": str(page[-1].trade_id)}


def advanced_trades(product: Product, product_id: str, query: Query) -> dict[str, Any]:
    """``/ticker``: the newest trades, 100 at most; no cursor. A limit above 1000 is a 500."""
    wanted = _whole(query.get("limit")) or ADVANCED_TRADES_MAX
    if wanted > 1000:
        raise advanced_refusal(500, "INTERNAL", "internal server error")
    start_s, end_s = _whole(query.get("start")), _whole(query.get("end"))
    digits, lots = product.spec.price_digits, product.spec.size_digits

    def inside(trade: Trade) -> bool:
        at_s = trade.time_ns / 1e9
        return (start_s is None or at_s >= start_s) and (end_s is None or at_s <= end_s)

    found = [trade for trade in product.tape.trades if inside(trade)]
    touch = product.touch()
    rows = [
        {
            "trade_id": str(trade.trade_id), "product_id": product_id,
            "price": decimal(trade.price, digits), "size": decimal(trade.size, lots),
            "time": instant(trade.time_ns), "side": "BUY" if trade.bid else "SELL",
            "bid": "", "ask": "", "exchange": "",
        }
        for trade in found[-min(wanted, ADVANCED_TRADES_MAX) :][::-1]
    ]  # fmt: skip
    return {
        "trades": rows,
        "best_bid": decimal(touch.bid, digits),
        "best_ask": decimal(touch.offer, digits),
    }


def advanced_candles(product: Product, query: Query) -> dict[str, Any]:
    """``/candles``: newest first, texts; 350 buckets at most."""
    step_s = GRANULARITIES.get(query.get("granularity", ""))
    start_s, end_s = _whole(query.get("start")), _whole(query.get("end"))
    if step_s is None or start_s is None or end_s is None or start_s > end_s:
        raise advanced_refusal(400, "INVALID_ARGUMENT", "start, end or granularity is invalid")
    if (end_s - start_s) // step_s >= ADVANCED_CANDLES_MAX:
        raise advanced_refusal(
            400,
            "INVALID_ARGUMENT",
            "start and end argument is invalid - number of candles requested should be less "
            f"than {ADVANCED_CANDLES_MAX}",
        )
    digits, lots = product.spec.price_digits, product.spec.size_digits
    return {
        "candles": [
            {
                "start": str(candle.start_s),
                "low": decimal(candle.low, digits),
                "high": decimal(candle.high, digits),
                "open": decimal(candle.open, digits),
                "close": decimal(candle.close, digits),
                "volume": decimal(candle.volume, lots),
            }
            for candle in _candles(product, step_s, start_s, end_s)
        ]
    }


def exchange_candles(product: Product, query: Query) -> list[list[float]]:
    """``/candles``: newest first, ``[time, low, high, open, close, volume]`` as JSON numbers."""
    step_s = _whole(query.get("granularity")) or 0
    if step_s not in EXCHANGE_GRANULARITIES:
        raise RefusedError(400, {"message": "Unsupported granularity"})
    end_s = _moment(query.get("end")) or product.tape.candles[-1].start_s
    start_s = _moment(query.get("start"))
    if start_s is None:
        start_s = end_s - (CANDLES_MAX - 1) * step_s
    if (end_s - start_s) // step_s >= CANDLES_MAX:
        raise RefusedError(
            400,
            {
                "message": "granularity too small for the requested time range. Count of "
                f"aggregations requested exceeds {CANDLES_MAX}"
            },
        )
    price, size = 10**product.spec.price_digits, 10**product.spec.size_digits
    return [
        [
            each.start_s, each.low / price, each.high / price, each.open / price,
            each.close / price, each.volume / size,
        ]
        for each in _candles(product, step_s, start_s, end_s)
    ]  # fmt: skip


def _candles(product: Product, step_s: int, start_s: int, end_s: int) -> list[Candle]:
    """Candles that start in the closed range, newest first; those of minutes from the trades."""
    made: dict[int, Candle] = {}
    if step_s < TAPE_CANDLE_S:
        for trade in product.tape.trades:
            at_s = trade.time_ns // 10**9 // step_s * step_s
            if at_s in made:
                made[at_s].take(trade.price, trade.size)
            else:
                made[at_s] = Candle(at_s, *(trade.price,) * 4, trade.size)
    else:
        for candle in product.tape.candles:
            at_s = candle.start_s // step_s * step_s
            if at_s not in made:
                made[at_s] = Candle(
                    at_s, candle.open, candle.high, candle.low, candle.close, candle.volume
                )
                continue
            one = made[at_s]
            one.high, one.low = max(one.high, candle.high), min(one.low, candle.low)
            one.close, one.volume = candle.close, one.volume + candle.volume
    return [made[at] for at in sorted(made, reverse=True) if start_s <= at <= end_s]


def _padded(value: int, digits: int) -> str:
    """A number with all its digits, as Exchange writes those of trades."""
    text = str(value).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text


def _moment(text: str | None) -> int | None:
    """Seconds since 1970, or ISO 8601: Exchange takes both."""
    if text is None or text.isdigit():
        return _whole(text)
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise RefusedError(400, {"message": "invalid time"}) from None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
