"""`Venue`: the market, its sessions and the sockets, on the clock."""

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Self

from recorder.venue import wire
from recorder.venue.door import BACKLOG_BYTES_MAX, POLICY, Connection, Door
from recorder.venue.market import Market, Step
from recorder.venue.session import Limits, Session
from recorder.venue.tape import Trade

SECOND_NS = 1_000_000_000
# Sleeping less than this costs more processor than it gives smoothness.
SLEEP_S_MIN = 0.002
SLEEP_S_MAX = 0.02
# Steps between two looks at the sockets, so that a venue that cannot keep up still answers.
STEPS_AT_ONCE_MAX = 500
# A venue this late forgets what it owes instead of running after it.
LATE_NS_MAX = SECOND_NS // 2
# Uptime of the "server process" at the start, so that heartbeats do not count from 0.
UPTIME_START_S = 41_000
BATCH_S = 5
NO_SUBSCRIPTION = "no subscription in time"


class Venue(Door):
    """A seeded Coinbase Advanced Trade.

    Everything the market does is sent in the same breath, so that between two awaits what was sent
    and the truth (`book`, `trades`) agree.
    """

    def __init__(
        self,
        seed: int = 1,
        products: tuple[str, ...] = ("BTC-USD", "ETH-USD"),
        rate: float = 1.0,
        depth: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: Limits | None = None,
        compression: bool = False,
        keep_sent: bool = False,
        backlog_bytes_max: int = BACKLOG_BYTES_MAX,
    ) -> None:
        """Prepare; nothing happens before ``async with``.

        Args:
            seed: decides the market, together with the names of the products.
            products: canonical ids (``BTC-USD``; its alias ``BTC-USDC`` is served as well).
            rate: multiplies the frames a second.
            depth: multiplies the levels of a side; 0.01 gives BTC-USD about 190 and 270.
            host: a loopback address.
            port: 0 takes a free one.
            limits: what a client may do.
            compression: offer permessage-deflate.
            keep_sent: remember every frame, for `sent`.
            backlog_bytes_max: a client further behind is closed with 1008.
        """
        super().__init__(
            host=host, port=port, compression=compression, keep_sent=keep_sent,
            backlog_bytes_max=backlog_bytes_max,
        )  # fmt: skip
        self.limits = limits or Limits()
        self.seed = seed
        self.frozen = False
        self._products = tuple(products)
        self._rate = rate
        self._depth = depth
        self._sessions: dict[Connection, Session] = {}
        self._count = 0
        self._market: Market | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._start_ns = 0
        self._beat = 0
        self._traded: set[str] = set()
        self._traded_batch: set[str] = set()

    @property
    def market(self) -> Market:
        """The market; it exists from the start of the venue on."""
        if self._market is None:
            raise RuntimeError("the venue has not started: use `async with`")
        return self._market

    async def __aenter__(self) -> Self:
        """Open the market and listen."""
        self._start_ns = time.time_ns()
        self._market = Market(
            self.seed, self._products, self._start_ns, rate=self._rate, depth=self._depth
        )
        await super().__aenter__()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the market, then the sockets."""
        task, self._task = self._task, None
        died = task is not None and task.done()
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        await super().__aexit__(kind, error, trace)
        if task is not None and died:
            task.result()  # A bug in the venue must not look like a quiet market.

    def book(self, product_id: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The truth now: bids and asks as (price, size) in the venue's text, best first."""
        product = self.market.products[product_id]
        digits, lots = product.spec.price_digits, product.spec.size_digits
        bids, asks = (
            [(wire.decimal(p, digits), wire.decimal(s, lots)) for p, s in side.best_first()]
            for side in (product.bids, product.offers)
        )
        return bids, asks

    def trades(self, product_id: str) -> list[Trade]:
        """All trades of a product from 100 before the start on, oldest first, in ticks and lots."""
        return list(self.market.products[product_id].tape.trades)

    def freeze(self) -> None:
        """Stop the market; heartbeats, requests and snapshots go on."""
        self.frozen = True

    def thaw(self) -> None:
        """Let the market go on from where it stopped."""
        self.frozen = False
        self._wake.set()

    async def _talk(self, connection: Connection) -> None:
        session = Session(self.market, seed=self.seed * 1000 + self._count, limits=self.limits)
        self._count += 1
        self._sessions[connection] = session
        deadline = asyncio.get_running_loop().call_later(
            self.limits.subscribe_s, self._check_subscribed, connection
        )
        try:
            async for text in connection.socket:
                connection.send(session.receive(text, time.time_ns()))
                self._wake.set()
        finally:
            deadline.cancel()
            del self._sessions[connection]

    def _check_subscribed(self, connection: Connection) -> None:
        session = self._sessions.get(connection)
        if session is not None and not session.subscribed:
            connection.close_soon(POLICY, NO_SUBSCRIPTION)

    async def _run(self) -> None:
        """The life of the venue: steps that are due, answers owed, a beat a second."""
        self._catch_up()
        while True:
            self._step_due()
            for connection, session in list(self._sessions.items()):
                connection.send(session.turn(time.time_ns()))
            self._beat_due()
            self._wake.clear()
            await self._wait_due()

    async def _wait_due(self) -> None:
        """Sleep until something is due or a client asks."""
        due_s = SLEEP_S_MAX
        if not self.frozen:
            due_s = min(due_s, (self.market.due_ns - time.time_ns()) / SECOND_NS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(SLEEP_S_MIN, due_s)):
                await self._wake.wait()

    def _catch_up(self) -> None:
        """Forget what is due for too long: the market was frozen, or the machine too slow."""
        late_ns = time.time_ns() - self.market.due_ns
        if late_ns > LATE_NS_MAX:
            self.market.delay(late_ns)

    def _step_due(self) -> None:
        """Take the steps that are due and tell the subscribers, one write each."""
        if self.frozen:
            return
        self._catch_up()
        market = self.market
        batches: dict[Connection, list[bytes]] = {each: [] for each in self._sessions}
        for _ in range(STEPS_AT_ONCE_MAX):
            now_ns = time.time_ns()
            if market.due_ns > now_ns:
                break
            self._tell(market.step(), now_ns, batches)
        for connection, frames in batches.items():
            connection.send(frames)

    def _tell(self, step: Step, now_ns: int, batches: dict[Connection, list[bytes]]) -> None:
        """Render what a step tells, once for all who want it, and number it for each."""
        name = step.spec.product_id
        if step.trades:
            self._traded.add(name)
        if step.touch:
            self._traded_batch.add(name)
        book = trades = ticker = ""
        for connection, session in self._sessions.items():
            frames = batches[connection]
            if session.wants("level2", name):
                book = book or wire.book_update(step)
                frames.append(session.number("l2_data", book, now_ns))
            if step.trades and session.wants("market_trades", name):
                trades = trades or wire.trades(step.spec, "update", step.trades)
                frames.append(session.number("market_trades", trades, now_ns))
            if step.touch and session.wants("ticker", name):
                ticker = ticker or wire.ticker(step.spec, "update", step.touch)
                frames.append(session.number("ticker", ticker, now_ns))

    def _beat_due(self) -> None:
        """Once a second: heartbeats and forming candles; every five seconds ticker batches."""
        now_ns = time.time_ns()
        beat = (now_ns - self._start_ns) // SECOND_NS
        if beat <= self._beat:
            return
        self._beat = beat
        uptime_ns = UPTIME_START_S * SECOND_NS + now_ns - self._start_ns
        products = self.market.products
        candles = [
            (name, wire.candles(products[name].spec, "update", [products[name].tape.candles[-1]]))
            for name in sorted(self._traded)
        ]
        batch = sorted(self._traded_batch) if beat % BATCH_S == 0 else []
        for connection, session in self._sessions.items():
            frames = []
            if session.wants_heartbeats():
                event = wire.heartbeat(now_ns, uptime_ns)
                frames.append(session.number("heartbeats", event, now_ns))
            for name, event in candles:
                if session.wants("candles", name):
                    frames.append(session.number("candles", event, now_ns))
            for name in batch:
                if session.wants("ticker_batch", name):
                    touch = products[name].touch()
                    event = wire.ticker(products[name].spec, "update", touch, batch=True)
                    frames.append(session.number("ticker_batch", event, now_ns))
            connection.send(frames)
        self._traded.clear()
        if beat % BATCH_S == 0:
            self._traded_batch.clear()
