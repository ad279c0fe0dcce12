"""Looking at a recorder while it runs, over HTTP: books, state, metrics, health. Nothing writes.

    frames ─▶ Recorder ─▶ Meter (plain counts) ◀── read when asked ── Site ◀── Guard ◀── Server
                 └─ every step ─▶ Hub, while somebody listens ─▶ /v1/stream

It runs in the loop of the recording and is made so that it never holds that up: what takes long is
done in threads or in a process of its own, everything is bounded, and whatever fails in here is a
line in the log.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from recorder import logs
from recorder.daemon import Recorder
from recorder.http import place
from recorder.http.door import Door, open_door
from recorder.http.guard import Guard
from recorder.http.server import Server
from recorder.http.site import Site
from recorder.http.watch import Watch

__all__ = ["open_door", "serving"]


@asynccontextmanager
async def serving(door: Door | None, recorder: Recorder) -> AsyncIterator[Server | None]:
    """Serve a recorder inside of the block; where there is no door, nothing."""
    if door is None:
        yield None
        return
    root = recorder.inside().recording.root.path
    watch = Watch(recorder)
    watch.certificate_s = door.until_s
    site = Site(watch, Guard(door.hosts, door.token))
    server = Server(site, door, lambda url: place.write(root, url, token=door.token is not None))
    server.listen()
    recorder.meter = watch.meter
    running = (watch.run, site.history.run, server.run)
    services = [asyncio.create_task(_kept(each)) for each in running]
    try:
        yield server
    finally:
        recorder.meter = None
        for each in services:
            each.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        await server.close()
        place.remove(root)


async def _kept(service: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a service; its failure is ours, and no reason to end the recording."""
    try:
        await service()
    except Exception as error:  # noqa: BLE001  whatever it is, the recording goes on
        logs.log().error("http_failed", route="", error=f"{type(error).__name__}: {error}")
