"""One side of a book: price → size, where nearly everything happens at one end.

A side is kept in three places, told apart by how far a price is from the touch:

    near      the levels from ``floor`` to the touch, some hundreds: an ascending list of keys, and
              a dict of their sizes
    far       the levels beyond ``floor``, tens of thousands: two parallel arrays, 16 bytes a level
    pending   the newest changes of far levels, until `merge` takes them into the arrays

A key is the price of a bid and the negative of an ask's, so that the best is the last of an
ascending list on both sides, and what comes and goes near the touch moves little of it. Prices
are exact: the sign is all that a key changes.
"""

from collections.abc import ItemsView, Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

NEAR_MIN = 32  # fewer near levels than this: some come from the far ones,
NEAR = 256  # so many
NEAR_MAX = 1024  # more than this: the farthest go, all but `NEAR`
PENDING_MIN = 256  # changes of far levels that may wait,
PENDING_SHARE = 16  # or one for so many far levels, where that is more

_NOTHING = np.empty(0, np.float64)
_ALL = float("-inf")


class Levels(Mapping[float, float]):
    """The levels of one side, as a mapping in ascending order of price; sizes are above 0.

    `Book` changes the near levels itself, without a call for each change: ``near`` has, in order,
    the same keys as ``sizes``, which are all that are held and not below ``floor``.
    ``unknown_deletes`` counts removals of far levels that were not held, up to the last `merge`.
    """

    __slots__ = (
        "_far", "_far_sizes", "_pending", "_pending_max", "_removed", "_sign", "floor", "near",
        "sizes", "unknown_deletes",
    )  # fmt: skip

    def __init__(self, *, is_bid: bool) -> None:
        self._sign = 1.0 if is_bid else -1.0
        self.unknown_deletes = 0
        self._far: NDArray[np.float64] = _NOTHING
        self._far_sizes: NDArray[np.float64] = _NOTHING
        self.near: list[float] = []
        self.sizes: dict[float, float] = {}
        self.floor = _ALL
        self._pending: dict[float, float] = {}
        self._pending_max = PENDING_MIN
        self._removed: list[float] = []  # keys whose first pending change is a removal

    # --- changes --------------------------------------------------------------------------------

    def load(self, prices: NDArray[np.float64], sizes: NDArray[np.float64]) -> None:
        """Replace all levels. Of several of one price the last counts; one of size 0 is none."""
        self.merge()  # what is pending may still be a removal of something unknown
        keys = prices * self._sign
        order = np.argsort(keys, kind="stable")
        keys, sizes = keys[order], sizes[order]
        kept = sizes > 0.0
        kept[:-1] &= keys[1:] != keys[:-1]
        if not kept.all():
            keys, sizes = keys[kept], sizes[kept]
        self._take(keys, sizes)
        self.near = []
        self.sizes = {}
        self._refill()

    def change_far(self, key: float, size: float) -> None:
        """Change a level below ``floor``; size 0 removes it."""
        pending = self._pending
        if not size:
            before = pending.get(key)
            if before is None:
                self._removed.append(key)
            elif not before:
                self.unknown_deletes += 1
        pending[key] = size
        if len(pending) > self._pending_max:
            self.merge()

    def thin(self) -> None:
        """Fewer than `NEAR_MIN` levels are near: take the nearest of the far ones, if any."""
        if self.floor != _ALL:
            self._refill()

    def _refill(self) -> None:
        self.merge()
        left = max(0, len(self._far) - NEAR)
        keys = self._far[left:].tolist()
        self.near[:0] = keys
        self.sizes.update(zip(keys, self._far_sizes[left:].tolist(), strict=True))
        self._far, self._far_sizes = self._far[:left], self._far_sizes[:left]
        self.floor = keys[0] if left else _ALL

    def spill(self) -> None:
        """Put all but `NEAR` of the near levels among the far ones."""
        keys = self.near[:-NEAR]
        del self.near[:-NEAR]
        sizes = list(map(self.sizes.pop, keys))
        self._far = np.concatenate((self._far, keys))
        self._far_sizes = np.concatenate((self._far_sizes, sizes))
        self.floor = self.near[0]

    def merge(self) -> None:
        """Take what is pending into the arrays."""
        pending = self._pending
        if not pending:
            return
        keys = np.fromiter(pending.keys(), np.float64, len(pending))
        sizes = np.fromiter(pending.values(), np.float64, len(pending))
        order = np.argsort(keys)
        keys, sizes = keys[order], sizes[order]
        if self._removed:
            known = self._holds(np.array(self._removed))[1]
            self.unknown_deletes += len(known) - int(np.count_nonzero(known))
            self._removed = []
        places, held = self._holds(keys)
        self._far_sizes[places[held]] = sizes[held]
        new = ~held & (sizes > 0.0)
        far = np.insert(self._far, places[new], keys[new])
        far_sizes = np.insert(self._far_sizes, places[new], sizes[new])
        if not sizes[held].all():
            kept = far_sizes > 0.0
            far, far_sizes = far[kept], far_sizes[kept]
        pending.clear()
        self._take(far, far_sizes)

    def _holds(self, keys: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where keys stand among the far levels, or would, and which of them do."""
        places = np.searchsorted(self._far, keys)
        held = places < len(self._far)
        held[held] = self._far[places[held]] == keys[held]
        return places, held

    def _take(self, far: NDArray[np.float64], far_sizes: NDArray[np.float64]) -> None:
        self._far, self._far_sizes = far, far_sizes
        self._pending_max = max(PENDING_MIN, len(far) // PENDING_SHARE)

    # --- what is held ---------------------------------------------------------------------------

    @property
    def is_bid(self) -> bool:
        """Whether the best is the highest price."""
        return self._sign > 0.0

    def best(self) -> float | None:
        """The price nearest to the other side, or None where there is none."""
        return self.near[-1] * self._sign if self.near else None

    def best_first(self, depth: int | None = None) -> list[tuple[float, float]]:
        """(price, size), the best first, at most ``depth`` of them."""
        sign, held = self._sign, self.sizes
        if depth is not None and depth <= len(self.near):
            return [(key * sign, held[key]) for key in islice(reversed(self.near), depth)]
        self.merge()
        levels = [(key * sign, held[key]) for key in reversed(self.near)]
        prices = (self._far[::-1] * sign).tolist()
        levels += zip(prices, self._far_sizes[::-1].tolist(), strict=True)
        return levels[:depth]

    def __getitem__(self, price: float) -> float:
        key = price * self._sign
        if key >= self.floor:
            return self.sizes[key]
        self.merge()
        place = int(np.searchsorted(self._far, key))
        if place == len(self._far) or self._far[place] != key:
            raise KeyError(price)
        return float(self._far_sizes[place])

    def __len__(self) -> int:
        self.merge()
        return len(self.near) + len(self._far)

    def __bool__(self) -> bool:
        return bool(self.near)  # none is near only where none is far

    def __iter__(self) -> Iterator[float]:
        return iter([price for price, _ in self.items()])

    def items(self) -> ItemsView[float, float]:
        """(price, size), in ascending order of price."""
        return _Items(self)

    def check(self) -> None:
        """Assert what holds between the three places, whatever came."""
        self.merge()
        far = self._far.tolist()
        assert self.near == sorted(set(self.near)), "the near levels are out of order"
        assert far == sorted(set(far)), "the far levels are out of order"
        assert set(self.near) == set(self.sizes), "a near level without its size"
        assert not far or far[-1] < self.floor, "a far level is near"
        assert not self.near or self.near[0] >= self.floor, "a near level is far"
        assert self.near or not far, "far levels and none near"
        assert (self.floor == _ALL) <= (not far), "far levels beyond nothing"
        assert len(far) == len(self._far_sizes), "a far level without its size"


class _Items(ItemsView[float, float]):
    """The levels at once: by one and one the far ones would have to be searched for."""

    __slots__ = ("_levels",)

    def __init__(self, levels: Levels) -> None:
        super().__init__(levels)
        self._levels = levels

    def __iter__(self) -> Iterator[tuple[float, float]]:
        levels = self._levels.best_first()
        return reversed(levels) if self._levels.is_bid else iter(levels)
