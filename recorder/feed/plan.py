"""Which connection carries which products, and how fast we may speak to the venue.

Coinbase accepts 30 `level2` products a connection and refuses the 31st (`coinbase.md` §1.9); we
plan for 25. New connections and messages are limited to 8 a second and address, counted over all
our connections.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

PRODUCTS_MAX = 25
CONNECTS_A_SECOND = 4  # of 8 allowed
MESSAGES_A_SECOND = 6  # of 8 allowed
WINDOW_S = 1.1  # a second, and something for the way to the venue
HOLD_S_FIRST = 1.0  # after "rate limit exceeded": 1 s, 2 s, 4 s … (`coinbase.md` §1.10)
HOLD_S_MAX = 64.0
CALM_S = 30.0  # so long without a complaint, and the next one counts as the first again

# Names under which a channel is asked for, and the one that its data has.
CANONICAL = {"level2_batch": "level2"}


@dataclass(frozen=True, slots=True)
class Line:
    """What one connection is to carry. ``label`` begins the names of its sessions.

    ``channels`` are the names to subscribe by; ``unfiltered`` those of them whose subscription
    names no product.
    """

    label: str
    products: tuple[str, ...]
    channels: tuple[str, ...]
    unfiltered: frozenset[str] = frozenset({"heartbeats"})

    def subscriptions(self) -> list[tuple[str, tuple[str, ...]]]:
        """(channel, products) in the order to ask: heartbeats first, they keep the rest alive."""
        ordered = sorted(self.channels, key=lambda channel: channel != "heartbeats")
        return [
            (channel, () if channel in self.unfiltered else self.products)
            for channel in ordered
            # Without products a filtered channel would be asked for whole.
            if self.products or channel in self.unfiltered
        ]

    def wanted(self) -> list[tuple[str, str | None]]:
        """Every (channel, product) of this line as recorded; product None for channels without."""
        return [
            (CANONICAL.get(channel, channel), product_id)
            for channel, products in self.subscriptions()
            for product_id in (products or (None,))
        ]


@dataclass(frozen=True, slots=True)
class Change:
    """What to ask for, so that an open connection carries another line; in this order.

    Unsubscribing comes first, or the cap refuses what is new (`coinbase.md` §1.5).
    """

    unsubscribe: tuple[tuple[str, tuple[str, ...]], ...]
    subscribe: tuple[tuple[str, tuple[str, ...]], ...]


def change(before: Line, after: Line) -> Change:
    """What lies between two lines."""
    old, new = dict(before.subscriptions()), dict(after.subscriptions())
    return Change(_lacking(old, new), _lacking(new, old))


def _lacking(
    these: dict[str, tuple[str, ...]], those: dict[str, tuple[str, ...]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The subscriptions of ``these`` that ``those`` do not have."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for channel, products in these.items():
        there = set(those.get(channel, ()))
        lacking = tuple(each for each in products if each not in there)
        if lacking or (not products and channel not in those):
            found.append((channel, lacking))
    return tuple(found)


def spread(
    products: Sequence[str],
    channels: Sequence[str],
    unfiltered: frozenset[str] = frozenset({"heartbeats"}),
) -> list[Line]:
    """Spread products evenly over as few connections as the cap allows.

    The products come with the most traded first; those are on different connections.
    """
    return replan((), products, channels, unfiltered)


def replan(
    lines: Sequence[Line],
    products: Sequence[str],
    channels: Sequence[str],
    unfiltered: frozenset[str] = frozenset({"heartbeats"}),
) -> list[Line]:
    """Change lines so that they carry other products, and no product changes its line.

    What is new goes, in its order, to the line that carries the least; there are new lines only
    for what finds no room. A line that carries nothing any more is left out.
    """
    wanted = frozenset(products)
    plan = {line.label: [each for each in line.products if each in wanted] for line in lines}
    carried = {each for held in plan.values() for each in held}
    new = [each for each in dict.fromkeys(products) if each not in carried]
    room = sum(PRODUCTS_MAX - len(held) for held in plan.values())
    labels = (f"ws{number}" for number in count(1))
    for _ in range(-(-(len(new) - room) // PRODUCTS_MAX)):
        plan[next(label for label in labels if label not in plan)] = []
    for product_id in new:
        min(plan.values(), key=len).append(product_id)
    return [
        Line(label, tuple(held), tuple(channels), unfiltered)
        for label, held in plan.items()
        if held
    ]


class Pace:
    """At most so many in any second, shared by all connections.

    A burst up to the limit goes at once, so that a first subscription is not held back. Who waits
    is served in order, the urgent before the others.
    """

    def __init__(self, count_a_second: int) -> None:
        self._count = count_a_second
        self._taken_s: deque[float] = deque(maxlen=count_a_second)
        self._granted = 0  # turns given to waiters that have not gone on yet
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._held_until_s = 0.0
        self._hold_s = HOLD_S_FIRST

    async def wait_turn(self, *, urgent: bool = False) -> None:
        """Wait until it is our turn. It is taken when this returns; cancelled, it is not."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._waiting, (not urgent, next(self._numbers), turn))
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._granted -= 1
                self._grant()
            raise
        self._granted -= 1
        # When it goes out, not when it was granted: the loop may have been busy in between.
        self._taken_s.append(loop.time())
        self._grant()

    def back_off(self) -> float:
        """The venue complained of too many: nobody goes for a while; returns how long, seconds.

        The wait doubles with each complaint after the last wait, and starts small again after a
        calm time. A complaint that comes while we wait is about what was sent before.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s < self._held_until_s:
            return self._held_until_s - now_s
        calm = self._held_until_s == 0.0 or now_s > self._held_until_s + CALM_S
        self._hold_s = HOLD_S_FIRST if calm else min(self._hold_s * 2, HOLD_S_MAX)
        self._held_until_s = now_s + self._hold_s
        return self._hold_s

    def _grant(self) -> None:
        """Give turns while there are any; wake up for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._waiting:
            if self._waiting[0][2].done():  # cancelled meanwhile
                heapq.heappop(self._waiting)
                continue
            free_s = self._free_s(loop.time())
            if free_s is None:
                return  # who was given a turn asks again as it goes
            if free_s > loop.time():
                self._timer = loop.call_at(free_s, self._grant)
                return
            self._granted += 1
            heapq.heappop(self._waiting)[2].set_result(None)

    def _free_s(self, now_s: float) -> float | None:
        """When the next turn is free; None while all of them are given and not taken."""
        while self._taken_s and self._taken_s[0] + WINDOW_S <= now_s:
            self._taken_s.popleft()
        if self._granted + len(self._taken_s) < self._count:
            return max(now_s, self._held_until_s)
        if not self._taken_s:
            return None
        return max(self._taken_s[0] + WINDOW_S, self._held_until_s)
