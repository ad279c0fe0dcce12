"""A figure, and the table of them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    ``beside`` is what it is compared with (a floor measured in the same run, or the design's
    figure) as (name, value in the same unit); ``design`` is what design section 10 says, in words.
    ``note`` says what was done for it; alike notes are printed once, below the table.
    """

    what: str
    value: float
    unit: str
    beside: tuple[str, float] | None = None
    design: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure as a multiple of what stands beside it."""
        return self.value / self.beside[1] if self.beside and self.beside[1] else None


def table(figures: Sequence[Figure]) -> str:
    """The figures as text, one a line."""
    rows = [("what", "figure", "floor or design figure", "ratio", "goal, design section 10")]
    notes = list(dict.fromkeys(each.note for each in figures if each.note))
    for each in figures:
        mark = f" [{notes.index(each.note) + 1}]" if each.note else ""
        beside = f"{each.beside[0]} {number(each.beside[1])}" if each.beside else ""
        ratio = f"{each.ratio:.2f}" if each.ratio is not None else ""
        figure = f"{number(each.value)} {each.unit}"
        rows.append((each.what + mark, figure, beside, ratio, each.design))
    widths = [max(len(row[index]) for row in rows) for index in range(5)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if index in (1, 3) else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    told = [f"[{number}] {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *told])


def share(values: Iterable[float], name: str) -> float:
    """The value that so many are not above: ``p50``, ``p99``, ``p99.9`` …, or ``max``."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    if name == "max":
        return ordered[-1]
    return ordered[min(len(ordered) - 1, int(len(ordered) * float(name[1:]) / 100))]


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def as_json(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """The figures as plain values."""
    return [{**asdict(each), "ratio": each.ratio} for each in figures]
