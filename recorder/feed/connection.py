"""One line of the plan, kept connected: dial, subscribe, read, and again after every close.

Every close is a reason to connect again, 1000 and 1001 included (`coinbase.md` §1.11). The wait
between tries has full jitter and a cap, and starts small again only after data has come.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from recorder.core.frames import Arrival, Closed, Frame, Opened, Sent
from recorder.core.wire import advanced
from recorder.feed.plan import Line, Pace

FRAME_BYTES_MAX = 64 * 2**20  # a BTC-USD snapshot is 5 MB in one frame
FRAMES_QUEUED_MAX = 64
OPEN_S_MAX = 5.0
BACKOFF_S_FIRST = 0.25
BACKOFF_S_MAX = 30.0
T = TypeVar("T")

ABNORMAL = 1006  # the close code for "no close frame"


class Shell(Protocol):
    """What the feed needs of the process around it."""

    def now_ns(self) -> int:
        """The time of receipt, never going back."""

    def deliver(self, arrival: Arrival) -> None:
        """Take an arrival; must not wait."""

    def has_room(self) -> bool:
        """Whether more may be read now."""

    async def wait_room(self) -> None:
        """Wait until more may be read."""

    def tell(self, event: str, **fields: Any) -> None:
        """Log an event that is no arrival."""


class _Dial(connect):
    """`connect` that goes where it was told: no redirects to other hosts."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connection:
    """Keeps one line connected until it is told to stop."""

    def __init__(
        self,
        line: Line,
        url: str,
        shell: Shell,
        connects: Pace,
        messages: Pace,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.line = line
        self.connection_id: str | None = None
        self._url = url
        self._shell = shell
        self._connects = connects
        self._messages = messages
        self._jitter = jitter
        self._socket: ClientConnection | None = None
        self._reason = ""
        self._stopping = False
        self._wake = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Connect, read, reconnect; returns after `stop`."""
        wait_s = BACKOFF_S_FIRST
        while not self._stopping:
            await self._unless_stopped(self._shell.wait_room())
            await self._unless_stopped(self._connects.wait_turn())
            if not self._stopping and await self._connect_once():
                wait_s = BACKOFF_S_FIRST
            if self._stopping:
                return
            pause_s = wait_s * self._jitter()
            wait_s = min(wait_s * 2, BACKOFF_S_MAX)
            self._shell.tell("reconnect_waiting", line=self.line.label, wait_s=round(pause_s, 3))
            await self._unless_stopped(asyncio.sleep(pause_s))

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, T]) -> T | None:
        """Wait for something, or for `stop`: then it is cancelled, and the answer is None."""
        task = asyncio.create_task(waiting)
        stopped = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            for each in (task, stopped):
                each.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    async def _dial(self) -> ClientConnection:
        return await _Dial(self._url, **_options(self._url))

    async def _connect_once(self) -> bool:
        """One session from dial to close; returns whether data came."""
        try:
            socket = await self._unless_stopped(self._dial())
        except (OSError, WebSocketException, TimeoutError) as error:
            self._shell.tell("connect_failed", line=self.line.label, error=_describe(error))
            return False
        if socket is None:
            return False
        if self._stopping:
            await socket.close()
            return False
        self._socket, self._reason = socket, ""
        opened_ns = self._shell.now_ns()
        self.connection_id = session_name(self.line.label, opened_ns)
        self._shell.deliver(Opened(opened_ns, self.connection_id, self._url))
        self._start(self._subscribe(socket, self.connection_id))
        frames = 0
        try:
            while True:
                raw = await socket.recv(decode=False)
                self._shell.deliver(Frame(self._shell.now_ns(), self.connection_id, raw))
                frames += 1
                if not self._shell.has_room():
                    await self._room_or_close(socket)
        except ConnectionClosed as closed:
            self._closed(closed)
        finally:
            for task in self._requests:
                task.cancel()
            await asyncio.gather(*self._requests, return_exceptions=True)
            self.connection_id, self._socket = None, None
        if self._failure is not None:
            raise self._failure
        return frames > len(self.line.channels) * 2

    async def _room_or_close(self, socket: ClientConnection) -> None:
        """Let frames wait in the socket; a session that is closed meanwhile waits no longer."""
        waits = [
            asyncio.create_task(self._shell.wait_room()),
            asyncio.create_task(socket.wait_closed()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _closed(self, closed: ConnectionClosed) -> None:
        assert self.connection_id is not None
        close = closed.rcvd or closed.sent
        code = close.code if close else ABNORMAL
        reason = self._reason or (close.reason if close else "no close frame")
        orderly = closed.rcvd is not None
        self._shell.deliver(
            Closed(self._shell.now_ns(), self.connection_id, code, reason[:500], orderly)
        )

    async def _subscribe(self, socket: ClientConnection, connection_id: str) -> None:
        """Ask for everything of the line; the first request must be there within 5 s."""
        for channel, products in self.line.subscriptions():
            await self._send(socket, connection_id, "subscribe", channel, products)

    async def _send(
        self,
        socket: ClientConnection,
        connection_id: str,
        kind: Any,
        channel: str,
        products: tuple[str, ...],
    ) -> None:
        text = advanced.request(kind, channel, products)
        await self._messages.wait_turn()
        with suppress(ConnectionClosed):
            # Noted before it is sent, so that no answer can stand before it in the capture.
            self._shell.deliver(Sent(self._shell.now_ns(), connection_id, text))
            await socket.send(text, text=True)

    def resubscribe(self, channel: str, products: tuple[str, ...]) -> None:
        """Unsubscribe and subscribe again, for fresh snapshots; returns at once."""
        if self._socket is None or self.connection_id is None:
            return
        self._start(self._resubscribe(self._socket, self.connection_id, channel, products))

    def _start(self, requests: Coroutine[Any, Any, None]) -> None:
        """Send requests beside the reading; a failure of ours ends the reading and travels up."""
        task = asyncio.create_task(requests)
        self._requests.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.reconnect("our own failure")

    async def _resubscribe(
        self, socket: ClientConnection, connection_id: str, channel: str, products: tuple[str, ...]
    ) -> None:
        for product_id in products:
            await self._send(socket, connection_id, "unsubscribe", channel, (product_id,))
            await self._send(socket, connection_id, "subscribe", channel, (product_id,))

    def reconnect(self, reason: str) -> None:
        """Close this session, which is in doubt or silent; `run` opens the next."""
        if self._socket is not None:
            self._reason = reason
            # A peer that is gone does not answer a close frame: do not wait for it.
            self._socket.transport.abort()

    async def stop(self, reason: str) -> None:
        """Close and do not connect again. `run` returns soon after."""
        self._stopping = True
        self._wake.set()
        if self._socket is not None:
            self._reason = reason
            await self._socket.close(1000, "")


def session_name(label: str, opened_ns: int) -> str:
    """A session's id, from the label and the opening: ``ws1-20261121T190233.123Z``."""
    moment = datetime.fromtimestamp(opened_ns // 1_000_000_000, UTC)
    return f"{label}-{moment:%Y%m%dT%H%M%S}.{opened_ns // 1_000_000 % 1000:03d}Z"


def _options(url: str) -> dict[str, Any]:
    """How to dial: bounded frames and waits, no proxy from the environment, TLS verified."""
    options: dict[str, Any] = {
        "max_size": FRAME_BYTES_MAX,
        "max_queue": FRAMES_QUEUED_MAX,
        "open_timeout": OPEN_S_MAX,
        "close_timeout": 1,
        "ping_interval": 10,
        "ping_timeout": 10,
        "proxy": None,
    }
    if urlsplit(url).scheme == "wss":
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        options["ssl"] = context
    return options


def _describe(error: Exception) -> str:
    """Why a dial failed, in one line."""
    if isinstance(error, InvalidStatus):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, TimeoutError):
        return f"no answer within {OPEN_S_MAX:g} s"
    return f"{type(error).__name__}: {error}"[:300]
