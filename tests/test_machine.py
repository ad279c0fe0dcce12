"""What the machine is, of files that say it and of this one."""

import resource
from pathlib import Path

import pytest

from recorder import machine

MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:40 / /mnt/my\040disk rw,noatime - xfs /dev/sdb rw,noquota
41 40 0:41 / /mnt/my\040disk/inner ro - nfs4 host:/x rw,vers=4
42 22 0:42 / /over rw - ext4 /dev/a rw
43 22 0:43 / /over rw - tmpfs tmpfs rw
short line
"""


def test_mounts_are_read_with_their_escapes(tmp_path, monkeypatch):
    """The newest first: it lies on top."""
    found = list(machine._mounts(MOUNTS.splitlines()))
    assert [(kind, point) for point, kind, _ in found] == [
        ("tmpfs", "/over"), ("ext4", "/over"), ("nfs4", "/mnt/my disk/inner"),
        ("xfs", "/mnt/my disk"), ("ext4", "/"),
    ]  # fmt: skip
    assert found[-2][2] == ("rw", "noatime")


def test_a_path_lies_on_the_deepest_mount(tmp_path, monkeypatch):
    (tmp_path / "self").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "self/mountinfo").write_text(
        f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {tmp_path}/data rw,noatime - btrfs b rw\n"
    )
    monkeypatch.setattr(machine, "PROC", tmp_path)
    found = machine.mount_of(tmp_path / "data/not/there/yet")
    assert found is not None
    assert (found.kind, found.options) == ("btrfs", ("rw", "noatime"))
    assert 0 < found.free_bytes <= found.size_bytes
    other = machine.mount_of(tmp_path / "database")
    assert other is not None
    assert other.kind == "ext4"
    (tmp_path / "self/mountinfo").unlink()
    assert machine.mount_of(tmp_path) is None


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/a/b\n", {"a/memory.max": "1000000\n", "a/b/memory.max": "max\n"}, 1_000_000),
        ("5:memory:/a\n1:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        ("5:memory:/a\n", {"memory/a/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, 8_000_000),
        ("0::/\n", {}, 8_000_000),
    ],
)
def test_memory_is_the_least_that_we_may_have(tmp_path, monkeypatch, cgroup, files, limit):
    """Of the machine, of our control group, of one above it; of both versions."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(cgroup)
    (tmp_path / "meminfo").write_text("MemTotal:     7812 kB\n")
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(machine, "PROC", tmp_path)
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "fs")
    assert machine.memory_bytes() == min(limit, 7812 * 1024)


def test_libraries_are_those_that_are_needed():
    found = {each.name: each for each in machine.libraries()}
    assert {"websockets", "pyarrow", "msgspec"} <= set(found)
    assert not {"pandas", "boto3"} & set(found)
    assert found["websockets"].installed
    assert found["websockets"].wanted.startswith(">=")


def test_a_library_that_is_gone_is_none(monkeypatch):
    monkeypatch.setattr(machine, "requires", lambda _: ["none-such>=1", "x>=2; extra == 'y'"])
    assert machine.libraries() == [machine.Library("none-such", ">=1", None)]


def test_this_machine_is_told():
    assert machine.existing(Path("/no/such/folder")) == Path("/")
    assert machine.files_max() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert machine.system()["system"] == "Linux"
