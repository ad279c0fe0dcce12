"""A Parquet file read to the last byte: page checksums, schema, numbers; a row group at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recorder.core.tables import Table
from recorder.store.parts import SCHEMAS

Numbers = NDArray[np.int64]


class NotWholeError(Exception):
    """A file cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds: the numbers of its rows in file order, its products, its footer."""

    rows: int
    numbers: Numbers
    products: frozenset[str]
    trade_ids: Numbers
    footer: dict[str, str]


def read_through(path: Path, table: Table) -> Read:
    """Read every page of a file.

    Raises:
        NotWholeError: it cannot be read, or is not of this table.
        FileNotFoundError: it is not there (any more).
    """
    try:
        # By handle: a path's hive-like folders must not become columns.
        with path.open("rb") as handle:
            return _read(pq.ParquetFile(handle, page_checksum_verification=True), table)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise NotWholeError(f"cannot be read: {_first_line(error)}") from error


def _read(file: Any, table: Table) -> Read:
    schema = file.schema_arrow
    lacking = [name for name in SCHEMAS[table.name].names if name not in schema.names]
    if lacking:
        raise NotWholeError(f"has no column {', '.join(lacking)}")
    rows = 0
    numbers, trade_ids, products = [], [], set[str]()
    for index in range(file.num_row_groups):
        group = file.read_row_group(index)
        rows += group.num_rows
        numbers.append(group.column(table.order).to_numpy())
        if "trade_id" in group.column_names and table.name == "trades":
            trade_ids.append(group.column("trade_id").to_numpy())
        if "product_id" in group.column_names:
            found = pc.unique(group.column("product_id").cast(pa.string())).to_pylist()
            products |= {each for each in found if each is not None}
    metadata = schema.metadata or {}
    return Read(
        rows,
        _joined(numbers),
        frozenset(products),
        _joined(trade_ids),
        {key.decode(): value.decode("utf-8", "replace") for key, value in metadata.items()},
    )


def _joined(arrays: list[Numbers]) -> Numbers:
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def repeated(numbers: Numbers) -> Numbers:
    """The numbers that are there more than once, each once, in order."""
    ordered = np.sort(numbers)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
