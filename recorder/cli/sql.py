"""The command `sql`: queries over a data directory, one or many, or at a prompt."""

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recorder.cli import terminal
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.errors import RecorderError, UsageError

if TYPE_CHECKING:
    from recorder.queries import Answer, Queries

Show = Callable[["Answer"], None]

ROWS_SHOWN = 100
PROMPT, GOING_ON = "sql> ", "...> "
HISTORY = ".recorder_sql_history"
_HISTORY_LINES = 2000
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL")
HELP = """\
Write SQL; a statement ends with a semicolon and may span lines.

    FROM book_at('BTC-USD', now()) WHERE level <= 5;
    SELECT product_id, count(*) FROM trades GROUP BY ALL;

.tables       the tables and the macros
.schema X     the columns of a table, or what a macro takes and gives
.help         this
.quit         leave, as Ctrl-D does"""


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
    the other tables with products, in_gap(product, channel, t), book_valid(product, t). Times are
    UTC where they name no zone.

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
    show = print_json if as_json else print_csv if as_csv else show_table
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


# --- the prompt ----------------------------------------------------------------------------------


class Prompt:
    """A loop of questions and answers, until the end of the input."""

    def __init__(
        self,
        queries: "Queries",
        show: Show,
        ask: Callable[[str], str] = input,
        history: Path | None = None,
    ) -> None:
        """``ask`` gives the next line; ``history`` is where lines are kept."""
        self._queries = queries
        self._show = show
        self._ask = ask
        self._history = Path.home() / HISTORY if history is None else history

    def run(self) -> None:
        """Ask until Ctrl-D or ``.quit``; a mistake is told, and the next question asked."""
        self._remember()
        print("SQL over what was recorded. .help for help, .quit to leave.")
        lines: list[str] = []
        while True:
            try:
                line = self._ask(GOING_ON if lines else PROMPT)
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print()
                lines = []
                continue
            if not lines and line.strip().startswith("."):
                if line.strip() in {".quit", ".exit"}:
                    return
                self._try(lambda line=line: self._command(line.split()))  # type: ignore[misc]
                continue
            lines.append(line)
            text = "\n".join(lines)
            if not text.strip():
                lines = []
            elif is_complete(text):
                lines = []
                self._try(lambda text=text: self._run(text))  # type: ignore[misc]

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except RecorderError as error:
            print(terminal.plain(str(error)), file=sys.stderr)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)

    def _run(self, text: str) -> None:
        for statement in self._queries.statements(text):
            self._show(self._queries.run(statement))

    def _command(self, words: list[str]) -> None:
        match words:
            case [".help"]:
                print(HELP)
            case [".tables"]:
                show_names(self._queries)
            case [".schema", name]:
                show_schema(self._queries, name)
            case [".schema"]:
                raise UsageError(".schema of what? Write .schema trades; .tables has the names.")
            case _:
                raise UsageError(f"{words[0]} is no command here; .help has them all.")

    def _remember(self) -> None:
        """Keep lines over sessions, and complete names, where the terminal can."""
        try:
            import atexit  # noqa: PLC0415  only at a prompt
            import readline  # noqa: PLC0415  not everywhere
        except ImportError:
            return
        with suppress(OSError):
            readline.read_history_file(self._history)
        readline.set_history_length(_HISTORY_LINES)
        names = names_of(self._queries)
        readline.set_completer(lambda text, at: _nth((n for n in names if n.startswith(text)), at))
        readline.parse_and_bind("tab: complete")
        atexit.register(_save_history, self._history)


def _nth(names: Iterable[str], place: int) -> str | None:
    return next(islice(names, place, None), None)


def _save_history(path: Path) -> None:
    import readline  # noqa: PLC0415  it is there: it has been used

    with suppress(OSError):
        path.touch(0o600)
        readline.write_history_file(path)


def is_complete(text: str) -> bool:
    """Whether a text ends with a semicolon that is in no string, quoted name or comment."""
    at, ended = 0, False
    closers = {"'": "'", '"': '"', "--": "\n", "/*": "*/", "$$": "$$"}
    while at < len(text):
        opener = next((each for each in closers if text.startswith(each, at)), None)
        if opener is None:
            ended = text[at] == ";" or (ended and text[at].isspace())
            at += 1
            continue
        close = text.find(closers[opener], at + len(opener))
        if close < 0:
            return ended and opener == "--"
        ended = ended and opener in {"--", "/*"}
        at = close + len(closers[opener])
    return ended


def names_of(queries: "Queries") -> list[str]:
    """The names of tables and macros."""
    from recorder.queries import TABLES  # noqa: PLC0415  heavy

    return sorted([*TABLES, *(each.name for each in queries.macros())])


def show_names(queries: "Queries") -> None:
    """Print the tables and the macros."""
    from recorder.queries import TABLES  # noqa: PLC0415  heavy

    shown = terminal.table("table", "what it holds")
    for name, meaning in TABLES.items():
        shown.add_row(name, meaning)
    terminal.output().print(shown)
    shown = terminal.table("macro", "what it gives")
    for each in queries.macros():
        shown.add_row(f"{each.name}({', '.join(each.parameters)})", each.meaning)
    terminal.show(shown)


def show_schema(queries: "Queries", name: str) -> None:
    """Print the columns of a table, or a macro's parameters and meaning."""
    macro = next((each for each in queries.macros() if each.name == name), None)
    out = terminal.output()
    if macro is not None:
        out.print(f"{macro.name}({', '.join(macro.parameters)}): {macro.meaning}")
        return
    shown = terminal.table("column", "type")
    for column, kind in queries.columns(name):
        shown.add_row(terminal.plain(column), kind)
    out.print(shown)


# --- answers -------------------------------------------------------------------------------------


def show_table(answer: "Answer") -> None:
    """Print the first rows as a table."""
    if not answer.columns:
        return
    shown = terminal.table(
        *(
            f"#{terminal.plain(name)}"
            if kind.startswith(_NUMBERS) or "INT" in kind
            else terminal.plain(name)
            for name, kind in answer.columns
        )
    )
    rows = list(islice(answer.rows, ROWS_SHOWN + 1))
    for row in rows[:ROWS_SHOWN]:
        shown.add_row(*(terminal.plain(cell(value)) for value in row))
    out = terminal.output()
    out.print(shown)
    if len(rows) > ROWS_SHOWN:
        out.print(f"The first {ROWS_SHOWN} rows; --csv or --json print all.")
    elif not rows:
        out.print("No rows.")


def print_json(answer: "Answer") -> None:
    """Print the rows as one JSON list of objects, a row a line."""
    if not answer.columns:
        return
    names = [name for name, _ in answer.columns]
    lines = (
        json.dumps({name: _to_json(value) for name, value in zip(names, row, strict=True)})
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
            for plain in map(_to_json, row)
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
            return json.dumps(_to_json(value))
    return str(value)


def _to_json(value: Any) -> Any:  # noqa: PLR0911
    """A value as JSON has it; what is no number is null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date() | time() | timedelta() | Decimal():
            return str(value)
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case dict():
            return {str(key): _to_json(each) for key, each in value.items()}
        case list() | tuple():
            return [_to_json(each) for each in value]
    return str(value)
