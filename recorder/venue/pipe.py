"""The bytes of one socket, and what can be done to them: kept back, swallowed, poured.

`Pipe` stands between the WebSocket server and its transport, which may be a real one or one in
memory: it uses nothing but the methods of `asyncio.Transport` and the loop's timers.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode

DRIP_S = 0.05
POUR_S = 0.001
POUR_BYTES = 64 * 1024
# Poured no faster than the client takes it.
POUR_AHEAD_BYTES = 1024 * 1024
MIB = 1024 * 1024
GIANT_HEAD = b'{"channel":"l2_data","padding":"'
GIANT_TAIL = b'"}'
TEXT_FIN = 0x81
RSV1 = 0x40
LENGTH_8_BYTES = 127


class Pipe:
    """A transport whose writing can be disturbed. What it does not know, the transport does."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Stand before ``transport``."""
        self.vanishing = False
        self._transport = transport
        self._rate: float | None = None
        self._waiting: deque[bytes] = deque()
        self._source: Iterator[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._after: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's."""
        return getattr(self._transport, name)

    @property
    def pouring(self) -> bool:
        """Whether something is being poured."""
        return self._source is not None

    @property
    def _busy(self) -> bool:
        return self._rate is not None or self._source is not None or bool(self._waiting)

    def write(self, data: bytes) -> None:
        """Write, or keep for later, or make vanish."""
        if self.vanishing:
            return
        if self._busy:
            self._waiting.append(bytes(data))
            self._pump_soon()
        else:
            self._transport.write(data)

    def write_eof(self) -> None:
        """End the sending half, after what waits."""
        if not self.vanishing:
            self._do_after(self._transport.write_eof)

    def close(self) -> None:
        """Close, after what waits."""
        self._do_after(self._transport.close)

    def abort(self) -> None:
        """Close at once."""
        self._forget()
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not taken, as far as we hold them."""
        return self._transport.get_write_buffer_size() + sum(map(len, self._waiting))

    def drip(self, bytes_a_second: float) -> None:
        """From now on let so little through."""
        self._rate = bytes_a_second

    def undrip(self) -> None:
        """Let everything through again, what waits first."""
        self._rate = None
        self._pump_soon()

    def pour(self, source: Iterator[bytes]) -> None:
        """Write what ``source`` gives, as the client takes it; everything else comes after.

        What waits goes before it, so that it does not stand in the middle of a frame.
        """
        self._let_through(None)
        self._source = source
        self._pump_soon()

    def _do_after(self, what: Callable[[], None]) -> None:
        """Do it when all is written; what is still being poured is given up."""
        if self._waiting and self._source is None and not self.vanishing:
            self._after.append(what)
            return
        self._forget()
        what()

    def _forget(self) -> None:
        self._rate = self._source = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump_soon(self) -> None:
        if self._timer is None:
            every_s = DRIP_S if self._source is None and self._rate is not None else POUR_S
            self._timer = asyncio.get_running_loop().call_later(every_s, self._pump)

    def _pump(self) -> None:
        """Let some bytes through and come back if more wait."""
        self._timer = None
        if self._transport.is_closing():
            self._forget()
            return
        if self._source is not None:
            if self._transport.get_write_buffer_size() < POUR_AHEAD_BYTES:
                some = next(self._source, None)
                if some is None:
                    self._source = None
                else:
                    self._transport.write(some)
        elif self._rate is not None:
            self._let_through(max(1, int(self._rate * DRIP_S)))
        else:
            self._let_through(None)
        if self._source is not None or self._waiting:
            self._pump_soon()
        else:
            after, self._after = self._after, []
            for what in after:
                what()

    def _let_through(self, most: int | None) -> None:
        """Write what waits, or ``most`` bytes of it."""
        everything = b"".join(self._waiting)
        self._waiting.clear()
        if most is not None and len(everything) > most:
            self._waiting.append(everything[most:])
            everything = everything[:most]
        if everything:
            self._transport.write(everything)


class Socket(ServerConnection):
    """A server's end of a connection, on a `Pipe`.

    ``met`` is told when the client has come, before its handshake, and ``left`` when it has gone.
    """

    def __init__(
        self,
        met: Callable[["Socket"], None],
        left: Callable[["Socket"], None],
        *given: Any,
        **named: Any,
    ) -> None:
        """Make it as websockets does."""
        super().__init__(*given, **named)
        self.pipe: Pipe
        self._met = met
        self._left = left

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the pipe before the transport."""
        self.pipe = Pipe(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, self.pipe))
        self._met(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        super().connection_lost(exc)
        self._left(self)

    def data_received(self, data: bytes) -> None:
        """Hear the client, unless its bytes vanish on the way."""
        if not self.pipe.vanishing:
            super().data_received(data)


def giant(total_bytes: int) -> Iterator[bytes]:
    """One text frame of so many bytes, in pieces that are made when they are wanted."""
    yield bytes((TEXT_FIN, LENGTH_8_BYTES)) + total_bytes.to_bytes(8, "big") + GIANT_HEAD
    filler = b"x" * POUR_BYTES
    left = total_bytes - len(GIANT_HEAD) - len(GIANT_TAIL)
    while left > 0:
        yield filler[:left]
        left -= len(filler)
    yield GIANT_TAIL


def bomb(total_bytes: int) -> bytes:
    """One compressed text frame that inflates to about so many bytes; to be written as it is.

    A stretch of blanks that was flushed stands alone, so it can be repeated without compressing
    all of it. Without permessage-deflate on the connection it is a breach of the protocol.
    """
    squeezed = zlib.compressobj(wbits=-15)
    head = squeezed.compress(GIANT_HEAD) + squeezed.flush(zlib.Z_FULL_FLUSH)
    stretch = squeezed.compress(b" " * MIB) + squeezed.flush(zlib.Z_FULL_FLUSH)
    tail = squeezed.compress(GIANT_TAIL) + squeezed.flush(zlib.Z_SYNC_FLUSH)
    data = head + stretch * max(1, total_bytes // MIB) + tail.removesuffix(b"\x00\x00\xff\xff")
    frame = Frame(Opcode.TEXT, data).serialize(mask=False)
    return bytes((frame[0] | RSV1,)) + frame[1:]
