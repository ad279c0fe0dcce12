"""What a range is like, as a picture of each product."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recorder import plots
from recorder.dataset import Description, Gap, ProductDescription
from recorder.dataset.describe import TableDescription, Trades
from recorder.dataset.spreads import Spread
from recorder.errors import UsageError
from recorder.plots import describe as drawing
from tests.plots.made import NOON, distribution, is_picture

LATE = distribution(0.5, 3.0, 40.0, 41.0)
TABLE = TableDescription(
    "level2", 10, {"update": 10}, 4, 50, distribution(0, 0, 3), LATE, LATE, 1.0, (1.0, None, 3.0)
)
TRADES = Trades(
    2, 3.0, 300.0, 100.0, 1.0, 0.0, 99.0, 101.0, 99.0, 101.0,
    distribution(1e-8, 2.0), distribution(1.0, 200.0),
)  # fmt: skip
WHOLE = ProductDescription(
    "BTC-USD",
    NOON,
    NOON + timedelta(seconds=50),
    (Gap("level2", "BTC-USD", 0, 1, "sequence_gap"),),
    (TABLE, replace(TABLE, table="trades", message_latency=distribution(-3.0, 2.0))),
    Spread(40.0, "0.01", distribution(1, 2), distribution(0.5, 0.7)),
    TRADES,
)
NOTHING = ProductDescription("ETH-USD", NOON, NOON + timedelta(seconds=50), (), (), None, None)


@pytest.mark.parametrize("kind", plots.KINDS)
def test_it_is_drawn(tmp_path, kind):
    """Of products with everything and with nothing."""
    plots.draw_description(Description((WHOLE, NOTHING)), tmp_path / "range", kind)
    assert is_picture(tmp_path / "range", kind)


def test_what_it_shows():
    """Rates, latencies, the spread and the sizes of trades; a gap is a hole in the line."""
    figure = drawing.figure_of(Description((WHOLE,)))
    activity, latency, spread, sizes = figure.axes
    assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes] == [
        "rows a second",
        "latency of messages, ms",
        "spread, basis points",
        "size of trades, BTC",
    ]
    rates = activity.lines[0].get_ydata()
    assert (rates[0], rates[2]) == (1, 3)
    assert rates[1] != rates[1]
    assert sizes.get_xscale() == "log"
    assert spread.get_xscale() == "linear"
    assert latency.get_xscale() == "symlog"  # a clock was ahead
    assert {line.get_linestyle() for line in latency.lines} == {"-", "--"}
    assert latency.lines[0].get_ydata()[-1] == 1


def test_a_title_names_the_gaps():
    """Nobody takes a picture of half the data for one of all of it."""
    assert drawing.title_of(WHOLE).endswith("UTC   1 gap")
    assert drawing.title_of(NOTHING).endswith("UTC   no gaps")
    assert "2026-11-21 00:00:00 to 2026-11-21 00:00:50" in drawing.title_of(WHOLE)


def test_too_many_products_are_refused(monkeypatch):
    """With what to do."""
    monkeypatch.setattr(drawing, "PRODUCTS_MAX", 1)
    with pytest.raises(UsageError, match="2 products in a picture, more than 1; name fewer"):
        drawing.figure_of(Description((WHOLE, NOTHING)))
