"""A packed day's files give back its record, and the files of its hours to the byte."""

import shutil
from dataclasses import replace

import pytest

from recorder import pack
from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.store import unpack
from recorder.store.commits import publish_commit, read_commit
from recorder.store.days import clear, publish_day, read_day
from recorder.store.paths import Root
from recorder.store.retire import GRACE_S
from recorder.store.unpack import restore_hour, scan_day, take_apart
from recorder.verify import verify
from tests.packs import DAY, HOURS, LATER_S, not_waiting_for_the_disk, record_packable
from tests.roots import sealed_bytes
from tests.store.test_pack import EVERY, Calls, KilledError, counted, prepared, rows_of


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A directory before and after everything of it was packed."""
    folder = tmp_path_factory.mktemp("both")
    with pytest.MonkeyPatch.context() as patch:
        not_waiting_for_the_disk(patch)
        record_packable(folder / "before", keep_capture=False)
        shutil.copytree(folder / "before", folder / "after")
        for later in (0, GRACE_S):
            patch.setattr(pack.time, "time", lambda later=later: LATER_S + later)
            pack.pack(folder / "after")
    return folder / "before", folder / "after"


def test_hours_get_their_files_back_to_the_byte(both, tmp_path):
    before, after = both
    root = Root(shutil.copytree(after, tmp_path / "data"))
    record = read_day(root, DAY)
    for hour in HOURS[:3]:
        restore_hour(root, record, read_commit(root, hour))
    wanted = {
        name: digest for name, digest in sealed_bytes(before).items() if "2026-11-11" not in name
    }
    assert sealed_bytes(root.path) == wanted
    for hour in HOURS:
        assert root.commit(hour).read_bytes() == Root(before).commit(hour).read_bytes()


def test_a_record_is_made_again_from_the_files(both):
    _, after = both
    root = Root(after)
    found, told = scan_day(root, DAY), read_day(root, DAY)
    assert (found.hours, found.files, found.rows, found.bytes) == (
        told.hours, told.files, told.rows, told.bytes,
    )  # fmt: skip
    assert scan_day(root, DAY + 5) is None


def test_files_that_another_version_of_the_library_would_write(both, tmp_path, monkeypatch):
    """Other bytes of the same rows: the commit record says them then; else it is doubted."""
    _, after = both
    root = Root(shutil.copytree(after, tmp_path / "data"))
    record, commit = read_day(root, DAY), read_commit(root, HOURS[0])
    told = tuple(replace(file, sha256="0" * 64) for file in commit.files)
    publish_commit(root, replace(commit, files=told))
    with pytest.raises(DataError, match="not those of the hour's commit record"):
        restore_hour(root, record, read_commit(root, HOURS[0]))
    monkeypatch.setattr(unpack.pa, "__version__", "99.0")
    restore_hour(root, record, read_commit(root, HOURS[0]))
    assert read_commit(root, HOURS[0]).files == commit.files


def test_rows_that_cannot_be_read(both, tmp_path):
    _, after = both
    root = Root(shutil.copytree(after, tmp_path / "data"))
    path = root.packed_file(TABLES["level2"], DAY, "BTC-USD")
    path.chmod(0o644)
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        restore_hour(root, read_day(root, DAY), read_commit(root, HOURS[0]))
    assert len(scan_day(root, DAY).files) == len(read_day(root, DAY).files) - 1
    publish_day(root, DAY, scan_day(root, DAY))


def test_killed_at_every_call_of_taking_a_day_apart(both, tmp_path, monkeypatch):
    """Readers have every row once, and whoever comes next finishes it."""
    not_waiting_for_the_disk(monkeypatch)
    before, after = both
    rows, wanted = rows_of(before), sealed_bytes(before)
    calls = Calls()
    path = prepared(after, tmp_path)
    with counted(calls):
        take_apart(Root(path), DAY)
    assert read_day(Root(path), DAY) is None
    assert len(calls.names) > 100
    for number in range(0, len(calls.names), EVERY):
        root = Root(prepared(after, tmp_path))
        with counted(Calls(number)), pytest.raises(KilledError):
            take_apart(root, DAY)
        assert rows_of(root.path) == rows, (number, calls.names[number])
        assert verify(root.path).findings == [], (number, calls.names[number])
        clear(root)
        for day in root.packed_days():
            take_apart(root, day)
        assert sealed_bytes(root.path) == wanted, (number, calls.names[number])
        assert list(root.packed.rglob("*.parquet")) == root.noted_days() == []


def test_a_day_with_a_damaged_file_is_not_taken_apart(both, tmp_path):
    root = Root(shutil.copytree(both[1], tmp_path / "data"))
    path = root.packed_file(TABLES["trades"], DAY, "ETH-USD")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match="another SHA-256"):
        take_apart(root, DAY)
    assert read_day(root, DAY) is not None
    assert root.noted_days() == []
