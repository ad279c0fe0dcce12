"""Data directories that are exported; nothing of them is changed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataset.made import HOUR_NS, HOUR_START_NS, Recorded
from tests.dataset.scripted import Scripted

MIDNIGHT_NS = (HOUR_START_NS // HOUR_NS + 5) * HOUR_NS


@pytest.fixture(autouse=True)
def without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that no power cut will hurt."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)


@pytest.fixture(scope="session")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The last hour of a day, with gaps and for a while two connections, and the next, open one."""
    path = tmp_path_factory.mktemp("days") / "data"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        recorded = Recorded(path, seed=7, start_ns=MIDNIGHT_NS - HOUR_NS, rate=6)
        recorded.connect()
        recorded.run(3)
        recorded.skip()
        recorded.run(2)
        recorded.connect()
        recorded.run(1)
        recorded.lose()
        recorded.run(1)
        recorded.lose()
        recorded.made.wait(2)
        recorded.connect()
        recorded.run(2)
        recorded.turn()
        recorded.run(3)
        yield path
        recorded.recording.capture.close()


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    """A book of two levels, to go on with."""
    path = tmp_path / "data"
    path.mkdir()
    made = Scripted(path)
    made.connect(1, "c0")
    made.trades(2, "snapshot", [(90, -30, "64990", "1")])
    made.book(3, "snapshot", [("bid", "65000", "0.5"), ("offer", "65001", "0.25")])
    yield made
    made.recording.capture.close()
