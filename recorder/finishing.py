"""Sealing by hand: the open hours of a data directory that nobody records into are finished."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recorder import recovery, sealing
from recorder.errors import NoInputError, StorageError
from recorder.recording import end_lost
from recorder.store.aside import set_aside_unreadable
from recorder.store.importing import take_back
from recorder.store.lock import WriterLock
from recorder.store.paths import Root, hour_text
from recorder.store.publish import empty

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class SealReport:
    """The hours sealed, and what their files hold."""

    hours: list[str] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    bytes: int = 0


def seal(root_path: Path, *, include_current: bool, progress: Progress | None = None) -> SealReport:
    """Finish the open hours of a data directory that nobody records into.

    ``include_current``: the hour that is not over too; recording on in it seals it again.

    Raises:
        LockedError: somebody records into it.
        NoInputError: it is no data directory.
    """
    root = Root(root_path)
    if not root.path.is_dir():
        raise NoInputError(f"{root.path}: no such directory. Name one that was recorded into.")
    if not any(root.path.iterdir()):
        return SealReport()  # and no lock is left behind
    with WriterLock(root), on_disk(root):
        return finish(root, include_current=include_current, progress=progress)


def finish(root: Root, *, include_current: bool, progress: Progress | None = None) -> SealReport:
    """The same for who holds the directory's lock."""
    empty(root.staging)
    take_back(root)
    aside = set_aside_unreadable(root)
    end_lost(root)
    sealing.mend_all(root, aside)
    recovery.publish_missing(root.path)
    now_hour = int(time.time()) // 3600
    held = sorted(set(root.captured_hours()) | set(root.part_hours()))
    due = [
        hour
        for hour in held
        if (include_current or hour < now_hour) and not recovery.is_sealed(root, hour)
    ]
    report = SealReport()
    for index, hour in enumerate(due):
        commit = recovery.seal_and_switch(root, [hour])[0]
        report.hours.append(hour_text(hour))
        report.files += len(commit.files)
        report.rows += commit.rows
        report.bytes += commit.bytes
        if progress is not None:
            progress(index + 1, len(due))
    over = [hour for hour in held if include_current or hour < now_hour]
    if over:
        recovery.advance(root, over[-1] + 1)
    return report


@contextmanager
def on_disk(root: Root, safe: str = "what was recorded is safe") -> Iterator[None]:
    """What the disk refuses is the operator's to mend; ``safe`` says what is not lost by it."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{root.path}: the disk refused ({error}). See that it has space and is writable, and "
            f"do the same again: {safe}."
        ) from error
