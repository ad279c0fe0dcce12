"""SQL over a data directory: DuckDB in memory, with the views and macros of `recorder.sql`.

The views are made for the directory as it is now, wherever it lies and whatever its `recorder.sql`
says. Statements that could write a file are refused.
"""

import errno
import glob
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb

from recorder.errors import DataError, NoInputError, RecorderError, UsageError
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.views import EMPTY, MEANINGS, quoted, refuse_unread, views

ROWS_AT_ONCE = 1000
_TRIES = 3
_LOOK_S = 0.2
_INTERRUPT_AGAIN_S = 0.1
_T = TypeVar("_T")
# What can be done in memory alone. PREPARE is not: it could hold anything.
_ALLOWED = {
    *("SELECT", "EXPLAIN", "SET", "VARIABLE_SET", "PRAGMA", "CALL", "MULTI", "RELATION"),
    *("CREATE", "CREATE_FUNC", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE", "MERGE_INTO"),
}
_WITHOUT_ROWS = {"SET", "VARIABLE_SET", "CREATE", "CREATE_FUNC", "DROP", "ALTER"}
_NO_ROWS = "the last statement gives no rows; end with what is asked"
_explained = re.compile(
    r"\s*EXPLAIN\b\s*(?:ANALYZE\b\s*)?(?:\([^)]*\)\s*)?(.*)", re.IGNORECASE | re.DOTALL
).match
_outside = re.compile(
    r"\s*(?:IMPORT\b|CREATE\b.*\bSECRET\b"
    r"|(?:SET|PRAGMA|CALL)\b.*(?:log_query_path|profil\w+_output|logging|_director))",
    re.IGNORECASE | re.DOTALL,
).match
_of_a_file = re.compile(r"\.parquet\b|Parquet|is not readable: run recorder").search
_of_a_macro = re.compile(r"^Invalid Input Error: (?=\w+\(\): )").match  # what ours refuse
_gone = re.compile(r"Cannot open file|No files found that match").search
_file_in = re.compile(r'"([^"\n]+)"').search
_macro = re.compile(
    r"^CREATE OR REPLACE MACRO (?!recorder_)(\w+)(\(.*?\) AS\b.*?);$", re.MULTILINE | re.DOTALL
).finditer
_taken = re.compile(r"^\((.*?)\) AS\b", re.MULTILINE).finditer  # by each form of a macro
_comment = re.compile(r"-- ?(.*)").fullmatch


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave: columns as (name, type), and the rows as they come."""

    columns: list[tuple[str, str]]
    rows: Iterator[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro of `recorder.sql`: its name, its parameters, what it gives."""

    name: str
    parameters: tuple[str, ...]
    meaning: str


class Queries:
    """A session over a data directory. Close it, or use it in a ``with``."""

    tables = MEANINGS  # name → what it holds

    def __init__(self, path: Path) -> None:
        """Raises NoInputError where there is no such directory, DataError where it is damaged."""
        if str(path).startswith("s3:/"):
            raise UsageError(
                f"s3://{str(path)[4:].lstrip('/')}: SQL reads data directories only: DuckDB needs "
                "an extension for objects. Copy what you ask of into a directory, or read it in "
                'Python: recorder.open("s3://…").trades(…).to_duckdb() is a relation.'
            )
        if not path.is_dir():
            raise NoInputError(
                f"{path}: no such directory. Name one that `recorder run`, `import` or `demo` has "
                "written."
            )
        self._root = Root(path)
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._text = ""
        self._con = duckdb.connect()
        self._thread = ThreadPoolExecutor(1, "query")
        self._renew()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything; answers that have not been read to their end are gone."""
        self._thread.shutdown()
        self._con.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def statements(self, text: str) -> list[str]:
        """The statements of a text, in their order.

        Raises UsageError where it is no SQL.
        """
        if any("\ud800" <= each <= "\udfff" for each in text):
            raise UsageError("the query is no text in UTF-8: it has bytes that are no characters")
        try:
            return [each.query for each in self._con.extract_statements(text)]
        except duckdb.Error as error:
            raise UsageError(_told(error)) from error

    def run(self, statement: str) -> Answer:
        """Run one statement.

        Raises:
            UsageError: it is wrong, or would write.
            DataError: what it reads is damaged, or gone.
        """
        self._refuse_writing(statement)
        silent = self._kind(statement) in _WITHOUT_ROWS
        for attempt in range(_TRIES):
            self._renew()
            try:
                self._wait(lambda: self._con.execute(statement))
                given = () if silent else self._con.description or ()
                columns = [(each[0], str(each[1])) for each in given]
                # The first rows are read here, so that a file that has just gone is met here.
                first = self._fetch() if columns else []
            except duckdb.IOException as error:
                if attempt == _TRIES - 1 or not self._ours_is_gone(error):
                    raise self._not_read(error) from error
            except duckdb.Error as error:
                raise _failure(error) from error
            else:
                return Answer(columns, self._rows(first))
        raise AssertionError("the last attempt returns or raises")

    def table(self, text: str, until: str, told: str) -> Any:
        """Run statements over what there was at one cut; the rows of the last, an Arrow table.

        ``until`` and ``told`` are what `View.newest` has of the cut.

        Raises what `run` does, and FileNotFoundError where a file went meanwhile.
        """
        statements = self.statements(text)
        for each in statements:
            self._refuse_writing(each)
        if not statements or self._kind(statements[-1]) in _WITHOUT_ROWS:
            raise UsageError(_NO_ROWS)
        values = {"recorder_until": until, "recorder_told": told}
        before = [f"SET VARIABLE {name} = {quoted(value)}" for name, value in values.items()]
        try:
            for each in [*before, *statements[:-1]]:
                self._wait(partial(self._con.execute, each))
            return self._wait(lambda: _arrow(self._con.sql(statements[-1])))
        except duckdb.IOException as error:
            if self._ours_is_gone(error):
                named = _file_in(str(error))
                place = named[1] if named else str(self._root.path)
                raise FileNotFoundError(errno.ENOENT, str(error), place) from error
            raise self._not_read(error) from error
        except duckdb.Error as error:
            raise _failure(error) from error

    def _ours_is_gone(self, error: duckdb.Error) -> bool:
        """Whether a file of the directory went: one that the question names does not come back."""
        place, text = str(self._root.path.absolute()), str(error)
        return bool(_gone(text)) and (place in text or glob.escape(place) in text)

    def _not_read(self, error: duckdb.Error) -> RecorderError:
        """What to say of a file: it is not the directory's, or the directory is damaged."""
        if _gone(str(error)) and not self._ours_is_gone(error):
            return UsageError(f"{_told(error)}: that is no file of {self._root.path}.")
        return DataError(_damaged(error))

    def _rows(self, rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        while rows:
            yield from rows
            try:
                rows = self._fetch()
            except duckdb.Error as error:
                raise _failure(error) from error

    def _fetch(self) -> list[tuple[Any, ...]]:
        return self._wait(lambda: self._con.fetchmany(ROWS_AT_ONCE))

    def _wait(self, act: Callable[[], _T]) -> _T:
        """Let a thread do it, so that Ctrl-C is met at once: DuckDB looks for it now and then."""
        try:
            future = self._thread.submit(act)
            # A signal that comes right before a wait does not end it: each is a short one.
            while not wait([future], timeout=_LOOK_S).done:
                pass
            return future.result()
        except KeyboardInterrupt:
            # It may have come before there was a future, and before there is what to stop.
            behind = self._thread.submit(int)
            while not behind.done():
                self._con.interrupt()
                wait([behind], timeout=_INTERRUPT_AGAIN_S)
            raise

    def macros(self) -> list[Macro]:
        """The macros for readers, in the order of `recorder.sql`."""
        found = []
        for match in _macro(self._text):
            meaning = _above(self._text, match.start())
            for form in _taken(match[2]):
                names = tuple(name.strip(' "').lstrip("_") for name in form[1].split(","))
                found.append(Macro(match[1], names, meaning))
        return found

    def columns(self, view: str) -> list[tuple[str, str]]:
        """The columns of a view as (name, type). Raises UsageError where there is none."""
        name = '"' + view.replace('"', '""') + '"'
        return [(row[0], row[1]) for row in self.run(f"DESCRIBE {name}").rows]

    def _renew(self) -> None:
        """Make the views again where the directory has changed since."""
        for attempt in range(_TRIES):
            refuse_unread(self._root)
            text = views(self._root, self._empty())
            if text == self._text:
                return
            try:
                self._con.execute(text)
            except duckdb.Error as error:
                # Views open a file of theirs, and that may just have gone.
                if attempt == _TRIES - 1 or not _gone(str(error)):
                    raise _failure(error) from error
            else:
                self._text = text
                return

    def _empty(self) -> Path | None:
        """A part without rows, where the directory has none; it is not ours to write there."""
        if (self._root.path / EMPTY).exists():
            return None
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="recorder-sql-")
            write_empty_parts(Root(Path(self._scratch.name)))
        return Path(self._scratch.name) / EMPTY

    def _refuse_writing(self, statement: str) -> None:
        explained = _explained(statement)
        for each in self.statements(explained[1] if explained else statement):
            kind = self._kind(each)
            if kind not in _ALLOWED or _outside(each):
                raise UsageError(
                    f"{kind.replace('_', ' ')} is not done here, where nothing is written. Print "
                    "rows with --csv or --json, or use `duckdb -init` with the directory's "
                    "recorder.sql."
                )

    def _kind(self, statement: str) -> str:
        try:
            return str(self._con.extract_statements(statement)[0].type.name)
        except ValueError:
            return statement.split(maxsplit=1)[0].upper()


def _arrow(relation: Any) -> Any:
    if relation is None:
        raise UsageError(_NO_ROWS)
    return relation.to_arrow_table()


def _above(text: str, place: int) -> str:
    """The comment right above a place, up to its first full stop."""
    lines: list[str] = []
    for line in reversed(text[:place].splitlines()):
        comment = _comment(line)
        if comment is None:
            break
        lines.insert(0, comment[1])
    paragraphs = " ".join(lines).split("  ")[0]
    return re.split(r"(?<=\.)\s", paragraphs, maxsplit=1)[0]


def _failure(error: duckdb.Error) -> BaseException:
    """What a person has to know: the statement is wrong, or the data are."""
    if isinstance(error, duckdb.InterruptException):
        return KeyboardInterrupt()
    wrong = (
        duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException,
        duckdb.SyntaxException, duckdb.ConversionException, duckdb.OutOfRangeException,
        duckdb.NotImplementedException, duckdb.DataError, duckdb.ProgrammingError,
        duckdb.TransactionException,
    )  # fmt: skip
    damaged = isinstance(error, duckdb.IOException | duckdb.SerializationException) or (
        isinstance(error, duckdb.InvalidInputException) and _of_a_file(str(error))
    )
    if (isinstance(error, wrong) and not damaged) or _of_a_macro(str(error)):
        return UsageError(_told(error))
    return DataError(_damaged(error))


def _told(error: duckdb.Error) -> str:
    """DuckDB's message on one line, with what to do."""
    message = " ".join(str(error).partition("\n\nLINE ")[0].split())
    if (ours := _of_a_macro(message)) is not None:
        return message[ours.end() :]
    message = message.rstrip(".")
    if "Table function cannot contain subqueries" in message or "lateral join column" in message:
        return (
            f"{message}. Products and times must be constants here: SET VARIABLE t = (SELECT ...); "
            "and then getvariable('t')."
        )
    if "Table with name" in message and "does not exist" in message:
        return f"{message} The tables are {', '.join(MEANINGS)}."
    if "Function with name" in message and "does not exist" in message:
        return f"{message} `recorder sql --help` lists the macros."
    return message


def _damaged(error: duckdb.Error) -> str:
    message = " ".join(str(error).partition("\n\nLINE ")[0].split())
    return f"{message.rstrip('.')}. `recorder verify` tells what is damaged, and what to do."
