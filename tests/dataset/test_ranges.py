"""Whether a range is complete, and what is said where it is not, or is nowhere near."""

import pytest

import recorder
from recorder.core.tables import TABLES
from recorder.dataset.files import Files
from recorder.dataset.ranges import TABLE_OF, complete_range, examine, require
from recorder.errors import IncompleteData, NoInputError, UsageError
from tests.dataset.made import HOUR_NS, HOUR_START_NS

SECOND_HOUR = HOUR_START_NS + HOUR_NS, HOUR_START_NS + 2 * HOUR_NS
FAR = (("2000-01-01", "2000-01-02"), ("2030-01-01", "2030-01-02"))


def test_channels_go_by_either_name():
    """That of the table, and those under which they are subscribed."""
    assert TABLE_OF["market_trades"] == TABLE_OF["trades"] == "trades"
    assert TABLE_OF["ticker_batch"] == "ticker"


def test_a_range_has_the_ends_that_were_named_or_those_of_the_recording(hours):
    """An hour without a gap has none; the whole has those of the first hour."""
    view = Files(hours).now()
    whole = examine(view, TABLES["level2"], "BTC-USD", *SECOND_HOUR)
    assert (whole.start_ns, whole.end_ns, whole.gaps) == (*SECOND_HOUR, ())
    require(view, whole)
    every = examine(view, TABLES["level2"], "BTC-USD", None, None)
    assert HOUR_START_NS < every.start_ns < every.end_ns
    assert [gap.reason for gap in every.gaps] == ["sequence_gap"]
    text = "level2 of BTC-USD from 2026-11-10T20:00:00Z to 2026-11-10T21:00:00Z"
    assert str(whole) == text
    with pytest.raises(IncompleteData, match=r"(?s)1 gap, .* sequence_gap \(1 message"):
        require(view, every)


@pytest.mark.parametrize("span", [("2030-01-01", None), (None, "2000-01-01"), *FAR])
def test_what_lies_outside_of_the_recording_says_so(hours, span):
    """With what there is; a range without its other end cannot even have a gap."""
    db = recorder.open(hours)
    asked = [
        lambda **more: db.level2("BTC-USD", *span, **more).to_arrow(),
        lambda **more: db.trades("BTC-USD", *span, **more).to_arrow(),
        lambda **more: db.heartbeats(None, *span, **more).to_arrow(),
        lambda **more: db.top_of_book("BTC-USD", *span, **more).to_arrow(),
        lambda **more: db.bars("1h", "BTC-USD", *span, **more).to_arrow(),
        lambda **more: list(db.replay("BTC-USD", *span, **more)),
    ]
    for ask in asked:
        with pytest.raises(
            IncompleteData, match=r"recording reaches from 2026-11-10T19.*"
        ) as caught:
            ask()
        assert "0 gaps" not in str(caught.value)
        ask(allow_gaps=True)
    for ask in asked[:3]:
        assert ask(allow_gaps=True).num_rows == 0
    if None in span:
        assert all(not len(ask(allow_gaps=True)) for ask in asked)


def test_a_channel_that_was_never_recorded_says_what_to_do(hours):
    """It is no gap that ends anywhere."""
    db = recorder.open(hours)
    for span in ((), (None, "2026-11-10T20:00"), ("2030-01-01",)):
        with pytest.raises(IncompleteData, match=r"is not recorded.*`feed.channels`"):
            db.candles("BTC-USD", *span).to_arrow()
    with pytest.raises(IncompleteData, match="not_recorded"):
        db.candles("BTC-USD", *SECOND_HOUR).to_arrow()
    assert db.candles("BTC-USD", allow_gaps=True).to_arrow().num_rows == 0


def test_a_range_that_must_have_both_ends(hours):
    """Tops and bars stand on one: beyond the recording it is empty, without any it is an error."""
    view = Files(hours).now()
    found = complete_range(
        view, TABLES["trades"], "BTC-USD", HOUR_START_NS + 9 * HOUR_NS, None, allow_gaps=True
    )
    assert found.start_ns == found.end_ns
    with pytest.raises(NoInputError, match=r"No candles of BTC-USD is recorded. Add its channel"):
        complete_range(view, TABLES["candles"], "BTC-USD", None, None, allow_gaps=True)
    with pytest.raises(NoInputError, match="Did you mean BTC-USD"):
        complete_range(view, TABLES["trades"], "BTCUSD", None, None, allow_gaps=True)


def test_gaps_of_a_range_in_which_nothing_was_recorded(hours):
    """Nothing told is not nothing missing: every channel that is recorded at any time has a gap."""
    db = recorder.open(hours)
    for span in FAR:
        gaps = db.gaps("BTC-USD", None, *span)
        assert {gap.channel for gap in gaps} == {
            *("level2", "market_trades", "ticker", "heartbeats", "status")
        }
        assert {(gap.reason, gap.start.year, gap.end.day) for gap in gaps} == {
            ("not_recorded", int(span[0][:4]), 2)
        }
        of_all = db.gaps(None, "level2", *span)
        assert [gap.product_id for gap in of_all] == ["BTC-USD", "ETH-USD"]
        assert db.gaps("BTC-USD", "level2", *span) == of_all[:1]
    assert db.gaps("BTC-USD", None, *SECOND_HOUR) == []
    with pytest.raises(NoInputError, match="Nothing of XYZ-USD is recorded"):
        db.gaps("XYZ-USD", None, *FAR[0])
    with pytest.raises(UsageError, match="'level3' is no channel"):
        db.gaps("BTC-USD", "level3")


@pytest.mark.parametrize("at_ns", [SECOND_HOUR[0], SECOND_HOUR[0] + 5, HOUR_START_NS - 1])
def test_a_range_without_length_has_no_rows_and_lacks_nothing(hours, at_ns):
    """Half-open: at the turn of an hour, in the middle of one, where nobody recorded."""
    db = recorder.open(hours)
    span = at_ns, at_ns
    for rows in (
        db.level2("BTC-USD", *span),
        db.trades("BTC-USD", *span),
        db.heartbeats(None, *span),
        db.audits(None, *span),
        db.top_of_book("BTC-USD", *span),
        db.bars("1m", "BTC-USD", *span),
    ):
        assert rows.to_arrow().num_rows == 0, rows
    assert list(db.replay(None, *span)) == []
    assert (db.hours(*span), db.gaps("BTC-USD", None, *span)) == ([], [])
    assert db.coverage(None, None, *span).num_rows == 0
    assert db.describe("BTC-USD", *span).products[0].tables == ()
    with pytest.raises(NoInputError, match="Did you mean BTC-USD"):
        db.level2("BTCUSD", *span).to_arrow()


def test_a_channel_of_coverage_goes_by_either_name(hours):
    """That of a table as well; what is none is told, and so is a product that is none."""
    db = recorder.open(hours)
    named = db.coverage("BTC-USD", "market_trades")
    assert named.num_rows
    assert db.coverage("BTC-USD", "trades").equals(named)
    assert db.coverage("BTC-USD", "ticker_batch").num_rows == 0
    for wrong in ("nothing", 5, ["level2"]):
        with pytest.raises(UsageError, match="is no channel"):
            db.coverage("BTC-USD", wrong)
    with pytest.raises(NoInputError, match="Did you mean BTC-USD"):
        db.coverage("BTCUSD")
