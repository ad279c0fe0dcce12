"""How long a frame waits and takes, and how late the loop turns: always measured.

Two clock readings and a place in a list of counts for each frame; nothing is kept of it.
"""

import asyncio

from recorder.histogram import Histogram

US, MS, NS = 1_000, 1_000_000, 1_000_000_000  # nanoseconds; of them in a second

APPLIED_NS = (
    *(5 * US, 10 * US, 15 * US, 20 * US, 30 * US, 40 * US, 50 * US, 75 * US),
    *(100 * US, 150 * US, 200 * US, 300 * US, 500 * US, 750 * US),
    *(1 * MS, 2 * MS, 3 * MS, 5 * MS, 10 * MS, 15 * MS, 25 * MS, 50 * MS),
    *(100 * MS, 250 * MS, 500 * MS, 1_000 * MS, 5_000 * MS, 30_000 * MS),
)
LAG_NS = (
    *(100 * US, 200 * US, 500 * US, 1 * MS, 2 * MS, 3 * MS, 5 * MS, 10 * MS, 15 * MS, 25 * MS),
    *(50 * MS, 100 * MS, 250 * MS, 500 * MS, 1_000 * MS, 5_000 * MS, 30_000 * MS),
)
LAG_EVERY_S = 0.05


class Latency:
    """``applied``: from when a frame came out of its socket until it was kept and understood.

    ``lag``: how much later than wanted the loop turns. Both in nanoseconds, shown in seconds.
    """

    def __init__(self) -> None:
        self.applied = Histogram(APPLIED_NS, NS)
        self.lag = Histogram(LAG_NS, NS)

    async def watch(self) -> None:
        """Sample the lag; until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self.lag.observe(max(0, int((loop.time() - due_s) * NS)))
