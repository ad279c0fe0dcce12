"""An export is what was recorded, and says so; or it is not there."""

import csv
import gzip
import hashlib
import json
import subprocess
import sys
from decimal import Decimal

import pytest

import recorder
from recorder.errors import IncompleteData, LockedError, NoInputError, UsageError
from recorder.export import FORMATS, NAME, course, export, tardis
from recorder.export.writing import Writer
from tests.dataset.made import SECOND_NS
from tests.dataset.scripted import at
from tests.export.conftest import MIDNIGHT_NS

EVERY = pytest.mark.parametrize("kind", FORMATS)
PRODUCT = "BTC-USD"


@EVERY
def test_all_of_a_recording(kind, days, tmp_path):
    """Two products over midnight, with gaps and two connections: read back, it is the same."""
    out = tmp_path / "out"
    made = export(days, kind, [PRODUCT, "ETH-USD"], out, allow_gaps=True)
    assert made.same
    assert [each.product_id for each in made.products] == [PRODUCT, "ETH-USD"]
    for each in made.products:
        assert each.same
        assert each.first_difference is None
        assert each.checkpoints >= 6
        assert each.snapshots >= 3
        assert each.losses >= 2
        assert each.trades > 20
        assert (each.price_increment, each.size_increment) == ("0.01", "0.00000001")
        assert any("sequence_gap" in gap for gap in each.gaps)
        for file in each.files:
            content = (out / file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    listed = {file.path for each in made.products for file in each.files} | {NAME}
    assert listed == {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    told = json.loads((out / NAME).read_text())
    assert (told["same"], told["format"], len(told["products"])) == (True, kind, 2)
    again = export(days, kind, [PRODUCT, "ETH-USD"], tmp_path / "again", allow_gaps=True)
    assert [each.files for each in again.products] == [each.files for each in made.products]


def test_a_reader_of_others_has_our_book(days, tmp_path):
    """Whoever follows Tardis' description, with decimals, has our newest book and every trade."""
    export(days, "tardis", [PRODUCT], tmp_path / "out", allow_gaps=True)
    book = {"bid": {}, "ask": {}}
    was_snapshot = False
    for path in sorted((tmp_path / "out").glob("*incremental*")):
        with gzip.open(path, "rt") as file:
            for row in csv.DictReader(file):
                is_snapshot = row["is_snapshot"] == "true"
                if is_snapshot and not was_snapshot:
                    book = {"bid": {}, "ask": {}}
                was_snapshot = is_snapshot
                price, amount = Decimal(row["price"]), Decimal(row["amount"])
                if amount:
                    book[row["side"]][price] = amount
                else:
                    book[row["side"]].pop(price, None)
    ours = recorder.open(days).book(PRODUCT)
    assert ours.valid
    for side, levels in (("bid", ours.bids), ("ask", ours.asks)):
        assert book[side] == {Decimal(price): Decimal(size) for price, size in levels}
    ids = []
    for path in sorted((tmp_path / "out").glob("*trades*")):
        with gzip.open(path, "rt") as file:
            ids += [int(row["id"]) for row in csv.DictReader(file)]
    trades = recorder.open(days).trades(PRODUCT, allow_gaps=True).to_arrow()
    assert set(ids) <= set(trades.column("trade_id").to_pylist())
    assert len(ids) == len(set(ids))


@EVERY
def test_a_range(kind, days, tmp_path):
    """Half-open, without a gap in it; it begins with the book as it was."""
    start, end = MIDNIGHT_NS + SECOND_NS // 2, MIDNIGHT_NS + 2 * SECOND_NS
    seen = []
    made = export(
        days,
        kind,
        PRODUCT.split(),
        tmp_path / "out",
        start=start,
        end=end,
        progress=lambda *at: seen.append(at),
    )
    (each,) = made.products
    assert (each.same, each.gaps, each.snapshots, each.losses) == (True, [], 1, 0)
    assert (each.start, each.end) == ("2026-11-11T00:00:00.500Z", "2026-11-11T00:00:02Z")
    rows = recorder.open(days).trades(PRODUCT, start, end).to_arrow()
    assert each.trades == rows.num_rows
    assert seen[-1][0] == seen[-1][1] - 1 == 3


@EVERY
def test_gaps_are_refused(kind, days, tmp_path):
    """As by the reader; nothing is written."""
    with pytest.raises(IncompleteData, match="sequence_gap") as caught:
        export(days, kind, [PRODUCT], tmp_path / "out")
    assert caught.value.gaps
    assert list(tmp_path.iterdir()) == []


@EVERY
def test_a_mistake_is_noticed(kind, days, tmp_path, monkeypatch):
    """A change that is left out is told, with its place."""
    whole = course.Course._changes

    def lossy(self, event, at_ns):
        made = whole(self, event, at_ns)
        if self.counts.changes % 7 == 0 and made.levels:
            return made._replace(levels=made.levels[:-1])
        return made

    monkeypatch.setattr(course.Course, "_changes", lossy)
    made = export(days, kind, [PRODUCT], tmp_path / "out", allow_gaps=True)
    (each,) = made.products
    assert (made.same, each.same) == (False, False)
    assert each.checkpoints_differing
    assert "the book at 2026-11-1" in each.first_difference
    assert json.loads((tmp_path / "out" / NAME).read_text())["same"] is False


@EVERY
def test_a_lost_trade_is_noticed(kind, days, tmp_path, monkeypatch):
    """So is a trade."""
    monkeypatch.setattr(
        course,
        "deal_of",
        lambda trade, at_ns, make=course.deal_of: make(trade, at_ns)._replace(size=1),
    )
    (each,) = export(days, kind, [PRODUCT], tmp_path / "out", allow_gaps=True).products
    assert (each.same, each.trades_same, each.checkpoints_differing) == (False, False, 0)
    assert "others than those recorded" in each.first_difference


def test_wrong_calls(days, tmp_path):
    """Each says what is the matter, and nothing is written."""
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="The formats are tardis"):
        export(days, "csv", [PRODUCT], out)
    with pytest.raises(UsageError, match="at least one"):
        export(days, "tardis", [], out)
    with pytest.raises(NoInputError, match="BTC-USD"):
        export(days, "tardis", ["BTC-USDD"], out)
    with pytest.raises(NoInputError, match="no such directory"):
        export(tmp_path / "nowhere", "tardis", [PRODUCT], out)
    with pytest.raises(UsageError, match="ends before it begins"):
        export(days, "tardis", [PRODUCT], out, start="2026-11-12", end="2026-11-11")
    with pytest.raises(UsageError, match="--price-increment"):
        export(days, "nautilus", [PRODUCT], out, price_increment="abc")
    with pytest.raises(IncompleteData, match="not_recorded"):
        export(days, "tardis", [PRODUCT], out, start="2031-01-01", end="2031-01-02")
    assert list(tmp_path.iterdir()) == []


def test_paths_and_products_as_people_write_them(days, tmp_path):
    """Text will do, and one product by itself."""
    made = export(str(days), "tardis", PRODUCT, str(tmp_path / "out"), allow_gaps=True)
    assert [each.product_id for each in made.products] == [PRODUCT]
    assert (made.source, made.out) == (str(days), str(tmp_path / "out"))


def test_a_range_in_which_nothing_is(days, tmp_path):
    """There is nothing to make files of, whatever is allowed."""
    with pytest.raises(NoInputError, match="in that range"):
        export(
            days,
            "tardis",
            [PRODUCT],
            tmp_path / "out",
            start="2031-01-01",
            end="2031-01-02",
            allow_gaps=True,
        )
    assert list(tmp_path.iterdir()) == []


def test_trades_that_came_later(scripted, tmp_path):
    """They stand at their own time; a range with them has no gap."""
    scripted.trades(4, "update", [(91, 4, "65000", "0.1")])
    scripted.book(5, "update", [("bid", "65000", "0.4")])
    scripted.trades(10, "update", [(94, 10, "65001", "0.1")])  # 92 and 93 are missing
    scripted.fetched(20, [(92, 6, "65000", "0.2"), (93, 7, "65000", "0.3")])
    scripted.book(21, "update", [("bid", "65000", "0.6")])
    scripted.publish()
    made = export(
        scripted.path,
        "tardis",
        [PRODUCT],
        tmp_path / "out",
        start="2026-11-10T19:00:03Z",
        end="2026-11-10T19:00:21Z",
    )
    (each,) = made.products
    assert (each.same, each.trades, each.late_trades, each.gaps) == (True, 4, 2, [])
    (path,) = (tmp_path / "out").glob("*trades*")
    rows = list(csv.DictReader(gzip.decompress(path.read_bytes()).decode().splitlines()))
    assert [int(row["id"]) for row in rows] == [91, 92, 93, 94]
    assert rows[1]["timestamp"] == rows[1]["local_timestamp"] == str(at(6) // 1000)


KILLED = """
import sys
from pathlib import Path
from recorder.export import export
data, kind, out = sys.argv[1:]
def progress(done, total):
    if done:
        print("on its way", flush=True)
        sys.stdin.read()
export(Path(data), kind, ["BTC-USD"], Path(out), allow_gaps=True, progress=progress)
"""


def test_a_killed_export_leaves_nothing_that_looks_whole(days, tmp_path):
    """Only a hidden folder, which the next one clears away; meanwhile nobody else writes there."""
    out = tmp_path / "out"
    running = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(days), "nautilus", str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert running.stdout.readline() == b"on its way\n"
    with pytest.raises(LockedError, match="another export"):
        export(days, "nautilus", [PRODUCT], out, allow_gaps=True)
    running.kill()
    running.communicate()
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    export(days, "tardis", [PRODUCT], out, allow_gaps=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (out / "data").exists()


def test_writers_are_what_they_promise(tmp_path):
    """The formats fit the protocol at run time, too."""
    writer: Writer = tardis.Writer(tmp_path, PRODUCT)
    assert (writer.rows, writer.finish(), list(writer.levels()), list(writer.trades())) == (
        *(0, [], []),
        [],
    )
