"""What is printed of figures: shares, ratios, the table."""

import json
import math

from tests.bench.figures import Figure, as_json, number, share, table


def test_a_share_is_a_value_that_was_measured() -> None:
    """So many of them are not above it; the highest is the last of all shares."""
    values = [float(value) for value in range(1, 1001)][::-1]
    assert [share(values, name) for name in ("p50", "p99", "p99.9", "p100", "max")] == [
        *(501.0, 991.0, 1000.0, 1000.0, 1000.0)
    ]
    assert share([3.0], "p50") == share([3.0], "max") == 3.0


def test_of_nothing_there_is_no_share() -> None:
    """It is said, and no error in the middle of a long run."""
    assert math.isnan(share([], "p99"))
    assert math.isnan(share(iter(()), "max"))


def test_a_ratio_is_to_what_stands_beside() -> None:
    """None where nothing does, or where it is nothing."""
    assert Figure("a", 3.0, "us", ("goal", 2.0)).ratio == 1.5
    assert Figure("a", 3.0, "us").ratio is None
    assert Figure("a", 3.0, "us", ("goal", 0.0)).ratio is None


def test_numbers_have_three_digits_and_thousands_apart() -> None:
    """Small ones, too."""
    assert [number(each) for each in (0.01234, 1.0, 999.4, 1000.0, 1234567.8)] == [
        *("0.0123", "1", "999", "1,000", "1,234,568")
    ]


def test_the_table_has_a_line_a_figure_and_each_note_once() -> None:
    """In their order, the notes below."""
    figures = [
        Figure("first", 2.0, "us", ("goal", 4.0), "goal <= 4", "so it was done"),
        Figure("second", 1500.0, "MB", note="otherwise"),
        Figure("third", 1.0, "us", note="so it was done"),
    ]
    lines = table(figures).splitlines()
    assert len(lines) == 2 + 3 + 2
    assert lines[2].split() == ["first", "[1]", "2", "us", "goal", "4", "0.50", "goal", "<=", "4"]
    assert lines[3].split() == ["second", "[2]", "1,500", "MB"]
    assert lines[4].split() == ["third", "[1]", "1", "us"]
    assert lines[5:] == ["[1] so it was done", "[2] otherwise"]


def test_figures_are_kept_with_their_ratio() -> None:
    """As plain values, which JSON takes."""
    (kept,) = as_json([Figure("a", 3.0, "us", ("goal", 2.0))])
    assert json.loads(json.dumps(kept))["ratio"] == 1.5
    assert kept["what"] == "a"
