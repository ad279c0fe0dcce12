"""How the answer to a query is printed: as a table, as JSON, as CSV."""

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import singledispatch
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from recorder.cli import terminal

if TYPE_CHECKING:
    from recorder.queries import Answer

Show = Callable[["Answer"], None]

ROWS_SHOWN = 100
_BETWEEN = 2  # characters between columns
_FOLDED = 40  # of a text: longer ones go on in the next line


def show_table(answer: "Answer") -> None:
    """Print the first rows as a table; a plan, which is a drawing, as it is.

    On a terminal those columns are shown that have room, and the others named. Elsewhere lines are
    as long as they must be.
    """
    if not answer.columns:
        return
    if [name for name, _ in answer.columns] == ["explain_key", "explain_value"]:
        for _, plan in answer.rows:
            print(terminal.plain_lines(plan))
        return
    rows = list(islice(answer.rows, ROWS_SHOWN + 1))
    cells = [[terminal.plain(cell(value)) for value in row] for row in rows[:ROWS_SHOWN]]
    out = terminal.output()
    widths = [
        max(map(cell_len, (terminal.plain(name), *(row[at] for row in cells))))
        for at, (name, _) in enumerate(answer.columns)
    ]
    count = len(widths)
    if out.is_terminal:
        count = _fitting(widths, out.width)
    else:
        out.width = max(out.width, sum(widths) + _BETWEEN * count)
    shown = terminal.table(*(_header(name, kind) for name, kind in answer.columns[:count]))
    for row in cells:
        shown.add_row(*row[:count])
    out.print(shown)
    if count < len(widths):
        hidden = ", ".join(terminal.plain(name) for name, _ in answer.columns[count:])
        out.print(f"No room for {hidden}. Select what you want to see; --csv and --json have all.")
    if len(rows) > ROWS_SHOWN:
        out.print(f"The first {ROWS_SHOWN} rows; --csv or --json print all.")
    elif not rows:
        out.print("No rows.")


def _fitting(widths: Sequence[int], room: int) -> int:
    """How many columns have room beside each other, the first at least; long texts are folded."""
    count, taken = 0, -_BETWEEN
    for width in widths:
        taken += _BETWEEN + min(width, _FOLDED)
        if taken > room and count:
            break
        count += 1
    return count


def _header(name: str, kind: str) -> str:
    """A column's header; amounts stand on the right, lists of them do not."""
    floats = kind.startswith(("DOUBLE", "FLOAT", "DECIMAL")) and not kind.endswith("]")
    mark = "#" if floats or kind.endswith(("INT", "INTEGER")) else ""
    return mark + terminal.plain(name)


def print_json(answer: "Answer") -> None:
    """Print the rows as one JSON list of objects, a row a line."""
    if not answer.columns:
        return
    names = [name for name, _ in answer.columns]
    lines = (
        json.dumps({name: as_json(value) for name, value in zip(names, row, strict=True)})
        for row in answer.rows
    )
    print("[" + next(lines, ""), end="")
    for line in lines:
        print(",\n " + line, end="")
    print("]")


def print_csv(answer: "Answer") -> None:
    """Print the rows as CSV with a header; null is nothing."""
    if not answer.columns:
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([name for name, _ in answer.columns])
    writer.writerows(_csv_rows(answer.rows))


def _csv_rows(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[object]]:
    for row in rows:
        yield [
            json.dumps(plain) if isinstance(plain, list | dict) else "" if plain is None else plain
            for plain in map(as_json, row)
        ]


def cell(value: Any) -> str:
    """A value for reading: numbers without an exponent, times in UTC without a zone."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if math.isfinite(value):
            return f"{Decimal(repr(value)):f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}" + (f".{value:%f}" if value.microsecond else "")
        case list() | dict() | tuple():
            return json.dumps(as_json(value))
    return str(value)


@singledispatch
def as_json(value: Any) -> Any:
    """A value as JSON has it; what is no number is null."""
    return str(value)


@as_json.register
def _(value: int | str | None) -> int | str | None:
    return value


@as_json.register
def _(value: float) -> float | None:
    return value if math.isfinite(value) else None


@as_json.register
def _(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


@as_json.register
def _(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


@as_json.register
def _(value: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    return {str(key): as_json(each) for key, each in value.items()}


@as_json.register
def _(value: list | tuple) -> list[Any]:  # type: ignore[type-arg]
    return [as_json(each) for each in value]
