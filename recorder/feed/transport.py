"""How a request gets to the venue and its answer back: one HTTP session, bounded in every way.

* At most so many requests a second (`Bucket`), for all that share the transport.
* An attempt has a deadline; an answer has a largest size, counted after decompression.
* Only reading is tried again (GET), after failures that pass: no connection, a deadline, 429, 5xx.
  A request that may change something is sent once, and what is not known of it is said.
* TLS is verified, 1.2 or newer; redirects are not followed, proxies and cookies not used.

What the venue answers, errors included, comes back as an `Answer`; `recorder.feed.rest_errors`
says what it means.
"""

import asyncio
import json
import math
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from recorder.credentials import Secret, without_secrets
from recorder.errors import UsageError
from recorder.feed.rest_errors import too_large, unreachable

CONNECT_S_MAX = 5.0
ATTEMPT_S_MAX = 30.0
ATTEMPTS_MAX = 5
BACKOFF_S_FIRST = 0.5
BACKOFF_S_MAX = 8.0
# A venue that asks for a longer wait is not waited for: whoever asked has to know.
RETRY_AFTER_S_MAX = 60.0
# The largest regular answer is Exchange's whole book at level 3, about 3 MB (`coinbase.md` §4).
ANSWER_BYTES_MAX = 64 * 2**20
# Statuses that pass by themselves; 520 to 524 are the CDN's for an origin that does not answer.
PASSING = frozenset((408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524))
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
# Printable ASCII that needs no escape in JSON.
_SLASH = re.compile(r"(?<!\\)\\/")
_UNESCAPED = re.compile(
    r"(?<!\\)\\u00(2[013-9a-fA-F]|[346][0-9a-fA-F]|5[0-9abABd-fD-F]|7[0-9a-eA-E])"
)
_READ_BYTES = 64 * 2**10
_PATH_SAFE = "/-._~!$&'()*+,;=:@%"


# Names and values, or a text that stands in the address as it is.
Query = Sequence[tuple[str, str]] | str


def encoded(query: Query) -> str:
    """Give a query as it stands in an address; a text is taken for encoded, and left as it is."""
    return query if isinstance(query, str) else urlencode(query, quote_via=quote)


class Signer(Protocol):
    """Makes the headers that prove who asks; fresh for every request that is sent."""

    scheme: str  # for the words of errors

    def headers(
        self, method: str, host: str, target: str, body: bytes
    ) -> Secret[Mapping[str, str]]:
        """Sign one request. ``target`` is the path with the query exactly as it is sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the venue answered.

    ``clock_ahead_s`` is by how much this machine's clock is ahead of the venue's, from the Date
    header, to the second; None where the answer has none.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    clock_ahead_s: float | None

    @property
    def good(self) -> bool:
        """Whether the venue did what was asked."""
        return 200 <= self.status < 300

    def decoded(self) -> Any:
        """The body as JSON, or as text where it is none: a 401 is plain text, a 5xx may be HTML."""
        text = self._said()
        try:
            return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        except (ValueError, RecursionError):
            return text

    def exact(self) -> Any:
        """The body as JSON whose fractions are Decimals, digit for digit, or as text."""
        try:
            return _EXACT.decode(self._said())
        except (ValueError, RecursionError):
            return self._said()

    def _said(self) -> str:
        """The body as text, without what we sent to prove who asks, should it be repeated."""
        text = self.body.decode("utf-8", "replace")
        if "\\" in text:  # an escape may stand for any character of a secret
            text = _UNESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
            text = _SLASH.sub("/", text)
        return without_secrets(text, names=True)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"{text} is beyond all numbers that can be told")
    return value


class Bucket:
    """At most so many a second after a burst; those who wait go one by one, in order."""

    def __init__(self, a_second: float, burst: int) -> None:
        """Start full."""
        self._interval_s = 1 / a_second
        self._burst_s = (burst - 1) / a_second
        self._taken_s = 0.0  # when the bucket will be full again
        self._closed_s = 0.0  # nobody goes before

    async def wait_turn(self) -> None:
        """Wait until it is our turn."""
        clock = asyncio.get_running_loop().time
        while True:
            self._taken_s = max(self._taken_s, clock())
            turn_s = max(self._taken_s - self._burst_s, self._closed_s)
            self._taken_s += self._interval_s
            if (wait_s := turn_s - clock()) > 0:
                await asyncio.sleep(wait_s)
            if clock() >= self._closed_s:
                return

    def close_for(self, wait_s: float) -> None:
        """Let nobody go for a while, and then one by one: the venue said that it is too much."""
        self._closed_s = max(self._closed_s, asyncio.get_running_loop().time() + wait_s)
        self._taken_s = max(self._taken_s, self._closed_s + self._burst_s)


class Transport:
    """One session with one service. Use it with ``async with``, in one event loop."""

    def __init__(
        self,
        url: str,
        *,
        a_second: float,
        burst: int,
        tls: ssl.SSLContext | None = None,
        jitter: Callable[[], float] = random.random,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        attempt_s_max: float = ATTEMPT_S_MAX,
    ) -> None:
        """Prepare; nothing is connected before the first request.

        ``tls`` replaces the system's certificates (`tls_context` makes one).

        Raises:
            UsageError: the address would send in the clear to another machine.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
            raise UsageError(
                f"requests to {host or 'nowhere'} would go in the clear: the address of a REST "
                f"service begins with https://"
            )
        self.host = _host(parts)
        self._origin = f"{parts.scheme}://{self.host}"
        self._base_path = parts.path.rstrip("/")
        self._bucket = Bucket(a_second, burst)
        self._tls = tls or tls_context()
        self._jitter = jitter
        self._answer_bytes_max = answer_bytes_max
        self._attempt_s_max = attempt_s_max
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=8),
            timeout=aiohttp.ClientTimeout(
                total=self._attempt_s_max, sock_connect=min(CONNECT_S_MAX, self._attempt_s_max)
            ),
            headers={"User-Agent": f"recorder/{version('recorder')}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def target(self, path: str, query: Query) -> str:
        """Give path and query exactly as they are sent, which is what some signatures are over."""
        target = quote(self._base_path + path, safe=_PATH_SAFE)
        return f"{target}?{encoded(query)}" if query else target

    async def ask(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: bytes = b"",
        signer: Signer | None = None,
    ) -> Answer:
        """Send one request and give the answer, whatever its status.

        Raises:
            VenueUnavailableError: there is no answer, or none that can be used.
        """
        target = self.target(path, query)
        attempts = ATTEMPTS_MAX if method == "GET" else 1
        wait_s = BACKOFF_S_FIRST
        for left in range(attempts - 1, -1, -1):
            await self._bucket.wait_turn()
            answer = await self._attempt(method, target, body, signer, last=left == 0)
            pause_s = self._jitter() * wait_s
            if answer is not None:
                asked_s = retry_after_s(answer.headers) if answer.status in {429, 503} else 0.0
                if answer.status == 429:
                    self._bucket.close_for(min(max(asked_s, pause_s), RETRY_AFTER_S_MAX))
                if not left or answer.status not in PASSING or asked_s > RETRY_AFTER_S_MAX:
                    return answer
                pause_s += asked_s
            await asyncio.sleep(pause_s)
            wait_s = min(wait_s * 2, BACKOFF_S_MAX)
        raise AssertionError

    async def _attempt(
        self, method: str, target: str, body: bytes, signer: Signer | None, *, last: bool
    ) -> Answer | None:
        """Send it once; None for a failure that is worth another attempt."""
        assert self._session is not None, "use `async with`"
        try:
            return await self._once(method, target, body, signer)
        except (aiohttp.ClientError, OSError) as error:  # a deadline is an OSError too
            # Only a sentence of the failure goes on: it holds the headers that were sent.
            failed = unreachable(error, self.host, method, self._attempt_s_max)
            final = last or isinstance(error, aiohttp.ClientConnectorCertificateError)
        if final:
            raise failed
        return None

    async def _once(self, method: str, target: str, body: bytes, signer: Signer | None) -> Answer:
        assert self._session is not None
        sent_s = time.time()
        async with self._session.request(
            method,
            URL(self._origin + target, encoded=True),
            data=body or None,
            headers=_headers(method, self.host, target, body, signer),
            allow_redirects=False,
            middlewares=(_Once(),),
        ) as response:
            came_s = time.time()
            content = await self._read(response)
        ahead_s = _clock_ahead_s(response.headers.get("Date"), sent_s, came_s)
        return Answer(response.status, response.headers, content, ahead_s)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a body that may be of any size, and give up on it in time."""
        parts, size = [], 0
        async for part in response.content.iter_chunked(_READ_BYTES):
            parts.append(part)
            size += len(part)
            if size > self._answer_bytes_max:
                response.close()
                raise too_large(self.host, self._answer_bytes_max)
        return b"".join(parts)


class _Once:
    """Keeps aiohttp from sending a request again by itself.

    It does so where a connection breaks under GET, PUT or DELETE: past the limits, with a signature
    that was used, and for a change that may have been made.
    """

    def __init__(self) -> None:
        self._failure: aiohttp.ClientError | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Pass the first one on; for the second, fail as the first did."""
        if self._failure is not None:
            raise self._failure
        try:
            return await handler(request)
        except aiohttp.ClientError as failure:
            self._failure = failure
            raise


def _headers(
    method: str, host: str, target: str, body: bytes, signer: Signer | None
) -> dict[str, str]:
    headers = {"Content-Type": "application/json"} if body else {}
    if signer is not None:
        headers |= signer.headers(method, host, target, body).reveal()
    return headers


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Verify as the system does, or against the authorities of a PEM file; TLS 1.2 or newer."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def retry_after_s(headers: Mapping[str, str]) -> float:
    """The wait that a Retry-After header asks for, in seconds or as a date; 0 without a good one.

    A date is compared with the answer's own Date, so that our clock does not matter.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until, now = _date_s(text), _date_s(headers.get("Date"))
    if until is None:
        return 0.0
    return max(0.0, until - (time.time() if now is None else now))


def _clock_ahead_s(date: str | None, sent_s: float, came_s: float) -> float | None:
    venue_s = _date_s(date)
    # A Date has whole seconds: on average half a second has gone since.
    return None if venue_s is None else (sent_s + came_s) / 2 - (venue_s + 0.5)


def _date_s(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _host(parts: SplitResult) -> str:
    """The host as it is signed and sent: in small letters, and without the port of the scheme."""
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return shown if parts.port in (None, usual) else f"{shown}:{parts.port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
