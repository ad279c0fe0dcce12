"""Distributions that are gathered bit by bit, in memory that does not grow.

Amounts are counted in buckets half a percent to each side of their middle, so a quantile is right
to half a percent, whatever the amounts; the least, the greatest, the mean and the count are exact.
What has few values, such as a spread in increments, is counted value by value, and is exact.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEP = 1.01
_LOG = math.log(_STEP)
# From 1e-15 to 1e21, of either sign; what lies beyond is counted with the last.
_LOW, _HIGH = round(math.log(1e-15) / _LOG), round(math.log(1e21) / _LOG)
_SIDE = _HIGH - _LOW + 1
_BARS_MAX = 120  # of the histogram that is given out


@dataclass(frozen=True, slots=True)
class Distribution:
    """What some amounts are like; ``unit`` says of what, ``count`` how many there were.

    Where amounts lasted (a spread), they count by their seconds: ``count`` is the sum of those.
    ``histogram`` are bars in order: (from, to, count), without those that are empty.
    """

    unit: str
    count: float
    mean: float
    min: float
    p10: float
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    histogram: tuple[tuple[float, float, float], ...]


class Gathered:
    """Amounts of any size, in buckets."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._counts = np.zeros(2 * _SIDE + 1)
        self._sum = 0.0
        self._min, self._max = math.inf, -math.inf

    def add(self, values: Floats, weights: Floats | None = None) -> None:
        """Count amounts; those that are not finite, and those without weight, are left out."""
        kept = np.isfinite(values) if weights is None else np.isfinite(values) & (weights > 0)
        if not kept.all():
            values, weights = values[kept], None if weights is None else weights[kept]
        if not len(values):
            return
        sizes = np.abs(values)
        with np.errstate(divide="ignore"):
            logs = np.log(sizes) / _LOG
        at = np.clip(np.rint(np.maximum(logs, _LOW)), _LOW, _HIGH).astype(np.int64) - _LOW + 1
        at = np.where(sizes == 0, 0, np.where(values < 0, -at, at)) + _SIDE
        self._counts += np.bincount(at, weights, minlength=len(self._counts))
        self._sum += float((values if weights is None else values * weights).sum())
        self._min = min(self._min, float(values.min()))
        self._max = max(self._max, float(values.max()))

    def distribution(self) -> Distribution | None:
        """What was gathered; None where nothing was."""
        there = np.flatnonzero(self._counts)
        if not len(there):
            return None
        places = there - _SIDE
        sizes = np.exp((np.abs(places) - 1 + _LOW) * _LOG)
        middles = np.where(places == 0, 0.0, np.sign(places) * sizes)
        middles = np.clip(middles, self._min, self._max)
        counts = self._counts[there]
        bars = [
            (*_ends(middle), count)
            for middle, count in zip(middles.tolist(), counts.tolist(), strict=True)
        ]
        whole = float(counts.sum())
        mean = min(max(self._sum / whole, self._min), self._max)
        return _made(self._unit, middles, counts, mean, (self._min, self._max), bars)


class Counted:
    """Amounts of which there are few different ones, each by itself."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._counts: dict[float, float] = {}

    def add(self, values: Floats, weights: Floats | None = None) -> None:
        """Count amounts; those that are not finite, and those without weight, are left out."""
        kept = np.isfinite(values) if weights is None else np.isfinite(values) & (weights > 0)
        some, at = np.unique(values[kept], return_inverse=True)
        sums = np.bincount(at, None if weights is None else weights[kept], minlength=len(some))
        for value, count in zip(some.tolist(), sums.tolist(), strict=True):
            self._counts[value] = self._counts.get(value, 0.0) + count

    def distribution(self) -> Distribution | None:
        """What was counted; None where nothing was."""
        if not self._counts:
            return None
        values = np.array(sorted(self._counts))
        counts = np.array([self._counts[value] for value in values.tolist()])
        bars = [
            (value, value, count)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        ]
        mean = float((values * counts).sum() / counts.sum())
        return _made(self._unit, values, counts, mean, (values[0], values[-1]), bars)


def _ends(middle: float) -> tuple[float, float]:
    half = math.sqrt(_STEP)
    return (middle / half, middle * half) if middle >= 0 else (middle * half, middle / half)


def _made(
    unit: str,
    values: Floats,
    counts: Floats,
    mean: float,
    ends: tuple[float, float],
    bars: Sequence[tuple[float, float, float]],
) -> Distribution:
    below = np.cumsum(counts)
    whole = float(below[-1])

    def quantile(part: float) -> float:
        # The least value that at least this part does not exceed.
        at = min(int(np.searchsorted(below, part * whole * (1 - 1e-12))), len(values) - 1)
        return short(float(values[at]))

    return Distribution(
        unit=unit,
        count=short(whole),
        mean=short(mean),
        min=short(ends[0]),
        p10=quantile(0.1),
        p50=quantile(0.5),
        p90=quantile(0.9),
        p99=quantile(0.99),
        p999=quantile(0.999),
        max=short(ends[1]),
        histogram=tuple(
            (short(low), short(high), short(count)) for low, high, count in _fewer(bars)
        ),
    )


def short(value: float) -> float:
    """A number of a summary, to ten digits: what float64 adds to them says nothing."""
    return float(f"{float(value):.10g}")


def _fewer(
    bars: Sequence[tuple[float, float, float]],
) -> list[tuple[float, float, float]]:
    """Neighbours joined, until there are few enough to show."""
    each = -(-len(bars) // _BARS_MAX)
    return [
        (some[0][0], some[-1][1], sum(count for *_, count in some))
        for some in (bars[at : at + each] for at in range(0, len(bars), each))
    ]
