"""Sealed files of an hour whose commit record cannot be read: they may hold what nothing else does.

Readers go by records, so the rows of such an hour would be passed over without a word. And a
capture that lost its end and parts that have gone look like an hour that ended early. Sealed again
from those, the files would be replaced by shorter ones, and rows that are whole be gone.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.frames import hour_base
from recorder.core.tables import COVERAGE, TABLES, Table
from recorder.errors import DataError
from recorder.store.days import is_removed, read_day
from recorder.store.paths import Root, hour_text

_GOING_S, _LOOK_S = 0.5, 0.02


def refuse_unrecorded(root: Root, hour: int) -> None:
    """Raise DataError where files of an hour are there, its own or its day's, and no record of it.

    Every sealed hour has a file of `coverage`. A prune removes that right behind the record.
    """
    end_s = time.monotonic() + _GOING_S
    while (path := _unrecorded(root, hour)) is not None:
        if time.monotonic() > end_s:
            raise DataError(
                f"{root.commit(hour)} is gone, and {path} is there: the hour was recorded, and "
                "nobody would read its rows. Run `recorder repair`; where no capture is kept, take "
                "the record from a copy, or move the files of the hour away to do without it."
            )
        time.sleep(_LOOK_S)


def recorded_hours(root: Root, switched: int) -> list[int]:
    """The hours that have a record, oldest first.

    Raises DataError as `refuse_unrecorded` does, for any hour before the readers' switch.
    """
    committed = root.committed_hours()
    days = (24 * day + at for day in root.packed_days() for at in range(24))
    for hour in sorted({*days, *root.covered_hours()} - set(committed)):
        if hour < switched:
            refuse_unrecorded(root, hour)
    return committed


def _unrecorded(root: Root, hour: int) -> Path | None:
    """What is there of an hour that has no record; of a day that is being removed nothing is."""
    found = root.sealed(COVERAGE, hour, None)
    if not found.exists():
        day = read_day(root, hour // 24)
        if day is None or not day.holds(hour) or is_removed(root, hour // 24):
            return None
        found = root.day_record(hour // 24)
    return None if root.commit(hour).exists() else found


def refuse_shorter(root: Root, hour: int, end: int) -> None:
    """Raise DataError where files of an hour without a record reach beyond an offset of it.

    ``end`` is what capture and parts reach to. Files that cannot be read say nothing.
    """
    for path, table in _files(root, hour):
        last = _last_number(path, table)
        if last is not None and last >= hour_base(hour) + end:
            raise DataError(
                f"{path} holds rows beyond what capture and parts have of {hour_text(hour)}, and "
                f"its commit record {root.commit(hour)} cannot be read: sealed again, they would "
                "be lost. Take the record from a copy, or move the hour's sealed files away to do "
                "without those rows."
            )


def _files(root: Root, hour: int) -> Iterator[tuple[Path, Table]]:
    for table in TABLES.values():
        names: list[str | None] = [None]
        if table.per_product:
            folders = (root.path / table.name).glob("product=*")
            names = [folder.name.partition("=")[2] for folder in sorted(folders)]
        for name in names:
            path = root.sealed(table, hour, name)
            if path.exists():
                yield path, table


def _last_number(path: Path, table: Table) -> int | None:
    """The highest number that a file says it holds."""
    try:
        footer = pq.read_metadata(path).metadata or {}
        return int(footer[f"recorder.{table.order}_last".encode()])
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
