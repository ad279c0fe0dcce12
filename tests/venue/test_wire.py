"""The wire text: exact bytes, in the key order and with the digits of the recording."""

import json

import pytest

from recorder.venue import wire
from recorder.venue.market import Change, Market, Step, Touch
from recorder.venue.specs import BTC_USD
from recorder.venue.tape import Candle, Day, Trade

T = 1_786_309_548_228_568_804


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (6_515_550, 2, "65155.5"), (100_000_000, 8, "1"), (0, 8, "0"), (11, 8, "0.00000011"),
        (1, 2, "0.01"), (13_899_102_341, 2, "138991023.41"), (700, 0, "700"), (-5, 2, "-0.05"),
        (10, 2, "0.1"), (6_500_000_000_000, 8, "65000"),
    ],
)  # fmt: skip
def test_decimals_lose_their_trailing_zeros(value: int, digits: int, text: str) -> None:
    """A number is written plainly: no exponent, no trailing zeros, a zero before the point."""
    assert wire.decimal(value, digits) == text


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (T, "2026-08-09T21:05:48.228568804Z"),
        (T // 10_000 * 10_000, "2026-08-09T21:05:48.22856Z"),
        (T // 10**9 * 10**9, "2026-08-09T21:05:48Z"),
        (0, "1970-01-01T00:00:00Z"),
    ],
)
def test_instants_lose_their_trailing_zeros(time_ns: int, text: str) -> None:
    """Up to nine digits of a second; none, and no point, on a full one."""
    assert wire.instant(time_ns) == text


def test_heartbeat() -> None:
    """Go's time with the monotonic reading, and the counter as a number."""
    event = wire.heartbeat(1_786_309_553_855_244_860, 41_696_260_890_155)
    assert wire.frame("heartbeats", 1_786_309_553_857_466_363, 230, event) == (
        b'{"channel":"heartbeats","timestamp":"2026-08-09T21:05:53.857466363Z","sequence_num":230,'
        b'"events":[{"current_time":"2026-08-09 21:05:53.85524486 +0000 UTC m=+41696.260890155",'
        b'"heartbeat_counter":41696}]}'
    )


def test_book_update() -> None:
    """Sides, event time in microseconds, prices and sizes as text, zero for a delete."""
    step = Step(
        BTC_USD, T, 1_786_309_548_407_682_000,
        [Change(True, 5_694_821, 1_321_935), Change(False, 6_510_654, 0)], [], None,
    )  # fmt: skip
    assert wire.book_update(step) == (
        '{"type":"update","product_id":"BTC-USD","updates":['
        '{"side":"bid","event_time":"2026-08-09T21:05:48.407682Z","price_level":"56948.21",'
        '"new_quantity":"0.01321935"},'
        '{"side":"offer","event_time":"2026-08-09T21:05:48.407682Z","price_level":"65106.54",'
        '"new_quantity":"0"}]}'
    )


def test_book_snapshot_has_bids_then_offers_best_first() -> None:
    """A snapshot is every level, in the recording's order, with one event time."""
    product = Market(1, ("BTC-USD",), T, depth=0.01).products["BTC-USD"]
    event = json.loads(wire.book_snapshot(product))
    assert list(event) == ["type", "product_id", "updates"]
    sides = [update["side"] for update in event["updates"]]
    bids = [float(u["price_level"]) for u in event["updates"] if u["side"] == "bid"]
    offers = [float(u["price_level"]) for u in event["updates"] if u["side"] == "offer"]
    assert sides == ["bid"] * len(bids) + ["offer"] * len(offers)
    assert bids == sorted(set(bids), reverse=True)
    assert offers == sorted(set(offers))
    assert bids[0] < offers[0]
    assert len({update["event_time"] for update in event["updates"]}) == 1


def test_trades() -> None:
    """The trade's id is text, its side the maker's."""
    trade = Trade(1_068_572_090, 1_786_309_542_514_318_000, 6_508_367, 218_600, bid=False)
    assert wire.trades(BTC_USD, "update", [trade]) == (
        '{"type":"update","trades":[{"product_id":"BTC-USD","trade_id":"1068572090",'
        '"price":"65083.67","size":"0.002186","time":"2026-08-09T21:05:42.514318Z","side":"SELL"}]}'
    )


def test_ticker_and_its_batch() -> None:
    """A batch lacks the four keys of the touch; the percentage has 14 digits."""
    day = Day(286_754_532_609, 6_467_522, 6_525_299, 5_771_755, 12_629_600, 6_502_375)
    touch = Touch(6_508_366, 20_371_215, 6_508_367, 24_290_402, 6_508_618, day)
    text = wire.ticker(BTC_USD, "snapshot", touch)
    assert text == (
        '{"type":"snapshot","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"65086.18",'
        '"volume_24_h":"2867.54532609","low_24_h":"64675.22","high_24_h":"65252.99",'
        '"low_52_w":"57717.55","high_52_w":"126296","price_percent_chg_24_h":"0.09601107287722",'
        '"best_bid":"65083.66","best_ask":"65083.67","best_bid_quantity":"0.20371215",'
        '"best_ask_quantity":"0.24290402"}]}'
    )
    batch = json.loads(wire.ticker(BTC_USD, "update", touch, batch=True))["tickers"][0]
    assert not [key for key in batch if key.startswith("best")]
    assert wire.percent(99, 100) == "-1"


def test_candles() -> None:
    """The start of a candle is text, in seconds; its product comes last."""
    candle = Candle(1_786_279_500, 191_611, 191_660, 191_591, 191_602, 1_390_440_260)
    assert wire.candles(BTC_USD, "update", [candle]) == (
        '{"type":"update","candles":[{"start":"1786279500","high":"1916.6","low":"1915.91",'
        '"open":"1916.11","close":"1916.02","volume":"13.9044026","product_id":"BTC-USD"}]}'
    )


def test_subscriptions_and_errors() -> None:
    """Channels in the order of the alphabet, empty ones missing; an error has no envelope."""
    assert wire.subscriptions({"ticker": ["A-USD"], "level2": ["B-USD"], "candles": []}) == (
        '{"subscriptions":{"level2":["B-USD"],"ticker":["A-USD"]}}'
    )
    assert wire.error("no") == b'{"type":"error","message":"no"}'


def test_status() -> None:
    """The product's key is `id`, its increments lose their zeros like every number."""
    product = json.loads(wire.status([(BTC_USD, "online")]))["products"][0]
    assert product["id"] == "BTC-USD"
    assert product["base_increment"] == "0.00000001"
    assert product["quote_increment"] == "0.01"
