"""Pictures become files of their kind; what hinders it is said."""

import sys

import pytest

from recorder import plots
from recorder.dataset import CoverageMap
from recorder.errors import NoInputError, StorageError, UsageError
from tests.plots.made import coverage, is_picture


@pytest.mark.parametrize("kind", plots.KINDS)
def test_a_picture_is_whole_and_the_same_twice(tmp_path, kind):
    """PNG and SVG; the same map gives the same bytes, whenever it is drawn."""
    found = coverage()
    for name in ("one", "other"):
        plots.draw_coverage(found, tmp_path / name, kind)
        assert is_picture(tmp_path / name, kind)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_it_needs_no_display(tmp_path, monkeypatch):
    """Nor any setting: no window is ever thought of."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    plots.draw_coverage(coverage(), tmp_path / "map.png", "png")
    assert "matplotlib.pyplot" not in sys.modules
    assert is_picture(tmp_path / "map.png", "png")


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    """The extra's name, and how to do without."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r'pip install "recorder\[plots\]"`, or leave out --png'):
        plots.draw_coverage(coverage(), tmp_path / "map.png", "png")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_drawn(tmp_path):
    """Nothing, another kind, a file that cannot be."""
    with pytest.raises(NoInputError, match="Nothing was recorded"):
        plots.draw_coverage(CoverageMap(None, None, ()), tmp_path / "map.png", "png")
    with pytest.raises(UsageError, match="'pdf' is no kind of picture; take png or svg"):
        plots.draw_coverage(coverage(), tmp_path / "map.pdf", "pdf")
    with pytest.raises(StorageError, match=r"map.png: cannot be written .* Name another file"):
        plots.draw_coverage(coverage(), tmp_path / "nowhere" / "map.png", "png")
