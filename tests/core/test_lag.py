"""Trades that the venue named and that did not come."""

from itertools import pairwise

import pytest

from recorder.core.lag import CALM_NS, DOUBLINGS_MAX, LAG_NS_MAX, Lag

SECOND_NS = 10**9


@pytest.mark.parametrize(
    ("recorded", "lags_s"),
    [
        ([10, 11, 12, 13, 14, 15, 16, 17, 18, 19], []),  # all that is named is there
        ([9, 10, 11, 12, 13, 14, 15, 16, 17, 18], []),  # each comes a moment after it was named
        ([10, 11, 11, 11, 11, 16, 16, 16, 16, 16], []),  # late, and then it came
        ([10, 11, 11, 11, 11, 11, 11, 11, 11, 11], [7]),
    ],
)
def test_what_lags(recorded: list[int], lags_s: list[int]) -> None:
    lag = Lag()
    for second, last in enumerate(recorded):
        assert lag.takes(last, 10 + second, second * SECOND_NS) == (second in lags_s)


def test_a_lag_that_stays_is_told_ever_less_often() -> None:
    lag = Lag()
    told_s = [second for second in range(600) if lag.takes(1, 2, second * SECOND_NS)]
    waits = [after - before for before, after in pairwise(told_s)]
    assert told_s[0] == LAG_NS_MAX // SECOND_NS
    assert waits == [10, 20, 40, 80, 160, 160]


def test_what_comes_with_each_subscription_only_is_not_calm() -> None:
    """The last trade comes, nothing after it: the waits grow all the same."""
    lag, recorded, told = Lag(), 0, 0
    for second in range(600):
        if lag.takes(recorded, second, second * SECOND_NS):
            recorded, told = second, told + 1
    assert told <= DOUBLINGS_MAX + 2
    now_ns = 600 * SECOND_NS
    while lag.times:
        now_ns += SECOND_NS
        assert not lag.takes(1000, 1000, now_ns)
    assert now_ns >= lag.told_ns + CALM_NS


def test_a_number_that_was_wrong_once_is_not_kept() -> None:
    lag = Lag()
    for second in range(100):
        named = 10**6 if second == 3 else second
        assert not lag.takes(second, named, second * SECOND_NS)
