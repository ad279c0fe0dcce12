"""Long work in a process of its own, so that it does not hold up the recording.

The process dies with us, whatever kills us, and is killed when the one who waits is cancelled:
everything that is given to it can be cut off at any moment and done again.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_PR_SET_PDEATHSIG = 1


class WorkError(Exception):
    """The work failed; the text is the worker's traceback, or how it died."""


async def work(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function of a module with picklable arguments in a new process; returns its result.

    Raises WorkError where it raised, or died.
    """
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_run, args=(theirs, os.getpid(), function, arguments), daemon=True
    )
    process.start()
    theirs.close()
    try:
        await _readable(mine)
        failed, result = mine.recv()
    except EOFError as error:
        process.join()
        raise WorkError(f"the worker died with exit code {process.exitcode}") from error
    finally:
        process.kill()
        process.join()
        mine.close()
    if failed:
        raise WorkError(result)
    return result


async def _readable(pipe: Connection) -> None:
    """Wait until a pipe has something to read, or its other end is closed."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(pipe.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(pipe.fileno())


def _run(pipe: Connection, parent: int, function: Callable[..., Any], arguments: Any) -> None:
    """What the new process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the recorder
    _die_with(parent)
    try:
        answer = (False, function(*arguments))
    except BaseException:  # noqa: BLE001  whatever it is, the recorder must hear of it
        answer = (True, traceback.format_exc())
    pipe.send(answer)


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when our parent dies (Linux)."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
