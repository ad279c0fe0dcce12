"""The text of Advanced Trade's frames, byte for byte as the venue writes them.

Key order, spacing and numbers are those of a public recording of 9 August 2026; `status` and
`ticker_batch`, which it lacks, follow Coinbase's documentation. The rules that surprise:

* prices and sizes lose their trailing zeros, and a delete is ``"0"``;
* fractions of a second lose theirs too, and a full second has no fraction at all;
* ``sequence_num`` and ``heartbeat_counter`` are numbers, everything else about a market is text;
* a side of the book is ``bid`` or ``offer``, of a trade ``BUY`` or ``SELL``, the maker's.

This module shares nothing with `recorder.core.wire` on purpose: what one of them gets wrong, the
tests between them find.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from recorder.venue.market import Product
from recorder.venue.orders import FEE_PER_MILLE, Order
from recorder.venue.specs import Spec
from recorder.venue.steps import Change, Step, Touch
from recorder.venue.tape import Candle, Trade

SECOND_NS = 1_000_000_000
PERCENT_DIGITS = 14


def decimal(value: int, digits: int) -> str:
    """A count of ``10 ** -digits`` as text: no exponent, no trailing zeros."""
    if value < 0:
        return "-" + decimal(-value, digits)
    text = str(value)
    if not digits:
        return text
    if len(text) <= digits:
        text = text.rjust(digits + 1, "0")
    fraction = text[-digits:].rstrip("0")
    return f"{text[:-digits]}.{fraction}" if fraction else text[:-digits]


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def instant(time_ns: int) -> str:
    """RFC 3339 in UTC with up to nine digits: ``2026-08-09T21:05:48.228568804Z``."""
    seconds, fraction = divmod(time_ns, SECOND_NS)
    if not fraction:
        return _second(seconds) + "Z"
    return f"{_second(seconds)}.{fraction:09d}".rstrip("0") + "Z"


def go_instant(time_ns: int, uptime_ns: int) -> str:
    """Go's way to print a time, with the reading of the process's monotonic clock after it."""
    text = instant(time_ns)[:-1].replace("T", " ")
    seconds, fraction = divmod(uptime_ns, SECOND_NS)
    return f"{text} +0000 UTC m=+{seconds}.{fraction:09d}"


def frame(channel: str, time_ns: int, sequence: int, event: str) -> bytes:
    """A numbered frame around one event."""
    return (
        f'{{"channel":"{channel}","timestamp":"{instant(time_ns)}","sequence_num":{sequence}'
        f',"events":[{event}]}}'
    ).encode()


def error(message: str) -> bytes:
    """An error frame: no channel, no number, no product."""
    return json.dumps({"type": "error", "message": message}, separators=(",", ":")).encode()


def heartbeat(time_ns: int, uptime_ns: int, off: int = 0) -> str:
    """The event of a heartbeat: its counter is the server's whole seconds of uptime.

    ``off`` is what a counter that has jumped is off by.
    """
    return (
        f'{{"current_time":"{go_instant(time_ns, uptime_ns)}"'
        f',"heartbeat_counter":{uptime_ns // SECOND_NS + off}}}'
    )


def subscriptions(channels: Mapping[str, Sequence[str]]) -> str:
    """The event of an acknowledgement: the full set of the connection, channels in order."""
    ordered = {name: list(channels[name]) for name in sorted(channels) if channels[name]}
    return f'{{"subscriptions":{json.dumps(ordered, separators=(",", ":"))}}}'


def book_update(step: Step) -> str:
    """The event of an ``l2_data`` update; ``step`` must have changes."""
    return _book(step.spec, "update", step.changes, step.event_ns)


def book_snapshot(product: Product) -> str:
    """The event of an ``l2_data`` snapshot: all bids, best first, then all offers, best first."""
    changes = [Change(True, *level) for level in product.bids.best_first()]
    changes += [Change(False, *level) for level in product.offers.best_first()]
    return _book(product.spec, "snapshot", changes, product.event_ns)


def _book(spec: Spec, kind: str, changes: Iterable[Change], event_ns: int) -> str:
    """Written out in one loop because a venue writes a hundred thousand levels a second."""
    price_digits, size_digits = spec.price_digits, spec.size_digits
    bid = f'{{"side":"bid","event_time":"{instant(event_ns)}","price_level":"'
    offer = f'{{"side":"offer","event_time":"{instant(event_ns)}","price_level":"'
    updates = ",".join([
        f'{bid if is_bid else offer}{decimal(price, price_digits)}","new_quantity":"'
        f'{decimal(size, size_digits) if size else 0}"}}'
        for is_bid, price, size in changes
    ])  # fmt: skip
    return f'{{"type":"{kind}","product_id":"{spec.product_id}","updates":[{updates}]}}'


def trades(spec: Spec, kind: str, newest_first: Iterable[Trade]) -> str:
    """The event of a ``market_trades`` frame; ``kind`` is ``snapshot`` or ``update``."""
    texts = ",".join(
        f'{{"product_id":"{spec.product_id}","trade_id":"{trade.trade_id}"'
        f',"price":"{decimal(trade.price, spec.price_digits)}"'
        f',"size":"{decimal(trade.size, spec.size_digits)}"'
        f',"time":"{instant(trade.time_ns)}","side":"{"BUY" if trade.bid else "SELL"}"}}'
        for trade in newest_first
    )
    return f'{{"type":"{kind}","trades":[{texts}]}}'


def percent(price: int, opened: int) -> str:
    """The change from ``opened`` in hundredths, rounded to 14 digits."""
    change = (abs(price - opened) * 2 * 10 ** (PERCENT_DIGITS + 2) + opened) // (2 * opened)
    return decimal(-change if price < opened else change, PERCENT_DIGITS)


def ticker(spec: Spec, kind: str, touch: Touch, *, batch: bool = False) -> str:
    """The event of a ``ticker`` frame, or of a ``ticker_batch`` one, which lacks the touch."""
    day, digits, lots = touch.day, spec.price_digits, spec.size_digits
    best = (
        f',"best_bid":"{decimal(touch.bid, digits)}","best_ask":"{decimal(touch.offer, digits)}"'
        f',"best_bid_quantity":"{decimal(touch.bid_size, lots)}"'
        f',"best_ask_quantity":"{decimal(touch.offer_size, lots)}"'
    )
    return (
        f'{{"type":"{kind}","tickers":[{{"type":"ticker","product_id":"{spec.product_id}"'
        f',"price":"{decimal(touch.last, digits)}","volume_24_h":"{decimal(day.volume, lots)}"'
        f',"low_24_h":"{decimal(day.low, digits)}","high_24_h":"{decimal(day.high, digits)}"'
        f',"low_52_w":"{decimal(day.low_year, digits)}"'
        f',"high_52_w":"{decimal(day.high_year, digits)}"'
        f',"price_percent_chg_24_h":"{percent(touch.last, day.open)}"{"" if batch else best}}}]}}'
    )


def candles(spec: Spec, kind: str, oldest_first: Iterable[Candle]) -> str:
    """The event of a ``candles`` frame; an update has one candle, the forming one."""
    digits = spec.price_digits
    texts = ",".join(
        f'{{"start":"{candle.start_s}","high":"{decimal(candle.high, digits)}"'
        f',"low":"{decimal(candle.low, digits)}","open":"{decimal(candle.open, digits)}"'
        f',"close":"{decimal(candle.close, digits)}"'
        f',"volume":"{decimal(candle.volume, spec.size_digits)}"'
        f',"product_id":"{spec.product_id}"}}'
        for candle in oldest_first
    )
    return f'{{"type":"{kind}","candles":[{texts}]}}'


def user(kind: str, orders: Iterable[Order]) -> str:
    """The event of a ``user`` frame: the account's own orders, and its positions in futures.

    Written after Coinbase's documentation: no recording of one is public.
    """
    texts = ",".join(map(_order, orders))
    position = '{"product_id":"BTC-PERP-INTX","net_size":"1","vwap":"60000"}'
    perpetual = position if kind == "snapshot" else ""
    return (
        f'{{"type":"{kind}","orders":[{texts}],"positions":{{"perpetual_futures_positions":'
        f'[{perpetual}],"expiring_futures_positions":[]}}}}'
    )


def _order(order: Order) -> str:
    spec = order.spec
    lots, digits = spec.size_digits, spec.price_digits + spec.size_digits
    fees, value = order.value * FEE_PER_MILLE, order.value * 1000
    done = order.status == "FILLED"
    left = 0 if order.status == "CANCELLED" else order.size - order.filled
    hundredths = order.filled * 10_000 // order.size
    return json.dumps({
        "avg_price": decimal(order.price, spec.price_digits) if order.filled else "0",
        "cancel_reason": "User requested cancel" if order.status == "CANCELLED" else "",
        "client_order_id": order.client_order_id,
        "completion_percentage": f"{hundredths // 100}.{hundredths % 100:02d}",
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": decimal(order.filled, lots),
        "filled_value": decimal(order.value, digits),
        "leaves_quantity": decimal(left, lots),
        "limit_price": decimal(order.price, spec.price_digits),
        "number_of_fills": str(order.fills),
        "order_id": order.order_id,
        "order_side": "BUY" if order.buys else "SELL",
        "order_type": "Limit",
        "outstanding_hold_amount": "0" if done else decimal(order.price * left, digits),
        "post_only": "false",
        "product_id": spec.product_id,
        "product_type": "SPOT",
        "reject_reason": "",
        "retail_portfolio_id": "00000000-0000-4000-8000-000000000001",
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": order.status,
        "stop_price": "",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "total_fees": decimal(fees, digits + 3),
        "total_value_after_fees": decimal(value + (fees if order.buys else -fees), digits + 3),
        "trigger_status": "INVALID_ORDER_TYPE",
        "creation_time": instant(order.placed_ns // 1000 * 1000),
        "end_time": "0001-01-01T00:00:00Z",
        "start_time": "0001-01-01T00:00:00Z",
    }, separators=(",", ":"))  # fmt: skip


def status(products: Iterable[tuple[Spec, str]], kind: str = "snapshot") -> str:
    """The event of a ``status`` frame: products, each with its status.

    The key of the product is ``id`` here.
    """
    texts = ",".join(
        f'{{"product_type":"SPOT","id":"{spec.product_id}","base_currency":"{base}"'
        f',"quote_currency":"{quote}","base_increment":"{decimal(1, spec.size_digits)}"'
        f',"quote_increment":"{decimal(1, spec.price_digits)}","display_name":"{base}/{quote}"'
        f',"status":"{word}","status_message":"","min_market_funds":"1"}}'
        for spec, word in products
        for base, _, quote in (spec.product_id.partition("-"),)
    )
    return f'{{"type":"{kind}","products":[{texts}]}}'
