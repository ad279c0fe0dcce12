"""What the command promises that tells what was recorded and what was not."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recorder.cli import coverage as covering
from recorder.dataset import CoverageMap
from tests.dataset.told import Told, recorded
from tests.plots.made import coverage as made_map
from tests.plots.made import is_picture

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Rows:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def to_pylist(self) -> list[dict[str, Any]]:
        return self.rows


@dataclass
class Db:
    rows: list[dict[str, Any]] = field(default_factory=list)
    map: CoverageMap = field(default_factory=made_map)
    asked: list[Any] = field(default_factory=list)

    def coverage(self, start: int | None, end: int | None) -> Rows:
        self.asked.append((start, end))
        return Rows(self.rows)

    def coverage_map(self, *asked: Any) -> CoverageMap:
        self.asked.append(asked)
        return self.map


@pytest.fixture
def db(stand_in: Callable[..., None]) -> Db:
    """Put a data set in the place of the real one."""
    made = Db()
    stand_in("dataset", open_dataset=lambda _root: made)
    return made


def _row(start_s: int, end_s: int | None, state: str = "recorded", **more: Any) -> dict[str, Any]:
    return {
        "channel": "level2",
        "product_id": "BTC-USD",
        "start_time": NOON + timedelta(seconds=start_s),
        "end_time": None if end_s is None else NOON + timedelta(seconds=end_s),
        "state": state,
        "reason": None,
        "sequence_before": None,
        "sequence_after": None,
        "messages_missing": None,
        "connection_id": "c1",
        "detail": None,
    } | more


def test_the_map_is_what_is_shown(call: Callable[..., Any], db: Db) -> None:
    """A line for each product and day, with its condition; what is asked is handed on."""
    found = call(
        *("coverage", "--product", "A-USD", "--product", "B-USD", "--channel", "trades"),
        *("--from", "2026-11-21", "--to", "2026-11-24T06:00Z"),
    )
    assert (found.code, found.err) == (0, "")
    assert "degraded" in found.out
    assert "hours in UTC" in found.out
    start_ns = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * 10**9
    assert db.asked == [(["A-USD", "B-USD"], "trades", start_ns, start_ns + 78 * 3600 * 10**9)]
    call("coverage")
    assert db.asked[1] == (None, None, None, None)


def test_the_json_of_the_map(call: Callable[..., Any], db: Db) -> None:
    """Its shape is promised: docs/reading.md has it."""
    document = json.loads(call("coverage", "--json").out)
    assert list(document) == ["start", "end", "products"]
    assert (document["start"], document["end"]) == ("2026-11-21T00:00:00Z", "2026-11-24T00:00:00Z")
    product, _, beats = document["products"]
    assert list(product) == ["product_id", "hours", "days"]
    seconds = {"recorded_s": 3590, "unverified_s": 0, "gap_s": 10, "missing_s": 0, "ahead_s": 0}
    share = seconds | {"gaps": 1}
    assert product["hours"][2] == {
        "start": "2026-11-21T02:00:00Z",
        "state": "gap",
        **share,
        "channels": {"level2": share},
    }
    assert list(product["days"][1]) == [
        *("product_id", "day", "condition", *share, "reasons", "channels"),
    ]
    assert (product["days"][1]["day"], product["days"][1]["condition"]) == (
        "2026-11-22",
        "degraded",
    )
    assert (beats["product_id"], beats["days"]) == (None, [])
    db.map = CoverageMap(None, None, ())
    assert json.loads(call("coverage", "--json").out) == {
        "start": None,
        "end": None,
        "products": [],
    }


@pytest.mark.usefixtures("db")
def test_days_have_conditions(call: Callable[..., Any]) -> None:
    """As a table with a count of each, or as JSON."""
    found = call("coverage", "--days")
    rows = [line.split() for line in found.out.splitlines()]
    assert ["P0-USD", "2026-11-22", "degraded", "83.333", "%", "1"] in rows
    assert found.out.endswith("2 available, 2 degraded, 2 missing.\n")
    days = json.loads(call("coverage", "--days", "--json").out)
    assert [(day["product_id"], day["condition"]) for day in days[:3]] == [
        ("P0-USD", "available"),
        ("P0-USD", "degraded"),
        ("P0-USD", "missing"),
    ]


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.usefixtures("db")
def test_it_is_drawn(call: Callable[..., Any], tmp_path: Any, kind: str) -> None:
    """Into the file that is named; nothing else is printed."""
    found = call("coverage", f"--{kind}", tmp_path / "map")
    assert (found.code, found.out) == (0, "")
    assert "Drawn" in found.err
    assert is_picture(tmp_path / "map", kind)


@pytest.mark.usefixtures("db")
def test_without_matplotlib_it_says_what_to_install(
    call: Callable[..., Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is that of a wrong call."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = call("coverage", "--png", tmp_path / "map.png")
    assert found.code == 64
    assert 'pip install "recorder[plots]"' in found.err


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("options", [("--days", "--gaps"), ("--intervals", "--png", "x.png")])
def test_one_thing_at_a_time(call: Callable[..., Any], options: tuple[str, ...]) -> None:
    """Lists and pictures are not mixed."""
    found = call("coverage", *options)
    assert found.code == 64
    assert "one thing at a time" in found.err


def test_a_day_of_a_real_directory(call: Callable[..., Any], tmp_path: Any) -> None:
    """From the files to the terminal: whole hours, a hurt one, and what nobody recorded."""
    told = Told(tmp_path / "data")

    def tell(hour: int, product: str, channel: str) -> list[Any]:
        if hour == 5 and channel == "level2":
            return [(0, 1800, "recorded", None), (1800, 3600, "gap", "connection_closed")]
        return recorded(hour, product, channel)

    told.seal(range(20), tell)
    found = call("coverage", "--data", told.path, "--from", "2026-11-10", "--to", "2026-11-11")
    line = next(each for each in found.out.splitlines() if each.startswith("BTC-USD"))
    assert "█" * 10 + "50" + "█" * 28 + "·" * 8 in line
    assert "degraded" in line
    found = call("coverage", "--data", told.path, "--days", "--json", "--to", "2026-11-11")
    (day,) = json.loads(found.out)
    assert (day["condition"], day["missing_s"], day["gap_s"]) == ("degraded", 14_400, 1800)
    assert day["reasons"] == {"not_recorded": 14_400, "connection_closed": 1800}
    rows = json.loads(
        call(
            *("coverage", "--data", told.path, "--intervals", "--json", "--channel", "trades"),
            *("--from", "2026-11-10T03:00", "--to", "2026-11-10T05:00"),
        ).out
    )
    assert [row["channel"] for row in rows] == ["market_trades"] * 2


def test_coverage_shows_gaps_and_shares(call: Callable[..., Any], db: Db) -> None:
    """Every row, and the recorded part of the time of each channel and product."""
    db.rows = [_row(0, 30), _row(30, 40, "gap", reason="closed", messages_missing=7), _row(40, 100)]
    found = call("coverage", "--intervals")
    assert (found.code, found.err) == (0, "")
    assert "closed" in found.out
    assert "90.000 %" in found.out
    (gap,) = json.loads(call("coverage", "--gaps", "--json").out)
    assert gap["messages_missing"] == 7
    assert gap["start_time"] == "2026-11-21T12:00:30Z"


def test_coverage_can_be_narrowed(call: Callable[..., Any], db: Db) -> None:
    """By product and by channel; rows of no product concern every product."""
    db.rows = [
        _row(0, 1),
        _row(0, 1, product_id="ETH-USD"),
        _row(0, 1, channel="status", product_id=None),
    ]
    found = json.loads(call("coverage", "--product", "BTC-USD", "--intervals", "--json").out)
    assert [row["product_id"] for row in found] == ["BTC-USD", None]
    found = json.loads(call("coverage", "--channel", "status", "--intervals", "--json").out)
    assert [row["channel"] for row in found] == ["status"]


def test_coverage_without_gaps_says_so(call: Callable[..., Any], db: Db) -> None:
    """Nothing missing is good news, nothing recorded is not."""
    assert "Nothing was recorded" in call("coverage", "--intervals").out
    db.rows = [_row(0, 10)]
    found = call("coverage", "--gaps")
    assert "No gaps." in found.out
    assert "100 %" in found.out


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([_row(0, 10)], 1.0),
        ([_row(0, 10), _row(5, 20)], 1.0),
        ([_row(0, 10), _row(2, 3), _row(10, 20, "gap")], 0.5),
        ([_row(0, 5, "gap"), _row(5, 10), _row(9, 20)], 0.75),
        ([_row(0, None)], 1.0),
        ([_row(0, 5), _row(5, None, "gap"), _row(5, 10, "gap")], 0.5),
        ([_row(0, 0, "gap")], 0.0),
    ],
)
def test_the_recorded_share_counts_time_once(rows: list[dict[str, Any]], share: float) -> None:
    """Two connections at once are no more than one; an open end lasts to the latest time."""
    assert covering.recorded_shares(rows) == {("level2", "BTC-USD"): pytest.approx(share)}
