"""How a connection is dialled, and why it failed: bounds, TLS, no detours, and texts for people."""

import socket
import ssl
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from recorder.feed.rest_errors import certificate_fault

FRAME_BYTES_MAX = 64 * 2**20  # a BTC-USD snapshot is 5 MB in one frame
FRAMES_QUEUED_MAX = 64
OPEN_S_MAX = 5.0
PING_S = 10.0
PONG_S_MAX = 10.0
CLOSE_S_MAX = 1.0

ABNORMAL = 1006  # the close code for "no close frame"
TOO_BIG = 1009
INTERNAL = 1011

_REASON_CHARACTERS_MAX = 300
# What a refusal before the protocol means, as far as it is known (`coinbase.md` §1.9).
_STATUSES = {
    403: "refused: blocked by address or region, or a proxy in between",
    429: "too many connections from this address",
    503: "the venue is down or in maintenance",
}


class _Connect(connect):
    """`connect` that goes where it was told: no redirects to other hosts."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(url: str, *, compression: bool) -> ClientConnection:
    """Open a WebSocket.

    Frames and waits are bounded, TLS is verified, no proxy is taken from the environment.

    Raises:
        OSError, WebSocketException, TimeoutError: it failed; `describe` says why.
    """
    options: dict[str, Any] = {}
    if urlsplit(url).scheme == "wss":
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        options["ssl"] = context
    return await _Connect(
        url,
        max_size=FRAME_BYTES_MAX,
        max_queue=FRAMES_QUEUED_MAX,
        open_timeout=OPEN_S_MAX,
        close_timeout=CLOSE_S_MAX,
        ping_interval=PING_S,
        ping_timeout=PONG_S_MAX,
        proxy=None,
        compression="deflate" if compression else None,
        **options,
    )


def describe(error: BaseException) -> str:  # noqa: PLR0911  one for each cause
    """Why a dial failed, in one line."""
    match error:
        case InvalidStatus():
            status = error.response.status_code
            meaning = _STATUSES.get(status)
            return f"HTTP status {status}" + (f": {meaning}" if meaning else "")
        case TimeoutError():
            return f"no answer within {OPEN_S_MAX:g} s"
        case socket.gaierror():
            return f"the name cannot be resolved: {error.strerror}"
        case ssl.SSLCertVerificationError():
            return f"TLS: {certificate_fault(error)}"[:_REASON_CHARACTERS_MAX]
        case ssl.SSLError():
            return f"TLS: {error.reason or error}"
        case ConnectionRefusedError():
            return "refused: nobody listens at this address and port"
        case InvalidMessage() | EOFError() | ConnectionClosed() | ConnectionResetError():
            return "closed before the WebSocket was open"
        case _:
            return f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS_MAX]


def close_reason(closed: ConnectionClosed) -> tuple[int, str]:
    """The code of a close, and who closed and why: the venue, we ourselves, or nobody.

    A close of ours that was none of our own doing is one that the library made: a frame beyond
    our limit (1009), a ping without an answer (1011), a breach of the protocol.
    """
    if closed.rcvd is not None:
        return closed.rcvd.code, closed.rcvd.reason[:_REASON_CHARACTERS_MAX]
    if closed.sent is None:
        return ABNORMAL, "no close frame"
    match closed.sent.code:
        case 1009:
            said = f"our limit: a frame of more than {FRAME_BYTES_MAX // 2**20} MiB"
        case 1011:
            said = f"our keepalive: no pong within {PONG_S_MAX:g} s"
        case _:
            said = f"closed by us: {closed.sent.reason}"
    return closed.sent.code, said[:_REASON_CHARACTERS_MAX]


def session_name(label: str, opened_ns: int) -> str:
    """A session's id, from the label and the opening: ``ws1-20261121T190233.123Z``."""
    moment = datetime.fromtimestamp(opened_ns // 1_000_000_000, UTC)
    return f"{label}-{moment:%Y%m%dT%H%M%S}.{opened_ns // 1_000_000 % 1000:03d}Z"
