"""The socket side that the venue and the playback share: listening, sending, dropping.

Frames go out in batches, without waiting: what the operating system does not take is kept in the
transport's buffer, whose size is looked at before each batch. A client that lets it grow beyond
``backlog_bytes_max`` is closed, as Coinbase does with a slow consumer.

The server may be one in memory: the loop's ``create_server`` is all that is asked of it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.protocol import State

from recorder.venue.faults import Binary, Faults
from recorder.venue.kept import Connect, Kept, Lost, Request
from recorder.venue.pipe import Socket

BACKLOG_BYTES_MAX = 64 * 1024 * 1024
CLOSE_TIMEOUT_S = 1.0
# A frame that others must pass first does not wait for ever.
REORDER_S_MAX = 1.0
LISTEN_AGAIN_S = 0.05
GOING_AWAY = 1001
ABNORMAL = 1006
POLICY = 1008
SLOW_REASON = "slow consumer"

# Handshakes that break are what this server is for, and no news; what breaks in the venue itself
# is raised when it stops.
_quiet = logging.getLogger("recorder.venue.websockets")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


def address_of(socket: ServerConnection) -> str:
    """Who is at the other end, without the port; empty if the transport does not say."""
    peer = socket.transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


class Connection:
    """One client. ``number`` counts those that opened, from 0."""

    def __init__(
        self, socket: Socket, number: int, *, backlog_bytes_max: int, keep: bool = False
    ) -> None:
        """Wrap a socket whose handshake is done."""
        self.socket = socket
        self.number = number
        self.address = address_of(socket)
        self.faults = Faults(lose=self._lose)
        now_s = asyncio.get_running_loop().time()
        self.kept = Kept(number, self.address, time.time_ns(), now_s, []) if keep else None
        self._backlog_bytes_max = backlog_bytes_max
        self._closing: asyncio.Task[None] | None = None
        self._flushing: asyncio.TimerHandle | None = None

    @property
    def sent(self) -> list[bytes] | None:
        """The frames sent so far, if they are kept."""
        return self.kept.sent if self.kept is not None else None

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
        if self.socket.pipe.vanishing:
            for frame in frames:
                self._lose(frame, "half_open", 0)
            return
        self._put(self.faults.apply(list(frames)))
        if self.faults.holding and self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(REORDER_S_MAX, self._flush_reordered)

    def flush(self) -> None:
        """Send what faults have kept back."""
        self._let_go(self.faults.flush())

    def _flush_reordered(self) -> None:
        self._flushing = None
        self._let_go(self.faults.flush(stalled=False))

    def _let_go(self, kept: Sequence[bytes]) -> None:
        """Send what was kept back, or lose it where nothing can be sent any more."""
        if self.open and not self.socket.pipe.vanishing:
            self._put(kept)
            return
        for frame in kept:
            self._lose(frame, "stall", 0)

    def _put(self, frames: Sequence[bytes]) -> None:
        """Give frames to the socket."""
        protocol = self.socket.protocol
        for frame in frames:
            if isinstance(frame, Binary):
                protocol.send_binary(frame)
            else:
                protocol.send_text(frame)
        self.socket.transport.write(b"".join(protocol.data_to_send()))
        if self.kept is not None:
            self.kept.sent.extend(frames)

    def _lose(self, frame: bytes, kind: str, after: int) -> None:
        if self.kept is not None:
            self.kept.lost.append(Lost(len(self.kept.sent) + after, frame, kind))

    def heard(self, text: str | bytes) -> None:
        """Remember a request."""
        if self.kept is not None:
            raw = text.encode() if isinstance(text, str) else text
            loop_s = asyncio.get_running_loop().time()
            self.kept.requests.append(Request(time.time_ns(), loop_s, raw))

    @property
    def backlog_bytes(self) -> int:
        """What the client has not read, as far as we hold it."""
        return self.socket.transport.get_write_buffer_size()

    async def wait_sent(self) -> None:
        """Wait until nearly all was taken: the pace of the client for a sender that waits."""
        await self.socket.drain()

    def close_soon(self, code: int, reason: str = "") -> None:
        """Close without waiting for it; from now on nothing is sent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self.close(code, reason))

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code, or for 1006 without a word. Returns when it is closed."""
        if self.kept is not None and not self.kept.ended:
            self.kept.ended = f"{code} {reason}".strip()
        if code != ABNORMAL:
            # A client that does not read never sees the close frame, and would be waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.socket.close(code, reason)
                return
        self.socket.transport.abort()
        await self.socket.wait_closed()

    def gone(self) -> None:
        """Remember that it is over."""
        if self._flushing is not None:
            self._flushing.cancel()
        self._let_go(self.faults.flush())
        if self.kept is not None:
            self.kept.closed_ns = time.time_ns()


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
        # Everything that was sent, asked and dialled, oldest first; only with ``keep_sent``.
        self.records: list[Kept] = []
        self.connects: list[Connect] = []
        self._host = host
        self._port = port
        self._compression = "deflate" if compression else None
        self._keep_sent = keep_sent
        self._kept: list[list[bytes]] = []
        self._backlog_bytes_max = backlog_bytes_max
        self._servers: list[Server] = []
        self._listening: asyncio.Task[None] | None = None
        self._opened = 0
        self._dialled: dict[ServerConnection, Connect] = {}
        self._error: Exception | None = None

    async def __aenter__(self) -> Self:
        """Listen; from now on `url` is what a client dials."""
        await self._listen()
        for socket in self._servers[-1].sockets:
            # A server in memory has no socket: then the port is the one asked for.
            self._port = socket.getsockname()[1]
            break
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"ws://{host}:{self._port}"
        return self

    async def _listen(self) -> None:
        self._servers.append(await serve(
            self._handle, self._host, self._port, compression=self._compression,
            ping_interval=None, close_timeout=CLOSE_TIMEOUT_S, server_header=None,
            process_request=self._admit, logger=_quiet, open_timeout=None,
            create_connection=cast(type[ServerConnection], partial(Socket, self._meet, self._part)),
        ))  # fmt: skip

    def shut(self) -> None:
        """Listen no more: new clients are refused; those that are in stay."""
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None
        if self._servers:
            self._servers[-1].close(close_connections=False)

    def reopen(self) -> None:
        """Listen again at the same address, as soon as it can be had."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen_again())

    async def _listen_again(self) -> None:
        """Wait until the last server has let go of the address, and try."""
        while self._listening is not None:
            await asyncio.sleep(LISTEN_AGAIN_S)
            with contextlib.suppress(OSError):
                await self._listen()
                self._listening = None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening and tell the clients that the server goes away (1001)."""
        self.shut()
        await self.drop(GOING_AWAY)
        for socket in list(self._dialled):
            socket.transport.abort()
        for server in self._servers:
            await server.wait_closed()
        if self._error is not None:
            raise self._error

    def _meet(self, socket: Socket) -> None:
        """A client has come; nothing of it was read yet."""
        loop_s = asyncio.get_running_loop().time()
        connect = Connect(time.time_ns(), loop_s, address_of(socket))
        self._dialled[socket] = connect
        if self._keep_sent:
            self.connects.append(connect)

    def _part(self, socket: Socket) -> None:
        """A client has gone, or was never let in."""
        self._dialled.pop(socket, None)

    async def _admit(self, socket: ServerConnection, request: HttpRequest) -> Response | None:  # noqa: ARG002
        """Answer a handshake; None lets the client in."""
        return None

    async def _handle(self, opened: ServerConnection) -> None:
        socket = cast(Socket, opened)
        connection = Connection(
            socket, self._opened,
            backlog_bytes_max=self._backlog_bytes_max, keep=self._keep_sent,
        )  # fmt: skip
        self._opened += 1
        connect = self._dialled[socket]
        connect.outcome, connect.number = "open", connection.number
        if connection.kept is not None:
            self.records.append(connection.kept)
            self._kept.append(connection.kept.sent)
        self.connections.append(connection)
        self._greet(connection)
        try:
            await self._talk(connection)
        except ConnectionClosed:
            pass
        except Exception as error:
            # A bug in the venue must not look like a network that breaks.
            self._error = self._error or error
            raise
        finally:
            self.connections.remove(connection)
            connection.gone()

    def _greet(self, connection: Connection) -> None:
        """Prepare a connection before anything is said on it."""

    async def _talk(self, connection: Connection) -> None:
        """Serve one client until it goes."""
        raise NotImplementedError

    def sent(self, number: int = -1) -> list[bytes]:
        """The frames that one connection was sent (0: the first one ever, -1: the newest).

        Only with ``keep_sent``; a skipped frame is not among them, see `records`.
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
