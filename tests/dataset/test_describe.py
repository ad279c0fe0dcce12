"""What a range is like, against the same worked out from its rows by hand."""

import numpy as np
import pytest

import recorder
from recorder.dataset import describe as describing
from recorder.errors import NoInputError, UsageError
from tests.dataset.scripted import Scripted, at

SECOND_NS = 10**9


@pytest.fixture
def minute(tmp_path, without_sync) -> Scripted:
    """A minute of one product: a book, six trades, a gap of books, a trade fetched later."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    script.book(0.5, "snapshot", [("bid", "100", "1"), ("offer", "101", "1")])
    script.trades(1, "snapshot", [(101, 0.5, "100", "1")])
    script.book(10, "update", [("bid", "100.5", "2"), ("offer", "101", "3")])
    script.book(10.25, "update", [("bid", "100.5", "1")])
    script.trades(11, "update", [(102, 10.9, "101", "2"), (103, 10.75, "100.5", "0.5")])
    script.trades(20, "update", [(104, 20, "101", "4")])
    script.number += 1
    script.book(30, "update", [("bid", "100", "3")])
    script.book(35, "snapshot", [("bid", "99", "1"), ("offer", "103", "1")])
    script.trades(40, "update", [(105, 40, "103", "1")])
    script.book(45, "update", [("offer", "103", "0"), ("offer", "104", "1")])
    script.book(49, "update", [("bid", "98", "1")])
    script.publish()
    yield script
    script.recording.capture.close()


def described(script: Scripted, *span):
    (found,) = recorder.open(script.path).describe("BTC-USD", *span).products
    return found


def test_rows_by_table_and_kind(minute):
    """All rows count; messages and rates are of those that came as they happened."""
    found = described(minute, at(0), at(50))
    assert (found.product_id, found.start.second, found.end.second) == ("BTC-USD", 0, 50)
    tables = {each.table: each for each in found.tables}
    assert tables["level2"].kinds == {"snapshot": 4, "update": 7}
    assert (tables["level2"].rows, tables["level2"].messages) == (11, 5)
    assert tables["trades"].kinds == {"snapshot": 1, "update": 4}
    assert tables["trades"].messages == 3


def test_rates_leave_gaps_out(minute):
    """The seconds of a gap are not seconds without rows."""
    found = described(minute, at(0), at(49))
    level2 = found.tables[0]
    gaps = [gap for gap in found.gaps if gap.channel == "level2"]
    lost = [-(-gap.end_ns // SECOND_NS) - gap.start_ns // SECOND_NS for gap in gaps]
    assert {gap.reason for gap in gaps} >= {"sequence_gap"}
    assert level2.seconds == 49 - sum(lost)
    # Three rows in one second, two in another; that of second 30 lies in the gap.
    assert (level2.per_second.max, level2.per_second.count) == (3, level2.seconds)
    assert level2.per_second.mean == pytest.approx(5 / level2.seconds)
    assert len(level2.activity) == 49
    assert level2.activity[32] is None
    assert (level2.activity[10], level2.activity[45]) == (3, 2)


def test_gaps_are_told_and_allowed(minute):
    """As `gaps()` has them; nothing is refused."""
    found = described(minute, at(5), at(50))
    told = recorder.open(minute.path).gaps("BTC-USD", None, at(5), at(50))
    assert set(found.gaps) == set(told)
    assert found.gaps


def test_the_spread_by_its_time(minute):
    """Each as long as it lasted, while the book was trusted."""
    spread = described(minute, at(0), at(49)).spread
    lasted = {1.0: 9.5, 0.5: 10.0, 4.0: 10.0, 5.0: 4.0}
    assert spread.increment is None
    assert spread.increments is None
    points = spread.basis_points
    assert spread.seconds == points.count == pytest.approx(33.5)
    assert points.min == pytest.approx(0.5 / 100.75 * 1e4)
    assert points.max == pytest.approx(5 / 101.5 * 1e4)
    whole = sum(
        s * wide / {1.0: 100.5, 0.5: 100.75, 4.0: 101.0, 5.0: 101.5}[wide] * 1e4
        for wide, s in lasted.items()
    )
    assert points.mean == pytest.approx(whole / spread.seconds)


def test_trades(minute):
    """Sizes, turnover, ends by the time of the trade."""
    trades = described(minute, at(0), at(50)).trades
    assert trades.count == 5
    assert (trades.volume, trades.turnover) == (8.5, 100 + 202 + 50.25 + 404 + 103)
    assert trades.vwap == pytest.approx(859.25 / 8.5)
    assert (trades.first, trades.high, trades.low, trades.last) == (100, 103, 100, 103)
    assert (trades.bought, trades.sold) == (0, 1), "the venue names the maker's side: BUY"
    assert (trades.size.min, trades.size.max, trades.size.count) == (0.5, 4, 5)
    assert trades.value.max == 404


def test_latencies(minute):
    """From the venue's message and from what happened, to us."""
    tables = {each.table: each for each in described(minute, at(0), at(50)).tables}
    assert tables["trades"].message_latency.max == 0  # the script's clock is the venue's
    assert tables["trades"].event_latency.max == pytest.approx(250)
    assert tables["trades"].event_latency.count == 4
    assert tables["level2"].event_latency.count == 7


def test_without_a_range_it_is_all_of_it(minute):
    """From the first thing recorded of the product to the newest."""
    found = described(minute)
    assert sum(each.rows for each in found.tables) == 11 + 5
    assert found.trades.count == 5


def test_a_range_without_anything(minute):
    """No rows, no spread, no trades; and the gap says why."""
    found = described(minute, at(100), at(110))
    assert (found.tables, found.spread, found.trades) == ((), None, None)
    assert [(gap.channel, gap.reason) for gap in found.gaps] == [
        ("level2", "not_recorded"),
        ("market_trades", "not_recorded"),
    ], "of the channels that were ever subscribed"


def test_what_is_no_question(minute):
    """Without a product, or with one that is not there."""
    db = recorder.open(minute.path)
    with pytest.raises(UsageError, match="No product to describe"):
        db.describe([])
    with pytest.raises(NoInputError, match="Did you mean BTC-USD"):
        db.describe("BTC-EUR")
    with pytest.raises(UsageError, match="days, more than 1,830"):
        db.describe("BTC-USD", 0, "2200-01-01")
    with pytest.raises(UsageError, match="ends before it begins"):
        db.describe("BTC-USD", at(2), at(1))


def test_hours_are_described_as_one(hours):
    """Sealed and open, in pieces of any size: as the rows themselves have it."""
    db = recorder.open(hours)
    (found,) = db.describe("ETH-USD").products
    for each in found.tables:
        rows = db.select(each.table, "ETH-USD", allow_gaps=True).to_arrow()
        assert each.rows == rows.num_rows
        kinds = rows.column("kind").to_pylist()
        assert each.kinds == {kind: kinds.count(kind) for kind in sorted(set(kinds))}
        late = np.array(
            [
                (received - built) / 1e6
                for received, built, kind in zip(
                    rows.column("recv_ns").to_pylist(),
                    rows.column("exchange_ns").to_pylist(),
                    kinds,
                    strict=True,
                )
                if kind == "update"
            ]
        )
        assert each.message_latency.max == pytest.approx(late.max())
        assert each.message_latency.min == pytest.approx(late.min())
    assert [each.table for each in found.tables] == ["level2", "trades", "ticker"]
    tops = db.top_of_book("ETH-USD", allow_gaps=True).to_pandas()
    wide = (tops["best_ask"] - tops["best_bid"]).dropna()
    assert found.spread.increment is not None
    step = float(found.spread.increment)
    assert found.spread.increments.max == pytest.approx(round(wide.max() / step))
    assert found.spread.increments.min == pytest.approx(round(wide.min() / step))


def test_pieces_make_no_difference(minute, monkeypatch):
    """A message cut by a batch is one message all the same."""
    whole = described(minute, at(0), at(50))
    monkeypatch.setattr(describing, "BATCH_ROWS", 1)
    minute.seal(0)
    sealed = recorder.open(minute.path).describe("BTC-USD", at(0), at(50)).products[0]
    assert [(each.rows, each.messages) for each in sealed.tables] == [
        (each.rows, each.messages) for each in whole.tables
    ]
    assert sealed.trades == whole.trades
