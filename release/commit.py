"""What is released: the files of the project, and the time of the newest commit."""

import os
import shutil
import subprocess
from pathlib import Path

from release.lock import PROJECT


def epoch() -> int:
    """The time that everything built here has, in seconds since 1970.

    `SOURCE_DATE_EPOCH` where it is set, as reproducible-builds.org has it, else the commit's.

    Raises:
        SystemExit: there is neither.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given.isdecimal():
        return int(given)
    if given:
        raise SystemExit(f"SOURCE_DATE_EPOCH is {given!r}; seconds since 1970 are wanted")
    if not (PROJECT / ".git").exists():
        raise SystemExit("not a git checkout: set SOURCE_DATE_EPOCH to seconds since 1970")
    return int(_git("log", "-1", "--format=%ct"))


def files() -> list[Path]:
    """The files of the project, relative to it: what git has or would add."""
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    found = sorted(Path(name) for name in listed.split("\0") if name)
    return [path for path in found if (PROJECT / path).is_file()]


def copy(folder: Path) -> Path:
    """Copy the files of the project into a new folder."""
    for path in files():
        to = folder / path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / path, to)
    return folder


def _git(*command: str) -> str:
    """What git says; of this project alone, whoever owns its files."""
    return subprocess.run(
        ["git", "-c", f"safe.directory={PROJECT}", *command],
        cwd=PROJECT, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
