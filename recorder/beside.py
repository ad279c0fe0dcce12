"""Work that is done beside the caller, by a thread: one thing after another, in their order.

For what the compiled libraries do at length, such as writing Parquet, while the caller makes ready
what comes next. At most one thing is under way and none waits, so that memory stays bounded.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Beside:
    """A thread for the time of a ``with``: when that is left, nothing is under way any more."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._last: Future[None] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Begin a piece of work, as soon as the one before is done; raises what came of that."""
        self.wait()
        self._last = self._threads.submit(work)

    def wait(self) -> None:
        """Wait until everything is done; raises what came of it."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown()
        if error is None:
            self.wait()
