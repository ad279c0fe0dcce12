"""Versions, the machine, its limits and the disk, as far as a recording depends on them."""

import os
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from recorder import machine
from recorder.credentials import KEY, PASSPHRASE, SECRET

_LIMITS = {
    "files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "address_space_bytes": resource.RLIMIT_AS,
    "core_bytes": resource.RLIMIT_CORE,
    "file_bytes": resource.RLIMIT_FSIZE,
}
# Options of mounts that say how it writes; others may hold names, hosts and passwords.
_OPTIONS = frozenset({
    "ro", "rw", "noatime", "relatime", "nodiratime", "lazytime", "sync", "dirsync", "nosuid",
    "nodev", "noexec",
})  # fmt: skip
# Variables that change what the recorder does. Whether they are set is told, never to what.
_VARIABLES = (
    *(KEY, SECRET, PASSPHRASE, "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"),
    *("JOURNAL_STREAM", "LISTEN_FDS", "INVOCATION_ID", "TZ", "LANG", "LC_ALL", "NO_COLOR"),
    *("MALLOC_ARENA_MAX", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SSL_CERT_FILE"),
    *("SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_PROFILE"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"),
)


def about(getenv: Callable[[str], str | None] = os.getenv) -> dict[str, Any]:
    """What runs here and on what, without the names of machine and user."""
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "recorder": version(machine.PACKAGE),
        "system": machine.system(),
        "libraries": {
            each.name: {"wanted": each.wanted, "installed": each.installed}
            for each in machine.libraries()
        },
        "up_s": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
        "utc_offset_s": time.localtime().tm_gmtoff,
        "load": os.getloadavg(),
        "memory_bytes": machine.memory_bytes(),
        "is_root": os.geteuid() == 0,
        "variables_set": sorted({name for name in _VARIABLES if getenv(name) is not None}),
    }


def disk(data: Path) -> dict[str, Any]:
    """The disk of a data directory, and the limits of a process."""
    mount = machine.mount_of(data)
    found: dict[str, Any] = {
        "limits": {name: _limits(which) for name, which in _LIMITS.items()},
        "data_is_there": data.is_dir(),
        "mount": None,
    }
    if data.is_dir():
        status = data.stat()
        found["mode"] = f"{status.st_mode & 0o7777:04o}"
        found["is_ours"] = status.st_uid == os.geteuid()
    if mount is not None:
        found["mount"] = {
            "kind": mount.kind,
            "options": [each for each in mount.options if each in _OPTIONS],
            "size_bytes": mount.size_bytes,
            "free_bytes": mount.free_bytes,
            "inodes": mount.inodes,
            "inodes_free": mount.inodes_free,
        }
    return found


def _limits(which: int) -> list[int | None]:
    """The soft and the hard limit; None for no limit."""
    return [None if each == resource.RLIM_INFINITY else each for each in resource.getrlimit(which)]
