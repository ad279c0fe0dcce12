"""The server: sockets and connections, within bounds, in the loop of the recording.

Connections are taken one by one and counted before anything is read of them, so that nobody can
use up the files that the recording needs. A request must have come whole within some seconds.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from recorder import logs
from recorder.http.door import Door, bound
from recorder.http.site import Site

CONNECTIONS_MAX = 32
REQUEST_S_MAX = 5.0  # from the connection, or the last answer, to the end of a request's headers
HANDSHAKE_S_MAX = 5.0
HEADER_BYTES_MAX = 8190
HEADERS_MAX = 64
SEND_BYTES = 128 * 1024  # that the kernel takes for one client: what it holds cannot be conflated
RETRY_S = 5.0
STOP_S_MAX = 1.0

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\n"
    b"Connection: close\r\n\r\n"
)


class _Protocol(RequestHandler):
    """A connection of aiohttp that says nothing of what it could not read."""

    __slots__ = ("_site", "gone")

    def __init__(self, manager: "_Server", site: Site, **bounds: Any) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **bounds)
        self._site = site
        self.gone = asyncio.Event()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        super().connection_lost(exc)
        self.gone.set()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request; aiohttp's own answer would repeat parts of it."""
        del request, status, exc, message
        return self._site.malformed()


class _Server(web.Server):
    """Makes the protocol of each connection, with its bounds."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.handle)
        self._site = site

    def __call__(self) -> _Protocol:
        """Make one."""
        return _Protocol(
            self,
            self._site,
            keepalive_timeout=REQUEST_S_MAX,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
            lingering_time=0.0,
            access_log=None,
            tcp_keepalive=False,
        )


class Server:
    """Serves a site through a door, until it is closed. ``url`` is where, None while nowhere."""

    def __init__(self, site: Site, door: Door, announce: Callable[[str], None]) -> None:
        """``announce`` is called with the address once it is served."""
        self._site = site
        self._announce = announce
        self._door = door
        self._log = logs.log()
        self._server = _Server(site)
        self._listeners: list[socket.socket] = []
        self._open: set[asyncio.Task[None]] = set()
        self.url: str | None = None

    # --- listening ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take connections; until cancelled."""
        while not self.listen():  # noqa: ASYNC110  an address that is free again tells nobody
            await asyncio.sleep(RETRY_S)
        async with asyncio.TaskGroup() as tasks:
            for listener in self._listeners:
                tasks.create_task(self._accept(listener))

    def listen(self) -> bool:
        """Begin to listen, unless it does; False where the address cannot be had now.

        An address that is taken does not keep anybody from recording: it is tried again.
        """
        if self._listeners:
            return True
        door = self._door
        if door.handed:
            self._listeners += door.handed
        elif door.address is not None:
            try:
                self._listeners.append(bound(door.address))
            except OSError as error:
                if self.url is None:
                    self.url = ""
                    self._log.error(
                        "http_not_served", address=str(door.address),
                        error=error.strerror or str(error), wait_s=RETRY_S,
                    )  # fmt: skip
                return False
        self.url = _url(self._listeners[0], tls=door.tls is not None)
        self._log.info("http_served", url=self.url, guarded=door.token is not None)
        self._announce(self.url)
        return True

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:  # no more handles: those of others are closed in time
                await asyncio.sleep(0.1)
                continue
            if len(self._open) >= CONNECTIONS_MAX:
                self._site.served.refused += 1
                with connection, suppress(OSError):
                    connection.setblocking(False)
                    if self._door.tls is None:
                        connection.send(_BUSY)
                continue
            task = asyncio.create_task(self._serve(connection))
            self._open.add(task)
            self._site.served.connections = len(self._open)
            task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._site.served.connections = len(self._open)
        if not task.cancelled():
            task.exception()  # looked at: what a client does wrong is no failure of ours

    async def _serve(self, connection: socket.socket) -> None:
        """Serve one connection to its end."""
        loop = asyncio.get_running_loop()
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        tls = self._door.tls
        try:
            transport, protocol = await loop.connect_accepted_socket(
                self._server,
                connection,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else HANDSHAKE_S_MAX,
                ssl_shutdown_timeout=None if tls is None else 1.0,
            )
        except (OSError, TimeoutError):  # no handshake
            connection.close()
            return
        try:
            await protocol.gone.wait()
        finally:
            transport.abort()

    # --- the end --------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let answers that are being written end, and close everything."""
        for listener in self._listeners:
            listener.close()
        self._site.hub.closing.set()
        self._server.pre_shutdown()
        if self._open:
            await asyncio.wait(self._open, timeout=STOP_S_MAX)
        await self._server.shutdown(STOP_S_MAX)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


def _url(listener: socket.socket, *, tls: bool) -> str:
    """Where a socket is reached from this machine."""
    scheme = "https" if tls else "http"
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"{scheme}+unix:{name}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name[0], name[0])  # noqa: S104  not bound
    return f"{scheme}://[{host}]:{name[1]}" if ":" in host else f"{scheme}://{host}:{name[1]}"
