"""What a recording left behind, and the lines that read it."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from recorder.cli import terminal

if TYPE_CHECKING:
    from recorder.live import Summary

_SPECIAL_IN_QUOTES = frozenset('"$`!\\')
_TOLD_FIRST = ("level2", "trades", "ticker", "candles", "heartbeats", "status")
_ONE_FILE_AN_HOUR = frozenset(
    {"heartbeats", "status", "coverage", "faults", "audits", "user_orders"}
)


def show_recorded(summary: "Summary") -> None:
    """Print what was recorded, where the files are, and how to read them."""
    out = terminal.output()
    if not summary.frames:
        out.print(
            "Nothing was recorded: no frame arrived. Look at the network and at the url; "
            f"`{recorder_command()} demo` needs neither."
        )
        return
    out.print(counted(summary))
    terminal.show(terminal.count_table("Rows", "table", summary.rows))
    if summary.sealed:
        hours = ", ".join(terminal.hour_name(hour) for hour in summary.sealed)
        out.print(f"\nSealed {hours} UTC. The files are below {terminal.plain(summary.data)}/.")
    else:
        out.print(f"\nThe hour is open. Its files are below {terminal.plain(summary.data)}/live/.")
    table = next((name for name in _TOLD_FIRST if summary.rows.get(name)), "coverage")
    lines = reading_lines(summary.data, table, sealed=bool(summary.sealed))
    show_lines("Read them with:", lines)


def counted(summary: "Summary") -> str:
    """Give the one sentence about a recording."""
    return f"Recorded {summary.frames:,} frames: {summary.gaps} gaps, {summary.faults} faults."


def reading_lines(data: Path, table: str, *, sealed: bool) -> list[str]:
    """Give lines for a shell that read a data directory: a table with DuckDB, and with us."""
    source = files_of(data, table, sealed=sealed)
    sql = f"SELECT product_id, count(*) AS rows FROM {source} GROUP BY ALL ORDER BY ALL"  # noqa: S608  shown
    root = shlex.quote(str(data))
    ours = recorder_command()
    return [
        duckdb_line(sql),
        f"{ours} products --data {root}",
        f"{ours} coverage --data {root}",
    ]


def recorder_command() -> str:
    """Give what to type for us: the name, or the path we were called by where it is not found."""
    if shutil.which("recorder"):
        return "recorder"
    called = Path(sys.argv[0])
    if called.name != "recorder":
        return f"{_short(Path(sys.executable))} -m recorder"
    return _short(called)


def _short(path: Path) -> str:
    """Give a path as it is typed from here."""
    near = os.path.relpath(path)
    return shlex.quote(near if not near.startswith("..") else str(path))


def duckdb_line(sql: str) -> str:
    """Give the shell line that runs a query with DuckDB; in double quotes where they are safe."""
    flat = " ".join(sql.split())
    if not shutil.which("duckdb"):
        # The library comes with us, the program does not.
        code = f"import duckdb; print(duckdb.sql({flat!r}))"
        return f"{_short(Path(sys.executable))} -c {shlex.quote(code)}"
    quoted = shlex.quote(flat) if set(flat) & _SPECIAL_IN_QUOTES else f'"{flat}"'
    return f"duckdb -c {quoted}"


def show_lines(title: str, lines: list[str]) -> None:
    """Print lines to copy: never wrapped, and alone on their line."""
    out = terminal.output()
    out.print(f"\n{title}\n")
    for line in lines:
        out.print(f"  {terminal.plain(line)}", soft_wrap=True)


def files_of(data: Path, table: str, *, sealed: bool) -> str:
    """Give the SQL that names the Parquet files of a table: the sealed ones, or the open hour's."""
    if not sealed:
        place = data / "live" / table / "*.parquet"
    elif table in _ONE_FILE_AN_HOUR:
        place = data / table / "date=*" / "hour=*" / "*.parquet"
    else:
        place = data / table / "product=*" / "date=*" / "hour=*" / "*.parquet"
    return "read_parquet('{}')".format(str(place).replace("'", "''"))
