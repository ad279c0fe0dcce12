"""The best prices of a book through a stretch of rows, without a step for each row.

A row sets its level from its message on until the next row of that level, so it stands over an
interval of messages; the best price at a message is the best of those that stand over it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recorder.dataset.touch import Floats, Ints, Messages, best_near, in_order, paint

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
    new = np.zeros(len(changes.numbers), np.bool_)
    np.not_equal(changes.numbers[1:], changes.numbers[:-1] + 1, out=new[1:])
    messages = np.cumsum(new, dtype=np.int32)
    ends = np.append(np.flatnonzero(new) - 1, len(new) - 1)
    values = np.empty((len(ends), 4))
    for place, asks in ((0, False), (2, True)):
        mine = np.flatnonzero(changes.asks == asks)
        rows = changes.prices[mine], changes.sizes[mine], messages[mine]
        best = best_near(*rows, len(ends), asks=asks) or _best(*rows, len(ends), asks=asks)
        values[:, place], values[:, place + 1] = best
    kept = changed(values)
    return Tops(changes.received[ends[kept]], changes.numbers[ends[kept]], values[kept])


def changed(values: Floats) -> npt.NDArray[np.intp]:
    """The rows that are not as the one before them; NaN is as NaN."""
    if not len(values):
        return np.flatnonzero([])
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return np.flatnonzero(np.append(True, ~same.all(axis=1)))


def _best(
    prices: Floats, sizes: Floats, messages: Messages, count: int, *, asks: bool
) -> tuple[Floats, Floats]:
    """The best price that stands after each message, and its size; NaN where there is none.

    It looks at every row, whatever the prices are.
    """
    order, starts_price = _by_price(prices, asks)
    begin = messages[order]
    end = np.append(begin[1:], count)
    end[np.flatnonzero(starts_price[1:])] = count  # the last row of a price stands to the end
    stands = np.flatnonzero((sizes[order] > 0) & (end > begin))
    ranks = np.arange(len(stands), dtype=np.int32)
    best = paint(begin[stands], end[stands], ranks, count)
    rows = np.append(order[stands], 0)[best]
    return np.where(best >= 0, prices[rows], np.nan), np.where(best >= 0, sizes[rows], np.nan)


def _by_price(prices: Floats, asks: bool) -> tuple[npt.NDArray[np.intp], Flags]:
    """Rows by price, worst first, then in their order; and where each price begins."""
    encoded = pa.array(prices).dictionary_encode()
    known = encoded.dictionary.to_numpy()
    ranks = np.empty(len(known), np.uint32)
    ranks[np.argsort(-known if asks else known)] = np.arange(len(known), dtype=np.uint32)
    codes = ranks[encoded.indices.to_numpy()]
    order = in_order(codes)
    by_price = codes[order]
    return order, np.append(True, by_price[1:] != by_price[:-1])
