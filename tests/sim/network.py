"""The network between the recorder and the venue: bytes in order, late, in pieces, or stuck.

It keeps TCP's promises and no others. Bytes arrive in order and unchanged, in pieces of any size;
what is stuck arrives once the way is free again, all at once; a connection that is reset loses
what was on its way. An end that is gone answers bytes with a reset, if the answer gets through.
"""

import asyncio
import errno
import socket
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Any

WINDOW_BYTES = 256 * 1024  # what the two kernels hold for a writer
PIECES_MAX = 6  # of one write: more would only cost time
DRIP_S = 0.2
TICK_S = 1e-6  # between two pieces of one direction: timers of one time have no order
CONNECT_S_MAX = 130.0  # Linux gives up a dial that nobody answers after about this

_FIN = b""
_RST = None


@dataclass(slots=True)
class Weather:
    """How the network is in general. ``pieces``: a write may arrive in several."""

    latency_s: tuple[float, float] = (0.002, 0.04)
    pieces: bool = False


class Network:
    """One host that dials, one that listens.

    ``refuse``: connects are refused. ``hang``: they are not answered. ``dials_s`` are the times of
    all tries to connect, ``refused_s`` of those that were refused.
    """

    def __init__(self, random: Random, weather: Weather) -> None:
        self.random = random
        self.weather = weather
        self.refuse = False
        self.hang = False
        self.dials_s: list[float] = []
        self.refused_s: list[float] = []
        self.links: list[Link] = []
        self._factory: Any = None

    def latency_s(self) -> float:
        """How long the next piece takes."""
        return self.random.uniform(*self.weather.latency_s)

    def open_links(self) -> "list[Link]":
        """The connections that the client has not seen the end of."""
        self.links = [link for link in self.links if not (link.client.gone and link.server.gone)]
        return [link for link in self.links if not link.client.gone]

    async def connect(self, factory: Any) -> "tuple[End, Any]":
        """Dial; raises what a socket would."""
        loop = asyncio.get_running_loop()
        self.dials_s.append(loop.time())
        number = len(self.dials_s)
        await asyncio.sleep(self.latency_s() * 2)
        if self.hang:
            await asyncio.sleep(CONNECT_S_MAX)
            raise TimeoutError(errno.ETIMEDOUT, "simulated: nobody answers")
        if self.refuse or self._factory is None:
            self.refused_s.append(loop.time())
            raise ConnectionRefusedError(errno.ECONNREFUSED, "simulated: refused")
        link = Link(self, number, factory(), self._factory())
        self.links.append(link)
        link.server.protocol.connection_made(link.server)
        link.client.protocol.connection_made(link.client)
        return link.client, link.client.protocol

    def listen(self, factory: Any) -> "_Listener":
        """Take connections from now on."""
        self._factory = factory
        return _Listener(self)

    def deafen(self) -> None:
        """Take none any more."""
        self._factory = None


class Link:
    """One TCP connection: two ends."""

    def __init__(self, network: Network, number: int, client: Any, server: Any) -> None:
        self.number = number
        self.client = End(network, number, client)
        self.server = End(network, number, server)
        self.client.peer, self.server.peer = self.server, self.client

    def reset(self) -> None:
        """Both ends learn at once that the connection is gone."""
        for end in (self.client, self.server):
            end.lose(ConnectionResetError(errno.ECONNRESET, "simulated: reset"))

    def block(self, *, up: bool = True, down: bool = True) -> None:
        """Nothing gets through from the client (``up``), from the venue (``down``), or both."""
        self.client.blocked |= up
        self.server.blocked |= down

    def drip(self, bytes_a_second: int) -> None:
        """What the venue sends gets through so slowly."""
        self.server.drip(bytes_a_second)

    def free(self) -> None:
        """All gets through again, first of all what was stuck."""
        for end in (self.client, self.server):
            end.free()


class End(asyncio.Transport):
    """One end of a connection, as its protocol sees it.

    ``link`` is the connection's number. ``blocked``: what it sends is stuck. ``gone``: the protocol
    was told that the connection is lost.
    """

    peer: "End"

    def __init__(self, network: Network, link: int, protocol: Any) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.network = network
        self.protocol = protocol
        self.link = link
        self.blocked = False
        self.gone = False
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._reading = True
        self._finished = False
        self._last_s = 0.0
        self._stuck: deque[bytes | None] = deque()
        self._unread: deque[bytes] = deque()
        self._outstanding = 0
        self._drip_bytes = 0
        self._limits = (16 * 1024, 64 * 1024)
        self._paused_writer = False

    # --- what a protocol uses -------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send; never waits."""
        if self._closing or self._finished or not data:
            return
        content = bytes(data)
        self._outstanding += len(content)
        for piece in self._pieces(content):
            self._send(piece)
        if self.get_write_buffer_size() > self._limits[1] and not self._paused_writer:
            self._paused_writer = True
            self.protocol.pause_writing()

    def _pieces(self, content: bytes) -> list[bytes]:
        random, pieces = self.network.random, []
        if self.network.weather.pieces:
            while len(content) > 1 and len(pieces) < PIECES_MAX - 1 and random.random() < 0.6:
                size = min(random.choice((1, 2, 7, 64, 1460)), len(content) - 1)
                pieces.append(content[:size])
                content = content[size:]
        return [*pieces, content]

    def _send(self, piece: bytes | None) -> None:
        at_s = self._loop.time() + self.network.latency_s()
        self._last_s = max(self._last_s + TICK_S, at_s)
        self._loop.call_at(self._last_s, self._pass_on, piece)

    def _pass_on(self, piece: bytes | None) -> None:
        """A piece would arrive now, if it gets through."""
        if self.blocked or self._stuck:
            self._stuck.append(piece)
        else:
            self.peer.arrive(piece)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._finished and not self._closing:
            self._finished = True
            self._send(_FIN)

    def close(self) -> None:
        """Close in order: what was written is sent, if the kernel took it."""
        if self._closing:
            return
        self.write_eof()
        self._closing = True
        if self.get_write_buffer_size() == 0:
            self._loop.call_soon(self.lose, None)

    def abort(self) -> None:
        """Close at once. The other end reads an end, or is reset, as it comes."""
        if self.gone:
            return
        if self.network.random.random() < 0.5:
            self.write_eof()
        else:
            self._send(_RST)
        self._closing = True
        self._loop.call_soon(self.lose, None)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        while self._reading and self._unread and not self.gone:
            self._read(self._unread.popleft())

    def is_reading(self) -> bool:
        return self._reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        high = 64 * 1024 if high is None else high
        self._limits = (high // 4 if low is None else low, high)

    def get_write_buffer_size(self) -> int:
        return max(0, self._outstanding - WINDOW_BYTES)

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    # --- what comes from the other end ----------------------------------------------------------

    def arrive(self, piece: bytes | None) -> None:
        """A piece came through."""
        if piece is _RST:
            self.lose(ConnectionResetError(errno.ECONNRESET, "simulated: reset by peer"))
        elif self.gone:
            if piece and not self.peer.gone:
                self._send(_RST)
        elif self._reading and not self._unread:
            self._read(piece)
        else:
            self._unread.append(piece)

    def _read(self, piece: bytes) -> None:
        if piece == _FIN:
            if not self._closing and not self.protocol.eof_received():
                self.close()
            return
        self.peer.acknowledge(len(piece))
        if not self._closing:
            self.protocol.data_received(piece)

    def acknowledge(self, count: int) -> None:
        """The other end read so many bytes."""
        self._outstanding -= count
        if self.gone:
            return
        if self._paused_writer and self.get_write_buffer_size() <= self._limits[0]:
            self._paused_writer = False
            self.protocol.resume_writing()
        if self._closing and self.get_write_buffer_size() == 0:
            self._loop.call_soon(self.lose, None)

    def lose(self, error: Exception | None) -> None:
        """The connection is gone for this end."""
        if self.gone:
            return
        self.gone = self._closing = True
        self._unread.clear()
        self._loop.call_soon(self.protocol.connection_lost, error)

    # --- faults ---------------------------------------------------------------------------------

    def drip(self, bytes_a_second: int) -> None:
        """Let through so little."""
        self.blocked = True
        if not self._drip_bytes:
            self._loop.call_later(DRIP_S, self._drop)
        self._drip_bytes = max(1, int(bytes_a_second * DRIP_S))

    def _drop(self) -> None:
        budget = self._drip_bytes
        if not budget:
            return
        while self._stuck and budget > 0:
            piece = self._stuck.popleft()
            if piece and len(piece) > budget:
                self._stuck.appendleft(piece[budget:])
                piece = piece[:budget]
            budget -= len(piece or b"x")
            self.peer.arrive(piece)
        self._loop.call_later(DRIP_S, self._drop)

    def free(self) -> None:
        """Nothing is stuck any more."""
        self.blocked = False
        self._drip_bytes = 0
        stuck, self._stuck = self._stuck, deque()
        for piece in stuck:
            self.peer.arrive(piece)


class _Listener:
    """What `create_server` gives."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.sockets = [_Address()]

    def close(self) -> None:
        self._network.deafen()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    async def start_serving(self) -> None:
        """It does already."""

    def is_serving(self) -> bool:
        return True

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()


class _Address:
    family = socket.AF_INET

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)
