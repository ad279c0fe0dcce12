"""The command `sql`: queries over a data directory, one or many, or at a prompt."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from recorder.cli.answers import Show, print_csv, print_json, show_table
from recorder.cli.prompt import Prompt
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.errors import UsageError


def sql(
    query: Annotated[
        str | None, typer.Argument(help="SQL. Default: from stdin, or at a prompt.")
    ] = None,
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, every row.")] = False,
) -> None:
    """Ask a data directory in SQL: DuckDB, with a table for everything recorded.

    Tables: level2, trades, ticker, candles, heartbeats, status, coverage, faults, audits and
    user_orders, sealed hours and the open one as one. Macros open only the files that they need:
    book_at(product, t), depth_at(product, t, n), top_of_book(product, from, to), spread(product,
    from, to), ohlcv(product, interval, from, to), trades_of(product, from, to) and the same for
    the other tables with products, coverage_of(product, from, to), in_gap(product, channel, t),
    book_valid(product, t). Times are UTC where they name no zone. docs/reading.md has an example of
    each.

    It may be recorded meanwhile. Nothing is written; a table shows the first 100 rows, --csv and
    --json print all. Without a query a prompt opens; statements are read from stdin where that is
    no terminal. `duckdb -init data/recorder.sql` has the same in DuckDB's own shell.

    Examples:
        recorder sql "FROM depth_at('BTC-USD', now(), 10)"
        recorder sql "FROM ohlcv('BTC-USD', '1m', '2026-11-21', '2026-11-22')" --csv > bars.csv
        recorder sql "SELECT product_id, max(recv_time) FROM trades GROUP BY ALL" --json
        recorder sql "SELECT count(*) FROM trades WHERE in_gap(product_id, 'trades', recv_time)"
        recorder sql --data data < queries.sql
        recorder sql                                  a prompt; .help there
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv are two ways to print; choose one")
    show: Show = print_json if as_json else print_csv if as_csv else show_table
    from recorder.queries import Queries  # noqa: PLC0415  heavy

    with Queries(data) as queries:
        if query is None and sys.stdin.isatty():
            Prompt(queries, show).run()
            return
        text = sys.stdin.read() if query is None else query
        statements = queries.statements(text)
        if not statements:
            raise UsageError('nothing is asked; write such as recorder sql "FROM trades LIMIT 5"')
        for statement in statements:
            show(queries.run(statement))
