"""Objects as readers of a data directory take files: by a path that has what they ask of one.

`ObjectPath` does for objects what these readers ask of a `pathlib.Path`, and nothing else; an
object that is not there is a FileNotFoundError. `ObjectFile` reads ranges of one.
"""

import errno
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import total_ordering
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its library comes with the extra ``s3``, and readers of a directory do without
    from recorder.bucket.objects import Bucket


@total_ordering
@dataclass(frozen=True, slots=True)
class ObjectPath:
    """An object, or a folder of objects, by its path below the prefix; "" is the prefix itself.

    ``size`` is that of the object where it is known from a record: then nobody has to ask for it.
    """

    bucket: "Bucket"
    path: str
    size: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and self._key == other._key

    def __lt__(self, other: "ObjectPath") -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.bucket.endpoint, str(self.bucket.address), self.path

    def __str__(self) -> str:
        return f"s3://{self.bucket.address.bucket}/{self.bucket.address.key(self.path)}".rstrip("/")

    def __truediv__(self, name: str) -> "ObjectPath":
        return ObjectPath(self.bucket, f"{self.path}/{name}" if self.path else name)

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self._pure.name

    @property
    def stem(self) -> str:
        """The name without its last suffix."""
        return self._pure.stem

    @property
    def suffix(self) -> str:
        """The last suffix, with its dot."""
        return self._pure.suffix

    @property
    def parent(self) -> "ObjectPath":
        """The folder that it lies in."""
        parent = str(self._pure.parent)
        return ObjectPath(self.bucket, "" if parent == "." else parent)

    @property
    def _pure(self) -> PurePosixPath:
        return PurePosixPath(self.path)

    def stat(self) -> Any:
        """Its size and version, under the names that files have."""
        found = self.bucket.head(self.path)
        if found is None:
            raise self._gone()
        return SimpleNamespace(st_size=found.size, st_ino=found.etag, st_mtime_ns=0)

    def exists(self) -> bool:
        """Whether there is such an object; a folder is none."""
        return self.bucket.head(self.path) is not None

    is_file = exists

    def is_dir(self) -> bool:
        """Whether anything lies below it."""
        return next(self.bucket.entries(self.path), None) is not None

    def iterdir(self) -> Iterator["ObjectPath"]:
        """The folders in it. Objects are found by records, never by looking for them."""
        for name in self.bucket.folders(self.path):
            yield self / name

    def read_bytes(self) -> bytes:
        """A small object as a whole."""
        found = self.bucket.get(self.path)
        if found is None:
            raise self._gone()
        return found.body

    def read_text(self, encoding: str = "utf-8") -> str:
        """A small object as text."""
        return self.read_bytes().decode(encoding)

    def open(self, mode: str = "rb") -> "ObjectFile":
        """Open it for reading ranges; nothing is asked for where its size is known."""
        assert mode == "rb", "objects are read only"
        size = self.size if self.size is not None else self.stat().st_size
        return ObjectFile(self, size)

    def _gone(self) -> FileNotFoundError:
        return FileNotFoundError(errno.ENOENT, "no such object", str(self))


class ObjectFile(io.RawIOBase):
    """An object as a file: every read is one request for that range, and nothing is kept.

    Columns that lie beside each other are asked for at once by who reads (`pre_buffer`).
    """

    def __init__(self, path: ObjectPath, size: int) -> None:
        self._path = path
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere; asks for nothing."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, fewer only at the end."""
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        found = self._path.bucket.get_range(self._path.path, self._at, end)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(self._path))
        if len(found) < end - self._at:
            raise OSError(errno.EIO, f"it is shorter than its record says, {self._size:,} bytes")
        self._at += len(found)
        return found

    def readall(self) -> bytes:
        """Everything from here on."""
        return self.read()
