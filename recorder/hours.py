"""What happens to hours beside the recording: recovery, sealing, the readers' switch, clearing up.

All of it may fail, or be cut off at any moment, without hurting the recording, and is done again.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from recorder import logs, recovery
from recorder.core.frames import FIRST_OFFSET
from recorder.errors import RecorderError
from recorder.store.paths import Root, hour_text, iso
from recorder.store.retire import retire
from recorder.store.seal import seal_hour, sealed_before, switch
from recorder.store.views import publish_views
from recorder.verify.books import differing_books
from recorder.worker import WorkError, work

SWITCH_DELAY_S = 60.0
RETIRE_S = 300.0
RETRY_S = 60.0
LOOK_S = 1.0


class Hours:
    """Finishes hours. ``sealed`` names those that were sealed (``2026112119``)."""

    def __init__(
        self,
        root: Root,
        until: recovery.Until,
        keep_capture_s: int | None,
        now_ns: Callable[[], int],
        note: Callable[[str, str], None],
    ) -> None:
        """``until``: where this process began to record; what is before it, another one left.

        ``note(kind, detail)`` writes a fault down.
        """
        self._root = root
        self._until = until
        self._keep_capture_s = keep_capture_s
        self._now_ns = now_ns
        self._note = note
        self._log = logs.log()
        self._ended: list[int] = []
        self.sealed: list[str] = []

    def keep_capture(self, keep_capture_s: int | None) -> None:
        """Keep the capture of sealed hours so long from now on; None for ever."""
        self._keep_capture_s = keep_capture_s

    def ended(self, hours: Iterable[int]) -> None:
        """Hours that are over, all published, and the next one's first books, too: seal them."""
        self._ended += sorted(hours)

    async def run(self) -> None:
        """Recover, then seal, switch and retire hours as they end; until cancelled."""
        await self._attempt("views", self._views())
        while not await self._attempt("recovery", self._recover()):  # noqa: ASYNC110  a retry
            await asyncio.sleep(RETRY_S)
        await self._attempt("views", self._views())
        retire_s = time.monotonic()
        while True:
            if self._ended and await self._attempt("seal", self._seal(self._ended[0])):
                hour = self._ended.pop(0)
                await self._attempt("compare", self._compare(hour))
                await asyncio.sleep(SWITCH_DELAY_S)
                self._switch(hour + 1)
                await self._attempt("views", self._views())
            if time.monotonic() >= retire_s:
                retire_s = time.monotonic() + RETIRE_S
                await self._attempt("retire", self._retire())
            await asyncio.sleep(RETRY_S if self._ended else LOOK_S)

    async def _attempt(self, what: str, job: Coroutine[Any, Any, None]) -> bool:
        """Do something that may fail without hurting the recording; it is tried again later."""
        try:
            await job
        except (WorkError, OSError, RecorderError) as error:
            self._log.error("work_failed", what=what, error=str(error))
            return False
        return True

    async def _recover(self) -> None:
        """Finish the hours that an earlier process left, up to where this one began."""
        until = self._until
        older = [hour for hour in self._root.captured_hours() if hour < until.hour]
        sealed = all(recovery.is_sealed(self._root, hour) for hour in older)
        if until.offset > FIRST_OFFSET or not sealed:
            self._log.info("recovery_started", until=iso(until.hour))
            done = await work(recovery.recover, self._root.path, until)
            for each in done.damage:
                fields = {"path": str(each.path), "position": each.position, "reason": each.reason}
                self._log.warning("capture_damaged", **fields)
            self._log.info(
                "recovery_finished", rows=done.rows, hours=done.hours, sealed=done.sealed
            )
            self.sealed += done.sealed
            for hour in older:
                if hour_text(hour) in done.sealed:
                    await self._attempt("compare", self._compare(hour))
        committed = [hour for hour in self._root.committed_hours() if hour < until.hour]
        if committed:
            self._switch(committed[-1] + 1)

    async def _seal(self, hour: int) -> None:
        began_s = time.monotonic()
        commit = await work(seal_hour, self._root, hour)
        self.sealed.append(hour_text(hour))
        self._log.info(
            "hour_sealed",
            hour=iso(hour),
            files=len(commit.files),
            rows=commit.rows,
            bytes=commit.bytes,
            duration_s=round(time.monotonic() - began_s, 3),
        )

    async def _compare(self, hour: int) -> None:
        """Hold the books at the end of a sealed hour against those the next one began with."""
        for problem in await work(differing_books, self._root, hour):
            self._note("checkpoint_differs", problem)

    async def _views(self) -> None:
        """Tell DuckDB what is sealed by now."""
        await asyncio.to_thread(publish_views, self._root)

    async def _retire(self) -> None:
        now_s = self._now_ns() / 1e9
        for what in await asyncio.to_thread(retire, self._root, now_s, self._keep_capture_s):
            self._log.info("hour_removed", what=what)

    def _switch(self, hour: int) -> None:
        if (sealed_before(self._root) or 0) < hour:
            switch(self._root, hour)
            self._log.info("hour_switched", sealed_before=iso(hour))


def show_open_hour(root: Root, hour: int) -> None:
    """Where the hour was sealed before it was over, let readers take its parts again."""
    switched = sealed_before(root)
    if switched is not None and switched > hour:
        switch(root, hour)
