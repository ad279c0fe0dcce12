"""The venue's REST on a thread of its own, for commands that have an event loop of their own."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recorder.venue.market import Market
from recorder.venue.rest import RestRules, RestVenue

FAST = {"a_second": 10_000.0, "burst": 10_000}


@contextmanager
def serving(rules: RestRules | None = None, **options: Any) -> Iterator[RestVenue]:
    """Serve until the block ends."""
    market = Market(7, ("BTC-USD", "TIA-USD"), time.time_ns(), depth=0.01)
    service = RestVenue(market, rules or RestRules(**FAST), **options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def close() -> None:
        await service.__aexit__(None, None, None)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    wait(service.__aenter__())
    try:
        yield service
    finally:
        wait(close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
