"""The data directory: one that is well, and each way in which it is not."""

import os
import shutil
import time
from pathlib import Path

import pytest

from recorder import machine
from recorder.doctor import directory
from recorder.machine import Mount
from recorder.store.paths import Root, hour_text
from tests.doctor.cases import case

SAMPLE = Path("data/sample").absolute()
GIB = 2**30


def on(monkeypatch: pytest.MonkeyPatch, **changed: object) -> None:
    """Let the directory lie on another disk."""
    usual = {
        "point": Path("/"), "kind": "ext4", "options": ("rw",), "size_bytes": 100 * GIB,
        "free_bytes": 50 * GIB, "inodes": 10**6, "inodes_free": 9 * 10**5,
    }  # fmt: skip
    made = Mount(**(usual | changed))
    monkeypatch.setattr(machine, "mount_of", lambda _: made)


def test_rights(tmp_path, monkeypatch):
    """There, to be made, in the way, open to all, somebody else's, closed."""
    data = tmp_path / "data"
    assert directory.rights(case(data)).state == "ok"
    assert "may make it" in directory.rights(case(data)).found
    data.mkdir(0o750)
    assert "mode 0750" in directory.rights(case(data)).found
    data.chmod(0o777)
    assert directory.rights(case(data)).state == "warn"
    data.chmod(0o750)
    (tmp_path / "file").touch()
    assert directory.rights(case(tmp_path / "file")).state == "fail"
    assert directory.rights(case(tmp_path / "file/data")).state == "fail"
    monkeypatch.setattr(directory.os, "geteuid", lambda: os.getuid() + 1)
    assert directory.rights(case(data)).state == "warn"
    assert directory.rights(case(data, pid=1)).state == "ok"
    monkeypatch.setattr(directory, "may_write", lambda _: False)
    assert "chown" in directory.rights(case(data)).fix
    assert "install -d" in directory.rights(case(tmp_path / "new")).fix


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "ok"), ({"options": ("ro",)}, "fail"), ({"kind": "nfs4"}, "warn"),
        ({"kind": "fuse.sshfs"}, "warn"), ({"kind": "overlay"}, "warn"),
        ({"kind": "tmpfs"}, "warn"),
    ],
)  # fmt: skip
def test_file_systems(changed, state, tmp_path, monkeypatch):
    on(monkeypatch, **changed)
    assert directory.file_system(case(tmp_path)).state == state


@pytest.mark.parametrize(
    ("took_s", "state"),
    [([0.005] * 16, "ok"), ([0.2] * 16, "warn"), ([0.01] * 15 + [3], "warn"), ([2.0] * 16, "fail")],
)
def test_a_slow_disk_is_told(took_s, state, tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "measure", lambda _: took_s)
    assert directory.speed(case(tmp_path)).state == state


def test_the_disk_is_measured_and_nothing_is_left(tmp_path):
    assert directory.speed(case(tmp_path / "not/yet")).state in ("ok", "warn", "fail")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert directory.speed(case(tmp_path / "file")).state == "skip"


def test_space_is_held_against_the_floor_and_the_rate(monkeypatch, tmp_path):
    """Without sealed hours nobody knows how long it lasts."""
    on(monkeypatch)
    assert "not known yet" in directory.space(case(tmp_path)).found
    rate = directory.bytes_a_day(case(SAMPLE))
    assert rate
    assert directory.space(case(SAMPLE)).state == "ok"
    on(monkeypatch, free_bytes=int(512e6 + 3 * rate))
    found = directory.space(case(SAMPLE))
    assert found.state == "warn"
    assert "enough for 3 days" in found.found
    on(monkeypatch, free_bytes=int(500e6))
    assert directory.space(case(SAMPLE)).state == "fail"
    assert directory.space(case(SAMPLE, '[store]\nfree_space_min = "1MB"\n')).state != "fail"


def test_capture_that_is_kept_for_ever_counts(tmp_path):
    data = tmp_path / "data"
    shutil.copytree(SAMPLE, data)
    shutil.rmtree(data / "capture")
    before = directory.bytes_a_day(case(data))
    segment = Root(data).segment(Root(data).committed_hours()[-1], 16)
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"x" * 10**6)
    assert directory.bytes_a_day(case(data)) == before
    kept = directory.bytes_a_day(case(data, '[store]\nkeep_capture = "forever"\n'))
    assert kept == pytest.approx(before + 10**6 * 24 / 3)
    (data / "commits" / f"{hour_text(Root(data).committed_hours()[-1])}.json").write_text("{")
    assert directory.bytes_a_day(case(data))


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "ok"), ({"inodes_free": 40_000}, "warn"), ({"inodes_free": 10}, "fail"),
        ({"inodes": 0, "inodes_free": 0}, "skip"),
    ],
)  # fmt: skip
def test_inodes(changed, state, tmp_path, monkeypatch):
    on(monkeypatch, **changed)
    assert directory.inodes(case(tmp_path)).state == state


def test_who_holds_the_lock_should_be_a_recorder(tmp_path, monkeypatch):
    assert directory.writers(case(tmp_path)).state == "ok"
    for pid, command in ((7, b"python\0-m\0recorder\0run\0"), (8, b"vi\0/x\0")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(command)
    monkeypatch.setattr(machine, "PROC", tmp_path)
    assert directory.writers(case(tmp_path, pid=7)).state == "ok"
    assert directory.writers(case(tmp_path, pid=9)).state == "ok"  # of somebody else's
    found = directory.writers(case(tmp_path, pid=8))
    assert found.state == "warn"
    assert "vi /x" in found.found


def test_hours_that_wait_are_told(tmp_path):
    """Without a recorder it is to be started; with one they are late after a while."""
    data = tmp_path / "data"
    assert directory.recovery(case(data)).state == "skip"
    data.mkdir()
    assert directory.recovery(case(data)).state == "ok"
    assert directory.last_seal(case(data)).state == "skip"
    now = int(time.time()) // 3600
    for hour in (now, now - 1, now - 9):
        segment = Root(data).segment(hour, 16)
        segment.parent.mkdir(parents=True)
        segment.touch()
    found = directory.recovery(case(data))
    assert found.state == "warn"
    assert "2 hours" in found.found
    assert directory.recovery(case(data, pid=1)).state == "ok"
    assert directory.last_seal(case(data)).state == "skip"
    found = directory.last_seal(case(data, pid=1))
    assert found.state == "fail"
    assert "1 before now" in found.found
    assert directory.last_seal(case(SAMPLE)).state == "ok"


def test_amounts_are_in_powers_of_1000():
    told = [directory.amount(size) for size in (5, 5_000, 5e6, 5e9, 5e12, 5e15)]
    assert told == ["5 bytes", "5 kB", "5 MB", "5 GB", "5.0 TB", "5,000.0 TB"]
    assert directory.pwd_name(4_000_000_000) == "4000000000"
