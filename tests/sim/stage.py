"""What is replaced in this process while a seed plays, and put back afterwards.

Clocks read the loop's time; work for another process is done here and now; nothing is synced,
because no power fails; chance is seeded; log events are kept in a list.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from recorder import clock, daemon, disk, hours, latency, logs
from recorder.feed import plan as feed_plan
from recorder.feed import reading, sockets
from recorder.venue import tape
from recorder.worker import WorkError
from tests.sim.loop import SimLoop

SECOND_NS = 1_000_000_000
MONOTONIC_S = 1000.0  # a machine that has been up for a while
TOGETHER_MIN = 2  # frames that wait, of 96
FRAME_BYTES_MAX = 256 * 1024  # of 64 MiB: a frame that is too large need not cost a second
BALLAST_BYTES = 4096
LOOK_S = 1.2  # of 0.2 and 0.25: what is looked at now and then wakes a fifth as often
CANDLES_KEPT = 12  # of 100: an hour of them
SNAPSHOT_TRADES = 25  # of 100: enough for the pauses of a minute, at these rates

LogEvent = tuple[float, str, dict[str, Any]]


class Logged:
    """A logger that keeps events: (time, event, fields), and what is no event or an error."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.events: list[LogEvent] = []
        self.errors: list[str] = []
        self._now_s = now_s

    def info(self, event: str, **fields: Any) -> None:
        if event not in logs.EVENTS:
            self.errors.append(f"{event} is no log event")
        self.events.append((self._now_s(), event, fields))

    debug = warning = info

    def error(self, event: str, **fields: Any) -> None:
        self.errors.append(f"{event} {fields}")
        self.info(event, **fields)

    critical = exception = error

    def __call__(self) -> "Logged":
        """Stand in for `recorder.logs.log`."""
        return self


@contextmanager
def stage(loop: SimLoop, seed: int, begin_ns: int, products_max: int) -> Iterator[Logged]:
    """Replace clocks, processes, chance and logs; gives the log."""

    def now_ns() -> int:
        return begin_ns + int(loop.now_s * SECOND_NS)

    def monotonic_ns() -> int:
        return int((loop.now_s + MONOTONIC_S) * SECOND_NS)

    logged = Logged(lambda: loop.now_s)
    # The module `time` first: what is replaced below may read it.
    replaced: list[tuple[Any, str, Any]] = [
        (time, "time", lambda: now_ns() / SECOND_NS),
        (time, "time_ns", now_ns),
        (time, "monotonic", lambda: loop.now_s + MONOTONIC_S),
        (time, "monotonic_ns", monotonic_ns),
        (os, "fsync", _nothing),
        (os, "fdatasync", _nothing),
        (logs, "log", logged),
        (daemon, "Clock", partial(clock.Clock, mono=monotonic_ns)),
        (hours, "work", _work),
        # Files bear the true time, not ours: none is old after two minutes.
        (hours, "retire", lambda *_: []),
        (disk, "BALLAST_BYTES", BALLAST_BYTES),
        (disk, "free_bytes", lambda _path: 1 << 40),
        (disk, "BLOCK_S", LOOK_S),
        (daemon, "TURN_CHECK_S", LOOK_S),
        (daemon, "WATCH_S", 60.0),
        (latency, "LAG_EVERY_S", 60.0),
        (feed_plan, "PRODUCTS_MAX", products_max),
        (sockets, "FRAME_BYTES_MAX", FRAME_BYTES_MAX),
        # With every other seed whatever waits together is taken together.
        (reading, "MANY_MIN", TOGETHER_MIN if seed % 2 else reading.MANY_MIN),
        (tape, "CANDLES_KEPT", CANDLES_KEPT),
        (tape, "SNAPSHOT_TRADES", SNAPSHOT_TRADES),
    ]
    before = random.getstate()
    random.seed(seed)
    try:
        with ExitStack() as stack:
            for target, name, value in replaced:
                stack.enter_context(patch.object(target, name, value))
            yield logged
    finally:
        random.setstate(before)


def _nothing(*_: Any) -> None:
    """Do nothing."""


async def _work(function: Callable[..., Any], *arguments: Any) -> Any:
    """Stand in for `recorder.worker.work`."""
    try:
        return function(*arguments)
    except Exception as error:
        raise WorkError(repr(error)) from error
