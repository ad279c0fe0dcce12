"""Data directories that tests of the reader read; nothing of them is changed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataset.made import Recorded


@pytest.fixture(scope="session")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three hours, two of them sealed: gaps in the first, none in the second, the third open."""
    path = tmp_path_factory.mktemp("hours") / "data"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        recorded = Recorded(path, seed=3)
        recorded.connect()
        recorded.run(3)
        recorded.skip()
        recorded.run(1)
        recorded.lose()
        recorded.made.wait(2)
        recorded.connect()
        recorded.run(2)
        recorded.turn()
        recorded.run(2)
        recorded.turn()
        recorded.run(1)
        yield path
        recorded.recording.capture.close()


@pytest.fixture
def without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that no power cut will hurt."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)
