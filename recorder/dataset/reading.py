"""Reading files: only the row groups and columns that are wanted, whatever version wrote them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recorder.core.tables import Table
from recorder.errors import DataError
from recorder.store.days import row_groups
from recorder.store.parts import SCHEMAS, complete
from recorder.store.paths import File, Slice, path_of

_Bounds = tuple[Any, Any] | None
_CHOSEN_BY = (
    *("product_id", "recv_ns", "kind", "trade_time", "channel", "state"),
    *("start_time", "end_time", "trade_id"),
)
_REPAIR = (
    "`recorder verify` tells what else is damaged; `recorder repair` makes it again where the "
    "capture of its hour is kept."
)
_PUBLISH = (
    "Remove it, and run `recorder publish --check` where it was recorded: that sends again what is "
    "missing."
)


@dataclass(frozen=True, slots=True)
class Span:
    """What row groups are skipped by: products, and the range of ``recv_ns``; None is no limit.

    ``whole``: it says all that a row must be like, so where a row group lies within it nothing has
    to be chosen from it row by row.
    """

    products: tuple[str, ...] | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    whole: bool = False

    def groups(self, metadata: Any, among: range) -> list[int]:
        """Those of some row groups of a file that may hold rows of it."""
        return [
            group
            for group, products, times in _statistics(metadata, among)
            if self._may_hold(products, times)
        ]

    def _may_hold(self, products: _Bounds, times: _Bounds) -> bool:
        if self.products is not None and products is not None:
            low, high = products
            # A row without product is never one of a product.
            if not any(low <= product <= high for product in self.products):
                return False
        late = times is not None and self.end_ns is not None and times[0] >= self.end_ns
        early = times is not None and self.start_ns is not None and times[1] < self.start_ns
        return not (late or early)

    def held(self, metadata: Any, among: range) -> set[int]:
        """Those of some row groups of a file whose rows all lie within it."""
        return {
            group
            for group, products, times in _statistics(metadata, among)
            if self.whole and self._holds(products, times)
        }

    def _holds(self, products: _Bounds, times: _Bounds) -> bool:
        if self.products is not None:
            if products is None or products[0] != products[1]:
                return False
            if products[0] not in self.products:
                return False
        if self.start_ns is not None and (times is None or times[0] < self.start_ns):
            return False
        return self.end_ns is None or (times is not None and times[1] < self.end_ns)


def _statistics(metadata: Any, among: range) -> Iterator[tuple[int, _Bounds, _Bounds]]:
    """The ranges of products and times of row groups; None where they are not known.

    Rows without a product do not count in such a range, so it is none where there are any.
    """
    names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    for number in among:
        group = metadata.row_group(number)
        bounds: list[_Bounds] = []
        for name in ("product_id", "recv_ns"):
            found: Any = group.column(names.index(name)).statistics if name in names else None
            known = found is not None and found.has_min_max and not found.null_count
            bounds.append((found.min, found.max) if known else None)
        yield number, bounds[0], bounds[1]


def groups_in(file: File, parquet: pq.ParquetFile) -> range:
    """The row groups that belong to a file, of one that is open: all, or those of one hour."""
    if isinstance(file, Slice):
        return row_groups(parquet, file.hour)
    return range(parquet.num_row_groups)


@contextmanager
def opened(each: File) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; of a packed day, the whole of it.

    Raises DataError where it is not whole, and while it is being read.
    """
    path = path_of(each)
    try:
        # By handle: the folders of a path must not become columns.
        with (
            path.open("rb") as file,
            # Of an object, columns that lie beside each other are one request.
            pq.ParquetFile(
                file, page_checksum_verification=True, pre_buffer=not isinstance(path, Path)
            ) as parquet,
        ):
            yield parquet
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        advice = _REPAIR if isinstance(path, Path) else _PUBLISH
        raise DataError(f"{path}: cannot be read ({error}). {advice}") from error


def read_span(
    path: File,
    table: Table,
    span: Span,
    wanted: pc.Expression | None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The wanted rows of one file, as they lie in it."""
    names = list(columns) if columns is not None else SCHEMAS[table.name].names
    with opened(path) as parquet:
        among = groups_in(path, parquet)
        groups, held = span.groups(parquet.metadata, among), span.held(parquet.metadata, among)
        pieces = []
        for as_they_are, some in groupby(groups, held.__contains__):
            by = None if as_they_are else wanted
            rows = parquet.read_row_groups(list(some), columns=_needed(names, table, by))
            pieces.append(_chosen(path, table, rows, by, names))
        if not pieces:
            return SCHEMAS[table.name].empty_table().select(names)
        return pa.concat_tables(pieces)


def stream_span(
    path: File,
    table: Table,
    span: Span,
    wanted: pc.Expression | None,
    columns: Sequence[str],
    rows_at_once: int,
) -> Iterator[pa.Table]:
    """The wanted rows of one file, as they lie in it, some at a time."""
    with opened(path) as parquet:
        among = groups_in(path, parquet)
        groups = span.groups(parquet.metadata, among)
        if not groups:
            return
        if span.held(parquet.metadata, among) >= set(groups):
            wanted = None
        for batch in parquet.iter_batches(
            rows_at_once, row_groups=groups, columns=_needed(columns, table, wanted)
        ):
            yield _chosen(path, table, pa.Table.from_batches([batch]), wanted, columns)


def _needed(names: Sequence[str], table: Table, wanted: pc.Expression | None) -> list[str]:
    """The columns asked for, and those that rows may be chosen by."""
    if wanted is None:
        return list(names)
    known = SCHEMAS[table.name].names
    return [*names, *(name for name in _CHOSEN_BY if name in known and name not in names)]


def _chosen(
    path: File,
    table: Table,
    rows: pa.Table,
    wanted: pc.Expression | None,
    names: Sequence[str],
) -> pa.Table:
    try:
        rows = complete(table, rows, _needed(names, table, wanted))
        rows = rows.cast(pa.schema([SCHEMAS[table.name].field(name) for name in rows.column_names]))
    except (KeyError, pa.ArrowException, ValueError) as error:
        raise DataError(
            f"{path_of(path)}: not a file of the table {table.name} ({error}). Move it away; it is "
            "not one that the recorder wrote."
        ) from error
    if wanted is not None:
        rows = rows.filter(wanted)
    return rows.select(list(names))


def read_file(
    path: File, table: Table, wanted: pc.Expression | None, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of one file that are wanted. Raises DataError where it is not whole."""
    return read_span(path, table, Span(), wanted, columns)


def join(table: Table, pieces: Sequence[pa.Table], columns: Sequence[str] | None) -> pa.Table:
    """The rows of several files in the table's order, which must be one of the columns."""
    schema = SCHEMAS[table.name]
    names = list(columns) if columns is not None else schema.names
    pieces = [piece for piece in pieces if piece.num_rows]
    if not pieces:
        return schema.empty_table().select(names)
    rows = pa.concat_tables(pieces, promote_options="permissive").unify_dictionaries()
    order = rows.column(table.order).to_numpy()
    if (order[1:] < order[:-1]).any():
        rows = rows.take(pc.sort_indices(pa.array(order)))
    return rows


def distinct(path: File, column: str) -> dict[str, int]:
    """How many rows of one file have each word of a column; rows without a word are left out."""
    with opened(path) as parquet:
        values = parquet.read(columns=[column]).column(0).cast(pa.string())
    counts = values.drop_null().value_counts()
    return {each["values"]: each["counts"] for each in counts.to_pylist()}
