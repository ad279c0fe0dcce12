"""What `recorder.core.tallies` promises."""

from recorder.core.audit import Audit
from recorder.core.coverage import GAP, RECORDED, Interval
from recorder.core.frames import HOUR_NS
from recorder.core.tallies import Tallies

DAY = 24 * HOUR_NS
S = 1_000_000_000


def gap(start_ns, end_ns, product_id="BTC-USD", reason="sequence_gap"):
    return Interval("level2", product_id, start_ns, end_ns, GAP, reason)


def test_a_gap_counts_when_it_ends():
    """One that the hour cuts is one, and as long as all of it."""
    tallies = Tallies()
    tallies.told([gap(HOUR_NS - 5 * S, HOUR_NS)])
    assert not tallies.gaps
    tallies.told([gap(HOUR_NS, HOUR_NS + 2 * S)])
    hole = ("level2", "BTC-USD", "sequence_gap")
    assert tallies.gaps == {hole: 1}
    assert tallies.gap_ns == {hole: 7 * S}


def test_what_was_recorded_is_no_gap():
    tallies = Tallies()
    tallies.told([Interval("level2", "BTC-USD", 1, 5 * S, RECORDED)])
    assert (tallies.gaps, tallies.gap_ns, tallies.gaps_on) == ({}, {}, {})


def test_gaps_of_a_day_begin_anew_with_the_next():
    """And one that is told late does not bring the day before back."""
    tallies = Tallies()
    tallies.told([gap(1, 2), gap(3, 4), gap(5, 6, "ETH-USD")])
    assert tallies.gaps_on == {"BTC-USD": 2, "ETH-USD": 1}
    tallies.told([gap(DAY + 1, DAY + 2)])
    assert (tallies.day, tallies.gaps_on) == (1, {"BTC-USD": 1})


def test_audits_that_ended_are_added():
    tallies = Tallies()
    for _ in range(2):
        tallies.audited("BTC-USD", Audit(0, agree=5, lagging=2, disagree=1))
    assert tallies.audits == {"BTC-USD": [10, 4, 2]}
