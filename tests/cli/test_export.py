"""What `recorder export` promises on the command line."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recorder.errors import IncompleteData
from tests.sample import PLACE


@dataclass
class File:
    path: str = "a.csv.gz"
    bytes: int = 1500
    sha256: str = "ab"


@dataclass
class Product:
    product_id: str = "BTC-USD"
    start: str = "2026-11-21T19:00:00Z"
    end: str = "2026-11-21T20:00:00Z"
    book_rows: int = 12_345
    trades: int = 678
    gaps: list[str] = field(default_factory=list)
    checkpoints: int = 62
    same: bool = True
    first_difference: str | None = None
    files: list[File] = field(default_factory=lambda: [File()])


@dataclass
class Made:
    same: bool = True
    out: str = "out"
    products: list[Product] = field(default_factory=lambda: [Product()])


def test_what_is_handed_on_and_shown(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Times are nanoseconds; 0 where all is the same, 1 where not."""
    seen: list[Any] = []
    made = Made()

    def export(*given: Any, **named: Any) -> Made:
        seen.append((given, named))
        return made

    stand_in("export", export=export)
    said = call(
        *("export", "tardis", "--data", tmp_path, "--product", "BTC-USD", "--product", "ETH-USD"),
        *("--from", "1970-01-01T00:00:01", "--to", "2", "--out", "out", "--allow-gaps"),
        *("--price-increment", "0.1"),
    )
    assert (said.code, said.err) == (0, "")
    for words in (
        "BTC-USD",
        "2026-11-21 19:00:00",
        "12,345",
        "678",
        "1.5 kB",
        "62",
        "same",
        "1 file in out; export.json",
    ):
        assert words in said.out
    (given, named) = seen[0]
    assert given == (tmp_path, "tardis", ["BTC-USD", "ETH-USD"], Path("out"))
    assert named == {
        "start": 10**9,
        "end": 2 * 10**9,
        "allow_gaps": True,
        "price_increment": "0.1",
        "size_increment": None,
        "progress": None,
    }
    made.same, made.products = False, [Product(same=False, first_difference="the book at noon")]
    said = call("export", "nautilus", "--product", "BTC-USD", "--out", "out")
    assert said.code == 1
    assert "DIFFERENT" in said.out
    assert "BTC-USD is not what was recorded: the book at noon. Do not use it." in said.out
    said = call("export", "nautilus", "--product", "BTC-USD", "--out", "out", "--json")
    assert (said.code, json.loads(said.out)["same"]) == (1, False)


def test_gaps_are_told_in_the_words_of_a_command(
    call: Callable[..., Any], stand_in: Callable[..., None]
) -> None:
    """Not in those of Python."""

    def export(*_given: Any, **_named: Any) -> Made:
        raise IncompleteData("Give a range (`gaps()` lists them), or `allow_gaps=True` to take it.")

    stand_in("export", export=export)
    said = call("export", "tardis", "--product", "BTC-USD", "--out", "out")
    assert said.code == 65
    assert "(`recorder coverage` lists them), or --allow-gaps to take it." in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["csv", "--product", "BTC-USD", "--out", "x"], "The formats are tardis"),
        (["tardis", "--out", "x"], "--product"),
        (["tardis", "--product", "BTC-USD"], "--out"),
        (["--product", "BTC-USD", "--out", "x"], "tardis|hftbacktest|nautilus"),
        (["tardis", "--product", "BTC-USD", "--out", "x", "--from", "soon"], "not a time"),
        (
            ["tardis", "--product", "BTC-USD", "--out", "/", "--allow-gaps"],
            "not an empty directory",
        ),
    ],
)
def test_a_wrong_call(arguments: list[str], words: str, call: Callable[..., Any]) -> None:
    """Refused before anything is written."""
    said = call("export", *arguments, "--data", PLACE)
    assert (said.code, said.out) == (64, "")
    assert words in said.err


def test_the_sample(call: Callable[..., Any], tmp_path: Path) -> None:
    """As in the README: at once."""
    way = ("export", "hftbacktest", "--data", PLACE, "--product", "SOL-USD", "--out")
    said = call(*way, tmp_path / "out")
    assert said.code == 65
    assert "connection_closed" in said.err
    assert "--allow-gaps" in said.err
    said = call(*way, tmp_path / "out", "--allow-gaps", "--json")
    assert said.code == 0
    (product,) = json.loads(said.out)["products"]
    assert product["same"]
    assert (tmp_path / "out" / "SOL-USD_20261121.npz").exists()
