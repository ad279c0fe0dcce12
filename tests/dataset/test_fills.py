"""A gap of trades is none where every id over it came later; such trades count at their time."""

import itertools

import pytest

import recorder
from recorder.errors import IncompleteData
from tests.dataset.scripted import Scripted, at

UP_TO_NOW = at(61) + 1  # a range that ends later is not complete yet
LOST = [(number, 30 + number / 10, "100", "1") for number in range(104, 110)]


@pytest.fixture
def lost(tmp_path, without_sync) -> Scripted:
    """Trades 101 to 103, a connection that is lost at 20 s, another from 60 s with 110 on."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    script.trades(1, "snapshot", [(101, 0.5, "100", "1")])
    script.trades(10, "update", [(102, 10, "101", "1"), (103, 10.1, "102", "2")])
    script.close(20)
    script.connect(60, "c1")
    yield script
    script.recording.capture.close()


def ids(db, start=None, end=None, **options) -> list[int]:
    found = db.trades("BTC-USD", start, end, **options).to_arrow()
    return found.column("trade_id").to_pylist()


def gaps(db, start=None, end=None) -> list[str]:
    return [gap.reason for gap in db.gaps("BTC-USD", "trades", start, end)]


def test_a_snapshot_that_reaches_back_fills_the_gap(lost):
    """Then the range is complete, and holds what happened in it, though it came behind it."""
    lost.trades(60.5, "snapshot", [(103, 10.1, "102", "2"), *LOST])
    lost.trades(61, "update", [(110, 61, "103", "1")])
    lost.publish()
    db = recorder.open(lost.path)
    assert gaps(db) == []
    assert ids(db) == [101, 102, 103, *range(104, 111)]
    assert ids(db, at(5), at(50)) == [102, 103, *range(104, 110)]
    assert ids(db, at(50), UP_TO_NOW) == [110]


def test_without_the_ids_between_it_stays_a_gap(lost):
    """The venue repeats a hundred trades; if there were more, something is missing."""
    lost.trades(60.5, "snapshot", LOST[2:])
    lost.trades(61, "update", [(110, 61, "103", "1")])
    lost.publish()
    db = recorder.open(lost.path)
    assert gaps(db)[0] == "connection_closed"
    with pytest.raises(IncompleteData, match="connection_closed"):
        ids(db)
    assert ids(db, allow_gaps=True) == [101, 102, 103, *range(106, 111)]
    assert ids(db, at(5), at(50), allow_gaps=True) == [102, 103, *range(106, 110)]
    assert ids(db, at(60.5), UP_TO_NOW) == [110]


@pytest.mark.parametrize("hour", [0, 3])
def test_what_was_fetched_fills_it_whenever_that_was(lost, hour):
    """Hours later, over the turns of hours and their sealing, the gap closes."""
    lost.trades(60.5, "snapshot", LOST[4:])
    lost.trades(61, "update", [(110, 61, "103", "1")])
    for each in range(1, hour + 1):
        lost.trades(3600 * each + 5, "update", [(110 + each, 3600 * each + 5, "104", "1")])
    lost.publish()
    db = recorder.open(lost.path)
    assert gaps(db, at(1), UP_TO_NOW)[0] == "connection_closed"
    lost.fetched(3600 * hour + 70, LOST[:4])
    lost.trades(3600 * hour + 80, "update", [(111 + hour, 3600 * hour + 80, "1", "1")])
    if hour:
        lost.seal(*range(hour))
    lost.publish()
    assert gaps(db, at(1), UP_TO_NOW) == []
    assert ids(db, at(5), at(50)) == [102, 103, 108, 109, 104, 105, 106, 107]
    assert ids(db, at(3600 * hour + 65), at(3600 * hour + 75)) == []


def test_a_part_of_it_is_not_enough(lost):
    """One id of them is missing: the gap stays, and what was fetched is there all the same."""
    lost.trades(60.5, "snapshot", LOST[4:])
    lost.trades(61, "update", [(110, 61, "103", "1")])
    lost.fetched(70, LOST[:3])
    lost.publish()
    db = recorder.open(lost.path)
    assert gaps(db)[0] == "connection_closed"
    assert ids(db, at(5), at(50), allow_gaps=True) == [102, 103, 108, 109, 104, 105, 106]


def test_nothing_is_filled_while_nothing_came_behind_the_gap(lost):
    """Who knows what was traded meanwhile?"""
    lost.publish()
    db = recorder.open(lost.path)
    assert gaps(db, at(1), at(60))[0] == "connection_closed"


def test_a_trade_belongs_to_one_time_only(lost):
    """Whatever ranges a recording is cut into, each trade comes once."""
    lost.trades(60.5, "snapshot", LOST[2:])
    lost.trades(61, "update", [(110, 61, "103", "1")])
    lost.fetched(70, LOST[:2])
    lost.trades(80, "update", [(111, 79.9, "103", "1")])
    lost.publish()
    db = recorder.open(lost.path)
    every = sorted(ids(db))
    assert every == list(range(101, 112))
    for step in (1, 7, 60):
        cuts = [at(each) for each in range(0, 121, step)] + [at(200)]
        pieces = [ids(db, *pair, allow_gaps=True) for pair in itertools.pairwise(cuts)]
        assert sorted(itertools.chain(*pieces)) == every


def test_a_trade_in_flight_when_the_connection_was_lost(lost):
    """It happened before the last frame, and came with the next snapshot."""
    lost.trades(60.5, "snapshot", [(104, 19.9, "102", "1")])
    lost.trades(61, "update", [(105, 61, "103", "1")])
    lost.publish()
    db = recorder.open(lost.path)
    assert ids(db, at(15), at(20)) == [104]
    assert ids(db, at(15), UP_TO_NOW) == [104, 105]


def test_a_replay_takes_what_came_in_its_range(lost):
    """A gap that was filled behind the end of a run is one of the run."""
    lost.trades(60.5, "snapshot", LOST[4:])
    lost.trades(61, "update", [(110, 61, "103", "1")])
    lost.fetched(70, LOST[:4])
    lost.trades(80, "update", [(111, 79.9, "103", "1")])
    lost.publish()
    db = recorder.open(lost.path)
    run = db.replay("BTC-USD", at(5), at(79), channels="trades")
    assert [event.trade_id for event in run] == [102, 103, 108, 109, 110, 104, 105, 106, 107]
    with pytest.raises(IncompleteData, match="connection_closed"):
        db.replay("BTC-USD", at(5), at(65), channels="trades")
