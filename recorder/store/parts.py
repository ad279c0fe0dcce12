"""Rows as Parquet: live parts, and how every file is written.

A live part holds the rows of one table for the frames at offsets [first, end) of an hour, sorted
by (product_id, order). It is published only after the capture of those frames is durable.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recorder.core.tables import SCHEMA_VERSION, TABLES, Kind, Table
from recorder.errors import DataError
from recorder.store.columns import ARROW_TYPES
from recorder.store.columns import SCHEMAS as SCHEMAS  # noqa: PLC0414  told on
from recorder.store.columns import schema as schema  # noqa: PLC0414  told on
from recorder.store.columns import to_arrow as to_arrow  # noqa: PLC0414  told on
from recorder.store.days import footer_in, row_groups
from recorder.store.paths import SCHEMA_MARK, File, Root, Slice, hour_text, path_of
from recorder.store.publish import DATA_MODE, PRIVATE_MODE, make_folder, publish, publish_json
from recorder.store.records import publish_record, read_record

ROW_GROUP_ROWS = 131_072
COMPRESSION_LEVEL = 3


def unify(table: Table, arrow: pa.Table) -> pa.Table:
    """One chunk a column, each dictionary in the order of its first occurrence.

    The bytes of a file then depend on its rows alone, not on the parts that they came in.
    """
    columns = []
    for column in table.columns:
        chunked = arrow.column(column.name)
        if column.kind is Kind.WORD:
            plain = pa.chunked_array(
                [chunk.dictionary_decode() for chunk in _as_dictionary(chunked).chunks], pa.string()
            )
            columns.append(plain.combine_chunks().dictionary_encode())
        else:
            columns.append(chunked.cast(ARROW_TYPES[column.kind]).combine_chunks())
    return pa.table(columns, schema=SCHEMAS[table.name])


def _as_dictionary(chunked: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(chunked.type):
        return chunked
    return chunked.cast(pa.string()).dictionary_encode()


def sort(table: Table, arrow: pa.Table) -> pa.Table:
    """By (product_id, order) for tables with a file a product, by order for the others.

    Where ``order`` is not unique (intervals that ended together) the other columns decide.
    """
    names = ["product_id", table.order] if table.per_product else [table.order]
    if table.order != "ingest_seq":
        names += [column.name for column in table.columns if column.name != table.order]
    elif _is_ordered(arrow.column(table.order)):
        return _by_product(arrow) if table.per_product else arrow
    # Dictionaries do not sort, plain text does; the sort is stable.
    plain = {name: _plain(arrow.column(name)) for name in names}
    return arrow.take(
        pc.sort_indices(pa.table(plain), sort_keys=[(name, "ascending") for name in names])
    )


def _is_ordered(column: pa.ChunkedArray) -> bool:
    numbers = column.to_numpy()
    return bool((numbers[1:] > numbers[:-1]).all())


def _by_product(arrow: pa.Table) -> pa.Table:
    """Rows that are in order, product by product; several times as fast as to sort them."""
    column = _as_dictionary(arrow.column("product_id")).unify_dictionaries().combine_chunks()
    words = column.dictionary.to_pylist()
    ranks = np.empty(len(words), np.int32)
    ranks[sorted(range(len(words)), key=lambda place: words[place].encode())] = range(len(words))
    of_rows = ranks[column.indices.to_numpy()]
    if (of_rows[1:] >= of_rows[:-1]).all():
        return arrow
    if len(words) <= np.iinfo(np.uint16).max:
        of_rows = of_rows.astype(np.uint16)  # of so few bits that numpy counts them
    return arrow.take(pa.array(np.argsort(of_rows, kind="stable")))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def mode_of(table: Table) -> int:
    """The mode of a table's files."""
    return PRIVATE_MODE if table.private else DATA_MODE


def reserve(path: Path, table: Table) -> None:
    """Make the file of a private table before it is written, so that nobody reads it meanwhile."""
    if table.private:
        path.touch(PRIVATE_MODE)


def write_file(path: Path, table: Table, arrow: pa.Table, footer: Mapping[str, str]) -> None:
    """Write one Parquet file in the project's encodings. Deterministic: same rows, same bytes."""
    whole = with_footer(table, arrow.schema, arrow.num_rows, footer)
    pq.write_table(arrow.cast(whole), path, row_group_size=ROW_GROUP_ROWS, **encodings(table))


def with_footer(table: Table, arrow: pa.Schema, rows: int, footer: Mapping[str, str]) -> pa.Schema:
    """The schema of a file of so many rows, with what the file says of itself."""
    metadata = {f"recorder.{key}": value for key, value in footer.items()}
    metadata["recorder.schema_version"] = str(SCHEMA_VERSION)
    metadata["recorder.channel"] = table.name
    metadata["recorder.rows"] = str(rows)
    return arrow.with_metadata({key: metadata[key] for key in sorted(metadata)})


def encodings(table: Table) -> dict[str, Any]:
    """How the files of a table are written, as Parquet's writer is told."""
    kinds = {column.name: column.kind for column in table.columns}
    delta = [name for name, kind in kinds.items() if kind in (Kind.INT, Kind.TIME)]
    return {
        "compression": "zstd",
        "compression_level": COMPRESSION_LEVEL,
        "use_dictionary": [name for name in kinds if name not in delta],
        "column_encoding": dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        "write_page_checksum": True,
        "version": "2.6",
    }


def write_part(root: Root, table: Table, arrow: pa.Table, hour: int, first: int, end: int) -> Path:
    """Publish the rows of one table for the frames at offsets [first, end) of an hour."""
    final = root.part(table.name, hour, first, end)
    make_folder(root.staging)
    staged = root.staging / f"{table.name}-{os.getpid()}-{final.name}"
    reserve(staged, table)
    write_file(staged, table, sort(table, arrow), {})
    publish(staged, final, mode=mode_of(table))
    return final


def write_cut(
    root: Root,
    hour: int,
    first: int,
    end: int,
    rows: Mapping[str, int],
    trades: bytes,
    last_ns: int,
    parts: Sequence[Path] = (),
) -> None:
    """Record that every part of the offsets [first, end) is published.

    For a start that finds nothing newer: ``trades`` is JSON, the trade ids recorded up to there,
    and ``last_ns`` the time of the last arrival. ``parts`` are those that were written for it:
    sealing holds their bytes against the record.
    """
    content = {
        "rows": dict(sorted(rows.items())),
        "last_ns": last_ns,
        "trades": json.loads(trades),
        "parts": {part_key(path): digest_of(path) for path in parts},
    }
    publish_record(root.staging, root.cut(hour, first, end), content, mode=0o444)


def part_key(path: Path) -> str:
    """What a cut's record calls a part: ``level2/2026112119-….parquet``."""
    return f"{path.parent.name}/{path.name}"


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_open(root: Root, hour: int, end: int, last_ns: int, tracks: Sequence[Any]) -> None:
    """Tell readers what is going on: intervals that began and have not ended at a cut's end.

    Their rows in `coverage` come when they end. It is true while the cut that it names is the
    newest. Each of ``tracks`` has channel, product_id, state, start_ns, reason and connection_id.
    """
    content = {"hour": hour_text(hour), "end": end, "last_ns": last_ns, "tracks": list(tracks)}
    publish_json(root.staging, root.open, content)


class Cut(NamedTuple):
    """What the record of a cut carries; ``parts`` are SHA-256 by `part_key`."""

    last_ns: int
    trades: dict[str, Any]
    rows: dict[str, int]
    parts: dict[str, str]


_CUT_OLDER = {"rows", "last_ns", "trades"}


def read_cut(path: Path) -> Cut:
    """The record of a cut. Raises DataError where it cannot be used, OSError where it is gone."""
    try:
        return _cut(read_record(path, _CUT_OLDER))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: not the record of a cut ({error}). Move it away; the next start of the "
            "recorder writes its rows again from the capture."
        ) from error


def _cut(content: dict[str, Any]) -> Cut:
    cut = Cut(content["last_ns"], content["trades"], content["rows"], content.get("parts", {}))
    if type(cut.last_ns) is not int or not all(isinstance(each, dict) for each in cut[1:]):
        raise ValueError("its fields are not those of one")
    return cut


def write_empty_parts(root: Root, staging: Path | None = None) -> None:
    """See that every live table has its empty file, so that a glob over it never fails.

    One with other bytes is replaced: it is damaged, or of another version. ``staging`` is for who
    does not hold the writer's lock.
    """
    staging = staging or root.staging
    for table in TABLES.values():
        final = root.live / table.name / SCHEMA_MARK
        content = _empty_part(table.name)
        if not final.exists() or final.read_bytes() != content:
            make_folder(staging)
            staged = staging / f"{table.name}-{SCHEMA_MARK}"
            staged.write_bytes(content)
            publish(staged, final)


@cache
def _empty_part(name: str) -> bytes:
    """The bytes of a table's empty file."""
    sink = pa.BufferOutputStream()
    write_file(sink, TABLES[name], SCHEMAS[name].empty_table(), {})
    return bytes(sink.getvalue().to_pybytes())


def read_parts(
    table: Table, files: Sequence[File], products: Sequence[str] | None = None
) -> pa.Table:
    """Read files of one table, in the order given; ``products`` limits the rows.

    Raises DataError where one cannot be read, a page of it has another checksum, or it is not of
    the table.
    """
    filters = pc.field("product_id").isin(list(products)) if products is not None else None
    pieces = []
    for each in files:
        try:
            piece = read_rows(each, filters=filters)
            pieces.append(complete(table, piece, SCHEMAS[table.name].names))
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path_of(each)}: cannot be read ({error}). `recorder verify` tells what is whole."
            ) from error
    if not pieces:
        return SCHEMAS[table.name].empty_table()
    return pa.concat_tables(pieces, promote_options="permissive")


def read_rows(
    each: File, columns: Sequence[str] | None = None, filters: pc.Expression | None = None
) -> pa.Table:
    """The rows of a file, or of one hour of a day's file; of some columns, and some rows."""
    # By handle: a path's hive-like folders must not become columns.
    with path_of(each).open("rb") as handle:
        names = None if columns is None else list(columns)
        if not isinstance(each, Slice):
            return pq.read_table(
                handle, columns=names, filters=filters, page_checksum_verification=True
            )
        parquet = pq.ParquetFile(handle, page_checksum_verification=True)
        groups = list(row_groups(parquet, each.hour))
        if filters is None:
            return parquet.read_row_groups(groups, columns=names)
        rows = parquet.read_row_groups(groups).filter(filters)
        return rows if names is None else rows.select(names)


def footer_of(each: File) -> dict[str, str]:
    """What a file says of itself; of an hour in a day's file, what the hour's own one said.

    Raises DataError where it cannot be read.
    """
    try:
        with path_of(each).open("rb") as handle, pq.ParquetFile(handle) as parquet:
            if isinstance(each, Slice):
                return footer_in(parquet, each.hour)
            said = parquet.schema_arrow.metadata or {}
            return {key.decode(): value.decode() for key, value in said.items()}
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path_of(each)}: cannot be read ({error}). `recorder verify` tells what is whole."
        ) from error


def complete(table: Table, rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """The columns of a file's rows; those that its version did not know yet are null."""
    schema = SCHEMAS[table.name]
    for name in names:
        if name not in rows.column_names and schema.field(name).nullable:
            rows = rows.append_column(
                schema.field(name), pa.nulls(len(rows), schema.field(name).type)
            )
    return rows.select(list(names))
