"""The text of Exchange's frames, against real ones where they lie beside the checkout."""

import gzip
import json
import re
from typing import Any

from recorder.venue import exchange
from recorder.venue.market import Change, Market
from recorder.venue.specs import BTC_USD
from recorder.venue.tape import Trade
from tests.captures import CAPTURES, needs_captures

NOW_NS = 1_787_628_957_300_000_000
TICKERS = CAPTURES / "coinbase-exchange/20251112T072011Z-btc-ticker-three-connections.ndjson.gz"
TEN = CAPTURES / "coinbase-exchange/20210417T164337Z-ten-products-level2-ticker-matches.ndjson.gz"
TRADE = Trade(
    1_081_862_675, NOW_NS - 101_665_000, 8_069_153, 1, bid=False, sequence=134_905_860_111
)


def shape(text: str | bytes) -> str:
    """A frame with its digits, letters of ids and times taken out: keys, order, spacing, kinds."""
    text = text.decode() if isinstance(text, bytes) else text
    text = re.sub(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', '"uuid"', text)
    text = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', '"time"', text)
    text = re.sub(r'"-?\d+(\.\d+)?"', '"decimal"', text)
    text = re.sub(r'"(buy|sell)"', '"side"', text)
    text = re.sub(r'"[A-Z0-9]+-[A-Z]+"', '"product"', text)
    return re.sub(r":\d+", ":number", text)


def recorded(path: Any, kind: str) -> list[str]:
    """The frames of a type in a capture."""
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            raw = json.loads(line)["raw"]
            if raw.startswith(f'{{"type":"{kind}"'):
                found.append(raw)
    return found


def market() -> Market:
    """A small market."""
    return Market(1, ("BTC-USD", "ETH-USD"), NOW_NS, depth=0.002)


@needs_captures
def test_tickers_look_like_the_recorded_ones() -> None:
    """Of 2025, of BTC-USD: every key and kind in the same place."""
    product = market().products["BTC-USD"]
    made = exchange.ticker(product.spec, product.touch(), product.tape.last)
    assert {shape(frame) for frame in recorded(TICKERS, "ticker")} == {shape(made)}


@needs_captures
def test_matches_and_answers_look_like_the_recorded_ones() -> None:
    """Of 2021 (ten quiet products) and 2025."""
    made = exchange.match(BTC_USD, TRADE)
    assert {shape(frame) for frame in recorded(TEN, "match")} == {shape(made)}
    assert {shape(frame) for frame in recorded(TEN, "last_match")} == {
        shape(exchange.match(BTC_USD, TRADE, "last_match"))
    }
    answers = recorded(TICKERS, "subscriptions")
    assert {exchange.subscriptions({"ticker": ["BTC-USD"]}).decode()} == set(answers)


def test_a_match_to_the_byte() -> None:
    """As written down on 25 August 2026, the ids of the orders apart."""
    frame = exchange.match(BTC_USD, TRADE).decode()
    assert re.sub(r'_order_id":"[^"]+"', '_order_id":""', frame) == (
        '{"type":"match","trade_id":1081862675,"maker_order_id":"","taker_order_id":"",'
        '"side":"sell","size":"0.00000001","price":"80691.53","product_id":"BTC-USD",'
        '"sequence":134905860111,"time":"2026-08-25T03:35:57.198335Z"}'
    )


def test_an_update_and_a_snapshot() -> None:
    """All digits of a price and a size; a delete is zero with eight of them; asks come first."""
    changes = [Change(bid=True, price=8_068_800, size=59_153_273), Change(False, 8_074_516, 0)]
    assert exchange.l2update(BTC_USD, changes, NOW_NS) == (
        b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","80688.00","0.59153273"],'
        b'["sell","80745.16","0.00000000"]],"time":"2026-08-25T03:35:57.300000Z"}'
    )
    product = market().products["BTC-USD"]
    book = json.loads(exchange.snapshot(product))
    assert list(book) == ["type", "product_id", "asks", "bids"]
    for name, side in (("asks", product.offers), ("bids", product.bids)):
        assert [(float(p), float(s)) for p, s in book[name]] == [
            (price / 100, size / 10**8) for price, size in side.best_first()
        ]


def test_a_heartbeat_and_errors() -> None:
    """Numbers are numbers; a reason that is not there has no key."""
    assert exchange.heartbeat(BTC_USD, 200_000_000_111, 500_000_002, NOW_NS) == (
        b'{"type":"heartbeat","sequence":200000000111,"last_trade_id":500000002,'
        b'"product_id":"BTC-USD","time":"2026-08-25T03:35:57.300000Z"}'
    )
    assert exchange.error("Failed to subscribe", "X is not a valid product") == (
        b'{"type":"error","message":"Failed to subscribe","reason":"X is not a valid product"}'
    )
    assert exchange.error("ErrSlowRead", "") == b'{"type":"error","message":"ErrSlowRead"}'


def test_the_side_of_a_ticker_is_the_takers() -> None:
    """The other one than in the match of the same trade."""
    product = market().products["ETH-USD"]
    trade = product.tape.last
    match = json.loads(exchange.match(product.spec, trade))
    ticker = json.loads(exchange.ticker(product.spec, product.touch(), trade))
    assert {match["side"], ticker["side"]} == {"buy", "sell"}
    for key in ("sequence", "trade_id", "time", "price"):
        assert match[key] == ticker[key]
    assert float(match["size"]) == float(ticker["last_size"])


def test_the_status_has_all_products_and_their_currencies() -> None:
    """Each currency once, numbers as numbers, flags as flags."""
    specs = [product.spec for product in market().products.values()]
    frame = json.loads(exchange.status((spec, "online") for spec in specs))
    assert [product["id"] for product in frame["products"]] == ["BTC-USD", "ETH-USD"]
    assert frame["products"][0]["cancel_only"] is False
    assert [currency["id"] for currency in frame["currencies"]] == ["BTC", "ETH", "USD"]


def test_orders_are_the_same_for_the_fills_of_one_taker() -> None:
    """One taker order meets several makers."""
    other = Trade(TRADE.trade_id + 1, TRADE.time_ns, TRADE.price, 5, bid=False)
    one, two = (json.loads(exchange.match(BTC_USD, trade)) for trade in (TRADE, other))
    assert one["taker_order_id"] == two["taker_order_id"]
    assert one["maker_order_id"] != two["maker_order_id"]
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}", one["maker_order_id"]
    )
