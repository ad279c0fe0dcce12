"""The real daemon as a child process: `python -m recorder run --config …`, with its log in a file.

It leads a session of its own, so that whatever it leaves behind can be found and ended.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
POLL_S = 0.005
EXIT_S_MAX = 20.0


class Daemon:
    """One life of the daemon, from ``spawned_ns`` on."""

    def __init__(self, config: Path, log: Path) -> None:
        """Start it."""
        self.log = log
        self.errors = log.with_suffix(".err")
        with self.log.open("wb") as out, self.errors.open("wb") as err:
            self.spawned_ns = time.time_ns()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recorder", "run", "--config", str(config)],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def logged(self, event: str) -> bool:
        """Whether an event is in its log."""
        return f'"event":"{event}"'.encode() in self.log.read_bytes()

    async def wait(self, condition: Callable[[], object], seconds: float) -> bool:
        """Wait until something is so, the daemon ended, or the time is over; whether it is so."""
        end_s = time.monotonic() + seconds
        while not condition():
            if not self.alive or time.monotonic() > end_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def end(self, number: signal.Signals) -> tuple[int, int, int]:
        """Send a signal and wait: (when it was sent, when it had ended, exit code)."""
        sent_ns = time.time_ns()
        self.process.send_signal(number)
        end_s = time.monotonic() + EXIT_S_MAX
        while self.alive:
            if time.monotonic() > end_s:
                self.process.kill()
                self.process.wait()
                break
            await asyncio.sleep(POLL_S)
        return sent_ns, time.time_ns(), self.process.returncode

    def processor_s(self) -> float:
        """The processor seconds that it has used, threads included, children not."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def waited_ns(self) -> int:
        """How long its threads were ready to run and the kernel let others run instead.

        Of the main one, and of the other one that waited longest: a block needs both. 0 where the
        kernel does not count.
        """
        waits = {}
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                waits[task.parent.name] = int(task.read_text(encoding="utf-8").split()[1])
        main = waits.pop(str(self.process.pid), 0)
        return main + max(waits.values(), default=0)

    def orphans(self) -> list[int]:
        """Processes of its session that still live."""
        return living_of_session(self.process.pid)

    def clear(self) -> None:
        """End what is left of its session, all of it started by us."""
        for pid in self.orphans():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.alive:
            self.process.kill()
        self.process.wait()


def living_of_session(number: int) -> list[int]:
    """The living processes of a session."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _session_of(pid) == number]


def _session_of(pid: int) -> int | None:
    """The session of a living process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, _, _, session = stat.rpartition(")")[2].split()[:4]
    return int(session) if state != "Z" else None


def write_config(
    path: Path, data: Path, url: str, products: tuple[str, ...],
    channels: tuple[str, ...], part_seconds: int,
) -> None:  # fmt: skip
    """Write the settings of a trial."""
    path.write_text(
        f"data = {json.dumps(str(data))}\n"
        f"[feed]\nurl = {json.dumps(url)}\n"
        f"products = {json.dumps(products)}\nchannels = {json.dumps(channels)}\n"
        f'[http]\nlisten = "off"\n'  # many at once
        f'[store]\npart_seconds = {part_seconds}\nkeep_capture = "forever"\n',
        encoding="utf-8",
    )
