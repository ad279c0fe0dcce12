"""What happens to hours beside the recording: recovery, sealing, the readers' switch, clearing up.

All of it may fail, or be cut off at any moment, without hurting the recording, and is done again.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from recorder import logs, recovery, sealing
from recorder.core.frames import FIRST_OFFSET
from recorder.errors import DataError, RecorderError
from recorder.histogram import Histogram
from recorder.sealing import seal_sound
from recorder.store.aside import set_aside_unreadable
from recorder.store.paths import Root, hour_text, iso
from recorder.store.retire import GRACE_S, retire
from recorder.store.seal import sealed_before, switch
from recorder.store.views import publish_views
from recorder.verify.books import differing_books
from recorder.worker import WorkError, work

SWITCH_DELAY_S = 60.0
RETIRE_S = 300.0
RETRY_S = 60.0  # of work in a process of its own
LOOK_S = 1.0
LATE_S = 30.0  # a switch comes so much later than it should
SEALS_S = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 600.0)


class Hours:
    """Finishes hours.

    ``sealed`` names those that were sealed (``2026112119``); ``recovered``: what an earlier process
    left is done. ``files`` counts the files of hours that were sealed here, ``seals`` how long it
    took.
    """

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
        self.recovered = False
        self._ended: list[int] = []
        self._switches: list[tuple[float, int]] = []
        self._due_s = dict.fromkeys(("recovery", "seal", "retire"), 0.0)
        self._failing: set[str] = set()
        self.sealed: list[str] = []
        self.files = 0
        self.seals = Histogram(SEALS_S)

    @property
    def waiting(self) -> int:
        """How many hours are over and not sealed."""
        return len(self._ended)

    @property
    def failing(self) -> list[str]:
        """What failed, and is tried again: recovery, seal, switch, …; by name."""
        return sorted(self._failing)

    def keep_capture(self, keep_capture_s: int | None) -> None:
        """Keep the capture of sealed hours so long from now on; None for ever."""
        self._keep_capture_s = keep_capture_s

    def ended(self, hours: Iterable[int]) -> None:
        """Hours that are over, all published, and the next one's first books, too: seal them."""
        self._ended += sorted(hours)

    def keep_parts(self) -> None:
        """Remove nothing for as long as a reader may take: a switch was late, or the clock was set.

        What is due goes by the times of sealing, and readers may have listed parts until now.
        """
        self._due_s["retire"] = time.monotonic() + GRACE_S

    async def run(self) -> None:
        """Recover, then seal, switch and retire hours as they end; until cancelled."""
        await self._attempt("views", self._views())
        while True:
            if not self.recovered and self._is_due("recovery", RETRY_S):
                self.recovered = await self._attempt("recovery", self._recover())
                await self._attempt("views", self._views())
            hour = self._next()
            if hour is not None and self._is_due("seal", RETRY_S):
                await self._finish(hour)
            await self._switch_due()
            if self.recovered and self._is_due("retire", RETIRE_S):
                await self._attempt("retire", self._retire())
            await asyncio.sleep(LOOK_S)

    def _next(self) -> int | None:
        """The hour to seal next; one that another process began, not before it is recovered."""
        for hour in self._ended:
            if self.recovered or hour > self._until.hour:
                return hour
        return None

    async def _finish(self, hour: int) -> None:
        """Seal an hour; its switch is due when readers of its parts have had time to end."""
        if not await self._attempt("seal", self._seal(hour)):
            return
        self._due_s["seal"] = 0.0
        self._ended.remove(hour)
        self._switches.append((time.monotonic() + SWITCH_DELAY_S, hour + 1))
        await self._attempt("compare", self._compare(hour))

    async def _switch_due(self) -> None:
        """Switch readers to the hours that are sealed; all before them must be, too."""
        now_s = time.monotonic()
        due = {hour: due_s for due_s, hour in self._switches if due_s <= now_s}
        if not due or not self.recovered:
            return
        hour = max(due)
        if await self._attempt("switch", self._switch(hour, late=now_s - due[hour] > LATE_S)):
            self._switches = [each for each in self._switches if each[1] not in due]
            await self._attempt("views", self._views())

    def _is_due(self, what: str, every_s: float) -> bool:
        """Whether it is time to do something; the next time is so much later."""
        now_s = time.monotonic()
        if now_s < self._due_s[what]:
            return False
        self._due_s[what] = now_s + every_s
        return True

    async def _attempt(self, what: str, job: Coroutine[Any, Any, None]) -> bool:
        """Do something that may fail without hurting the recording; it is tried again later.

        Written down when it first fails, and when it works again.
        """
        try:
            await job
        except (WorkError, OSError, RecorderError) as error:
            self._log.error("work_failed", what=what, error=str(error))
            if what not in self._failing:
                reason = str(error).strip().rpartition("\n")[2]
                self._note("hour_unfinished", f"{what}: {reason}; it is tried again")
                self._failing.add(what)
            return False
        if what in self._failing:
            self._failing.remove(what)
            self._note("hour_finished", f"{what} works again")
        return True

    async def _recover(self) -> None:
        """Finish the hours that an earlier process left, up to where this one began."""
        until = self._until
        held = sorted({*self._root.captured_hours(), *self._root.part_hours()})
        older = [hour for hour in held if hour < until.hour]
        sealed = all(recovery.is_sealed(self._root, hour) for hour in older)
        if until.offset > FIRST_OFFSET or not sealed:
            self._log.info("recovery_started", until=iso(until.hour))
            done = await work(sealing.recover, self._root.path, until)
            self._tell(done.notes)
            for each in done.damage:
                fields = {"path": str(each.path), "position": each.position, "reason": each.reason}
                self._log.warning("capture_damaged", **fields)
            self._log.info(
                "recovery_finished", rows=done.rows, hours=done.hours, sealed=done.sealed
            )
            self.sealed += done.sealed
            if done.failed:
                raise DataError("; ".join(done.failed.values()))
            for hour in older:
                if hour_text(hour) in done.sealed:
                    await self._attempt("compare", self._compare(hour))
        committed = [hour for hour in self._root.committed_hours() if hour < until.hour]
        if committed:
            await self._switch(committed[-1] + 1, late=True)

    def _tell(self, notes: Iterable[tuple[str, str]]) -> None:
        for kind, detail in notes:
            self._note(kind, detail)

    async def _seal(self, hour: int) -> None:
        began_s = time.monotonic()
        commit, notes = await work(seal_sound, self._root, hour)
        self._tell(notes)
        self.sealed.append(hour_text(hour))
        self.files += len(commit.files)
        self.seals.observe(time.monotonic() - began_s)
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
        # Ours goes on ahead for long where the clock was set back; seals are dated by the system's.
        now_s = min(self._now_ns() / 1e9, time.time())
        for what in await asyncio.to_thread(retire, self._root, now_s, self._keep_capture_s):
            self._log.info("hour_removed", what=what)

    async def _switch(self, hour: int, *, late: bool) -> None:
        try:
            switched = sealed_before(self._root)
        except DataError:  # damaged since the start
            for path in set_aside_unreadable(self._root):
                self._note("record_set_aside", f"{path} could not be read; it is made again")
            switched = None
        if (switched or 0) < hour:
            await asyncio.to_thread(switch, self._root, hour)
            self._log.info("hour_switched", sealed_before=iso(hour))
            if late:
                self.keep_parts()


def show_open_hour(root: Root, hour: int) -> None:
    """Where the hour was sealed before it was over, let readers take its parts again."""
    switched = sealed_before(root)
    if switched is not None and switched > hour:
        switch(root, hour)
