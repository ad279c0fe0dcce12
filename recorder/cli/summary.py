"""What a recording left behind, and the lines that read it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from recorder.cli import terminal

if TYPE_CHECKING:
    from recorder.live import Summary

_SPECIAL_IN_QUOTES = frozenset('"$`!\\')
_ONE_FILE_AN_HOUR = frozenset({"heartbeats", "status", "coverage", "faults"})


def show_recorded(summary: "Summary") -> None:
    """Print what was recorded, where the files are, and how to read them."""
    out = terminal.output()
    if not summary.frames:
        out.print("Nothing was recorded: no frame arrived.")
        return
    out.print(counted(summary))
    terminal.show(terminal.count_table("Rows", "table", summary.rows))
    if summary.sealed:
        hours = ", ".join(terminal.hour_name(hour) for hour in summary.sealed)
        out.print(f"\nSealed {hours} UTC. The files are below {terminal.plain(summary.data)}/.")
    else:
        out.print(f"\nThe hour is open. Its files are below {terminal.plain(summary.data)}/live/.")
    show_lines("Read them with:", reading_lines(summary.data, sealed=bool(summary.sealed)))


def counted(summary: "Summary") -> str:
    """Give the one sentence about a recording."""
    return f"Recorded {summary.frames:,} frames: {summary.gaps} gaps, {summary.faults} faults."


def reading_lines(data: Path, *, sealed: bool) -> list[str]:
    """Give lines for a shell that read a data directory: with DuckDB, and with us."""
    source = files_of(data, "level2", sealed=sealed)
    sql = (
        "SELECT product_id, kind, side, count(*) AS changes, max(recv_time) AS last "  # noqa: S608  shown
        f"FROM {source} GROUP BY ALL ORDER BY ALL"
    )
    root = shlex.quote(str(data))
    return [
        duckdb_line(sql),
        f"recorder products --data {root}",
        f"recorder coverage --data {root}",
    ]


def duckdb_line(sql: str) -> str:
    """Give the shell line that runs a query with DuckDB; in double quotes where they are safe."""
    flat = " ".join(sql.split())
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
