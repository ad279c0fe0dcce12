"""Sealing by hand: what stays open, and what is recorded on in an hour that was sealed."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recorder import finishing
from recorder.core.frames import (
    FIRST_OFFSET,
    HOUR_NS,
)
from recorder.recording import Recording
from recorder.store.paths import Root
from recorder.store.seal import sealed_before
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.roots import (
    check_coverage,
    sealed_bytes,
    sealed_rows,
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """What a power cut takes is not in question here."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)


def recorded(path: Path, start_ns: int, seed: int, *, dies: bool = False) -> None:
    """A life of a recorder, of a second."""
    made = Made(seed, start_ns)
    recording = Recording(Root(path), start_ns, WANTED)
    for arrival in [*made.open(f"c{seed}"), *made.run(1)]:
        recording.take(arrival)
    if dies:
        recording.capture.flush()
        os.close(recording.capture._segment.handle)
        return
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()


@pytest.mark.parametrize("dies", [False, True])
def test_recording_on_in_an_hour_that_was_sealed(tmp_path, dies):
    """`seal --all`, recording on, sealing again: as if it had been sealed once."""
    for name in ("once", "twice"):
        recorded(tmp_path / name, HOUR_START_NS, 1, dies=dies)
        if name == "twice":
            report = finishing.seal(tmp_path / name, include_current=True)
            assert report.hours == ["2026111019"]
            assert finishing.seal(tmp_path / name, include_current=True).hours == []
        recorded(tmp_path / name, HOUR_START_NS + 60 * SECOND_NS, 2)
        finishing.seal(tmp_path / name, include_current=True)
    assert sealed_bytes(tmp_path / "once") == sealed_bytes(tmp_path / "twice")
    check_coverage(sealed_rows(tmp_path / "twice"))


def test_the_current_hour_stays_open_unless_it_is_asked_for(tmp_path):
    """Hours that are over are sealed; the one that is not, with `include_current`."""
    now_ns = int(datetime.now(UTC).timestamp()) * SECOND_NS
    recorded(tmp_path, HOUR_START_NS, 1)
    recorded(tmp_path, now_ns // HOUR_NS * HOUR_NS + 1, 2)
    root = Root(tmp_path)
    assert finishing.seal(tmp_path, include_current=False).hours == ["2026111019"]
    assert root.committed_hours() == [HOUR]
    assert sealed_before(root) == HOUR + 1
    report = finishing.seal(tmp_path, include_current=True)
    assert len(report.hours) == 1
    assert report.rows == sum(len(rows) for rows in sealed_rows(tmp_path).values()) - sum(
        len(rows) for rows in sealed_rows_of_first(tmp_path).values()
    )
    assert sealed_before(root) == now_ns // HOUR_NS + 1


def sealed_rows_of_first(path: Path):
    return {
        table: [row for row in rows if _seq(row) < (HOUR + 1 - 438_288) << 35]
        for table, rows in sealed_rows(path).items()
    }


def _seq(row) -> int:
    return row.get("ingest_seq") or row["noted_seq"]


def test_nothing_to_seal(tmp_path):
    """An empty directory, and one that is sealed."""
    assert finishing.seal(tmp_path, include_current=True).hours == []
    assert list(tmp_path.iterdir()) == []
    recorded(tmp_path, HOUR_START_NS, 1)
    told = []
    finishing.seal(tmp_path, include_current=False, progress=lambda *each: told.append(each))
    assert told == [(1, 1)]
    assert finishing.seal(tmp_path, include_current=False).hours == []
    assert Root(tmp_path).segments(HOUR)[0].first == FIRST_OFFSET
