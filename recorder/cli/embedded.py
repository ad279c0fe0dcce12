"""A venue in a process of its own, for as long as it is needed."""

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from recorder.cli.venue import READY, REST_READY
from recorder.credentials import environment_without
from recorder.errors import UnavailableError

_READY_WAIT_S = 30
_STOP_WAIT_S = 5


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the venue is: its socket and its REST service."""

    url: str
    rest_url: str


@contextmanager
def embedded_venue(*, rate: float, seed: int) -> Iterator[Embedded]:
    """Run `recorder venue` on free ports; gives its addresses, and stops it at the end.

    It is out of reach of the terminal's Ctrl-C, so that the recording is stopped first; and it
    stops by itself when this process has gone.

    Raises:
        UnavailableError: It did not start; the message says what it said.
    """
    options = (
        "--port",
        "0",
        "--rest-port",
        "0",
        "--rate",
        str(rate),
        "--seed",
        str(seed),
        "--while-stdin",
    )
    process = subprocess.Popen(  # noqa: S603  this interpreter, and numbers
        [sys.executable, "-m", "recorder", "venue", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=environment_without(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        yield _wait_ready(lines)
    finally:
        process.stdin.close()
        process.terminate()
        try:
            process.wait(_STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(_STOP_WAIT_S)


def _wait_ready(lines: "queue.SimpleQueue[str]") -> Embedded:
    heard = []
    rest_url = ""
    try:
        while line := lines.get(timeout=_READY_WAIT_S):
            if line.startswith(REST_READY):
                rest_url = line.removeprefix(REST_READY).strip()
            if line.startswith(READY):
                return Embedded(line.removeprefix(READY).strip(), rest_url)
            heard.append(line)
    except queue.Empty:
        heard.append(f"it was not ready after {_READY_WAIT_S} s")
    raise UnavailableError(
        "the embedded venue did not start; try `recorder venue --port 0` by itself. It said:\n"
        + "".join(heard[-20:]).rstrip()
    )


def _read(said: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    """Pass on every line, and an empty text at the end; keeps the pipe from filling up."""
    with said:
        for line in said:
            lines.put(line)
    lines.put("")
