"""What `recorder replay` promises on the command line."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Table:
    hour: str = "2026112119"
    table: str = "level2"
    rows: int = 1234
    rows_made: int = 1234
    digest: str = "aa"
    digest_made: str = "aa"
    same: bool = True


@dataclass
class Found:
    path: str = "data"
    same: bool = True
    tables: list[Table] = field(default_factory=lambda: [Table()])
    without_capture: list[str] = field(default_factory=list)


@dataclass
class Made:
    source: str = "data"
    target: str = "again"
    hours: list[str] = field(default_factory=lambda: ["2026112119"])
    files: int = 4
    rows: int = 12_345


def test_check(call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path) -> None:
    """A table of digests; 0 where all are the same, 1 where not."""
    found = Found(without_capture=["2026112118"])
    stand_in("rebuild", compare=lambda path, progress: found)
    said = call("replay", "--data", tmp_path, "--check")
    assert (said.code, said.err) == (0, "")
    for words in ("2026-11-21 19h", "1,234", "aa", "All are the same.", "gone: 2026-11-21 18h"):
        assert words in said.out
    found.same, found.tables = False, [Table(rows_made=7, digest_made="bb", same=False)]
    said = call("replay", "--check", "--data", tmp_path)
    assert said.code == 1
    assert "DIFFERENT" in said.out
    said = call("replay", "--check", "--data", tmp_path, "--json")
    assert said.code == 1
    assert json.loads(said.out)["tables"][0]["digest_made"] == "bb"


def test_rebuilt(call: Callable[..., Any], stand_in: Callable[..., None]) -> None:
    """Where, and how much."""
    seen: list[Any] = []

    def rebuild_into(*given: Any) -> Made:
        seen.append(given)
        return Made()

    stand_in("rebuild", rebuild_into=rebuild_into)
    said = call("replay", "--to", "again")
    assert (said.code, said.out) == (0, "Made again: 1 hour, 4 files, 12,345 rows, in again.\n")
    assert seen == [(Path("data"), Path("again"), None)]
    assert json.loads(call("replay", "--to", "again", "--json").out)["files"] == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--check and --serve"),
        (["--to", "x", "--check"], "--check and --serve"),
        (["--check", "--serve", "0"], "--check and --serve"),
        (["--check", "--speed", "max"], "go with --serve"),
        (["--to", "x", "--from", "2026-11-21"], "go with --serve"),
        (["--serve", "nowhere"], "not an address"),
        (["--serve", "0", "--speed", "0"], "not a speed"),
        (["--serve", "0", "--to", "somewhere"], "not a time"),
        (["--serve", "0", "--clients", "0"], "--clients"),
    ],
)
def test_a_wrong_call(arguments: list[str], words: str, call: Callable[..., Any]) -> None:
    """Refused before anything is read."""
    said = call("replay", *arguments)
    assert (said.code, said.out) == (64, "")
    assert words in said.err


def test_nothing_is_there(call: Callable[..., Any], tmp_path: Path) -> None:
    """Each way says so."""
    for way in (["--check"], ["--to", tmp_path / "new"], ["--serve", "0"]):
        said = call("replay", "--data", tmp_path / "nowhere", *way)
        assert said.code == 66
        assert "nowhere" in said.err
    (tmp_path / "empty").mkdir()
    for way in (["--check"], ["--serve", "0"]):
        assert call("replay", "--data", tmp_path / "empty", *way).code == 66


def test_ranges_and_products_that_are_not_there(call: Callable[..., Any], served: Path) -> None:
    """A range that is empty or elsewhere, a product nobody recorded."""
    way = ("replay", "--data", served, "--serve", "0")
    said = call(*way, "--from", "2026-11-10T20", "--to", "2026-11-10T19")
    assert (said.code, "empty" in said.err) == (64, True)
    said = call(*way, "--from", "2031-01-01")
    assert (said.code, "in that range" in said.err) == (66, True)
    said = call(*way, "--product", "DOGE-USD")
    assert (said.code, "Recorded: BTC-USD" in said.err) == (64, True)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A directory with a frame or two in it."""
    from tests.dataset.scripted import Scripted  # noqa: PLC0415

    made = Scripted(tmp_path)
    made.connect(1, "c0")
    made.book(2, "snapshot", [("bid", "1", "1"), ("offer", "2", "1")])
    made.recording.flush()
    made.recording.capture.close()
    return tmp_path
