"""What the commands show: consoles, amounts, progress bars, JSON, and lines to copy.

Everything shown may come from outside. Rich's markup is off, and `plain` takes out what could
steer the terminal.
"""

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")  # stands in strings only; some of it steers terminals
_NUMBERS = msgspec.json.Encoder(decimal_format="number")
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def output() -> Console:
    """Give the console for results: stdout, wide enough for its lines when it is not a terminal."""
    return _console(stderr=False)


def messages() -> Console:
    """Give the console for what is said on the side: stderr."""
    return _console(stderr=True)


def on_terminal() -> bool:
    """Whether somebody sits in front of it: stderr, where status and progress are shown."""
    return sys.stderr.isatty()


def plain(text: object) -> str:
    """Give text that cannot steer the terminal."""
    from recorder.logs import escape  # noqa: PLC0415  structlog is slow to import

    return escape(str(text))


def plain_lines(text: str) -> str:
    """Give text of several lines that cannot steer the terminal."""
    return "\n".join(plain(line) for line in text.split("\n"))


def table(*columns: str, title: str | None = None) -> Table:
    """Make a table; a column whose name starts with ``#`` holds amounts, and is aligned right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        right = column.startswith("#")
        made.add_column(
            column.removeprefix("#"), justify="right" if right else "left", no_wrap=right
        )
    return made


def count_table(title: str, name: str, counts: Mapping[str, int]) -> Table:
    """Make a table of names and their numbers."""
    made = table(name, "#count", title=title)
    for what, number in counts.items():
        made.add_row(plain(what), f"{number:,}")
    return made


def show(made: Table) -> None:
    """Print a table that is one of several: with a line before it."""
    out = output()
    out.print()
    out.print(made)


def amount(size: float) -> str:
    """Give a number of bytes for reading: ``12.3 MB``."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == _UNITS[0] else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


def clock(seconds: float) -> str:
    """Give a duration for reading: ``59:59`` or ``1:00:00``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def moment(time: datetime | None) -> str:
    """Give a time for reading, in UTC to the millisecond."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03d}"


def hour_name(hour: str) -> str:
    """Give ``2026112119`` as ``2026-11-21 19h``."""
    return f"{hour[:4]}-{hour[4:6]}-{hour[6:8]} {hour[8:]}h" if len(hour) == 10 else plain(hour)


def print_json(value: Any) -> None:
    """Print one JSON document; indented for a person, on one line for a program."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(value, default=_to_json, indent=indent, allow_nan=False))


def print_answer(value: Any) -> None:
    """Print JSON of others, as `print_json` does, with its Decimals digit for digit."""
    text = _NUMBERS.encode(value)
    if sys.stdout.isatty():
        text = msgspec.json.format(text)
    print(_BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text.decode()))


@contextmanager
def progress(what: str, unit: str = "") -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar while work is done; gives what to call with (done, total).

    Gives None where nobody watches, so that the work need not report.
    """
    if not on_terminal():
        yield None
        return
    from rich import progress as bars  # noqa: PLC0415  only where it is shown

    columns: list[bars.ProgressColumn] = [
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.TimeRemainingColumn(),
    ]
    if unit == "bytes":
        columns += [bars.DownloadColumn(), bars.TransferSpeedColumn()]
    with bars.Progress(*columns, console=messages(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 160
    return Console(
        stderr=stderr, markup=False, highlight=False, emoji=False, width=width, soft_wrap=False
    )


def _to_json(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | Path):
        return str(value)
    raise TypeError(type(value))
