"""What a packed day's own files tell: its record again, and the files of its hours.

For a day of which something is damaged: `recorder repair` makes the record again where only that is
hurt, and else takes the day apart into files of its hours.
"""

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.store.commits import Commit, SealedFile, publish_commit, read_commit
from recorder.store.days import (
    PACKING,
    Day,
    DayFile,
    clear,
    file_of,
    footer_in,
    hours_in,
    note,
    packed_paths,
    read_day,
)
from recorder.store.pack import as_written, check_bytes, record_of
from recorder.store.parts import mode_of, read_parts, reserve, write_file
from recorder.store.paths import Root, hour_from_iso, iso, path_of
from recorder.store.publish import make_folder, publish, remove
from recorder.store.views import publish_views

_ENDS = ("first", "last")


def scan_day(root: Root, day: int) -> Day | None:
    """The record of a day as its files and the commit records of its hours make it.

    None where it has none. Files that cannot be read are left out.
    """
    hours: set[str] = set()
    files = []
    for path in packed_paths(root, day):
        names = path.relative_to(root.packed).parts
        table = TABLES.get(names[0])
        product_id = names[1].removeprefix("product=") if len(names) > 3 else None
        if table is None or table.per_product != (product_id is not None):
            continue
        try:
            with path.open("rb") as handle, pq.ParquetFile(handle) as parquet:
                hours |= hours_in(parquet).keys()
                said, rows = parquet.metadata.metadata or {}, parquet.metadata.num_rows
            with path.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            ends = [int(said[f"recorder.{table.order}_{end}".encode()]) for end in _ENDS]
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
            continue
        name, size = str(path.relative_to(root.path)), path.stat().st_size
        files.append(DayFile(name, table.name, product_id, rows, size, sha256, *ends))
    commits = []
    for hour in sorted(hours):
        with suppress(DataError):
            commits += [each for each in [read_commit(root, hour_from_iso(hour))] if each]
    files.sort(key=lambda file: (file.table, file.product_id or ""))
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return record_of(day, commits, files, moment) if commits else None


def restore_hour(root: Root, record: Day, commit: Commit) -> None:
    """Give an hour of a packed day files of its own again, from the day's.

    The bytes are those that they had, unless another version of the library wrote them: then the
    commit record is written again, too. What is there already is left. Raises DataError where the
    rows cannot be read.
    """
    files = []
    for told in commit.files:
        try:
            check_bytes(root.path / told.path, told.bytes, told.sha256)
        except DataError:
            files.append(_restored(root, record, commit.hour, told))
        else:
            files.append(told)
    if tuple(files) != commit.files:
        publish_commit(root, replace(commit, files=tuple(files)))


def take_apart(root: Root, day: int) -> None:
    """Give all hours of a packed day files of their own again, since one of them goes on.

    The caller holds both locks. Cut off at any moment, readers take each row from one side. Raises
    DataError, with the day as it was, where one of its files is not the one of its record.
    """
    record = read_day(root, day)
    assert record is not None
    for file in record.files:
        check_bytes(root.path / file.path, file.bytes, file.sha256)
    note(root, day, PACKING)
    for each in record.hours:
        commit = read_commit(root, hour_from_iso(each.hour))
        if commit is None:
            raise DataError(f"{root.path}: {each.hour} is packed, and has no commit record.")
        restore_hour(root, record, commit)
    remove(root.day_record(day))
    publish_views(root, root.packing)
    clear(root)


def _restored(root: Root, record: Day, hour: int, told: SealedFile) -> SealedFile:
    table, final = TABLES[told.table], root.path / told.path
    held = file_of(root, record, hour, told)
    rows = as_written(table, read_parts(table, [held]))
    with path_of(held).open("rb") as handle, pq.ParquetFile(handle) as parquet:
        said, written_by = footer_in(parquet, hour), hours_in(parquet)[iso(hour)]["written_by"]
    footer = {key.removeprefix("recorder."): value for key, value in said.items()}
    make_folder(root.packing)
    staged = root.packing / f"restored-{final.name}"
    staged.unlink(missing_ok=True)
    reserve(staged, table)
    write_file(staged, table, rows, footer)
    with staged.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    if sha256 != told.sha256 and written_by == f"parquet-cpp-arrow version {pa.__version__}":
        staged.unlink()
        raise DataError(
            f"{path_of(held)}: its rows of {iso(hour)} are not those of the hour's commit record. "
            "Take the file from a copy."
        )
    made = replace(told, bytes=staged.stat().st_size, sha256=sha256)
    publish(staged, final, mode=mode_of(table))
    return made
