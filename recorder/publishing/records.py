"""Commit records and records of days as they are published.

Where nothing is withheld and every file lies under its own name, that is the record as it is, byte
for byte. Otherwise it is made again, with a checksum of its own: without the files of private
tables, or with the names that files of a later seal were given.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.store.commits import read_commit
from recorder.store.days import read_day
from recorder.store.paths import Root
from recorder.store.records import CHECKSUM, checksum

PRIVATE = frozenset(name for name, table in TABLES.items() if table.private)
_SEAL_DIGITS = 12  # of the digest, in the name of a file that was sealed again


class Key(NamedTuple):
    """What a file is of; a record has one of each at most."""

    table: str
    product_id: str | None


class File(NamedTuple):
    """A file by its record: where it lies here, how long it is, and what its bytes are."""

    key: Key
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an hour or a day: what it says, and the bytes to publish."""

    content: dict[str, Any]
    body: bytes

    @property
    def files(self) -> list[File]:
        """Its files, private ones only where they are published."""
        return [
            File(
                Key(each["table"], each["product_id"]), each["path"], each["bytes"], each["sha256"]
            )
            for each in self.content["files"]
        ]

    @property
    def rows(self) -> int:
        """Rows of its files."""
        return sum(each["rows"] for each in self.content["files"])

    @property
    def etag(self) -> str:
        """The tag that most stores give an object with these bytes: its MD5."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'

    def digests(self, *, private: bool) -> dict[Key, str]:
        """The digest of each file, by what it is of."""
        return {
            file.key: file.sha256 for file in self.files if private or file.key.table not in PRIVATE
        }

    def placed(self, paths: Mapping[Key, str]) -> "Record":
        """The same record, with the names under which its files lie in the bucket."""
        files = self.content["files"]
        named = [{**each, "path": paths[Key(each["table"], each["product_id"])]} for each in files]
        return self if named == files else made({**self.content, "files": named})


def made(content: dict[str, Any]) -> Record:
    """A record from what it says, with its checksum."""
    bare = {name: value for name, value in content.items() if name != CHECKSUM}
    whole = {**bare, CHECKSUM: checksum(bare)}
    return Record(whole, (json.dumps(whole, indent=1) + "\n").encode())


def parse(body: bytes) -> Record | None:
    """A record that was published; None where it is damaged."""
    try:
        content = json.loads(body)
        bare = {name: value for name, value in content.items() if name != CHECKSUM}
        found = Record(content, body)
        _ = found.files, found.rows
        return found if content[CHECKSUM] == checksum(bare) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def of_hour(root: Root, hour: int, *, private: bool) -> Record | None:
    """The commit record of an hour, to publish; None where it has gone.

    Raises DataError where it is damaged.
    """
    return None if read_commit(root, hour) is None else _read(root.commit(hour), private=private)


def of_day(root: Root, day: int, *, private: bool) -> Record | None:
    """The record of a packed day, to publish; None where the day is not packed.

    Raises DataError where it is damaged.
    """
    return None if read_day(root, day) is None else _read(root.day_record(day), private=private)


def _read(path: Path, *, private: bool) -> Record | None:
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return None
    content = json.loads(body)
    files = [each for each in content["files"] if private or each["table"] not in PRIVATE]
    if len(files) == len(content["files"]) and CHECKSUM in content:
        return Record(content, body)
    content = {**content, "files": files, "rows": sum(each["rows"] for each in files)}
    if "bytes" in content:
        content["bytes"] = sum(each["bytes"] for each in files)
    return made(content)


def again(path: str, sha256: str) -> str:
    """The name of a file that was made again after it was published: with some of its digest."""
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}.{sha256[:_SEAL_DIGITS]}{dot}{suffix}"


def refuse(path: str, problem: str) -> DataError:
    """What is wrong with an object that is in the way."""
    return DataError(f"{path}: {problem}. Somebody else wrote it; move it away, and publish again.")
