"""Clock, limits, memory and time zones of this machine, and of others that are made up."""

from datetime import UTC, datetime

import pytest

from recorder import machine
from recorder.doctor import system
from tests.doctor.cases import case

LATER = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "epoch", "state"),
    [
        ((0, 12_000), None, "ok"), ((5, 16_000_000), None, "warn"), (None, None, "skip"),
        ((0, 12_000), LATER, "fail"),
    ],
)  # fmt: skip
def test_the_clock_is_what_the_kernel_says(told, epoch, state, tmp_path, monkeypatch):
    """And never right while it is before this was written."""
    monkeypatch.setattr(system, "kernel_clock", lambda: told)
    if epoch is not None:
        monkeypatch.setattr(system, "EPOCH", epoch)
    found = system.clock(case(tmp_path))
    assert found.state == state
    assert ("timedatectl" in found.fix) is (state in ("warn", "fail"))


def test_the_kernel_is_asked_without_changing_anything():
    told = system.kernel_clock()
    assert told is None or (0 <= told[0] <= 5 and told[1] >= 0)


@pytest.mark.parametrize(("count", "state"), [(8192, "ok"), (512, "warn"), (64, "fail")])
def test_few_open_files_are_told(count, state, tmp_path, monkeypatch):
    """Of this process; of the one that records where there is one."""
    monkeypatch.setattr(machine, "files_max", lambda: count)
    assert system.open_files(case(tmp_path)).state == state
    (tmp_path / "77").mkdir()
    (tmp_path / "77/limits").write_text(
        f"Limit\nMax open files            {count}   1048576 files\n"
    )
    monkeypatch.setattr(machine, "PROC", tmp_path)
    monkeypatch.setattr(machine, "files_max", lambda: 100_000)
    found = system.open_files(case(tmp_path, pid=77))
    assert (found.state, "process 77" in found.found) == (state, True)
    assert system.open_files(case(tmp_path, pid=78)).state == "ok"


@pytest.mark.parametrize(
    ("size", "state"), [(8 * 2**30, "ok"), (2**29, "warn"), (2**28, "fail"), (None, "skip")]
)
def test_little_memory_is_told(size, state, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "memory_bytes", lambda: size)
    assert system.memory(case(tmp_path)).state == state


def test_time_zones(tmp_path, monkeypatch):
    assert system.time_zones(case(tmp_path)).state == "ok"
    monkeypatch.setattr(system.zoneinfo, "ZoneInfo", lambda _: (tmp_path / "no").read_bytes())
    assert system.time_zones(case(tmp_path)).state == "warn"
