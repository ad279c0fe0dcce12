"""What a range is like, as pictures: rates through time, latencies, the spread, sizes of trades."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from recorder.errors import UsageError
from recorder.plots import INK, PALE

if TYPE_CHECKING:
    from recorder.dataset import Description, Distribution, ProductDescription

PRODUCTS_MAX = 40
# Okabe and Ito's; lines differ in their dashes, too.
LINES = (
    ("#0072b2", "solid"),
    ("#d55e00", "dashed"),
    ("#009e73", "dashdot"),
    ("#cc79a7", "dotted"),
)
_NOTHING = "nothing recorded"


def figure_of(found: Description) -> Any:
    """The figure. Raises UsageError where it would be too large."""
    count = len(found.products)
    if count > PRODUCTS_MAX:
        raise UsageError(
            f"that would be {count:,} products in a picture, more than {PRODUCTS_MAX}; name fewer"
        )
    figure_module = import_module("matplotlib.figure")
    figure = figure_module.Figure(figsize=(13.5, 0.3 + 3.3 * count), layout="constrained")
    every = figure.subfigures(count, 1, squeeze=False)[:, 0]
    for part, product in zip(every, found.products, strict=True):
        part.suptitle(title_of(product), x=0.005, ha="left", size=10.5, weight="bold")
        axes = part.subplots(1, 4, width_ratios=(1.5, 1, 1, 1))
        _activity(axes[0], product)
        _latency(axes[1], product)
        _spread(axes[2], product)
        _sizes(axes[3], product)
    return figure


def title_of(product: ProductDescription) -> str:
    """The product, its range, and its gaps."""
    count = len(product.gaps)
    gaps = "no gaps" if not count else f"{count:,} gap{'' if count == 1 else 's'}"
    span = f"{product.start:%Y-%m-%d %H:%M:%S} to {product.end:%Y-%m-%d %H:%M:%S} UTC"
    return f"{product.product_id}   {span}   {gaps}"


def _activity(axes: Any, product: ProductDescription) -> None:
    axes.set_title("rows a second")
    dates = import_module("matplotlib.dates")
    drawn = False
    for table, (colour, dashes) in zip(product.tables, LINES, strict=False):
        if not table.activity:
            continue
        step = timedelta(seconds=table.step_s)
        times = [product.start + at * step for at in range(len(table.activity))]
        # What lies in a gap is not drawn; a rate of nothing has no place on this axis.
        rates = [np.nan if rate is None else rate for rate in table.activity]
        axes.plot(times, rates, color=colour, linestyle=dashes, lw=1.1, label=table.table)
        drawn = True
    if not drawn:
        _empty(axes)
        return
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    _plain_numbers(axes.yaxis)
    locator = dates.AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz="UTC"))
    axes.set_xlabel("UTC")
    _finish(axes, axes.get_legend_handles_labels()[1])


def _latency(axes: Any, product: ProductDescription) -> None:
    axes.set_title("latency of messages, ms")
    mine = [
        (table.table, table.message_latency)
        for table in product.tables
        if table.message_latency is not None
    ]
    _curves(axes, mine, "part of the messages")


def _spread(axes: Any, product: ProductDescription) -> None:
    axes.set_title("spread, basis points")
    spread = product.spread
    _curves(axes, [] if spread is None else [("", spread.basis_points)], "part of the time")


def _sizes(axes: Any, product: ProductDescription) -> None:
    axes.set_title(f"size of trades, {product.product_id.partition('-')[0]}")
    trades = product.trades
    mine = [] if trades is None or trades.size is None else [("", trades.size)]
    _curves(axes, mine, "part of the trades")


def _curves(axes: Any, found: Sequence[tuple[str, Distribution]], what: str) -> None:
    """Which part of the amounts is at most so great."""
    if not found:
        _empty(axes)
        return
    positive = all(each.min > 0 for _, each in found)
    wide = positive and max(each.max for _, each in found) > 20 * min(each.min for _, each in found)
    for (name, each), (colour, dashes) in zip(found, LINES, strict=False):
        highs = [each.min, *(high for _, high, _ in each.histogram)]
        highs[-1] = each.max
        parts = np.cumsum([0.0, *(count for *_, count in each.histogram)]) / each.count
        axes.step(
            highs, parts, where="post", color=colour, linestyle=dashes, lw=1.3, label=name or None
        )
    for _, each in found[:1] if len(found) == 1 else ():
        axes.axvline(each.p50, color=INK, lw=0.8, linestyle="dotted")
        axes.annotate(
            f"median {each.p50:.4g}", (each.p50, 0.04), xytext=(4, 0), textcoords="offset points",
            size=8,
        )  # fmt: skip
    if wide:
        axes.set_xscale("log")
    elif not positive:
        axes.set_xscale("symlog", linthresh=1)
    else:
        axes.xaxis.set_major_locator(import_module("matplotlib.ticker").MaxNLocator(4))
    _plain_numbers(axes.xaxis)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(what)
    _finish(axes, [name for name, _ in found if name])


def _plain_numbers(axis: Any) -> None:
    """Numbers as people write them; those of powers would be set as formulas."""
    ticker = import_module("matplotlib.ticker")
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _place: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _empty(axes: Any) -> None:
    axes.text(0.5, 0.5, _NOTHING, transform=axes.transAxes, ha="center", color="#767676")
    axes.set_xticks([])
    axes.set_yticks([])


def _finish(axes: Any, names: Sequence[str]) -> None:
    axes.grid(color=PALE, lw=0.5)
    axes.set_axisbelow(True)
    if names:
        axes.legend(frameon=False, fontsize=8, handlelength=2.4)
