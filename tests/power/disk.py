"""Disks to be cut off: a file system on a loop device, or a folder whose writer is just killed.

Mounts are made in a mount namespace of this process alone, so that they are gone when it is,
however it ends.
"""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Self

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN, of xfs at first
_NO_LOG_FLUSH = struct.pack("I", 2)
_NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS
SIZES = {"ext4": 96 << 20, "xfs": 320 << 20}  # sparse; xfs does not go below 300 MB
FREE_MIN = 1 << 30
PACKAGES = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}
MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard", "-J", "size=4"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
}


def why_not(kind: str) -> str | None:
    """Why this machine cannot cut the power of such a file system; None where it can."""
    if os.geteuid() != 0:
        return "needs root, to mount"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if shutil.which(MAKE[kind][0], path=path) is None:
        return f"{MAKE[kind][0]} is not installed (Debian: {PACKAGES[kind]})"
    if not Path("/dev/loop-control").exists():
        return "has no loop devices"
    return None


def private_mounts() -> str | None:
    """Keep the mounts of this process to itself; why that cannot be done, or None."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NAMESPACE) != 0:
        return f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}"
    made = _run("mount", "--make-rprivate", "/")
    return None if made.returncode == 0 else f"no private mounts: {made.stderr.strip()}"


def unmount_below(folder: Path) -> None:
    """Unmount what killed children have left below a folder."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        if line.split()[1].startswith(f"{folder}/"):
            _run("umount", "--lazy", line.split()[1])


def fast_folder() -> Path | None:
    """A folder in memory, where there is one: what a disk holds need not be on a disk.

    The file system on a loop device does all that it would do on a disk, only sooner.
    """
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < FREE_MIN:
        return None
    return memory


class DiskError(Exception):
    """The machine did not do what the harness needs; nothing is said about the recorder."""


class LoopDisk:
    """A file system on a loop device, mounted at ``path``. Use it as a context manager."""

    goes_slowly = True  # the cut takes a while, in which the kernel still answers

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.path = folder / "mnt"
        self._image = folder / "disk.img"
        self._mounted = False

    def __enter__(self) -> Self:
        self.path.mkdir()
        with self._image.open("wb") as file:
            file.truncate(SIZES[self.kind])
        _must(*MAKE[self.kind], str(self._image))
        try:
            self._mount()
        except DiskError:
            self._image.unlink()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            # A process that was killed may still be letting go of its files.
            if _run("umount", str(self.path)).returncode != 0:
                _must("umount", "--lazy", str(self.path))
            self._mounted = False
        self._image.unlink()
        self.path.rmdir()

    def cut(self) -> None:
        """The power goes: from here on, nothing reaches the device."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(handle)

    def come_back(self) -> None:
        """Mount again, which plays the journal back. Nobody may have files open here."""
        _must("umount", str(self.path))
        self._mounted = False
        self._mount()

    def _mount(self) -> None:
        # The loop device is set free by the kernel with the last mount of it.
        _must("mount", "-o", "loop", str(self._image), str(self.path))
        self._mounted = True


class FolderDisk:
    """A folder: the writer is killed, what it had written stays."""

    kind = "kill"
    goes_slowly = False

    def __init__(self, folder: Path) -> None:
        self.path = folder / "disk"

    def __enter__(self) -> Self:
        self.path.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path)

    def cut(self) -> None:
        """Nothing: the writer is killed next."""

    def come_back(self) -> None:
        """Nothing: it never went."""


Disk = LoopDisk | FolderDisk


def make_disk(kind: str, folder: Path) -> Disk:
    """A disk of a kind: ext4, xfs, or kill."""
    return FolderDisk(folder) if kind == "kill" else LoopDisk(kind, folder)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )


def _must(*command: str) -> None:
    done = _run(*command)
    if done.returncode != 0:
        raise DiskError(f"{' '.join(command)}: {done.stderr.strip()}")
