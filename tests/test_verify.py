"""Every damage is found and named; what recording, restarts, deaths and imports make is whole."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from recorder import finishing, recovery, replay
from recorder.errors import NoInputError
from recorder.recording import Recording, end_lost
from recorder.store.paths import Root
from recorder.store.retire import retire
from recorder.store.seal import seal_hour, switch
from recorder.venue import Venue
from recorder.verify import verify
from tests.captures import ADVANCED, needs_captures
from tests.damages import LOST, MENDABLE, OPEN, record_hours, segment
from tests.frames_made import HOUR, HOUR_START_NS, WANTED, Made
from tests.recorders import config_for, recording, wait_for
from tests.test_recovery import lives


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    """Hundreds of directories are made; what a power cut takes is proven elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "data"
    record_hours(path)
    return path


@pytest.fixture
def root(recorded, tmp_path):
    path = tmp_path / "data"
    shutil.copytree(recorded, path)
    return Root(path)


def assert_whole(path: Path, *, deep: bool = True):
    report = verify(path, deep=deep)
    assert report.findings == []
    assert report.whole
    return report


# --- no false alarm -------------------------------------------------------------------------------


def test_a_whole_directory(root):
    """Everything is counted, compared and made again; nothing is written."""
    before = {path: path.stat().st_mtime_ns for path in root.path.rglob("*")}
    report = assert_whole(root.path)
    assert (report.hours, report.rebuilt, report.segments) == (3, 3, 3)
    assert report.checkpoints == 4
    assert report.notes == []
    assert {path: path.stat().st_mtime_ns for path in root.path.rglob("*")} == before
    assert assert_whole(root.path, deep=False).rebuilt == 0


def test_no_directory(tmp_path):
    with pytest.raises(NoInputError, match="no such directory"):
        verify(tmp_path / "none")


def test_an_empty_directory_is_whole(tmp_path):
    assert_whole(tmp_path)


@pytest.mark.parametrize("batch", range(2))
def test_deaths_are_no_damage(tmp_path, batch):
    """20 directories: right after the death, after the recovery, and sealed."""
    for seed in range(batch * 10 + 500, batch * 10 + 510):
        path = tmp_path / str(seed)
        root = lives(path, seed)
        assert_whole(path)
        end_lost(root)
        recovery.publish_missing(path)
        assert_whole(path)
        finishing.seal(path, include_current=True)
        assert_whole(path)
        shutil.rmtree(path)


def test_retired_hours_are_no_damage(root):
    """Without parts and capture, the sealed files and the books at the full hour are checked."""
    switch(root, OPEN)
    retire(root, 4e9, 0)
    report = assert_whole(root.path)
    assert root.captured_hours() == [OPEN]
    assert (report.hours, report.rebuilt) == (3, 1)


def test_an_hour_sealed_early_that_went_on(tmp_path):
    """Sealed by Ctrl-C, recorded on, a start later: no finding at any step."""
    root, made = Root(tmp_path), Made(5, HOUR_START_NS)
    for number in range(3):
        started = Recording(root, made.now_ns, WANTED)
        switch(root, HOUR)
        for arrival in [*made.open(f"c{number}"), *made.run(0.4)]:
            started.take(arrival)
        started.flush()
        assert_whole(tmp_path)
        started.stop(started.last_ns)
        started.flush()
        started.capture.close()
        assert_whole(tmp_path)
        if number < 2:
            seal_hour(root, HOUR)
            assert_whole(tmp_path)
            switch(root, HOUR + 1)
            assert_whole(tmp_path)
        made.cut_off()
        made.wait(0.1)


def test_a_seal_that_is_cut_off_is_no_damage(tmp_path, monkeypatch):
    """Files without their commit record: nobody reads them, the next seal writes them again."""
    root, made = Root(tmp_path), Made(5, HOUR_START_NS)
    started = Recording(root, made.now_ns, WANTED)
    for arrival in [*made.open("c"), *made.run(0.4)]:
        started.take(arrival)
    started.stop(started.last_ns)
    started.flush()
    monkeypatch.setattr("recorder.store.seal.publish_commit", lambda *_: None)
    seal_hour(root, HOUR)
    report = assert_whole(tmp_path)
    assert len(report.notes) > 3
    assert all("a seal is under way, or was cut off" in note.text for note in report.notes)


@needs_captures
def test_an_import_is_whole(tmp_path):
    """Real traffic, imported."""
    replay.import_captures([ADVANCED], tmp_path)
    report = assert_whole(tmp_path)
    assert report.rebuilt == report.hours


async def test_while_it_is_recorded(tmp_path):
    """Again and again beside a recording that publishes every second."""
    async with (
        Venue(seed=3, rate=5, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: running.progress().frames > 50, "50 frames")
        for number in range(8):
            report = await asyncio.to_thread(verify, tmp_path, deep=number % 2 == 1)
            assert report.findings == []
            await asyncio.sleep(0.3)
        assert report.rows > 0
    assert_whole(tmp_path)


def test_files_of_others_are_notes(root):
    """A copy, a torn segment, an import that did not finish: told, and no damage."""
    (root.path / "notes.txt").write_text("mine")
    (root.commits / "2026.bak").write_text("{}")
    (root.live / "trades" / "x.tmp").write_text("")
    (segment(root).parent / "0000000016777299.cap.torn-1-2").write_bytes(b"")
    root.importing.write_text('{"begins": {}}')
    report = assert_whole(root.path)
    assert len(report.notes) == 5


# --- what is wrong is found -----------------------------------------------------------------------


@pytest.mark.parametrize("damage", [*MENDABLE, *LOST], ids=lambda damage: damage.name)
def test_a_damage_is_found_and_named(root, damage):
    """Its file, its kind, and what to do; a shallow look finds all but changed values."""
    path = damage.plant(root)
    report = verify(root.path, deep=damage.deep)
    assert not report.whole
    found = [each for each in report.findings if each.kind == damage.kind]
    assert str(path) in [each.path for each in found], report.findings
    for each in report.findings:
        assert each.problem
        assert each.what_to_do
        assert each.hour is None or len(each.hour) == 10
    if damage.deep:
        assert verify(root.path).whole


def test_a_damage_beyond_repair_says_so(root):
    """Where the capture is gone, nothing promises that it can be made again."""
    retire(root, 4e9, 0)
    file = root.path / next(iter(root.path.glob("trades/*/*/*/*T20.parquet")))
    file.unlink()
    [finding] = verify(root.path).findings
    assert finding.path == str(file)
    assert "not kept" in finding.what_to_do
