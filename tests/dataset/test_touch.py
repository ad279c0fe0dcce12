"""The best of one side by its nearest levels, against a dict that takes every row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.dataset import touch
from recorder.dataset.stretches import tops_of
from recorder.dataset.touch import best_near, in_order, paint, steps_of
from tests.dataset.test_stretches import arrays

PRICES = st.integers(1, 40).map(lambda steps: steps / 100) | st.just(9.99)
ROW = st.tuples(PRICES, st.sampled_from([0.0, 0.5, 1.0]))
SPARSE = st.lists(st.lists(ROW, max_size=5), min_size=1, max_size=40)


def columns(messages):
    """Prices, sizes and the number of each one's message; a message may be of the other side."""
    rows = [(*row, number) for number, message in enumerate(messages) for row in message]
    prices, sizes, numbers = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(prices, float), np.array(sizes, float), np.array(numbers, np.int32)


def plainly(messages, *, asks):
    """The best and its size after each message, by a dict of all levels."""
    held, found = {}, []
    for message in messages:
        held.update(message)
        there = [price for price, size in held.items() if size]
        best = (min if asks else max)(there, default=np.nan)
        found.append((best, held.get(best, np.nan)))
    return tuple(np.array(column) for column in zip(*found, strict=True))


def same(found, wanted):
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


@settings(deadline=None)
@given(messages=SPARSE, asks=st.booleans(), block=st.integers(1, 12))
def test_the_best_is_that_of_all_levels(messages, asks, block):
    """Any rows in blocks of any length; messages without a row of the side, sides that empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(touch, "BLOCK", block)
        found = best_near(*columns(messages), len(messages), asks=asks)
    assert found is not None
    same(found, plainly(messages, asks=asks))


@settings(deadline=None)
@given(messages=SPARSE, asks=st.booleans(), window=st.integers(1, 60))
def test_what_near_levels_do_not_tell_is_not_told(messages, asks, window):
    """A window of any width gives the best of all levels, or nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(touch, "BLOCK", 4)
        patch.setattr(touch, "WINDOWS", (window,))
        found = best_near(*columns(messages), len(messages), asks=asks)
    if found is not None:
        same(found, plainly(messages, asks=asks))


def test_a_price_that_leaves_the_window_is_followed_in_the_wider_one(monkeypatch):
    """The second window is tried; behind it every row is looked at."""
    falling = [[(90.0, 1.0), (0.01, 2.0)]]
    falling += [[(price / 100, 1.0), (price / 100 + 1, 0.0)] for price in range(8900, 100, -100)]
    monkeypatch.setattr(touch, "BLOCK", 8)
    monkeypatch.setattr(touch, "WINDOWS", (64, 1 << 15))
    found = best_near(*columns(falling), len(falling), asks=False)
    assert found is not None
    same(found, plainly(falling, asks=False))
    monkeypatch.setattr(touch, "WINDOWS", (64,))
    assert best_near(*columns(falling), len(falling), asks=False) is None
    tops = tops_of(arrays([[(False, *row) for row in message] for message in falling]))
    assert tops.values[:, 0].tolist() == plainly(falling, asks=False)[0].tolist()


def test_prices_that_are_no_multiples_of_a_step():
    """They are told as such, and the tops come all the same."""
    thirds = [[(1 / 3, 1.0)], [(2 / 3, 2.0)], [(2 / 3, 0.0)]]
    assert best_near(*columns(thirds), 3, asks=False) is None
    tops = tops_of(arrays([[(False, *row) for row in message] for message in thirds]))
    assert tops.values[:, :2].tolist() == [[1 / 3, 1.0], [2 / 3, 2.0], [1 / 3, 1.0]]


@pytest.mark.parametrize(
    ("prices", "scale"),
    [([1.0, 250.0], 1), ([64_999.99, 0.01, 65_000.1], 100), ([1e-8, 3.0], 1e8), ([1e300], None)],
)
def test_steps_give_the_prices_back(prices, scale):
    """The smallest power of ten that holds every price; none where a float does not count it."""
    found = steps_of(np.array(prices))
    assert (found is None) == (scale is None)
    if found is not None:
        assert found[1] == scale
        assert (found[0] / found[1]).tolist() == prices


def test_more_decimals_than_the_first_prices_have():
    """The first ones are looked at first; what holds for them must hold for all."""
    prices = np.append(np.arange(1.0, 2_000.0), [0.25, 7.125])
    found = steps_of(prices)
    assert found is not None
    assert found[1] == 1000
    assert (found[0] / 1000 == prices).all()


@given(ranks=st.lists(st.integers(0, 5) | st.integers(0, 2**32 - 1)))
def test_equal_ranks_stay_in_their_order(ranks):
    """By rank, then by place, above 16 bits and below."""
    wanted = sorted(range(len(ranks)), key=lambda at: ranks[at])
    assert in_order(np.array(ranks, np.int64)).tolist() == wanted


INTERVAL = st.tuples(st.integers(0, 39), st.integers(1, 40))


@given(intervals=st.lists(INTERVAL))
def test_the_highest_interval_over_each_place(intervals):
    """Of those over a place the highest rank counts, -1 where there is none."""
    ends = [min(begin + length, 40) for begin, length in intervals]
    begins = [begin for begin, _ in intervals]
    ranks = np.arange(len(intervals), dtype=np.int32)
    found = paint(np.array(begins, np.int64), np.array(ends, np.int64), ranks, 40)
    for place in range(40):
        over = [rank for rank in ranks if begins[rank] <= place < ends[rank]]
        assert found[place] == max(over, default=-1)
