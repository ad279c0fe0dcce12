"""A whole bundle: of a recorder that runs, of a directory alone, and of nothing at all."""

import asyncio
import json
import re
import tarfile
from pathlib import Path

import pytest

from recorder.bundle import Asked, course, make
from recorder.core.frames import HOUR_NS
from recorder.errors import NoInputError
from tests.http.served import served
from tests.recorders import all_recorded, live_rows, recorded_parts, wait_for

SAMPLE = Path("data/sample").absolute()
PARTS = {
    *("about.json", "config.json", "status.json", "metrics.txt", "log.ndjson", "disk.json"),
    *("sizes.json", "hours.json", "faults.json", "coverage.json", "whole.json"),
    "doctor.json",
}


def members(path: Path) -> dict[str, bytes]:
    """The members of a bundle by name."""
    with tarfile.open(path) as found:
        return {each.name.partition("/")[2]: found.extractfile(each).read() for each in found}


async def test_of_a_recorder_that_runs_it_has_everything(tmp_path):
    """State, metrics, hours, faults and gaps; and of the market nothing."""
    data, log = tmp_path / "data", tmp_path / "log"
    log.write_text('{"event":"recorder_started","level":"info","ts":"2026-11-21T19:00:00Z"}\n')
    async with served(data) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        there.venue.skip(3)
        await wait_for(lambda: live_rows(data, "faults"), "a fault")
        await wait_for(lambda: live_rows(data, "level2"), "books")
        await recorded_parts(data)
        made = await asyncio.to_thread(make, Asked(tmp_path, data, log=log, days=1, offline=True))
        told = {row[0] for row in live_rows(data, "level2", "price")}
    assert {each.name for each in made.parts if each.left_out is None} == PARTS
    assert Path(made.path).parent == tmp_path
    found = members(Path(made.path))
    assert set(found) == {*PARTS, "README.txt"}
    status = json.loads(found["status.json"])
    assert status["recording"]
    assert status["live"]["products"] == 2
    assert "data" not in status["live"]
    assert status["ready"]["status"] == 200
    metrics = found["metrics.txt"].decode()
    assert 'recorder_messages_received_total{channel="level2",product="BTC-USD"} ' in metrics
    assert 'recorder_fsync_seconds_bucket{le="+Inf"} ' in metrics
    assert "…" not in metrics
    *_, hour = json.loads(found["hours.json"])
    assert set(hour["products"]) == {"BTC-USD", "ETH-USD"}
    faults = json.loads(found["faults.json"])
    assert "sequence_gap" in {each["kind"] for each in faults}
    assert all("raw" not in each for each in faults)
    assert json.loads(found["coverage.json"])["gaps"] > 0
    assert "recorder_started" in found["log.ndjson"].decode()
    everything = b"".join(found.values()).decode()
    assert str(tmp_path) not in everything
    prices = [repr(price) for price in told if price > 10_000 and price % 1]
    assert prices
    numbers = set(re.findall(r"[0-9.]+", everything))  # a time may have a price's digits in it
    assert [price for price in prices if price in numbers] == []


def test_of_a_directory_alone_it_says_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no journalctl
    first_ns = 1_795_280_400 * 10**9  # the sample's
    monkeypatch.setattr("recorder.bundle.held.time.time_ns", lambda: first_ns + 24 * HOUR_NS)
    made = make(Asked(tmp_path / "made.tar.gz", SAMPLE, days=2, offline=True))
    left = {each.name for each in made.parts if each.left_out is not None}
    assert left == {"metrics.txt", "log.ndjson"}
    found = members(tmp_path / "made.tar.gz")
    assert json.loads(found["whole.json"])["there"]
    assert len(json.loads(found["hours.json"])) == 3
    assert "NOT THERE" in found["README.txt"].decode()
    checks = json.loads(found["doctor.json"])["findings"]
    assert {"check": "rights", "state": "ok"}.items() <= checks[8].items()
    assert json.loads(found["sizes.json"])["folders"]["level2"]["files"] > 3


def test_without_anything_there_is_still_a_bundle(tmp_path, monkeypatch):
    """A directory that is not there and a configuration that is wrong are what is reported."""
    monkeypatch.setenv("PATH", str(tmp_path))
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[feed]\nproducts = "x"\n')
    made = make(Asked(tmp_path / "made.tar.gz", tmp_path / "no", wrong, offline=True))
    found = members(Path(made.path))
    assert json.loads(found["config.json"]) == {
        "is_right": False, "mistakes": [{"line": 2, "key": "feed.products"}],
    }  # fmt: skip
    assert {"about.json", "disk.json", "status.json"} <= set(found)
    assert "hours.json" not in found
    assert str(tmp_path) not in b"".join(found.values()).decode()
    with pytest.raises(NoInputError):
        make(Asked(tmp_path / "other.tar.gz", config=tmp_path / "no.toml"))


def test_files_that_are_gone_are_told(tmp_path):
    """A look at lengths finds them, whichever way they went."""
    import shutil  # noqa: PLC0415

    data = tmp_path / "data"
    shutil.copytree(SAMPLE, data)
    files = sorted(data.glob("level2/*/*/*/*.parquet"))
    files[0].unlink()
    files[1].chmod(0o644)
    files[1].write_bytes(b"x")
    max(data.glob("commits/*.json")).write_text("{")
    look = course.held.Held(data, 7, course.Shown())
    found = look.whole()
    assert not found["there"]
    assert (found["files_gone"], found["files_of_other_length"]) == (1, 1)
    assert found["records_unreadable"] == 1


def test_a_part_that_holds_a_key_is_left_out(tmp_path, monkeypatch):
    """Though nothing lets it in: the last look is at what is written."""
    monkeypatch.setenv("COINBASE_API_KEY", "name")
    monkeypatch.setenv("COINBASE_API_SECRET", "a secret that got in")
    monkeypatch.setattr(course.machine, "about", lambda: {"x": "a secret that got in"})
    made = make(Asked(tmp_path / "made.tar.gz", SAMPLE, offline=True))
    (part,) = (each for each in made.parts if each.name == "about.json")
    assert "held a key" in (part.left_out or "")
    assert b"got in" not in b"".join(members(tmp_path / "made.tar.gz").values())
