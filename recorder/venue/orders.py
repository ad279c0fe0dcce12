"""The orders of an account that is invented: open ones at first, then one that changes each second.

It has nothing to do with the market but its products and prices: orders rest at their limits and
are filled there, bit by bit, or cancelled, and new ones are placed. The same seed gives the same.
"""

from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from recorder.venue.market import Market
from recorder.venue.specs import Spec

OPEN, FILLED, CANCELLED = "OPEN", "FILLED", "CANCELLED"
AT_FIRST = 53  # more than fit in one batch
OPEN_MIN = 20
FEE_PER_MILLE = 6


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is: ``price`` in ticks, sizes in lots."""

    spec: Spec
    order_id: str
    client_order_id: str
    buys: bool
    price: int
    size: int
    placed_ns: int
    filled: int = 0
    fills: int = 0
    status: str = OPEN

    @property
    def value(self) -> int:
        """What is filled, in ticks times lots."""
        return self.price * self.filled


class Orders:
    """``every`` has all orders that there ever were, as they are now, oldest first."""

    def __init__(self, market: Market, seed: int, now_ns: int, count: int = AT_FIRST) -> None:
        """Begin with ``count`` open orders."""
        self.every: dict[str, Order] = {}
        self._market = market
        self._random = Random(f"{seed}/orders")
        self.user_id = self._id()
        for number in range(count):
            self._place(now_ns - (count - number) * 10**9)

    def open(self) -> list[Order]:
        """The orders that are open, oldest first."""
        return [order for order in self.every.values() if order.status == OPEN]

    def step(self, now_ns: int) -> Order:
        """Let one order change, or place a new one; gives it as it is now."""
        held = self.open()
        drawn = self._random.random()
        if len(held) < OPEN_MIN or drawn < 0.25:
            return self._place(now_ns)
        order = self._random.choice(held)
        if drawn < 0.4:
            return self._keep(replace(order, status=CANCELLED))
        left = order.size - order.filled
        filled = order.filled + (left if drawn < 0.6 else self._random.randint(1, left))
        status = FILLED if filled == order.size else OPEN
        return self._keep(replace(order, filled=filled, fills=order.fills + 1, status=status))

    def _place(self, now_ns: int) -> Order:
        product = self._market.products[self._random.choice(sorted(self._market.products))]
        buys = self._random.random() < 0.5
        best = product.bids.best() if buys else product.offers.best()
        away = self._random.randint(1, max(2, best // 100))
        return self._keep(Order(
            product.spec, self._id(), self._id(), buys, best - away if buys else best + away,
            self._random.randint(1, 10**6), now_ns,
        ))  # fmt: skip

    def _keep(self, order: Order) -> Order:
        self.every[order.order_id] = order
        return order

    def _id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))
