"""How often something took how long: counts in fixed buckets, cheap enough for every frame."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts of values by the first bound that is not below them, and their sum.

    ``bounds`` go up; ``counts`` has one more entry, for what is above the last. Values are in the
    unit of the bounds, whole numbers where these are. One thread observes; whoever reads may see a
    value that is counted and not yet in the sum.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum: float = 0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulated(self, unit: float = 1) -> list[tuple[str, float]]:
        """(bound, values up to it), as Prometheus has them: the last bound is ``+Inf``.

        There are so many of the bounds' units in one of those that are shown.
        """
        names = [*(repr(float(bound / unit)) for bound in self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))

    def quantile(self, share: float) -> float | None:
        """The bound below which a share of the values lies; None without values.

        Of values above the last bound that bound is given.
        """
        total = sum(self.counts)
        if not total:
            return None
        for bound, upto in zip(self.bounds, accumulate(self.counts), strict=False):
            if upto >= share * total:
                return bound
        return self.bounds[-1]
