"""Where an export is written: a folder that is there whole, or not at all.

Everything is written into a hidden folder beside the one that was named, which takes its place by
one rename when all of it is on disk. What a killed export leaves behind is that hidden folder; the
next one to the same place clears it away.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recorder.errors import LockedError, StorageError, UsageError

_DISK = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG),
    *(errno.ENOTDIR, errno.EEXIST, errno.EXDEV, errno.ENAMETOOLONG, errno.ENOTEMPTY, errno.EBUSY),
}


@contextmanager
def placed(out: Path, source: Path | None) -> Iterator[Path]:
    """Give an empty folder to write in, which becomes ``out`` where nothing is raised.

    Raises:
        UsageError: ``out`` holds something, or lies in the data directory ``source``, if any.
        LockedError: another export writes there.
        StorageError: the disk refused.
    """
    out = out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} is not an empty directory, and an export must not mix with anything; name a "
            "new one"
        )
    if source is not None and out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out} lies in the data directory; name a directory outside of {source}")
    staging = out.with_name(f".{out.name}.partial")
    handle = -1
    try:
        _make(staging, out)
        handle = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"{out}: another export is writing there. Wait for it, or name another directory."
            ) from error
        try:
            _clear(staging)
            yield staging
            _sync(staging)
            staging.rename(out)  # takes the place of an empty one
            _sync_one(out.parent)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(staging)
            raise
    except OSError as error:
        if error.errno not in _DISK or not _of(error, out.parent):
            raise
        raise _refused(out, error) from error
    finally:
        if handle >= 0:
            os.close(handle)


def _make(staging: Path, out: Path) -> None:
    """Make a folder with those above it; whatever is wrong then is wrong with the place."""
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(out, error) from error


def _refused(out: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{out}: cannot be written ({error.strerror}). See that there is room, and that the "
        "directory may be written to, and export again."
    )


def _of(error: OSError, place: Path) -> bool:
    """Whether an error may be one of a place: it names no file, or one that is there."""
    return error.filename is None or Path(os.fsdecode(error.filename)).is_relative_to(place)


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _sync(folder: Path) -> None:
    """Have a folder and all that is in it on disk."""
    for path in folder.iterdir():
        if path.is_dir():
            _sync(path)
        else:
            _sync_one(path)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
