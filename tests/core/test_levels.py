"""One side of a book as a mapping; what it holds after many changes is compared in test_book.py."""

import numpy as np
import pytest

from recorder.core.levels import NEAR, Levels


def side(prices: list[float], sizes: list[float] | None = None, *, is_bid: bool = True) -> Levels:
    """Levels with these prices."""
    levels = Levels(is_bid=is_bid)
    levels.load(np.array(prices), np.array(sizes or [1.0] * len(prices)))
    return levels


def test_an_empty_side() -> None:
    """It has no best, and every price is missing."""
    levels = side([])
    assert (levels.best(), len(levels), bool(levels), levels.best_first()) == (None, 0, False, [])
    assert 1.0 not in levels
    with pytest.raises(KeyError):
        levels[1.0]
    levels.check()


@pytest.mark.parametrize("is_bid", [True, False])
def test_it_reads_as_a_mapping(is_bid: bool) -> None:
    """In ascending order of price on both sides, near and far alike."""
    prices = [float(price) for price in range(1, 3 * NEAR)]
    levels = side(prices[::-1], [2 * price for price in prices[::-1]], is_bid=is_bid)
    assert (list(levels), list(levels.values())) == (prices, [2 * price for price in prices])
    assert levels == dict(zip(prices, levels.values(), strict=True))
    assert [levels[price] for price in prices] == [2 * price for price in prices]
    assert 1.5 not in levels
    assert len(levels) == len(prices)
    best = prices[::-1] if is_bid else prices
    assert [price for price, _ in levels.best_first()] == best
    assert [price for price, _ in levels.best_first(NEAR + 2)] == best[: NEAR + 2]
    assert levels.best() == best[0]
    assert all(type(price) is float for price in levels)
    levels.check()


def test_the_last_of_a_price_counts() -> None:
    """And one of size 0 is none, wherever it stands."""
    assert dict(side([2, 1, 2, 3, 1], [1, 1, 5, 0, 0]).items()) == {2.0: 5.0}


def test_a_far_change_waits_until_it_is_read() -> None:
    """It is in no array before, and in what is read after."""
    levels = side([float(price) for price in range(1, 3 * NEAR)])
    levels.change_far(1.5, 7.0)
    levels.change_far(2.0, 0.0)
    levels.change_far(2.5, 0.0)
    assert levels.unknown_deletes == 0
    assert (levels[1.5], 2.0 in levels, levels.unknown_deletes) == (7.0, False, 1)
    assert list(levels)[:3] == [1.0, 1.5, 3.0]


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        ("near", lambda levels: levels.near.reverse()),
        ("near", lambda levels: levels.sizes.pop(levels.near[0])),
        ("a far level is near", lambda levels: setattr(levels, "floor", 1.0)),
        ("a near level is far", lambda levels: setattr(levels, "floor", 1e9)),
        ("none near", lambda levels: (levels.near.clear(), levels.sizes.clear())),
    ],
)
def test_check_finds_what_is_out_of_place(place: str, broken: object) -> None:
    """Each of the ways in which the three places may contradict each other."""
    levels = side([float(price) for price in range(1, 3 * NEAR)])
    assert callable(broken)
    broken(levels)
    with pytest.raises(AssertionError, match=place):
        levels.check()
