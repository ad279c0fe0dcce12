"""The record of a packed day, the note of what is being done with it, and what cleans up."""

import json
import os

import pytest

from recorder.errors import DataError, LockedError
from recorder.store import days
from recorder.store.days import Day, DayFile, DayHour, clear, note, publish_day, read_day, tidy
from recorder.store.lock import PackLock, WriterLock
from recorder.store.paths import Root, day_from_text, day_iso, day_text, iso
from tests.frames_made import HOUR

NUMBER = HOUR // 24


def record(day: int = NUMBER) -> Day:
    hour = DayHour(iso(24 * day + 3), 5, 1, 1 << 24, None)
    name = f"packed/status/date={day_iso(day)}/status-{day_text(day)}.parquet"
    file = DayFile(name, "status", None, 5, 7, "ab", 1, 9)
    return Day(1, day_iso(day), "2026-11-12T00:00:00Z", 5, 7, (hour,), (file,))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    return Root(tmp_path)


def place(root: Root, day: int, *, of_hour: bool = False):
    """A file where one of a packed day lies, and a record of its hour."""
    path = root.path / record(day).files[0].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"rows")
    if of_hour:
        root.commits.mkdir(exist_ok=True)
        root.commit(24 * day + 3).write_text("{}")
    return path


def test_a_record_is_read_as_it_was_published(root):
    assert read_day(root, NUMBER) is None
    publish_day(root, NUMBER, record())
    assert read_day(root, NUMBER) == record()
    assert root.packed_days() == [NUMBER]
    assert root.committed_hours() == []
    assert record().holds(24 * NUMBER + 3)
    assert not record().holds(24 * NUMBER + 4)


@pytest.mark.parametrize("text", ["", "{}", "[]", "\0\0", '{"version":1,"day":3}'])
def test_a_record_that_cannot_be_read_is_told(root, text):
    root.commits.mkdir()
    root.day_record(NUMBER).write_text(text)
    with pytest.raises(DataError, match=f"{day_text(NUMBER)}.*recorder repair"):
        read_day(root, NUMBER)


def test_the_record_of_another_day_is_none(root):
    publish_day(root, NUMBER, record(NUMBER + 1))
    with pytest.raises(DataError, match=day_iso(NUMBER + 1)):
        read_day(root, NUMBER)


def test_names_of_days():
    assert day_iso(NUMBER) == "2026-11-10"
    assert day_from_text(day_text(NUMBER)) == NUMBER
    assert days.day_named("2026-11-10") == days.day_named("20261110") == NUMBER
    for text in ("2026-11-1", "2026-11-31", "2026-1110", "", "x", "20261110 "):
        assert days.day_named(text) is None


def test_what_was_not_finished_goes(root):
    """Files of a day without record; those with one stay, and so do other days."""
    lost, kept = place(root, NUMBER), place(root, NUMBER + 1)
    note(root, NUMBER, days.PACKING)
    note(root, NUMBER + 1, days.PACKING)
    publish_day(root, NUMBER + 1, record(NUMBER + 1))
    (root.packing / "20261110").mkdir()
    (root.packing / "20261110" / "x.parquet").write_bytes(b"half")
    (root.packing / "recorder.sql.1").write_bytes(b"half")
    assert len(clear(root)) == 1
    assert not lost.exists()
    assert not lost.parent.exists()
    assert kept.exists()
    assert [path.name for path in root.packing.iterdir()] == [f"{day_text(NUMBER + 1)}.json"]
    assert clear(root) == []


def test_a_removal_that_was_cut_off_is_finished(root):
    """At each of its steps: the records of the hours, that of the day, its files."""
    for step in range(3):
        path = place(root, NUMBER, of_hour=step == 0)
        if step < 2:
            publish_day(root, NUMBER, record())
        note(root, NUMBER, days.REMOVING)
        clear(root)
        assert not path.exists()
        assert root.packed_days() == root.committed_hours() == root.noted_days() == []


def test_a_note_that_cannot_be_read_removes_nothing_that_counts(root):
    path = place(root, NUMBER)
    note(root, NUMBER, days.REMOVING)
    root.pack_note(NUMBER).write_text("[")
    publish_day(root, NUMBER, record())
    clear(root)
    assert path.exists()
    assert root.packed_days() == [NUMBER]


def test_a_start_cleans_up_unless_somebody_packs(root):
    path = place(root, NUMBER)
    tidy(root)
    note(root, NUMBER, days.PACKING)
    with PackLock(root):
        tidy(root)
        assert path.exists()
    tidy(root)
    assert not path.exists()


def test_the_two_locks_are_apart(root):
    """Who packs keeps no writer out, and the other way round; each says what it does."""
    with WriterLock(root), PackLock(root):
        with pytest.raises(LockedError, match="packs days"), PackLock(root):
            pass
        with pytest.raises(LockedError, match="writes to it"), WriterLock(root):
            pass


def test_the_note_says_what_is_done(root):
    note(root, NUMBER, days.PACKING)
    assert json.loads(root.pack_note(NUMBER).read_text())["doing"] == "packing"
    assert not days.is_removed(root, NUMBER)
    note(root, NUMBER, days.REMOVING)
    assert days.is_removed(root, NUMBER)
