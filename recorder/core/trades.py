"""Which trades of a product have been recorded.

Trade ids are contiguous per product, on every connection and on both venues (`coinbase.md` §1.6.4),
so a hole in them is a hole in the record, and a snapshot of the last 100 trades after a reconnect
says which of them are new.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from operator import itemgetter

HOLES_MAX = 1000
JUMP_MAX = 20_000_000  # about a month of the busiest product

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


def merged(one: "TradeIds", other: "TradeIds") -> "TradeIds":
    """Ids that are in either of two sets; neither is changed."""
    some = [ids for ids in (one, other) if ids.first is not None]
    if len(some) < 2:
        ids = some[0] if some else one
        return TradeIds(ids.first, ids.last, list(ids.holes))
    first = min(ids.first for ids in some if ids.first is not None)
    last = max(ids.last for ids in some if ids.last is not None)
    both = TradeIds(first, last, within(one.lacking(first, last), other.lacking(first, last)))
    both.bound()
    return both


def all_merged(
    some: Mapping[str, "TradeIds"], others: Mapping[str, "TradeIds"]
) -> dict[str, "TradeIds"]:
    """The ids of each product that are in either of two sets."""
    return {
        product_id: merged(some.get(product_id, TradeIds()), others.get(product_id, TradeIds()))
        for product_id in sorted(some.keys() | others.keys())
    }


def size(holes: Sequence[Hole]) -> int:
    """How many ids are missing."""
    return sum(last - first + 1 for first, last in holes)


class TradeIds:
    """The recorded ids of one product: ``first`` … ``last`` except the holes (inclusive ranges).

    An id that is far from them (`JUMP_MAX`) is not relied on, or one that is wrong would hide every
    hole after it: ``odd`` is the newest such id, and is taken when another follows on it.
    """

    __slots__ = ("first", "holes", "last", "odd")

    def __init__(
        self,
        first: int | None = None,
        last: int | None = None,
        holes: list[Hole] | None = None,
        odd: int | None = None,
    ) -> None:
        self.first = first
        self.last = last
        self.holes = holes or []
        self.odd = odd

    def holds(self, trade_id: int) -> bool:
        """Whether an id is recorded."""
        if self.first is None or self.last is None:
            return False
        return self.first <= trade_id <= self.last and not self.lacks(trade_id)

    def lacks(self, trade_id: int) -> bool:
        """Whether an id lies in a hole."""
        return self._hole(trade_id) is not None

    def lacking(self, first: int, last: int) -> list[Hole]:
        """What of ``first`` … ``last``, which all recorded ids lie in, is not recorded."""
        if self.first is None or self.last is None:
            return [(first, last)]
        before, behind = (first, self.first - 1), (self.last + 1, last)
        return [hole for hole in (before, *self.holes, behind) if hole[0] <= hole[1]]

    def _hole(self, trade_id: int) -> int | None:
        """The place of the hole that an id lies in; they are in order."""
        index = bisect_right(self.holes, trade_id, key=itemgetter(0)) - 1
        return index if index >= 0 and trade_id <= self.holes[index][1] else None

    def is_far(self, trade_id: int) -> bool:
        """Whether an id is too far from the recorded ones to be one of the same count."""
        if self.first is None or self.last is None:
            return False
        return not self.first - JUMP_MAX <= trade_id <= self.last + JUMP_MAX

    def goes_on(self, trade_id: int) -> bool:
        """Whether an id that is far follows on the one before that was."""
        return self.odd is not None and self.odd < trade_id <= self.odd + JUMP_MAX

    def take(self, trade_id: int) -> tuple[bool, int]:
        """Take one id; returns (whether it is new, how many ids before it were skipped)."""
        is_far = self.is_far(trade_id)
        if is_far and not self.goes_on(trade_id):
            is_new, self.odd = trade_id != self.odd, trade_id
            return is_new, 0
        odd, self.odd = self.odd, None
        if is_far and odd is not None:
            self._add(odd)
        return self._add(trade_id)

    def _add(self, trade_id: int) -> tuple[bool, int]:
        if self.first is None or self.last is None:
            self.first = self.last = trade_id
            return True, 0
        if trade_id == self.last + 1:
            self.last = trade_id
            return True, 0
        if trade_id > self.last:
            missing = self._skip(trade_id - 1)
            self.last = trade_id
            return True, missing
        if trade_id < self.first:
            # An update came before the snapshot that holds the trades before it.
            if trade_id + 1 < self.first:
                self.holes.insert(0, (trade_id + 1, self.first - 1))
            self.first = trade_id
            self.bound()
            return True, 0
        return self.fill(trade_id), 0

    def miss(self, trade_id: int) -> int:
        """Take an id that came without a trade to record; returns how many up to it are missing.

        Those that were known to be missing do not count, nor does an id that is far.
        """
        if self.last is None or trade_id <= self.last or self.is_far(trade_id):
            return 0
        return self._skip(trade_id)

    def _skip(self, trade_id: int) -> int:
        """The ids behind the last one, up to this one, are missing; returns how many."""
        assert self.last is not None
        first, missing = self.last + 1, trade_id - self.last
        if self.holes and self.holes[-1][1] == self.last:
            first = self.holes.pop()[0]
        self.holes.append((first, trade_id))
        self.last = trade_id
        self.bound()
        return missing

    def fill(self, trade_id: int) -> bool:
        """Take an id out of the hole it lies in; False where it lies in none."""
        index = self._hole(trade_id)
        if index is None:
            return False
        first, last = self.holes[index]
        parts = [(first, trade_id - 1), (trade_id + 1, last)]
        self.holes[index : index + 1] = [part for part in parts if part[0] <= part[1]]
        self.bound()
        return True

    def bound(self) -> None:
        """Forget the oldest ids where the holes are too many: rather a trade twice than none."""
        while len(self.holes) > HOLES_MAX:
            self.first = self.holes.pop(0)[1] + 1
