"""Recordings that are served; nothing of them is changed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataset.made import Recorded


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Recorded]]:
    """One hour sealed and one open, seconds of each, without a gap, on one connection."""
    path = tmp_path_factory.mktemp("whole") / "data"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        recorded = Recorded(path, seed=5)
        recorded.connect()
        recorded.run(3)
        recorded.turn()
        recorded.run(2)
        yield path, recorded
        recorded.recording.capture.close()


@pytest.fixture(scope="session")
def whole(made: tuple[Path, Recorded]) -> Path:
    return made[0]


@pytest.fixture(scope="session")
def uncaptured(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, when its capture is gone."""
    path = tmp_path_factory.mktemp("tables") / "data"
    shutil.copytree(whole, path)
    shutil.rmtree(path / "capture")
    return path


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two frames lost after 2 s, the connection lost after 4 s, and another one after 6 s."""
    path = tmp_path_factory.mktemp("broken") / "data"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        recorded = Recorded(path, seed=6)
        recorded.connect()
        recorded.run(2)
        recorded.made.skip(recorded.open_ones[0], 2)
        recorded.run(2)
        recorded.lose()
        recorded.made.wait(2)
        recorded.connect()
        recorded.run(2)
        yield path
        recorded.recording.capture.close()


@pytest.fixture
def without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that no power cut will hurt."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)
