"""The spread of a range; its values are tested with the rest of a description."""

from decimal import Decimal

import pytest

import recorder
from recorder.dataset import spreads
from recorder.dataset.files import Files
from tests.dataset.scripted import Scripted, at


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("0.01", Decimal("0.01")),
        ("1", Decimal(1)),
        ("", None),
        (None, None),
        ("0", None),
        ("-1", None),
        ("NaN", None),
        ("x", None),
    ],
)
def test_what_is_a_step(text, step):
    """Rules come as text, and may say nothing."""
    assert spreads._step(text) == step


def test_the_newest_rules_say_the_increment(tmp_path, without_sync):
    """Of the hour of the range, or of one before or behind it."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    script.book(1, "snapshot", [("bid", "100", "1"), ("offer", "100.05", "1")])
    for second, step in ((2, "0.05"), (20, "0.01")):
        product = {"id": "BTC-USD", "product_type": "SPOT", "quote_increment": step}
        script.frame(second, "status", [{"type": "update", "products": [product]}])
    script.book(30, "update", [("bid", "100.01", "1")])
    script.publish()
    view = Files(tmp_path).now()
    found = spreads.spread_in(view, "BTC-USD", at(1), at(40))
    assert found.increment == "0.01"
    assert (found.increments.min, found.increments.max) == (4, 5)
    assert found.increments.unit == "increments"
    later = spreads.spread_in(view, "BTC-USD", at(40), at(3600 * 30))
    assert later is None or later.increment == "0.01"
    script.recording.capture.close()


def test_where_there_was_no_book(tmp_path, without_sync):
    """Trades alone have no spread."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    script.trades(1, "update", [(1, 1, "100", "1")])
    script.trades(2, "update", [(2, 2, "100", "1")])
    script.publish()
    (found,) = recorder.open(tmp_path).describe("BTC-USD").products
    assert found.spread is None
    assert found.trades.count == 2
    script.recording.capture.close()
