"""What happens, as it happens: server-sent events of best prices, trades, gaps, and books.

A client that reads slowly gets the newest best prices of each product when it reads again, and is
told how many trades and gaps it has missed. What waits for it is bounded, and nobody else waits.
Nothing at all is done while there are no clients.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from typing import Any

import msgspec

from recorder.core.collected import trades_apart
from recorder.core.messages import LEVEL2, Fact
from recorder.core.numbers import plain
from recorder.core.pipeline import Pipeline, Step
from recorder.core.rows import Columns, Rows, Words
from recorder.core.tables import TABLES
from recorder.http.answers import moment
from recorder.http.look import missing_of, sights
from recorder.http.views import book_view, known_products
from recorder.http.watch import Watch

CLIENTS_MAX = 16
TRADES_MAX = 1000  # that wait for one client
GAPS_MAX = 200
PACE_S = 0.1  # between two batches
BEAT_S = 15.0  # a comment, so that a connection that is dead shows
LOOK_S = 1.0  # who has left keeps its place no longer
RETRY_MS = 3000
KINDS = ("top", "trade", "gap")
BOOK = "book"  # told only where it is asked for, of few products
BOOKS_MAX = 4
BOOK_DEPTH_MAX = 200
BOOK_PACE_S = 0.25

_TRADE = {name: place for place, name in enumerate(TABLES["trades"].stored())}
_GAP = {name: place for place, name in enumerate(TABLES["coverage"].stored())}
_TRADED = (
    *("trade_id", "side", "taker_side", "price", "size", "trade_time", "price_text", "size_text"),
)
_MISSED = ("channel", "product_id", "start_time", "end_time", "reason", "messages_missing")


class Client:
    """One reader: what waits for it.

    ``products`` and ``kinds`` are what it wants; ``moved`` are products whose best prices it has
    not been told yet, ``changed`` those whose books; ``missed`` counts what was left out since it
    was last told.
    """

    def __init__(
        self,
        products: Collection[str] | None,
        kinds: Collection[str],
        *,
        depth: int = 0,
        all_gaps: bool = False,
    ) -> None:
        """``products``: None for all; ``depth`` is that of books, ``all_gaps``: of all products."""
        self.products = None if products is None else frozenset(products)
        self.kinds = frozenset(kinds)
        self.depth = depth
        self.all_gaps = all_gaps
        self.books_told_s = 0.0
        self.moved: dict[str, None] = {}
        self.changed: dict[str, None] = {}
        self.trades: deque[dict[str, Any]] = deque(maxlen=TRADES_MAX)
        self.gaps: deque[dict[str, Any]] = deque(maxlen=GAPS_MAX)
        self.missed = {"trades": 0, "gaps": 0}
        self.news = asyncio.Event()

    def wants(self, kind: str, product_id: str | None) -> bool:
        """Whether something is for it; what is of no product is for everybody."""
        if kind not in self.kinds:
            return False
        if self.products is None or product_id is None or (kind == "gap" and self.all_gaps):
            return True
        return product_id in self.products

    def move(self, product_id: str) -> None:
        """The best prices of a product may be others, and its book is."""
        if self.wants("top", product_id):
            self.moved[product_id] = None
            self.news.set()
        if self.wants(BOOK, product_id):
            self.changed[product_id] = None
            self.news.set()

    def traded(self, trade: dict[str, Any]) -> None:
        """Keep a trade, in the place of the oldest where there are too many."""
        if self.wants("trade", trade["product_id"]):
            self.missed["trades"] += len(self.trades) == TRADES_MAX
            self.trades.append(trade)
            self.news.set()

    def gapped(self, gap: dict[str, Any]) -> None:
        """Keep a gap, in the same way."""
        if self.wants("gap", gap.get("product_id")):
            self.missed["gaps"] += len(self.gaps) == GAPS_MAX
            self.gaps.append(gap)
            self.news.set()


class Hub:
    """Hands what the recorder does on to those who listen.

    ``sent`` counts events, ``dropped`` what clients missed, since the start.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.clients: set[Client] = set()
        self.sent = 0
        self.dropped = 0
        self.closing = asyncio.Event()

    # --- the recorder's side --------------------------------------------------------------------

    def join(self, client: Client) -> None:
        """Begin to listen: with the best prices of everything."""
        if not self.clients:
            self._watch.meter.followers.append(self.follow)
        self.clients.add(client)
        for product_id in known_products(self._watch.recorder.inside()):
            client.move(product_id)

    def leave(self, client: Client) -> None:
        """Listen no more."""
        self.clients.discard(client)
        if not self.clients and self.follow in self._watch.meter.followers:
            self._watch.meter.followers.remove(self.follow)

    def follow(self, step: Step) -> None:
        """Take what one arrival came to."""
        for block in step.rows:
            if block.table == LEVEL2:
                product = block.values[0]
                for product_id in product.words if isinstance(product, Words) else (product,):
                    for client in self.clients:
                        client.move(product_id)
            elif block.table == "trades":
                for each in trades_apart(block) if type(block) is Columns else (block,):
                    self._trades(each)
            elif block.table == "coverage":
                self._gaps(block)
        for fact in step.facts:
            self._fact(fact)

    def _trades(self, block: Rows) -> None:
        kind = block.values[_TRADE["kind"]]
        if kind != "update":
            return
        named = {"product_id": block.values[_TRADE["product_id"]]}
        recv = {"recv_time": moment(block.values[_TRADE["recv_ns"]])}
        columns = [block.values[_TRADE[name]] for name in _TRADED]
        for each in zip(*columns, strict=True):
            trade = named | dict(zip(_TRADED, each, strict=True)) | recv
            trade["trade_time"] = _moment_us(trade["trade_time"])
            for name in ("price", "size"):
                trade[name] = plain(trade[name], trade.pop(f"{name}_text"))
            for client in self.clients:
                client.traded(trade)

    def _gaps(self, block: Rows) -> None:
        states = block.values[_GAP["state"]]
        columns = [block.values[_GAP[name]] for name in _MISSED]
        for state, *each in zip(states, *columns, strict=True):
            if state != "gap":
                continue
            gap = {"state": "ended"} | dict(zip(_MISSED, each, strict=True))
            for name in ("start_time", "end_time"):
                gap[name] = _moment_us(gap[name])
            self._gapped(gap)

    def _fact(self, fact: Fact) -> None:
        fields = fact.fields
        if fact.event in {"book_stale", "book_live"}:
            product_id = fields["product_id"]
            for client in self.clients:
                client.move(product_id)
            if fact.event == "book_stale":
                missing = missing_of(self._pipeline, LEVEL2, product_id)
                since = {"start_time": moment(missing.start_ns)} if missing else {}
                self._gapped({"state": "begun", "channel": LEVEL2, **since, **fields})
        elif fact.event == "gap_found":
            session = self._pipeline.sessions.get(fields["connection_id"])
            at = {"recv_time": moment(session.last_ns)} if session else {}
            self._gapped({"state": "found", **at, **fields})
        elif fact.event == "session_closed":  # its books are forgotten
            for client in self.clients:
                for product_id in known_products(self._watch.recorder.inside()):
                    client.move(product_id)

    def _gapped(self, gap: dict[str, Any]) -> None:
        for client in self.clients:
            client.gapped(gap)

    @property
    def _pipeline(self) -> Pipeline:
        return self._watch.recorder.inside().recording.pipeline

    # --- a client's side ------------------------------------------------------------------------

    async def batches(
        self, client: Client, gone: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        """What a client is told, batch by batch; ends when the server does, or it is ``gone``.

        The next batch is made when the one before was written: what comes meanwhile is conflated.
        """
        yield f"retry: {RETRY_MS}\n\n".encode()
        closing = asyncio.create_task(self.closing.wait())
        spoken_s = time.monotonic()
        try:
            while not gone():
                news = asyncio.create_task(client.news.wait())
                told, _ = await asyncio.wait(
                    {news, closing}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED
                )
                news.cancel()
                if self.closing.is_set():
                    return
                batch = self._batch(client) if told else b""
                if not batch and time.monotonic() - spoken_s >= BEAT_S:
                    batch = b": beat\n\n"
                if batch:
                    yield batch
                    spoken_s = time.monotonic()
                await asyncio.sleep(PACE_S)
                if client.changed:  # too early for them, and not to be forgotten
                    client.news.set()
        finally:
            closing.cancel()

    def _batch(self, client: Client) -> bytes:
        client.news.clear()
        events: list[bytes] = []
        if any(client.missed.values()):
            self.dropped += sum(client.missed.values())
            events.append(event("dropped", client.missed))
            client.missed = {"trades": 0, "gaps": 0}
        moved, client.moved = client.moved, {}
        events += [event("top", each) for each in self._tops(moved)]
        events += [event(BOOK, each) for each in self._books(client)]
        trades, gaps = list(client.trades), list(client.gaps)
        client.trades.clear()
        client.gaps.clear()
        events += [event("trade", each) for each in trades]
        events += [event("gap", each) for each in gaps]
        self.sent += len(events)
        return b"".join(events)

    def _books(self, client: Client) -> list[dict[str, Any]]:
        """The books that changed, where the last were told long enough ago."""
        now_s = time.monotonic()
        if not client.changed or now_s - client.books_told_s < BOOK_PACE_S:
            return []
        client.books_told_s = now_s
        changed, client.changed = client.changed, {}
        return [book_view(self._watch, product_id, client.depth) for product_id in changed]

    def _tops(self, product_ids: Collection[str]) -> list[dict[str, Any]]:
        found = []
        for sight in sights(self._pipeline, product_ids).values():
            bid, ask = sight.top()
            top: dict[str, Any] = {
                "product_id": sight.product_id,
                "valid": sight.valid,
                "bid": bid,
                "ask": ask,
                "recv_time": moment(sight.heard_ns),
            }
            found.append(top if sight.valid else top | {"reason": sight.reason})
        return found


def event(name: str, content: dict[str, Any]) -> bytes:
    """One server-sent event; JSON has no line breaks of its own."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(content))


def _moment_us(at_us: int | None) -> str | None:
    return None if at_us is None else moment(at_us * 1000)
