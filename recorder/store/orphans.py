"""Sealed files of an hour whose commit record cannot be read: they may hold what nothing else does.

A capture that lost its end and parts that have gone look like an hour that ended early. Sealed
again from those, the files would be replaced by shorter ones, and rows that are whole be gone.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.frames import hour_base
from recorder.core.tables import TABLES, Table
from recorder.errors import DataError
from recorder.store.paths import Root, hour_text


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
