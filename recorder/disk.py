"""Getting what is recorded to disk, and waiting when the disk refuses.

    capture: a block every 200 ms or 64 KiB, an fdatasync every second
    parts:   every `part_seconds`, after the capture of their frames is durable

A disk that refuses (full, read-only, failing, no more handles) does not end the recording: what
arrived stays in memory, in bounds of bytes, and is written once the disk takes it again. It is
written down when it begins and when it ends. At the bounds, whether the disk refuses or is only too
slow, nothing more is read: frames wait in the kernel, then at the venue, which closes the
connection in the end, and coverage says what is missing. While less than `free_space_min` is free
nothing is read either, and the connections are closed. A ballast file is let go then, so that there
is room to write that down.
"""

import asyncio
import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path

from recorder import logs
from recorder.histogram import Histogram
from recorder.hours import Hours
from recorder.recording import Pending, Recording
from recorder.store.paths import Root, iso

BLOCK_BYTES = 64 * 1024  # so much is written at once: a kill in a burst loses little of it
BLOCK_S = 0.2  # what a kill loses, with the write of a block: 0.25 s
SYNC_S = 1.0
LOOK_S = 1.0
RETRY_S = 0.5
REST_S = 0.001  # after some thousand rows of a part, which take as long to make
BUFFERED_BYTES_MAX = 128 * 2**20
PENDING_BYTES_MAX = 256 * 2**20
BALLAST_BYTES = 64 * 2**20
BALLAST = ".ballast"
SYNCS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Disk:
    """The services between a recording and its data directory.

    ``room`` is set while more may be read. ``note(kind, detail)`` writes a fault down. For whoever
    looks on: ``free`` is how many bytes may still be written, None while that is not known,
    ``errors`` counts what the disk refused, by errno, ``rows`` those that were published, by table,
    and ``bytes`` those of their parts;
    ``syncs`` is how long syncs took, ``synced_s`` when the last one ended.
    """

    def __init__(
        self,
        root: Root,
        recording: Recording,
        hours: Hours,
        part_seconds: int,
        free_bytes_min: int,
        note: Callable[[str, str], None],
    ) -> None:
        self._root = root
        self._recording = recording
        self._hours = hours
        self._part_seconds = part_seconds
        self._free_bytes_min = free_bytes_min
        self._note = note
        self._log = logs.log()
        self._ending = asyncio.Event()
        self._synced = asyncio.Condition()
        self._refused: dict[str, float] = {}
        self._refusals: Counter[str] = Counter()
        self._low = False
        self._behind = False
        self._ballast = root.path / BALLAST
        self._lacks_ballast = False
        self._full = asyncio.Event()
        self.free: int | None = None
        self.errors: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.syncs = Histogram(SYNCS_S)
        self.synced_s = time.monotonic()
        self.room = asyncio.Event()
        self.room.set()

    def configure(self, part_seconds: int, free_bytes_min: int) -> None:
        """Take other settings over, from the next part and the next look on."""
        self._part_seconds = part_seconds
        self._free_bytes_min = free_bytes_min

    async def end(self) -> None:
        """Let the services finish what they are at and return."""
        self._ending.set()
        self._full.set()
        async with self._synced:
            self._synced.notify_all()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    # --- room -----------------------------------------------------------------------------------

    def look_for_room(self) -> None:
        """Stop the reading at the bounds; let it go on well below them."""
        capture = self._recording.capture
        held, rows = capture.held, self._recording.pending_bytes
        if capture.uncut >= BLOCK_BYTES and "capture" not in self._refused:
            self._full.set()
        if held > BUFFERED_BYTES_MAX or rows > PENDING_BYTES_MAX:
            self.room.clear()
            if not self._behind:
                self._behind = True
                detail = f"{held} bytes of capture and about {rows} of rows wait for the disk"
                self._note("disk_behind", f"{detail}; nothing more is read")
        elif self._behind and (held > BUFFERED_BYTES_MAX // 2 or rows > PENDING_BYTES_MAX // 2):
            return
        elif self._low:
            self.room.clear()
        else:
            self.room.set()
            if self._behind:
                self._behind = False
                self._note("disk_recovered", "what waited was written; frames are read again")

    @property
    def refused(self) -> list[str]:
        """What could not be written, and is tried again: capture, sync, parts; by name."""
        return sorted(self._refused)

    @property
    def floor(self) -> int:
        """Bytes that must be free."""
        return self._free_bytes_min

    @property
    def stopped(self) -> str:
        """Why nothing is read; empty where it is."""
        if self.room.is_set():
            return ""
        if self._low:
            return "too little space is free"
        return "the disk refused" if self._refused else "too much waits to be written"

    @property
    def lacking(self) -> str:
        """How much is free and how much must be, where that is why nothing is read."""
        if self.room.is_set() or not self._low or self.free is None:
            return ""
        wanted = self._free_bytes_min + BALLAST_BYTES
        return f"{self.free / 1e6:.1f} MB of the {wanted / 1e6:.1f} MB at which it goes on"

    @property
    def behind(self) -> bool:
        """Whether frames are made to wait in their sockets because too much waits for the disk."""
        return self._behind and not self._low

    @property
    def refusing(self) -> bool:
        """Whether the disk refuses what is written; it is tried again."""
        return bool(self._refused)

    def signs(self) -> tuple[Hashable, Hashable]:
        """What moves while the disk answers, by capture and by parts; None where none waits.

        A refusal is an answer, and is tried again. A write that does not return is none.
        """
        capture, ready = self._recording.capture, self._recording.ready
        refused = self._refusals
        waits = capture.synced < capture.reached
        return (
            (capture.synced, refused["capture"], refused["sync"]) if waits else None,
            (ready[0].reached, refused["parts"]) if ready else None,
        )

    def _refuse(self, what: str, error: OSError) -> None:
        """Something could not be written; written down once, until all can be again."""
        if not self._refused:
            self._note("disk_refused", f"{what}: {error}; what arrives is kept in memory")
        self._refused.setdefault(what, time.monotonic())
        self._refusals[what] += 1
        self.errors[errno.errorcode.get(error.errno or 0, "other")] += 1
        self._let_ballast_go()
        self.look_for_room()

    def _accept(self, what: str) -> None:
        began_s = self._refused.pop(what, None)
        if began_s is not None and not self._refused:
            self._note("disk_recovered", f"{what}: after {time.monotonic() - began_s:.1f} s")
        self.look_for_room()

    # --- capture --------------------------------------------------------------------------------

    async def write(self) -> None:
        """Write a block of capture every 200 ms, whatever a write takes of them, or once full."""
        capture = self._recording.capture
        due_s = time.monotonic()
        while not self._ending.is_set():
            now_s = time.monotonic()
            due_s = max(min(due_s, now_s) + BLOCK_S, now_s)  # from the last one on, if it was early
            with suppress(TimeoutError):
                async with asyncio.timeout(due_s - time.monotonic()):
                    await self._full.wait()
            self._full.clear()
            try:
                await asyncio.to_thread(capture.write, capture.cut())
            except OSError as error:
                self._refuse("capture", error)
            else:
                self._accept("capture")

    async def sync(self) -> None:
        """Make the capture durable every second, beside the writing."""
        capture = self._recording.capture
        while not self._ending.is_set():
            await self._pause(SYNC_S)
            began_s = time.monotonic()
            try:
                await asyncio.to_thread(capture.sync)
            except OSError as error:
                self._refuse("sync", error)
            else:
                self._accept("sync")
                self.synced_s = time.monotonic()
                self.syncs.observe(self.synced_s - began_s)
            async with self._synced:
                self._synced.notify_all()

    # --- parts ----------------------------------------------------------------------------------

    async def publish(self) -> None:
        """Publish parts every `part_seconds`, and at once when an hour has turned."""
        recording = self._recording
        hour = recording.begin_hour
        due_s = time.monotonic() + self._part_seconds
        while not self._ending.is_set():
            await self._pause(BLOCK_S)
            # Long parts of a busy recording are cut early: waiting rows must not stop the reading.
            much = recording.uncut_bytes > PENDING_BYTES_MAX // 4
            if (much or time.monotonic() >= due_s) and "parts" not in self._refused:
                due_s = time.monotonic() + self._part_seconds
                recording.cut()
            # What is ready at the end, the end publishes: there may be no time for it.
            while self._may_publish and await self._publish_first():
                pending = recording.ready.pop(0)
                if pending.hour != hour:  # the books that it begins with are published, too
                    self._hours.ended([hour])
                    hour = pending.hour

    @property
    def _may_publish(self) -> bool:
        return bool(self._recording.ready) and not self._ending.is_set()

    async def _publish_first(self) -> bool:
        """Publish what is ready first; False where the disk refused, or the end has come."""
        pending, capture = self._recording.ready[0], self._recording.capture
        async with self._synced:
            await self._synced.wait_for(
                lambda: capture.synced >= pending.reached or self._ending.is_set()
            )
        if capture.synced < pending.reached:
            return False  # the end makes it durable and publishes it
        began_s = time.monotonic()
        try:
            rows = await asyncio.to_thread(pending.publish, self._root, between=_rest)
        except OSError as error:
            self._refuse("parts", error)
            await self._pause(RETRY_S)
            return False
        self._accept("parts")
        self.rows.update(rows)
        self.bytes.update(pending.sizes)
        self._tell_part(pending, rows, time.monotonic() - began_s)
        return True

    def _tell_part(self, pending: Pending, rows: dict[str, int], duration_s: float) -> None:
        self._log.info(
            "part_written",
            hour=iso(pending.hour),
            rows=sum(rows.values()),
            duration_s=round(duration_s, 3),
        )

    # --- free space -----------------------------------------------------------------------------

    async def watch(self) -> None:
        """Stop the reading while too little is free; until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        free = await asyncio.to_thread(free_bytes, self._root.path)
        self.free = free
        if free is None:
            return
        if not self._low and free < self._free_bytes_min:
            self._low = True
            self._let_ballast_go()
            detail = f"{free} bytes are free, {self._free_bytes_min} must be; nothing more is read"
            self._note("disk_low", detail)
        elif self._low and free >= self._free_bytes_min + BALLAST_BYTES:
            self._low = False
            self._note("disk_recovered", f"{free} bytes are free")
        if not self._low and not self._refused and free >= self._free_bytes_min + 2 * BALLAST_BYTES:
            await asyncio.to_thread(self._keep_ballast)
        self.look_for_room()

    def _keep_ballast(self) -> None:
        """Have the ballast; where that fails it is said once, and tried again with each look."""
        try:
            take_ballast(self._ballast)
        except OSError as error:
            if not self._lacks_ballast:
                self._log.error("work_failed", what="ballast", error=str(error))
            self._lacks_ballast = True
        else:
            self._lacks_ballast = False

    def _let_ballast_go(self) -> None:
        with suppress(OSError):
            self._ballast.unlink(missing_ok=True)


def _rest() -> None:
    """Let the loop have the interpreter: frames come, and parts can wait."""
    time.sleep(REST_S)


def take_ballast(path: Path) -> None:
    """Hold some space that can be let go when there is none left; all of it or nothing.

    Raises OSError where it cannot be had.
    """
    with suppress(FileNotFoundError):
        if path.stat().st_size >= BALLAST_BYTES:
            return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.posix_fallocate(handle, 0, BALLAST_BYTES)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def free_bytes(path: Path) -> int | None:
    """Bytes that this user may still write below a path; None where it cannot be asked."""
    try:
        state = os.statvfs(path)
    except OSError:
        return None
    return state.f_bavail * state.f_frsize
