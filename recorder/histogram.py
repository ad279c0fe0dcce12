"""How often something took how long: counts in fixed buckets, cheap enough for every frame."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts of values by the first bound that is not below them, and their sum.

    ``bounds`` go up; ``counts`` has one more entry, for what is above the last. Values are in the
    unit of the bounds; there are ``unit`` of it in the one that is shown. One thread observes;
    whoever reads may see a value that is counted and not yet in the sum.
    """

    __slots__ = ("bounds", "counts", "sum", "unit")

    def __init__(self, bounds: Sequence[float], unit: float = 1) -> None:
        self.unit = unit
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum: float = 0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def shown_bounds(self) -> tuple[float, ...]:
        """The bounds in the unit that is shown."""
        return tuple(bound / self.unit for bound in self.bounds)

    def cumulated(self) -> list[tuple[str, float]]:
        """(bound, values up to it), as Prometheus has them: the last bound is ``+Inf``."""
        names = [*map(repr, self.shown_bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))

    def quantile(self, share: float) -> float | None:
        """The bound below which a share of the values lies; None without values.

        Of values above the last bound that bound is given.
        """
        total = sum(self.counts)
        if not total:
            return None
        for bound, upto in zip(self.shown_bounds, accumulate(self.counts), strict=False):
            if upto >= share * total:
                return bound
        return self.shown_bounds[-1]
