"""What this machine is, as far as recording depends on it: system, limits, disks, libraries.

Read from the kernel's own files, so that a container tells of its own limits. Nothing here knows
of recording. What cannot be found out is None.
"""

import os
import platform
import re
import resource
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

PACKAGE = "recorder"
PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*([^;\[]*)")
_UNLIMITED_BYTES = 2**60  # cgroups of version 1 write a number that no machine has


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a path lies: kind and options of its file system, bytes and inodes."""

    point: Path
    kind: str
    options: tuple[str, ...]
    size_bytes: int
    free_bytes: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class Library:
    """A library that is needed: what is wanted of it, and what is there (None: nothing)."""

    name: str
    wanted: str
    installed: str | None


def existing(path: Path) -> Path:
    """A path, or the nearest folder above it that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def mount_of(path: Path) -> Mount | None:
    """The mount that a path, or the nearest folder above it, lies on."""
    here = existing(path).resolve()
    try:
        rows = (PROC / "self/mountinfo").read_text(errors="replace").splitlines()
        space = os.statvfs(here)
    except OSError:
        return None
    points = ((Path(point), kind, options) for point, kind, options in _mounts(rows))
    # The last one that fits is on top of the others.
    found = max(
        ((point, kind, options) for point, kind, options in points if here.is_relative_to(point)),
        key=lambda each: len(each[0].parts),
        default=None,
    )
    if found is None:
        return None
    unit = space.f_frsize
    return Mount(
        *found, space.f_blocks * unit, space.f_bavail * unit, space.f_files, space.f_favail
    )


def _mounts(rows: Iterable[str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Point, kind and options of each mount, the newest first: see proc_pid_mountinfo(5)."""
    for row in reversed(list(rows)):
        before, _, after = row.partition(" - ")
        words, said = before.split(), after.split()
        if len(words) < 6 or not said:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
        yield point, said[0], tuple(words[5].split(","))


def libraries() -> list[Library]:
    """The libraries that the recorder needs, without those of extras."""
    found = []
    for text in requires(PACKAGE) or ():
        matched = _REQUIREMENT.match(text)
        if matched is None or "extra ==" in text:
            continue
        name = matched[1]
        try:
            installed: str | None = version(name)
        except PackageNotFoundError:
            installed = None
        found.append(Library(name, matched[2].strip(), installed))
    return found


def memory_bytes() -> int | None:
    """How much memory there is for us: the machine's, or what a control group leaves of it."""
    found = [limit for limit in _group_limits() if limit < _UNLIMITED_BYTES]
    with suppress(OSError, ValueError, AttributeError):
        total = re.search(r"MemTotal:\s+(\d+) kB", (PROC / "meminfo").read_text())
        assert total is not None
        found.append(int(total[1]) * 1024)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        found.append(hard)
    return min(found, default=None)


def _group_limits() -> Iterator[int]:
    """Limits of our control group and of those above it, of both versions."""
    try:
        rows = (PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for row in rows:
        _, controllers, path = row.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = (
            (CGROUPS / "memory", "memory.limit_in_bytes")
            if controllers
            else (CGROUPS, "memory.max")
        )
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # "max" is no number
                yield int((root / folder / name).read_text())


def files_max() -> int:
    """How many files a process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def system() -> dict[str, object]:
    """What the system is: kernel, distribution, Python, processors, by name."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "distribution": f"{release.get('ID', '')} {release.get('VERSION_ID', '')}".strip(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "libc": " ".join(platform.libc_ver()),
        "processors": len(os.sched_getaffinity(0)),
    }
