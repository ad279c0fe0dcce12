"""Long work in a process of its own: its result, its failure, its end."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from recorder.worker import WorkError, work
from tests.recorders import wait_for


def _pid_into(path: Path) -> None:
    path.write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(60)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_result_comes_back_from_another_process():
    """The function runs elsewhere and its result is returned."""
    assert await work(os.getpid) != os.getpid()


async def test_a_failure_comes_back_as_its_traceback():
    """What the function raised is in the text of the error."""
    with pytest.raises(WorkError, match="invalid literal for int"):
        await work(int, "no number")


async def test_a_worker_that_is_killed_is_an_error():
    """A worker that dies does not leave its caller waiting."""
    with pytest.raises(WorkError, match="-9"):
        await work(_kill_self)


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def test_a_cancelled_wait_kills_the_worker(tmp_path):
    """Nobody who no longer waits leaves a process behind."""
    file = tmp_path / "pid"
    task = asyncio.create_task(work(_pid_into, file))
    await wait_for(lambda: file.exists() and file.read_text(encoding="utf-8"), "the worker")
    pid = int(file.read_text(encoding="utf-8"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _exists(pid)
