"""What the command promises that tells what a range is like."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from recorder.cli import describe as describing
from recorder.dataset import Description
from tests.plots.made import is_picture
from tests.plots.test_describe import NOTHING, WHOLE


class Db:
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.found = Description((WHOLE, NOTHING))

    def describe(self, *asked: Any) -> Description:
        self.asked.append(asked)
        return self.found


@pytest.fixture
def db(stand_in: Callable[..., None]) -> Db:
    """Put a data set in the place of the real one."""
    made = Db()
    stand_in("dataset", open_dataset=lambda _root: made)
    return made


def test_all_of_it_as_tables(call: Callable[..., Any], db: Db) -> None:
    """Gaps first, then rows, rates, latencies, the spread and the trades."""
    found = call("describe", "BTC-USD", "ETH-USD", "--from", "2026-11-21", "--to", "1795300000")
    assert (found.code, found.err) == (0, "")
    start_ns = 1_795_219_200 * 10**9
    assert db.asked == [(["BTC-USD", "ETH-USD"], start_ns, 1_795_300_000 * 10**9)]
    lines = found.out.splitlines()
    assert lines[0] == "BTC-USD  2026-11-21 00:00:00.000 to 2026-11-21 00:00:50.000 UTC"
    assert lines[1].startswith("This range is not complete: 1 gap")
    assert "sequence_gap" in lines[2]
    rows = [line.split() for line in lines]
    assert ["level2", "10", "10", "4"] in rows
    for title in ("Rows a second", "Latency in milliseconds", "Spread, by its time", "Trades"):
        assert any(line.startswith(title) for line in lines)
    assert "increments of 0.01" in found.out
    assert "2 trades; volume 3 BTC; turnover 300 USD; vwap 100; takers bought 100.0%" in found.out
    assert found.out.endswith("No gaps.\nNothing is recorded in this range.\n")


@pytest.mark.usefixtures("db")
def test_the_json_is_the_dataclass(call: Callable[..., Any]) -> None:
    """Every field by its name."""
    document = json.loads(call("describe", "BTC-USD", "--json").out)
    btc, eth = document["products"]
    assert list(btc) == ["product_id", "start", "end", "gaps", "tables", "spread", "trades"]
    assert btc["gaps"][0]["reason"] == "sequence_gap"
    assert btc["tables"][0]["per_second"]["max"] == 3
    assert btc["tables"][0]["activity"] == [1.0, None, 3.0]
    assert btc["spread"]["increments"]["p50"] == 2
    assert eth["trades"] is None


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_it_is_drawn(call: Callable[..., Any], tmp_path: Any, kind: str) -> None:
    """Into the file that is named, beside the tables."""
    found = call("describe", "BTC-USD", f"--{kind}", tmp_path / "range")
    assert found.code == 0
    assert "Drawn" in found.err
    assert is_picture(tmp_path / "range", kind)


def test_without_matplotlib_nothing_is_read(
    call: Callable[..., Any], db: Db, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing is said before an hour's work."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = call("describe", "BTC-USD", "--svg", tmp_path / "range.svg")
    assert found.code == 64
    assert 'pip install "recorder[plots]"' in found.err
    assert db.asked == []


def test_many_gaps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first are named, the rest is counted."""
    lines = describing.gap_lines(WHOLE.gaps * 7)
    assert lines[0].startswith("This range is not complete: 7 gaps")
    assert len(lines) == 7
    assert lines[-1] == "  … and 2 more; `recorder coverage --gaps`"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (1234.5678, "1,234.57"),
        (12.345678, "12.35"),
        (1.2345678, "1.235"),
        (0.123456789, "0.12346"),
        (0.00012, "0.00012"),
        (0.00000123, "1.23e-06"),
        (-3.5, "-3.500"),
        (1e20, "1e+20"),
    ],
)
def test_amounts_for_reading(value: float, text: str) -> None:
    """As many digits as say something."""
    assert describing.number(value) == text
