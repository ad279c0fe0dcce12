"""The best prices through a stretch of rows, against a book that takes one after the other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.dataset.stretches import Changes, changed, tops_of

PRICES = st.sampled_from([1.0, 1.5, 2.0, 2.5, 3.0, 70_000.01])
CHANGE = st.tuples(st.booleans(), PRICES, st.sampled_from([0.0, 0.5, 1.0]))
MESSAGES = st.lists(st.lists(CHANGE, min_size=1, max_size=6), min_size=1, max_size=40)


def arrays(messages) -> Changes:
    """Rows of messages; between two of them is the rest of a line."""
    rows, numbers, received = [], [], []
    at = 1_000
    for number, message in enumerate(messages):
        at += 90
        for row in message:
            rows.append(row)
            numbers.append(at)
            received.append(number * 1_000)
            at += 1
    asks, prices, sizes = (np.array(column) for column in zip(*rows, strict=True))
    every = np.zeros(len(rows), np.int64)
    lines = np.zeros(len(rows), np.int32)
    return Changes(asks, prices, sizes, every, np.array(numbers), np.array(received), lines)


def modelled(messages) -> list[tuple[int, list[float]]]:
    """(time, best bid, its size, best ask, its size) after each message that changed any."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    tops: list[tuple[int, list[float]]] = []
    for number, message in enumerate(messages):
        for is_ask, price, size in message:
            (asks if is_ask else bids)[price] = size
        bid = max((price for price, size in bids.items() if size), default=np.nan)
        ask = min((price for price, size in asks.items() if size), default=np.nan)
        top = [bid, bids.get(bid, np.nan), ask, asks.get(ask, np.nan)]
        if not tops or not np.array_equal(tops[-1][1], top, equal_nan=True):
            tops.append((number * 1_000, top))
    return tops


@settings(deadline=None)
@given(messages=MESSAGES)
def test_tops_are_those_of_a_plain_book(messages):
    """Any messages: the same tops at the same times, a row each time one of the four changes."""
    changes = arrays(messages)
    tops = tops_of(changes)
    want = modelled(messages)
    assert tops.received.tolist() == [at for at, _ in want]
    np.testing.assert_array_equal(tops.values, [top for _, top in want])
    last_of = {int(at): int(n) for at, n in zip(changes.received, changes.numbers, strict=True)}
    assert tops.numbers.tolist() == [last_of[at] for at, _ in want]


def test_many_prices_are_sorted_in_two_steps():
    """More prices than 16 bits hold: the order is still by price, then by row."""
    rng = np.random.default_rng(5)
    prices = rng.permutation(300_000).astype(float) + 1
    half = len(prices) // 2
    messages = [[(bool(at % 2), float(prices[at]), 1.0)] for at in range(half)]
    messages += [[(bool(at % 2), float(prices[at]), 0.0)] for at in range(half - 1)]
    tops = tops_of(arrays(messages))
    bids, asks = prices[:half:2], prices[1:half:2]
    assert np.nanmax(tops.values[:, 0]) == bids.max()
    assert np.nanmin(tops.values[:, 2]) == asks.min()
    last = tops.values[-1]
    assert np.isnan(last[0])
    assert last[2] == prices[half - 1]


def test_rows_as_the_one_before_are_left_out():
    """NaN is as NaN; the first row stays."""
    values = np.array([[np.nan, 1.0], [np.nan, 1.0], [2.0, 1.0], [2.0, np.nan], [2.0, np.nan]])
    assert changed(values).tolist() == [0, 2, 3]
    assert changed(np.empty((0, 4))).tolist() == []
