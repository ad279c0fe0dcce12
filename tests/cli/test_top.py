"""`recorder top`: printed once, as lines, and on a terminal that is left as it was."""

import asyncio
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

from recorder import logs
from recorder.cli import top as watching
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
from tests.http.served import served
from tests.recorders import all_recorded, wait_for

DEADLINE_S = 120
LEAVES_SCREEN, SHOWS_CURSOR = "\x1b[?1049l", "\x1b[?25h"


async def test_it_looks_once_or_line_by_line(tmp_path, call):
    """A picture of all products; and a document for each look."""
    logs.configure(service=False, level="error")
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        shown = await asyncio.to_thread(call, "top", "--data", tmp_path, "--once")
        assert shown.code == 0
        for words in ("● recording", "2/2 books live", "1/1 connections", "BTC-USD", "ETH-USD"):
            assert words in shown.out
        found = await asyncio.to_thread(call, "top", "--data", tmp_path, "--json", "--once")
        (line,) = found.out.splitlines()
        document = json.loads(line)
        assert (found.code, document["status"]["ready"]) == (0, True)
        assert [each["product_id"] for each in document["products"]] == ["BTC-USD", "ETH-USD"]
        assert "applied_p99_s" in document["lately"]


def test_lines_go_on_after_a_recorder_that_went(monkeypatch, capsys):
    """It is a line, too; without a first answer it is an error."""
    answers = iter([watching.Seen({"at": "now"}, [], "", {}), None])

    def look():
        found = next(answers)
        if found is None:
            raise watching.UnavailableError("gone")
        return found

    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    with pytest.raises(StopIteration):
        watching._print_lines(look, 1.0)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["at"], second) == ("now", {"at": None, "error": "gone"})


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [([], 69, "recorder run --data"), (["--interval", "0.1"], 64, "0.5 or more"),
     (["--interval", "nan"], 64, "0.5 or more"), (["--sort", "size"], 64, "none of name")],
)  # fmt: skip
def test_a_mistake_says_what_to_do(tmp_path, call, arguments, code, told):
    found = call("top", "--data", tmp_path, *arguments)
    assert (found.code, found.out) == (code, "")
    assert told in found.err


def test_a_recorder_without_http_is_told_of(tmp_path, call):
    with WriterLock(Root(tmp_path)):
        found = call("top", "--data", tmp_path, "--json")
    assert (found.code, "http.listen" in found.err) == (69, True)


class Terminal:
    """`recorder top` on a terminal, and a person in front of it."""

    # No fork of this process, which may have threads of others; the terminal becomes its own.
    OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"

    def __init__(self, *arguments, columns=100, rows=30):
        self.shown = ""
        self._screen, its_side = pty.openpty()
        fcntl.ioctl(its_side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._before = termios.tcgetattr(its_side)
        command = [sys.executable, "-m", "recorder", "top", *map(str, arguments)]
        environment = {
            name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}
        }
        self._ran = subprocess.Popen(
            [sys.executable, "-c", f"{self.OWN}; os.execv(sys.executable, sys.argv[1:])", *command],
            stdin=its_side, stdout=its_side, stderr=its_side, start_new_session=True,
            env={**environment, "TERM": "xterm-256color"},
        )  # fmt: skip
        self._its_side = its_side

    def see(self, *words):
        """Wait until something is shown after what was seen before."""
        end_s = time.monotonic() + DEADLINE_S
        for what in words:
            while what not in self.shown:
                assert time.monotonic() < end_s, f"no {what!r} in {self.shown[-2000:]!r}"
                if select.select([self._screen], [], [], 0.1)[0]:
                    self.shown += os.read(self._screen, 65536).decode(errors="replace")
        seen, self.shown = self.shown, ""
        return seen

    def write(self, text):
        os.write(self._screen, text.encode())

    def left(self):
        """Its exit code, the rest of what it showed, and whether the terminal is as it was."""
        end_s = time.monotonic() + DEADLINE_S
        while self._ran.poll() is None:
            assert time.monotonic() < end_s
            if select.select([self._screen], [], [], 0.1)[0]:
                self.shown += os.read(self._screen, 65536).decode(errors="replace")
        while select.select([self._screen], [], [], 0)[0]:
            self.shown += os.read(self._screen, 65536).decode(errors="replace")
        same = termios.tcgetattr(self._its_side) == self._before
        os.close(self._its_side)
        os.close(self._screen)
        return self._ran.returncode, self.shown, same


async def test_on_a_terminal_it_goes_on_until_somebody_leaves(tmp_path):
    """Keys sort and scroll; q and Ctrl-C leave the terminal as it was, also a narrow one."""
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        await asyncio.to_thread(_watch, tmp_path)


def _watch(path):
    quits = Terminal("--data", path, "--interval", "0.5")
    interrupted = Terminal("--data", path, columns=40, rows=12)
    first = quits.see("BTC-USD", "q leaves")
    assert "product↓" in first
    quits.write("r")
    quits.see("msg/s↓")
    quits.write("r")
    quits.see("msg/s↑")
    quits.write("\x1b[B")
    quits.see("ETH-USD")
    quits.write("q")
    narrow = interrupted.see("BTC-USD")
    assert "spread" not in narrow
    interrupted.write("\x03")
    for terminal, expected in ((quits, 0), (interrupted, 130)):
        code, rest, same = terminal.left()
        assert (code, same) == (expected, True)
        assert LEAVES_SCREEN in rest
        assert SHOWS_CURSOR in rest
        assert "Traceback" not in rest
