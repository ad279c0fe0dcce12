"""A Parquet file read to the last byte: page checksums, schema, numbers; a row group at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recorder.core.tables import Table
from recorder.store.days import footer_in, row_groups
from recorder.store.parts import SCHEMAS
from recorder.store.paths import File, Slice, path_of

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


def read_through(file: File, table: Table) -> Read:
    """Read every page of a file, or of the rows of an hour in a packed day's.

    Raises:
        NotWholeError: it cannot be read, or is not of this table.
        FileNotFoundError: it is not there (any more).
    """
    try:
        # By handle: a path's hive-like folders must not become columns.
        with path_of(file).open("rb") as handle:
            parquet = pq.ParquetFile(handle, page_checksum_verification=True)
            if isinstance(file, Slice):
                groups, said = row_groups(parquet, file.hour), footer_in(parquet, file.hour)
                return _read(parquet, table, groups, said)
            metadata = parquet.schema_arrow.metadata or {}
            said = {
                key.decode(): value.decode("utf-8", "replace") for key, value in metadata.items()
            }
            return _read(parquet, table, range(parquet.num_row_groups), said)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise NotWholeError(f"cannot be read: {_first_line(error)}") from error


def _read(file: Any, table: Table, groups: range, said: dict[str, str]) -> Read:
    schema = file.schema_arrow
    lacking = [name for name in SCHEMAS[table.name].names if name not in schema.names]
    if lacking:
        raise NotWholeError(f"has no column {', '.join(lacking)}")
    rows = 0
    numbers, trade_ids, products = [], [], set[str]()
    for index in groups:
        group = file.read_row_group(index)
        rows += group.num_rows
        numbers.append(group.column(table.order).to_numpy())
        if "trade_id" in group.column_names and table.name == "trades":
            trade_ids.append(group.column("trade_id").to_numpy())
        if "product_id" in group.column_names:
            found = pc.unique(group.column("product_id").cast(pa.string())).to_pylist()
            products |= {each for each in found if each is not None}
    return Read(
        rows,
        _joined(numbers),
        frozenset(products),
        _joined(trade_ids),
        said,
    )


def _joined(arrays: list[Numbers]) -> Numbers:
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def repeated(numbers: Numbers) -> Numbers:
    """The numbers that are there more than once, each once, in order."""
    ordered = np.sort(numbers)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
