"""An event loop whose time passes only while everybody waits.

No file descriptor is watched, no thread is started: what is given to a thread runs at once, and
what it took is a delay of the loop's own time.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from tests.sim.network import Network

STEPS_MAX = 2_000_000  # of the loop in one run; more is a loop that does not wait


class DeadlockError(Exception):
    """Everybody waits, and nothing is due."""


class _NoSelector(selectors.BaseSelector):
    """Waits by letting the time pass."""

    def __init__(self, loop: "SimLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        """Let the time pass; nothing is ever ready but what is due."""
        self._loop.turns += 1
        if timeout is None:
            raise DeadlockError(f"nothing is due at {self._loop.now_s:.3f} s")
        if self._loop.turns > STEPS_MAX:
            raise DeadlockError(f"the loop does not come to rest at {self._loop.now_s:.3f} s")
        if timeout > 0:
            self._loop.now_s += timeout
        return []

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
        super().__init__(_NoSelector(self))
        self.set_exception_handler(self._note_failure)

    def time(self) -> float:
        """Seconds since the begin."""
        return self.now_s

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
