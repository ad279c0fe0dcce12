"""`RestVenue`: the REST service of both venues over one market, with keys, limits and failures.

Advanced Trade's paths begin with ``/api/v3/brokerage``, all others are Exchange's. Market data is
free, the rest needs a signature of a key that may do it, as at Coinbase.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
from aiohttp import web

from recorder.errors import UsageError
from recorder.venue import rest_accounts, rest_market, rest_products
from recorder.venue.market import Market
from recorder.venue.orders import Orders
from recorder.venue.rest_keys import (
    KeyRing,
    KnownKey,
    NotSignedError,
    SignedRequest,
    write_new_key,
)
from recorder.venue.rest_market import RefusedError
from recorder.venue.server import Venue
from recorder.venue.wire import instant

ADVANCED = "/api/v3/brokerage"
_BODY_BYTES_MAX = 64 * 1024
_ASKED_KEPT = 1000


@dataclass(frozen=True, slots=True)
class RestRules:
    """Who may ask, how often, and by how much the venue's clock is ahead of this machine's.

    Without ``retry_after_s`` a 429 does not say how long to wait.
    """

    keys: tuple[KnownKey, ...] = ()
    a_second: float = 10.0
    burst: int = 15
    retry_after_s: int | None = 1
    skew_s: float = 0.0


class Asked(NamedTuple):
    """A request as it came: for tests, which look at what was really sent."""

    method: str
    target: str
    headers: dict[str, str]
    status: int


class Failure(NamedTuple):
    """An answer in place of the right one. Status 0 breaks the connection off instead."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    wait_s: float = 0.0


class RestVenue:
    """A REST server on loopback; use it with ``async with``."""

    def __init__(
        self,
        market: Market | Callable[[], Market],
        rules: RestRules | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        orders: Callable[[], Orders] | None = None,
    ) -> None:
        """Prepare; port 0 takes a free one, ``tls`` makes it https.

        The market may be one that is asked for at each request. ``orders`` gives the account's own.
        """
        self.rules = rules or RestRules()
        self.url = ""
        self.asked: deque[Asked] = deque(maxlen=_ASKED_KEPT)
        self.failures: deque[Failure] = deque()
        self._market_now = market if callable(market) else lambda: market
        self._keys = KeyRing(self.rules.keys)
        self._host = host
        self._port = port
        self._tls = tls
        self._orders = orders
        self._tokens = float(self.rules.burst)
        self._filled_s = time.monotonic()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen; from now on `url` is what a client asks."""
        app = web.Application(client_max_size=_BODY_BYTES_MAX)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise UsageError(
                f"REST cannot listen on port {self._port}: {error.strerror}. Choose another port, "
                "or 0 for a free one."
            ) from error
        host, port = self._runner.addresses[0][:2]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if self._tls else 'http'}://{shown}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def fail(self, count: int, failure: Failure) -> None:
        """Answer the next requests with this."""
        self.failures.extend([failure] * count)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            response = await self._fail(request, failure)
        else:
            try:
                response = await self._answer(request)
            except RefusedError as refused:
                response = _response(refused.status, refused.body, refused.headers)
        response.headers.setdefault("Date", formatdate(self._now_s(), usegmt=True))
        headers = dict(request.headers)
        self.asked.append(Asked(request.method, request.raw_path, headers, response.status))
        return response

    async def _fail(self, request: web.Request, failure: Failure) -> web.Response:
        await asyncio.sleep(failure.wait_s)
        if not failure.status and request.transport is not None:
            request.transport.abort()
        return web.Response(
            status=failure.status or 500, body=failure.body, headers=dict(failure.headers)
        )

    def _now_s(self) -> float:
        return time.time() + self.rules.skew_s

    async def _answer(self, request: web.Request) -> web.Response:
        exchange = not request.path.startswith(ADVANCED)
        self._take_token(exchange=exchange)
        body = await request.read()
        if not rest_accounts.needs_key(request.path):
            if request.method != "GET":
                raise RefusedError(405, {"message": "Method Not Allowed"})
            return self._exchange(request) if exchange else self._advanced(request)
        key = self._key(request, body, exchange=exchange)
        rest_accounts.check_permission(key, request.method)
        path = request.path
        if not exchange and path.startswith(f"{ADVANCED}/product"):
            return self._advanced(request)  # the twins of the free paths
        orders = tuple(self._orders().every.values()) if self._orders is not None else ()
        status, made, headers = rest_accounts.answer(
            key, request.method, path, request.query, _decoded(body), orders
        )
        return _response(status, made, headers)

    def _take_token(self, *, exchange: bool) -> None:
        """Count a request against the limit. Raises RefusedError with 429 over it."""
        rules, now_s = self.rules, time.monotonic()
        grown = (now_s - self._filled_s) * rules.a_second
        self._tokens, self._filled_s = min(float(rules.burst), self._tokens + grown), now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return
        wait_s = rules.retry_after_s
        headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
        raise RefusedError(429, _too_many(exchange=exchange), headers)

    def _key(self, request: web.Request, body: bytes, *, exchange: bool) -> KnownKey:
        signed = SignedRequest(
            request.method, request.host, request.raw_path, request.headers, body
        )
        try:
            return self._keys.check(signed, self._now_s(), exchange=exchange)
        except NotSignedError as wrong:
            # Advanced Trade says nothing more, and not in JSON.
            raise RefusedError(
                401, {"message": str(wrong)} if exchange else "Unauthorized\n"
            ) from None

    def _advanced(self, request: web.Request) -> web.Response:
        market, query, now_ns = self._market_now(), request.query, int(self._now_s() * 1e9)
        match request.path.removeprefix(ADVANCED).removeprefix("/market").split("/")[1:]:
            case ["time"]:
                now_s = now_ns // 10**9
                made: Any = {
                    "iso": instant(now_s * 10**9),
                    "epochSeconds": str(now_s),
                    "epochMillis": str(now_ns // 10**6),
                }
            case ["products"]:
                rows = rest_products.advanced(market)
                made = {"products": rows, "num_products": len(rows), "pagination": _NO_PAGES}
            case ["products", name]:
                found = [row for row in rest_products.advanced(market) if row["product_id"] == name]
                made = found[0] if found else rest_market.product_of(market, name, exchange=False)
            case ["product_book"]:
                made = rest_market.advanced_book(market, query, now_ns)
            case ["products", name, "ticker"]:
                product = rest_market.product_of(market, name, exchange=False)
                made = rest_market.advanced_trades(product, name, query)
            case ["products", name, "candles"]:
                product = rest_market.product_of(market, name, exchange=False)
                made = rest_market.advanced_candles(product, query)
            case _:
                raise rest_market.advanced_refusal(404, "NOT_FOUND", "not found")
        return _response(200, made)

    def _exchange(self, request: web.Request) -> web.Response:
        market, query, now_ns = self._market_now(), request.query, int(self._now_s() * 1e9)
        headers: dict[str, str] = {}
        match request.path.split("/")[1:]:
            case ["time"]:
                made: Any = {
                    "iso": instant(now_ns // 10**6 * 10**6),
                    "epoch": now_ns // 10**6 / 1000,
                }
            case ["products"]:
                made = rest_products.exchange(market)
            case ["products", "stats"]:
                made = rest_products.exchange_stats(market)
            case ["products", name, what]:
                product = rest_market.product_of(market, name, exchange=True)
                if what == "book":
                    made = rest_market.exchange_book(product, query, now_ns)
                elif what == "trades":
                    made, headers = rest_market.exchange_trades(product, query)
                elif what == "candles":
                    made = rest_market.exchange_candles(product, query)
                else:
                    raise RefusedError(404, {"message": "NotFound"})
            case _:
                raise RefusedError(404, {"message": "NotFound"})
        return _response(200, made, headers)


def beside(venue: Venue, host: str, port: int, key_file: Path | None) -> RestVenue:
    """Give the REST of a venue that is about to start, and a new key if its file is wanted.

    The venue's sockets know the key, too.

    Raises:
        UsageError: the file is there already.
    """
    keys = () if key_file is None else (write_new_key(key_file),)
    for key in keys:
        venue.admit(key)
    return RestVenue(
        lambda: venue.market, RestRules(keys), host=host, port=port, orders=lambda: venue.orders
    )


_NO_PAGES = {"prev_cursor": "", "next_cursor": "", "has_next": False, "has_prev": False}


def _too_many(*, exchange: bool) -> dict[str, Any]:
    if exchange:
        return {"message": "Public rate limit exceeded"}
    return {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}


def _response(status: int, made: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer as JSON, or as text where it is one."""
    if isinstance(made, str):
        return web.Response(status=status, text=made, headers=headers)
    return web.Response(
        status=status,
        body=msgspec.json.encode(made),
        content_type="application/json",
        headers=headers,
    )


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.MsgspecError:
        raise RefusedError(400, {"message": "Malformed JSON"}) from None
