"""Trade ids that no file has a row for, whatever file the others are in."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.core.frames import FIRST_OFFSET, hour_base
from recorder.core.messages import Trade
from recorder.core.rows import Origin, trades_rows
from recorder.core.tables import TRADES
from recorder.errors import DataError
from recorder.missing import MissingTrades, missing_trades
from recorder.store.parts import to_arrow, write_cut, write_part
from recorder.store.paths import Root
from recorder.store.seal import seal_hour

HOUR = 498_427  # 2026-11-10T19 UTC
SECOND_US = 1_000_000


def put(
    root: Root, product_id: str, ids: list[int], hour: int = HOUR, place: int = 0, **changed: bool
) -> None:
    """A live part with these trades; the trade with the id n was made n seconds after 1970."""
    first = FIRST_OFFSET + place * 10_000
    trades = [
        Trade(
            product_id, each, "BUY", "SELL", 1.0, 2.0,
            None if changed.get("timeless") else each * SECOND_US, None, None,
        )
        for each in ids
    ]  # fmt: skip
    origin = Origin(hour * 3600 * 10**9, "ws1", None, None)
    seq = hour_base(hour) + first
    rows = to_arrow(TRADES, [trades_rows(product_id, "update", trades, origin, seq)])
    write_part(root, TRADES, rows, hour, first, first + 10_000)
    write_cut(root, hour, first, first + 10_000, {"trades": len(ids)}, b"{}", 0)


def spans(found: list[MissingTrades]) -> list[tuple[int, int]]:
    return [(hole.first, hole.last) for hole in found]


def test_what_is_in_no_file_is_missing(tmp_path: Path) -> None:
    """Of each product; with the times of the trades around it."""
    root = Root(tmp_path)
    put(root, "BTC-USD", [5, 3, 4, 9])
    put(root, "ETH-USD", [100], place=1)
    put(root, "BTC-USD", [20, 21], HOUR + 1)
    found = missing_trades(root)
    assert spans(found["BTC-USD"]) == [(6, 8), (10, 19)]
    assert found["ETH-USD"] == []
    hole = found["BTC-USD"][0]
    assert (hole.count, hole.start.timestamp(), hole.end.timestamp()) == (3, 5.0, 9.0)
    assert missing_trades(root, ["ETH-USD", "SOL-USD"]) == {"ETH-USD": []}


def test_sealed_files_and_parts_are_one(tmp_path: Path) -> None:
    """What was fetched lies in a later hour, and an hour may be there twice."""
    root = Root(tmp_path)
    put(root, "BTC-USD", [1, 2, 9, 10])
    seal_hour(root, HOUR)
    put(root, "BTC-USD", [5, 6, 7], HOUR + 30)
    assert spans(missing_trades(root)["BTC-USD"]) == [(3, 4), (8, 8)]
    for part in root.parts("trades", HOUR):
        part.path.unlink()
    assert spans(missing_trades(root, ["BTC-USD"])["BTC-USD"]) == [(3, 4), (8, 8)]


def test_a_trade_without_a_time_counts_at_its_receipt(tmp_path: Path) -> None:
    root = Root(tmp_path)
    put(root, "BTC-USD", [1, 4], timeless=True)
    (hole,) = missing_trades(root)["BTC-USD"]
    assert hole.start.timestamp() == HOUR * 3600


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (None, None, [(6, 8), (10, 19)]),
        (9, None, [(10, 19)]),
        (8.9, None, [(6, 8), (10, 19)]),
        (None, 5, []),
        (None, 5.1, [(6, 8)]),
        (12, 13, [(10, 19)]),
        (20, None, []),
    ],
)
def test_between_two_times(
    tmp_path: Path, start_s: float | None, end_s: float | None, expected: list[tuple[int, int]]
) -> None:
    """A hole counts if any of the time between the trades around it does."""
    root = Root(tmp_path)
    put(root, "BTC-USD", [3, 4, 5, 9, 20, 21])
    bounds = [None if at is None else int(at * 10**9) for at in (start_s, end_s)]
    assert spans(missing_trades(root, None, *bounds)["BTC-USD"]) == expected


def test_a_file_that_is_not_whole_is_named(tmp_path: Path) -> None:
    root = Root(tmp_path)
    put(root, "BTC-USD", [1])
    (part,) = root.parts("trades")
    part.path.chmod(0o644)
    part.path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"cannot be read .* `recorder verify`"):
        missing_trades(root)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sets(st.integers(1, 60)), min_size=1, max_size=5))
def test_any_files_give_what_none_of_them_has(
    tmp_path_factory: pytest.TempPathFactory, files: list[set[int]]
) -> None:
    """However the ids are spread."""
    root = Root(tmp_path_factory.mktemp("root"))
    for place, ids in enumerate(files):
        if ids:
            put(root, "BTC-USD", list(ids), HOUR + place % 2, place)
    there = sorted(set().union(*files))
    expected = [(one + 1, other - 1) for one, other in pairwise(there) if other > one + 1]
    assert spans(missing_trades(root).get("BTC-USD", [])) == expected
