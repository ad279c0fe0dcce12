"""The daemon on a disk that refuses: it stays up, says so in the data, and goes on by itself."""

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

import recorder
from recorder import disk
from recorder import recording as rows_to_disk
from recorder.core.frames import Frame
from recorder.store.capture import read_arrivals
from recorder.venue import Venue
from tests.recorders import all_recorded, config_for, live_rows, recording, wait_for

RESUME_S_MAX = 5.0


def kinds(root: Path) -> list[str]:
    """The kinds of faults, in order."""
    return [row[0] for row in live_rows(root, "faults", "kind")]


def captured(root: Path) -> list[bytes]:
    arrivals = (arrival for _, arrival in read_arrivals([root / "capture"]))
    return [arrival.raw for arrival in arrivals if isinstance(arrival, Frame)]


@contextmanager
def small_disk(folder: Path, size: str):
    """A file system of its own size; skipped where we may not mount one."""
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_waited_for(tmp_path):
    """On ENOSPC frames wait in memory, and are written within 5 s of space being there again."""
    with small_disk(tmp_path / "disk", "40m") as folder:
        root = folder / "data"
        async with Venue(seed=11, rate=5, depth=0.02, keep_sent=True) as venue:
            config = config_for(root, venue.url, free_space_min="0MB")
            async with recording(config) as running:
                await wait_for(lambda: all_recorded(running), "every channel")
                filler = folder / "filler"
                with filler.open("wb") as file, pytest.raises(OSError, match="No space"):  # noqa: PT012
                    while True:
                        file.write(bytes(1 << 20))
                        file.flush()
                faults = running.progress().sequence_gaps
                await wait_for(lambda: running._disk._refused, "the refusal")
                frames = running.progress().frames
                await wait_for(lambda: running.progress().frames > frames + 50, "frames in memory")
                filler.unlink()
                await wait_for(lambda: not running._disk._refused, "recovery", RESUME_S_MAX)
                assert running.progress().sequence_gaps == faults == 0
            sent = [bytes(frame) for frame in venue.sent(-1)]
        got = captured(root)
        assert got == sent[: len(got)]
        assert len(sent) - len(got) <= 1
        assert kinds(root) == ["disk_refused", "disk_recovered"]
        coverage = recorder.open(root).coverage().to_pylist()
        assert {row["state"] for row in coverage} == {"recorded"}
        rows = duckdb.sql(
            f"SELECT count(*), count(DISTINCT ingest_seq) FROM '{root}/live/level2/*.parquet'"
        ).fetchall()
        assert rows[0][0] == rows[0][1]


async def test_below_the_floor_nothing_more_is_read(tmp_path, monkeypatch):
    """With too little space free the reading stops, coverage says so, and it resumes by itself."""
    free = 10**12
    monkeypatch.setattr(disk, "free_bytes", lambda _path: free)
    monkeypatch.setattr(disk, "BALLAST_BYTES", 4096)
    async with (
        Venue(seed=12, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "every channel")
        await wait_for((tmp_path / disk.BALLAST).exists, "the ballast")
        free = 1000
        await wait_for(lambda: not running._disk.room.is_set(), "the stop")
        assert not (tmp_path / disk.BALLAST).exists()
        assert " MB at which it goes on" in running.inside().disk.lacking
        await wait_for(lambda: running.progress().connections_up == 0, "the close", 15)
        free = 10**12
        await wait_for(lambda: running.progress().books_live == 2, "recording", RESUME_S_MAX)
        assert running.inside().disk.lacking == ""
    assert kinds(tmp_path) == ["disk_low", "disk_recovered"]
    gaps = live_rows(tmp_path, "coverage", "channel, product_id, reason, detail")
    cause = "close code 1006: too little space is free"
    assert ("level2", "BTC-USD", "connection_closed", cause) in gaps


@pytest.mark.parametrize("call", ["open", "posix_fallocate"])
def test_the_ballast_is_whole_or_not_there(tmp_path, monkeypatch, call):
    """A disk that refuses it once does not leave it empty for good."""
    path = tmp_path / disk.BALLAST

    def refuse(*_):
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as there:
        there.setattr(os, call, refuse)
        with pytest.raises(OSError, match="no space"):
            disk.take_ballast(path)
    assert not path.exists()
    path.touch()  # as earlier versions left it
    disk.take_ballast(path)
    assert path.stat().st_size == disk.BALLAST_BYTES
    disk.take_ballast(path)


async def test_parts_that_are_refused_are_published_later(tmp_path, monkeypatch):
    """A part that cannot be written keeps its rows, and none is written twice."""
    publish = rows_to_disk.write_part
    refuse = False

    def refusing(*arguments):
        if refuse:
            raise OSError(5, "Input/output error")
        return publish(*arguments)

    monkeypatch.setattr(rows_to_disk, "write_part", refusing)
    async with (
        Venue(seed=13, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: live_rows(tmp_path, "level2", "1"), "a part")
        refuse = True
        await wait_for(lambda: running._disk._refused, "the refusal")
        refuse = False
        await wait_for(lambda: not running._disk._refused, "recovery", RESUME_S_MAX)
    assert kinds(tmp_path) == ["disk_refused", "disk_recovered"]
    numbers = [row[0] for row in live_rows(tmp_path, "level2", "ingest_seq")]
    assert len(numbers) == len(set(numbers))
    book = recorder.open(tmp_path).book("BTC-USD")
    assert book.valid
