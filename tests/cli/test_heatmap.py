"""The map on a terminal is read without colours, without a terminal, and on a narrow one."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from recorder.cli import heatmap, terminal
from recorder.dataset import CoverageMap, HourCoverage, Share
from tests.plots.made import SHARES, coverage

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def hour(share: Share) -> HourCoverage:
    return HourCoverage(NOON, share.state, share, {})


def shown(monkeypatch: pytest.MonkeyPatch, width: int, *, colour: bool, found: CoverageMap) -> str:
    out = io.StringIO()
    system = "truecolor" if colour else None
    console = Console(
        file=out, width=width, force_terminal=colour, color_system=system, markup=False,
        highlight=False, emoji=False,
    )  # fmt: skip
    monkeypatch.setattr(terminal, "output", lambda: console)
    heatmap.show(found)
    return out.getvalue()


@pytest.mark.parametrize("width", [1, 2])
def test_every_state_has_characters_of_its_own(width):
    """Colour says nothing that the characters do not."""
    cells = [heatmap.cell(hour(share), width).plain for share in SHARES]
    assert [len(cell) for cell in cells] == [width] * len(SHARES)
    assert len(set(cells)) == len(cells)
    words = ["██", "▒▒", "99", "83", "01", "··", "  ", "▂▂"]
    assert [cell[:width] for cell in cells] == [word[:width] for word in words]


def test_a_cell_never_says_more_than_there_is():
    """What lost a moment is not whole, and what has a moment is not nothing."""
    assert heatmap.cell(hour(Share(3600, gaps=1)), 2).plain == "99"
    assert heatmap.cell(hour(Share(3599.999, 0, 0.001, gaps=1)), 1).plain == "9"
    assert heatmap.cell(hour(Share(1, 0, 3599, gaps=1)), 2).plain == "00"


def test_an_hour_that_was_recorded_in_part_is_no_loss():
    """Nobody recorded the rest of it: a bar as high as what there is, not the number of a loss."""
    bars = [heatmap.cell(hour(Share(part, 0, 0, 3600 - part)), 1).plain for part in (1, 1800, 3599)]
    assert bars == ["▁", "▄", "▇"]
    assert heatmap.cell(hour(Share(1800, 0, 1, 1799, gaps=1)), 2).plain == "50"


def test_a_line_for_each_day(monkeypatch):
    """The product's name before the first; hours, condition and share behind."""
    lines = shown(monkeypatch, 160, colour=False, found=coverage(2, 2)).splitlines()
    assert lines[0].split() == ["product", "day", "00", "06", "12", "18", "recorded"]
    assert lines[1].startswith("P0-USD")
    assert lines[1].split()[-3:] == ["available", "83.333", "%"]
    assert lines[2].startswith(" ")
    assert "2026-11-22" in lines[2]
    assert lines[3].startswith("P1-USD")
    assert lines[5].startswith("heartbeats")
    assert "██▒▒998301··  ▂▂██▒▒" in lines[1]
    assert "99" not in lines[5]


def test_a_narrow_terminal_has_one_character_an_hour(monkeypatch):
    """80 columns are enough."""
    lines = shown(monkeypatch, 80, colour=False, found=coverage(1, 1)).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "█▒980· ▂█▒980· ▂█▒980· ▂" in lines[1]
    assert "tenths" in " ".join(lines)


def test_colours_are_added_on_a_terminal(monkeypatch):
    """And nothing but colours."""
    with_colour = shown(monkeypatch, 160, colour=True, found=coverage(1, 1))
    assert "\x1b[" in with_colour
    without = shown(monkeypatch, 160, colour=False, found=coverage(1, 1))
    assert "\x1b" not in without


def test_names_from_outside_cannot_steer_the_terminal(monkeypatch):
    """A product's name is shown, whatever it is."""
    product = coverage(1, 1).products[0]
    evil = type(product)("\x1b[2J", product.hours, product.days)
    said = shown(monkeypatch, 160, colour=False, found=CoverageMap(NOON, NOON, (evil,)))
    assert "\\x1b[2J" in said
    assert "\x1b" not in said


def test_nothing_recorded(monkeypatch):
    """Says so."""
    said = shown(monkeypatch, 80, colour=False, found=CoverageMap(None, None, ()))
    assert said == "Nothing was recorded.\n"
