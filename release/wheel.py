"""Builds the wheel twice, in other circumstances, and holds the bytes against each other.

Folder, time, umask, locale, time zone and the order of hashes differ; the bytes must not. Then the
wheel is in ``dist/``.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from release.commit import copy, epoch
from release.lock import PROJECT

DIST = PROJECT / "dist"
_ONE = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}
_OTHER = {"TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONHASHSEED": "2"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, compare, keep; 1 where the two differ."""
    parser = argparse.ArgumentParser("python -m release.wheel", description=__doc__)
    parser.add_argument("--to", type=Path, default=DIST, help="the folder that gets the wheel")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="recorder-wheel-") as folder:
        there = Path(folder)
        one = build(there / "one", epoch(), _ONE, umask=0o022, made=1_000_000_000)
        other = build(there / "a longer way to the other", epoch(), _OTHER, umask=0o077)
        if different := differences(one, other):
            print("the wheel is not reproducible:", *different, sep="\n  ")
            return 1
        asked.to.mkdir(parents=True, exist_ok=True)
        for old in asked.to.glob("recorder-*.whl"):
            old.unlink()
        kept = Path(shutil.copyfile(one, asked.to / one.name))
    digest = hashlib.sha256(kept.read_bytes()).hexdigest()
    print(f"{kept.name}: {kept.stat().st_size:,} bytes, built twice alike, sha256 {digest}")
    return 0


def build(
    folder: Path,
    seconds: int,
    environment: Mapping[str, str],
    *,
    umask: int,
    made: int | None = None,
) -> Path:
    """Build in a new folder; ``made`` is the time that its files have, now without it."""
    source = copy(folder / "source")
    if made is not None:
        for path in source.rglob("*"):
            os.utime(path, (made, made))
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=source, check=True, capture_output=True, umask=umask,
        env={**clean, **environment, "SOURCE_DATE_EPOCH": str(seconds)},
    )  # fmt: skip
    (path,) = (folder / "dist").glob("recorder-*.whl")
    return path


def differences(one: Path, other: Path) -> list[str]:
    """In what two wheels differ; nothing where they are the same bytes."""
    if one.name == other.name and one.read_bytes() == other.read_bytes():
        return []
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        members = [{each.filename: each for each in wheel.infolist()} for wheel in (first, second)]
        found = [f"{name}: only in one" for name in sorted(members[0].keys() ^ members[1].keys())]
        for name in sorted(members[0].keys() & members[1].keys()):
            mine, its = members[0][name], members[1][name]
            if first.read(name) != second.read(name):
                found.append(f"{name}: other content")
            elif (mine.date_time, mine.external_attr) != (its.date_time, its.external_attr):
                found.append(f"{name}: another time or mode")
    return found or ["the order or the packing"]


def requirement(wheel: Path) -> str:
    """What pip is asked for, to get a wheel: its name and version."""
    name, version, *_ = wheel.name.split("-")
    return f"{name}=={version}"


if __name__ == "__main__":
    sys.exit(main())
