"""The socket side that the venue and the playback share: listening, sending, dropping.

Frames go out in batches, without waiting: what the operating system does not take is kept in the
transport's buffer, whose size is looked at before each batch. A client that lets it grow beyond
``backlog_bytes_max`` is closed, as Coinbase does with a slow consumer.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from recorder.venue.faults import Faults

BACKLOG_BYTES_MAX = 64 * 1024 * 1024
CLOSE_TIMEOUT_S = 1.0
GOING_AWAY = 1001
ABNORMAL = 1006
POLICY = 1008
SLOW_REASON = "slow consumer"


class Connection:
    """One client."""

    def __init__(self, socket: ServerConnection, *, backlog_bytes_max: int, keep: bool) -> None:
        """Wrap a socket whose handshake is done."""
        self.socket = socket
        self.faults = Faults()
        self.sent: list[bytes] | None = [] if keep else None
        self._backlog_bytes_max = backlog_bytes_max
        self._closing: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether frames can be sent."""
        return self.socket.state is State.OPEN and self._closing is None

    def send(self, frames: Sequence[bytes]) -> None:
        """Send these texts in one write, or close the client if it does not read."""
        if not frames or not self.open:
            return
        if self.backlog_bytes > self._backlog_bytes_max:
            self.close_soon(POLICY, SLOW_REASON)
            return
        passed = self.faults.apply(list(frames))
        protocol = self.socket.protocol
        for frame in passed:
            protocol.send_text(frame)
        self.socket.transport.write(b"".join(protocol.data_to_send()))
        if self.sent is not None:
            self.sent.extend(passed)

    @property
    def backlog_bytes(self) -> int:
        """What the client has not read, as far as we hold it."""
        return self.socket.transport.get_write_buffer_size()

    async def wait_sent(self) -> None:
        """Wait until nearly all was taken: the pace of the client for a sender that waits."""
        await self.socket.drain()

    def close_soon(self, code: int, reason: str) -> None:
        """Close without waiting for it; from now on nothing is sent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self.close(code, reason))

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code, or for 1006 without a word. Returns when it is closed."""
        if code != ABNORMAL:
            # A client that does not read never sees the close frame, and would be waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.socket.close(code, reason)
                return
        self.socket.transport.abort()
        await self.socket.wait_closed()


class Door:
    """A WebSocket server on loopback; the subclass says what a client hears."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        compression: bool,
        keep_sent: bool,
        backlog_bytes_max: int = BACKLOG_BYTES_MAX,
    ) -> None:
        """Say where to listen; port 0 takes a free one."""
        self.connections: list[Connection] = []
        self.url = ""
        self._host = host
        self._port = port
        self._compression = "deflate" if compression else None
        self._keep_sent = keep_sent
        self._kept: list[list[bytes]] = []
        self._backlog_bytes_max = backlog_bytes_max
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        """Listen; from now on `url` is what a client dials."""
        self._server = await serve(
            self._handle, self._host, self._port, compression=self._compression,
            ping_interval=None, close_timeout=CLOSE_TIMEOUT_S, server_header=None,
        )  # fmt: skip
        port = next(iter(self._server.sockets)).getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"ws://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening and tell the clients that the server goes away (1001)."""
        if self._server is not None:
            self._server.close(close_connections=False)
            await self.drop(GOING_AWAY)
            await self._server.wait_closed()

    async def _handle(self, socket: ServerConnection) -> None:
        connection = Connection(
            socket, backlog_bytes_max=self._backlog_bytes_max, keep=self._keep_sent
        )
        if connection.sent is not None:
            self._kept.append(connection.sent)
        self.connections.append(connection)
        try:
            await self._talk(connection)
        except ConnectionClosed:
            pass
        finally:
            self.connections.remove(connection)

    async def _talk(self, connection: Connection) -> None:
        """Serve one client until it goes."""
        raise NotImplementedError

    def sent(self, number: int = -1) -> list[bytes]:
        """The frames that one connection was sent (0: the first one ever, -1: the newest).

        Only with ``keep_sent``; a skipped frame is not among them.
        """
        return list(self._kept[number])

    async def drop(self, code: int = ABNORMAL, reason: str = "") -> None:
        """Close all connections: 1006 aborts them, other codes say so in a close frame."""
        closing = [connection.close(code, reason) for connection in list(self.connections)]
        await asyncio.gather(*closing)

    def skip(self, n: int = 1) -> None:
        """Lose the next ``n`` numbered frames of every connection."""
        for connection in self.connections:
            connection.faults.skip += n
