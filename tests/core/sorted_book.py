"""The book in a few lines: what `recorder.core.book` must equal, whatever comes.

Each side is one sorted dictionary. It was the recorder's own book until the near and the far levels
were kept apart (docs/speed.md), and is the floor that the benchmarks measure beside it.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from recorder.core.book import BookState
from recorder.core.messages import BID, Level2

_put: Callable[[Any, float, float], None] = dict.__setitem__


class SortedBook:
    """Sorted levels of one product: price → size, sizes absolute in base currency.

    ``epoch`` is the ``ingest_seq`` of the first row of the snapshot or checkpoint that the book
    builds on, None unless LIVE. ``unknown_deletes`` counts removals of levels that were not held:
    normal, because the venue merges 50 ms of changes (`coinbase.md` §1.6.5).
    """

    __slots__ = ("_texts", "asks", "bids", "epoch", "product_id", "state", "unknown_deletes")

    def __init__(self, product_id: str) -> None:
        self.product_id = product_id
        self.state = BookState.EMPTY
        self.epoch: int | None = None
        self.bids: SortedDict[float, float] = SortedDict()
        self.asks: SortedDict[float, float] = SortedDict()
        self.unknown_deletes = 0
        # Wire texts of the few levels whose price or size a float does not give back.
        self._texts: dict[tuple[str, float], tuple[str | None, str | None]] = {}

    def load(self, snapshot: Level2, epoch: int) -> None:
        """Replace the book by a snapshot; it is LIVE from here.

        Of several levels of one price the last wins; one of size 0 is none.
        """
        bids: dict[float, float] = {}
        asks: dict[float, float] = {}
        for side, price, size in zip(snapshot.sides, snapshot.prices, snapshot.sizes, strict=True):
            levels = bids if side == BID else asks
            if size:
                levels[price] = size
            else:
                levels.pop(price, None)
        self.bids = SortedDict(bids)
        self.asks = SortedDict(asks)
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
        bids, asks = self.bids, self.asks
        for side, price, size in zip(update.sides, update.prices, update.sizes, strict=True):
            levels = bids if side == BID else asks
            if size and price in levels:
                _put(levels, price, size)  # its place among the prices stays
            elif size:
                levels[price] = size
            elif levels.pop(price, None) is None:
                self.unknown_deletes += 1
        if self._texts or update.price_texts is not None or update.size_texts is not None:
            self._keep_texts(update)

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
        return self.bids.peekitem(-1)[0] if self.bids else None

    def best_ask(self) -> float | None:
        """The lowest ask, or None where there is none."""
        return self.asks.peekitem(0)[0] if self.asks else None

    def crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        bids, asks = self.bids, self.asks
        return bool(bids) and bool(asks) and bids.peekitem(-1)[0] >= asks.peekitem(0)[0]

    def levels(self, side: str, depth: int | None = None) -> list[tuple[float, float]]:
        """(price, size) of one side, best first, at most ``depth`` of them."""
        if side == BID:
            return [(price, self.bids[price]) for price in islice(reversed(self.bids), depth)]
        return list(islice(self.asks.items(), depth))

    def texts(self, side: str, price: float) -> tuple[str | None, str | None]:
        """Wire texts of a level's price and size, each None where the float gives it back."""
        return self._texts.get((side, price), (None, None))

    def has_texts(self) -> bool:
        """Whether any level holds a number that a float does not give back."""
        return bool(self._texts)

    def check(self) -> None:
        """Assert every invariant: sizes positive, sides ordered, not crossed while LIVE."""
        for levels in (self.bids, self.asks):
            prices = list(levels)
            assert prices == sorted(set(prices)), "a side is out of order"
            assert all(size > 0 for size in levels.values()), "a level without size"
            assert all(price > 0 for price in prices), "a level without price"
        held = {("bid", price) for price in self.bids} | {("ask", price) for price in self.asks}
        assert set(self._texts) <= held, "texts of a level that is not held"
        assert (self.epoch is not None) == (self.state is BookState.LIVE), "epoch without a book"
        assert not (self.state is BookState.LIVE and self.crossed()), "a LIVE book is crossed"
