"""Socket → disk: the real daemon as a child, and a playback that sends as fast as it reads."""

import asyncio
import signal
import time
from pathlib import Path

from recorder.core.frames import Frame
from recorder.store.capture import read_arrivals
from recorder.venue import Playback
from tests.bench.figures import Figure
from tests.bench.traffic import CHANNELS, PRODUCTS, changes_in
from tests.simulate.daemon import Daemon, write_config

DEADLINE_S = 90.0
NS = 1_000_000_000


def measure_socket(source: Path, folder: Path) -> list[Figure]:
    """Play the capture of a data directory to the daemon and see how fast it came to be on disk."""
    data = folder / "socket"
    frames, processor_s = asyncio.run(_play(source, data, folder))
    times = [recv_ns for recv_ns, _ in frames]
    seconds = (times[-1] - times[0]) / NS
    return [
        Figure("socket to disk, playback at max", changes_in(frames) / seconds, "changes/s",
               ("design, 188 products", 5600.0), "188 products: 5,600 changes/s, 747 frames/s"),
        Figure("  the same in frames", len(frames) / seconds, "frames/s",
               ("design, 188 products", 747.0), "p99 166 us at 10,000 frames/s"),
        Figure("  processor of the daemon, a frame", processor_s / len(frames) * 1e6, "us"),
    ]  # fmt: skip


async def _play(source: Path, data: Path, folder: Path) -> tuple[list[tuple[int, bytes]], float]:
    config = folder / "socket.toml"
    async with Playback([source], speed=None) as venue:
        write_config(config, data, venue.url, PRODUCTS, CHANNELS, 10)
        daemon = Daemon(config, folder / "socket.log")
        try:
            deadline = asyncio.timeout(DEADLINE_S)
            async with deadline:
                await venue.ended.wait()
            ticks = await _quiet(daemon)
            await daemon.end(signal.SIGTERM)
        finally:
            daemon.clear()
    arrivals = (arrival for _, arrival in read_arrivals([data / "capture"]))
    return [(each.recv_ns, each.raw) for each in arrivals if isinstance(each, Frame)], ticks


async def _quiet(daemon: Daemon) -> float:
    """Wait until the daemon has read what it was sent; the processor seconds it has used."""
    used_s, since_s = -1.0, time.monotonic()
    while time.monotonic() - since_s < 1.0:
        await asyncio.sleep(0.25)
        now_s = daemon.processor_s()
        if now_s > used_s + 0.1:
            since_s = time.monotonic()
        used_s = now_s
    return used_s
