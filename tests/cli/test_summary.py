"""What the lines to copy promise: a shell runs them as they stand."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.cli.summary import duckdb_line, files_of, reading_lines, recorder_command


@pytest.mark.parametrize(
    "data", ["data", "/srv/my data", "it's", 'a "quoted" $HOME', "a`b`", "a\\b", "a!b", "é"]
)
def test_a_line_to_copy_survives_the_shell(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the directory's name, DuckDB gets the query that was meant."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for sealed in (True, False):
        line, *_ = reading_lines(Path(data), "level2", sealed=sealed)
        program, option, sql = shlex.split(line)
        assert (program, option) == ("duckdb", "-c")
        assert files_of(Path(data), "level2", sealed=sealed) in sql


def test_without_programs_on_the_path_the_lines_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A newcomer has neither `duckdb` nor `recorder` on the path: Python and our path are named."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    line = duckdb_line("SELECT 'it''s' AS a, 1 + 1 AS b")
    done = subprocess.run(line, shell=True, check=True, capture_output=True, text=True)
    assert "it's" in done.stdout
    monkeypatch.setattr(sys, "argv", [str(Path.cwd() / ".venv" / "bin" / "recorder")])
    assert recorder_command() == ".venv/bin/recorder"


def test_a_simple_query_stays_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQL's own quotes are not broken up, and it is one line."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert duckdb_line("SELECT 1\n  FROM 'x'") == "duckdb -c \"SELECT 1 FROM 'x'\""


def test_no_glob_walks_the_whole_tree() -> None:
    """Files are named level by level: `**` is slow on a large data set."""
    for table in ("level2", "trades", "candles", "heartbeats", "coverage", "faults", "status"):
        assert "**" not in files_of(Path("data"), table, sealed=True)
