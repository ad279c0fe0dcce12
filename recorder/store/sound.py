"""Whether the parts of an hour are what was written, looked at before they are sealed.

The record of a cut has the digest of each part that was written for it. A part that no record
names (its cut was interrupted, or is of before there were digests) is read through: schema, footer,
page checksums, range of numbers, and the records' counts of rows.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.frames import hour_base
from recorder.core.tables import TABLES, Table
from recorder.errors import DataError
from recorder.store.commits import Commit
from recorder.store.parts import SCHEMAS, Cut, digest_of, part_key, read_cut, write_file
from recorder.store.paths import CUTS, Part, Root, iso

_WRITTEN_BY_ITSELF = {"recorder.schema_version", "recorder.channel", "recorder.rows"}
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)


class Unsound(NamedTuple):
    """A part or a cut's record (``table`` is `CUTS`) that is not what was written.

    Of the offsets [first, end) of the hour; ``path`` is None where there is no file.
    """

    table: str
    first: int
    end: int
    path: Path | None
    problem: str


@dataclass(slots=True)
class _Hour:
    """What was found; ``sound`` are the parts of each table that may be sealed."""

    root: Root
    hour: int
    cuts: dict[Part, Cut] = field(default_factory=dict)
    sound: dict[str, list[Part]] = field(default_factory=dict)
    found: list[Unsound] = field(default_factory=list)

    def find(self, table: str, part: Part, problem: str) -> None:
        self.found.append(Unsound(table, part.first, part.end, part.path, problem))


def unsound_parts(
    root: Root, hour: int, first: int = 0, before: int | None = None
) -> list[Unsound]:
    """What of an hour's parts from offset ``first`` on must not be sealed, in no order.

    ``before``: somebody publishes parts from this offset on; they are not looked at.
    """
    known = _Hour(root, hour)

    def looked_at(part: Part) -> bool:
        return part.first >= first and (before is None or part.end <= before)

    for cut in filter(looked_at, root.parts(CUTS, hour)):
        try:
            known.cuts[cut] = read_cut(cut.path)
        except (DataError, OSError) as error:
            raise_refusal(error)
            known.find(CUTS, cut, f"cannot be used: {_line(error)}")
    told = {key: digest for cut in known.cuts.values() for key, digest in cut.parts.items()}
    for name, table in TABLES.items():
        parts = list(filter(looked_at, root.parts(name, hour)))
        known.sound[name] = _apart(known, table, [_checked(known, table, p, told) for p in parts])
    for cut, record in known.cuts.items():
        _check_cut(known, cut, record)
    return known.found


def raise_refusal(error: Exception) -> None:
    """No more handles, no memory: that says nothing of the file. It is looked at again later."""
    says = (None, errno.EIO, errno.ENOENT)  # without a number it is Arrow's, of what it read
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno not in says):
        raise error


# --- a part by itself ---------------------------------------------------------------------------


def _checked(known: _Hour, table: Table, part: Part, told: dict[str, str]) -> tuple[Part, bool]:
    """A part, and whether a record vouches for it; what is wrong with it is found."""
    digest = told.get(part_key(part.path))
    try:
        if digest is None:
            problem = _wrong(part.path, table, part)
        elif digest_of(part.path) != digest:
            problem = "has other bytes than the record of its cut tells of"
        else:
            problem = None
    except _UNREADABLE as error:
        raise_refusal(error)
        problem = f"cannot be read: {_line(error)}"
    if problem is not None:
        known.find(table.name, part, problem)
    return part, digest is not None


def _wrong(path: Path, table: Table, part: Part) -> str | None:
    with path.open("rb") as handle:
        file = pq.ParquetFile(handle, page_checksum_verification=True)
        if (problem := _other_columns(file.schema_arrow, table)) is not None:
            return problem
        said = file.schema_arrow.metadata or {}
        if said.get(b"recorder.channel") != table.name.encode():
            return "its footer does not say that it is of this table"
        rows = file.read()
    if said.get(b"recorder.rows") != str(rows.num_rows).encode():
        return f"has {rows.num_rows} rows; its footer says otherwise"
    numbers, base = rows.column(table.order).to_numpy(), hour_base(part.hour)
    if len(numbers) and not base + part.first <= numbers.min() <= numbers.max() < base + part.end:
        return "has rows of other offsets than its name says"
    if not is_as_written(path, table):
        return "has other bytes than its rows are written as"
    return None


def _other_columns(found: pa.Schema, table: Table) -> str | None:
    """What a file's columns have that a part of this version, or of an earlier one, has not."""
    wanted = SCHEMAS[table.name]
    for name in found.names:
        if name not in wanted.names or found.field(name).type != wanted.field(name).type:
            return f"has a column {name} that is not of the table"
    lacking = [each.name for each in wanted if each.name not in found.names and not each.nullable]
    return f"has no column {', '.join(lacking)}" if lacking else None


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def is_as_written(path: Path, table: Table) -> bool:
    """Whether a file has the very bytes that its rows are written as.

    Page checksums do not cover the rest of a file: headers, statistics, the footer. True also where
    another version of the library wrote it, so that its bytes may be others.
    """
    content = path.read_bytes()
    file = pq.ParquetFile(pa.BufferReader(content))
    if file.metadata.created_by != f"parquet-cpp-arrow version {pa.__version__}":
        return True
    rows = file.read()
    said = {key.decode(): value.decode() for key, value in (rows.schema.metadata or {}).items()}
    footer = {
        key.removeprefix("recorder."): value
        for key, value in said.items()
        if key.startswith("recorder.") and key not in _WRITTEN_BY_ITSELF
    }
    again = pa.BufferOutputStream()
    write_file(again, table, rows.cast(SCHEMAS[table.name]), footer)
    return bool(again.getvalue().to_pybytes() == content)


# --- parts beside each other --------------------------------------------------------------------


def _apart(known: _Hour, table: Table, parts: Sequence[tuple[Part, bool]]) -> list[Part]:
    """The sound parts of a table; of two that overlap, the one that a record vouches for."""
    hurt = {each.path for each in known.found}
    sound: list[Part] = []
    for part, _ in sorted(parts, key=lambda each: (not each[1], each[0])):
        if part.path in hurt:
            continue
        other = next((p for p in sound if p.first < part.end and part.first < p.end), None)
        if other is None:
            sound.append(part)
        else:
            problem = f"overlaps {other.path.name}: rows would be there twice"
            known.find(table.name, part, problem)
    return sound


def _check_cut(known: _Hour, cut: Part, record: Cut) -> None:
    """All rows of which a record tells are there."""
    for name, table in TABLES.items():
        here = [p for p in known.sound[name] if p.first < cut.end and cut.first < p.end]
        own = part_key(known.root.part(name, cut.hour, cut.first, cut.end))
        if own in record.parts and [part_key(p.path) for p in here] == [own]:
            continue  # its bytes are as they were
        if any(
            each.table == name and each.first < cut.end and cut.first < each.end
            for each in known.found
        ):
            continue
        rows = sum(_rows_within(table, part, cut) for part in here)
        if rows == record.rows.get(name, 0):
            continue
        problem = f"{rows} rows are there; {cut.path.name} tells of {record.rows.get(name, 0)}"
        if not here:
            known.found.append(Unsound(name, cut.first, cut.end, None, problem))
        for part in here:
            known.find(name, part, problem)


def _rows_within(table: Table, part: Part, cut: Part) -> int:
    """The rows of a part that are of a cut's offsets."""
    with part.path.open("rb") as handle:
        file = pq.ParquetFile(handle)
        if cut.first <= part.first and part.end <= cut.end:
            return int(file.metadata.num_rows)
        numbers = np.sort(file.read([table.order]).column(0).to_numpy()) - hour_base(cut.hour)
    first, end = np.searchsorted(numbers, (cut.first, cut.end))
    return int(end - first)


# --- files of an earlier seal -------------------------------------------------------------------


def unsound_files(root: Root, commit: Commit) -> list[tuple[Path, str]]:
    """The sealed files of a record whose rows must not be sealed again.

    A file with other bytes may be right: the next seal was cut off after it. It is read through.
    """
    found = []
    for file in commit.files:
        path, table = root.path / file.path, TABLES[file.table]
        whole = Part(commit.hour, 0, 1 << 35, path)
        try:
            problem = None
            if digest_of(path) != file.sha256:
                problem = _wrong(path, table, whole) or _another(path, commit.hour, file.rows)
        except _UNREADABLE as error:
            raise_refusal(error)
            problem = f"cannot be read: {_line(error)}"
        if problem is not None:
            found.append((path, problem))
    return found


def _another(path: Path, hour: int, rows: int) -> str | None:
    """Why a file can be none that a later seal of the hour has put in the place of one."""
    with path.open("rb") as handle:
        file = pq.ParquetFile(handle)
        said = file.schema_arrow.metadata or {}
        if said.get(b"recorder.hour") != iso(hour).encode() or file.metadata.num_rows < rows:
            return "is not the file of the commit record"
    return None
