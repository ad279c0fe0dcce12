"""What the lines to copy promise: a shell runs them as they stand."""

import shlex
from pathlib import Path

import pytest

from recorder.cli.summary import duckdb_line, files_of, reading_lines


@pytest.mark.parametrize(
    "data", ["data", "/srv/my data", "it's", 'a "quoted" $HOME', "a`b`", "a\\b", "a!b", "é"]
)
def test_a_line_to_copy_survives_the_shell(data: str) -> None:
    """Whatever the directory's name, DuckDB gets the query that was meant."""
    for sealed in (True, False):
        line, *_ = reading_lines(Path(data), sealed=sealed)
        program, option, sql = shlex.split(line)
        assert (program, option) == ("duckdb", "-c")
        assert files_of(Path(data), "level2", sealed=sealed) in sql


def test_a_simple_query_stays_readable() -> None:
    """SQL's own quotes are not broken up, and it is one line."""
    assert duckdb_line("SELECT 1\n  FROM 'x'") == "duckdb -c \"SELECT 1 FROM 'x'\""


def test_no_glob_walks_the_whole_tree() -> None:
    """Files are named level by level: `**` is slow on a large data set."""
    for table in ("level2", "trades", "candles", "heartbeats", "coverage", "faults", "status"):
        assert "**" not in files_of(Path("data"), table, sealed=True)
