"""One writer a data directory: a flock on ``.lock``, which the kernel drops with the process.

Days that are over may be packed beside a writer: that has a lock of its own, ``.pack-lock``. Who
needs both takes the writer's first. Publishing has a third, ``.publish-lock``, and needs no other.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from recorder.errors import LockedError, StorageError
from recorder.store.paths import Root
from recorder.store.publish import make_folder

_TRIES = 4  # who only looks whether a lock is held holds it for some microseconds
_TRY_AGAIN_S = 0.02


def holder(path: Path) -> int | None:
    """The process that holds a lock, as it noted itself; None where none does.

    The note alone is not believed, since a process that was killed leaves its own, and its number
    is given to another one.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not _noted(handle):
            return None  # let go in order: it need not be tried
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _noted(handle)
    else:
        return None
    finally:
        os.close(handle)


def _noted(handle: int) -> int | None:
    """The process that a lock names; None where it names none."""
    content = os.pread(handle, 32, 0).strip()
    return int(content) if content.isdigit() else None


@contextmanager
def past_days(root: Root, *, beside: bool) -> Iterator[bool]:
    """Hold the sealed files of past days; gives whether somebody records meanwhile.

    ``beside``: that may be. Raises as the locks below do.
    """
    with ExitStack() as locks:
        recorded = False
        try:
            locks.enter_context(WriterLock(root))
        except LockedError:
            if not beside:
                raise
            recorded = True
        locks.enter_context(PackLock(root))
        yield recorded


class _Lock:
    """A flock as a context manager; what another process holds is refused with its pid."""

    def __init__(self, root: Root, path: Path, does: str) -> None:
        self._root = root
        self._path = path
        self._does = does
        self._handle: int | None = None

    def __enter__(self) -> Self:
        try:
            make_folder(self._root.path)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StorageError(
                f"{self._root.path}: cannot be written to ({error.strerror}). Check that it exists "
                "or can be made, and that its owner is the user who runs the recorder."
            ) from error
        try:
            _take(handle)
        except BlockingIOError as error:
            named = _noted(handle) or "unknown"
            os.close(handle)
            raise LockedError(f"{self._root.path}: process {named} {self._does}") from error
        self._handle = handle
        with suppress(OSError):  # it only names us: a full disk must not keep anybody out
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def _take(handle: int) -> None:
    """Take a lock; raises BlockingIOError where another process has it."""
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
            time.sleep(_TRY_AGAIN_S)
        else:
            return


class WriterLock(_Lock):
    """Holds a data directory for writing, as a context manager.

    Raises:
        LockedError: another process holds it; the message names its pid.
        StorageError: the directory cannot be made or written to.
    """

    def __init__(self, root: Root) -> None:
        does = "writes to it. Stop that one first, or choose another data directory."
        super().__init__(root, root.lock, does)


class PackLock(_Lock):
    """Holds the sealed files of past days, as a context manager: to pack, repair or remove them.

    Raises:
        LockedError: another process holds it; the message names its pid.
        StorageError: the directory cannot be made or written to.
    """

    def __init__(self, root: Root) -> None:
        does = "packs days of it. Wait until it is done, or stop it, and do the same again."
        super().__init__(root, root.pack_lock, does)


class PublishLock(_Lock):
    """Holds the right to publish a data directory, as a context manager; others may write to it.

    Raises:
        LockedError: another process holds it; the message names its pid.
        StorageError: the directory cannot be written to.
    """

    def __init__(self, root: Root) -> None:
        does = "publishes it. Wait until it is done, or stop it, and do the same again."
        super().__init__(root, root.publish_lock, does)
