"""The map as a picture: its cells, its colours, its words."""

import pytest

from recorder.errors import UsageError
from recorder.plots import coverage as drawing
from tests.plots.made import SHARES, coverage

COLOURS = (
    drawing.RECORDED,
    drawing.UNVERIFIED,
    "#f0e442",
    "#e69f00",
    "#d55e00",
    drawing.MISSING,
    drawing.AHEAD,
    drawing.PARTLY,
)


def lightness(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_each_state_has_its_colour():
    """And what is lost, by how much of it."""
    hours = coverage(1, 1).products[0].hours
    assert [drawing.colour_of(hour) for hour in hours[: len(SHARES)]] == list(COLOURS)
    assert len(set(COLOURS)) == len(COLOURS)


def test_what_is_whole_and_what_is_not_differ_without_colour():
    """Who sees no colours tells recorded from lost and from missing by their lightness."""
    recorded, missing = lightness(drawing.RECORDED), lightness(drawing.MISSING)
    for colour in ("#f0e442", "#e69f00", "#d55e00"):
        assert lightness(colour) - recorded > 0.05
        assert missing - lightness(colour) > 0.05
    assert missing - recorded > 0.4


def test_a_row_is_a_day_of_a_product():
    """With its name before the first, and its condition."""
    found = coverage(2, 3)
    rows = [row for product in found.products for row in drawing.rows_of(product)]
    assert [row.name for row in rows] == ["P0-USD", "", "", "P1-USD", "", "", "heartbeats"]
    assert [f"{row.day}" for row in rows[:3]] == ["2026-11-21", "2026-11-22", "2026-11-23"]
    assert [row.condition.condition for row in rows[:3]] == ["available", "degraded", "missing"]
    assert rows[-1].condition is None
    assert {len(row.hours) for row in rows} == {24}


def test_the_figure_says_what_it_shows():
    """Names, days, conditions, the unit of the axis, what the colours mean."""
    figure = drawing.figure_of(coverage(2, 3))
    (axes,) = figure.axes
    words = {text.get_text() for text in axes.texts} | {each.get_text() for each in figure.texts}
    assert {"P0-USD", "P1-USD", "heartbeats", "2026-11-22", "degraded", "83.333 %"} <= words
    assert "Recorded from 2026-11-21 00:00 to 2026-11-24 00:00 UTC" in words
    assert axes.get_xlabel() == "hour of the day, UTC"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"recorded", "recorded, unverified", "nothing recorded"} <= set(legend)
    image = axes.images[0].get_array()
    assert image.shape == (7, 24, 3)
    assert image[0, 0].tolist() == pytest.approx([0, 0x72 / 255, 0xB2 / 255])


def test_a_name_has_its_room():
    """A long one is cut."""
    product = coverage(1, 1).products[0]
    assert drawing.name_of(product) == "P0-USD"
    long = type(product)("P" * 60, product.hours, product.days)
    assert drawing.name_of(long) == "P" * 15 + "…"


def test_too_many_rows_are_refused(monkeypatch):
    """With what to do."""
    monkeypatch.setattr(drawing, "ROWS_MAX", 5)
    with pytest.raises(UsageError, match="7 rows of a picture, more than 5; name fewer products"):
        drawing.figure_of(coverage(2, 3))
