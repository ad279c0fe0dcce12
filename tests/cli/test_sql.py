"""The command `sql`."""

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recorder.store.paths import Root
from tests.damages import SEALED, record_hours

QUERY = "SELECT product_id, count(*) AS n FROM trades GROUP BY ALL ORDER BY ALL"
DEADLINE_S = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return record_hours(tmp_path_factory.mktemp("sql") / "data").path


def test_a_query_prints_its_rows(data, call):
    """As JSON, as CSV, and as a table; all three the same."""
    found = call("sql", QUERY, "--data", data, "--json")
    rows = json.loads(found.out)
    assert found.code == 0
    assert [row["product_id"] for row in rows] == ["BTC-USD", "ETH-USD"]
    printed = call("sql", QUERY, "--data", data, "--csv").out
    assert list(csv.DictReader(io.StringIO(printed))) == [
        {name: str(value) for name, value in row.items()} for row in rows
    ]
    words = [line.split() for line in call("sql", QUERY, "--data", data).out.splitlines()]
    assert words == [["product_id", "n"], *([row["product_id"], str(row["n"])] for row in rows)]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["SELECT x FROM nowhere"], 64, "The tables are level2"),
        (["SELECT 1", "--json", "--csv"], 64, "choose one"),
        (["COPY trades TO 'x.csv'"], 64, "nothing is written"),
        (["   "], 64, "nothing is asked"),
        (["/* only a comment */"], 64, "nothing is asked"),
        (["SELECT 1", "--data", "no/such"], 66, "no such directory"),
        (["SELECT 1", "--nonsense"], 64, "--nonsense"),
        (["FROM book_at('BTC-USD')"], 64, "book_at(product, t)"),
    ],
)
def test_a_mistake_has_its_exit_code(data, call, arguments, code, told):
    """And a message, and no traceback, and nothing on stdout."""
    where = [] if "--data" in arguments else ["--data", data]
    found = call("sql", *arguments, *where)
    assert (found.code, found.out) == (code, "")
    assert told in found.err
    assert "Traceback" not in found.err


def test_damaged_data_are_told_from_mistakes(tmp_path, call):
    """65, as everywhere; a commit record or a file that is not what it should be."""
    root = record_hours(tmp_path / "data")
    path = next(Path(root.path / "trades").rglob("*.parquet"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-20])
    found = call("sql", "SELECT max(price) FROM trades", "--data", root.path)
    assert (found.code, path.name in found.err, "recorder verify" in found.err) == (65, True, True)
    root.commit(SEALED).chmod(0o644)
    root.commit(SEALED).write_text("{")
    found = call("sql", "SELECT 1", "--data", root.path)
    assert (found.code, "recorder repair" in found.err) == (65, True)


# --- as a process --------------------------------------------------------------------------------


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "recorder", "sql", *map(str, arguments)]


def run(data: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("--data", data, *arguments),
        input=text, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip


def test_statements_are_read_from_a_pipe(data):
    """Several, over lines, with comments; variables and tables of one go to the next."""
    text = """-- the newest moment;
        SET VARIABLE t = (SELECT max(recv_time) FROM level2);
        CREATE TABLE mine AS FROM depth_at('BTC-USD', getvariable('t'), 2);
        SELECT side, level FROM mine ORDER BY ALL;
        SELECT 'a;b' AS "c;d"  -- without a semicolon at the end
    """
    found = run(data, text, "--csv")
    assert found.stdout.split() == ["side,level", "ask,1", "ask,2", "bid,1", "bid,2", "c;d", "a;b"]
    assert (found.returncode, found.stderr) == (0, "")


def test_a_pipe_with_nothing_in_it_is_a_mistake(data):
    """So that a script whose file was empty hears of it; what ran before a mistake is printed."""
    assert run(data, "").returncode == 64
    found = run(data, "SELECT 1 AS one; SELECT nothing; SELECT 3 AS three", "--csv")
    assert (found.returncode, found.stdout) == (64, "one\n1\n")


def test_it_stops_without_a_word_where_nobody_reads_on(data):
    """`recorder sql … | head` is no error of ours."""
    query = "SELECT range FROM range(3000000)"
    with subprocess.Popen(
        command(query, "--csv", "--data", data), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as ran:
        assert ran.stdout.readline() == b"range\n"
        ran.stdout.close()
        assert ran.stderr.read() == b""
    assert ran.returncode == 141


def test_ctrl_c_ends_a_query(data):
    """With 130, and no traceback."""
    query = "SELECT count(*) FROM range(100000000000) AS t(n) WHERE n % 7 = 8"
    with subprocess.Popen(
        command(f"SELECT 1 AS begun; {query}", "--csv", "--data", data),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as ran:  # fmt: skip
        assert ran.stdout.readline() == b"begun\n"
        time.sleep(0.5)
        ran.send_signal(signal.SIGINT)
        assert ran.wait(DEADLINE_S) == 130
        assert ran.stderr.read() == b""


class Terminal:
    """`recorder sql` on a terminal, and a person in front of it."""

    # No fork of this process, which may have threads of others; the terminal becomes its own.
    OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"

    def __init__(self, data: Path, home: Path) -> None:
        self._shown = ""
        self._screen, its_side = pty.openpty()
        arguments = command("--data", data)
        own = f"{self.OWN}; os.execv(sys.executable, sys.argv[1:])"
        self._ran = subprocess.Popen(
            [sys.executable, "-c", own, *arguments],
            stdin=its_side, stdout=its_side, stderr=its_side, start_new_session=True,
            env={**os.environ, "HOME": str(home), "TERM": "dumb", "COLUMNS": "100"},
        )  # fmt: skip
        os.close(its_side)

    def see(self, what: str, pressing: str = "") -> str:
        """Wait until something is shown; gives what was shown up to it, the rest is seen later.

        A key that comes right before readline waits for one is looked at with the next one only.
        """
        end_s, quiet = time.monotonic() + DEADLINE_S, 0
        while what not in self._shown:
            assert time.monotonic() < end_s, f"no {what!r} in {self._shown!r}"
            if select.select([self._screen], [], [], 0.1)[0]:
                self._shown, quiet = self._shown + os.read(self._screen, 65536).decode(), 0
            elif pressing and (quiet := quiet + 1) % 10 == 0:
                self.write(pressing)
        before, _, self._shown = self._shown.partition(what)
        return before

    def write(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def left(self) -> int:
        """Its exit code."""
        code = self._ran.wait(DEADLINE_S)
        os.close(self._screen)
        return code


def test_the_prompt_on_a_terminal(data, tmp_path):
    """Statements over lines, mistakes, Ctrl-C in a query and in a line, Ctrl-D; lines are kept."""
    terminal = Terminal(data, tmp_path)
    terminal.see("sql> ")
    terminal.write("SELECT 6\n")
    terminal.see("...> ")
    terminal.write("* 7 AS answer;\n")
    assert "42" in terminal.see("sql> ")
    terminal.write("SELECT nothing;\n")
    assert "not found" in terminal.see("sql> ")
    endless = "SELECT count(*) FROM range(100000000000) AS t(n) WHERE n % 7 = 8;"
    terminal.write(f"SELECT 'be' || 'gun' AS now; {endless}\n")
    terminal.see("begun")
    terminal.write("\x03")
    assert "stopped" in terminal.see("sql> ", pressing="\x03")
    terminal.write("SELECT half\n")
    terminal.see("...> ")
    terminal.write("\x03")
    terminal.see("sql> ", pressing="\x03")
    terminal.write("SELECT 7 * 8 AS again;\n")
    terminal.see("56")
    terminal.see("sql> ")
    terminal.write("\x04")
    assert terminal.left() == 0
    kept = tmp_path / ".recorder_sql_history"
    assert "* 7 AS answer;" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_directory_is_only_read(data):
    """A query leaves nothing behind, not even where it is the working directory."""
    before = sorted(path for path in data.rglob("*"))
    ran = subprocess.run(
        command(QUERY, "--data", "."), cwd=data, capture_output=True, timeout=DEADLINE_S, check=True
    )
    assert b"BTC-USD" in ran.stdout
    assert sorted(path for path in data.rglob("*")) == before
    assert Root(data).part_hours() != []
