"""Being asked to end, by signals, by a caller or by the clock; asked twice, it hurries."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from recorder.service.unit import Unit


class Stopping:
    """Whether and how the recording is to end.

    ``hurried``: asked by a signal a second time, nobody is waited for. What was received is synced;
    parts that are not published yet are left to the recovery of the next start.
    """

    def __init__(self, unit: Unit, hurry: Callable[[], None], leave: Callable[[], None]) -> None:
        """``hurry`` cuts off what is waited for; ``leave`` ends the process, all being on disk."""
        self._unit = unit
        self._hurry = hurry
        self._leave = leave
        self._asked = asyncio.Event()
        self._ended = False
        self.hurried = False

    @property
    def asked(self) -> bool:
        """Whether it was asked to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """End in order."""
        self._unit.stopping()
        self._asked.set()

    async def wait(self, after_s: float | None) -> None:
        """Wait until it is asked to end, or so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), after_s)
        self._unit.stopping()

    def take_signals(self, hung_up: Callable[[], None] | None) -> None:
        """Obey SIGTERM and SIGINT; SIGHUP too, or ``hung_up`` is called for it."""
        loop = asyncio.get_running_loop()
        for number, act in (
            (signal.SIGTERM, self._by_signal),
            (signal.SIGINT, self._by_signal),
            # On a terminal SIGHUP comes when that is closed: a stop in order like the others.
            (signal.SIGHUP, hung_up or self._by_signal),
        ):
            with suppress(ValueError, RuntimeError):  # not in the main thread: the caller stops us
                loop.add_signal_handler(number, act)

    def _by_signal(self) -> None:
        if self.asked:
            self.hurried = True
            self._unit.hurrying()
            self._hurry()
            if self._ended:
                self._leave()
        self.ask()

    def may_publish(self) -> bool:
        """Before each file at the end: whether there is time for it."""
        self._unit.flushing()
        return not self.hurried

    def ended(self) -> None:
        """Everything is on disk; who is in a hurry leaves."""
        self._ended = True
        if self.hurried:
            self._leave()
