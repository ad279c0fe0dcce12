"""Which trades are recorded, against a plain set."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.trades import (
    HOLES_MAX,
    JUMP_MAX,
    Hole,
    TradeIds,
    all_merged,
    size,
    within,
    without,
)


@given(st.lists(st.integers(0, 40), max_size=60))
def test_any_order_of_ids_is_a_set(ids: list[int]) -> None:
    """An id is new the first time and never again; holes are what lies between and was not seen."""
    known = TradeIds()
    seen: set[int] = set()
    for each in ids:
        skipped = each - max(seen) - 1 if seen and each > max(seen) else 0
        assert known.take(each) == (each not in seen, skipped)
        seen.add(each)
        inside = {each for first, last in known.holes for each in range(first, last + 1)}
        assert inside == set(range(min(seen), max(seen) + 1)) - seen
        assert known.holes == sorted(known.holes)
        assert all(first <= last for first, last in known.holes)
        assert (known.first, known.last) == (min(seen), max(seen))


def test_an_update_before_its_snapshot() -> None:
    """The snapshot's older trades are new, the one that came before it is not."""
    known = TradeIds()
    assert known.take(110) == (True, 0)
    assert [known.take(each)[0] for each in range(100, 112)] == [True] * 10 + [False, True]
    assert known.holes == []


def test_a_snapshot_fills_a_hole() -> None:
    """Trades missed between two updates are new when a snapshot brings them."""
    known = TradeIds()
    known.take(1)
    assert known.take(5) == (True, 3)
    assert [known.take(each)[0] for each in (1, 2, 3, 4, 5)] == [False, True, True, True, False]
    assert known.holes == []


def test_an_id_without_a_trade_is_a_hole() -> None:
    """One with what is missing before it, until it comes; one that is far says nothing."""
    known = TradeIds()
    assert known.miss(7) == 0
    known.take(10)
    assert known.miss(10) == known.miss(9) == known.miss(11 + JUMP_MAX) == 0
    assert (known.miss(12), known.miss(12), known.miss(13)) == (2, 0, 1)
    assert (known.holes, known.last) == ([(11, 13)], 13)
    assert known.take(15) == (True, 1)
    assert known.holes == [(11, 14)]
    assert known.take(13) == (True, 0)
    assert known.holes == [(11, 12), (14, 14)]


@pytest.mark.parametrize("absurd", [10**18 - 1, 0, 10**9 + JUMP_MAX + 1])
def test_one_absurd_id_does_not_stop_the_rest(absurd: int) -> None:
    """It is new, makes no hole, and what is missing after it still shows."""
    known = TradeIds()
    known.take(10**9)
    assert known.is_far(absurd)
    assert known.take(absurd) == (True, 0)
    assert known.take(absurd) == (False, 0)
    assert known.take(10**9 + 1) == (True, 0)
    assert known.take(10**9 + 4) == (True, 2)
    assert known.take(10**9 + 4) == (False, 0)
    assert (known.first, known.last, known.odd) == (10**9, 10**9 + 4, None)
    assert known.holes == [(10**9 + 2, 10**9 + 3)]


@pytest.mark.parametrize(("begin", "first"), [(10**9, 5), (7, 7)])
def test_ids_that_go_on_far_away_are_taken(begin: int, first: int) -> None:
    """The second one says so; nothing that was recorded is forgotten."""
    known = TradeIds()
    known.take(5 if begin > JUMP_MAX else 10**9)
    assert known.take(begin) == (True, 0)
    assert not known.goes_on(begin)
    assert known.goes_on(begin + 3)
    assert known.take(begin + 3)[0]
    assert known.odd is None
    assert (known.first, known.last) == (first, max(begin + 3, 10**9))
    assert known.holds(begin)
    assert known.lacks(begin + 2)
    assert known.holds(5) == (begin > JUMP_MAX)
    assert known.take(begin + 3) == (False, 0)


def test_too_many_holes() -> None:
    """Memory has a bound in every direction, and then rather a trade twice than none."""
    known = TradeIds()
    for each in range(0, 3 * HOLES_MAX, 2):
        known.take(each)
    assert len(known.holes) == HOLES_MAX
    assert known.take(1) == (True, 0)
    known = TradeIds()
    for each in range(3 * HOLES_MAX, 0, -2):
        assert known.take(each)[0]
    assert len(known.holes) <= HOLES_MAX
    known = TradeIds()
    known.take(0)
    known.take(4 * HOLES_MAX)
    for each in range(2, 4 * HOLES_MAX, 2):
        assert known.take(each)[0]
    assert len(known.holes) == HOLES_MAX


ranges = st.sets(st.integers(0, 40)).map(
    lambda ids: [
        (each[0], each[-1])
        for each in (
            [value for _, value in run]
            for _, run in groupby(enumerate(sorted(ids)), key=lambda pair: pair[1] - pair[0])
        )
    ]
)


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_two_sets_of_ids_as_one(one: set[int], other: set[int]) -> None:
    """What either holds, as sets of ids; neither is changed."""

    def made(ids: set[int]) -> TradeIds:
        known = TradeIds()
        for each in sorted(ids):
            known.take(each)
        return known

    pair = {"A": made(one)}, {"A": made(other), "B": made(other)}
    both = all_merged(*pair)
    for known, ids in ((both["A"], one | other), (both["B"], other), (pair[0]["A"], one)):
        assert {each for each in range(-1, 42) if known.holds(each)} == ids
        assert (known.first, known.last) == (min(ids, default=None), max(ids, default=None))


@given(ranges, ranges)
def test_holes_without_others_and_within_others(one: list[Hole], other: list[Hole]) -> None:
    """What is left, and what both have: as of sets of ids."""

    def ids(holes: list[Hole]) -> set[int]:
        return {each for first, last in holes for each in range(first, last + 1)}

    left, both = without(one, other), within(one, other)
    assert ids(left) == ids(one) - ids(other)
    assert ids(both) == ids(one) & ids(other)
    for holes in (left, both):
        assert holes == sorted(holes)
        assert size(holes) == len(ids(holes))
