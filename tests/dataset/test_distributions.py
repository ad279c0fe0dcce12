"""Quantiles are right to half a percent, everything else exactly."""

import math

import numpy as np
import pytest

from recorder.dataset.distributions import Counted, Gathered


def test_quantiles_are_right_to_half_a_percent():
    """Whatever the size of amounts, and however many come at once."""
    rng = np.random.default_rng(3)
    values = rng.lognormal(-3, 4, 20_011)
    gathered = Gathered("ms")
    for piece in np.array_split(values, 17):
        gathered.add(piece)
    found = gathered.distribution()
    assert (found.unit, found.count) == ("ms", 20_011)
    assert found.min == pytest.approx(values.min(), rel=1e-9)
    assert found.max == pytest.approx(values.max(), rel=1e-9)
    assert found.mean == pytest.approx(values.mean(), rel=1e-9)
    for name, part in (("p10", 10), ("p50", 50), ("p90", 90), ("p99", 99), ("p999", 99.9)):
        exact = np.percentile(values, part, method="inverted_cdf")
        assert getattr(found, name) == pytest.approx(exact, rel=0.0051)


def test_negative_amounts_and_zero_have_their_place():
    """A clock may be ahead of ours."""
    gathered = Gathered("ms")
    gathered.add(np.array([-100.0, -1.0, 0.0, 1.0, 100.0]))
    found = gathered.distribution()
    assert (found.min, found.p50, found.max, found.mean) == (-100, 0, 100, 0)
    assert found.p10 == -100
    assert [count for *_, count in found.histogram] == [1, 1, 1, 1, 1]
    assert found.histogram[0][0] < -100 < found.histogram[0][1] < 0
    assert found.histogram[2][:2] == (0, 0)


def test_amounts_count_by_their_weight():
    """A spread of a second counts a hundred times one of ten milliseconds."""
    for make in (Gathered, Counted):
        made = make("x")
        made.add(np.array([1.0, 5.0, 9.0, math.nan]), np.array([8.0, 1.5, 0.5, 100.0]))
        made.add(np.array([7.0, 9.0]), np.array([0.0, 0.5]))
        found = made.distribution()
        assert found.count == 10.5
        assert (found.p50, found.min, found.max) == (1, 1, 9)
        assert found.p90 == pytest.approx(5, rel=0.005)
        assert found.mean == pytest.approx((8 + 7.5 + 9) / 10.5)


def test_what_is_counted_is_exact():
    """Each value has its own bar."""
    counted = Counted("increments")
    counted.add(np.array([1.0, 1.0, 3.0]))
    counted.add(np.array([2.0, 1.0]))
    found = counted.distribution()
    assert found.histogram == ((1, 1, 3), (2, 2, 1), (3, 3, 1))
    assert (found.p50, found.p90, found.mean) == (1, 3, 1.6)


def test_nothing_has_no_distribution():
    """Nor has what is no number."""
    for made in (Gathered("x"), Counted("x")):
        made.add(np.array([]))
        made.add(np.array([math.nan, math.inf, -math.inf]))
        assert made.distribution() is None


def test_histograms_are_short():
    """Many values become few bars, which have them all."""
    for made in (Gathered("x"), Counted("x")):
        made.add(np.arange(1, 10_001).astype(float))
        found = made.distribution()
        assert len(found.histogram) <= 120
        assert sum(count for *_, count in found.histogram) == 10_000
        highs = [high for _, high, _ in found.histogram]
        assert highs == sorted(highs)
