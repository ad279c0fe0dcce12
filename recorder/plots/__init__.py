"""Pictures of what was recorded, as PNG or SVG, made without a display. Needs matplotlib.

Dark on light, in colours that are told apart by whoever sees fewer of them, with hours in UTC.
"""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recorder.errors import NoInputError, StorageError, UsageError

if TYPE_CHECKING:
    from recorder.dataset import CoverageMap, Description

KINDS = ("png", "svg")
DPI = 144
INK, PALE = "#222222", "#d9d9d9"
_STYLE = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "recorder",
    "text.parse_math": False,
}


def draw_coverage(found: CoverageMap, path: Path, kind: str) -> None:
    """Draw the map of coverage into a file.

    Raises:
        NoInputError: there is nothing to draw.
        StorageError: the file cannot be written.
        UsageError: matplotlib is not installed, or the map is too large for one picture.
    """
    from recorder.plots.coverage import figure_of  # noqa: PLC0415  they take names from here

    if not found.products:
        raise NoInputError("Nothing was recorded that could be drawn.")
    _write(figure_of, found, path, kind)


def draw_description(found: Description, path: Path, kind: str) -> None:
    """Draw what a range is like into a file: a line of pictures for each product.

    Raises:
        StorageError: the file cannot be written.
        UsageError: matplotlib is not installed, or there are too many products for one picture.
    """
    from recorder.plots.describe import figure_of  # noqa: PLC0415  they take names from here

    _write(figure_of, found, path, kind)


def library() -> Any:
    """Give matplotlib. Raises UsageError, which says what to install, where it is not."""
    try:
        return import_module("matplotlib")
    except ImportError as error:
        raise UsageError(
            f"pictures need matplotlib, which is not here ({error}). Install it with `pip install "
            '"recorder[plots]"`, or leave out --png and --svg'
        ) from error


def _write(make: Any, found: Any, path: Path, kind: str) -> None:
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of picture; take {' or '.join(KINDS)}")
    matplotlib = library()
    # A figure by itself knows no display and no state of pyplot.
    with matplotlib.rc_context(_STYLE):
        figure = make(found)
        canvas = import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
        drawn = BytesIO()
        # Without the time of drawing: the same data gives the same file.
        nameless = {"Date": None} if kind == "svg" else {"Software": None}
        canvas.figure.savefig(drawn, format=kind, dpi=DPI, metadata=nameless)
    try:
        path.write_bytes(drawn.getvalue())
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror or error}). Name another file."
        ) from error
