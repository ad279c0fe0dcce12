"""What one connection is subscribed to and still owed, in either protocol, with what goes wrong.

No clock, no socket: the server hands in the text of a request and the time, and sends what comes
back. The subclass of a protocol knows its words; how answers and snapshots are owed, delayed,
forgotten and mixed up is here, because faults are the same in both.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from recorder.venue.access import Signatures
from recorder.venue.faults import Faults
from recorder.venue.kinds import Fault
from recorder.venue.market import Market, Product
from recorder.venue.orders import Orders
from recorder.venue.steps import Change, Step, Touch
from recorder.venue.tape import Trade

SECOND_NS = 1_000_000_000
# An answer that waits for data does not wait for ever.
ACK_NS_MAX = 5 * SECOND_NS
TOUCHES_KEPT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do.

    ``subscribe_s`` is the deadline of the first subscription. With ``per_address`` the requests of
    all connections of an address count together, as Coinbase counts them; ``connects_a_second_max``
    always counts by address, and None sets no limit.
    """

    books_max: int = 30
    requests_a_second_max: int = 8
    subscribe_s: float = 5.0
    connects_a_second_max: int | None = None
    per_address: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """One second of the venue: which one, its time, the uptime, and what has changed in it.

    ``traded`` are the products with trades since the last beat, ``batch`` those since the last
    batch of tickers, or None between two batches.
    """

    number: int
    now_ns: int
    uptime_ns: int
    traded: list[str]
    batch: list[str] | None


@dataclass(frozen=True, slots=True)
class Ack:
    """An answer that is owed, not before a time or a number of frames."""

    event: str
    due_ns: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The present state of a product that is owed; ``instead`` is whose state is sent."""

    channel: str
    product_id: str
    due_ns: int = 0
    instead: str = ""


class Subscriptions:
    """The state of one connection. ``sequence`` counts its frames, errors not among them."""

    books = "level2"
    heartbeats = "heartbeats"

    def __init__(
        self,
        market: Market,
        *,
        seed: int = 0,
        limits: Limits | None = None,
        faults: Faults | None = None,
        asked_ns: deque[int] | None = None,
        signatures: Signatures | None = None,
        orders: Orders | None = None,
    ) -> None:
        """Start at number 0.

        ``seed`` decides the orders that the venue leaves open; ``asked_ns`` holds the times of
        requests, and is shared by connections whose requests count together. ``signatures`` checks
        signatures; ``orders`` are those of whoever has one.
        """
        self.sequence = 0
        self.channels: dict[str, list[str]] = {}
        self.subscribed = False
        self.faults = faults or Faults()
        self._market = market
        self._signatures = signatures or Signatures()
        self._orders = orders
        self._limits = limits or Limits()
        self._random = Random(f"{seed}/session")
        self._live: set[tuple[str, str]] = set()
        self._owed: deque[Ack | Snapshot] = deque()
        self._asked_ns: deque[int] = deque() if asked_ns is None else asked_ns
        self._unlisted: set[tuple[str, str]] = set()
        self._behind: dict[str, set[tuple[bool, int]]] = {}
        self._lies: dict[str, int] = {}
        self._beats_off = 0
        self._touches: dict[str, deque[tuple[int, Touch]]] = {}

    # --- what the protocol fills in ----------------------------------------------------------

    def _receive(self, text: str | bytes, now_ns: int) -> list[bytes]:
        """Take a request that was not refused; gives error frames."""
        raise NotImplementedError

    def _too_fast(self) -> bytes:
        raise NotImplementedError

    def _acknowledgement(self) -> str:
        """The text of an answer: everything subscribed to now."""
        raise NotImplementedError

    def _ack_frame(self, event: str, now_ns: int) -> bytes:
        raise NotImplementedError

    def _snapshot_frames(self, channel: str, product_id: str, now_ns: int) -> list[bytes]:
        raise NotImplementedError

    def _book_frame(self, step: Step, now_ns: int, text: str | None = None) -> bytes:
        raise NotImplementedError

    # --- requests ----------------------------------------------------------------------------

    def wants(self, channel: str, product_id: str) -> bool:
        """Whether updates of this channel and product go to this connection."""
        return (channel, product_id) in self._live

    def receive(self, text: str | bytes, now_ns: int) -> list[bytes]:
        """Take a request. Returns error frames; what else it causes is owed, see `turn`."""
        asked = self._asked_ns
        while asked and asked[0] <= now_ns - SECOND_NS:
            asked.popleft()
        if len(asked) >= self._limits.requests_a_second_max:
            return [self._too_fast()]
        asked.append(now_ns)
        return self._receive(text, now_ns)

    def _owe(self, channel: str, new: list[str], now_ns: int, *, early: bool = False) -> list[str]:
        """Owe the snapshots of products; gives those that the subscription holds from now on.

        With ``early`` the updates of each third book come before its snapshot.
        """
        kept = []
        for number, name in enumerate(new):
            if self.faults.take("partial", channel, name):
                continue
            kept.append(name)
            self._listen_again(channel, name)
            if self.faults.take("unlisted", channel, name):
                self._unlisted.add((channel, name))
            if self.faults.take("unserved", channel, name):
                continue
            if self.faults.take("missing_snapshot", channel, name):
                self._live.add((channel, name))
                continue
            self._owe_snapshot(channel, name, now_ns)
            if early and number % 3 == 2:
                self._live.add((channel, name))  # Its first updates come before its snapshot.
        return kept

    def _owe_snapshot(self, channel: str, name: str, now_ns: int) -> None:
        due_ns, instead = 0, ""
        if channel == self.books:
            if fault := self.faults.take("update_before_snapshot", channel, name):
                due_ns = now_ns + int(fault.number * SECOND_NS)
                self._live.add((channel, name))
            others = [other for other in self._market.products if other != name]
            if others and self.faults.find("wrong_snapshot", channel, name):
                instead = self._random.choice(others)
                self.faults.take("wrong_snapshot", channel, name, instead)
        self._owed.append(Snapshot(channel, name, due_ns, instead))

    def _listen_again(self, channel: str, name: str) -> None:
        """A new subscription ends a silence that such a one cures."""
        fault = self.faults.find("silent", channel, name)
        if fault is not None and fault.value == "resubscribe":
            self.faults.remove(fault)

    def _owe_ack(self, now_ns: int) -> None:
        """Owe the answer to a request, as late as a fault wants it."""
        due_ns = after = 0
        if fault := self.faults.take("late_ack"):
            due_ns = now_ns + int(fault.number * SECOND_NS)
        if fault := self.faults.take("data_before_ack"):
            due_ns, after = now_ns + ACK_NS_MAX, self.sequence + int(fault.number)
        self._owed.append(Ack(self._acknowledgement(), due_ns, after))

    def _drop(self, channel: str, gone: Iterable[str] | None) -> None:
        """End the subscription of products, None for all, and forget what is owed for them."""
        have = self.channels.pop(channel, [])
        lost = {*have, ""} if gone is None else set(gone)
        if kept := [name for name in have if name not in lost]:
            self.channels[channel] = kept
        for name in lost:
            self._live.discard((channel, name))
            self._unlisted.discard((channel, name))
            if channel == self.books:
                self._behind.pop(name, None)
                self._lies.pop(name, None)
        self._owed = deque(
            owed
            for owed in self._owed
            if isinstance(owed, Ack) or owed.channel != channel or owed.product_id not in lost
        )

    def _listed(self) -> dict[str, list[str]]:
        """What an answer lists, products in no particular order."""
        listed = {}
        for channel, names in self.channels.items():
            shown = [name for name in names if (channel, name) not in self._unlisted]
            listed[channel] = self._random.sample(shown, len(shown))
        return listed

    # --- what is owed ------------------------------------------------------------------------

    def owes(self) -> bool:
        """Whether something is owed, now or later."""
        return bool(self._owed)

    def due_ns(self) -> int | None:
        """When `turn` has something to send: 0 for at once, None if not by itself."""
        due_ns: int | None = None
        answered = False
        for owed in self._owed:
            if isinstance(owed, Ack):
                if answered:
                    continue  # Answers keep their order.
                answered = True
                each_ns = 0 if 0 < owed.after <= self.sequence else owed.due_ns
            elif self._is_silent(owed.channel, owed.product_id):
                continue
            else:
                each_ns = owed.due_ns
            due_ns = each_ns if due_ns is None else min(due_ns, each_ns)
        return due_ns

    def turn(self, now_ns: int) -> list[bytes]:
        """Send what is due, up to and including one snapshot of a book.

        One at a time: the venue takes tens of milliseconds for a book and sends others' updates
        between two of them.
        """
        frames: list[bytes] = []
        if self._behind:
            self._catch_up(frames, now_ns)
        if not self._owed:
            return frames
        waiting: list[Ack | Snapshot] = []
        while self._owed:
            owed = self._owed.popleft()
            if not self._is_due(owed, waiting, now_ns):
                waiting.append(owed)
            elif isinstance(owed, Ack):
                frames.append(self._ack_frame(owed.event, now_ns))
            else:
                self._serve(owed, frames, now_ns)
                if owed.channel == self.books:
                    break
        self._owed.extendleft(reversed(waiting))
        return frames

    def _is_due(self, owed: Ack | Snapshot, waiting: list[Ack | Snapshot], now_ns: int) -> bool:
        if isinstance(owed, Snapshot):
            return owed.due_ns <= now_ns and not self._is_silent(owed.channel, owed.product_id)
        if any(isinstance(each, Ack) for each in waiting):
            return False  # Answers keep their order.
        return owed.due_ns <= now_ns or 0 < owed.after <= self.sequence

    def _serve(self, owed: Snapshot, frames: list[bytes], now_ns: int) -> None:
        """Send a snapshot, from which on updates follow."""
        name = owed.product_id
        if owed.channel == self.books:
            self._behind.pop(name, None)
            self._lies.pop(name, None)
        frames += self._snapshot_frames(owed.channel, owed.instead or name, now_ns)
        self._live.add((owed.channel, name))

    # --- what is told ------------------------------------------------------------------------

    def _is_silent(self, channel: str, product_id: str | None) -> Fault | None:
        """The fault that keeps this channel and product from being told."""
        faults = self.faults
        if faults.quiet:
            return None
        silent = faults.find("silent", channel, product_id)
        if silent is None and channel != self.heartbeats:
            silent = faults.find("heartbeats_only", channel, product_id)
        return silent

    def _book_step(self, step: Step) -> Step | None:
        """A step as this connection hears of it: itself, changed by a fault, or not at all."""
        if self.faults.quiet and not self._behind and not self._lies:
            return step
        name = step.spec.product_id
        if silent := self._is_silent(self.books, name):
            if silent.value != "hole":
                prices = self._behind.setdefault(name, set())
                prices.update((change.bid, change.price) for change in step.changes)
            return None
        if self.faults.take("omit", self.books, name):
            return None
        changes = step.changes
        if name in self._behind:
            prices = self._behind.pop(name)
            prices.update((change.bid, change.price) for change in changes)
            changes = self._present(name, prices)
        changes = self._lied(name, changes)
        return step if changes is step.changes else replace(step, changes=changes)

    def _catch_up(self, frames: list[bytes], now_ns: int) -> None:
        """Tell in one update all that changed while a product was silent."""
        for name in list(self._behind):
            if not self._is_silent(self.books, name):
                product = self._market.products[name]
                changes = self._present(name, self._behind.pop(name))
                if changes:
                    at_ns = product.event_ns
                    step = Step(product.spec, at_ns, at_ns, changes, [], None)
                    frames.append(self._book_frame(step, now_ns))

    def _present(self, name: str, prices: set[tuple[bool, int]]) -> list[Change]:
        """What these levels are now, bids before offers, best first."""
        product = self._market.products[name]
        bids = sorted((price for bid, price in prices if bid), reverse=True)
        offers = sorted(price for bid, price in prices if not bid)
        return [Change(True, price, product.bids.sizes.get(price, 0)) for price in bids] + [
            Change(False, price, product.offers.sizes.get(price, 0)) for price in offers
        ]

    def _lied(self, name: str, changes: list[Change]) -> list[Change]:
        """Add a bid that is not there, above the best offer, or take one away again."""
        product = self._market.products[name]
        if (price := self._lies.pop(name, None)) is not None:
            size = product.bids.sizes.get(price, 0)
            changes = [*(each for each in changes if each[:2] != (True, price))]
            changes.insert(0, Change(True, price, size))
        price = product.offers.best() + 1
        if fault := self.faults.take("crossed", self.books, name, f"bid {price} ticks"):
            changes = [Change(True, price, 1), *changes]
            if fault.value == "transient":
                self._lies[name] = price
        return changes

    def _told_trades(self, channel: str, step: Step) -> list[Trade]:
        """The trades of a step that this connection is told of, newest first."""
        if self.faults.quiet or not step.trades:
            return step.trades
        name = step.spec.product_id
        if self._is_silent(channel, name):
            return []
        told = [
            trade for trade in reversed(step.trades)
            if not self.faults.take("trade_hole", channel, name, f"trade {trade.trade_id}")
        ]  # fmt: skip
        return step.trades if len(told) == len(step.trades) else told[::-1]

    def _told_touch(
        self, channel: str, product: Product, touch: Touch, now_ns: int
    ) -> Touch | None:
        """The touch that a ticker tells: the book's, or one that is off or late; None: nothing."""
        if self.faults.quiet:
            return touch
        name = product.spec.product_id
        if self._is_silent(channel, name):
            return None
        if late := self.faults.find("ticker_late", channel, name):
            touch = self._late_touch(name, touch, now_ns, int(late.number * SECOND_NS))
        else:
            self._touches.pop(name, None)
        if off := self.faults.find("ticker_wrong", channel, name):
            by = max(1, int(touch.bid * abs(off.number))) * (1 if off.number > 0 else -1)
            touch = replace(touch, bid=max(1, touch.bid + by), offer=max(2, touch.offer + by))
        return touch

    def _late_touch(self, name: str, touch: Touch, now_ns: int, late_ns: int) -> Touch:
        """The touch of some time ago, or the oldest we know of."""
        known = self._touches.setdefault(name, deque(maxlen=TOUCHES_KEPT_MAX))
        known.append((now_ns, touch))
        while len(known) > 1 and known[1][0] <= now_ns - late_ns:
            known.popleft()
        return known[0][1]
