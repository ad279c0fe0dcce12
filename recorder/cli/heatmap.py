"""The map of coverage on a terminal: a line for each product and day, a cell for each hour.

Cells differ by their characters, so that nothing depends on colour, nor on a terminal.
"""

from typing import TYPE_CHECKING

from rich.text import Text

from recorder.cli import terminal

if TYPE_CHECKING:
    from datetime import date

    from recorder.dataset import CoverageMap, DayCondition, HourCoverage, ProductCoverage, Share

WHOLE, UNVERIFIED, MISSING, AHEAD = "█", "▒", "·", " "
_STYLES = {"recorded": "blue", "unverified": "cyan", "missing": "dim", "ahead": ""}
_FEW, _SOME, _MOST = "bold white on red", "black on yellow", "black on bright_yellow"
_PARTS = "▁▂▃▄▅▆▇"  # so much of an hour, where nothing was lost: nobody recorded before or after
CONDITION_STYLES = {
    "available": "blue",
    "degraded": "yellow",
    "missing": "bold red",
    "pending": "dim",
}
_WIDE = 104  # with two characters for an hour a line of a long name has as many


def show(found: "CoverageMap") -> None:
    """Print the map, with what its cells mean."""
    out = terminal.output()
    if not found.products:
        out.print("Nothing was recorded.")
        return
    width = 2 if out.width >= _WIDE else 1
    rows = terminal.table("product", "day", _axis(width), "", "#recorded")
    rows.columns[2].no_wrap = True
    for product in found.products:
        name = product.product_id
        if name is None:
            name = next((each for hour in product.hours for each in hour.channels), "")
        for first, (day, cells) in zip(
            [True, *[False] * len(product.hours)], _lines(product, width), strict=False
        ):
            condition = next((each for each in product.days if each.day == day), None)
            rows.add_row(
                terminal.plain(name) if first else "", f"{day}", cells, *_margin(condition)
            )
    out.print(rows)
    out.print(legend(width))
    days = [day for product in found.products for day in product.days]
    if any(day.condition in {"degraded", "missing"} for day in days):
        out.print("Why: `recorder coverage --days`; every gap: `recorder coverage --gaps`.")


def legend(width: int) -> Text:
    """Say what the cells mean, in their own colours."""
    part = "97" if width > 1 else "9"
    what = "so many percent recorded" if width > 1 else "so many tenths recorded"
    return Text("   ").join(
        [
            Text("hours in UTC:"),
            Text.assemble((WHOLE * width, _STYLES["recorded"]), " recorded"),
            Text.assemble((UNVERIFIED * width, _STYLES["unverified"]), " recorded, unverified"),
            Text.assemble((_PARTS[3] * width, _STYLES["recorded"]), " so much of it, nothing lost"),
            Text.assemble((part, _MOST), f" {what}, some lost"),
            Text.assemble((MISSING * width, _STYLES["missing"]), " nothing recorded"),
            Text("blank: not told of yet"),
        ]
    )


def cell(hour: "HourCoverage", width: int) -> Text:
    """Give an hour as its characters.

    Where something was lost, the percent that is recorded, rounded down, or the tenths where
    there is room for one character only. Where nothing was, a bar as high as what is recorded.
    """
    plain = {"recorded": WHOLE, "unverified": UNVERIFIED, "missing": MISSING, "ahead": AHEAD}
    if hour.state in plain:
        return Text(plain[hour.state] * width, _STYLES[hour.state])
    part = hour.share.part or 0.0
    if hour.state == "partly":
        bar = _PARTS[min(int(part * len(_PARTS)), len(_PARTS) - 1)]
        return Text(bar * width, _STYLES["recorded"])
    number = min(int(part * 10**width), 10**width - 1)
    style = _FEW if part < 0.5 else _SOME if part < 0.95 else _MOST
    return Text(f"{number:0{width}d}", style)


def _axis(width: int) -> str:
    """The hours above the cells: each sixth by its number."""
    return "".join(f"{hour:02d}".ljust(6 * width) for hour in range(0, 24, 6))


def _lines(product: "ProductCoverage", width: int) -> "list[tuple[date, Text]]":
    """The days of a product, each with the cells of its 24 hours."""
    days: dict[date, list[Text]] = {}
    for hour in product.hours:
        cells = days.setdefault(hour.start.date(), [Text(AHEAD * width) for _ in range(24)])
        cells[hour.start.hour] = cell(hour, width)
    return [(day, Text.assemble(*cells)) for day, cells in days.items()]


def _margin(day: "DayCondition | None") -> tuple[Text, str]:
    """What stands behind the cells: the condition of the day, and how much of it is recorded."""
    if day is None:
        return Text(""), ""
    share: Share = day.share
    return Text(day.condition, CONDITION_STYLES[day.condition]), share.percent
