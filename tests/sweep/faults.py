"""Failing the Nth file-system call of this process."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.parquet as pq

CALLS = (
    *("open", "write", "fsync", "fdatasync", "rename", "chmod", "mkdir", "unlink"),
    *("listdir", "scandir", "rmdir", "ftruncate", "pwrite"),
)
CODES = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EMFILE)
READS = ("os.listdir", "os.scandir", "io.open r", "io.open rb")  # open: that of `pathlib`
READ_CODES = (errno.EIO, errno.EMFILE)
LASTING = 6  # calls that fail in a row where the cause lasts


class Faults:
    """Counts calls, and fails those from ``first`` to before ``end`` with an errno."""

    def __init__(self, first: int = -1, end: int = -1, code: int = 0) -> None:
        self.names: list[str] = []
        self.armed = False
        self.failed: list[str] = []
        self._first, self._end, self.code = first, end, code

    def arm(self) -> None:
        """Count from here on."""
        self.armed = True

    def disarm(self) -> None:
        """Let everything pass, uncounted, from here on."""
        self.armed = False

    def call(self, name: str) -> None:
        """Take note of a call; fails it where it is its turn."""
        if not self.armed:
            return
        number = len(self.names)
        self.names.append(name)
        if self._first <= number < self._end:
            self.failed.append(name)
            raise OSError(self.code, f"{os.strerror(self.code)} (planted in call {number})")


@contextmanager
def planted(faults: Faults) -> Iterator[None]:
    """Stand before the calls of `os`, `pathlib` and Parquet's writing inside of the block."""
    real = [(os, name, getattr(os, name)) for name in CALLS]
    real += [(io, "open", io.open), (pq, "write_table", pq.write_table)]

    def before(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            faults.call(f"{name} {arguments[1]}" if name == "io.open" else name)
            return function(*arguments, **named)

        return call

    for module, name, function in real:
        setattr(module, name, before(f"{module.__name__}.{name}", function))
    try:
        yield
    finally:
        for module, name, function in real:
            setattr(module, name, function)
