"""What both venues write alike."""

from types import SimpleNamespace

import pytest

from recorder.core.messages import Problem, Trade
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
    columns = {"price": "price", "low": "low_24h", "high": "high", "last": "last", "best": "b"}
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


def test_strange_subscriptions_are_said_once() -> None:
    """The first ten by name, cut; nothing where there are none."""
    assert fields.subscription_problems([]) == []
    (problem,) = fields.subscription_problems(["x" * 100] * 5000)
    assert problem.kind == "impossible_subscription"
    assert "5000 channels or products" in problem.detail
    assert len(problem.detail) < 1000
