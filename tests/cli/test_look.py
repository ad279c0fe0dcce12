"""What book, coverage and products promise."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recorder.cli import look

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class View:
    product_id: str = "BTC-USD"
    valid: bool = True
    as_of: datetime = NOON
    reason: str | None = None
    bids: list[tuple[str, str]] = field(default_factory=lambda: [("99.5", "2"), ("99", "0.5")])
    asks: list[tuple[str, str]] = field(default_factory=lambda: [("100", "1"), ("101.25", "3")])


@dataclass
class Product:
    product_id: str
    first: datetime
    last: datetime
    rows: dict[str, int]
    hours: int
    bytes: int


class Rows:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def to_pylist(self) -> list[dict[str, Any]]:
        return self.rows


@dataclass
class Db:
    view: View = field(default_factory=View)
    rows: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    def book(self, product: str, at: int | None, depth: int | None) -> View:
        self.asked.append((product, at, depth))
        return self.view

    def coverage(self) -> Rows:
        return Rows(self.rows)

    def products(self) -> list[Product]:
        return [Product("BTC-USD", NOON, NOON, {"level2": 1234, "trades": 5}, 2, 12_345_678)]


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


def test_book_json_has_exactly_what_is_promised(call: Callable[..., Any], db: Db) -> None:
    """Prices and sizes are texts, best first; there is no reason while it is valid."""
    found = call("book", "BTC-USD", "--json", "--depth", "all", "--at", "2026-11-21T12:00Z")
    assert (found.code, found.err) == (0, "")
    assert json.loads(found.out) == {
        "product_id": "BTC-USD",
        "valid": True,
        "as_of": "2026-11-21T12:00:00Z",
        "bids": [["99.5", "2"], ["99", "0.5"]],
        "asks": [["100", "1"], ["101.25", "3"]],
    }
    assert db.asked == [("BTC-USD", int(NOON.timestamp()) * 10**9, None)]


def test_book_json_of_a_book_that_is_not_valid_has_the_reason(
    call: Callable[..., Any], db: Db
) -> None:
    """A program can see that it must not trust it, and why."""
    db.view = View(valid=False, reason="gap", bids=[], asks=[])
    document = json.loads(call("book", "BTC-USD", "--json").out)
    assert (document["valid"], document["reason"]) == (False, "gap")
    assert db.asked == [("BTC-USD", None, 10)]


def test_book_shows_a_ladder(call: Callable[..., Any], db: Db) -> None:
    """Asks above, best at the spread; bids below; sizes summed from the best."""
    found = call("book", "BTC-USD", "--depth", "2")
    rows = [row.split() for row in found.out.splitlines()]
    ladder = [row[:4] for row in rows if row and row[0] in {"ask", "bid"}]
    assert ladder == [
        ["ask", "101.25", "3", "4"],
        ["ask", "100", "1", "1"],
        ["bid", "99.5", "2", "2"],
        ["bid", "99", "0.5", "2.5"],
    ]
    assert "spread 0.5" in found.out
    assert "2026-11-21 12:00:00.000 UTC" in found.out
    assert db.asked == [("BTC-USD", None, 2)]


def test_book_that_cannot_be_trusted_says_so(call: Callable[..., Any], db: Db) -> None:
    """The reason is shown, and cannot steer the terminal or colour it."""
    db.view = View(valid=False, reason="[red]\x1b[2J", bids=[], asks=[])
    found = call("book", "BTC-USD")
    assert "cannot be trusted: [red]\\x1b[2J" in found.out
    assert "empty" in found.out


def test_coverage_shows_gaps_and_shares(call: Callable[..., Any], db: Db) -> None:
    """Every row, and the recorded part of the time of each channel and product."""
    db.rows = [_row(0, 30), _row(30, 40, "gap", reason="closed", messages_missing=7), _row(40, 100)]
    found = call("coverage")
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
    found = json.loads(call("coverage", "--product", "BTC-USD", "--json").out)
    assert [row["product_id"] for row in found] == ["BTC-USD", None]
    found = json.loads(call("coverage", "--channel", "status", "--json").out)
    assert [row["channel"] for row in found] == ["status"]


def test_coverage_without_gaps_says_so(call: Callable[..., Any], db: Db) -> None:
    """Nothing missing is good news, nothing recorded is not."""
    assert "Nothing was recorded" in call("coverage").out
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
    assert look.recorded_shares(rows) == {("level2", "BTC-USD"): pytest.approx(share)}


@pytest.mark.usefixtures("db")
def test_products(call: Callable[..., Any]) -> None:
    """What is there, as a table or as JSON."""
    found = call("products", "--data", Path("x"))
    assert "BTC-USD" in found.out
    assert "1,234" in found.out
    assert "12.3 MB" in found.out
    (document,) = json.loads(call("products", "--json").out)
    assert document["rows"] == {"level2": 1234, "trades": 5}
    assert document["first"] == "2026-11-21T12:00:00Z"
