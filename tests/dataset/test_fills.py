"""A gap of trades is none where every id over it came later; such trades count at their time."""

import itertools
from pathlib import Path

import pytest

import recorder
from recorder.dataset import coverage, fills
from recorder.dataset.files import Files, hour_of_file
from recorder.dataset.gaps import Gap
from recorder.errors import IncompleteData
from recorder.store.paths import Root
from tests.dataset.scripted import HOUR, Scripted, at
from tests.dataset.told import Stretch, Told, recorded

UP_TO_NOW = at(61) + 1  # a range that ends later is not complete yet
LOST = [(number, 30 + number / 10, "100", "1") for number in range(104, 110)]


def counted(function, calls: list):
    """A function that notes what it is called with."""

    def call(*given, **named):
        calls.append(given)
        return function(*given, **named)

    return call


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


def test_what_never_came_is_not_looked_for_in_later_hours(lost, monkeypatch):
    """The newest record tells which ids are missing; no later hour is opened but the next one."""
    lost.trades(60.5, "snapshot", LOST[4:])
    lost.trades(61, "update", [(110, 61, "103", "1")])
    for each in range(1, 6):
        lost.trades(3600 * each + 5, "update", [(110 + each, 3600 * each + 5, "104", "1")])
    lost.publish()
    lost.seal(*range(5))
    read: list[tuple[Path, ...]] = []
    for module in (fills, coverage):
        monkeypatch.setattr(module, "read_file", counted(module.read_file, read))
    assert ids(recorder.open(lost.path), at(35), at(45), allow_gaps=True) == [108, 109]
    assert {hour_of_file(path) for path, *_ in read} <= {HOUR, HOUR + 1}


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


def outage(hour: int, _product: str, channel: str) -> list[Stretch]:
    """Trades are lost for ten minutes in every other hour; the others are whole."""
    if hour % 2 or channel != "market_trades":
        return recorded(hour, _product, channel)
    return [
        (0, 600, "recorded", None),
        (600, 1200, "gap", "connection_closed"),
        (1200, 3600, "recorded", None),
    ]


def test_a_gap_over_thousands_of_hours_looks_only_where_there_is_something(tmp_path, monkeypatch):
    """Nobody recorded for months: what lies between is not asked for hour by hour."""
    told = Told(tmp_path / "data")
    told.seal([0], trades=True)
    told.seal([5000], trades=True)
    asked = []
    monkeypatch.setattr(fills._Ids, "_hour", counted(fills._Ids._hour, asked))
    (gap,) = recorder.open(told.path).gaps("BTC-USD", "trades", told.at(0), told.at(5001))
    assert (gap.reason, gap.start_ns, gap.end_ns) == ("not_recorded", told.at(1), told.at(5000))
    assert len(asked) < 20


def test_the_trades_of_a_long_range_are_not_all_kept(tmp_path):
    """A gap in many hours, one after the other: what was read for one goes with it."""
    told = Told(tmp_path / "data")
    told.seal(range(80), outage, trades=True)
    view = Files(told.path).now()
    ids = fills._Ids(view, "BTC-USD", fills.Fetched(view))
    for hour in range(0, 80, 2):
        gap = Gap("market_trades", "BTC-USD", told.at(hour, 600), told.at(hour, 1200), "gap")
        assert ids.filled_ns(gap) is None
        assert len(ids._read) <= fills.HOURS_KEPT


def test_what_was_fetched_is_looked_for_once_for_all_products(tmp_path, monkeypatch):
    """Each file of coverage is read once, however many products and gaps there are."""
    names = [f"P{number}-USD" for number in range(6)]
    told = Told(tmp_path / "data", names)
    told.seal(range(10), outage, trades=True)
    files: list[object] = []
    monkeypatch.setattr(fills, "read_file", counted(fills.read_file, files))
    view = Files(told.path).now()
    fetched = fills.Fetched(view)
    for name in names:
        gaps = recorder.open(told.path).gaps(name, "trades")
        assert len(gaps) == 5
        files.clear()
        assert fills.fill(view, name, gaps, None, fetched).gaps == gaps
        read = [each[0] for each in files if "coverage" in str(each[0])]
        assert len(read) == (10 if name == names[0] else 0)


def test_a_fill_of_another_product_is_none(tmp_path):
    """Trades of one product were fetched, those of the other are still missing."""

    def tell(hour: int, product: str, channel: str) -> list[Stretch]:
        told = outage(hour, product, channel)
        if len(told) > 1 and product == "ETH-USD":
            told.append((600, 1200, "backfilled", None))
        return told

    told = Told(tmp_path / "data", ["BTC-USD", "ETH-USD"])
    told.seal(range(4), tell, trades=True)
    db = recorder.open(told.path)
    assert len(db.gaps("BTC-USD", "trades")) == 2
    assert db.gaps("ETH-USD", "trades") == []
    assert db.trades("ETH-USD").to_arrow().num_rows == 4 * 360


def test_what_is_recorded_is_not_listed_for_each_gap(tmp_path, monkeypatch):
    """A product that is never traded: each gap looks at a day to either side, and no further."""
    told = Told(tmp_path / "data")
    told.seal(range(60), outage)
    listed = []
    monkeypatch.setattr(Root, "committed_hours", counted(Root.committed_hours, listed))
    assert len(recorder.open(told.path).gaps("BTC-USD", "trades", told.at(0), told.at(60))) == 30
    assert len(listed) <= 1
