"""What `recorder.feed.tally` promises."""

from recorder.feed.tally import Tally


def test_the_time_between_two_sessions_is_observed():
    """Not before the first one; and dials that fail are part of it."""
    tally = Tally()
    tally.opened(10.0)
    assert sum(tally.reconnects.counts) == 0
    tally.closed(1006, 20.0)
    tally.opened(23.0)
    assert (sum(tally.reconnects.counts), tally.reconnects.sum) == (1, 3.0)
    assert (tally.connects["opened"], tally.connects["failed"]) == (2, 0)
    assert tally.closes == {1006: 1}
