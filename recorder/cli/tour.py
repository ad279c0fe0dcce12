"""The tour at the end of a demo: what was written, and how to read it."""

import shlex
from datetime import timedelta
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from typing import Any

from recorder.cli import coverage, look, terminal
from recorder.cli.summary import duckdb_line, files_of, recorder_command, show_lines

LADDER_LEVELS = 8
_ROWS_MAX = 12


def queries(root: Path) -> tuple[tuple[str, str], ...]:
    """Give the queries that are shown: what each asks, and its SQL."""
    level2, trades, ticker = (
        files_of(root, table, sealed=True) for table in ("level2", "trades", "ticker")
    )
    levels = f"""
        SELECT product_id, kind, side, count(*) AS levels, count(*) FILTER (size = 0) AS removed
        FROM {level2}
        GROUP BY ALL ORDER BY ALL"""  # noqa: S608  the paths are our own, and quoted
    candles = f"""
        SELECT product_id, time_bucket(INTERVAL 5 seconds, trade_time) AS time,
               arg_min(price, trade_id) AS open, max(price) AS high, min(price) AS low,
               arg_max(price, trade_id) AS close, round(sum(size), 6) AS volume
        FROM {trades}
        WHERE kind = 'update' GROUP BY ALL ORDER BY ALL"""  # noqa: S608  the paths are our own, and quoted
    spread = f"""
        SELECT product_id, count(*) AS ticks, round(avg(best_ask - best_bid), 4) AS spread,
               round(avg((best_ask - best_bid) / best_bid) * 10000, 3) AS basis_points
        FROM {ticker}
        GROUP BY ALL ORDER BY ALL"""  # noqa: S608  the paths are our own, and quoted
    return (
        ("How much of the book came as snapshots, how much as changes?", cleandoc(levels)),
        ("Open, high, low and close of the trades, every 5 seconds", cleandoc(candles)),
        ("How wide is the spread, by the ticker?", cleandoc(spread)),
    )


def show(root: Path, product: str) -> None:
    """Print the tour of a sealed data directory."""
    from recorder import dataset  # noqa: PLC0415  heavy

    out = terminal.output()
    out.rule("Files", align="left")
    out.print(_files(root))
    db = dataset.open_dataset(root)
    out.print()
    out.rule("The order book at the end", align="left")
    # As it was just before the last row: after it nobody knows, and the book would say so.
    last = next(one.last for one in db.products() if one.product_id == product)
    before = last - timedelta(milliseconds=1)
    look.show_book(db.book(product, at=before, depth=LADDER_LEVELS))
    out.print()
    out.rule("What is covered", align="left")
    rows = db.coverage().to_pylist()
    coverage.show_shares(rows)
    gaps = sum(row["state"] == "gap" for row in rows)
    if gaps:
        out.print(
            f"\n{gaps} stretches are not covered: `recorder coverage --gaps` has the reasons."
        )
    out.print()
    out.rule("DuckDB on these files", align="left")
    for question, sql in queries(root):
        out.print(f"\n{question}", style="bold")
        out.print(indent(terminal.plain_lines(sql), "  "), style="cyan", soft_wrap=True)
        columns, found = _ask(sql)
        out.print(_answer(columns, found))
    place, ours = shlex.quote(str(root)), recorder_command()
    show_lines(
        "Go on by yourself:",
        [
            f"{ours} book {product} --data {place} --depth 20",
            f"{ours} coverage --data {place} --gaps",
            duckdb_line(queries(root)[1][1]),
            f"{ours} run        # the real Coinbase, into ./data",
        ],
    )


def _files(root: Path) -> Any:
    shown = terminal.table("table", "#files", "#rows", "#size", "for example")
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = sorted(folder.rglob("*.parquet")) if folder.name != "live" else []
        if files:
            source = files_of(root, folder.name, sealed=True)
            rows = _ask(f"SELECT count(*) FROM {source}")[1][0][0]  # noqa: S608  quoted
            size = terminal.amount(sum(file.stat().st_size for file in files))
            example = terminal.plain(files[0].relative_to(root))
            shown.add_row(folder.name, f"{len(files):,}", f"{rows:,}", size, example)
    return shown


def _ask(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    import duckdb  # noqa: PLC0415  heavy

    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        result = database.execute(sql)
        return [column[0] for column in result.description or ()], result.fetchall()


def _answer(columns: list[str], rows: list[tuple[Any, ...]]) -> Any:
    numbers = [
        all(isinstance(row[position], int | float) for row in rows)
        for position in range(len(columns))
    ]
    answer = terminal.table(
        *(f"#{name}" if number else name for name, number in zip(columns, numbers, strict=True))
    )
    for row in rows[:_ROWS_MAX]:
        answer.add_row(*(_cell(value) for value in row))
    if len(rows) > _ROWS_MAX:
        answer.add_row(f"… {len(rows) - _ROWS_MAX} more")
    return answer


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if hasattr(value, "microsecond"):
        return f"{value:%H:%M:%S}"
    return terminal.plain(value)
