"""The real daemon in a test: started on a root, waited for, stopped in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb

from recorder import config as settings
from recorder import live
from recorder.store.lock import WriterLock
from recorder.store.paths import CUTS, Root

DEADLINE_S = 120.0  # no promise: a machine may be busy


def config_for(
    root: Path,
    url: str,
    products: tuple[str, ...] = ("BTC-USD", "ETH-USD"),
    channels: tuple[str, ...] = ("level2", "ticker", "market_trades", "heartbeats", "status"),
    part_seconds: int = 1,
    free_space_min: str = "1MB",
) -> settings.Config:
    """Settings for a recording from loopback."""
    return settings.parse(
        f'data = "{root}"\n[feed]\nurl = "{url}"\nproducts = {list(products)}\n'
        f"channels = {list(channels)}\n[store]\npart_seconds = {part_seconds}\n"
        f'free_space_min = "{free_space_min}"\n'.replace("'", '"'),
        None,
    )


async def wait_for(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S):
    """Wait until something is so; fails, saying what, after the deadline."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {deadline_s:g} s: {what}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def recording(
    config: settings.Config, wall: Callable[[], int] = time.time_ns, **options: Any
) -> AsyncIterator[live.Recorder]:
    """A recorder that runs inside of the block and is stopped in order at its end."""
    root = Root(config.data)
    with WriterLock(root):
        recorder = live.Recorder(root, config, wall=wall, **options)
        running = asyncio.create_task(recorder.run())
        try:
            yield recorder
        finally:
            recorder.stop()
            await running


def all_recorded(running: live.Recorder) -> bool:
    """Whether every channel of every product is being recorded."""
    tracks = running._recording.pipeline.coverage.tracks
    return len(tracks) > 1 and all(track.recordings for track in tracks.values())


async def recorded_parts(root: Path) -> None:
    """Wait until readers know of all parts that are there now: until the next cut is recorded."""
    known = _cuts(root)
    await wait_for(lambda: _cuts(root) > known, "the record of parts")


def _cuts(root: Path) -> int:
    return len(list((root / "live" / CUTS).glob("2*")))


def live_rows(root: Path, table: str, columns: str = "*") -> list[tuple]:
    """Rows of a table from the parts, in their order."""
    order = "noted_seq" if table == "coverage" else "ingest_seq"
    glob = root / "live" / table / "*.parquet"
    return duckdb.sql(f"SELECT {columns} FROM read_parquet('{glob}') ORDER BY {order}").fetchall()
