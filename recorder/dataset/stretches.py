"""The best prices of a book through a stretch of rows, without a step for each row.

A row sets its level from its message on until the next row of that level, so it stands over an
interval of messages; the best price at a message is the best of those that stand over it. That is
the maximum over intervals: each is the union of two blocks whose length is a power of two, so the
blocks of each length are marked, and then handed down to those of half the length.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of `level2` of one product as arrays, in order; ``epochs`` is `NO_EPOCH` while STALE."""

    asks: Flags
    prices: Floats
    sizes: Floats
    epochs: Ints
    numbers: Ints
    received: Ints
    lines: npt.NDArray[np.int32]

    def take(self, at: npt.NDArray[np.intp] | slice) -> "Changes":
        """Some of the rows."""
        return Changes(
            self.asks[at],
            self.prices[at],
            self.sizes[at],
            self.epochs[at],
            self.numbers[at],
            self.received[at],
            self.lines[at],
        )


@dataclass(frozen=True, slots=True)
class Tops:
    """The best of both sides after the messages that changed it; NaN where a side is empty.

    ``numbers`` are the ``ingest_seq`` of the last row of each message.
    """

    received: Ints
    numbers: Ints
    values: Floats  # (rows, 4): best bid, its size, best ask, its size

    def __len__(self) -> int:
        return len(self.received)

    def slice(self, begin: int, end: int) -> "Tops":
        """Some of them."""
        return Tops(self.received[begin:end], self.numbers[begin:end], self.values[begin:end])


NO_EPOCH = np.iinfo(np.int64).min


def tops_of(changes: Changes) -> Tops:
    """The tops through the rows of one book: one connection, one epoch."""
    # The rows of a message have numbers without a hole; between messages is the rest of the line.
    begins = np.flatnonzero(np.diff(changes.numbers, prepend=changes.numbers[0] - 2) != 1)
    ends = np.append(begins[1:], len(changes.numbers)) - 1
    messages = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(changes.numbers))))
    values = np.full((len(begins), 4), np.nan)
    for place, asks in ((0, False), (2, True)):
        mine = np.flatnonzero(changes.asks == asks)
        best = _best(changes.prices[mine], changes.sizes[mine], messages[mine], len(begins), asks)
        there = best >= 0
        rows = mine[best[there]]
        values[there, place] = changes.prices[rows]
        values[there, place + 1] = changes.sizes[rows]
    kept = changed(values)
    return Tops(changes.received[ends[kept]], changes.numbers[ends[kept]], values[kept])


def changed(values: Floats) -> npt.NDArray[np.intp]:
    """The rows that are not as the one before them; NaN is as NaN."""
    if not len(values):
        return np.flatnonzero([])
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return np.flatnonzero(np.append(True, ~same.all(axis=1)))


def _best(
    prices: Floats, sizes: Floats, messages: Ints, count: int, asks: bool
) -> npt.NDArray[np.int64]:
    """The row with the best price that stands after each message; -1 where there is none."""
    if not len(prices):
        return np.full(count, -1)
    order, starts_price = _by_price(prices, asks)
    begin = messages[order]
    end = np.append(begin[1:], count)
    end[np.flatnonzero(starts_price[1:])] = count  # the last row of a price stands to the end
    stands = np.flatnonzero((sizes[order] > 0) & (end > begin))
    best = _paint(begin[stands], end[stands], stands, count)
    return np.where(best >= 0, order[best], -1)


def _by_price(prices: Floats, asks: bool) -> tuple[npt.NDArray[np.intp], Flags]:
    """Rows by price, worst first, then in their order; and where each price begins.

    Two stable sorts of 16 bits are several times faster than one of floats.
    """
    encoded = pa.array(prices).dictionary_encode()
    known = encoded.dictionary.to_numpy()
    ranks = np.empty(len(known), np.uint32)
    ranks[np.argsort(-known if asks else known)] = np.arange(len(known), dtype=np.uint32)
    codes = ranks[encoded.indices.to_numpy()]
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    if len(known) > 0xFFFF:
        high = (codes >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    by_price = codes[order]
    return order, np.append(True, by_price[1:] != by_price[:-1])


def _paint(begin: Ints, end: Ints, rank: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.int32]:
    """The highest rank of the intervals [begin, end) over each of ``count`` places; -1 for none."""
    best = np.full(count, -1, np.int32)
    if not len(rank):
        return best
    rank = rank.astype(np.int32)
    lengths = np.frexp((end - begin).astype(np.float64))[1] - 1  # the logarithm, rounded down
    order = np.argsort(lengths.astype(np.uint8), kind="stable")
    ends = np.searchsorted(lengths[order], np.arange(lengths.max() + 2))
    for power in range(int(lengths.max()), -1, -1):
        block = 1 << power
        # So far ``best`` is that of blocks twice as long, each by its first place.
        np.maximum(best[block:], best[:-block].copy(), out=best[block:])
        mine = order[ends[power] : ends[power + 1]]
        np.maximum.at(best, begin[mine], rank[mine])
        np.maximum.at(best, end[mine] - block, rank[mine])
    return best
