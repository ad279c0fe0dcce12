"""The rows of `coverage` as an answer: in order, cut to a range, with what still goes on."""

import pytest

import recorder
from recorder.dataset.coverage import GOING_ON, coverage_rows
from recorder.dataset.files import Files
from recorder.times import to_ns
from tests.dataset.made import HOUR_NS, HOUR_START_NS, SECOND_NS, Recorded
from tests.frames_made import PRODUCTS


def test_rows_are_by_channel_product_and_time(hours):
    """Those of a product, of a channel, of both, or all of them."""
    db = recorder.open(hours)
    every = db.coverage().to_pylist()
    keys = [(row["channel"], row["product_id"] or "", row["start_time"]) for row in every]
    plain = [each for each in keys if each[1]]
    assert plain == sorted(plain)
    for product in PRODUCTS:
        for channel in ("level2", "market_trades"):
            want = [
                row for row in every if (row["product_id"], row["channel"]) == (product, channel)
            ]
            assert db.coverage(product, channel).to_pylist() == want
            assert want
    assert db.coverage("BTC-USD", "candles").num_rows == 0


def test_a_range_takes_the_intervals_that_touch_it(hours):
    """As they are, not cut; one that ends where it begins, or begins where it ends, does not."""
    db = recorder.open(hours)
    every = db.coverage("BTC-USD", "level2").to_pylist()
    for row in every:
        start, end = to_ns(row["start_time"]), to_ns(row["end_time"])
        if start == end:
            continue
        for span in ((start, end), (start, start + 1000), (end - 1000, end)):
            found = db.coverage("BTC-USD", "level2", *span).to_pylist()
            want = [
                each
                for each in every
                if each["start_time"] < row["end_time"] and to_ns(each["start_time"]) < span[1]
                if to_ns(each["end_time"]) > span[0]
                or (each["start_time"] == each["end_time"] and to_ns(each["start_time"]) >= span[0])
            ]
            assert found == want
    assert db.coverage("BTC-USD", "level2", HOUR_START_NS + 10 * HOUR_NS).num_rows == 0


def test_what_goes_on_ends_at_the_newest_part_and_is_told_once(tmp_path, without_sync):
    """When its own row has come, it is that which counts."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    db = recorder.open(tmp_path)
    (row,) = db.coverage("BTC-USD", "level2").to_pylist()
    assert row["detail"] == GOING_ON
    assert to_ns(row["end_time"]) <= recorded.now_ns
    recorded.run(1)
    (later,) = db.coverage("BTC-USD", "level2").to_pylist()
    assert (later["start_time"], later["detail"]) == (row["start_time"], GOING_ON)
    assert later["end_time"] > row["end_time"]
    recorded.turn(seal=False)
    first, second = db.coverage("BTC-USD", "level2").to_pylist()
    assert (first["detail"], second["detail"]) == (None, GOING_ON)
    assert first["end_time"] == second["start_time"]
    recorded.stop()
    assert GOING_ON not in db.coverage("BTC-USD").column("detail").to_pylist()


def test_without_the_open_hour_nothing_goes_on(hours):
    """Sealed hours tell what is over."""
    rows = coverage_rows(Files(hours).now(live=False), "BTC-USD", "level2")
    assert GOING_ON not in rows.column("detail").to_pylist()
    ends = [to_ns(end) for end in rows.column("end_time").to_pylist()]
    assert max(ends) == HOUR_START_NS + 2 * HOUR_NS


@pytest.mark.parametrize("or_none", [True, False])
def test_channels_without_products_belong_to_every_product_if_asked(hours, or_none):
    """Heartbeats are of the connection."""
    rows = coverage_rows(Files(hours).now(), "BTC-USD", None, or_none=or_none)
    assert ("heartbeats" in rows.column("channel").to_pylist()) is or_none
    assert set(rows.column("product_id").to_pylist()) == {"BTC-USD", *([None] if or_none else [])}


def test_an_hour_that_told_too_much_is_corrected_by_a_later_one(tmp_path, without_sync):
    """Of a connection found dead after the turn of an hour, what was told is taken back."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.connect()
    recorded.run(1)
    recorded.turn()
    recorded.lose()
    recorded.lose()
    recorded.connect()
    recorded.run(1)
    db = recorder.open(tmp_path)
    for product in PRODUCTS:
        rows = db.coverage(product, "level2").to_pylist()
        gaps = [row for row in rows if row["state"] == "gap"]
        for gap in gaps:
            for row in rows:
                if row["state"] == "recorded":
                    before = row["end_time"] <= gap["start_time"]
                    assert before or row["start_time"] >= gap["end_time"], (gap, row)
    assert db.gaps("BTC-USD", "level2", HOUR_START_NS, HOUR_START_NS + SECOND_NS)
    recorded.recording.capture.close()
