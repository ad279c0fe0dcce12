"""A WebSocket as a connection needs it, whichever library speaks the protocol.

    library ──put──▶ Inbox: frames in their order, bounded by bytes ──take──▶ Connection
                       │ full, or the disk has no room
                       └──pause──▶ what comes waits in the kernel, then at the venue

`recorder.feed.by_websockets` and `recorder.feed.by_picows` are the two transports; what they have
in common is here: the bounds, the frames that wait, the keepalive, and what the end of a session
is called.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

FRAME_BYTES_MAX = 64 * 2**20  # a BTC-USD snapshot is 5 MB in one frame
# So much may wait of one connection, and what one read brings beyond it; more is one long frame.
WAITING_BYTES_MAX = 2**20
OPEN_S_MAX = 5.0
PING_S = 10.0
PONG_S_MAX = 10.0
CLOSE_S_MAX = 1.0

ABNORMAL = 1006  # the close code for "no close frame"
NO_CODE = 1005  # the close code for a close frame without one
PROTOCOL = 1002
TOO_BIG = 1009
INTERNAL = 1011

REASON_CHARACTERS_MAX = 300
CLOSED_EARLY = "closed before the WebSocket was open"


class OpeningError(Exception):
    """A WebSocket could not be opened: by the status of the answer, or by what else was wrong."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class ClosedError(Exception):
    """Nothing can be sent any more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a session: its close code, who closed and why.

    ``ours``: there was no close frame of the venue. A close that was none of our own doing is then
    one that the transport made: a frame beyond our limit (1009), a ping without an answer (1011), a
    breach of the protocol; or nobody closed (1006).
    """

    code: int
    reason: str
    ours: bool


def ended(came: tuple[int, str] | None, sent: tuple[int, str] | None) -> Ended:
    """What the close frames that came and were sent, (code, reason), come to."""
    if came is not None:
        return Ended(came[0] or NO_CODE, came[1][:REASON_CHARACTERS_MAX], ours=False)
    if sent is None:
        return Ended(ABNORMAL, "no close frame", ours=True)
    code, said = sent
    match code:
        case 1009:
            said = f"our limit: a frame of more than {FRAME_BYTES_MAX // 2**20} MiB"
        case 1011:
            said = f"our keepalive: no pong within {PONG_S_MAX:g} s"
        case _:
            said = f"closed by us: {said}"
    return Ended(code, said[:REASON_CHARACTERS_MAX], ours=True)


class Inbox:
    """Frames that came and wait, in their order; ``bytes`` of them.

    One reader takes them. Once more than `WAITING_BYTES_MAX` wait the transport is told to pause,
    and to go on when half of that is left; ``pauses`` counts that. ``end``: how the session ended.
    ``decoding``: a long frame was taken and is being decoded, while others have their turns.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.decoding = False
        self.end: Ended | None = None
        self.paused = False
        self.pauses = 0
        self._frames: deque[tuple[int, bytes]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._pause: Callable[[], None] = _nothing
        self._resume: Callable[[], None] = _nothing

    def connect(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Tell how the transport is paused and goes on."""
        self._pause, self._resume = pause, resume

    def put(self, raw: bytes) -> None:
        """A frame came."""
        self._frames.append((perf_counter_ns(), raw))
        self.bytes += len(raw)
        if self.bytes > WAITING_BYTES_MAX and not self.paused:
            self.paused = True
            self.pauses += 1
            self._pause()
        if self._waiter is not None:
            self._wake()

    def close(self, end: Ended) -> None:
        """No frame comes any more; those that wait are still taken."""
        if self.end is None:
            self.end = end
        self._wake()

    def take(self) -> tuple[int, bytes] | None:
        """The next frame, and when it came (`perf_counter_ns`); None where none waits."""
        if not self._frames:
            return None
        first = self._frames.popleft()
        self.bytes -= len(first[1])
        if self.paused and self.bytes <= WAITING_BYTES_MAX // 2:
            self.paused = False
            if self.end is None:
                self._resume()
        return first

    @property
    def count(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    def take_many(self, count_max: int, bytes_max: int, long: int) -> list[tuple[int, bytes]]:
        """The next frames, as `take` gives each, so many and about so many bytes at most.

        They end before one of ``long`` bytes, which is for `take`.
        """
        taken: list[tuple[int, bytes]] = []
        left = bytes_max
        while self._frames and len(taken) < count_max and left > 0:
            length = len(self._frames[0][1])
            if length >= long:
                break
            left -= length
            first = self.take()
            assert first is not None
            taken.append(first)
        return taken

    async def wait(self) -> bool:
        """Wait for a frame; False where the session has ended and all were taken."""
        while not self._frames:
            if self.end is not None:
                return False
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _nothing() -> None:
    """There is no transport yet."""


class Socket(ABC):
    """An open WebSocket. ``inbox`` has the frames, ``failure`` is a bug of ours that ended it.

    A transport puts frames into ``inbox`` as they came, compressed ones unpacked and those in
    pieces put together, none longer than `FRAME_BYTES_MAX`, and closes it at the end.
    """

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.failure: Exception | None = None
        self._pong = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @property
    @abstractmethod
    def transport(self) -> Any:
        """What is below: the transport of asyncio."""

    @abstractmethod
    async def send(self, text: str) -> None:
        """Send a text; raises ClosedError where it cannot be sent any more."""

    @abstractmethod
    def ping(self) -> None:
        """Send a ping; nothing where it is closed."""

    @abstractmethod
    async def close(self, code: int, reason: str) -> None:
        """Close in order, for which the venue has `CLOSE_S_MAX`; returns when it is closed."""

    def abort(self) -> None:
        """Close at once, without a word: a peer that is gone does not answer a close frame."""
        self.transport.abort()

    async def wait_closed(self) -> None:
        """Wait until it is closed; frames may still wait in ``inbox``."""
        await self._closed.wait()

    # --- for the transports -----------------------------------------------------------------------

    def begin(self) -> None:
        """It is open: frames may be paused, and silence is looked for."""
        below = self.transport
        self.inbox.connect(below.pause_reading, below.resume_reading)
        if self.inbox.paused:
            below.pause_reading()
        if not self._closed.is_set():
            self._keeper = asyncio.create_task(self._keep_alive())

    def heard_pong(self) -> None:
        """A pong came: any is a sign of life."""
        self._pong.set()

    def finish(self, end: Ended) -> None:
        """It is closed."""
        if self._keeper is not None:
            self._keeper.cancel()
        self.inbox.close(end)
        self._closed.set()

    async def _keep_alive(self) -> None:
        """Ping, and close a connection that does not answer.

        While frames are made to wait, its answer may wait among them: that proves nothing.
        """
        while True:
            await asyncio.sleep(PING_S)
            self._pong.clear()
            pauses = self.inbox.pauses
            self.ping()
            try:
                async with asyncio.timeout(PONG_S_MAX):
                    await self._pong.wait()
            except TimeoutError:
                if not self.inbox.paused and self.inbox.pauses == pauses:
                    break
        self._keeper = None  # so that `finish` does not cancel what closes
        await self.close(INTERNAL, "keepalive ping timeout")
