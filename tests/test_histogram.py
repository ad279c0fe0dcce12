"""What `recorder.histogram` promises."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.histogram import Histogram


def test_a_value_counts_at_the_first_bound_that_is_not_below_it():
    """As Prometheus counts: a bound is part of its bucket, what is above the last is in +Inf."""
    found = Histogram([1, 2.5])
    for value in (0, 1, 1.5, 2.5, 3):
        found.observe(value)
    assert found.cumulated() == [("1.0", 2.0), ("2.5", 4.0), ("+Inf", 5.0)]
    assert found.sum == 8


@given(st.lists(st.floats(0, 20)))
def test_every_value_is_counted_once(values):
    found = Histogram([0.5, 1, 5, 10])
    for value in values:
        found.observe(value)
    assert sum(found.counts) == len(values)
    assert found.cumulated()[1][1] == sum(value <= 1 for value in values)


def test_quantiles_are_bounds():
    """The bound that a share of the values does not exceed; of nothing, none."""
    found = Histogram([1, 2, 3])
    assert found.quantile(0.5) is None
    for value in (0.5, 1.5, 1.5, 9):
        found.observe(value)
    assert [found.quantile(share) for share in (0.25, 0.5, 0.75, 1.0)] == [1, 2, 2, 3]
