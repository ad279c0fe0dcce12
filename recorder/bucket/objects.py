"""Objects below one prefix of a bucket, each by its path in the data directory.

A write says what must be so: that nothing is there yet, or which version is replaced. Stores that
do not know such conditions are asked before (`Conditions`), which is as good while one process
writes. Every body goes with its SHA-256, which the store compares with what arrived, and which is
kept beside the object.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from recorder.bucket import refusals
from recorder.bucket.address import Address

PARQUET, JSON = "application/vnd.apache.parquet", "application/json"
_TRIES = 5
_PAUSE_S = 0.2
_PAGE = 1000  # keys of one answer; the most that there is
_NOTHING = "0" * 32
_WORDS = {"get_object": "read", "head_object": "look at", "put_object": "write"}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a store does of its own.

    ``absent``: write only where nothing is; ``same``: only in the place of this version.
    """

    absent: bool = True
    same: bool = True

    @property
    def whole(self) -> bool:
        """Whether it does both."""
        return self.absent and self.same


class Entry(NamedTuple):
    """An object as a listing has it."""

    path: str
    size: int
    etag: str
    modified_s: float


class Found(NamedTuple):
    """A small object, read whole."""

    body: bytes
    etag: str


class Head(NamedTuple):
    """What a store says of an object; ``sha256`` is None where nobody told it."""

    size: int
    etag: str
    sha256: str | None


class Bucket:
    """The objects below a prefix. Threads may share one.

    Every call raises a `RecorderError` where the store refuses, fails several times in a row, or
    cannot be reached.
    """

    def __init__(self, address: Address, client: Any, endpoint: str) -> None:
        self.address = address
        self.endpoint = endpoint
        self.conditions = Conditions()
        self._client = client

    def __repr__(self) -> str:
        return f"<{self.address} at {self.endpoint}>"

    def ask(
        self,
        operation: str,
        path: str,
        expected: Callable[[ClientError], bool] | None = None,
        **more: Any,
    ) -> Any:
        """One operation on an object; None where it is refused as ``expected``."""
        return self._ask(operation, path, expected, Key=self.address.key(path), **more)

    def _ask(
        self,
        operation: str,
        path: str,
        expected: Callable[[ClientError], bool] | None,
        **more: Any,
    ) -> Any:
        for left in reversed(range(_TRIES)):
            try:
                return getattr(self._client, operation)(Bucket=self.address.bucket, **more)
            except ClientError as error:
                if expected is not None and expected(error):
                    return None
                if not (left and refusals.is_contended(error)):
                    raise self._told(error, operation, path) from error
            except (BotoCoreError, HTTPClientError, OSError) as error:
                raise self._told(error, operation, path) from error
            time.sleep(_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _told(self, error: Exception, operation: str, path: str) -> Exception:
        word = _WORDS.get(operation, operation.replace("_", " ").removesuffix(" objects v2"))
        what = f"{word} {self.address}/{path}".rstrip("/")
        return refusals.told(error, what, self.address.bucket, self.endpoint)

    def ask_all(self, operation: str, listed: str, **more: Any) -> list[Any]:
        """What all pages of a listing have under a name; `list_multipart_uploads`, `list_parts`."""
        found: list[Any] = []
        while True:
            answer = self._ask(operation, "", None, **more)
            found += answer.get(listed, ())
            if not answer.get("IsTruncated"):
                return found
            for mark in ("KeyMarker", "UploadIdMarker", "PartNumberMarker"):
                if answer.get(f"Next{mark}"):
                    more[mark] = answer[f"Next{mark}"]

    # --- reading ---------------------------------------------------------------------------------

    def get(self, path: str) -> Found | None:
        """A small object as a whole; None where it is not there."""
        answer = self._read(path, refusals.is_absent)
        return None if answer is None else Found(*answer)

    def get_range(self, path: str, start: int, end: int) -> bytes | None:
        """The bytes [start, end) of an object, fewer where it ends before; None: not there."""
        beyond = False

        def refused(error: ClientError) -> bool:
            nonlocal beyond
            beyond = refusals.is_beyond(error)
            return beyond or refusals.is_absent(error)

        answer = self._read(path, refused, Range=f"bytes={start}-{end - 1}")
        if answer is None:
            return b"" if beyond else None
        return answer[0]

    def _read(
        self, path: str, refused: Callable[[ClientError], bool], **more: Any
    ) -> tuple[bytes, str] | None:
        """A body can stop in its middle, behind what the library tries again."""
        for left in reversed(range(_TRIES)):
            answer = self.ask("get_object", path, refused, **more)
            if answer is None:
                return None
            try:
                with closing(answer["Body"]) as body:  # its own `with` gives what is below it
                    return body.read(), answer["ETag"]
            except (BotoCoreError, HTTPClientError, OSError) as error:
                if not left:
                    raise self._told(error, "get_object", path) from error
            time.sleep(_PAUSE_S * (_TRIES - left))
        raise AssertionError("the last try returns or raises")

    def head(self, path: str) -> Head | None:
        """What the store says of an object; None where it is not there."""
        answer = self.ask("head_object", path, refusals.is_absent, ChecksumMode="ENABLED")
        if answer is None:
            return None
        told = answer.get("ChecksumSHA256", "")
        # That of an object in parts is one over the digests of the parts: "…-12".
        digest = base64.b64decode(told).hex() if told and "-" not in told else None
        return Head(
            answer["ContentLength"], answer["ETag"], digest or answer["Metadata"].get("sha256")
        )

    def entries(self, folder: str, after: str = "") -> Iterator[Entry]:
        """The objects below a folder ("": all) with paths behind ``after``, in their order."""
        for page in self._pages(folder, after):
            for each in page.get("Contents", ()):
                path = self.address.path(each["Key"])
                when = each["LastModified"].timestamp()
                yield Entry(path, each["Size"], each["ETag"], when)

    def folders(self, folder: str) -> Iterator[str]:
        """The names of the folders in a folder."""
        for page in self._pages(folder, "", Delimiter="/"):
            for each in page.get("CommonPrefixes", ()):
                yield each["Prefix"].rstrip("/").rpartition("/")[2]

    def _pages(self, folder: str, after: str, **more: Any) -> Iterator[Any]:
        prefix = self.address.key(f"{folder}/" if folder else "")
        if after:
            more["StartAfter"] = self.address.key(after)
        while True:
            answer = self._ask(
                "list_objects_v2", folder, None, Prefix=prefix, MaxKeys=_PAGE, **more
            )
            yield answer
            if not answer.get("IsTruncated"):
                return
            more["ContinuationToken"] = answer["NextContinuationToken"]

    # --- writing ---------------------------------------------------------------------------------

    def put_absent(self, path: str, body: bytes, kind: str) -> bool:
        """Write an object where none is; False where one is."""
        if self.conditions.absent:
            written = self._put(path, body, kind, IfNoneMatch="*")
            if written or self.conditions.absent:
                return written
        return self.head(path) is None and self._put(path, body, kind)

    def put_instead(self, path: str, body: bytes, kind: str, etag: str) -> bool:
        """Write an object in the place of this version; False where it is another by now."""
        if self.conditions.same:
            written = self._put(path, body, kind, IfMatch=etag)
            if written or self.conditions.same:
                return written
        known = self.head(path)
        return known is not None and known.etag == etag and self._put(path, body, kind)

    def _put(self, path: str, body: bytes, kind: str, **condition: str) -> bool:
        digest = hashlib.sha256(body)

        def refused(error: ClientError) -> bool:
            if condition and refusals.is_unknown_condition(error):
                self.conditions = Conditions(absent=False, same=False)
                return True
            return bool(condition) and (
                refusals.is_unmet(error) or ("IfMatch" in condition and refusals.is_absent(error))
            )

        answer = self.ask(
            "put_object",
            path,
            refused,
            Body=body,
            ContentType=kind,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            Metadata={"sha256": digest.hexdigest()},
            **condition,
        )
        return answer is not None

    def delete(self, path: str) -> None:
        """Remove an object; one that is gone already is fine."""
        self.ask("delete_object", path)

    # --- conditions ------------------------------------------------------------------------------

    def find_conditions(self, path: str, body: bytes) -> Conditions:
        """Learn whether the store does what a write asks for, by an object that is there.

        Both writes must be refused; where they are not, they write what is there already.
        """
        self.conditions = Conditions(
            self._refuses(path, body, IfNoneMatch="*"),
            self._refuses(path, body, IfMatch=f'"{_NOTHING}"'),
        )
        return self.conditions

    def _refuses(self, path: str, body: bytes, **condition: str) -> bool:
        met = True

        def refused(error: ClientError) -> bool:
            nonlocal met
            met = not refusals.is_unmet(error)
            return not met or refusals.is_unknown_condition(error)

        self.ask(
            "put_object",
            path,
            refused,
            Body=body,
            ContentType=JSON,
            Metadata={"sha256": hashlib.sha256(body).hexdigest()},
            **condition,
        )
        return not met
