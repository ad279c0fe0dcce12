"""What was written, read back: is the book that a reader of it builds the book that we have?

Each format gives its rows again as `Levels` and trades as columns, read from the files by the
rules of the format. At every checkpoint the book built from them is compared, level by level, by
digest; trades are compared as a whole with those of the data set.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recorder.export.digests import Sum, digest_of
from recorder.times import to_text


class Misread(Exception):  # noqa: N818  what was read is wrong, and says how
    """Files that break a rule of their format; the text says which."""


class Levels(NamedTuple):
    """Some rows of a book, in order: a level and its size, 0 where it is removed.

    Where ``clears`` is set everything goes before that; such a row may be a level, or have no size.
    """

    clears: npt.NDArray[np.bool_]
    bids: npt.NDArray[np.bool_]
    prices: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]


class Expected(NamedTuple):
    """The book behind so many rows."""

    rows: int
    at_ns: int
    digest: bytes


@dataclass(slots=True)
class Checked:
    """What a comparison found; ``first_difference`` says where, None where all is the same."""

    checkpoints: int = 0
    differing: int = 0
    first_difference: str | None = None
    trades: int = 0
    trades_same: bool = True

    @property
    def same(self) -> bool:
        """Whether what was written is what was recorded."""
        return not self.differing and self.trades_same and self.first_difference is None

    def differs(self, where: str) -> None:
        """Note a difference."""
        self.differing += 1
        self.first_difference = self.first_difference or where


class Rebuilt:
    """The book as whoever reads the rows has it."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}

    def take(self, rows: Levels, begin: int, end: int) -> None:
        """Apply some of the rows."""
        bids, asks = self.bids, self.asks
        for clear, bid, price, size in zip(
            *(column[begin:end].tolist() for column in rows), strict=True
        ):
            if clear:
                bids.clear()
                asks.clear()
            held = bids if bid else asks
            if size:
                held[price] = size
            else:
                held.pop(price, None)

    def digest(self) -> bytes:
        """The digest of the book as it is."""
        return digest_of(self.bids, self.asks)


def check_books(
    written: Iterable[Levels],
    expected: Iterable[Expected],
    found: Checked,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Follow rows and compare at each checkpoint; ``progress`` is told the time of each."""
    try:
        _follow(written, expected, found, progress)
    except Misread as error:
        found.differs(str(error))


def _follow(
    written: Iterable[Levels],
    expected: Iterable[Expected],
    found: Checked,
    progress: Callable[[int], None],
) -> None:
    waiting = iter(expected)
    following = next(waiting, None)
    book = Rebuilt()
    done = 0
    for rows in written:
        begin, count = 0, len(rows.clears)
        while following is not None and following.rows <= done + count:
            book.take(rows, begin, following.rows - done)
            begin = following.rows - done
            _compare(book, following, found)
            progress(following.at_ns)
            following = next(waiting, None)
        book.take(rows, begin, count)
        done += count
    while following is not None:
        found.checkpoints += 1
        found.differs(f"the files end before {to_text(following.at_ns)}")
        following = next(waiting, None)


def _compare(book: Rebuilt, expected: Expected, found: Checked) -> None:
    found.checkpoints += 1
    if book.digest() != expected.digest:
        found.differs(f"the book at {to_text(expected.at_ns)} is another")


def check_trades(
    written: Iterable[tuple[npt.NDArray[np.generic], ...]], ours: Sum, found: Checked
) -> None:
    """Compare trades, given as columns, with those of the data set."""
    read = Sum()
    for columns in written:
        read.add(*columns)
    found.trades = read.rows
    if read != ours:
        found.trades_same = False
        found.first_difference = found.first_difference or (
            f"{read.rows:,} trades were written, and {ours.rows:,} are recorded"
            if read.rows != ours.rows
            else "the trades written are others than those recorded"
        )
