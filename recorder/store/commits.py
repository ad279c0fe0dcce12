"""The commit record of an hour: which files it became, and what a later start must know of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from recorder.core.frames import FIRST_OFFSET
from recorder.errors import DataError
from recorder.store.paths import Root, iso
from recorder.store.records import publish_record, read_record

COMMIT_VERSION = 1
_OLDER = {
    *("version", "hour", "capture_first", "capture_end", "capture_sha256", "ended_ns", "rows"),
    *("sealed_at", "files", "trades"),
}


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One file of a commit record; ``path`` is relative to the data directory."""

    path: str
    table: str
    product_id: str | None
    rows: int
    bytes: int
    sha256: str
    ingest_seq_first: int | None
    ingest_seq_last: int | None


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit record of an hour: its capture [FIRST_OFFSET, capture_end) became these files.

    ``ended_ns`` and ``trades`` are what a later start must know of it when nothing else is kept:
    the time up to which it was recorded, and the recorded trade ids (`recorder.core.state`).
    """

    hour: int
    capture_end: int
    capture_sha256: str | None
    ended_ns: int | None
    trades: dict[str, Any]
    files: tuple[SealedFile, ...]
    sealed_at: str

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)


def read_commit(root: Root, hour: int) -> Commit | None:
    """The commit record of an hour; None where there is none.

    Raises DataError where there is one that cannot be read.
    """
    path = root.commit(hour)
    try:
        content = read_record(path, _OLDER)
        _check(content, hour)
        files = tuple(SealedFile(**file) for file in content["files"])
        return Commit(
            hour,
            content["capture_end"],
            content["capture_sha256"],
            content["ended_ns"],
            content["trades"],
            files,
            content["sealed_at"],
        )
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise DataError(
            f"{path}: not a commit record ({error}). Move it away; the next start of the recorder "
            "seals the hour again from what is kept."
        ) from error


def _check(content: Mapping[str, Any], hour: int) -> None:
    if content["hour"] != iso(hour):
        raise ValueError(f"it is of the hour {content['hour']}")
    end, ended_ns = content["capture_end"], content["ended_ns"]
    if type(end) is not int or end < 0:
        raise ValueError(f"capture_end is {end!r}")
    if ended_ns is not None and type(ended_ns) is not int:
        raise ValueError(f"ended_ns is {ended_ns!r}")
    if not isinstance(content["trades"], dict):
        raise ValueError("trades is no object")  # noqa: TRY004  damage, as any other
    datetime.fromisoformat(content["sealed_at"])


def publish_commit(root: Root, commit: Commit) -> None:
    """Publish the record of an hour, when all its files are there."""
    content = {
        "version": COMMIT_VERSION,
        "hour": iso(commit.hour),
        "capture_first": FIRST_OFFSET,
        "capture_end": commit.capture_end,
        "capture_sha256": commit.capture_sha256,
        "ended_ns": commit.ended_ns,
        "rows": commit.rows,
        "sealed_at": commit.sealed_at,
        "files": [asdict(file) for file in commit.files],
        "trades": commit.trades,
    }
    publish_record(root.staging, root.commit(commit.hour), content)
