"""Which trades of a product have been recorded.

Trade ids are contiguous per product, on every connection and on both venues (`coinbase.md` §1.6.4),
so a hole in them is a hole in the record, and a snapshot of the last 100 trades after a reconnect
says which of them are new.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

HOLES_MAX = 1000

Hole = tuple[int, int]  # first and last of ids that are missing, inclusive


def without(holes: Sequence[Hole], others: Sequence[Hole]) -> list[Hole]:
    """What is left of holes; both in order, none of one list overlapping."""
    left: list[Hole] = []
    at = 0
    for begin, last in holes:
        first = begin
        while at < len(others) and others[at][1] < first:
            at += 1
        place = at
        while place < len(others) and others[place][0] <= last:
            if others[place][0] > first:
                left.append((first, others[place][0] - 1))
            first = others[place][1] + 1
            place += 1
        if first <= last:
            left.append((first, last))
    return left


def within(holes: Sequence[Hole], others: Sequence[Hole]) -> list[Hole]:
    """What holes and others have in common; as `without`."""
    return without(holes, without(holes, others))


def size(holes: Sequence[Hole]) -> int:
    """How many ids are missing."""
    return sum(last - first + 1 for first, last in holes)


class TradeIds:
    """The recorded ids of one product: ``first`` … ``last`` except the holes (inclusive ranges)."""

    __slots__ = ("first", "holes", "last")

    def __init__(
        self,
        first: int | None = None,
        last: int | None = None,
        holes: list[Hole] | None = None,
    ) -> None:
        self.first = first
        self.last = last
        self.holes = holes or []

    def lacks(self, trade_id: int) -> bool:
        """Whether an id lies in a hole."""
        return self._hole(trade_id) is not None

    def _hole(self, trade_id: int) -> int | None:
        """The place of the hole that an id lies in; they are in order."""
        index = bisect_right(self.holes, trade_id, key=itemgetter(0)) - 1
        return index if index >= 0 and trade_id <= self.holes[index][1] else None

    def take(self, trade_id: int) -> tuple[bool, int]:
        """Take one id; returns (whether it is new, how many ids before it were skipped)."""
        if self.first is None or self.last is None:
            self.first = self.last = trade_id
            return True, 0
        if trade_id == self.last + 1:
            self.last = trade_id
            return True, 0
        if trade_id > self.last:
            missing = trade_id - self.last - 1
            self.holes.append((self.last + 1, trade_id - 1))
            self.last = trade_id
            self._bound()
            return True, missing
        if trade_id < self.first:
            # An update came before the snapshot that holds the trades before it.
            if trade_id + 1 < self.first:
                self.holes.insert(0, (trade_id + 1, self.first - 1))
            self.first = trade_id
            self._bound()
            return True, 0
        return self.fill(trade_id), 0

    def fill(self, trade_id: int) -> bool:
        """Take an id out of the hole it lies in; False where it lies in none."""
        index = self._hole(trade_id)
        if index is None:
            return False
        first, last = self.holes[index]
        parts = [(first, trade_id - 1), (trade_id + 1, last)]
        self.holes[index : index + 1] = [part for part in parts if part[0] <= part[1]]
        self._bound()
        return True

    def _bound(self) -> None:
        """Forget the oldest ids where the holes are too many: rather a trade twice than none."""
        while len(self.holes) > HOLES_MAX:
            self.first = self.holes.pop(0)[1] + 1
