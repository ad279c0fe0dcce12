"""What both venues write alike."""

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.messages import ASK, BID, Problem, Trade
from recorder.core.numbers import DIGITS_EXACT, NUMBER
from recorder.core.wire import advanced, exchange, fields
from tests.core.wire.hostile import BAD_NUMBERS, BAD_PRODUCTS


@pytest.mark.parametrize("product", BAD_PRODUCTS)
def test_what_is_no_product(product: str) -> None:
    """It names no folder, and a problem repeats at most its begin."""
    assert not fields.is_product(product)
    problem = fields.product_problem(product, "level2")
    assert (problem.kind, problem.channel, problem.product_id) == (
        "impossible_product", "level2", None
    )  # fmt: skip
    assert len(problem.detail) < 500


def test_both_venues_have_the_same_products() -> None:
    """Spot and futures ids."""
    assert advanced.is_product is exchange.is_product is fields.is_product
    for product in ("BTC-USD", "1INCH-USD", "BIP-20DEC30-CDE", "A-B-C-D"):
        assert fields.is_product(product)
        assert fields.is_product(product)  # known by now


def test_levels() -> None:
    """Prices and sizes in their order; none are none."""
    assert fields.levels(["2", "1.5"], ["0", "0.25"]) == ([2.0, 1.5], [0.0, 0.25], None, None)
    assert fields.levels([], []) == ([], [], None, None)
    long = "123456789.123456789012"
    assert fields.levels(["2"], [long]) == ([2.0], [float(long)], None, [long])
    assert fields.levels([long, "1"], ["1", "1"])[2:] == ([long, None], None)


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_levels_that_cannot_be(text: str) -> None:
    """One bad number makes a book of doubt of all."""
    for prices, sizes in ((["1", text], ["1", "1"]), (["1", "1"], ["1", text])):
        with pytest.raises(ValueError, match="not a plain decimal number"):
            fields.levels(prices, sizes)


@pytest.mark.parametrize("price", ["0", "0.000"])
def test_a_price_of_zero(price: str) -> None:
    """No level has it; a size may be 0."""
    with pytest.raises(ValueError, match="a price of 0"):
        fields.levels(["1", price], ["1", "1"])


def test_a_trade() -> None:
    """Taker's side is the inverse, texts are kept where a float does not hold them."""
    long = "123456789.123456789012"
    assert fields.trade("A-B", 7, "BUY", (1.5, 2.0), ("1.5", "2"), None) == Trade(
        "A-B", 7, "BUY", "SELL", 1.5, 2.0, None
    )
    assert fields.trade("A-B", 7, "?", (float(long), 2.0), (long, "2"), 5) == Trade(
        "A-B", 7, "?", None, float(long), 2.0, 5, long
    )


def test_microseconds() -> None:
    """Rounded down; no time stays none."""
    assert fields.microseconds(1_999) == 1
    assert fields.microseconds(None) is None


def test_the_numbers_of_a_ticker() -> None:
    """One that cannot be hurts no other; empty ones are not known."""
    long = "123456789.123456789012"
    wire = SimpleNamespace(product_id="A-B", price="1.5", low="NaN", high=None, last="", best=long)
    columns = fields.NumberColumns(
        {"price": "price", "low": "low_24h", "high": "high", "last": "last", "best": "b"}
    )
    problems: list[Problem] = []
    values, inexact = fields.ticker_numbers(wire, columns, "ticker", problems)
    assert values == {
        "price": 1.5, "low_24h": None, "high": None, "last": None, "b": float(long)
    }  # fmt: skip
    assert inexact == {"b": long}
    assert problems == [
        Problem("impossible_number", "low: not a plain decimal number: 'NaN'", "ticker", "A-B")
    ]
    problems.clear()
    wire.low = "1"
    wire.best = "-2"
    assert fields.ticker_numbers(wire, columns, "ticker", problems)[1] is None
    assert problems == []


ANY_NUMBER = (
    st.from_regex(NUMBER, fullmatch=True)
    | st.integers(-(10**17), 10**17).map(str)
    | st.sampled_from(["-0", "0", "-0.0", "", "NaN", "1,2", "\uff11", "1234567890123456.5"])
)


@given(st.lists(st.none() | ANY_NUMBER, min_size=3, max_size=3))
def test_numbers_of_a_ticker_that_are_converted_together(texts: list[str | None]) -> None:
    """Whatever is among them, all come to what each comes to alone, its sign included."""
    columns = fields.NumberColumns({"price": "price", "low": "low_24h", "best": "b"})
    wire = SimpleNamespace(product_id="A-B", **dict(zip(columns.columns, texts, strict=True)))
    problems: list[Problem] = []
    values, inexact = fields.ticker_numbers(wire, columns, "ticker", problems)
    alone: list[Problem] = []
    each_values, each_inexact = fields._ticker_numbers_one_by_one(
        wire, columns.columns, "ticker", alone
    )
    assert (repr(values), inexact, problems) == (repr(each_values), each_inexact, alone)


CHANGES = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["bid", "offer"]),
        "price_level": ANY_NUMBER,
        "new_quantity": ANY_NUMBER,
        "event_time": st.sampled_from(["2026-11-21T19:32:11.123456Z", "2026-11-21T19:32:12Z"]),
    }
)


@given(st.lists(CHANGES, max_size=4))
def test_changes_that_are_converted_together(changes: list[dict[str, str]]) -> None:
    """They come to what the longer way gives, and need no text; or to nothing."""
    found = fields.changes([SimpleNamespace(**each) for each in changes])
    prices = [each["price_level"] for each in changes]
    sizes = [each["new_quantity"] for each in changes]
    if found is None:
        assert not all(map(_is_plain, prices + sizes)) or any(float(each) == 0 for each in prices)
        return
    sides, *numbers, times = found
    assert fields.levels(prices, sizes) == (*numbers, None, None)
    assert sides == [BID if each["side"] == "bid" else ASK for each in changes]
    assert times == [each["event_time"] for each in changes]


def _is_plain(text: str) -> bool:
    """Whether a number is of at most 15 digits, and none that a price or size cannot be."""
    is_amount = re.fullmatch(NUMBER, text) is not None and not text.startswith("-")
    return is_amount and len(text.replace(".", "")) <= DIGITS_EXACT


def test_strange_subscriptions_are_said_once() -> None:
    """The first ten by name, cut; nothing where there are none."""
    assert fields.subscription_problems([]) == []
    (problem,) = fields.subscription_problems(["x" * 100] * 5000)
    assert problem.kind == "impossible_subscription"
    assert "5000 channels or products" in problem.detail
    assert len(problem.detail) < 1000
