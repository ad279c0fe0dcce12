"""Which connection carries which products, and how fast we may speak to the venue.

Coinbase accepts 30 `level2` products a connection and refuses the 31st (`coinbase.md` §1.9); we
plan for 25. New connections and messages are limited to 8 a second and address, counted over all
our connections.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

PRODUCTS_MAX = 25
CONNECTS_A_SECOND = 4  # of 8 allowed
MESSAGES_A_SECOND = 6  # of 8 allowed
WINDOW_S = 1.1  # a second, and something for the way to the venue


@dataclass(frozen=True, slots=True)
class Line:
    """What one connection is to carry. ``label`` begins the names of its sessions."""

    label: str
    products: tuple[str, ...]
    channels: tuple[str, ...]

    def subscriptions(self) -> list[tuple[str, tuple[str, ...]]]:
        """(channel, products) in the order to ask: heartbeats first, they keep the rest alive."""
        ordered = sorted(self.channels, key=lambda channel: channel != "heartbeats")
        return [(channel, () if channel == "heartbeats" else self.products) for channel in ordered]

    def wanted(self) -> list[tuple[str, str | None]]:
        """Every (channel, product) of this line; product None for channels without."""
        return [
            (channel, product_id)
            for channel, products in self.subscriptions()
            for product_id in (products or (None,))
        ]


def spread(products: Sequence[str], channels: Sequence[str]) -> list[Line]:
    """Spread products evenly over as few connections as the cap allows."""
    count = -(-len(products) // PRODUCTS_MAX)
    return [
        Line(f"ws{index + 1}", tuple(products[index::count]), tuple(channels))
        for index in range(count)
    ]


class Pace:
    """At most so many in any second, shared by all connections: waiters go one by one, in order.

    A burst up to the limit goes at once, so that a first subscription is not held back.
    """

    def __init__(self, count_a_second: int) -> None:
        self._turns_s: deque[float] = deque(maxlen=count_a_second)

    async def wait_turn(self) -> None:
        """Wait until it is our turn."""
        now_s = turn_s = asyncio.get_running_loop().time()
        if len(self._turns_s) == self._turns_s.maxlen:
            turn_s = max(now_s, self._turns_s[0] + WINDOW_S)
        self._turns_s.append(turn_s)
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)
