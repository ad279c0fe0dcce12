"""The note in the data directory that says where its recorder is served."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NAME = ".http.json"
_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recorder is served. ``token``: one must be shown."""

    url: str
    pid: int
    token: bool


def write(data: Path, url: str, *, token: bool) -> None:
    """Leave the note; a disk that refuses it is no matter."""
    content = json.dumps({"url": url, "pid": os.getpid(), "token": token}) + "\n"
    staged = data / f"{NAME}.{os.getpid()}"
    with suppress(OSError):
        staged.write_text(content, encoding="utf-8")
        staged.chmod(0o640)
        staged.replace(data / NAME)


def remove(data: Path) -> None:
    """Take the note away."""
    with suppress(OSError):
        (data / NAME).unlink(missing_ok=True)


def read(data: Path) -> Place | None:
    """Read the note; None where there is none, or its process is gone."""
    try:
        with (data / NAME).open(encoding="utf-8") as file:
            content = json.loads(file.read(_BYTES_MAX))
        found = Place(str(content["url"]), int(content["pid"]), bool(content["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if is_alive(found.pid) else None


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return pid > 0
