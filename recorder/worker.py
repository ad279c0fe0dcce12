"""Long work in a process of its own, so that it does not hold up the recording.

    work ──request: import path, function, arguments──▶ stdin    this file, run as a script
         ◀──────────answer: result or traceback────────── stdout

It is nice to the recording, and takes what processor that leaves. The process dies with us,
whatever kills us, and is killed when the one who waits is cancelled: everything that is given to it
can be cut off at any moment and done again. A worker whose request never came whole has lost us
while it started; it leaves without a word.
"""

import asyncio
import ctypes
import io
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from typing import Any

_PR_SET_PDEATHSIG = 1
NICE = 10  # frames that come go first
_LENGTH_BYTES = 8
_PIECE_BYTES = 1 << 16


class WorkError(Exception):
    """The work failed; the text is the worker's traceback, or how it died."""


async def work(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function of a module with picklable arguments in a new process; returns its result.

    Arguments are small (paths, numbers): they are written before anybody reads. Raises WorkError
    where the function raised, or the process died.
    """
    from recorder.credentials import environment_without  # noqa: PLC0415  not in the worker

    process = subprocess.Popen(  # noqa: ASYNC220, S603  the start alone blocks: milliseconds
        # -P: the folder of this file holds modules whose names are those of others.
        [sys.executable, "-P", __file__, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        process_group=0,  # Ctrl-C is for the recorder
        env=environment_without(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(BrokenPipeError), process.stdin:  # it died: it does not answer either
            _write(process.stdin.fileno(), _packed(sys.path, function, arguments))
        answer = await _read_all(process.stdout.fileno())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if len(answer) < _LENGTH_BYTES or len(answer) - _LENGTH_BYTES < _length(answer):
        raise WorkError(f"the worker died with exit code {process.returncode}")
    failed, result = pickle.loads(answer[_LENGTH_BYTES:])  # noqa: S301  of a process of ours
    if failed:
        raise WorkError(result)
    return result


class _NoPandas(MetaPathFinder):
    """Finds no pandas, though there may be one."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Refuse pandas, and leave all others to the next finder."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


def without_pandas() -> None:
    """Let nobody import pandas in this process from now on.

    pyarrow does at the first array that it makes of a list, where pandas is there, to see whether
    the list is one of its series: a third of a second in which nothing is recorded, and 50 MB.
    """
    sys.meta_path.insert(0, _NoPandas())


async def _read_all(pipe: int) -> bytes:
    """Everything that comes out of a pipe until its other end is closed."""
    loop, ready, content = asyncio.get_running_loop(), asyncio.Event(), bytearray()
    os.set_blocking(pipe, False)  # it may be told ready once more than it is
    loop.add_reader(pipe, ready.set)
    try:
        while True:
            await ready.wait()
            ready.clear()
            with suppress(BlockingIOError):
                piece = os.read(pipe, _PIECE_BYTES)
                if not piece:
                    return bytes(content)
                content += piece
    finally:
        loop.remove_reader(pipe)


def _packed(path: list[str], function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    """A request: the import path in front, because the rest may need it to be read."""
    return _framed(pickle.dumps(path) + pickle.dumps((function, arguments)))


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(_LENGTH_BYTES, "little") + content


def _length(framed: bytes) -> int:
    return int.from_bytes(framed[:_LENGTH_BYTES], "little")


def _write(pipe: int, content: bytes) -> None:
    while content:
        content = content[os.write(pipe, content) :]


# --- the worker -----------------------------------------------------------------------------------


def _serve(parent: int) -> None:
    """What the new process does."""
    _die_with(parent)
    with suppress(OSError):
        os.nice(NICE)
    without_pandas()
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    request = sys.stdin.buffer.read()
    if len(request) < _LENGTH_BYTES or len(request) - _LENGTH_BYTES < _length(request):
        return
    try:
        answer = _framed(pickle.dumps((False, _do(request[_LENGTH_BYTES:]))))
    except BaseException:  # noqa: BLE001  whatever it is, the recorder must hear of it
        answer = _framed(pickle.dumps((True, traceback.format_exc())))
    _write(answers, answer)


def _do(request: bytes) -> Any:
    """Do what is asked for."""
    content = io.BytesIO(request)
    sys.path[:] = pickle.load(content)  # noqa: S301  of the recorder
    function, arguments = pickle.load(content)  # noqa: S301
    return function(*arguments)


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when our parent dies (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
