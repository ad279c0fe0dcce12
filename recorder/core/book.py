"""One product's order book on one connection, and whether it can be trusted.

    EMPTY ──snapshot──▶ LIVE ──doubt──▶ STALE ──snapshot──▶ LIVE

A snapshot makes a book LIVE from anywhere, because it replaces it. Doubt (a gap in the numbering,
an unreadable change, a crossed book) makes a LIVE book STALE. Updates are applied to LIVE books
only; for the others they are kept as rows and not applied.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from enum import Enum

import numpy as np

from recorder.core.levels import NEAR_MAX, NEAR_MIN, Levels
from recorder.core.messages import ASK, BID, Level2


class BookState(Enum):
    """Whether a book can be trusted."""

    EMPTY = "empty"
    LIVE = "live"
    STALE = "stale"


class Book:
    """Sorted levels of one product: price → size, sizes absolute in base currency.

    ``epoch`` is the ``ingest_seq`` of the first row of the snapshot or checkpoint that the book
    builds on, None unless LIVE. ``unknown_deletes`` counts removals of levels that were not held:
    normal, because the venue merges 50 ms of changes (`coinbase.md` §1.6.5).
    """

    __slots__ = ("_deletes", "_texts", "asks", "bids", "epoch", "product_id", "state")

    def __init__(self, product_id: str) -> None:
        self.product_id = product_id
        self.state = BookState.EMPTY
        self.epoch: int | None = None
        self.bids = Levels(is_bid=True)
        self.asks = Levels(is_bid=False)
        self._deletes = 0  # of unknown levels, but for those that the sides count
        # Wire texts of the few levels whose price or size a float does not give back.
        self._texts: dict[tuple[str, float], tuple[str | None, str | None]] = {}

    @property
    def unknown_deletes(self) -> int:
        """Removals of levels that were not held."""
        return self._deletes + self._deletes_of_sides()

    @unknown_deletes.setter
    def unknown_deletes(self, count: int) -> None:
        self._deletes = count - self._deletes_of_sides()

    def _deletes_of_sides(self) -> int:
        self.bids.merge()
        self.asks.merge()
        return self.bids.unknown_deletes + self.asks.unknown_deletes

    def load(self, snapshot: Level2, epoch: int) -> None:
        """Replace the book by a snapshot; it is LIVE from here.

        Of several levels of one price the last wins; one of size 0 is none.
        """
        sides, prices = snapshot.sides, np.array(snapshot.prices, np.float64)
        sizes = np.array(snapshot.sizes, np.float64)
        assert len(sides) == len(prices) == len(sizes), "a level without side, price or size"
        count = sides.count(BID)
        if sides[:count].count(BID) == count:  # bids, then asks, as the venue sends them
            self.bids.load(prices[:count], sizes[:count])
            self.asks.load(prices[count:], sizes[count:])
        else:
            is_bid = np.array([side == BID for side in sides], np.bool_)
            self.bids.load(prices[is_bid], sizes[is_bid])
            self.asks.load(prices[~is_bid], sizes[~is_bid])
        self._texts.clear()
        if snapshot.price_texts is not None or snapshot.size_texts is not None:
            self._keep_texts(snapshot)
        self.state = BookState.LIVE
        self.epoch = epoch

    def apply(self, update: Level2) -> None:
        """Apply one message of changes in its order; the book must be LIVE (asserted).

        Size 0 removes the level; of several changes of one price the last wins.
        """
        assert self.state is BookState.LIVE, f"update applied to a {self.state.value} book"
        self.change(zip(update.sides, update.prices, update.sizes, strict=True))
        if self._texts or update.price_texts is not None or update.size_texts is not None:
            self._keep_texts(update)

    def change(self, changes: Iterable[tuple[str, float, float]]) -> None:
        """Apply (side, price, size) in their order, numbers that floats give back."""
        bids, asks = self.bids, self.asks
        for side, price, size in changes:
            # Written out: this runs for every change that comes, and a call costs half as much.
            if side == BID:
                levels, key = bids, price
            else:
                levels, key = asks, -price
            sizes = levels.sizes
            if key in sizes:
                if size:
                    sizes[key] = size
                else:
                    del sizes[key]
                    near = levels.near
                    del near[bisect_left(near, key)]
                    if len(near) < NEAR_MIN:
                        levels.thin()
            elif key < levels.floor:
                levels.change_far(key, size)
            elif size:
                sizes[key] = size
                insort(levels.near, key)
                if len(sizes) > NEAR_MAX:
                    levels.spill()
            else:
                self._deletes += 1

    def _keep_texts(self, changes: Level2) -> None:
        """Follow the wire texts of inexact numbers, change by change."""
        prices, sizes = changes.price_texts, changes.size_texts
        for index, side in enumerate(changes.sides):
            key = (side, changes.prices[index])
            price_text = prices[index] if prices else None
            size_text = sizes[index] if sizes else None
            if changes.sizes[index] and (price_text is not None or size_text is not None):
                self._texts[key] = (price_text, size_text)
            else:
                self._texts.pop(key, None)

    def doubt(self) -> bool:
        """Make a LIVE book STALE; returns whether that changed anything."""
        if self.state is not BookState.LIVE:
            return False
        self.state = BookState.STALE
        self.epoch = None
        return True

    def best_bid(self) -> float | None:
        """The highest bid, or None where there is none."""
        near = self.bids.near
        return near[-1] if near else None

    def best_ask(self) -> float | None:
        """The lowest ask, or None where there is none."""
        near = self.asks.near
        return -near[-1] if near else None

    def crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        bids, asks = self.bids.near, self.asks.near
        return bool(bids) and bool(asks) and bids[-1] >= -asks[-1]

    def levels(self, side: str, depth: int | None = None) -> list[tuple[float, float]]:
        """(price, size) of one side, best first, at most ``depth`` of them."""
        return (self.bids if side == BID else self.asks).best_first(depth)

    def texts(self, side: str, price: float) -> tuple[str | None, str | None]:
        """Wire texts of a level's price and size, each None where the float gives it back."""
        return self._texts.get((side, price), (None, None))

    def has_texts(self) -> bool:
        """Whether any level holds a number that a float does not give back."""
        return bool(self._texts)

    def check(self) -> None:
        """Assert every invariant: sizes positive, sides ordered, not crossed while LIVE."""
        for levels in (self.bids, self.asks):
            levels.check()
            prices = list(levels)
            assert prices == sorted(set(prices)), "a side is out of order"
            assert all(size > 0 for size in levels.values()), "a level without size"
            assert all(price > 0 for price in prices), "a level without price"
        held = {(BID, price) for price in self.bids} | {(ASK, price) for price in self.asks}
        assert set(self._texts) <= held, "texts of a level that is not held"
        assert (self.epoch is not None) == (self.state is BookState.LIVE), "epoch without a book"
        assert not (self.state is BookState.LIVE and self.crossed()), "a LIVE book is crossed"
