"""What signals do to the daemon as a process: once in order, twice at once, never a third time."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from recorder import recovery
from recorder.core.frames import Frame
from recorder.store.capture import read_arrivals
from recorder.venue import Venue
from recorder.verify.directory import verify
from tests.recorders import live_rows, wait_for
from tests.test_events import logged

REPOSITORY = Path(__file__).resolve().parents[1]

# The daemon, on a disk that hangs at the first part once it was asked to stop, and with a thread
# that never comes back: a name that nobody resolves.
HANGS = """
import asyncio, sys, threading
from pathlib import Path
from recorder import recording
from recorder.cli import main
from recorder.stopping import Stopping

folder, on = Path(sys.argv[2]), threading.Event()
ask, write = Stopping.ask, recording.write_part

def ask_and_hang(self):
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    on.set()
    ask(self)

def write_slowly(*arguments):
    if on.is_set():
        (folder / "writes").touch()
        while not (folder / "write").exists():
            threading.Event().wait(0.01)
    return write(*arguments)

Stopping.ask, recording.write_part = ask_and_hang, write_slowly
sys.exit(main(["run", "--config", sys.argv[1]]))
"""
IN_ORDER = (
    "import sys; from recorder.cli import main; sys.exit(main(['run', '--config', sys.argv[1]]))"
)


class Manager:
    """A service manager's socket, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self._told: list[str] = []

    def told(self) -> list[str]:
        """All lines, in their order."""
        while True:
            try:
                self._told += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return self._told

    def close(self) -> None:
        self._socket.close()


@contextmanager
def daemon(script: str, folder: Path, url: str, **manager: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon that records into ``folder/data``, with parts that only the end publishes."""
    config = folder / "recorder.toml"
    config.write_text(
        f"data = {json.dumps(str(folder / 'data'))}\n[feed]\nurl = {json.dumps(url)}\n"
        'products = ["BTC-USD"]\n[http]\nlisten = "off"\n[store]\npart_seconds = 600\n'
        'free_space_min = "1MB"\n',
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(config), str(folder)],
        cwd=REPOSITORY, env=os.environ | manager, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with process:  # waits, and closes the pipe
            process.kill()


async def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the end; its last line of the log. All lines have the fields of their events."""
    out, _ = await asyncio.to_thread(process.communicate)
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        assert set(line) - {"ts", "level", "event"} <= logged()[line["event"]].fields
        assert line["level"] in logged()[line["event"]].levels
    return lines[-1]


@asynccontextmanager
async def recorded(
    script: str, folder: Path, **manager: str
) -> AsyncIterator[tuple[Venue, subprocess.Popen[str]]]:
    """A daemon that has recorded something."""
    async with Venue(seed=1, depth=0.01, rate=5) as venue:
        with daemon(script, folder, venue.url, **manager) as process:
            await wait_for(lambda: len(frames_in(folder / "data")) > 20, "frames on disk")
            yield venue, process


def frames_in(root: Path) -> list[Frame]:
    """The frames of the capture, as far as it is on disk."""
    folder = root / "capture"
    arrivals = read_arrivals([folder]) if folder.is_dir() else ()
    return [each for _, each in arrivals if isinstance(each, Frame)]


async def test_a_signal_stops_in_order(tmp_path: Path) -> None:
    """Everything is published, exit code 0; the manager is told, and asked for time."""
    manager = Manager(tmp_path)
    async with recorded(IN_ORDER, tmp_path, NOTIFY_SOCKET=manager.address) as (_, process):
        process.send_signal(signal.SIGTERM)
        last = await ended(process)
    told = manager.told()
    manager.close()
    assert (process.returncode, last["event"]) == (0, "recorder_stopped")
    assert len(frames_in(tmp_path / "data")) == last["frames"]
    assert live_rows(tmp_path / "data", "trades")
    assert verify(tmp_path / "data").findings == []
    begun = told.index("STOPPING=1")
    assert told[begun + 1].startswith("STATUS=stopping: ")
    assert "EXTEND_TIMEOUT_USEC=20000000" in told[begun:]


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """While the last parts are written and a thread hangs: nothing received is lost, exit code 0.

    The file that is being written is finished, nothing else is, and the thread is not waited for.
    What the next start does is seen in tests/service/test_outlook.py.
    """
    manager = Manager(tmp_path)
    async with recorded(HANGS, tmp_path, NOTIFY_SOCKET=manager.address) as (_, process):
        process.send_signal(signal.SIGTERM)
        await wait_for((tmp_path / "writes").exists, "the first part is being written")
        process.send_signal(signal.SIGTERM)
        await wait_for(
            lambda: any("stopping at once" in line for line in manager.told()), "it has heard"
        )
        (tmp_path / "write").touch()
        last = await ended(process)
        assert (process.returncode, last["event"]) == (0, "recorder_stopped")
        assert len(frames_in(tmp_path / "data")) == last["frames"]
        assert live_rows(tmp_path / "data", "trades") == []
    manager.close()
    recovery.publish_missing(tmp_path / "data")
    assert live_rows(tmp_path / "data", "trades")
    assert verify(tmp_path / "data").findings == []


async def test_a_second_signal_after_the_last_part(tmp_path: Path) -> None:
    """All is on disk, and only a thread hangs: another signal is the end of it."""
    (tmp_path / "write").touch()
    async with recorded(HANGS, tmp_path) as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        while "recorder_stopped" not in await asyncio.to_thread(process.stdout.readline):
            pass
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait) == 0
    assert live_rows(tmp_path / "data", "trades")
