"""The transport by picows, an extra: frames are cut from the stream by compiled code.

Only that, the handshake and masking are the library's. Unpacking, frames in pieces, closes and the
keepalive are here, with the same bounds and the same words as by `websockets`.
"""

import asyncio
import logging
import socket
import ssl
import zlib
from contextlib import suppress
from typing import Any

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSInvalidStatusError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from recorder.feed import sockets
from recorder.feed.sockets import CLOSED_EARLY, ClosedError, OpeningError, Socket, ended

_DEFLATE = "permessage-deflate"
_OFFER = f"{_DEFLATE}; client_max_window_bits"
_BLOCK_END = b"\x00\x00\xff\xff"  # that senders leave out (RFC 7692 §7.2.1)
_WINDOWS = frozenset(map(str, range(8, 16)))

# Everything worth telling is told by us; the library would write to stderr.
_SILENT = logging.getLogger("recorder.feed.picows")
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class _Unpacking:
    """permessage-deflate, what comes in; what we send is not compressed."""

    def __init__(self, answer: str) -> None:
        """``answer``: the server's header; raises OpeningError where it cannot be to our offer."""
        name, *parameters = (each.strip() for each in answer.split(";"))
        self._bits, self._anew = 15, False
        if name != _DEFLATE or "," in answer:
            raise OpeningError(f"the venue wants an extension that was not offered: {answer[:80]}")
        for each in parameters:
            key, _, value = (part.strip() for part in each.partition("="))
            value = value.strip('"')
            if key == "server_no_context_takeover" and not value:
                self._anew = True
            elif key == "server_max_window_bits" and value in _WINDOWS:
                self._bits = int(value)
            elif not (key == "client_no_context_takeover" and not value) and not (
                key == "client_max_window_bits" and value in _WINDOWS
            ):
                raise OpeningError(f"the venue's compression cannot be: {answer[:80]}")
        self._stream = zlib.decompressobj(wbits=-self._bits)

    def unpack(self, piece: bytes, bytes_max: int, *, last: bool) -> bytes:
        """Unpack a piece of a frame; raises WSProtocolError beyond so many bytes, or for nonsense.

        One byte beyond is asked for, so that nothing more is ever unpacked.
        """
        if last:
            piece += _BLOCK_END
        stream = self._stream
        try:
            plain = stream.decompress(piece, bytes_max + 1)
        except zlib.error as error:
            raise WSProtocolError(
                WSCloseCode.PROTOCOL_ERROR, f"decompression: {error}"[:100]
            ) from None
        if len(plain) > bytes_max or stream.unconsumed_tail:
            raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, "frame too big")
        if stream.eof and not last:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "compressed data ends too early")
        if last and (self._anew or stream.eof):
            self._stream = zlib.decompressobj(wbits=-self._bits)
        return plain


class _Listener(WSListener):
    """What the library calls. A WSProtocolError of it is told to the venue, which is cut off."""

    def __init__(self, unpacking: _Unpacking | None) -> None:
        self.socket = _Socket()
        self._unpacking = unpacking
        self._pieces: list[bytes] = []
        self._piece_bytes = 0
        self._packed = False
        self._open = False  # a frame in pieces
        self._breached = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.socket.opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame; after the venue's close frame, or a breach of its, nothing counts."""
        ours = self.socket
        if ours.came is not None or self._breached:
            return
        if transport.is_close_frame_sent and not ours.closing:
            # The library looks one frame ahead: this one stood before the breach, or is it.
            self._breached = True
            if frame.msg_type == WSMsgType.CLOSE or frame.payload_size > sockets.FRAME_BYTES_MAX:
                return
        try:
            self._frame(frame)
        except WSProtocolError:
            self._breached = True
            raise
        except Exception as error:
            ours.failure = error
            raise

    def _frame(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if frame.rsv2 or frame.rsv3:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "reserved bits")
        if kind == WSMsgType.PONG:
            self.socket.heard_pong()
        elif kind == WSMsgType.CLOSE:
            self.socket.heard_close(frame.get_payload_as_bytes())
        else:
            self._take(frame, begins=kind != WSMsgType.CONTINUATION)

    def _take(self, frame: WSFrame, *, begins: bool) -> None:
        if begins == self._open:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "pieces of frames out of order")
        if begins:
            self._packed = frame.rsv1
        if frame.rsv1 and (self._unpacking is None or not begins):
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "reserved bits")
        left = sockets.FRAME_BYTES_MAX - self._piece_bytes
        plain = frame.get_payload_as_bytes()
        if self._packed:
            assert self._unpacking is not None
            plain = self._unpacking.unpack(plain, left, last=frame.fin)
        elif len(plain) > left:
            raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, "frame too big")
        if begins and frame.fin:
            self.socket.inbox.put(plain)
            return
        self._open = not frame.fin
        self._pieces.append(plain)
        self._piece_bytes += len(plain)
        if frame.fin:
            whole = b"".join(self._pieces)
            self._pieces, self._piece_bytes = [], 0
            self.socket.inbox.put(whole)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.socket.disconnected(transport)

    def pause_writing(self) -> None:
        """Requests are few and small: they may wait."""

    def resume_writing(self) -> None:
        """They go on by themselves."""


class _Socket(Socket):
    """``came`` is the venue's close frame, ``closing`` whether ours was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.came: tuple[int, str] | None = None
        self.closing = False
        self._sent: tuple[int, str] | None = None
        self._ws: WSTransport | None = None
        self._over: asyncio.Task[None] | None = None

    def opened(self, transport: WSTransport) -> None:
        self._ws = transport

    @property
    def transport(self) -> Any:
        assert self._ws is not None
        return self._ws.underlying_transport

    def begin(self) -> None:
        super().begin()
        self._over = asyncio.create_task(self._swallow())

    async def _swallow(self) -> None:
        """Take the exception that ended it: how it ended is told by `disconnected`."""
        assert self._ws is not None
        with suppress(Exception):
            await self._ws.wait_disconnected()

    async def send(self, text: str) -> None:
        if self._ws is None or self.closing or self.came is not None or self._closed.is_set():
            raise ClosedError
        self._ws.send(WSMsgType.TEXT, text.encode())

    def ping(self) -> None:
        if self._ws is not None and not self.closing and not self._closed.is_set():
            self._ws.send_ping(b"recorder")

    def heard_close(self, payload: bytes) -> None:
        """The venue closes, or answers that we do; the library has checked the frame."""
        assert self._ws is not None
        code = int.from_bytes(payload[:2], "big")
        self.came = (code, payload[2:].decode("utf-8", "replace"))
        if not self.closing:
            self.closing = True
            self._ws.send_close(WSCloseCode.OK if code == 0 else WSCloseCode(code))
        self._ws.disconnect()
        # What is still to be sent may never be taken.
        asyncio.get_running_loop().call_later(sockets.CLOSE_S_MAX, self.transport.abort)

    def disconnected(self, transport: WSTransport) -> None:
        """Tell how it ended; a close frame that we did not send was sent for a breach."""
        sent = self._sent
        handshake = transport.close_handshake
        if sent is None and handshake is not None and handshake.sent is not None:
            sent = (handshake.sent.code.value, handshake.sent.reason)
        self.finish(ended(self.came, sent))

    async def close(self, code: int, reason: str) -> None:
        ws = self._ws
        if ws is None or self._closed.is_set():
            return
        if not self.closing:
            self.closing = True
            self._sent = (code, reason)
            ws.send_close(WSCloseCode(code), reason)
        try:
            await asyncio.wait_for(self._closed.wait(), sockets.CLOSE_S_MAX)
        except TimeoutError:
            ws.disconnect(graceful=False)
            await self._closed.wait()


async def open_socket(url: str, tls: ssl.SSLContext | None, *, compression: bool) -> Socket:
    """Open a WebSocket.

    Raises:
        OSError, TimeoutError, OpeningError: it failed.
    """
    dialling = _Dialling(compression=compression)
    headers = {"User-Agent": "recorder"}
    if compression:
        headers["Sec-WebSocket-Extensions"] = _OFFER
    try:
        async with asyncio.timeout(sockets.OPEN_S_MAX):
            await ws_connect(
                dialling.listener,
                url,
                ssl_context=tls,
                websocket_handshake_timeout=sockets.OPEN_S_MAX,
                logger_name=_SILENT,
                enable_auto_pong=True,
                max_frame_size=sockets.FRAME_BYTES_MAX,
                extra_headers=headers,
                max_redirects=0,
                proxy=None,
                socket_factory=dialling.connect,
                use_aiofastnet=False,
            )
    except WSInvalidStatusError as error:
        status = None if error.response is None else int(error.response.status)
        raise OpeningError(CLOSED_EARLY, status) from error
    except WSError as error:
        raise OpeningError(CLOSED_EARLY) from error
    except BaseException:
        dialling.abandon()
        raise
    if dialling.made is None:
        raise OpeningError(CLOSED_EARLY)
    dialling.made.socket.begin()
    return dialling.made.socket


class _Dialling:
    """One dial. The library goes on with it a while when nobody waits for it any more."""

    def __init__(self, *, compression: bool) -> None:
        self.made: _Listener | None = None
        self._compression = compression
        self._tcp: socket.socket | None = None

    def listener(self, _: Any, response: Any) -> _Listener:
        """The venue has answered; OpeningError where that cannot be an answer to our offer."""
        answer = ",".join(response.headers.getall("Sec-WebSocket-Extensions", []))
        if answer and not self._compression:
            raise OpeningError("the venue compresses, which was not asked for")
        self.made = _Listener(_Unpacking(answer) if answer else None)
        return self.made

    async def connect(self, address: Any) -> socket.socket:
        """Connect to a host and port, as asyncio does: one address of it after the other."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        error: OSError = OSError(f"{address.host} has no address")
        for family, kind, protocol, _, target in found:
            tcp = socket.socket(family, kind, protocol)
            try:
                tcp.setblocking(False)
                await loop.sock_connect(tcp, target)
            except OSError as refused:
                tcp.close()
                error = refused
            except BaseException:
                tcp.close()
                raise
            else:
                self._tcp = tcp
                return tcp
        raise error

    def abandon(self) -> None:
        """Nobody wants the connection: whoever holds it reads its end, and closes it."""
        if self._tcp is not None:
            with suppress(OSError):
                self._tcp.shutdown(socket.SHUT_RDWR)
