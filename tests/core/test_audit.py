"""Tickers against one book's tops."""

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.core.audit import RUN_MAX, RUN_NS_MAX, WAITING_MAX, WINDOW_NS, Audit

SECOND = 1_000_000_000


def audit() -> Audit:
    """A count whose book has a top."""
    found = Audit(0)
    found.moved((99.0, 101.0), 0)
    return found


def counts(found: Audit) -> tuple[int, int, int]:
    return found.agree, found.lagging, found.disagree


def test_the_top_of_now() -> None:
    found = audit()
    found.ticked(99.0, 101.0, SECOND)
    assert counts(found) == (1, 0, 0)


def test_a_top_of_before_and_of_after() -> None:
    """Each price for itself: the sides of a book move one by one."""
    found = audit()
    found.moved((99.5, 101.0), SECOND)
    found.moved((99.5, 100.0), SECOND + 1)
    found.ticked(99.0, 100.0, SECOND + 2)
    assert counts(found) == (0, 1, 0)
    found.ticked(99.7, 100.2, SECOND + 3)
    found.moved((99.7, 100.0), SECOND + 4)
    assert counts(found) == (0, 1, 0)
    found.moved((99.6, 100.2), SECOND + 5)
    assert counts(found) == (0, 2, 0)


def test_too_long_before_and_too_long_after() -> None:
    """What is not met within the window disagrees."""
    found = audit()
    found.moved((98.0, 101.0), SECOND)
    found.ticked(99.0, 101.0, SECOND + WINDOW_NS + 1)
    found.moved((99.0, 101.0), SECOND + 2 * WINDOW_NS + 1)
    assert counts(found) == (0, 1, 0)  # met at the last moment
    found.ticked(1.0, 2.0, 10 * SECOND)
    found.settle(10 * SECOND + WINDOW_NS)
    assert counts(found) == (0, 1, 0)
    found.settle(10 * SECOND + WINDOW_NS + 1)
    assert counts(found) == (0, 1, 1)


def test_a_book_is_in_doubt_after_a_run_that_lasts() -> None:
    """Neither many in a moment nor few in a long time."""
    found = audit()
    for number in range(RUN_MAX):
        found.ticked(1.0, 2.0, SECOND + number)
    found.settle(SECOND + WINDOW_NS + RUN_MAX)
    assert found.run == RUN_MAX
    assert not found.doubtful(SECOND + WINDOW_NS + RUN_MAX)
    assert found.doubtful(SECOND + RUN_NS_MAX)
    found.ticked(99.0, 101.0, 7 * SECOND)
    assert not found.doubtful(10 * SECOND)


def test_a_lost_book_is_not_judged() -> None:
    """What waited is forgotten, and the run is over."""
    found = audit()
    found.ticked(1.0, 2.0, SECOND)
    found.lost()
    found.settle(10 * SECOND)
    assert counts(found) == (0, 0, 0)


def test_waiting_has_an_end() -> None:
    """A burst of tickers does not fill the memory."""
    found = audit()
    for number in range(3 * WAITING_MAX):
        found.ticked(1.0, 2.0, number)
    assert len(found.waiting) == WAITING_MAX


_STEPS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([98.0, 99.0, 99.5]),
        st.sampled_from([100.0, 101.0]),
        st.integers(0, 3 * SECOND),
    ),
    max_size=60,
)


@given(_STEPS)
@settings(deadline=None, max_examples=150)
def test_against_a_plain_model(steps: list[tuple[bool, float, float, int]]) -> None:
    """Judged by all tops of the whole run, each ticker comes to the same."""
    found = Audit(0)
    found.moved((90.0, 110.0), 0)
    now_ns, tops, tickers = 0, [(0, (90.0, 110.0))], []
    for is_top, bid, ask, after_ns in steps:
        now_ns += after_ns
        if is_top:
            found.moved((bid, ask), now_ns)
            tops.append((now_ns, (bid, ask)))
        else:
            found.ticked(bid, ask, now_ns)
            tickers.append((now_ns, len(tops), (bid, ask)))
    found.settle(now_ns + 10 * SECOND)
    expected = [_judged(ticker, tops) for ticker in tickers]
    assert counts(found) == tuple(map(expected.count, ("agree", "lagging", "disagree")))


def _judged(ticker: tuple[int, int, tuple], tops: list[tuple[int, tuple]]) -> str:
    at_ns, known, prices = ticker
    if tops[known - 1][1] == prices:
        return "agree"
    ends = [begin for begin, _ in tops[1:]] + [10**30]
    met = [
        any(
            top[side] == prices[side]
            and (end >= at_ns - WINDOW_NS if index < known else begin <= at_ns + WINDOW_NS)
            for index, ((begin, top), end) in enumerate(zip(tops, ends, strict=True))
        )
        for side in (0, 1)
    ]
    return "lagging" if all(met) else "disagree"
