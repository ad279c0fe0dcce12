"""The map of coverage as a picture: a row for each product and day, a cell for each hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recorder.errors import UsageError
from recorder.plots import INK, PALE

if TYPE_CHECKING:
    from recorder.dataset import CoverageMap, DayCondition, HourCoverage, ProductCoverage

ROWS_MAX = 1_500
# Okabe and Ito's, but for what is missing: light, and hatched.
RECORDED, UNVERIFIED, MISSING, AHEAD = "#0072b2", "#8ec7e8", "#ececec", "#ffffff"
PARTLY = "#4d9ccb"  # hatched, too: nothing was lost, but nobody recorded for a part of the hour
HATCHES = {"missing": "#b0b0b0", "partly": "#ffffff"}
MISSED = ((1.0, "#f0e442"), (0.95, "#e69f00"), (0.5, "#d55e00"))  # of what part recorded, at most
CONDITIONS = {
    "available": RECORDED,
    "degraded": "#b35c00",
    "missing": "#222222",
    "pending": "#767676",
}
_ROW_IN, _EDGE_IN = 0.19, 1.25
_HOURS = 24


class Row(NamedTuple):
    """A day of a product; ``name`` stands only before its first."""

    name: str
    day: date
    hours: list[HourCoverage]
    condition: DayCondition | None


def figure_of(found: CoverageMap) -> Any:
    """The figure. Raises UsageError where it would be too large."""
    rows = [row for product in found.products for row in rows_of(product)]
    if len(rows) > ROWS_MAX:
        raise UsageError(
            f"that would be {len(rows):,} rows of a picture, more than {ROWS_MAX:,}; name fewer "
            "products with --product, or a shorter range with --from and --to"
        )
    figure_module = import_module("matplotlib.figure")
    height = _EDGE_IN + _ROW_IN * len(rows)
    figure = figure_module.Figure(figsize=(9.6, height))
    axes = figure.add_axes(
        (0.225, 0.62 / height, 0.575, _ROW_IN * len(rows) / height), label="coverage"
    )
    _cells(axes, rows)
    _labels(axes, rows)
    _legend(figure, height)
    title = f"Recorded from {found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M} UTC"
    figure.text(0.02, 1 - 0.22 / height, title, size=11, weight="bold", va="center")
    return figure


def rows_of(product: ProductCoverage) -> list[Row]:
    """The rows of a product, a day each."""
    days: dict[date, list[HourCoverage]] = {}
    for hour in product.hours:
        days.setdefault(hour.start.date(), []).append(hour)
    conditions = {each.day: each for each in product.days}
    names = [name_of(product), *([""] * len(days))]
    return [
        Row(name, day, hours, conditions.get(day))
        for name, (day, hours) in zip(names, days.items(), strict=False)
    ]


def colour_of(hour: HourCoverage) -> str:
    """The colour of an hour's cell."""
    match hour.state:
        case "recorded":
            return RECORDED
        case "unverified":
            return UNVERIFIED
        case "missing":
            return MISSING
        case "ahead":
            return AHEAD
        case "partly":
            return PARTLY
    part = hour.share.part or 0.0
    return min((each for each in MISSED if part <= each[0]), default=MISSED[0])[1]


def _cells(axes: Any, rows: Sequence[Row]) -> None:
    colours = import_module("matplotlib.colors")
    patches = import_module("matplotlib.patches")
    image = np.ones((len(rows), _HOURS, 3))
    hatched: dict[str, list[tuple[int, int]]] = {state: [] for state in HATCHES}
    for place, row in enumerate(rows):
        for hour in row.hours:
            image[place, hour.start.hour] = colours.to_rgb(colour_of(hour))
            if hour.state in HATCHES:
                hatched[hour.state].append((place, hour.start.hour))
    axes.imshow(
        image, aspect="auto", interpolation="nearest", extent=(0, _HOURS, len(rows), 0), zorder=1
    )
    for state, colour in HATCHES.items():
        for place, first, last in _runs(hatched[state]):
            axes.add_patch(
                patches.Rectangle(
                    (first, place), last - first, 1, fill=False, hatch="////", lw=0, ec=colour
                )
            )
    for edge in range(1, _HOURS):
        axes.axvline(edge, color="white", lw=1.4 if edge % 6 == 0 else 0.5, zorder=2)
    for place, row in enumerate(rows):
        axes.axhline(place, color=INK if row.name else "white", lw=0.6, zorder=3)


def _runs(cells: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Cells beside each other as one: (row, first hour, behind the last)."""
    runs: list[tuple[int, int, int]] = []
    for place, hour in sorted(cells):
        if runs and runs[-1][0] == place and runs[-1][2] == hour:
            runs[-1] = (place, runs[-1][1], hour + 1)
        else:
            runs.append((place, hour, hour + 1))
    return runs


def _labels(axes: Any, rows: Sequence[Row]) -> None:
    axes.set_xticks(range(0, _HOURS + 1, 3))
    axes.set_xticklabels([f"{hour:02d}" for hour in range(0, _HOURS + 1, 3)])
    axes.set_xlabel("hour of the day, UTC")
    axes.tick_params(length=0)
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    axes.axhline(len(rows), color=INK, lw=0.6, zorder=3)
    across = axes.get_yaxis_transform()
    for place, row in enumerate(rows):
        middle = place + 0.5
        axes.text(-0.365, middle, row.name, transform=across, va="center", weight="bold")
        axes.text(-0.015, middle, f"{row.day}", transform=across, va="center", ha="right", size=8)
        if row.condition is not None:
            word = row.condition.condition
            axes.text(1.015, middle, word, transform=across, va="center", color=CONDITIONS[word])
            axes.text(
                1.31, middle, row.condition.share.percent, transform=across, va="center",
                ha="right", size=8,
            )  # fmt: skip


def name_of(product: ProductCoverage) -> str:
    """A product's name, or that of its channel where it is none; cut to what there is room for."""
    name = product.product_id
    if name is None:
        name = next((each for hour in product.hours for each in hour.channels), "")
    return name if len(name) <= 16 else f"{name[:15]}…"


def _legend(figure: Any, height: float) -> None:
    patches = import_module("matplotlib.patches")
    entries = [
        patches.Patch(facecolor=RECORDED, label="recorded"),
        patches.Patch(facecolor=UNVERIFIED, label="recorded, unverified"),
        patches.Patch(
            facecolor=PARTLY, hatch="////", edgecolor=HATCHES["partly"], label="in part, no loss"
        ),
        patches.Patch(facecolor=MISSED[0][1], label="less than 5 % missing"),
        patches.Patch(facecolor=MISSED[1][1], label="up to half missing"),
        patches.Patch(facecolor=MISSED[2][1], label="more missing"),
        patches.Patch(
            facecolor=MISSING, hatch="////", edgecolor=HATCHES["missing"], label="nothing recorded"
        ),
        patches.Patch(facecolor=AHEAD, edgecolor=PALE, label="not told of yet"),
    ]
    figure.legend(
        handles=entries, loc="upper left", bbox_to_anchor=(0.015, 1 - 0.32 / height),
        ncols=len(entries), frameon=False, fontsize=8, handlelength=1.2, columnspacing=1.4,
        handletextpad=0.5,
    )  # fmt: skip
