"""The prompt: what is typed, what comes of it. On a real terminal: tests/cli/test_sql.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.cli import prompt
from recorder.cli.answers import show_table
from recorder.cli.prompt import Prompt, is_complete, names_of, remembered
from recorder.queries import Queries
from tests.damages import record_hours


@pytest.fixture(scope="module")
def queries(tmp_path_factory) -> Iterator[Queries]:
    root = record_hours(tmp_path_factory.mktemp("prompt") / "data")
    with Queries(root.path) as opened:
        yield opened


def typed(queries: Queries, history: Path, *lines: str | type[BaseException]) -> list[str]:
    """Type lines, or press keys, until the loop is left; gives the prompts that were shown."""
    waiting, shown = list(lines), []

    def ask(text: str) -> str:
        shown.append(text)
        line = waiting.pop(0) if waiting else EOFError
        if isinstance(line, str):
            return line
        raise line

    Prompt(queries, show_table, ask, history).run()
    assert waiting == []
    return shown


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("SELECT 1", False), ("SELECT 1;", True), ("SELECT 1;  ", True), ("SELECT ';'", False),
        ("SELECT 'it''s;", False), ("SELECT 'it''s';", True), ('SELECT ";', False),
        ('SELECT 1 AS ";";', True), ("SELECT 1 -- ;", False), ("SELECT 1; -- so", True),
        ("SELECT 1 /* ; */", False), ("SELECT 1; /* so */", True), ("SELECT /* ;", False),
        ("SELECT $$;", False), ("SELECT $$;$$;", True), ("SELECT 1; SELECT 2", False),
        ("-- only;", False), ("SELECT 1 -- so\n;", True), (";", True),
    ],
)  # fmt: skip
def test_a_statement_ends_with_a_semicolon_of_its_own(text, complete):
    """Not with one in a string, a name or a comment."""
    assert is_complete(text) == complete


def test_lines_are_put_together(queries, tmp_path, capsys):
    """The second prompt stands while a statement goes on; several may stand on a line."""
    shown = typed(
        queries, tmp_path / "h", "", "SELECT 1 AS a,", "", "2 AS b;", "SELECT 3; SELECT 4;"
    )
    assert shown == ["sql> ", "sql> ", "...> ", "...> ", "sql> ", "sql> "]
    assert capsys.readouterr().out.split()[-8:] == ["a", "b", "1", "2", "3", "3", "4", "4"]


def test_commands(queries, tmp_path, capsys):
    """.tables, .schema, .help; one that there is not is told; .quit leaves."""
    asked = (".tables", ".schema trades", ".schema in_gap", ".help", " .schema ticker;")
    assert len(typed(queries, tmp_path / "h", *asked, ".quit")) == 6
    out = capsys.readouterr().out
    for name in (*queries.tables, "book_at(product, t)", "trade_id", "BIGINT", "best_bid_size",
                 "in_gap(product, channel, t):", ".quit         leave"):  # fmt: skip
        assert name in out, name
    typed(queries, tmp_path / "h", ".nonsense", ".schema", ".schema nothing", ".exit")
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == [".nonsense", ".schema", "Catalog"]


def test_mistakes_and_ctrl_c_do_not_end_it(queries, tmp_path, capsys):
    """What was begun is dropped; the next statement is answered."""
    shown = typed(
        queries, tmp_path / "h", "SELECT nothing;", "SELECT 1", KeyboardInterrupt, "SELECT 5 AS n;"
    )
    assert shown == ["sql> ", "sql> ", "...> ", "sql> ", "sql> "]
    out, err = capsys.readouterr()
    assert "not found" in err
    assert out.split()[-2:] == ["n", "5"]


def test_what_steers_a_terminal_is_not_shown(queries, tmp_path, capsys):
    """A mistake repeats what was typed, an answer what is stored."""
    typed(queries, tmp_path / "h", "SELECT \x1b[2Jx;", "SELECT chr(27) || '[2J' AS \"\x1b[1m\";")
    assert "\x1b" not in "".join(capsys.readouterr())


def test_names_are_completed_and_lines_kept(queries, tmp_path):
    """Tables and macros, in order; the file is the person's own."""
    readline = pytest.importorskip("readline")
    names = names_of(queries)
    with remembered(tmp_path / "history", names):
        complete = readline.get_completer()
        assert [complete("bo", place) for place in range(3)] == ["book_at", "book_valid", None]
        assert complete("no such", 0) is None
        readline.add_history("SELECT 1;")
    assert (tmp_path / "history").read_text().splitlines()[-1] == "SELECT 1;"
    assert (tmp_path / "history").stat().st_mode & 0o777 == 0o600


def test_it_works_where_lines_cannot_be_kept(queries, tmp_path, monkeypatch, capsys):
    """A home that is not there; a Python without readline."""
    typed(queries, tmp_path / "none" / "h", "SELECT 8 AS n;")
    monkeypatch.setattr(prompt, "readline", None)
    typed(queries, tmp_path / "h", "SELECT 9 AS n;")
    assert capsys.readouterr().out.split()[-2:] == ["n", "9"]
    assert list(tmp_path.iterdir()) == []
