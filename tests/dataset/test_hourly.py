"""The map of coverage and the condition of days say what the gaps say, and nothing else."""

from datetime import UTC, date, datetime

import pytest

import recorder
from recorder import pack
from recorder.core.frames import HOUR_NS
from recorder.dataset import hourly
from recorder.dataset.files import Files
from recorder.dataset.hourly import CoverageMap, coverage_map
from recorder.errors import NoInputError, UsageError
from tests.dataset.made import Recorded
from tests.dataset.told import MIDNIGHT, Stretch, Told, recorded
from tests.packs import DAY, LATER_S, record_packable

NEXT_WEEK = Told.at(24 * 7)


def cut(hour: int, channel: str, *stretches: Stretch):
    """What is told where one channel of BTC-USD has these stretches in an hour."""

    def tell(at: int, product: str, of: str) -> list[Stretch]:
        if (at, product, of) == (hour, "BTC-USD", channel):
            return list(stretches)
        return recorded(at, product, of)

    return tell


def lost(start_s: float, end_s: float) -> tuple[Stretch, ...]:
    return (
        (0, start_s, "recorded", None),
        (start_s, end_s, "gap", "connection_closed"),
        (end_s, 3600, "recorded", None),
    )


def mapped(path, *args, now_ns: int = NEXT_WEEK) -> CoverageMap:
    products, channel, start_ns, end_ns = [*args, *[None] * 4][:4]
    return Files(path).consistently(
        lambda view: coverage_map(view, products, channel, start_ns, end_ns, now_ns)
    )


def conditions(found: CoverageMap) -> list[str]:
    return [day.condition for product in found.products for day in product.days]


def states(found: CoverageMap) -> str:
    """A letter for each hour of the first product."""
    letters = {"recorded": "r", "unverified": "u", "gap": "g", "partly": "p", "missing": "m"}
    letters["ahead"] = "a"
    return "".join(letters[hour.state] for hour in found.products[0].hours)


def test_a_whole_day_is_available(tmp_path):
    """Every moment of every channel, and the day is closed."""
    told = Told(tmp_path / "data")
    told.seal(range(24))
    found = mapped(told.path)
    (product,) = found.products
    assert states(found) == "r" * 24
    (day,) = product.days
    assert (day.product_id, day.day, day.condition) == ("BTC-USD", date(2026, 11, 10), "available")
    assert (day.share.recorded_s, day.share.part, day.reasons) == (86_400, 1.0, {})
    assert sorted(day.channels) == ["level2", "market_trades", "ticker"]
    assert (found.start, found.end) == (
        datetime(2026, 11, 10, tzinfo=UTC),
        datetime(2026, 11, 11, tzinfo=UTC),
    )


def test_a_gap_degrades_the_day_and_its_hour(tmp_path):
    """The worst channel counts, each second once; the reason is told."""
    told = Told(tmp_path / "data", ["BTC-USD", "ETH-USD"])
    told.seal(range(24), cut(5, "level2", *lost(600, 636)))
    found = mapped(told.path)
    btc, eth = found.products
    assert [each.condition for each in (*btc.days, *eth.days)] == ["degraded", "available"]
    assert states(found) == "rrrrrg" + "r" * 18
    hour = btc.hours[5]
    assert (hour.share.recorded_s, hour.share.gap_s, hour.share.gaps) == (3564, 36, 1)
    assert hour.share.part == pytest.approx(0.99)
    assert hour.channels["level2"].gap_s == 36
    assert hour.channels["ticker"].gap_s == 0
    assert btc.days[0].reasons == {"connection_closed": 36}


def test_a_gap_without_length_is_a_gap(tmp_path):
    """Frames were lost between two of the same microsecond."""
    told = Told(tmp_path / "data")
    told.seal(range(24), cut(5, "ticker", *lost(600, 600)))
    found = mapped(told.path)
    assert conditions(found) == ["degraded"]
    assert states(found)[5] == "g"
    assert (found.products[0].hours[5].share.gap_s, found.products[0].hours[5].share.gaps) == (0, 1)
    assert found.products[0].days[0].reasons == {"connection_closed": 0}


def test_a_gap_over_the_turn_of_hours_counts_in_each(tmp_path):
    """Its seconds are divided."""
    told = Told(tmp_path / "data")

    def tell(hour, _product, channel):
        if hour == 5:
            return [(0, 3000, "recorded", None), (3000, 3600, "gap", "down")]
        if hour == 6:
            return [(0, 300, "gap", "down"), (300, 3600, "recorded", None)]
        return recorded(hour, _product, channel)

    told.seal(range(24), tell)
    hours = mapped(told.path).products[0].hours
    assert [hours[at].share.gap_s for at in (4, 5, 6, 7)] == [0, 600, 300, 0]
    assert [hours[at].channels["level2"].gaps for at in (4, 5, 6, 7)] == [0, 1, 1, 0]


def test_trades_that_were_fetched_are_recorded(tmp_path):
    """The gap that they fill is none; the same gap of books still is."""

    def tell(hour, product, channel):
        told = list(lost(600, 1200)) if hour == 5 and channel == "market_trades" else None
        if told and product == "BTC-USD":
            told.append((600, 1200, "backfilled", None))
        return told or recorded(hour, product, channel)

    told = Told(tmp_path / "data", ["BTC-USD", "ETH-USD"])
    told.seal(range(24), tell, trades=True)
    found = mapped(told.path)
    assert conditions(found) == ["available", "degraded"]
    assert states(found) == "r" * 24
    assert recorded_gaps(told.path) == [("ETH-USD", "connection_closed")]


def recorded_gaps(path) -> list[tuple[str | None, str]]:
    return [(gap.product_id, gap.reason) for gap in recorder.open(path).gaps()]


def test_unverified_is_recorded(tmp_path):
    """The Exchange numbers nothing: such a day is as whole as it can be, and says so."""
    told = Told(tmp_path / "data")
    told.seal(range(24), lambda _h, _p, _c: [(0, 3600, "unverified", None)])
    found = mapped(told.path)
    assert (states(found), conditions(found)) == ("u" * 24, ["available"])
    assert found.products[0].days[0].share.unverified_s == 86_400


def test_what_several_channels_miss_at_once_counts_once(tmp_path):
    """A day has no more seconds than it has, whatever the number of its channels."""
    missing = {"level2": (600, 900), "ticker": (800, 1000), "market_trades": (2000, 2010)}

    def tell(hour, product, channel):
        return lost(*missing[channel]) if hour == 5 else recorded(hour, product, channel)

    told = Told(tmp_path / "data")
    told.seal(range(24), tell)
    (day,) = mapped(told.path).products[0].days
    assert day.reasons == {"connection_closed": 410}
    assert day.share.gap_s == 410


def test_hours_that_nobody_recorded_are_missing(tmp_path):
    """Before the first, in between, behind the last: of a day that is over."""
    told = Told(tmp_path / "data")
    told.seal([3, 4])
    told.seal([7])
    found = mapped(told.path)
    assert states(found) == "mmmrrmmr" + "m" * 16
    assert conditions(found) == ["degraded"]
    assert found.products[0].days[0].reasons == {"not_recorded": 21 * 3600}


def test_a_day_without_anything_is_missing(tmp_path):
    """Between days that have something, and where a range names it."""
    told = Told(tmp_path / "data", ["BTC-USD", "ETH-USD"])
    told.seal(range(24))
    told.seal(range(48, 72))
    found = mapped(told.path)
    assert conditions(found) == ["available", "missing", "available"] * 2
    assert states(found) == "r" * 24 + "m" * 24 + "r" * 24
    assert found.products[0].days[1].reasons == {"not_recorded": 86_400}
    assert found.products[0].days[1].channels == {}
    named = mapped(told.path, ["ETH-USD"], None, Told.at(-24), Told.at(1))
    assert [product.product_id for product in named.products] == ["ETH-USD"]
    assert conditions(named) == ["missing", "available"]
    assert states(named) == "m" * 24 + "r"


def test_a_day_of_which_everything_was_lost_is_missing(tmp_path):
    """A recorder ran, and got nothing: the gap's reason is told."""
    told = Told(tmp_path / "data")
    told.seal(range(24), lambda _h, _p, _c: [(0, 3600, "gap", "connect_failed")])
    found = mapped(told.path)
    assert (states(found), conditions(found)) == ("g" * 24, ["missing"])
    assert list(found.products[0].days[0].reasons) == ["connect_failed"]


def test_a_channel_that_was_not_subscribed_is_not_missing(tmp_path):
    """On its days; on a day that it began in, it is until then."""

    def tell(hour, product, channel):
        if channel == "ticker" and hour < 30:
            return []
        return recorded(hour, product, channel)

    told = Told(tmp_path / "data")
    told.seal(range(48), tell)
    found = mapped(told.path)
    assert conditions(found) == ["available", "degraded"]
    first, second = found.products[0].days
    assert sorted(first.channels) == ["level2", "market_trades"]
    assert second.channels["ticker"].missing_s == 6 * 3600
    assert states(found) == "r" * 24 + "p" * 6 + "r" * 18


def test_a_day_is_pending_until_it_is_over_and_sealed(tmp_path):
    """What comes after the newest is not told of yet, and no gap."""
    told = Told(tmp_path / "data")
    told.seal(range(30))
    now_ns = Told.at(30, 60)
    found = mapped(told.path, now_ns=now_ns)
    assert conditions(found) == ["available", "pending"]
    assert states(found) == "r" * 30 + "a" * 18
    assert found.products[0].days[1].share.part == 1
    assert found.products[0].days[1].reasons == {}
    # Nobody has told of anything for hours: what is over was not recorded.
    found = mapped(told.path, now_ns=Told.at(33))
    assert states(found) == "r" * 30 + "mmm" + "a" * 15
    assert conditions(found) == ["available", "pending"]


def test_the_open_day_while_it_is_recorded(tmp_path, without_sync):
    """Live parts and what goes on count; the day is pending while one of its hours is open."""
    live = Recorded(tmp_path, seed=4)
    live.connect()
    live.run(2)
    live.turn()
    live.run(1)
    hour = live.hour % 24
    found = mapped(tmp_path, ["BTC-USD"], now_ns=live.now_ns)
    shown = states(found)
    assert shown[hour - 1 : hour + 2] == "pra"  # it began a moment behind the full hour
    began = found.products[0].hours[hour - 1].share
    assert (began.gaps, began.gap_s) == (0, 0)
    assert began.missing_s > 0
    assert set(shown[: hour - 1]) == {"m"}
    assert conditions(found) == ["pending"]
    later = mapped(tmp_path, ["BTC-USD"], now_ns=live.now_ns + 48 * 3600 * 10**9)
    assert conditions(later) == ["pending"], "its parts were never sealed"
    live.recording.capture.close()


def test_packed_days_say_the_same(tmp_path, without_sync, monkeypatch):
    """And their hours: what a day was, it is when it is packed."""
    monkeypatch.setattr(pack.time, "time", lambda: LATER_S)
    root = record_packable(tmp_path / "data")
    now_ns = (DAY + 9) * 24 * HOUR_NS
    before = mapped(root.path, now_ns=now_ns)
    assert len(pack.pack(root.path).packed) == 2
    assert mapped(root.path, now_ns=now_ns) == before
    assert set(conditions(before)) <= {"degraded", "missing"}


def test_ranges_are_rounded_to_hours_and_days_are_whole(tmp_path):
    """A condition is of the day, whatever part of it is asked for."""
    told = Told(tmp_path / "data")
    told.seal(range(24), cut(5, "level2", *lost(600, 636)))
    found = mapped(told.path, None, None, Told.at(10, 1), Told.at(12, 1))
    assert [hour.start.hour for hour in found.products[0].hours] == [10, 11, 12]
    assert conditions(found) == ["degraded"]
    assert found.start == datetime(2026, 11, 10, 10, tzinfo=UTC)


def test_one_channel_by_both_names(tmp_path):
    """Only it counts, for the hours and for the days."""
    told = Told(tmp_path / "data")
    told.seal(range(24), cut(5, "level2", *lost(600, 636)))
    for name in ("trades", "market_trades"):
        found = mapped(told.path, None, name)
        assert conditions(found) == ["available"]
        assert list(found.products[0].hours[0].channels) == ["market_trades"]
    assert conditions(mapped(told.path, None, "level2")) == ["degraded"]
    with pytest.raises(UsageError, match="'level3' is no channel"):
        mapped(told.path, None, "level3")


def test_channels_without_products_have_a_line_of_their_own(hours):
    """Heartbeats are of the connection: no product, and no condition."""
    found = mapped(hours)
    names = [(product.product_id, len(product.days)) for product in found.products]
    assert names == [("BTC-USD", 1), ("ETH-USD", 1), (None, 0)]
    assert set(found.products[2].hours[19].channels) == {"heartbeats"}
    (only,) = mapped(hours, None, "heartbeats").products
    assert only.product_id is None
    (only,) = mapped(hours, ["BTC-USD"], "heartbeats").products
    assert only.product_id is None


def test_what_is_not_there(tmp_path, hours):
    """Nothing recorded is no map; a product that is not there is an error."""
    Told(tmp_path / "data")
    found = mapped(tmp_path / "data")
    assert (found.start, found.end, found.products) == (None, None, ())
    with pytest.raises(NoInputError, match="Did you mean BTC-USD"):
        mapped(hours, ["BTC-EUR"])


def test_a_range_of_centuries_is_refused(hours):
    """Before any hour of it is made."""
    with pytest.raises(UsageError, match=r"7,\d{3},\d{3} hours of products, more than 2,000,000"):
        mapped(hours, None, None, 0, 2**63 - 1)


def test_every_second_of_it_is_in_the_gaps(hours):
    """Hour by hour and channel by channel: as much is missing as `gaps()` says."""
    db = recorder.open(hours)
    found = mapped(hours)
    for product in found.products[:2]:
        for hour in product.hours:
            start_ns = int(hour.start.timestamp()) * 10**9
            for channel, share in hour.channels.items():
                gaps = db.gaps(product.product_id, channel, start_ns, start_ns + HOUR_NS)
                if share.ahead_s:
                    continue
                told_s = sum(gap.end_ns - gap.start_ns for gap in gaps) / 1e9
                assert share.gap_s + share.missing_s == pytest.approx(told_s, abs=1e-5)
                assert share.recorded_s == pytest.approx(3600 - told_s, abs=1e-5)


def test_coverage_is_read_once(tmp_path, monkeypatch):
    """Whatever the number of products: a map of many opens each hour's file once."""
    from recorder.dataset import coverage  # noqa: PLC0415

    opened = []
    read = coverage.read_file
    monkeypatch.setattr(
        coverage, "read_file", lambda path, *rest: opened.append(path) or read(path, *rest)
    )
    told = Told(tmp_path / "data", [f"P{number}-USD" for number in range(8)])
    told.seal(range(24))
    assert len(mapped(told.path).products) == 8
    assert len(opened) == 24


def test_only_the_days_asked_for_are_opened(tmp_path, monkeypatch):
    """What a day costs does not grow with the days around it."""
    from recorder.dataset import coverage  # noqa: PLC0415

    opened = []
    read = coverage.read_file
    monkeypatch.setattr(
        coverage, "read_file", lambda path, *rest: opened.append(path) or read(path, *rest)
    )
    told = Told(tmp_path / "data")
    told.seal(range(24 * 4))
    mapped(told.path, None, None, Told.at(24), Told.at(48))
    assert len(opened) == 25  # a gap may be told in the hour behind


def test_days_begin_at_midnight():
    """The test's own midnight is one."""
    assert MIDNIGHT * HOUR_NS % hourly.DAY_NS == 0
