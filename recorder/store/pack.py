"""Packing: the files of a day's hours become one file a table and product, and a record of the day.

A pure function of the hours' files: row group for row group, in their order, so that no more than
one is in memory. Nothing is taken on trust: each file of an hour is held against its commit record
before it is read, and what was written is read again and held against what it was made of. Order:
a note, every file, then the record of the day (`recorder.store.days`). The hours' files are removed
later and separately (`let_go`).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.tables import SCHEMA_VERSION, TABLES, Table
from recorder.errors import DataError
from recorder.store.days import (
    DAY_VERSION,
    PACKING,
    Day,
    DayFile,
    DayHour,
    note,
    publish_day,
    remove_all,
    row_groups,
)
from recorder.store.parts import (
    ROW_GROUP_ROWS,
    SCHEMAS,
    complete,
    encodings,
    mode_of,
    reserve,
    unify,
    with_footer,
)
from recorder.store.paths import Root, day_iso, hour_from_iso, iso
from recorder.store.publish import make_folder, publish, remove
from recorder.store.seal import Commit, SealedFile, read_commit
from recorder.store.sound import raise_refusal

Key = tuple[str, str | None]
Told = Callable[[int], None]  # called with rows as they are done
_OF_THE_FILE = {"channel", "product", "hour", "rows"}  # footer keys that the day's file has itself
_SUMMED = ("gaps", "inexact_values")


@dataclass(frozen=True, slots=True)
class Source:
    """One file of an hour, and what its commit record says of it."""

    hour: int
    path: Path
    told: SealedFile


def pack_day(
    root: Root, day: int, commits: Sequence[Commit], now: Callable[[], str], told: Told
) -> Day:
    """Make the files of a day from those of its sealed hours, in order, and publish the record.

    The caller holds the `PackLock`, and has seen that nothing of the day is being written. ``now``
    gives the time that the record tells: from then on readers know of the day. Raises DataError,
    with nothing published, where a file is not the one of its commit record.
    """
    note(root, day, PACKING)
    scratch = root.packing / root.pack_note(day).stem
    make_folder(scratch)
    made = []
    for (name, product_id), sources in sources_of(root, commits).items():
        table = TABLES[name]
        final = root.packed_file(table, day, product_id)
        staged = scratch / final.name
        reserve(staged, table)
        _write(table, day, product_id, sources, staged)
        _compare(table, sources, staged, told)
        made.append((staged, final, _described(root, table, product_id, sources, staged, final)))
    for staged, final, file in made:
        publish(staged, final, mode=mode_of(TABLES[file.table]))
    record = record_of(day, commits, [file for _, _, file in made], now())
    publish_day(root, day, record)
    scratch.rmdir()
    return record


def sources_of(root: Root, commits: Sequence[Commit]) -> dict[Key, list[Source]]:
    """The files of hours by table and product, each in the order of the hours."""
    found: dict[Key, list[Source]] = {}
    for commit in commits:
        for file in commit.files:
            source = Source(commit.hour, root.path / file.path, file)
            found.setdefault((file.table, file.product_id), []).append(source)
    return {key: found[key] for key in sorted(found, key=lambda key: (key[0], key[1] or ""))}


def record_of(day: int, commits: Sequence[Commit], files: Sequence[DayFile], packed_at: str) -> Day:
    """The record of a day that is made of these hours, and has these files."""
    hours = tuple(
        DayHour(iso(each.hour), each.rows, len(each.files), each.capture_end, each.capture_sha256)
        for each in commits
    )
    rows, size = sum(file.rows for file in files), sum(file.bytes for file in files)
    return Day(DAY_VERSION, day_iso(day), packed_at, rows, size, hours, tuple(files))


# --- one file -----------------------------------------------------------------------------------


def _write(
    table: Table, day: int, product_id: str | None, sources: Sequence[Source], staged: Path
) -> None:
    """Write the rows of the sources behind each other; the row groups of an hour are its own."""
    footer = _footer(table, day, product_id, sources)
    rows = sum(source.told.rows for source in sources)
    schema = with_footer(table, SCHEMAS[table.name], rows, footer)
    order = _Order(table)
    with staged.open("wb") as out, pq.ParquetWriter(out, schema, **encodings(table)) as writer:
        for source in sources:
            for group in _groups(table, source):
                if not group.num_rows:
                    continue
                order.take(source, group)
                writer.write_table(group.cast(schema), row_group_size=ROW_GROUP_ROWS)
            order.end(source)


def _groups(table: Table, source: Source) -> Iterator[pa.Table]:
    """The row groups of a file of an hour, as the hour's rows are written anew."""
    check_bytes(source.path, source.told.bytes, source.told.sha256)
    try:
        with source.path.open("rb") as handle:
            parquet = pq.ParquetFile(handle, page_checksum_verification=True)
            for number in range(parquet.num_row_groups):
                yield as_written(table, parquet.read_row_group(number))
    except (pa.ArrowException, KeyError) as error:
        raise DataError(f"{source.path}: cannot be read ({error}).") from error


def as_written(table: Table, rows: pa.Table) -> pa.Table:
    """Rows with the columns of today, each dictionary in the order of its first occurrence."""
    return unify(table, complete(table, rows, SCHEMAS[table.name].names))


def check_bytes(path: Path, size: int, sha256: str) -> None:
    """Raise DataError where a file is not the one that a record tells of, or is gone."""
    try:
        if path.stat().st_size != size:
            raise DataError(f"{path}: has {path.stat().st_size:,} bytes; its record says {size:,}.")
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
                raise DataError(f"{path}: has another SHA-256 than its record says.")
    except FileNotFoundError as error:
        raise DataError(f"{path}: is gone, and its record names it.") from error


class _Order:
    """Sees that the rows of a table ascend, and are those that the commit records tell of."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._last: int | None = None
        self._rows = 0
        self._first: int | None = None

    def take(self, source: Source, group: pa.Table) -> None:
        """The next row group of a file."""
        numbers = group.column(self._table.order).to_numpy()
        if not len(numbers):
            return
        unique = self._table.order == "ingest_seq"
        steps = numbers[1:] <= numbers[:-1] if unique else numbers[1:] < numbers[:-1]
        if steps.any() or (self._last is not None and numbers[0] < self._last + unique):
            raise DataError(f"{source.path}: its rows are not in the order of {self._table.order}.")
        self._first = int(numbers[0]) if self._first is None else self._first
        self._last, self._rows = int(numbers[-1]), self._rows + len(numbers)

    def end(self, source: Source) -> None:
        """The last row group of a file was taken."""
        last = None if self._first is None else self._last
        told = source.told.rows, source.told.ingest_seq_first, source.told.ingest_seq_last
        if (self._rows, self._first, last) != told:
            raise DataError(f"{source.path}: has other rows than its commit record says.")
        self._first, self._rows = None, 0


def _footer(
    table: Table, day: int, product_id: str | None, sources: Sequence[Source]
) -> dict[str, str]:
    """What a day's file says of itself; with what the hours' files said, so that none is lost."""
    footer = {"day": day_iso(day)}
    if product_id is not None:
        footer["product"] = product_id
    hours: dict[str, dict[str, Any]] = {}
    begin = 0
    for source in sources:
        groups, said, written_by = _said(table, source)
        hours[iso(source.hour)] = {
            "rows": source.told.rows,
            "row_groups": [begin, begin + groups],
            "footer": {f"recorder.{key}": said[key] for key in sorted(said)},
            "written_by": written_by,
        }
        begin += groups
        for key in _SUMMED:
            if key in said:
                footer[key] = str(int(footer.get(key, "0")) + int(said[key]))
        for key, better in (("sequence_first", min), ("sequence_last", max)):
            if key in said:
                footer[key] = str(better(int(footer.get(key, said[key])), int(said[key])))
    numbers = [
        number
        for source in sources
        for number in (source.told.ingest_seq_first, source.told.ingest_seq_last)
        if number is not None
    ]
    if numbers:
        footer[f"{table.order}_first"] = str(min(numbers))
        footer[f"{table.order}_last"] = str(max(numbers))
    footer["hours"] = json.dumps(hours, separators=(",", ":"))
    return footer


def _said(table: Table, source: Source) -> tuple[int, dict[str, str], str]:
    """How many row groups an hour's rows come to, what its file says of itself, and by whom.

    Raises DataError where another version wrote it, which knows more columns than this one.
    """
    try:
        with source.path.open("rb") as handle, pq.ParquetFile(handle) as parquet:
            names, metadata = parquet.schema_arrow.names, parquet.metadata
            groups = sum(
                -(-metadata.row_group(number).num_rows // ROW_GROUP_ROWS)
                for number in range(metadata.num_row_groups)
            )
            said = {
                key.decode().removeprefix("recorder."): value.decode()
                for key, value in (metadata.metadata or {}).items()
                if key.startswith(b"recorder.")
            }
    except FileNotFoundError as error:
        raise DataError(f"{source.path}: is gone, and its record names it.") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise_refusal(error)
        raise DataError(f"{source.path}: cannot be read ({error}).") from error
    unknown = sorted(set(names) - set(SCHEMAS[table.name].names))
    if unknown or int(said.get("schema_version", "0")) > SCHEMA_VERSION:
        what = f" (columns {', '.join(unknown)})" if unknown else ""
        raise DataError(f"{source.path}: a newer version of the recorder wrote it{what}.")
    kept = {key: value for key, value in said.items() if key not in _OF_THE_FILE}
    return groups, kept, metadata.created_by


def _compare(table: Table, sources: Sequence[Source], staged: Path, told: Told) -> None:
    """Read what was written, and hold it against what it was made of."""
    try:
        _compare_rows(table, sources, staged, told)
    except pa.ArrowException as error:
        raise DataError(f"{staged}: was not written as its rows are ({error}).") from error


def _compare_rows(table: Table, sources: Sequence[Source], staged: Path, told: Told) -> None:
    with staged.open("rb") as handle:
        parquet = pq.ParquetFile(handle, page_checksum_verification=True)
        for source in sources:
            written = iter(row_groups(parquet, source.hour))
            for group in _groups_again(table, source):
                for begin in range(0, group.num_rows, ROW_GROUP_ROWS):
                    again = parquet.read_row_group(next(written))
                    part = group.slice(begin, ROW_GROUP_ROWS)
                    if not _same(table, again, part):
                        raise DataError(f"{staged}: was not written as its rows are.")
                    told(part.num_rows)
            if next(written, None) is not None:
                raise DataError(f"{staged}: has more rows than it was made of.")


def _groups_again(table: Table, source: Source) -> Iterator[pa.Table]:
    with source.path.open("rb") as handle, pq.ParquetFile(handle) as parquet:
        for number in range(parquet.num_row_groups):
            yield complete(table, parquet.read_row_group(number), SCHEMAS[table.name].names)


def _same(table: Table, one: pa.Table, other: pa.Table) -> bool:
    """Whether rows are equal; words by their text, and not by their place in a dictionary."""
    if one.num_rows != other.num_rows:
        return False
    for name in SCHEMAS[table.name].names:
        columns = [_plain(each.column(name)) for each in (one, other)]
        if not columns[0].equals(columns[1]):
            return False
    return True


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    column = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    if pa.types.is_floating(column.type):  # by their bits: -0.0 is not 0.0
        return pa.chunked_array([each.view(pa.int64()) for each in column.chunks], pa.int64())
    return column


def _described(
    root: Root,
    table: Table,
    product_id: str | None,
    sources: Sequence[Source],
    staged: Path,
    final: Path,
) -> DayFile:
    with staged.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    told = [source.told for source in sources]
    firsts = [each.ingest_seq_first for each in told if each.ingest_seq_first is not None]
    lasts = [each.ingest_seq_last for each in told if each.ingest_seq_last is not None]
    return DayFile(
        str(final.relative_to(root.path)),
        table.name,
        product_id,
        sum(each.rows for each in told),
        staged.stat().st_size,
        sha256,
        min(firsts, default=None),
        max(lasts, default=None),
    )


# --- what the day replaced ----------------------------------------------------------------------


def superseded(root: Root, record: Day) -> list[Path]:
    """The files of its hours that a packed day stands in for, and that are still there."""
    paths = []
    for hour in sealed_hours(record):
        commit = read_commit(root, hour)
        files = commit.files if commit is not None else ()
        paths += [path for file in files if (path := root.path / file.path).exists()]
    return paths


def sealed_hours(record: Day) -> list[int]:
    """The hours of a packed day."""
    return [hour_from_iso(each.hour) for each in record.hours]


def let_go(root: Root, day: int, record: Day) -> int:
    """Remove the files of a packed day's hours, and the note of it; returns how many there were.

    The caller holds the `PackLock`, and nobody reads them any more. Raises DataError, with nothing
    removed, where one of the day's files is not the one of its record.
    """
    for file in record.files:
        check_bytes(root.path / file.path, file.bytes, file.sha256)
    paths = superseded(root, record)
    remove_all(paths, root.path)
    remove(root.pack_note(day))
    return len(paths)
