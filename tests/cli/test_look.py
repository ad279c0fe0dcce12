"""What book and products promise."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

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


@dataclass
class Db:
    view: View = field(default_factory=View)
    asked: list[Any] = field(default_factory=list)

    def book(self, product: str, at: int | None, depth: int | None) -> View:
        self.asked.append((product, at, depth))
        return self.view

    def products(self) -> list[Product]:
        return [Product("BTC-USD", NOON, NOON, {"level2": 1234, "trades": 5}, 2, 12_345_678)]


@pytest.fixture
def db(stand_in: Callable[..., None]) -> Db:
    """Put a data set in the place of the real one."""
    made = Db()
    stand_in("dataset", open_dataset=lambda _root: made)
    return made


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
