"""Packed days: the record of a day, and where in its files the rows of an hour lie.

A packed day has one file a table (and product) in the place of those of its hours. The rows of an
hour fill row groups of their own, so that they are read as from the hour's own file. The record of
the day, `commits/20261121.json`, is published after all its files; from then on the files are in
force that it names, for the hours that it names. The commit records of those hours stay, and tell
what the day was made of; their files go an hour later. `packing/20261121.json` stands from before
the first file of a day until the last one of its hours has gone.
"""

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import pyarrow as pa

from recorder.core.tables import TABLES
from recorder.errors import DataError, LockedError, StorageError
from recorder.store.lock import PackLock
from recorder.store.paths import (
    File,
    Root,
    Slice,
    day_from_text,
    day_iso,
    day_text,
    hour_from_iso,
    iso,
)
from recorder.store.publish import remove, sync_folder
from recorder.store.records import publish_record, read_record

if TYPE_CHECKING:
    from recorder.store.commits import SealedFile

DAY_VERSION = 1
RECORDS_HELD = 64
PACKING, REMOVING = "packing", "removing"  # what a note says is being done with a day


class DayFile(msgspec.Struct, frozen=True):
    """One file of a packed day; ``path`` is relative to the data directory."""

    path: str
    table: str
    product_id: str | None
    rows: int
    bytes: int
    sha256: str
    ingest_seq_first: int | None
    ingest_seq_last: int | None


class DayHour(msgspec.Struct, frozen=True):
    """An hour of a packed day, by its begin; the figures are those of its commit record."""

    hour: str
    rows: int
    files: int
    capture_end: int
    capture_sha256: str | None


class Day(msgspec.Struct, frozen=True):
    """The record of a packed day: its files hold the rows of these hours, and no others."""

    version: int
    day: str
    packed_at: str
    rows: int
    bytes: int
    hours: tuple[DayHour, ...]
    files: tuple[DayFile, ...]

    @classmethod
    def of(cls, content: dict[str, Any], day: int) -> Self:
        """The record of a day from its content. Raises ValueError where it is another, or none."""
        record = msgspec.convert(content, cls)
        if record.day != day_iso(day):
            raise ValueError(f"it is of {record.day}")
        datetime.fromisoformat(record.packed_at)
        for each in record.hours:
            hour_from_iso(each.hour)
        return record

    def holds(self, hour: int) -> bool:
        """Whether the rows of an hour are in the day's files."""
        name = iso(hour)
        return any(each.hour == name for each in self.hours)


def read_day(root: Root, day: int) -> Day | None:
    """The record of a packed day; None where there is none.

    Raises DataError where there is one that cannot be read.
    """
    path = root.day_record(day)
    try:
        found = path.stat()
        return _record(path, day, (found.st_ino, found.st_mtime_ns, found.st_size))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path}: not the record of a day ({error}). Run `recorder repair`: it is made again "
            "from the day's files."
        ) from error


@lru_cache(RECORDS_HELD)
def _record(path: Path, day: int, _file: tuple[int, int, int]) -> Day:
    """A record that is right; of hundreds of products it takes longer to read than what it names.

    Raises ValueError or OSError.
    """
    return Day.of(read_record(path, ()), day)


def is_packed(root: Root, hour: int) -> bool:
    """Whether readers take an hour from the files of its day. Raises DataError as `read_day`."""
    day = read_day(root, hour // 24)
    return day is not None and day.holds(hour)


def publish_day(root: Root, day: int, record: Day) -> None:
    """Let readers take the day's files; all of them must be published."""
    content: dict[str, Any] = msgspec.to_builtins(record)
    publish_record(root.packing, root.day_record(day), content)


def file_of(root: Root, day: Day | None, hour: int, file: "SealedFile") -> File:
    """Where the rows of a file of an hour's commit record are; ``day`` is the record of its day."""
    if day is None or not day.holds(hour):
        return root.path / file.path
    return Slice(root.packed_file(TABLES[file.table], hour // 24, file.product_id), hour)


def files_of(
    root: Root, hour: int, files: Iterable["SealedFile"], table: str | None = None
) -> list[File]:
    """Where the rows of the files of an hour's commit record are, in their order; of one table.

    Raises DataError where the record of its day cannot be read.
    """
    wanted = [file for file in files if table in (None, file.table)]
    day = read_day(root, hour // 24) if wanted else None
    return [file_of(root, day, hour, file) for file in wanted]


# --- inside of a file ---------------------------------------------------------------------------


def hours_in(parquet: Any) -> dict[str, dict[str, Any]]:
    """What a day's file says of its hours, by their begin; empty of a file that is not a day's.

    Each has ``rows``, ``row_groups`` (the first, and the one behind the last), and of the hour's
    own file ``footer`` and ``written_by``. Raises ArrowInvalid where that cannot be.
    """
    metadata = parquet.metadata
    said = (metadata.metadata or {}).get(b"recorder.hours")
    if said is None:
        return {}
    try:
        found: dict[str, dict[str, Any]] = json.loads(said)
        _check_hours(found, metadata)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise pa.ArrowInvalid(f"what it says of its hours cannot be: {error}") from error
    return found


def _check_hours(found: dict[str, dict[str, Any]], metadata: Any) -> None:
    """The row groups of a file are those of its hours, behind each other, and as long."""
    reached = 0
    for hour in sorted(found):
        begin, end = found[hour]["row_groups"]
        rows = sum(metadata.row_group(each).num_rows for each in range(begin, end))
        if begin != reached or end < begin or rows != found[hour]["rows"]:
            raise ValueError(f"the rows of {hour[:40]} are others")
        reached = end
    if reached != metadata.num_row_groups:
        raise ValueError(f"{metadata.num_row_groups} row groups, and its hours have {reached}")


def row_groups(parquet: Any, hour: int) -> range:
    """The row groups that hold the rows of an hour; none where it has no rows in this file.

    Raises ArrowInvalid where it does not say which.
    """
    hours = hours_in(parquet)
    if not hours:
        raise pa.ArrowInvalid("it does not say where the rows of its hours are")
    told = hours.get(iso(hour))
    return range(0) if told is None else range(*told["row_groups"])


def footer_in(parquet: Any, hour: int) -> dict[str, str]:
    """What the hour's own file said of itself."""
    said = parquet.metadata.metadata or {}
    told = hours_in(parquet).get(iso(hour), {"rows": 0, "footer": {}})
    footer = {"recorder.hour": iso(hour), "recorder.rows": str(told["rows"]), **told["footer"]}
    for name in ("recorder.channel", "recorder.product"):
        if name.encode() in said:
            footer[name] = said[name.encode()].decode()
    return footer


# --- what is being done -------------------------------------------------------------------------


def note(root: Root, day: int, doing: str) -> None:
    """Write down that a day is being packed, or removed, before anything of it is done."""
    publish_record(root.packing, root.pack_note(day), {"day": day_iso(day), "doing": doing})


def clear(root: Root) -> list[str]:
    """Finish what a process that died left of days; the caller holds the `PackLock`.

    Files of a day whose record was not published go, and so does what is left of one that was being
    removed. Returns a line for each thing done.
    """
    done = []
    for day in root.noted_days():
        if is_removed(root, day):
            remove_day(root, day)
            done.append(f"what was left of the packed day {day_iso(day)}")
        elif not root.day_record(day).exists():
            _remove_files(root, day)
            remove(root.pack_note(day))
            done.append(f"files of {day_iso(day)}, whose packing was cut off")
    for path in root.packing.iterdir() if root.packing.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        elif not (path.suffix == ".json" and path.stem.isdigit()):
            path.unlink()
    return done


def tidy(root: Root) -> None:
    """`clear`, at a start: unless somebody packs now, or the disk refuses."""
    if root.packing.is_dir():
        with suppress(LockedError, StorageError, OSError), PackLock(root):
            clear(root)


def is_removed(root: Root, day: int) -> bool:
    """Whether a packed day is being removed for good, or was when somebody died of it."""
    try:
        return bool(read_record(root.pack_note(day), ())["doing"] == REMOVING)
    except (FileNotFoundError, ValueError, KeyError):
        return False


def remove_day(root: Root, day: int) -> int:
    """Remove a packed day for good, its hours' records first; returns how many files it had.

    Readers then know nothing of the hours. Where it is cut off, `clear` goes on.
    """
    note(root, day, REMOVING)
    with suppress(DataError):
        record = read_day(root, day)
        for each in record.hours if record is not None else ():
            remove(root.commits / f"{each.hour[:13].translate(_DIGITS)}.json")
    remove(root.day_record(day))
    files = _remove_files(root, day)
    remove(root.pack_note(day))
    return files


_DIGITS = str.maketrans("", "", "-T")


def packed_paths(root: Root, day: int) -> list[Path]:
    """Every file that lies where those of a packed day do."""
    name = f"date={day_iso(day)}/*"
    return sorted([*root.packed.glob(f"*/{name}"), *root.packed.glob(f"*/product=*/{name}")])


def _remove_files(root: Root, day: int) -> int:
    paths = packed_paths(root, day)
    remove_all(paths, root.path)
    return len(paths)


def remove_all(paths: Iterable[Path], top: Path) -> None:
    """Remove files and the folders that are empty then, durably, below ``top``."""
    left = set()
    for path in paths:
        path.unlink(missing_ok=True)
        folder = path.parent
        with suppress(OSError):
            while folder.parent != top:
                folder.rmdir()
                folder = folder.parent
        left.add(folder)
    for folder in left:
        while not folder.is_dir():
            folder = folder.parent  # noqa: PLW2901  another file's removal took it along
        sync_folder(folder)


def day_named(text: str) -> int | None:
    """The day that a person names, ``2026-11-21`` or ``20261121``; None where it is none."""
    with suppress(ValueError):
        day = day_from_text(text.replace("-", ""))
        if text in (day_iso(day), day_text(day)):
            return day
    return None
