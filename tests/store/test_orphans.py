"""Sealed files without a record are looked at before anything is sealed over them."""

import os
import shutil

import pytest

from recorder.core.frames import FIRST_OFFSET
from recorder.errors import DataError
from recorder.store.capture import end_of
from recorder.store.orphans import refuse_shorter
from tests.damages import SEALED, record_hours, sealed


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
