"""What the picture of `recorder top` promises: what matters, in any size of terminal."""

import io

import pytest
from rich.console import Console

from recorder.cli.screen import ORDERS, Order, Seen, picture, rate_of, sorted_products, span


def product(name, **changed):
    return {
        "product_id": name,
        "book": "live",
        "bid": ["100", "1"],
        "ask": ["101", "2"],
        "spread_bps": 1.25,
        "age_s": 0.2,
        "gaps_today": 0,
        "last_trade": {"price": "100.5", "recv_time": "2026-11-21T19:00:00Z"},
        "channels": {"level2": {"rate": 16.5}, "ticker": {"rate": 3.5}},
        **changed,
    }


STALE = product(
    "B-USD", book="stale", reason="sequence_gap", bid=None, ask=None, spread_bps=None, age_s=None,
    gaps_today=3, last_trade=None, channels={"level2": {"rate": None}},
)  # fmt: skip
FAST = product("C-USD", channels={"level2": {"rate": 900.0}}, age_s=9.0, spread_bps=7.0)
PRODUCTS = [FAST, product("A-USD"), STALE]


def seen(products=PRODUCTS, **changed):
    status = {
        "ready": True, "reasons": [], "version": "1.0", "data": "/srv/data", "uptime_s": 3700,
        "connections": [{"up": True}, {"up": False}],
        "disk": {"free_bytes": 5 * 10**9, "free_bytes_min": 10**9, "seconds_to_full": None,
                 "refused": [], "stopped": None, "unsynced_s": 0.4},
        "sealing": {"next_s": 61, "waiting": 0, "failing": []},
        **changed,
    }  # fmt: skip
    lately = {"applied_p50_s": 0.00004, "applied_p99_s": 0.0002, "loop_p99_s": 0.003}
    return Seen(status, products, "2026-11-21T00:00:00Z", lately)


def shown(found, **options):
    width = options.get("width", 120)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(picture(found, **{"order": Order.NAME, "width": width, **options}))
    return console.file.getvalue()


def test_it_says_how_the_recorder_is():
    text = shown(seen())
    for words in ("● recording", "2/3 books live", "1/2 connections", "920.0 messages/s",
                  "3 gaps since 00:00 UTC", "book 40 µs / 200 µs", "loop - / 3 ms", "5.0 GB free",
                  "seal in 1:01", "STALE sequence_gap", "never"):  # fmt: skip
        assert words in text, words


def test_what_is_wrong_is_said():
    reasons = [{"reason": "disconnected", "detail": "none of 2 connections is open"}]
    sealing = {"next_s": 1, "waiting": 2, "failing": ["seal 2026112119"]}
    text = shown(seen(ready=False, reasons=reasons, sealing=sealing), wrong="gone")
    for words in ("● not ready", "none of 2 connections", "2 hours wait", "fails: seal 2026112119",
                  "does not answer: gone"):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("order", "names", "other"),
    [("name", "ABC", "CBA"), ("state", "BAC", "ACB"), ("rate", "CAB", "BAC"),
     ("spread", "CAB", "BAC"), ("update", "BCA", "ACB"), ("trade", "ACB", "BAC"),
     ("gaps", "BAC", "ACB")],
)  # fmt: skip
def test_an_order_puts_first_what_is_looked_for(order, names, other):
    """And what is equal stands by name; turned round it is the other way."""
    found = sorted_products(PRODUCTS, Order(order))
    assert "".join(each["product_id"][0] for each in found) == names
    turned = sorted_products(PRODUCTS, Order(order), turned=True)
    assert "".join(each["product_id"][0] for each in turned) == other
    assert order in ORDERS.values()


@pytest.mark.parametrize("width", [30, 40, 56, 68, 84, 116, 200])
def test_a_terminal_may_be_narrow(width):
    """No line is longer; product, state, rate and gaps are always there."""
    lines = shown(seen(), width=width).splitlines()
    assert max(map(len, lines)) <= width
    row = next(line for line in lines if line.startswith("C-USD"))
    for words in ("live", "900.0"):
        assert words in row
    assert ("7.00" in row) == (width >= 56)
    assert ("101" in row) == (width >= 116)


@pytest.mark.parametrize(
    ("spread", "told"),
    [(0.0015, "0.0015"), (0.0001, "0.0001"), (0.0999, "0.1"), (0.1, "0.10"), (12.345, "12.35"),
     (0.0, "0.00")],
)  # fmt: skip
def test_a_small_spread_is_not_none(spread, told):
    assert f" {told} " in shown(seen([product("A-USD", spread_bps=spread, age_s=1.0)]), width=200)


def test_no_more_is_shown_than_fits():
    """From the product on that was scrolled to, as far as there are."""
    many = [product(f"P{number:02d}-USD") for number in range(50)]
    for first, begin in ((0, "P00"), (20, "P20"), (49, "P37")):
        text = shown(seen(many), height=20, first=first)
        assert len(text.splitlines()) <= 20
        assert f"\n{begin}-USD" in text
    assert "38 to 50 of 50" in text


def test_a_small_terminal_shows_a_product():
    """Where the lines about the recorder would fill it, each of them is cut."""
    text = shown(seen(data="/a/very/long/folder" * 12), width=40, height=12)
    assert len(text.splitlines()) <= 12
    assert "A-USD" in text


def test_what_comes_from_outside_steers_nothing():
    text = shown(seen([product("A\x1b[2J-USD")], data="/x\x1b]0;y\x07"))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_rates_are_of_all_channels():
    assert rate_of(PRODUCTS[1]) == 20
    assert rate_of(STALE) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0 s"), (0.00002, "20 µs"), (0.0033, "3.3 ms"), (12.5, "12.5 s"),
     (600, "10 min"), (10_000, "2.78 h"), (864_000, "10 d")],
)  # fmt: skip
def test_spans_have_their_own_unit(seconds, text):
    assert span(seconds) == text
