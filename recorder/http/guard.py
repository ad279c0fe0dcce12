"""Who may read what is served: every request is looked at here first.

A web page can make a browser ask any address, and by DNS rebinding under a name of its own; so the
names by which we may be called are a list, and requests that another page made are refused. Nothing
can be changed by HTTP: there is no other method than GET and HEAD.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from recorder.credentials import Secret

METHODS = ("GET", "HEAD")
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
TARGET_CHARACTERS_MAX = 2048

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Server": "recorder",
}
"""What every answer carries."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered. ``kind`` is for programs, ``text`` for people."""

    status: int
    kind: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class Guard:
    """Looks at requests. ``hosts`` are names of this machine besides its own."""

    def __init__(self, hosts: Collection[str], token: Secret[str] | None) -> None:
        self._hosts = LOCAL_NAMES | frozenset(hosts)
        # Digests of the same length are compared, so that the time says nothing of the token.
        self._digest = None if token is None else _digest(token.reveal().encode())

    def refuse_form(self, request: web.BaseRequest) -> Refusal | None:
        """Why a request cannot be one for us, whoever asks; None: it can."""
        if request.method not in METHODS:
            allow = {"Allow": ", ".join(METHODS)}
            return Refusal(405, "method", "only GET and HEAD are answered: nothing is changed here",
                           allow)  # fmt: skip
        if not request.raw_path.startswith("/"):
            return Refusal(400, "target", "the target of a request begins with /")
        if len(request.raw_path) > TARGET_CHARACTERS_MAX:
            return Refusal(414, "target", f"more than {TARGET_CHARACTERS_MAX} characters")
        if request.headers.get(hdrs.CONTENT_LENGTH, "0") != "0" or (
            hdrs.TRANSFER_ENCODING in request.headers
        ):
            return Refusal(413, "body", "a request has no body here")
        return None

    def refuse(self, request: web.BaseRequest) -> Refusal | None:
        """Why a request is not answered; None: it is."""
        given = request.headers.getall(hdrs.HOST, [])
        host = _host_in(given[0]) if len(given) == 1 else None
        if host is None or not self._is_ours(host, request):
            return Refusal(
                421, "host", "not a name of this machine; http.hosts lists those that are"
            )
        if not _same_origin(request, given[0]):
            return Refusal(403, "origin", "another site's page asked; it may not read this")
        if self._digest is not None and not self._shows_token(request):
            return Refusal(
                401,
                "token",
                "a token is needed: Authorization: Bearer …",
                {"WWW-Authenticate": 'Basic realm="recorder", charset="UTF-8"'},
            )
        return None

    def _is_ours(self, host: str, request: web.BaseRequest) -> bool:
        """Whether a name is ours: listed, or the very address that the request came to."""
        if host in self._hosts:
            return True
        at = request.transport.get_extra_info("sockname") if request.transport else None
        return isinstance(at, tuple) and host == _address(at[0])

    def _shows_token(self, request: web.BaseRequest) -> bool:
        given = request.headers.getall(hdrs.AUTHORIZATION, [])
        if len(given) != 1 or self._digest is None:
            return False
        return hmac.compare_digest(_digest(_credential(given[0])), self._digest)


def _address(name: str) -> str:
    """An address as a browser writes it: without an interface; IPv4's own, though IPv6 took it."""
    try:
        found = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name
    return str(getattr(found, "ipv4_mapped", None) or found)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _credential(header: str) -> bytes:
    """The token in an `Authorization`: a bearer, or the password that a browser asked for."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _host_in(header: str) -> str | None:
    """The host of a `Host` header in lower case, without its port; None where there is none."""
    if not header or any(each in header for each in "/@?#\\ \t"):
        return None
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    return (parts.hostname or "").removesuffix(".") or None


def _same_origin(request: web.BaseRequest, host: str) -> bool:
    """Whether no other site's page made a request, as far as browsers tell.

    A link from elsewhere to our first page may be followed.
    """
    origins = request.headers.getall(hdrs.ORIGIN, [])
    scheme = "https" if request.secure else "http"
    if any(origin.lower() != f"{scheme}://{host.lower()}" for origin in origins):
        return False
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site in {"same-origin", "none"}:
        return True
    followed = request.headers.get("Sec-Fetch-Mode") == "navigate"
    return followed and request.path == "/" and not origins
