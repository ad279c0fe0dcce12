"""A commit record against what it names: files, bytes, digests, rows, numbers."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recorder.core.frames import FIRST_OFFSET, hour_base
from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.store.days import Day, file_of, read_day
from recorder.store.paths import File, Root, Slice, iso, path_of
from recorder.store.seal import Commit, SealedFile, read_commit
from recorder.store.unpack import scan_day
from recorder.verify.findings import PACKED, SEALED, Report
from recorder.verify.reading import NotWholeError, Numbers, Read, read_through, repeated


@dataclass(slots=True)
class Sealed:
    """The sealed side of an hour. ``numbers`` are those of the files that could be read.

    ``day`` is the record of its day where it is packed.
    ``commit`` is None where there is no record, or none that can be used: ``problem`` says why.
    """

    commit: Commit | None = None
    problem: str | None = None
    numbers: dict[File, Numbers] = field(default_factory=dict)
    day: Day | None = None


def read_record(root: Root, hour: int) -> Sealed:
    """Read an hour's commit record and see whether it can be one."""
    try:
        commit = read_commit(root, hour)
        problem = None if commit is None else _contradiction(root, commit)
    except DataError as error:
        commit, problem = None, f"is {str(error).partition(': ')[2].partition('. Move it')[0]}"
    return Sealed(commit if problem is None else None, problem, day=packed_day(root, hour))


def packed_day(root: Root, hour: int) -> Day | None:
    """The record of an hour's day where the hour is packed; made of its files if it is damaged."""
    try:
        day = read_day(root, hour // 24)
    except DataError:
        day = scan_day(root, hour // 24)
    return day if day is not None and day.holds(hour) else None


def _contradiction(root: Root, commit: Commit) -> str | None:
    """What cannot be right in a record that could be read; None where nothing is wrong."""
    content: dict[str, Any] = json.loads(root.commit(commit.hour).read_text(encoding="utf-8"))
    hour = content.get("hour")
    if hour != iso(commit.hour):
        return f"it is the record of {hour}, under the name of {iso(commit.hour)}"
    if content.get("capture_first") != FIRST_OFFSET or type(commit.capture_end) is not int:
        return "its range of the capture is not one"
    for file in commit.files:
        if (wrong := _misplaced(root, commit.hour, file)) is not None:
            return wrong
    paths = [file.path for file in commit.files]
    if len(set(paths)) != len(paths):
        return "it names a file twice"
    if content.get("rows") != commit.rows:
        return f"it says {content.get('rows')} rows, and its files have {commit.rows}"
    return None


def _misplaced(root: Root, hour: int, file: SealedFile) -> str | None:
    table = TABLES.get(file.table)
    if table is None or type(file.rows) is not int:
        return f"it names a file of no table: {file.table!r}"
    if table.per_product != isinstance(file.product_id, str):
        return f"it names a file of {file.table} that has no product, or one too many"
    if str(root.sealed(table, hour, file.product_id).relative_to(root.path)) != file.path:
        return f"it names a file that is not of this hour: {file.path}"
    return None


def check_files(root: Root, sealed: Sealed, report: Report, remedy: str, *, replaced: bool) -> None:
    """Every file that a record names.

    ``replaced``: recording went on after the seal, and the next one may have replaced files
    without its record being there yet; such a file must be whole, and is noted.
    """
    commit = sealed.commit
    assert commit is not None
    for file in commit.files:
        held = file_of(root, sealed.day, commit.hour, file)
        path, packed = path_of(held), isinstance(held, Slice)
        kind = PACKED if packed else SEALED
        report.files += not packed  # that of a day counts once
        try:
            problem = None if packed else outside(path, file.bytes, file.sha256)
            read = read_through(held, TABLES[file.table])
        except FileNotFoundError:
            report.find(kind, path, commit.hour, "is gone; the commit record names it", remedy)
            continue
        except NotWholeError as error:
            report.find(kind, path, commit.hour, str(error), remedy)
            continue
        report.rows += read.rows
        report.bytes += 0 if packed else file.bytes
        sealed.numbers[held] = read.numbers
        if problem is not None and replaced:
            text = "is not the file of the commit record: a seal is under way, or was cut off"
            report.note(path, commit.hour, text)
            continue
        problem = problem or _inside(commit, file, read)
        if problem is not None:
            report.find(kind, path, commit.hour, problem, remedy)


def outside(path: Path, wanted: int, sha256: str, record: str = "commit record") -> str | None:
    """What is wrong with the bytes of a file, by its record."""
    size = path.stat().st_size
    if size != wanted:
        return f"has {size:,} bytes; the {record} says {wanted:,}"
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != sha256:
        return f"has another SHA-256 than the {record} says"
    return None


def _inside(commit: Commit, file: SealedFile, read: Read) -> str | None:
    """What is wrong with the rows of a file, and what it says of itself."""
    if read.rows != file.rows:
        return f"has {read.rows:,} rows; the commit record says {file.rows:,}"
    said = {
        "channel": (file.table, read.footer.get("recorder.channel")),
        "hour": (iso(commit.hour), read.footer.get("recorder.hour")),
        "rows": (str(file.rows), read.footer.get("recorder.rows")),
        "product": (file.product_id, read.footer.get("recorder.product")),
    }
    for name, (wanted, found) in said.items():
        if wanted != found:
            return f"its footer says {name} {found}, not {wanted}"
    if file.product_id is not None and read.products - {file.product_id}:
        return f"has rows of {', '.join(sorted(read.products - {file.product_id}))}"
    return out_of_order(read, TABLES[file.table].order, commit.hour, 0, commit.capture_end) or (
        _range(file, read)
    )


def out_of_order(read: Read, order: str, hour: int, first: int, end: int) -> str | None:
    """What is wrong with the numbers of a file in whose order they ascend.

    They must belong to offsets [first, end) of the hour.
    """
    numbers = read.numbers
    if not len(numbers):
        return None
    steps = np.diff(numbers)
    if (steps < 0).any():
        return f"{order} is not in order"
    if order == "ingest_seq" and (steps == 0).any():
        return f"{order} {numbers[:-1][steps == 0][0]} is there twice"
    base = hour_base(hour)
    if numbers[0] < base + first or numbers[-1] >= base + end:
        return f"{order} is outside of the offsets {first} … {end} of the hour"
    if len(again := repeated(read.trade_ids)):
        return f"trade {again[0]} is there twice"
    return None


def _range(file: SealedFile, read: Read) -> str | None:
    bounds = (int(read.numbers[0]), int(read.numbers[-1])) if len(read.numbers) else (None, None)
    if bounds != (file.ingest_seq_first, file.ingest_seq_last):
        return "has another range of numbers than the commit record says"
    return None


def check_unique(
    numbers: dict[File, Numbers], report: Report, hour: int, kind: str, remedy: str
) -> None:
    """No ``ingest_seq`` stands in two files of an hour."""
    if not numbers:
        return
    for number in repeated(np.concatenate(list(numbers.values())))[:1]:
        paths = [path for path, each in numbers.items() if (each == number).any()]
        others = ", ".join(path.name for path in paths[:-1])
        if len(paths) > 1:
            problem = f"ingest_seq {number} is in {others} too"
            report.find(kind, path_of(paths[-1]), hour, problem, remedy)
