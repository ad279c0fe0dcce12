"""The prompt of `recorder sql`: a loop of questions and answers, until the end of the input."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from recorder.cli import terminal
from recorder.cli.answers import Show
from recorder.errors import RecorderError, UsageError

try:
    import readline
except ImportError:  # a Python without it: lines cannot be edited, and are not kept
    readline = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from recorder.queries import Queries

PROMPT, GOING_ON = "sql> ", "...> "
HISTORY = ".recorder_sql_history"
_HISTORY_LINES = 2000
HELP = """\
Write SQL; a statement ends with a semicolon and may span lines.

    FROM book_at('BTC-USD', now()) WHERE level <= 5;
    SELECT product_id, count(*) FROM trades GROUP BY ALL;

.tables       the tables and the macros
.schema X     the columns of a table, or what a macro takes and gives
.help         this
.quit         leave, as Ctrl-D does"""


class Prompt:
    """Asks, runs, shows; a mistake is told, and the next question asked."""

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
        """Ask until Ctrl-D or ``.quit``. Ctrl-C drops what is written, or stops what runs."""
        print("SQL over what was recorded. .help for help, .quit to leave.")
        with remembered(self._history, names_of(self._queries)):
            for text in self._texts():
                if text.split() in ([".quit"], [".exit"]):
                    return
                command = text.lstrip().startswith(".")
                self._try(partial(self._command if command else self._run, text))

    def _texts(self) -> Iterator[str]:
        """Commands, and statements that are whole."""
        lines: list[str] = []
        while True:
            try:
                lines.append(self._ask(GOING_ON if lines else PROMPT))
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print()
                lines = []
                continue
            text = "\n".join(lines)
            if not text.strip():
                lines = []
            elif (len(lines) == 1 and text.lstrip().startswith(".")) or is_complete(text):
                lines = []
                yield text

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

    def _command(self, text: str) -> None:
        match text.split():
            case [".help"]:
                print(HELP)
            case [".tables"]:
                show_names(self._queries)
            case [".schema", name]:
                show_schema(self._queries, name.rstrip(";"))
            case [".schema"]:
                raise UsageError(".schema of what? Write .schema trades; .tables has the names.")
            case words:
                raise UsageError(f"{words[0]} is no command here; .help has them all.")


@contextmanager
def remembered(history: Path, names: Iterable[str]) -> Iterator[None]:
    """Keep lines over sessions, and complete names, where the terminal can."""
    if readline is None:
        yield
        return
    with suppress(OSError):
        readline.read_history_file(history)
    readline.set_history_length(_HISTORY_LINES)
    known = list(names)
    readline.set_completer(lambda text, place: _nth(known, text, place))
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        with suppress(OSError):
            history.touch(0o600)
            readline.write_history_file(history)


def _nth(names: Iterable[str], begin: str, place: int) -> str | None:
    """The name at a place of those that begin so, as readline asks for them."""
    return next(islice((name for name in names if name.startswith(begin)), place, None), None)


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
    return sorted({*queries.tables, *(each.name for each in queries.macros())})


def show_names(queries: "Queries") -> None:
    """Print the tables and the macros."""
    shown = terminal.table("table", "what it holds")
    for name, meaning in queries.tables.items():
        shown.add_row(name, meaning)
    terminal.output().print(shown)
    shown = terminal.table("macro", "what it gives")
    for each in queries.macros():
        shown.add_row(f"{each.name}({', '.join(each.parameters)})", each.meaning)
    terminal.show(shown)


def show_schema(queries: "Queries", name: str) -> None:
    """Print the columns of a table, or a macro's parameters and meaning."""
    out = terminal.output()
    for macro in queries.macros():
        if macro.name == name:
            out.print(f"{macro.name}({', '.join(macro.parameters)}): {macro.meaning}")
            return
    shown = terminal.table("column", "type")
    for column, kind in queries.columns(name):
        shown.add_row(terminal.plain(column), kind)
    out.print(shown)
