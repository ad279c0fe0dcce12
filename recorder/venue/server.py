"""`Venue`: the market, its sessions and the sockets, on the clock."""

import asyncio
import contextlib
import time
from collections import deque
from types import TracebackType
from typing import Self

from recorder.errors import UsageError
from recorder.venue import exchange, wire
from recorder.venue.access import Access, Signatures
from recorder.venue.door import BACKLOG_BYTES_MAX, POLICY, Connection
from recorder.venue.exchange_session import ExchangeSession
from recorder.venue.kinds import Fault
from recorder.venue.market import DELISTED, OFFLINE, ONLINE, Market
from recorder.venue.orders import Orders
from recorder.venue.plan import FaultPlan
from recorder.venue.rest_keys import KnownKey
from recorder.venue.session import Session
from recorder.venue.stage import Stage
from recorder.venue.subscriptions import Beat, Limits
from recorder.venue.tape import Trade

SECOND_NS = 1_000_000_000
# Sleeping less than this costs more processor than it gives smoothness.
SLEEP_S_MIN = 0.002
# The venue wakes for what is due; more often only in case that the wall clock was set.
SLEEP_S_MAX = 0.25
# Steps between two looks at the sockets, so that a venue that cannot keep up still answers.
STEPS_AT_ONCE_MAX = 500
# A venue this late forgets what it owes instead of running after it.
LATE_NS_MAX = SECOND_NS // 2
# Uptime of the "server process" at the start, so that heartbeats do not count from 0.
UPTIME_START_S = 41_000
BATCH_S = 5
NO_SUBSCRIPTION = "no subscription in time"
SESSIONS: dict[str, type[Session] | type[ExchangeSession]] = {
    "advanced": Session,
    "exchange": ExchangeSession,
}
# Exchange documents 8 connects and 100 messages a second for an address, Advanced Trade 8 and 8.
LIMITS = {"advanced": Limits(), "exchange": Limits(requests_a_second_max=100)}


class Venue(Stage):
    """A seeded Coinbase: Advanced Trade, or Exchange with the same market.

    Everything the market does is sent in the same breath, so that between two awaits what was sent
    and the truth (`book`, `trades`) agree, as far as no fault keeps them apart.

    Its clocks are `time.time_ns` and the event loop's, it waits by the loop alone and starts no
    thread: with both replaced, and a loop whose ``create_server`` is in memory, the same seed and
    the same requests at the same times give the same bytes.
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
        protocol: str = "advanced",
        limits: Limits | None = None,
        compression: bool = False,
        keep_sent: bool = False,
        backlog_bytes_max: int = BACKLOG_BYTES_MAX,
        plan: FaultPlan | None = None,
        access: Access | None = None,
    ) -> None:
        """Prepare; nothing happens before ``async with``.

        Args:
            seed: decides the market, together with the names of the products.
            products: canonical ids (``BTC-USD``; its alias ``BTC-USDC`` is served as well).
            rate: multiplies the frames a second.
            depth: multiplies the levels of a side; 0.01 gives BTC-USD about 190 and 270.
            host: a loopback address.
            port: 0 takes a free one.
            protocol: ``advanced`` or ``exchange``.
            limits: what a client may do; None: what the protocol allows.
            compression: offer permessage-deflate.
            keep_sent: remember every frame, request and connect, for `records` and `connects`.
            backlog_bytes_max: a client further behind is closed with 1008.
            plan: faults to play from the start on.
            access: whose signatures are taken, and what is for them alone. Advanced Trade's own
                orders always are, and so are Exchange's books at the full rate.

        Raises:
            UsageError: there is no such protocol.
        """
        if protocol not in SESSIONS:
            raise UsageError(f"{protocol!r} is no protocol. Choose of: {', '.join(SESSIONS)}.")
        super().__init__(
            plan, host=host, port=port, compression=compression, keep_sent=keep_sent,
            backlog_bytes_max=backlog_bytes_max,
        )  # fmt: skip
        self.protocol = protocol
        self.limits = limits or LIMITS[protocol]
        self.seed = seed
        self.frozen = False
        self._products = tuple(products)
        self._rate = rate
        self._depth = depth
        self._sessions: dict[Connection, Session | ExchangeSession] = {}
        self._asked_ns: dict[str, deque[int]] = {}
        self._dials_s: dict[str, deque[float]] = {}
        self._signatures = Signatures(access)
        self._market: Market | None = None
        self._orders: Orders | None = None
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

    @property
    def orders(self) -> Orders:
        """The account's own orders, of whoever has a key; from the start of the venue on."""
        if self._orders is None:
            raise RuntimeError("the venue has not started: use `async with`")
        return self._orders

    def admit(self, key: KnownKey) -> None:
        """Know one key more."""
        self._signatures.add(key)

    async def __aenter__(self) -> Self:
        """Open the market and listen."""
        self._start_ns = time.time_ns()
        self._market = Market(
            self.seed, self._products, self._start_ns, rate=self._rate, depth=self._depth
        )
        self._orders = Orders(self._market, self.seed, self._start_ns)
        await super().__aenter__()
        self._task = asyncio.create_task(self._run())
        self._start_plan(self.protocol, self._products)
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

    # --- clients -----------------------------------------------------------------------------

    async def _talk(self, connection: Connection) -> None:
        asked_ns = None
        if self.limits.per_address:
            asked_ns = self._asked_ns.setdefault(connection.address, deque())
        session = SESSIONS[self.protocol](
            self.market, seed=self.seed * 1000 + connection.number, limits=self.limits,
            faults=connection.faults, asked_ns=asked_ns, signatures=self._signatures,
            orders=self._orders,
        )  # fmt: skip
        self._sessions[connection] = session
        deadline = asyncio.get_running_loop().call_later(
            self.limits.subscribe_s, self._check_subscribed, connection
        )
        try:
            async for text in connection.socket:
                connection.heard(text)
                connection.send(session.receive(text, time.time_ns()))
                self._wake.set()
        finally:
            deadline.cancel()
            del self._sessions[connection]

    def _check_subscribed(self, connection: Connection) -> None:
        session = self._sessions.get(connection)
        if session is not None and not session.subscribed:
            connection.close_soon(POLICY, NO_SUBSCRIPTION)

    def _too_many_connects(self, address: str, now_s: float) -> bool:
        most = self.limits.connects_a_second_max
        if most is None:
            return False
        dials_s = self._dials_s.setdefault(address, deque())
        while dials_s and dials_s[0] <= now_s - 1.0:
            dials_s.popleft()
        if len(dials_s) >= most:
            return True
        dials_s.append(now_s)
        return False

    # --- faults ------------------------------------------------------------------------------

    def _error_frame(self, message: str) -> bytes:
        if self.protocol == "exchange":
            return exchange.error(message, "")
        return wire.error(message)

    def _halt(self, fault: Fault) -> None:
        self._set_status(fault, DELISTED if fault.kind == "delist" else OFFLINE)

    def _resume(self, fault: Fault) -> None:
        if fault.kind == "offline":
            self._set_status(fault, ONLINE)

    def _set_status(self, fault: Fault, status: str) -> None:
        """Change what a product is, and tell who listens to it."""
        name = fault.product
        if name not in self.market.products:
            raise UsageError(f"{name} is not traded here, so it cannot be {status}.")
        now_ns = time.time_ns()
        self.market.set_status(name, status, now_ns)
        spec = self.market.products[name].spec
        for connection, session in list(self._sessions.items()):
            connection.send(session.tell_status(spec, status, now_ns))

    def _stir(self) -> None:
        self._wake.set()

    # --- the life of the venue ---------------------------------------------------------------

    async def _run(self) -> None:
        """Steps that are due, answers owed, a beat a second."""
        self._catch_up()
        while True:
            self._step_due()
            now_ns = time.time_ns()
            for connection, session in list(self._sessions.items()):
                connection.send(session.turn(now_ns))
            self._beat_due()
            self._wake.clear()
            await self._wait_due()

    async def _wait_due(self) -> None:
        """Sleep until something is due or a client asks."""
        due_ns = self._start_ns + (self._beat + 1) * SECOND_NS
        if not self.frozen:
            due_ns = min(due_ns, self.market.due_ns)
        for session in self._sessions.values():
            if session.owes():
                owed_ns = session.due_ns()
                due_ns = due_ns if owed_ns is None else min(due_ns, owed_ns)
        due_s = min(SLEEP_S_MAX, (due_ns - time.time_ns()) / SECOND_NS)
        timer = asyncio.get_running_loop().call_later(max(SLEEP_S_MIN, due_s), self._wake.set)
        await self._wake.wait()
        timer.cancel()

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
            step = market.step()
            if step.trades:
                self._traded.add(step.spec.product_id)
            if step.touch:
                self._traded_batch.add(step.spec.product_id)
            texts: dict[str, str] = {}
            for connection, session in self._sessions.items():
                batches[connection] += session.tell(step, now_ns, texts)
        for connection, frames in batches.items():
            connection.send(frames)

    def _beat_due(self) -> None:
        """Once a second: heartbeats and forming candles; every five seconds ticker batches."""
        now_ns = time.time_ns()
        number = (now_ns - self._start_ns) // SECOND_NS
        if number <= self._beat:
            return
        self._beat = number
        uptime_ns = UPTIME_START_S * SECOND_NS + now_ns - self._start_ns
        batch = sorted(self._traded_batch) if number % BATCH_S == 0 else None
        beat = Beat(number, now_ns, uptime_ns, sorted(self._traded), batch)
        texts: dict[str, str] = {}
        order = self.orders.step(now_ns)
        for connection, session in list(self._sessions.items()):
            connection.send(session.beat(beat, texts))
            connection.send(session.tell_order(order, now_ns))
        self._traded.clear()
        if batch is not None:
            self._traded_batch.clear()
