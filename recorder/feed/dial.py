"""How a connection is dialled, and why it failed: bounds, TLS, no detours, and texts for people."""

import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from recorder.errors import ConfigError
from recorder.feed.rest_errors import certificate_fault
from recorder.feed.sockets import CLOSED_EARLY, OPEN_S_MAX, OpeningError, Socket

WEBSOCKETS, PICOWS = "websockets", "picows"
TRANSPORTS = (WEBSOCKETS, PICOWS)

_REASON_CHARACTERS_MAX = 300
# What a refusal before the protocol means, as far as it is known (`coinbase.md` §1.9).
_STATUSES = {
    403: "refused: blocked by address or region, or a proxy in between",
    429: "too many connections from this address",
    503: "the venue is down or in maintenance",
}

Opener = Callable[..., Awaitable[Socket]]


def opener(transport: str) -> Opener:
    """Load what opens a WebSocket by a transport of `TRANSPORTS`.

    Raises:
        ConfigError: its package is not installed.
    """
    try:
        module: Any = import_module(f"recorder.feed.by_{transport}")
    except ImportError as error:
        raise ConfigError(
            f'feed.transport = "{transport}" needs the package {transport}, which is not '
            f"installed or does not fit ({error}): `pip install 'recorder[{transport}]'`, or set "
            f'feed.transport = "{WEBSOCKETS}"'
        ) from error
    opened: Opener = module.open_socket
    return opened


async def dial(url: str, *, compression: bool, transport: str = WEBSOCKETS) -> Socket:
    """Open a WebSocket.

    Frames and waits are bounded, TLS is verified, no proxy is taken from the environment.

    Raises:
        OSError, OpeningError, TimeoutError: it failed; `describe` says why.
    """
    tls = None
    if urlsplit(url).scheme == "wss":
        tls = ssl.create_default_context()
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
    return await opener(transport)(url, tls, compression=compression)


def describe(error: BaseException) -> str:  # noqa: PLR0911  one for each cause
    """Why a dial failed, in one line."""
    match error:
        case OpeningError(status=int(status)):
            meaning = _STATUSES.get(status)
            return f"HTTP status {status}" + (f": {meaning}" if meaning else "")
        case OpeningError():
            return str(error)[:_REASON_CHARACTERS_MAX]
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
        case EOFError() | ConnectionResetError():
            return CLOSED_EARLY
        case _:
            return f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS_MAX]


def session_name(label: str, opened_ns: int) -> str:
    """A session's id, from the label and the opening: ``ws1-20261121T190233.123Z``."""
    moment = datetime.fromtimestamp(opened_ns // 1_000_000_000, UTC)
    return f"{label}-{moment:%Y%m%dT%H%M%S}.{opened_ns // 1_000_000 % 1000:03d}Z"
