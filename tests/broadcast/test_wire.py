"""What is written from values is read as those: by our decoder, which shares nothing with it."""

import pytest

from recorder.broadcast import wire
from recorder.core.book import Book
from recorder.core.messages import (
    Candle,
    Level2,
    ProductStatus,
    Ticker,
    Trade,
    Trades,
)
from recorder.core.wire import advanced

LONG = "0.123456789012345678"


def read(channel, event):
    raw = wire.head(channel, 1_762_800_000_123_456_789) + b"4" + wire.tail(event)
    decoded = advanced.decode(raw)
    assert decoded.problems == ()
    assert (decoded.channel, decoded.sequence) == (channel, 4)
    assert decoded.exchange_ns == 1_762_800_000_123_456_789
    return list(decoded.messages)


@pytest.mark.parametrize("snapshot", [True, False])
def test_changes_of_a_book(snapshot):
    """Sides, times that differ, numbers no float holds, and sizes of nothing."""
    sent = Level2(
        "BTC-USD", snapshot, ["bid", "ask", "ask"], [65000.5, 1e-8, float(LONG)],
        [0.0, 1e22, float(LONG)], [1_762_800_000_000_001, None, 1_762_800_000_000_000],
        [None, None, LONG], [None, "9999999999999999.9", LONG],
    )  # fmt: skip
    (got,) = read("level2", wire.level2(sent))
    assert got.sides == sent.sides
    assert got.prices == sent.prices
    assert got.sizes == [0.0, float("9999999999999999.9"), float(LONG)]
    assert got.event_us == sent.event_us
    assert (got.price_texts, got.size_texts) == (sent.price_texts, sent.size_texts)
    assert got.snapshot is snapshot


def test_a_whole_book():
    """Best first, bids before offers, with the texts of what a float does not hold."""
    book = Book("BTC-USD")
    levels = Level2(
        "BTC-USD", True, ["bid", "bid", "ask"], [1.0, 2.0, 3.5], [5.0, 6.0, float(LONG)], None,
        None, [None, None, LONG],
    )  # fmt: skip
    book.load(levels, 1)
    (got,) = read("level2", wire.book(book))
    assert (got.snapshot, got.sides, got.prices) == (True, ["bid", "bid", "ask"], [2.0, 1.0, 3.5])
    assert (got.size_texts, got.event_us) == ([None, None, LONG], None)


def test_trades():
    """The newest first on the wire; read back they are oldest first."""
    trades = [
        Trade("BTC-USD", 7, "BUY", "SELL", 1.5, 2.0, 1_762_800_000_000_000),
        Trade("BTC-USD", 8, "UNKNOWN_ORDER_SIDE", None, 1.5, float(LONG), None, None, LONG),
    ]
    text = wire.trades("update", trades)
    assert text.index('"8"') < text.index('"7"')
    assert read("market_trades", text) == [Trades("BTC-USD", False, trades)]


@pytest.mark.parametrize("channel", ["ticker", "ticker_batch"])
def test_tickers(channel):
    """What is not known is not there; numbers below zero and without an exact float are."""
    values = dict.fromkeys(wire.TICKER_COLUMNS)
    values |= {"price": 1.5, "price_percent_chg_24h": -0.000001, "volume_24h": float(LONG)}
    sent = Ticker("BTC-USD", False, values, inexact={"volume_24h": LONG})
    assert read(channel, wire.tickers("update", [sent])) == [sent]


def test_candles():
    values = {"open": 1.0, "high": 2.5, "low": 0.5, "close": 2.0, "volume": 1e-8}
    sent = [Candle("BTC-USD", True, 1_762_800_000_000_000 + at, values) for at in (300_000_000, 0)]
    assert read("candles", wire.candles("snapshot", sent)) == sent


def test_status():
    """Rules that are not known, and texts that JSON has to escape."""
    rules = dict.fromkeys(("product_type", "quote_currency", "quote_increment"))
    rules |= {"base_currency": "BTC", "base_increment": "0.00000001", "display_name": None}
    rules |= {"status": "online", "status_message": 'a "b"\n', "min_market_funds": "1"}
    sent = ProductStatus("BTC-USD", True, rules)
    assert read("status", wire.status("snapshot", [sent])) == [sent]
