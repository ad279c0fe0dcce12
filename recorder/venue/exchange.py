"""The text of Exchange's frames, byte for byte as the venue writes them.

Key order, spacing and digits are those of public recordings of November 2025 (``ticker``) and of
what others wrote down on 25 August 2026 (books, matches, answers, errors); ``status`` follows
Coinbase's documentation. What surprises:

* a frame has a ``type`` and no channel, and only some types have a ``sequence``: the engine's,
  per product, with jumps; books have none at all;
* ``trade_id`` and ``sequence`` are numbers, and times always have six digits;
* a side is ``buy`` or ``sell``: the maker's in a match, the taker's in a ticker.

Shares nothing with `recorder.core.wire`, like `recorder.venue.wire`.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence

from recorder.venue.market import Product
from recorder.venue.specs import Spec
from recorder.venue.steps import Change, Touch
from recorder.venue.tape import Trade
from recorder.venue.wire import decimal

MICRO_NS = 1_000
SECOND_NS = 1_000_000_000
ZERO = "0.00000000"
# The volume of 30 days, in days: invented, like the 24 hours that it is made of.
MONTH_DAYS = 41
CURRENCY_STATUS = "online"


def instant(time_ns: int) -> str:
    """RFC 3339 in UTC with six digits: ``2026-08-25T03:35:57.300000Z``."""
    seconds, fraction = divmod(time_ns, SECOND_NS)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{fraction // MICRO_NS:06d}Z"


def fixed(value: int, digits: int) -> str:
    """A count of ``10 ** -digits`` as text with all its digits."""
    if not digits:
        return str(value)
    text = str(value).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}"


def error(message: str, reason: str) -> bytes:
    """An error frame; ``reason`` may be empty and is then left out."""
    frame = {"type": "error", "message": message} | ({"reason": reason} if reason else {})
    return json.dumps(frame, separators=(",", ":")).encode()


def subscriptions(channels: Mapping[str, Sequence[str]]) -> bytes:
    """The answer to a request: every channel by its echo name, with its products as given."""
    listed = [
        {"name": name, "product_ids": list(products), "account_ids": None}
        for name, products in channels.items()
    ]
    frame = {"type": "subscriptions", "channels": listed}
    return json.dumps(frame, separators=(",", ":")).encode()


def snapshot(product: Product) -> bytes:
    """A whole book: all asks, best first, then all bids, best first."""
    spec = product.spec
    asks, bids = (
        ",".join([
            f'["{fixed(price, spec.price_digits)}","{fixed(size, spec.size_digits)}"]'
            for price, size in side.best_first()
        ])
        for side in (product.offers, product.bids)
    )  # fmt: skip
    return (
        f'{{"type":"snapshot","product_id":"{spec.product_id}","asks":[{asks}],"bids":[{bids}]}}'
    ).encode()


def l2update(spec: Spec, changes: Iterable[Change], time_ns: int) -> bytes:
    """The changes of 50 ms; ``time_ns`` is the engine's time of the newest."""
    texts = ",".join([
        f'["{"buy" if bid else "sell"}","{fixed(price, spec.price_digits)}"'
        f',"{fixed(size, spec.size_digits) if size else ZERO}"]'
        for bid, price, size in changes
    ])  # fmt: skip
    return (
        f'{{"type":"l2update","product_id":"{spec.product_id}","changes":[{texts}]'
        f',"time":"{instant(time_ns)}"}}'
    ).encode()


def order_id(spec: Spec, what: str) -> str:
    """An order's id: invented, and always the same for the same order."""
    text = hashlib.sha256(f"{spec.product_id}/{what}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def match(spec: Spec, trade: Trade, kind: str = "match") -> bytes:
    """A trade; ``kind`` is ``match`` or ``last_match``."""
    return (
        f'{{"type":"{kind}","trade_id":{trade.trade_id}'
        f',"maker_order_id":"{order_id(spec, f"maker {trade.trade_id}")}"'
        f',"taker_order_id":"{order_id(spec, f"taker {trade.time_ns}")}"'
        f',"side":"{"buy" if trade.bid else "sell"}"'
        f',"size":"{fixed(trade.size, spec.size_digits)}"'
        f',"price":"{decimal(trade.price, spec.price_digits)}"'
        f',"product_id":"{spec.product_id}","sequence":{trade.sequence}'
        f',"time":"{instant(trade.time_ns)}"}}'
    ).encode()


def ticker(spec: Spec, touch: Touch, trade: Trade) -> bytes:
    """The last trade with the top of the book and the figures of a day."""
    day, digits, lots = touch.day, spec.price_digits, spec.size_digits
    return (
        f'{{"type":"ticker","sequence":{trade.sequence},"product_id":"{spec.product_id}"'
        f',"price":"{decimal(trade.price, digits)}","open_24h":"{decimal(day.open, digits)}"'
        f',"volume_24h":"{fixed(day.volume, lots)}","low_24h":"{decimal(day.low, digits)}"'
        f',"high_24h":"{decimal(day.high, digits)}"'
        f',"volume_30d":"{fixed(day.volume * MONTH_DAYS, lots)}"'
        f',"best_bid":"{fixed(touch.bid, digits)}"'
        f',"best_bid_size":"{fixed(touch.bid_size, lots)}"'
        f',"best_ask":"{fixed(touch.offer, digits)}"'
        f',"best_ask_size":"{fixed(touch.offer_size, lots)}"'
        f',"side":"{"sell" if trade.bid else "buy"}","time":"{instant(trade.time_ns)}"'
        f',"trade_id":{trade.trade_id},"last_size":"{decimal(trade.size, lots)}"}}'
    ).encode()


def heartbeat(spec: Spec, sequence: int, last_trade_id: int, time_ns: int) -> bytes:
    """The engine's newest number and the newest trade of a product."""
    return (
        f'{{"type":"heartbeat","sequence":{sequence},"last_trade_id":{last_trade_id}'
        f',"product_id":"{spec.product_id}","time":"{instant(time_ns)}"}}'
    ).encode()


def status(products: Iterable[tuple[Spec, str]]) -> bytes:
    """All products and all currencies that they are made of."""
    listed = []
    currencies: dict[str, int] = {}
    for spec, word in products:
        base, _, quote = spec.product_id.partition("-")
        currencies[base] = spec.size_digits
        currencies.setdefault(quote, spec.price_digits)
        listed.append({
            "id": spec.product_id, "base_currency": base, "quote_currency": quote,
            "base_increment": decimal(1, spec.size_digits),
            "quote_increment": decimal(1, spec.price_digits),
            "display_name": f"{base}/{quote}", "status": word, "status_message": "",
            "min_market_funds": "1", "post_only": False, "limit_only": False,
            "cancel_only": False, "fx_stablecoin": False,
        })  # fmt: skip
    made = [
        {
            "id": name, "name": name, "display_name": name, "min_size": decimal(1, digits),
            "status": CURRENCY_STATUS, "status_message": "", "max_precision": decimal(1, digits),
            "convertible_to": [], "details": {}, "default_network": "", "supported_networks": [],
        }
        for name, digits in sorted(currencies.items())
    ]  # fmt: skip
    frame = {"type": "status", "products": listed, "currencies": made}
    return json.dumps(frame, separators=(",", ":")).encode()
