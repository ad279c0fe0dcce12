"""The venue's REST service: products, time, books, trades and candles, of either venue.

    async with Rest("advanced", "https://api.coinbase.com") as rest:
        products = await rest.products()

Market data needs no key and is asked for without one, so that a wrong key breaks nothing that works
without. `request` signs; what `recorder api` and `recorder auth check` ask goes through it.

Sources: `coinbase.md` §1.13 (Advanced Trade), §2.7 (Exchange).
"""

import random
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from recorder.errors import UsageError
from recorder.feed import rest_answers, rest_errors
from recorder.feed.products import PRODUCT_ID, Product, Venue, read_products
from recorder.feed.rest_answers import (
    Clock,
    OddAnswerError,
    RestBook,
    RestCandle,
    RestTrade,
    TradesPage,
)
from recorder.feed.transport import (
    ANSWER_BYTES_MAX,
    Answer,
    Query,
    Signer,
    Transport,
    retry_after_s,
)

T = TypeVar("T")

URLS: dict[Venue, str] = {
    "advanced": "https://api.coinbase.com",
    "exchange": "https://api.exchange.coinbase.com",
}
# Half of what Exchange allows an address (10 a second, 15 at once); Advanced Trade publishes none
# today, and 429s of both were seen after bursts (`coinbase.md` §1.13.3, §2.7.4, §3.38).
A_SECOND = 5.0
BURST = 8
TRADES_MAX = 1000
ADVANCED_TRADES_MAX = 100  # more are cut off without a word, 1001 is a 500
CANDLES_MAX: dict[Venue, int] = {"advanced": 350, "exchange": 300}
# Seconds of a candle, with Advanced Trade's word for it; None where Exchange alone has them.
GRANULARITIES = {
    60: "ONE_MINUTE",
    300: "FIVE_MINUTE",
    900: "FIFTEEN_MINUTE",
    1800: "THIRTY_MINUTE",
    3600: "ONE_HOUR",
    7200: "TWO_HOUR",
    14400: "FOUR_HOUR",
    21600: "SIX_HOUR",
    86400: "ONE_DAY",
}
EXCHANGE_GRANULARITIES = frozenset((60, 300, 900, 3600, 21600, 86400))
_ADVANCED = "/api/v3/brokerage"
_PAGES_MAX = 100
_PROBLEMS_MAX = 100


class Rest:
    """One venue's REST service; use it with ``async with``, in one event loop.

    All its methods raise `VenueUnavailableError` where there is no answer that can be used,
    `VenueRefusedError` where the venue finds the request wrong, `KeyRefusedError` where it finds
    the key wrong. What single rows of an answer had wrong with them is noted in ``problems``.
    """

    def __init__(
        self,
        venue: Venue,
        url: str,
        signer: Signer | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        a_second: float = A_SECOND,
        burst: int = BURST,
        jitter: Callable[[], float] = random.random,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        attempt_s_max: float = 30.0,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            venue: whose service it is.
            url: ``https://…``; ``http://…`` to this machine.
            signer: signs what `request` sends.
            tls: certificates to trust instead of the system's.
            a_second: at most so many requests a second, after a burst.
            burst: so many at once.
            jitter: between 0 and 1, for the waits between attempts.
            answer_bytes_max: an answer longer than this is given up on.
            attempt_s_max: so long may an attempt take, its answer included.

        Raises:
            UsageError: the address would send in the clear to another machine.
        """
        self.venue = venue
        self.problems: deque[str] = deque(maxlen=_PROBLEMS_MAX)
        self._signer = signer
        self._transport = Transport(
            url, a_second=a_second, burst=burst, tls=tls, jitter=jitter,
            answer_bytes_max=answer_bytes_max, attempt_s_max=attempt_s_max,
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        """Open the session; nothing is connected yet."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session."""
        await self._transport.__aexit__(kind, error, trace)

    @property
    def host(self) -> str:
        """The service's host, with its port where the address names one."""
        return self._transport.host

    def target(self, path: str, query: Query = ()) -> str:
        """Give path and query exactly as they are sent, which is what some signatures are over."""
        return self._transport.target(path, query)

    async def answer(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: bytes = b"",
        signed: bool = True,
    ) -> Answer:
        """Send one request and give its answer, good or not; see `explain` for one that is not.

        It is signed where there is a signer and ``signed`` is true. GET is tried again after what
        passes by itself, anything else is sent once.
        """
        signer = self._signer if signed else None
        return await self._transport.ask(method, path, query, body=body, signer=signer)

    def explain(self, answer: Answer, method: str, path: str, *, signed: bool = True) -> Exception:
        """Make the error that an answer which is not good comes to."""
        scheme = self._signer.scheme if signed and self._signer else None
        asked = rest_errors.Asked(self.host, method, path, scheme)
        return rest_errors.explain(
            asked, answer.status, answer.decoded(), answer.clock_ahead_s,
            retry_after_s(answer.headers),
        )  # fmt: skip

    async def request(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: bytes = b"",
        signed: bool = True,
    ) -> Answer:
        """Send one request as `answer` does, and raise the error of an answer that is not good."""
        answer = await self.answer(method, path, query, body=body, signed=signed)
        if not answer.good:
            raise self.explain(answer, method, path, signed=signed)
        return answer

    async def products(self) -> list[Product]:
        """All products, whatever their type and status, in the venue's order.

        Delisted ones are among them: see `Product.tradable`. Volumes are Advanced Trade's only
        (`volumes` gives Exchange's).
        """
        if self.venue == "exchange":
            found = await self._read("/products", (), rest_answers.rows)
        else:
            found = await self._advanced_products()
        products, problems = read_products(found, self.venue)
        self.problems.extend(problems)
        if not products:
            raise self._odd("/products", f"no product among {len(found)}")
        return products

    async def _advanced_products(self) -> list[Any]:
        """All pages; today the venue gives everything on one (`coinbase.md` §1.13.1)."""
        path = f"{_ADVANCED}/market/products"
        found: list[Any] = []
        query: list[tuple[str, str]] = []
        for _ in range(_PAGES_MAX):
            body = (await self.request("GET", path, query, signed=False)).decoded()
            found += (page := self._reading(path, body, _products))
            pages = body.get("pagination")
            cursor = pages.get("next_cursor") if isinstance(pages, dict) else None
            if not (page and cursor and pages.get("has_next") is True):
                return found
            query = [("cursor", str(cursor))]
        raise self._odd(path, f"more than {_PAGES_MAX} pages")

    async def volumes(self) -> dict[str, float]:
        """The volume of 24 hours of each product, in base currency."""
        if self.venue == "advanced":
            products = await self.products()
            return {each.product_id: each.volume_24h for each in products if each.volume_24h}
        body = (await self.request("GET", "/products/stats", signed=False)).decoded()
        return self._reading("/products/stats", body, rest_answers.volumes)

    async def time(self) -> Clock:
        """The venue's time, and what it says of our clock."""
        path = "/time" if self.venue == "exchange" else f"{_ADVANCED}/time"
        # The first request opens the connection, which would count into the way.
        await self.request("GET", path, signed=False)
        sent_s = time.time()
        body = (await self.request("GET", path, signed=False)).decoded()
        came_s = time.time()
        return self._reading(path, body, lambda body: rest_answers.venue_time(body, sent_s, came_s))

    async def product_book(self, product_id: str, limit: int | None = None) -> RestBook:
        """A product's book. It cannot be joined to the feed: Advanced Trade's has no number.

        Exchange gives all levels, Advanced Trade at most 1000 a side; ``limit`` cuts both.
        """
        _check_product(product_id)
        if self.venue == "exchange":
            path, query = f"/products/{product_id}/book", [("level", "2")]
        else:
            path, query = f"{_ADVANCED}/market/product_book", [("product_id", product_id)]
            if limit is not None:
                query.append(("limit", str(limit)))
        book = await self._read(path, query, lambda body: rest_answers.book(body, product_id))
        if limit is not None:
            del book.bids[limit:], book.asks[limit:]
        return book

    async def trades(
        self, product_id: str, *, after: int | None = None, limit: int = TRADES_MAX
    ) -> TradesPage:
        """The newest trades, or on Exchange those with ids below ``after``; newest first.

        Exchange's go back to the first trade in 2015, need no key, and have the ids of Advanced
        Trade (`coinbase.md` §2.7.3). Advanced Trade's own have no cursor, and at most 100.
        """
        _check_product(product_id)
        query = [("limit", str(limit))]
        if self.venue == "advanced":
            if after is not None:
                raise UsageError("Advanced Trade has no cursor of trades; ask Exchange for them")
            query = [("limit", str(min(limit, ADVANCED_TRADES_MAX)))]
            path = f"{_ADVANCED}/market/products/{product_id}/ticker"
            found = await self._read(path, query, lambda body: rest_answers.members(body, "trades"))
        else:
            path = f"/products/{product_id}/trades"
            if after is not None:
                query.append(("after", str(after)))
            found = await self._read(path, query, rest_answers.rows)
        read, problems = rest_answers.trades(found, product_id)
        read.sort(key=lambda trade: trade.trade_id, reverse=True)
        self.problems.extend(problems)
        oldest = read[-1].trade_id if read else None
        goes_on = self.venue == "exchange" and oldest is not None and oldest > 1
        return TradesPage(read, oldest if goes_on else None, problems, len(found))

    async def trades_between(
        self, product_id: str, below: int, above: int = 0
    ) -> AsyncIterator[TradesPage]:
        """Page downwards over the trades with ``above`` < id < ``below``: Exchange only.

        Trades outside are cut off; a page may be empty after that. A page is all there is of the
        ids from its ``after`` on, of all that are left where that is None: what is missing among
        them is missing at the venue, or is one of the page's problems.
        """
        after: int | None = below
        while after is not None and after > above + 1:
            limit = min(TRADES_MAX, after - above - 1)
            page = await self.trades(product_id, after=after, limit=limit)
            inside = [trade for trade in page.trades if above < trade.trade_id < after]
            after = _next_after(page, inside, after, limit, above)
            yield TradesPage(inside, after, page.problems, page.rows)

    async def candles(
        self, product_id: str, granularity_s: int, start_s: int, end_s: int
    ) -> list[RestCandle]:
        """The candles that start in ``start_s`` ≤ t < ``end_s``, oldest first, in as many requests.

        Times in which nothing was traded have none. The newest may be unfinished.
        """
        _check_product(product_id)
        allowed = EXCHANGE_GRANULARITIES if self.venue == "exchange" else GRANULARITIES.keys()
        if granularity_s not in allowed:
            shown = ", ".join(map(str, sorted(allowed)))
            raise UsageError(f"candles of {granularity_s} s do not exist; there are {shown}")
        found: dict[int, RestCandle] = {}
        step_s = granularity_s * (CANDLES_MAX[self.venue] - 1)
        for begin_s in range(start_s, end_s, step_s):
            last_s = min(begin_s + step_s, end_s) - 1
            for candle in await self._candles(product_id, granularity_s, begin_s, last_s):
                if start_s <= candle.start_s < end_s:
                    found[candle.start_s] = candle
        return [found[at] for at in sorted(found)]

    async def _candles(
        self, product_id: str, granularity_s: int, start_s: int, end_s: int
    ) -> list[RestCandle]:
        query = [("start", str(start_s)), ("end", str(end_s))]
        if self.venue == "exchange":
            query = [("start", _iso(start_s)), ("end", _iso(end_s))]
            path = f"/products/{product_id}/candles"
            query.append(("granularity", str(granularity_s)))
            found = await self._read(path, query, rest_answers.rows)
        else:
            path = f"{_ADVANCED}/market/products/{product_id}/candles"
            query.append(("granularity", GRANULARITIES[granularity_s]))
            found = await self._read(
                path, query, lambda body: rest_answers.members(body, "candles")
            )
        candles, problems = rest_answers.candles(found)
        self.problems.extend(problems)
        return candles

    async def _read(
        self, path: str, query: Iterable[tuple[str, str]], read: Callable[[Any], T]
    ) -> T:
        """Ask for public data, and read the answer."""
        answer = await self.request("GET", path, list(query), signed=False)
        return self._reading(path, answer.decoded(), read)

    def _reading(self, path: str, body: Any, read: Callable[[Any], T]) -> T:
        try:
            return read(body)
        except OddAnswerError as odd:
            raise self._odd(path, str(odd)) from None

    def _odd(self, path: str, what: str) -> Exception:
        return rest_errors.odd(rest_errors.Asked(self.host, "GET", path, None), what)


def _next_after(
    page: TradesPage, inside: Sequence[RestTrade], after: int, limit: int, above: int
) -> int | None:
    """Below which id to go on after a page; None where nothing is left to ask for.

    So many rows below an id take at least as many ids, so that a page of which nothing can be read
    is passed by without passing by anything that was not asked for.
    """
    if not (page.rows or page.trades or page.problems):
        return None  # the venue has nothing below
    if page.trades and page.trades[-1].trade_id <= above:
        return None
    unread = after - min(page.rows or limit, limit) if page.problems or not inside else after
    lowest = min(unread, inside[-1].trade_id if inside else after)
    return lowest if lowest > above + 1 else None


def _iso(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _products(body: Any) -> list[Any]:
    return rest_answers.members(body, "products")


def _check_product(product_id: str) -> None:
    if PRODUCT_ID.fullmatch(product_id) is None:
        raise UsageError(f"{product_id[:60]!r} cannot be a product id; one is like BTC-USD")
