"""An event loop whose time passes only while everybody waits.

No file descriptor is watched, no thread is started: what is given to a thread runs at once, and
what it took is a delay of the loop's own time.
"""

import asyncio
import contextvars
import heapq
import selectors
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.sim.network import Network

STEPS_MAX = 2_000_000  # of the loop in one run; more is a loop that does not wait


class DeadlockError(Exception):
    """Everybody waits, and nothing is due."""


class _NoSelector(selectors.BaseSelector):
    """Watches nothing: the loop itself lets the time pass."""

    def select(self, timeout: float | None = None) -> list[Any]:
        raise NotImplementedError("a simulated loop watches no files")

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError("a simulated loop watches no files")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError("a simulated loop watches no files")

    def get_map(self) -> Any:
        return {}


class SimLoop(asyncio.SelectorEventLoop):
    """``now_s`` is the time since the begin; ``disk_s()`` what the next work of a thread takes."""

    def __init__(self, network: Network, disk_s: Callable[[], float] = lambda: 0.0) -> None:
        self.now_s = 0.0
        self.turns = 0
        self.failures: list[str] = []
        self._network = network
        self._disk_s = disk_s
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        super().__init__(_NoSelector())
        self.set_exception_handler(self._note_failure)

    def time(self) -> float:
        """Seconds since the begin."""
        return self.now_s

    # What follows is asyncio's own loop without what a simulation has no use for (files,
    # debugging), because a run takes thousands of turns. Timers of one time come in the order in
    # which they were set.

    def call_soon(
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run it in the next turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run it when so many seconds have passed."""
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run it at a time of this loop."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time has come."""

    def get_debug(self) -> bool:
        """Never: every handle asks."""
        return False

    def _run_once(self) -> None:
        """One turn: if nobody is ready, let the time pass up to the next timer; run who is due."""
        ready, timers = self._ready, self._timers
        self.turns += 1
        if self.turns > STEPS_MAX:
            raise DeadlockError(f"the loop does not come to rest at {self.now_s:.3f} s")
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready and not self._stopping:
            if not timers:
                raise DeadlockError(f"nothing is due at {self.now_s:.3f} s")
            self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _note_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what nobody took: a task's exception that was never retrieved, and the like."""
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function that blocks: at once, or when its time has passed."""
        done = self.create_future()
        took_s = self._disk_s()
        if took_s:
            self.call_later(took_s, _run, done, func, args)
        else:
            _run(done, func, args)
        return done

    async def shutdown_default_executor(self, *_: Any) -> None:
        """There is none."""

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:
        """Nobody sends signals here."""

    async def create_connection(self, protocol_factory: Any, host: Any = None, *_: Any, **__: Any):
        """Dial into the network of the simulation."""
        return await self._network.connect(protocol_factory)

    async def create_server(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        """Listen in the network of the simulation."""
        return self._network.listen(protocol_factory)


def _run(done: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Run a function and put its end into a future that may be cancelled already."""
    try:
        result = func(*args)
    except Exception as error:  # noqa: BLE001  it is the waiter's
        if not done.cancelled():
            done.set_exception(error)
    else:
        if not done.cancelled():
            done.set_result(result)
