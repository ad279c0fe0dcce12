"""One connection's promises."""

import pytest

from recorder.core.asking import RESYNC_NS_MIN, SNAPSHOT_NS_MAX
from recorder.core.session import (
    LATE_NS_MAX,
    LATE_RUN_MAX,
    LATE_RUN_MIN,
    SILENCE_NS_MAX,
    STRANGERS_MAX,
    TRADED_NS,
    Gap,
    Kinship,
    Late,
    Session,
)

# expected before, number that came, what it is, expected after
TRANSITIONS = [
    (0, 0, None, 1),
    (0, 3, Gap(0, 3), 4),
    (5, 5, None, 6),
    (5, 6, Gap(5, 6), 7),
    (5, 4, Late(5, 4), 5),
    (5, 0, Late(5, 0), 5),
    (None, 7, None, 8),
    (2**63 - 1, 2**63 - 1, None, 2**63),
    (2**63, 5, Late(2**63, 5), 2**63),
]


@pytest.mark.parametrize(("expected", "number", "found", "after"), TRANSITIONS)
def test_a_number_comes(
    expected: int | None, number: int, found: Gap | Late | None, after: int
) -> None:
    """In order, a gap, or late: and the number that is expected next."""
    session = Session("ws1", 1, expected)
    assert session.check(number) == found
    assert session.next_sequence == after


def test_a_gap_counts_what_is_missing() -> None:
    """From the expected number to the one before that which came."""
    assert Gap(5, 9).missing == 4


@pytest.mark.parametrize(("unreadable", "missing"), [(0, 3), (1, 2), (3, 0), (5, 0)])
def test_frames_that_came_and_cannot_be_read_are_not_missing(unreadable: int, missing: int) -> None:
    """They are counted up to the next number in order, and late ones are not that."""
    session = Session("ws1", 1, 4)
    session.unreadable = unreadable
    session.check(1)
    gap = session.check(7)
    assert isinstance(gap, Gap)
    assert (gap, gap.missing) == (Gap(4, 7, unreadable), missing)
    assert session.check(9) == Gap(8, 9)


def test_a_run_of_late_numbers_is_distrusted_once() -> None:
    """When it is long, or when some came and none in order for a long time."""
    session = Session("ws1", 0, 1000)
    for number in range(1, 2 * LATE_RUN_MAX):
        session.check(number)
        assert session.distrust(LATE_NS_MAX - 1) is (number == LATE_RUN_MAX)
    session.check(1000)
    for number in range(1, 2 * LATE_RUN_MIN):
        session.check(number)
        assert session.distrust(LATE_NS_MAX) is (number == LATE_RUN_MIN)


def test_a_run_of_late_numbers_is_counted() -> None:
    """One number in order ends the run."""
    session = Session("ws1", 1, 1000)
    for number in range(LATE_RUN_MAX):
        session.check(number)
    assert session.late_run == LATE_RUN_MAX
    session.check(1000)
    assert session.late_run == 0


def test_what_was_asked_for() -> None:
    """Requests add up; unsubscribing without products drops the channel."""
    session = Session("ws1", 1, 0)
    session.ask("subscribe", "ticker", ("BTC-USD", "ETH-USD"), 1)
    session.ask("unsubscribe", "ticker", ("ETH-USD", "SOL-USD"), 2)
    assert session.asked == {"ticker": {"BTC-USD"}}
    session.ask("unsubscribe", "ticker", (), 3)
    assert session.asked == {}
    session.ask("unsubscribe", "status", (), 4)
    assert session.asked == {}


def test_who_is_a_stranger() -> None:
    """Neither what was asked for, nor its canonical name, nor anything where nothing is known."""
    session = Session("ws1", 1, 0)
    assert session.kinship("ticker", "BTC-USD") is Kinship.OWN
    session.ask("subscribe", "ticker", ("BTC-USDC",), 1)
    assert session.kinship("ticker", "BTC-USD") is Kinship.OWN
    assert session.kinship("ticker", "ETH-USD") is Kinship.NEW
    assert session.kinship("ticker", "ETH-USD") is Kinship.MET
    assert session.kinship("status", "ETH-USD") is Kinship.OWN


def test_strangers_without_end() -> None:
    """Their number has a bound, and those met before stay."""
    session = Session("ws1", 1, 0)
    session.ask("subscribe", "ticker", ("BTC-USD",), 1)
    for number in range(STRANGERS_MAX):
        assert session.kinship("ticker", f"X{number}-USD") is Kinship.NEW
    assert session.kinship("ticker", "Y-USD") is Kinship.REFUSED
    assert session.kinship("ticker", "X0-USD") is Kinship.MET
    assert session.kinship("ticker", "BTC-USD") is Kinship.OWN


def test_what_trades_now_counts_more() -> None:
    """What was an hour ago is nearly nothing."""
    session = Session("ws1", 0, 0)
    session.trades("BTC-USD", 100, 1)
    session.trades("ETH-USD", 1, 2)
    assert session.traded == {"BTC-USD": 100, "ETH-USD": 1}
    session.trades("ETH-USD", 10, TRADED_NS * 6)
    assert session.traded == {"BTC-USD": 1, "ETH-USD": 10}
    session.trades("ETH-USD", 1, TRADED_NS * 10**6)
    assert session.traded == {"ETH-USD": 1}


def test_a_snapshot_that_does_not_come() -> None:
    """It is overdue once for each time that it was asked for."""
    session = Session("ws1", 1, 0)
    session.ask("subscribe", "level2", ("BTC-USD", "ETH-USD"), 100)
    session.snapshot_came("ETH-USD")
    assert session.overdue(99 + SNAPSHOT_NS_MAX) == []
    assert session.overdue(100 + SNAPSHOT_NS_MAX) == ["BTC-USD"]
    assert session.overdue(10**18) == []


def test_a_snapshot_that_is_wanted_no_more() -> None:
    """What was unsubscribed is not overdue."""
    session = Session("ws1", 1, 0)
    session.ask("subscribe", "level2", ("BTC-USD", "ETH-USD"), 100)
    session.ask("unsubscribe", "level2", ("BTC-USD",), 101)
    assert session.overdue(10**18) == ["ETH-USD"]
    session.ask("subscribe", "level2", ("BTC-USD", "ETH-USD"), 100)
    session.ask("unsubscribe", "level2", (), 101)
    assert session.overdue(10**18) == []


def test_snapshots_are_not_asked_for_in_a_storm() -> None:
    """The first at once; one too soon is put off, and not forgotten."""
    session = Session("ws1", 1, 0)
    assert session.resync("BTC-USD", 1_000)
    assert session.resync("ETH-USD", 1_000)
    assert not session.resync("BTC-USD", 2_000)
    assert session.put_off(999 + RESYNC_NS_MIN) == []
    assert session.overdue(1_000 + RESYNC_NS_MIN) == []
    assert session.put_off(1_000 + RESYNC_NS_MIN) == ["BTC-USD"]
    assert session.put_off(10**18) == []
    assert not session.resync("BTC-USD", 1_001 + 2 * RESYNC_NS_MIN)  # the wait doubles
    assert session.resync("BTC-USD", 1_000 + 3 * RESYNC_NS_MIN)


def test_a_snapshot_that_was_put_off_and_came() -> None:
    """It is not asked for again, nor where it is wanted no more."""
    session = Session("ws1", 1, 0)
    for _ in range(2):
        session.resync("BTC-USD", 1_000)
        session.resync("ETH-USD", 1_000)
    session.snapshot_came("BTC-USD")
    session.ask("unsubscribe", "level2", ("ETH-USD",), 1_001)
    assert session.put_off(10**18) == []


def test_silence() -> None:
    """A connection that beats has a deadline; one that was not asked to has none."""
    session = Session("ws1", 1, 0)
    assert session.deadline_ns() is None
    session.ask("subscribe", "heartbeats", (), 1)
    session.last_ns = 10
    assert session.deadline_ns() == 10 + SILENCE_NS_MAX
    session.ask("unsubscribe", "heartbeats", (), 1)
    assert session.deadline_ns() is None
    assert session.deadline_ns(leaving=True) == 10 + SILENCE_NS_MAX


def test_silence_begins_with_the_first_request() -> None:
    """It may have waited for its turn: nothing was owed until then."""
    for asked_ns in (1, 3_900_000_000):
        session = Session("ws1", 1, 0)
        session.ask("subscribe", "heartbeats", (), asked_ns)
        assert session.deadline_ns() == asked_ns + SILENCE_NS_MAX
        session.ask("subscribe", "level2", ("BTC-USD",), 4_000_000_000)
        assert session.deadline_ns() == asked_ns + SILENCE_NS_MAX
