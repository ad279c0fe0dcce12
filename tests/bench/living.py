"""The recorder as it lives: a process of its own behind a socket, and what it takes.

Counted is its processor time, threads included, over the time of the clock; and its memory.
"""

import asyncio
import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.sending import Sender
from tests.bench.traffic import CHANNELS
from tests.simulate.daemon import Daemon

READY_S_MAX = 120.0
IDLE_S = 4.0
PART_S = 10


@dataclass(frozen=True, slots=True)
class Life:
    """What one recorder took for so many frames of a sender.

    ``idle_share`` is of a core, while nothing but heartbeats came; ``rss_mb`` at the end,
    ``peak_mb`` at most.
    """

    frames: int
    seconds: float
    processor_s: float
    idle_share: float
    rss_mb: float
    peak_mb: float


async def live(
    sender: Sender,
    products: tuple[str, ...],
    folder: Path,
    transport: str,
    channels: tuple[str, ...] = CHANNELS,
    after_s: float = 0.0,
) -> Life:
    """Start a recorder on a sender, let it take everything, end it; its files go to ``folder``.

    ``after_s`` is waited for after the last frame, and counts: for parts that are still to come.
    Raises RuntimeError where it did not record every frame, or found a gap.
    """
    config, log = folder / f"{folder.name}.toml", folder / f"{folder.name}.log"
    folder.mkdir()  # noqa: ASYNC240  nothing else turns yet
    _configure(config, folder / "data", sender.made.url, products, transport, channels)
    daemon = Daemon(config, log)
    try:
        await _ready(daemon, sender, len(products))
        began_s, used_s = time.monotonic(), daemon.processor_s()
        await asyncio.sleep(IDLE_S)
        idle = (daemon.processor_s() - used_s) / (time.monotonic() - began_s)
        began_s, used_s = time.monotonic(), daemon.processor_s()
        frames = await asyncio.to_thread(sender.send)
        await asyncio.sleep(after_s)
        life = Life(
            frames, time.monotonic() - began_s, daemon.processor_s() - used_s, idle,
            _memory_mb(daemon, "VmRSS"), _memory_mb(daemon, "VmHWM"),
        )  # fmt: skip
        await daemon.end(signal.SIGTERM)
    finally:
        daemon.clear()
    _check(log, frames)
    return life


def _configure(
    path: Path,
    data: Path,
    url: str,
    products: tuple[str, ...],
    transport: str,
    channels: tuple[str, ...],
) -> None:
    path.write_text(
        f"data = {json.dumps(str(data))}\n"
        f"[feed]\nurl = {json.dumps(url)}\ntransport = {json.dumps(transport)}\n"
        f"products = {json.dumps(products)}\nchannels = {json.dumps(channels)}\n"
        f'[http]\nlisten = "off"\n[store]\npart_seconds = {PART_S}\n',
        encoding="utf-8",
    )


async def _ready(daemon: Daemon, sender: Sender, books: int) -> None:
    """Wait until every book was sent, and the recorder has taken them."""
    end_s = time.monotonic() + READY_S_MAX
    while sender.subscribed() < books:
        if not daemon.alive or time.monotonic() > end_s:
            raise RuntimeError(f"not every book was asked for; see {daemon.log}")
        await asyncio.sleep(0.25)
    used_s = -1.0
    while (now_s := daemon.processor_s()) > used_s + 0.3:
        used_s = now_s
        await asyncio.sleep(1.0)


def _memory_mb(daemon: Daemon, name: str) -> float:
    status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1000


def _check(log: Path, frames: int) -> None:
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    stopped = [each for each in events if each["event"] == "recorder_stopped"]
    if (
        not stopped
        or stopped[0]["frames"] < frames
        or stopped[0]["sequence_gaps"]
        or stopped[0]["faults"]
    ):
        told = [each for each in events if each["event"] in ("gap_found", "fault_recorded")][:5]
        raise RuntimeError(f"of {frames} frames: {stopped}, {told}")
