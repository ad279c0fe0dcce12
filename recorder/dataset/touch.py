"""The best price of one side of a book, message by message, from the levels that can be it.

Few of the rows ever are the best: most change levels far from the touch. So a side is followed
block by block. A level that no row of a block changes stands through all of it, and whatever is
worse than the best of these cannot be the best while the block lasts: some hundreds of levels are
left of tens of thousands.

Prices are counted in steps of a power of ten, so that a level is a place in an array. Where that
does not hold (prices that are no such multiples, or that leave the window around the first best
one), `best_near` says so.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Messages = npt.NDArray[np.int32]

BLOCK = 32_768  # rows of one side
WINDOWS = (1 << 17, 1 << 21)  # steps around the first best price; the second if the first fails
_DECIMALS = range(13)
_SAMPLE = 512
_LOOKED_AT = 1_024  # places at once, downwards from the best


def best_near(
    prices: Floats, sizes: Floats, messages: Messages, count: int, *, asks: bool
) -> tuple[Floats, Floats] | None:
    """The best price and its size after each of ``count`` messages; NaN where a side is empty.

    Rows are those of one side, in order, each with the number of its message. None where the levels
    near the touch do not tell.
    """
    if not len(prices):
        return np.full(count, np.nan), np.full(count, np.nan)
    counted = steps_of(prices)
    if counted is None:
        return None
    steps, scale = counted
    for window in WINDOWS:
        found = _followed(-steps if asks else steps, sizes, messages, count, window)
        if found is not None:
            return (-found[0] if asks else found[0]) / scale, found[1]
    return None


def _followed(
    steps: Ints, sizes: Floats, messages: Messages, count: int, window: int
) -> tuple[Floats, Floats] | None:
    """The best step and its size, of levels within a window of so many steps."""
    side = _Side.of(steps, sizes, messages, window)
    if side is None:
        return None
    best, best_sizes = np.full(count, np.nan), np.full(count, np.nan)
    for begin, end in side.blocks():
        first = int(side.messages[begin])
        last = int(side.messages[end]) if end < len(side.messages) else count
        found = side.follow(begin, end, last - first)
        if found is None:
            return None
        best[first:last], best_sizes[first:last] = found
    return best, best_sizes


def steps_of(prices: Floats) -> tuple[Ints, float] | None:
    """Prices as whole steps, and how many steps one is; None where they are no such multiples.

    A step divided by the scale gives the price back, bit by bit.
    """
    for decimals in _DECIMALS:
        scale = 10.0**decimals
        for some in (prices[:_SAMPLE], prices):
            steps = np.rint(some * scale)
            if not (steps / scale == some).all():
                break
        else:
            if np.abs(steps).max() < 2.0**53:
                return steps.astype(np.int64), scale
            return None
    return None


class _Side:
    """The sizes that are held near the touch, by step from ``base`` on; higher steps are better.

    ``alone``: nothing is held but what is near.
    """

    def __init__(
        self, steps: Ints, sizes: Floats, messages: Messages, base: int, *, alone: bool
    ) -> None:
        self.messages = messages
        self._steps = steps - base
        self._sizes = sizes
        self._base = base
        self._alone = alone
        places = int(self._steps.max()) + 1
        self._held = np.zeros(places)
        self._changed = np.full(places, -1, np.int32)  # in which block, by its first row
        self._best = 0

    @classmethod
    def of(cls, steps: Ints, sizes: Floats, messages: Messages, window: int) -> "_Side | None":
        """The side as it is before its first row; None where rows are better than its window."""
        first = steps[: np.searchsorted(messages, messages[0], side="right")]
        low, high = int(steps.min()), int(steps.max())
        base = max(low, int(first[sizes[: len(first)] > 0].max(initial=low)) - window // 2)
        if high - base >= window:
            return None
        if base == low:
            return cls(steps, sizes, messages, base, alone=True)
        near = np.flatnonzero(steps >= base)
        return cls(steps[near], sizes[near], messages[near], base, alone=False)

    def blocks(self) -> list[tuple[int, int]]:
        """Rows that are followed at once, in whole messages; the first message alone."""
        count = len(self.messages)
        second = int(np.searchsorted(self.messages, self.messages[0], side="right"))
        wanted = np.arange(second, count, BLOCK)
        begins = np.unique(np.searchsorted(self.messages, self.messages[wanted]))
        cuts = [0, *begins.tolist(), count]
        return list(pairwise(cuts))

    def follow(self, begin: int, end: int, span: int) -> tuple[Floats, Floats] | None:
        """The best steps and their sizes over the messages of a block; None where none can say."""
        held, steps, sizes = self._held, self._steps[begin:end], self._sizes[begin:end]
        self._changed[steps] = begin
        floor = self._best_standing(begin)
        if floor is None:
            if begin and not self._alone:
                return None
            floor = 0
        standing = np.flatnonzero(held[floor : self._best + 1])
        rows = np.flatnonzero(steps >= floor)
        levels = np.concatenate((standing, steps[rows] - floor))
        with_sizes = np.concatenate((held[standing + floor], sizes[rows]))
        begins = np.zeros(len(levels), np.int64)
        begins[len(standing) :] = self.messages[begin:end][rows] - self.messages[begin]
        held[steps] = sizes  # of several of a level the last one counts
        best, best_sizes = _over(levels, with_sizes, begins, span)
        if np.isnan(best[-1]):
            self._best = 0
            return (best + self._base, best_sizes) if self._alone else None
        self._best = int(best[-1]) + floor
        return best + (self._base + floor), best_sizes

    def _best_standing(self, block: int) -> int | None:
        """The best level that stands through a block; none is above the best that was last."""
        end, many = self._best + 1, _LOOKED_AT
        while end > 0:
            begin = max(0, end - many)
            there = np.flatnonzero(self._held[begin:end])
            there = there[self._changed[begin:end][there] != block]
            if len(there):
                return begin + int(there[-1])
            end, many = begin, 4 * many
        return None


def _over(levels: Ints, sizes: Floats, begins: Ints, span: int) -> tuple[Floats, Floats]:
    """The best level that stands over each of ``span`` messages, and its size; NaN for none.

    A row sets its level from its message on, up to that of the next row of the level.
    """
    order = in_order(levels)
    levels, sizes, begins = levels[order], sizes[order], begins[order]
    ends = np.append(begins[1:], span)
    ends[np.flatnonzero(levels[1:] != levels[:-1])] = span
    stands = np.flatnonzero((sizes > 0.0) & (ends > begins))
    ranks = np.arange(len(stands), dtype=np.int32)
    found = paint(begins[stands], ends[stands], ranks, span)
    best = np.append(levels[stands], 0).astype(np.float64)[found]
    best_sizes = np.append(sizes[stands], 0.0)[found]
    if len(found) and found.min() < 0:
        best[found < 0] = best_sizes[found < 0] = np.nan
    return best, best_sizes


def in_order(ranks: npt.NDArray[np.int64] | npt.NDArray[np.uint32]) -> npt.NDArray[np.intp]:
    """The order by ranks from 0 to 2^32, then by place.

    Two stable sorts of 16 bits are several times faster than one of more.
    """
    order = np.argsort((ranks & 0xFFFF).astype(np.uint16), kind="stable")
    if len(ranks) and ranks.max() > 0xFFFF:
        high = (ranks >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


def paint(
    begin: npt.NDArray[np.integer[Any]],
    end: npt.NDArray[np.integer[Any]],
    rank: npt.NDArray[np.int32],
    count: int,
) -> npt.NDArray[np.int32]:
    """The highest rank of the intervals [begin, end) over each of ``count`` places; -1 for none.

    Each interval is the union of two blocks whose length is a power of two, so the blocks of each
    length are marked, and then handed down to those of half the length.
    """
    best = np.full(count, -1, np.int32)
    if not len(rank):
        return best
    lengths = np.frexp((end - begin).astype(np.float64))[1] - 1  # the logarithm, rounded down
    order = np.argsort(lengths.astype(np.uint8), kind="stable")
    begin, end, rank = begin[order], end[order], rank[order]
    ends = np.searchsorted(lengths[order], np.arange(lengths.max() + 2))
    for power in range(int(lengths.max()), -1, -1):
        block = 1 << power
        # So far ``best`` is that of blocks twice as long, each by its first place.
        np.maximum(best[block:], best[:-block].copy(), out=best[block:])
        mine = slice(ends[power], ends[power + 1])
        np.maximum.at(best, begin[mine], rank[mine])
        np.maximum.at(best, end[mine] - block, rank[mine])
    return best
