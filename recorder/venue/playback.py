"""`Playback`: recorded frames over a real socket, byte for byte, at their own pace or another.

The first client to connect and say something gets the frames of the first recorded connection,
the next client those of the second, and so on. Whatever the clients ask for, they get what was
recorded. A capture is read while it is played, so its size does not matter.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from recorder.errors import UsageError
from recorder.store import capture, ndjson
from recorder.venue.door import BACKLOG_BYTES_MAX, Connection, Door

SECOND_NS = 1_000_000_000
# Frames read at once in a thread; a batch of the largest snapshots is still below 100 MB.
BATCH_FRAMES = 256
# A playback may not sleep for less: at 20,000 frames a second it sends batches.
SLEEP_S_MIN = 0.001
NORMAL = 1000
# The class of `recorder.core.frames` for what was received; the venue imports nothing of the core.
FRAME = "Frame"

Recorded = tuple[int | None, str, bytes]


def read_frames(paths: Sequence[Path]) -> Iterator[Recorded]:
    """All received frames of captures, in order: (time in ns or None, connection, text).

    Folders and ``*.cap`` files are captures of our own, anything else is NDJSON, gzipped or not.

    Raises:
        RecorderError: what `recorder.store.capture` or `recorder.store.ndjson` raise.
    """
    own = [path for path in paths if path.is_dir() or path.suffix == ".cap"]
    for _, arrival in capture.read_arrivals(own) if own else ():
        if type(arrival).__name__ == FRAME:
            frame: Any = arrival
            yield frame.recv_ns, frame.connection_id, frame.raw
    for path in paths:
        if path not in own:
            for line in ndjson.read_lines(path):
                if not line.outgoing:
                    yield line.t_ns, line.conn, line.raw


class Recording:
    """The connections of a capture, numbered by their first frame."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Nothing is read yet."""
        self._paths = list(paths)
        # How many connections there are, as soon as one was read to the end.
        self.total: int | None = None

    def frames_of(self, number: int) -> Iterator[tuple[int | None, bytes]]:
        """The frames of one connection as (time in ns or None, text); none if it has no such."""
        numbers: dict[str, int] = {}
        for recv_ns, name, raw in read_frames(self._paths):
            if numbers.setdefault(name, len(numbers)) == number:
                yield recv_ns, raw
        self.total = len(numbers)


class Playback(Door):
    """Plays captures to clients. ``ended`` is set once every recorded connection was played."""

    def __init__(
        self,
        paths: Path | Sequence[Path],
        speed: float | None = 1.0,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        close: bool = False,
        compression: bool = False,
        keep_sent: bool = False,
        backlog_bytes_max: int = BACKLOG_BYTES_MAX,
    ) -> None:
        """Prepare; nothing is read before a client asks.

        Args:
            paths: NDJSON files (gzipped or not), ``*.cap`` files, or folders of ``*.cap`` files.
            speed: 2.0 plays twice as fast as recorded, None as fast as the client reads.
            host: a loopback address.
            port: 0 takes a free one.
            close: close with 1000 after a connection's last frame; else it stays open.
            compression: offer permessage-deflate.
            keep_sent: remember every frame, for `sent`.
            backlog_bytes_max: a client further behind is closed with 1008 (not at speed None).
        """
        super().__init__(
            host=host, port=port, compression=compression, keep_sent=keep_sent,
            backlog_bytes_max=backlog_bytes_max,
        )  # fmt: skip
        if speed is not None and not speed > 0:
            raise UsageError("The speed of a playback must be above 0; leave it out for maximum.")
        self.ended = asyncio.Event()
        self.recording = Recording([paths] if isinstance(paths, Path) else paths)
        self.error: Exception | None = None
        self._speed = speed
        self._close = close
        self._begun = 0
        self._played = 0

    async def _talk(self, connection: Connection) -> None:
        await connection.socket.recv()
        number, self._begun = self._begun, self._begun + 1
        playing = asyncio.create_task(self._play_through(connection, number))
        try:
            async for _ in connection.socket:
                pass  # Further requests change nothing.
        finally:
            playing.cancel()
            await asyncio.wait([playing])

    async def _play_through(self, connection: Connection, number: int) -> None:
        """Play one recorded connection; what cannot be read is kept in `error` and ends it."""
        try:
            await self._play(connection, number)
        except Exception as error:
            self.error = error
            self.ended.set()
            raise
        self._played += 1
        if self.recording.total is not None and self._played >= self.recording.total:
            self.ended.set()
        if self._close:
            connection.close_soon(NORMAL, "")

    async def _play(self, connection: Connection, number: int) -> None:
        frames = self.recording.frames_of(number)
        begun_ns = time.monotonic_ns()
        first_ns: int | None = None
        while batch := await asyncio.to_thread(lambda: list(islice(frames, BATCH_FRAMES))):
            ready: list[bytes] = []
            for recv_ns, raw in batch:
                if self._speed is not None and recv_ns is not None:
                    first_ns = recv_ns if first_ns is None else first_ns
                    due_ns = begun_ns + (recv_ns - first_ns) / self._speed
                    wait_s = (due_ns - time.monotonic_ns()) / SECOND_NS
                    if wait_s > SLEEP_S_MIN:
                        connection.send(ready)
                        ready = []
                        await asyncio.sleep(wait_s)
                elif self._speed is None and len(raw) > 1 << 20:
                    connection.send([*ready, raw])
                    ready = []
                    await connection.wait_sent()
                    continue
                ready.append(raw)
            connection.send(ready)
            if len(batch) < BATCH_FRAMES or not connection.open:
                return  # At once: a client may leave as soon as it has the last frame.
            if self._speed is None:
                await connection.wait_sent()
