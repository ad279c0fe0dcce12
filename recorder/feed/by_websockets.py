"""The transport by `websockets`, which is always there.

Its connection is used but for what waits: frames go into our `Inbox`, which is bounded by bytes and
not by their count, and the keepalive is ours, so that both transports have the same.
"""

import ssl
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.frames import Close, Frame, Opcode

from recorder.feed import sockets
from recorder.feed.sockets import CLOSED_EARLY, ClosedError, OpeningError, Socket, ended

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class _Client(ClientConnection):
    """The library's connection, whose frames go where we want them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.socket = _Socket(self)
        self._pieces: list[bytes] = []

    def process_event(self, event: Any) -> None:
        """Take a frame; the library has checked that pieces follow each other."""
        if self.response is None or event.opcode not in _DATA:
            super().process_event(event)
            if isinstance(event, Frame) and event.opcode is Opcode.PONG:
                self.socket.heard_pong()
        elif event.fin and event.opcode is not Opcode.CONT:
            self.socket.inbox.put(bytes(event.data))
        else:
            self._pieces.append(bytes(event.data))
            if event.fin:
                whole = b"".join(self._pieces)
                self._pieces.clear()
                self.socket.inbox.put(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell how it ended."""
        super().connection_lost(exc)
        closed = self.protocol.close_exc
        self.socket.finish(ended(_told(closed.rcvd), _told(closed.sent)))


def _told(close: Close | None) -> tuple[int, str] | None:
    return None if close is None else (close.code, close.reason)


class _Socket(Socket):
    def __init__(self, client: _Client) -> None:
        super().__init__()
        self._client = client

    @property
    def transport(self) -> Any:
        return self._client.transport

    async def send(self, text: str) -> None:
        try:
            await self._client.send(text)
        except ConnectionClosed:
            raise ClosedError from None

    def ping(self) -> None:
        if self._client.protocol.state.name == "OPEN":
            self._client.protocol.send_ping(b"recorder")
            self._client.send_data()

    async def close(self, code: int, reason: str) -> None:
        await self._client.close(code, reason)


class _Connect(connect):
    """`connect` that goes where it was told: no redirects to other hosts."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_socket(url: str, tls: ssl.SSLContext | None, *, compression: bool) -> Socket:
    """Open a WebSocket.

    Raises:
        OSError, TimeoutError, OpeningError: it failed.
    """
    options: dict[str, Any] = {} if tls is None else {"ssl": tls}
    try:
        client = await _Connect(
            url,
            max_size=sockets.FRAME_BYTES_MAX,
            open_timeout=sockets.OPEN_S_MAX,
            close_timeout=sockets.CLOSE_S_MAX,
            ping_interval=None,
            proxy=None,
            compression="deflate" if compression else None,
            create_connection=_Client,
            **options,
        )
    except InvalidStatus as error:
        raise OpeningError("", error.response.status_code) from error
    except (InvalidMessage, EOFError, ConnectionClosed, ConnectionResetError) as error:
        raise OpeningError(CLOSED_EARLY) from error
    except WebSocketException as error:
        raise OpeningError(f"{type(error).__name__}: {error}") from error
    assert isinstance(client, _Client)
    client.socket.begin()
    return client.socket
