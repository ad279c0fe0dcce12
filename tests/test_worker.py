"""Long work in a process of its own: its result, its failure, its end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from recorder import worker
from recorder.recovery import Until
from recorder.store.paths import Root
from recorder.worker import WorkError, work
from tests.recorders import wait_for
from tests.simulate.daemon import living_of_session


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


async def test_arguments_arrive_as_they_are(tmp_path):
    """Of every type that is handed over, equal ones among them."""
    root, until = Root(tmp_path), Until(495_000, 1 << 24)
    sent = [root, until, root.path, Root(tmp_path), "data", "data", tmp_path.name, (until, 7)]
    assert await work(_given, *sent) == _given(*sent)


async def test_a_worker_is_nice():
    """What comes meanwhile goes first."""
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert await work(os.getpriority, os.PRIO_PROCESS, 0) == min(19, here + worker.NICE)


async def test_no_worker_imports_pandas():
    """Arrow would, at the first array of a list, and a third of a second is gone."""
    assert await work(_arrow_and_pandas) == (3, False)


def _arrow_and_pandas() -> tuple[int, bool]:
    return len(pa.array([1, 2, 3])), "pandas" in sys.modules


def _given(*arguments: object) -> str:
    """Them all, in words."""
    return repr([each.path if isinstance(each, Root) else each for each in arguments])


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


async def test_a_long_answer_comes_whole():
    """More than a pipe holds."""
    assert await work(bytes, 1_000_000) == bytes(1_000_000)


async def test_what_the_work_prints_is_no_answer(capfd):
    """It goes where errors go."""
    assert await work(_print_and_answer) == 7
    assert capfd.readouterr().err == "something\n"


def _print_and_answer() -> int:
    print("something")
    return 7


@pytest.mark.parametrize("sent", [b"", (100).to_bytes(8, "little") + b"half"])
def test_a_worker_whose_recorder_died_first_says_nothing(sent):
    """The request never came, or half of it: no traceback on the recorder's stderr."""
    done = subprocess.run(
        [sys.executable, "-P", worker.__file__, str(os.getpid())],
        input=sent, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_recorder_that_is_killed_takes_its_worker_along(tmp_path):
    """At whatever moment: no process stays, nothing is said."""
    script = (
        "import asyncio, pathlib\n"
        "from recorder.worker import work\n"
        "from tests.test_worker import _pid_into\n"
        f"asyncio.run(work(_pid_into, pathlib.Path({str(tmp_path / 'pid')!r})))\n"
    )
    errors = tmp_path / "errors"
    for wait_s in (0.25, 0.3, 0.35, 0.4, 0.5):
        with errors.open("wb") as file:
            recorder = subprocess.Popen(
                [sys.executable, "-c", script], stderr=file, start_new_session=True
            )
        time.sleep(wait_s)
        recorder.kill()
        recorder.wait()
        wait_until(lambda: not living_of_session(recorder.pid), "the worker to leave")  # noqa: B023
        assert errors.read_bytes() == b""


def wait_until(condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, f"waited in vain for {what}"
        time.sleep(0.01)
