"""Tables made again from the capture: the same rows, or it is told where they are not."""

import os
import shutil

import pytest

from recorder.core.tables import TABLES
from recorder.errors import LockedError, NoInputError, UsageError
from recorder.rebuild import compare, rebuild_into
from recorder.store.lock import WriterLock
from recorder.store.parts import read_parts, write_file
from recorder.store.paths import Root
from tests.dataset.made import HOUR, Recorded
from tests.roots import sealed_rows


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """An hour that is sealed, with a gap in it, and one that is open."""
    path = tmp_path_factory.mktemp("rebuild") / "data"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        recorded = Recorded(path, seed=8)
        recorded.connect()
        recorded.run(1)
        recorded.skip()
        recorded.run(1)
        recorded.turn()
        recorded.run(1)
        yield path
        recorded.recording.capture.close()


@pytest.fixture
def copy(root, tmp_path):
    path = tmp_path / "data"
    shutil.copytree(root, path)
    return path


def test_all_are_the_same(root):
    """Sealed hours and the open one, table by table, while it is recorded into."""
    seen = []
    found = compare(root, lambda done, total: seen.append((done, total)))
    assert found.same
    assert {(each.hour, each.table) for each in found.tables} >= {
        (hour, table)
        for hour in ("2026111019", "2026111020")
        for table in ("level2", "trades", "ticker", "heartbeats")
    }
    assert all(each.rows == each.rows_made > 0 for each in found.tables)
    assert seen == [(1, 2), (2, 2)]
    assert found.without_capture == []
    level2 = [each for each in found.tables if each.table == "level2"]
    assert level2[0].digest != level2[1].digest


@pytest.mark.parametrize("what", ["value", "row", "file"])
def test_a_difference_is_told(copy, what):
    """By hour and table, whatever differs: a value, a row, a file."""
    root = Root(copy)
    path = root.sealed(TABLES["trades"], HOUR, "BTC-USD")
    rows = read_parts(TABLES["trades"], [path])
    if what == "file":
        part = root.parts("trades")[-1].path
        part.unlink()
    else:
        if what == "value":
            sizes = rows.column("size").to_pylist()
            sizes[3] += 1e-8
            at = rows.column_names.index("size")
            rows = rows.set_column(at, rows.schema.field(at), [sizes])
        else:
            rows = rows.slice(1)
        path.chmod(0o644)
        write_file(path, TABLES["trades"], rows, {})
    found = compare(copy)
    assert not found.same
    different = [each for each in found.tables if not each.same]
    hour = "2026111020" if what == "file" else "2026111019"
    assert [(each.hour, each.table) for each in different] == [(hour, "trades")]


def test_an_hour_whose_capture_is_gone_is_named(copy):
    """It cannot be compared, and the others are."""
    shutil.rmtree(copy / "capture" / "2026111019")
    found = compare(copy)
    assert found.without_capture == ["2026111019"]
    assert found.same
    assert {each.hour for each in found.tables} == {"2026111020"}


def test_a_data_directory_of_its_own(root, copy, tmp_path):
    """The same rows in the same sealed files, and one that readers open."""
    made = rebuild_into(root, tmp_path / "again")
    assert made.hours == ["2026111019", "2026111020"]
    again = Root(tmp_path / "again")
    theirs = sealed_rows(again.path)
    ours = sealed_rows(root)
    for table in ("level2", "trades", "ticker", "coverage", "faults", "audits"):
        hour = {row["ingest_seq"] >> 35 for row in ours[table] if "ingest_seq" in row}
        mine = [
            row for row in theirs[table]
            if "ingest_seq" not in row or row["ingest_seq"] >> 35 in hour
        ]  # fmt: skip
        assert mine[: len(ours[table])] == ours[table]
    assert made.rows == sum(map(len, theirs.values()))
    with pytest.raises(NoInputError, match="no capture"):
        compare(again.path)


def test_it_does_not_mix(root, tmp_path):
    """Into a directory that holds something nothing is made."""
    (tmp_path / "x").write_text("mine")
    with pytest.raises(UsageError, match="not an empty directory"):
        rebuild_into(root, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    with pytest.raises(NoInputError, match="no such directory"):
        rebuild_into(tmp_path / "nowhere", tmp_path / "new")
    target = tmp_path / "taken"
    with WriterLock(Root(target)), pytest.raises((LockedError, UsageError)):
        rebuild_into(root, target)
