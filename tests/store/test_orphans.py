"""Sealed files without a record are looked at before anything is sealed over them."""

import os
import shutil
import threading

import pytest

import recorder
from recorder import pack
from recorder.core.frames import FIRST_OFFSET, HOUR_NS
from recorder.core.tables import COVERAGE
from recorder.errors import DataError
from recorder.store.capture import end_of
from recorder.store.days import REMOVING, note
from recorder.store.orphans import recorded_hours, refuse_shorter, refuse_unrecorded
from recorder.store.paths import hour_text
from recorder.store.retire import GRACE_S
from tests.damages import OPEN, SEALED, record_hours, sealed
from tests.packs import DAY, HOURS, LATER_S, NEWEST, record_packable


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)
    return record_hours(tmp_path / "data")


def test_what_reaches_as_far_is_no_loss(root):
    """A seal that was cut off before its record is done again."""
    refuse_shorter(root, SEALED, end_of(root.segments(SEALED)).offset)


def test_one_file_that_reaches_farther_is_enough(root):
    with pytest.raises(DataError, match="holds rows beyond"):
        refuse_shorter(root, SEALED, FIRST_OFFSET + 1)
    for folder in ("level2", "trades", "ticker", "heartbeats", "status", "audits", "faults"):
        shutil.rmtree(root.path / folder, ignore_errors=True)
    with pytest.raises(DataError, match="coverage"):
        refuse_shorter(root, SEALED, FIRST_OFFSET + 1)


def test_what_cannot_be_read_says_nothing(root):
    path = sealed(root, "level2")
    end = end_of(root.segments(SEALED)).offset
    path.chmod(0o644)
    path.write_bytes(b"PAR1")
    refuse_shorter(root, SEALED, end)


def test_an_hour_with_files_and_no_record_is_told_of(root):
    """Readers go by records: they would pass over its rows."""
    refuse_unrecorded(root, SEALED)
    recorded_hours(root, OPEN)
    root.commit(SEALED).unlink()
    for ask in (
        lambda: refuse_unrecorded(root, SEALED),
        lambda: recorded_hours(root, OPEN),
        lambda: recorder.open(root.path).trades("BTC-USD", allow_gaps=True).to_arrow(),
    ):
        with pytest.raises(
            DataError, match=rf"{hour_text(SEALED)}.json is gone, and .*recorder repair"
        ):
            ask()
    recorded_hours(root, SEALED)  # readers do not take it from sealed files
    sealed(root, "coverage").unlink()
    refuse_unrecorded(root, SEALED)


def test_an_hour_of_a_packed_day_without_its_record(tmp_path, monkeypatch):
    """The record of the day tells that it was there, until the day is removed."""
    now = [LATER_S]
    monkeypatch.setattr("time.time", lambda: now[0])
    root = record_packable(tmp_path / "data")
    for _ in range(2):  # the second removes what the first has replaced
        pack.pack(root.path)
        now[0] += GRACE_S
    hour = HOURS[1]
    recorded_hours(root, NEWEST)
    root.commit(hour).unlink()
    assert not root.sealed(COVERAGE, hour, None).exists()
    db = recorder.open(root.path)
    for ask in (
        lambda: refuse_unrecorded(root, hour),
        lambda: recorded_hours(root, NEWEST),
        lambda: db.trades("BTC-USD", allow_gaps=True).to_arrow(),
        lambda: db.coverage("BTC-USD", None, hour * HOUR_NS, (hour + 1) * HOUR_NS),
        lambda: list(db.replay("BTC-USD", hour * HOUR_NS, (hour + 1) * HOUR_NS, allow_gaps=True)),
    ):
        with pytest.raises(DataError, match=r"is gone, and .*the hour was recorded"):
            ask()
    note(root, DAY, REMOVING)
    refuse_unrecorded(root, hour)


def test_a_prune_is_no_damage(root):
    """An hour's record goes first; whoever asks then waits for its files to go."""
    root.commit(SEALED).unlink()
    going = threading.Timer(0.1, sealed(root, "coverage").unlink)
    going.start()
    refuse_unrecorded(root, SEALED)
    going.join()
