"""What `recorder.http.hourly` promises: the map of coverage, the worst first."""

import json

import pytest

from recorder import dataset
from recorder.core.frames import HOUR_NS
from recorder.http.hourly import AskedHours, read_hours
from tests.damages import record_hours
from tests.frames_made import HOUR_START_NS
from tests.http.served import served
from tests.recorders import all_recorded, wait_for


def test_it_says_what_the_map_says(tmp_path):
    """Hour by hour, of each product."""
    path = record_hours(tmp_path / "data").path
    start_ns = HOUR_START_NS + HOUR_NS
    found = json.loads(read_hours(path, AskedHours(None, None, start_ns, start_ns + 2 * HOUR_NS)))
    there = dataset.open_dataset(path).coverage_map(None, None, start_ns, start_ns + 2 * HOUR_NS)
    assert len(found["hours"]) == 2
    assert {each["product_id"] for each in found["products"]} == {"BTC-USD", "ETH-USD", None}
    (other,) = [each for each in found["products"] if each["product_id"] is None]
    assert other["channel"] == "heartbeats"
    for product in there.products:
        (mine,) = [each for each in found["products"] if each["product_id"] == product.product_id]
        assert mine["states"] == [hour.state for hour in product.hours]
        assert mine["gaps"] == [hour.share.gaps for hour in product.hours]
        for name, parts in (("lost_s", ["gap_s"]), ("missing_s", ["missing_s"]),
                            ("recorded_s", ["recorded_s", "unverified_s"])):  # fmt: skip
            there_s = [sum(getattr(hour.share, part) for part in parts) for hour in product.hours]
            assert mine[name] == pytest.approx(there_s, abs=1e-3)
    lost = [sum(each["lost_s"]) for each in found["products"]]
    assert lost == sorted(lost, reverse=True)


def test_of_nothing_it_is_empty(tmp_path):
    found = json.loads(read_hours(tmp_path, AskedHours(None, None, 0, HOUR_NS)))
    assert (found["products"], found["hours"]) == ([], [])
    asked = AskedHours("NONE-USD", None, 0, HOUR_NS)
    assert json.loads(read_hours(tmp_path, asked))["products"] == []


async def test_it_is_served_for_the_last_day(tmp_path):
    """24 hours, the present one among them."""
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        await wait_for((tmp_path / "live" / "open.json").exists, "rows")
        found = await there.get("/v1/coverage/hours")
        assert (found.status, len(found.json["hours"])) == (200, 24)
        now = {each["product_id"]: each["recorded_s"][-1] for each in found.json["products"]}
        assert now["BTC-USD"] > 0
