"""One side of a book: sizes by price, the best price, and which levels are being quoted."""

from heapq import heapify, heappop, heappush
from random import Random


class Ladder:
    """The levels of one side, in ticks and lots.

    The best price comes from a heap that forgets deleted prices late, so a change costs a dict
    write and not a search in 27,000 sorted prices: the market must cost less than its reader.

    ``pool`` holds the prices that quoting goes on at; in the recordings most changes fall on few
    levels, so their number is kept near ``pool_target``. It may hold prices that
    trades have emptied; `pick` drops them when it meets them.
    """

    __slots__ = ("_heap", "_sign", "pool", "pool_target", "sizes")

    def __init__(self, *, bid: bool, sizes: dict[int, int]) -> None:
        """Take a side as it is at the start; ``sizes`` must not be empty."""
        self.sizes = sizes
        self.pool: list[int] = []
        self.pool_target = 0
        self._sign = -1 if bid else 1
        self._heap = [self._sign * price for price in sizes]
        heapify(self._heap)

    def best(self) -> int:
        """The best price: the highest bid, or the lowest offer."""
        heap, sign, sizes = self._heap, self._sign, self.sizes
        while sign * heap[0] not in sizes:
            heappop(heap)
        return sign * heap[0]

    def set(self, price: int, size: int) -> None:
        """Put a level to a size above zero, making it if need be."""
        if price not in self.sizes:
            heappush(self._heap, self._sign * price)
            if len(self._heap) > 2 * len(self.sizes) + 1000:
                self._heap = [self._sign * kept for kept in self.sizes]
                self._heap.append(self._sign * price)
                heapify(self._heap)
        self.sizes[price] = size

    def delete(self, price: int) -> None:
        """Take a level away; it must be there."""
        del self.sizes[price]

    def pick(self, random: Random, *, take: bool = False) -> int | None:
        """A price of the pool that has a level, or None if eight tries met none.

        ``take`` removes it from the pool.
        """
        pool, sizes = self.pool, self.sizes
        for _ in range(8):
            if not pool:
                return None
            at = int(random.random() * len(pool))
            price = pool[at]
            stale = price not in sizes
            if stale or take:
                pool[at] = pool[-1]
                pool.pop()
            if not stale:
                return price
        return None

    def best_first(self) -> list[tuple[int, int]]:
        """All levels as (price, size), best first."""
        return sorted(self.sizes.items(), reverse=self._sign < 0)
