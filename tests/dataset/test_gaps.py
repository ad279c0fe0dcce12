"""What is missing, and that nobody gets less than was asked for without a word."""

from datetime import UTC, datetime

import pytest

import recorder
from recorder.dataset.gaps import SHOWN, Gap, incomplete
from recorder.errors import DataError, IncompleteData, NoInputError, UsageError
from recorder.recording import Recording
from tests.dataset.made import HOUR_NS, HOUR_START_NS, SECOND_NS
from tests.dataset.scripted import Scripted, at

SECOND_HOUR = HOUR_START_NS + HOUR_NS
NEXT_DAY = HOUR_START_NS + 24 * HOUR_NS


def reasons(db, *args) -> list[tuple[str, str]]:
    return [(gap.channel, gap.reason) for gap in db.gaps(*args)]


def test_gaps_have_both_ends_and_a_reason(hours):
    """By channel, product and time; with what is known of it."""
    db = recorder.open(hours)
    lost, closed = db.gaps("BTC-USD", "ticker")
    assert (lost.reason, lost.messages_missing) == ("sequence_gap", 1)
    assert closed.reason == "connection_closed"
    assert closed.detail == "close code 1006: made"
    assert lost.start < lost.end < closed.start < closed.end
    assert lost.start.tzinfo is UTC
    assert lost.start_ns // 1000 == round(lost.start.timestamp() * 1e6)
    assert "ticker BTC-USD  2026-11-10T19:00:03" in str(lost)
    assert str(lost).endswith("sequence_gap (1 message missing)")
    every = db.gaps()
    assert [(gap.channel, gap.product_id or "", gap.start_ns) for gap in every] == sorted(
        (gap.channel, gap.product_id or "", gap.start_ns) for gap in every
    )
    assert {gap.product_id for gap in every} == {"BTC-USD", "ETH-USD", None}
    assert {gap.channel for gap in every} == {"level2", "ticker", "heartbeats", "status"}


def test_gaps_of_a_range_are_cut_to_it(hours):
    """Ends are those of the range, and a range between gaps has none."""
    db = recorder.open(hours)
    (whole,) = db.gaps("BTC-USD", "level2")
    middle = (whole.start_ns + whole.end_ns) // 2
    (cut,) = db.gaps("BTC-USD", "level2", middle, middle + 5 * SECOND_NS)
    assert (cut.start_ns, cut.end_ns) == (middle, whole.end_ns)
    (inner,) = db.gaps("BTC-USD", "level2", middle, middle + 10)
    assert (inner.start_ns, inner.end_ns) == (middle, middle + 10)
    assert db.gaps(None, None, SECOND_HOUR, SECOND_HOUR + HOUR_NS) == []
    assert db.gaps("BTC-USD", "level2", whole.end_ns, SECOND_HOUR) == []


def test_channels_go_by_both_names(hours):
    """That of the table, and that of the subscription."""
    db = recorder.open(hours)
    span = (HOUR_START_NS - HOUR_NS, HOUR_START_NS)
    assert reasons(db, "BTC-USD", "trades", *span) == [("market_trades", "not_recorded")]
    assert reasons(db, "BTC-USD", "market_trades", *span) == [("market_trades", "not_recorded")]
    with pytest.raises(UsageError, match=r"'level3' is no channel. The channels are level2"):
        db.gaps("BTC-USD", "level3")
    with pytest.raises(NoInputError, match="Did you mean"):
        db.gaps("BTC-EUR")


def test_what_nobody_recorded_is_a_gap_where_it_is_asked_for(hours):
    """Before the first row, behind the last, long ago and in the future."""
    db = recorder.open(hours)
    first, last = db.gaps("BTC-USD", "trades", HOUR_START_NS - HOUR_NS, NEXT_DAY)
    assert first.start_ns == HOUR_START_NS - HOUR_NS
    assert first.end == db.coverage("BTC-USD", "market_trades").to_pylist()[0]["start_time"]
    assert last.end_ns == NEXT_DAY
    assert {first.reason, last.reason} == {"not_recorded"}
    for span in (("2020-01-01", "2020-01-02"), (NEXT_DAY, NEXT_DAY + 1), ("2200-01-01", None)):
        with pytest.raises(IncompleteData, match=r"not_recorded|is not recorded"):
            db.trades("BTC-USD", *span).to_arrow()
        assert db.trades("BTC-USD", *span, allow_gaps=True).to_arrow().num_rows == 0
    with pytest.raises(IncompleteData, match=r"reaches from 2026-11-10T19:00.* to 2026-11-10T21"):
        db.trades("BTC-USD", NEXT_DAY, NEXT_DAY + 1).to_arrow()


def test_every_table_with_coverage_is_looked_after(hours):
    """Beats and rules have gaps, too; faults and audits are what the recorder says of itself."""
    db = recorder.open(hours)
    for ask in (db.level2, db.ticker, db.status):
        with pytest.raises(IncompleteData):
            ask("BTC-USD").to_arrow()
    with pytest.raises(IncompleteData, match=r"heartbeats from .* is not complete"):
        db.heartbeats().to_arrow()
    assert db.heartbeats(allow_gaps=True).to_arrow().num_rows > 3
    assert db.heartbeats(None, SECOND_HOUR, SECOND_HOUR + HOUR_NS).to_arrow().num_rows
    with pytest.raises(IncompleteData, match="candles of BTC-USD"):
        db.candles("BTC-USD").to_arrow()
    assert db.candles("BTC-USD", allow_gaps=True).to_arrow().num_rows == 0
    assert db.faults().to_arrow().num_rows == 1
    assert db.audits("BTC-USD").to_arrow().num_rows > 0


def test_a_gap_within_a_microsecond_is_one(tmp_path, without_sync):
    """Frames are lost between two of the same microsecond: the interval has no length."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    script.trades(1, "snapshot", [(1, 0.5, "100", "1")])
    ticker = {"type": "ticker", "product_id": "BTC-USD", "price": "1"}
    for seconds in (4, 5):
        script.frame(seconds, "ticker", [{"type": "update", "tickers": [ticker]}])
    script.number += 2
    script.frame(5, "ticker", [{"type": "update", "tickers": [ticker]}])
    script.frame(9, "ticker", [{"type": "update", "tickers": [ticker]}])
    script.publish()
    db = recorder.open(tmp_path)
    (gap,) = db.gaps("BTC-USD", "ticker")
    assert gap.start_ns == gap.end_ns == at(5)
    assert gap.messages_missing == 2
    with pytest.raises(IncompleteData, match="2 messages missing"):
        db.ticker("BTC-USD", at(4), at(6)).to_arrow()
    assert db.ticker("BTC-USD", at(6), at(9)).to_arrow().num_rows == 0
    assert db.ticker("BTC-USD", at(5), at(9), allow_gaps=True).to_arrow().num_rows == 2
    script.recording.capture.close()


def test_a_time_without_a_recorder_is_a_gap_over_whole_hours(tmp_path, without_sync):
    """It is told at the next start, hours later; a range inside of it finds that."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    script.book(1, "snapshot", [("bid", "99", "1"), ("offer", "101", "1")])
    script.recording.stop(at(30))
    script.seal(0)
    script.recording.capture.close()
    again = Recording(script.root, at(5 * 3600 + 10), [("level2", "BTC-USD")])
    script.recording = again
    script.connect(5 * 3600 + 11, "c1")
    script.book(5 * 3600 + 12, "snapshot", [("bid", "98", "1"), ("offer", "101", "1")])
    script.book(5 * 3600 + 13, "update", [("bid", "98", "2")])
    script.publish()
    db = recorder.open(tmp_path)
    for start, end in ((at(600), at(700)), (at(7_000), at(7_200)), (at(20), at(18_005))):
        found = db.gaps("BTC-USD", "level2", start, end)
        assert {gap.reason for gap in found} <= {"recorder_down", "not_recorded"}
        assert sum(gap.end_ns - gap.start_ns for gap in found) <= end - start
        with pytest.raises(IncompleteData):
            db.level2("BTC-USD", start, end).to_arrow()
    assert db.level2("BTC-USD", at(5 * 3600 + 12), at(5 * 3600 + 13)).to_arrow().num_rows == 2
    again.capture.close()


def test_the_error_shows_some_and_has_all():
    """Thousands of gaps fit on a screen; `gaps` has every one."""
    gaps = [
        Gap("level2", "BTC-USD", at(number), at(number) + 1, "connection_closed")
        for number in range(50)
    ]
    error = incomplete("level2 of BTC-USD", gaps, "Nothing of it is recorded.")
    assert isinstance(error, DataError)
    assert error.exit_code == 65
    assert len(error.gaps) == 50
    text = str(error)
    assert text.splitlines()[0] == "level2 of BTC-USD is not complete: 50 gaps, 0.000 s in all."
    assert text.count("connection_closed") == SHOWN
    assert "and 40 more" in text
    assert text.endswith("`allow_gaps=True` to take what is there.")
    assert gaps[0].start == datetime(2026, 11, 10, 19, tzinfo=UTC)
