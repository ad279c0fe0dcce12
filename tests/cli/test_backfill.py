"""What backfill promises: what is missing, what came of it, and an exit code that says so."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recorder.config import Config
from recorder.errors import LockedError
from recorder.filling import FillReport, ProductFilled
from recorder.missing import MissingTrades

START, END = datetime(2026, 11, 21, 19, tzinfo=UTC), datetime(2026, 11, 21, 19, 2, tzinfo=UTC)


def hole(first: int, last: int, product_id: str = "BTC-USD") -> MissingTrades:
    return MissingTrades(product_id, first, last, last - first + 1, START, END)


def report(filled: int = 0, **changed: Any) -> FillReport:
    """150 trades are missing, of two products."""
    products = [
        ProductFilled("BTC-USD", [hole(1001, 1100), hole(1201, 1250)], filled),
        ProductFilled("ETH-USD", []),
    ]
    return FillReport(products, 150, filled, **changed)


class Asked:
    """Stands in for the filling, and remembers what it was asked."""

    def __init__(self, *reports: FillReport) -> None:
        self.reports = list(reports)
        self.calls: list[tuple[str, Config, Any]] = []

    def look(self, config: Config, *rest: Any) -> FillReport:
        self.calls.append(("look", config, rest))
        return self.reports.pop(0)

    def fill(self, config: Config, *rest: Any) -> FillReport:
        self.calls.append(("fill", config, rest))
        return self.reports.pop(0)


@pytest.fixture
def asked(stand_in: Callable[..., None]) -> Asked:
    found = Asked()
    stand_in("filling", look=found.look, fill=found.fill)
    return found


def test_what_is_missing_is_shown(call: Callable[..., Any], asked: Asked) -> None:
    """A hole a line; nothing is fetched, and the exit code says that something is missing."""
    asked.reports = [report(dry_run=True)]
    found = call("backfill", "--dry-run", "--data", "here")
    assert (found.code, found.err) == (1, "")
    rows = [row.split() for row in found.out.splitlines() if row.startswith("BTC-USD")]
    assert rows[0][:4] == ["BTC-USD", "1001", "1100", "100"]
    assert rows[0][4:] == ["2026-11-21", "19:00:00.000", "2026-11-21", "19:02:00.000"]
    assert "150 trades are missing. Nothing was asked for." in found.out
    ((name, config, rest),) = asked.calls
    assert (name, config.data, rest) == ("look", Path("here"), (None, None, None))


def test_what_cannot_be_counted_yet_is_told(call: Callable[..., Any], asked: Asked) -> None:
    """A recorder that was killed has rows in its capture alone."""
    asked.reports = [FillReport(dry_run=True, unfinished=True)] * 2
    assert "is not counted yet" in " ".join(call("backfill", "--dry-run").out.split())
    assert json.loads(call("backfill", "--dry-run", "--json").out)["unfinished"] is True


def test_what_came_of_it(call: Callable[..., Any], asked: Asked) -> None:
    """Whole is 0, and what the venue lacks or refuses is 1."""
    asked.reports = [report(150, sealed=["2026112119"])]
    found = call("backfill")
    assert (found.code, found.err) == (0, "")
    assert "BTC-USD: 150 of 150 trades filled." in found.out
    assert found.out.endswith("Sealed: 2026-11-21 19h.\nNo trades are missing now.\n")
    left = report(97)
    left.products[0].lacking = [(1001, 1001)] + [(1003 + 2 * at, 1003 + 2 * at) for at in range(7)]
    left.products[0].refused = "NotFound"
    asked.reports = [left]
    found = call("backfill")
    assert found.code == 1
    assert "The venue does not have 1001 … 1001, 1003 … 1003" in found.out
    assert "and 3 more ranges." in found.out
    assert "The venue refused: NotFound" in found.out
    assert "53 trades are still missing." in found.out


def test_nothing_is_missing(call: Callable[..., Any], asked: Asked) -> None:
    asked.reports = [FillReport([ProductFilled("BTC-USD", [])]), FillReport()]
    assert call("backfill") == (0, "No trades are missing.\n", "")
    assert call("backfill") == (0, "No trades are recorded.\n", "")


def test_many_holes_are_not_all_shown(call: Callable[..., Any], asked: Asked) -> None:
    holes = [hole(10 * at, 10 * at + 1) for at in range(100)]
    asked.reports = [FillReport([ProductFilled("BTC-USD", holes)], 200, dry_run=True)] * 2
    found = call("backfill", "--dry-run")
    assert "and 60 more; --json has all." in found.out
    document = json.loads(call("backfill", "--dry-run", "--json").out)
    assert len(document["products"][0]["missing"]) == 100


def test_one_json_document(call: Callable[..., Any], asked: Asked) -> None:
    asked.reports = [report(150, sealed=["2026112119"])]
    document = json.loads(call("backfill", "--json").out)
    assert (document["whole"], document["missing"], document["filled"]) == (True, 150, 150)
    assert (document["error"], document["dry_run"]) == (None, False)
    assert document["products"][0]["missing"][0] == {
        "product_id": "BTC-USD",
        "first": 1001,
        "last": 1100,
        "count": 100,
        "start": "2026-11-21T19:00:00Z",
        "end": "2026-11-21T19:02:00Z",
    }


def test_a_venue_that_stopped_to_answer(call: Callable[..., Any], asked: Asked) -> None:
    """What came is shown, and that the same command goes on."""
    asked.reports = [report(100, error="it is away")]
    found = call("backfill")
    assert found.code == 69
    assert "BTC-USD: 100 of 150 trades filled." in found.out
    assert "it is away. 100 of 150 trades came before that and are stored" in found.err


def test_options_reach_the_filling(call: Callable[..., Any], asked: Asked, tmp_path: Path) -> None:
    """Products, times, and what replaces the configuration."""
    file = tmp_path / "recorder.toml"
    file.write_text('data = "there"\n[feed]\ntrades_url = "http://127.0.0.1:9"\n')
    asked.reports = [report(150)] * 2
    times = ("--from", "2026-11-21T19:00", "--to", "1795287720")
    call("backfill", "--config", file, "--product", "BTC-USD", "--product", "ETH-USD", *times)
    call("backfill", "--config", file, "--data", "here", "--url", "http://localhost:8")
    (_, first, rest), (_, second, _) = asked.calls
    assert (first.data, first.feed.trades_url) == (Path("there"), "http://127.0.0.1:9")
    assert rest[:3] == (["BTC-USD", "ETH-USD"], 1795287600 * 10**9, 1795287720 * 10**9)
    assert (second.data, second.feed.trades_url) == (Path("here"), "http://localhost:8")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--from", "yesterday"), 64),
        (("--url", "http://example.com"), 64),
        (("--config", "/nowhere/x.toml"), 66),
    ],
)
def test_what_cannot_be_meant(
    arguments: tuple[str, ...], code: int, call: Callable[..., Any], asked: Asked
) -> None:
    assert call("backfill", *arguments).code == code
    assert asked.calls == []


def test_a_directory_that_is_recorded_into(
    call: Callable[..., Any], stand_in: Callable[..., None]
) -> None:
    """75, with what to do."""

    def fill(*_rest: Any) -> FillReport:
        raise LockedError("process 7 writes to it")

    stand_in("filling", fill=fill)
    found = call("backfill")
    assert (found.code, found.err) == (75, "recorder: process 7 writes to it\n")
