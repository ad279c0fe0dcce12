"""Files appear whole or not at all.

publish(x): written in staging, fsync the file, create the parents with fsync, rename, fsync the
folder. A cut of the power at any moment leaves either no file or the whole one. On Linux the
rename alone is not enough: without the fsync of the folder an acknowledged file can be lost.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

DATA_MODE = 0o444  # what is published never changes
PRIVATE_MODE = 0o600  # the account's own orders: for nobody else
FOLDER_MODE = 0o750


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, each durable."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(FOLDER_MODE)
        sync_folder(each.parent)


def publish(staged: Path, final: Path, *, mode: int = DATA_MODE) -> None:
    """Move a finished file from staging to its place; an older one there is replaced."""
    staged.chmod(mode)
    sync_file(staged)
    make_folder(final.parent)
    staged.rename(final)
    sync_folder(final.parent)


def publish_json(staging: Path, final: Path, content: dict[str, Any], *, mode: int = 0o644) -> None:
    """Publish a small JSON document."""
    make_folder(staging)
    staged = staging / f"{final.name}.{os.getpid()}"
    staged.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    publish(staged, final, mode=mode)


def remove(path: Path) -> None:
    """Remove a file durably; one that is gone already is fine."""
    with suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def empty(folder: Path) -> int:
    """Remove everything in a folder; returns how many entries there were."""
    if not folder.is_dir():
        return 0
    entries = list(folder.iterdir())
    for entry in entries:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return len(entries)
