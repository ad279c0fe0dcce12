"""What there is to read, by its path; each request is looked at by the guard before."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from recorder import logs
from recorder.config.checks import PRODUCT
from recorder.core.frames import HOUR_NS
from recorder.http.answers import RefusedError, asked, document, encoded, refused, text
from recorder.http.gathered import Gatherer, Served
from recorder.http.guard import HEADERS, Guard, Refusal
from recorder.http.history import History
from recorder.http.hourly import AskedHours, read_hours
from recorder.http.intervals import Asked, Intervals, span_of
from recorder.http.metrics import OPEN_TYPE, PLAIN_TYPE, exposition, wants_open
from recorder.http.pages import PAGES, answer_page
from recorder.http.stream import (
    BOOK,
    BOOK_DEPTH_MAX,
    BOOKS_MAX,
    CLIENTS_MAX,
    KINDS,
    Client,
    Hub,
)  # fmt: skip
from recorder.http.views import DEPTH_MAX, book_view, known_products, products_view, status_view
from recorder.http.watch import Watch

WRITE_S_MAX = 30.0  # for an answer to be taken; and for one batch of a stream
ANSWER_S_MAX = 60.0
DEPTH = 50
KEPT_S = 0.5  # products and metrics: asked for more often, they are the same
PRODUCTS_MAX = 100  # of one stream's filter
_CHANNEL = re.compile(r"[a-z0-9_]{1,32}")
_MOMENT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_SEND_BUFFER_BYTES = 64 * 1024

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Site:
    """Answers requests about a recorder."""

    def __init__(self, watch: Watch, guard: Guard) -> None:
        self._watch = watch
        self._guard = guard
        self._log = logs.log()
        self._intervals = Intervals(watch.recorder.inside().recording.root.path)
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._writing = asyncio.Lock()
        self.hub = Hub(watch)
        self.history = History(watch)
        self.served = Served(Counter())
        self._gatherer = Gatherer(watch, self.hub, self.served)
        self._answers: dict[str, Answer] = {
            "/v1/products": self._products,
            "/v1/coverage": self._coverage,
            "/v1/coverage/hours": self._hours,
            "/v1/history": self._history,
            "/v1/status": self._status,
            "/v1/stream": self._stream,
            "/metrics": self._metrics,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is; a failure of ours is an answer, too."""
        route, answer = "refused", self._refused_form(request)
        if answer is None:
            route, act = self._route(request)
            try:
                async with asyncio.timeout(None if route == "/v1/stream" else ANSWER_S_MAX):
                    answer = await act(request)
            except RefusedError as error:
                answer = refused(error.refusal)
            except TimeoutError:
                answer = refused(Refusal(503, "slow", "it took too long; ask again"))
            except (ConnectionError, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001  the recording must not end for a reader
                self._log.error(
                    "http_failed", route=route, error=f"{type(error).__name__}: {error}"
                )
                answer = refused(Refusal(500, "failed", "our own failure; the log says more"))
        self.served.answers[route, answer.status] += 1
        return await self._written(request, answer)

    def malformed(self) -> web.StreamResponse:
        """What a request that is no HTTP is answered with."""
        self.served.answers["refused", 400] += 1
        return refused(Refusal(400, "malformed", "this is no HTTP request, or one too large"))

    def _refused_form(self, request: web.BaseRequest) -> web.StreamResponse | None:
        refusal = self._guard.refuse_form(request)
        if refusal is None and request.path not in {"/livez", "/readyz"}:
            refusal = self._guard.refuse(request)
        return None if refusal is None else refused(refusal)

    def _route(self, request: web.BaseRequest) -> tuple[str, Answer]:
        path = request.path
        if path in self._answers:
            return path, self._answers[path]
        if path in {"/livez", "/readyz"}:
            return path, self._probe
        if path in PAGES:
            return path, self._page
        folder, _, name = path.rpartition("/")
        if folder == "/v1/books":
            return "/v1/books", lambda request: self._book(request, name)
        return "unknown", self._unknown

    async def _written(
        self, request: web.BaseRequest, answer: web.StreamResponse
    ) -> web.StreamResponse:
        """Write an answer; whoever does not take it in time is cut off."""
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await answer.prepare(request)
                await answer.write_eof()
        except TimeoutError:
            _abort(request)
        return answer

    # --- answers --------------------------------------------------------------------------------

    async def _unknown(self, _: web.BaseRequest) -> web.StreamResponse:
        raise RefusedError(
            Refusal(404, "path", "there is nothing here; /endpoints lists what there is")
        )

    async def _page(self, request: web.BaseRequest) -> web.StreamResponse:
        return answer_page(request, PAGES[request.path])

    async def _probe(self, request: web.BaseRequest) -> web.StreamResponse:
        """Health; whoever may not read the rest is told no more than whether."""
        reasons = self._watch.not_ready() if request.path == "/readyz" else []
        said: dict[str, object] = {"status": "not ready" if reasons else "ok"}
        if reasons and self._guard.refuse(request) is None:
            said["reasons"] = reasons
        return document(said, 503 if reasons else 200)

    async def _status(self, request: web.BaseRequest) -> web.StreamResponse:
        asked(request)
        return document(status_view(self._watch))

    async def _products(self, request: web.BaseRequest) -> web.StreamResponse:
        asked(request)
        content = self._fresh("products")
        if content is None:
            content = encoded(products_view(self._watch))
            self._keep("products", content)
        return text(content, "application/json")

    async def _book(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        depth = _depth(asked(request, "depth").get("depth", str(DEPTH)), DEPTH_MAX)
        self._check_product(name)
        return document(book_view(self._watch, name, depth))

    def _check_product(self, name: str) -> None:
        known = PRODUCT.fullmatch(name) and name in known_products(self._watch.recorder.inside())
        if not known:
            raise RefusedError(
                Refusal(404, "product", "not a product that is recorded; /v1/products lists them")
            )

    async def _coverage(self, request: web.BaseRequest) -> web.StreamResponse:
        given = asked(request, "product", "channel", "start", "end", "gaps")
        product_id, channel = _scope(given)
        if given.get("gaps", "false") not in {"true", "false"}:
            raise RefusedError(Refusal(400, "gaps", "gaps is true or false"))
        start_ns, end_ns = span_of(
            given.get("start"), given.get("end"), self._watch.recorder.now_ns()
        )
        only_gaps = given.get("gaps") == "true"
        content = await self._intervals.get(Asked(product_id, channel, start_ns, end_ns, only_gaps))
        return text(content, "application/json")

    async def _hours(self, request: web.BaseRequest) -> web.StreamResponse:
        given = asked(request, "product", "channel", "start", "end")
        now_ns = self._watch.recorder.now_ns()
        start_ns, end_ns = span_of(given.get("start"), given.get("end"), now_ns)
        last_ns = now_ns if end_ns is None else end_ns
        # Whole hours, so that the answer is the same for an hour; of the last day it is 24.
        if "start" not in given:
            start_ns += HOUR_NS
        hours = AskedHours(
            *_scope(given), start_ns // HOUR_NS * HOUR_NS, -(-last_ns // HOUR_NS) * HOUR_NS
        )
        return text(await self._intervals.get(hours, read_hours), "application/json")

    async def _history(self, request: web.BaseRequest) -> web.StreamResponse:
        after = asked(request, "after").get("after", "0")
        if not _MOMENT.fullmatch(after):
            raise RefusedError(Refusal(400, "after", "after is seconds since 1970"))
        return document(self.history.view(float(after)))

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        openly = wants_open(request.headers.get(hdrs.ACCEPT, ""))
        content_type = OPEN_TYPE if openly else PLAIN_TYPE
        async with self._writing:
            content = self._fresh(content_type)
            if content is None:
                values = self._gatherer.gather()
                content = await asyncio.to_thread(exposition, values, openly=openly)
                self._keep(content_type, content)
        return text(content, content_type)

    def _fresh(self, name: str) -> bytes | None:
        at_s, content = self._kept.get(name, (0.0, b""))
        return content if content and time.monotonic() - at_s < KEPT_S else None

    def _keep(self, name: str, content: bytes) -> None:
        self._kept[name] = (time.monotonic(), content)

    # --- the stream -----------------------------------------------------------------------------

    def _client(self, request: web.BaseRequest) -> Client:
        """What a stream is wanted of."""
        given = asked(request, "events", "depth", "gaps", many=("product",))
        kinds = given.get("events", ",".join(KINDS)).split(",")
        if not set(kinds) <= {*KINDS, BOOK}:
            raise RefusedError(Refusal(400, "events", f"events are {', '.join((*KINDS, BOOK))}"))
        products = request.query.getall("product", [])
        if len(products) > PRODUCTS_MAX:
            raise RefusedError(Refusal(400, "product", f"{PRODUCTS_MAX} products at most"))
        for each in products:
            self._check_product(each)
        if BOOK in kinds and not 1 <= len(products) <= BOOKS_MAX:
            raise RefusedError(
                Refusal(400, "product", f"books are told of 1 to {BOOKS_MAX} products")
            )
        if given.get("gaps", "own") not in {"own", "all"}:
            raise RefusedError(Refusal(400, "gaps", "gaps is own or all"))
        depth = _depth(given.get("depth", str(DEPTH)), BOOK_DEPTH_MAX)
        return Client(products or None, kinds, depth=depth, all_gaps=given.get("gaps") == "all")

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        client = self._client(request)
        if len(self.hub.clients) >= CLIENTS_MAX:
            raise RefusedError(
                Refusal(503, "busy", f"{CLIENTS_MAX} streams are open", {"Retry-After": "30"})
            )
        answer = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        answer.force_close()
        if request.method == "HEAD":
            return answer
        self.hub.join(client)
        try:
            await self._send(request, answer, client)
        finally:
            self.hub.leave(client)
        return answer

    async def _send(
        self, request: web.BaseRequest, answer: web.StreamResponse, client: Client
    ) -> None:
        """Write batch after batch; a client that takes none for long is cut off."""
        if request.transport is not None:
            # What is on its way already cannot be conflated any more: not much of it.
            request.transport.set_write_buffer_limits(high=_SEND_BUFFER_BYTES)
        batches = self.hub.batches(client, lambda: request.transport is None)
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await answer.prepare(request)
            async for batch in batches:
                async with asyncio.timeout(WRITE_S_MAX):
                    await answer.write(batch)
        except (TimeoutError, ConnectionError):
            _abort(request)
        finally:
            await batches.aclose()


def _depth(given: str, most: int) -> int:
    """Levels a side, as they are asked for. Raises RefusedError."""
    if given.isascii() and given.isdigit() and len(given) < 6 and 1 <= int(given) <= most:
        return int(given)
    raise RefusedError(Refusal(400, "depth", f"depth is a number, 1 to {most}"))


def _scope(given: dict[str, str]) -> tuple[str | None, str | None]:
    """Which product and channel are asked for; None for all. Raises RefusedError."""
    product_id, channel = given.get("product"), given.get("channel")
    if product_id is not None and not PRODUCT.fullmatch(product_id):
        raise RefusedError(Refusal(404, "product", "not a product"))
    if channel is not None and not _CHANNEL.fullmatch(channel):
        raise RefusedError(Refusal(400, "channel", "not a channel"))
    return product_id, channel


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
