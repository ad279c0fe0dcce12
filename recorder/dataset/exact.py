"""Prices and sizes as decimals: the digits that the venue wrote.

The files hold float64, and the wire text beside it where a float does not give its value back.
Elsewhere the shortest decimal that reads back as the float has the value of the wire text. The
number grammar allows 18 digits before and 18 behind the point, which decimal128(38, 18) holds.
"""

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import Kind, Table

DECIMAL = pa.decimal128(38, 18)


def exact_columns(table: Table) -> list[str]:
    """The columns of a table that become decimals."""
    return [column.name for column in table.columns if column.kind is Kind.FLOAT]


def text_columns(table: Table, columns: list[str]) -> list[str]:
    """The columns with the wire texts of some columns."""
    known = {column.name for column in table.columns}
    beside = {f"{name}_text" for name in columns} | {"inexact_text"}
    return sorted(beside & known)


def texts(rows: pa.Table, name: str) -> pa.Array:
    """A column's values as text: the wire's where it is kept, else the shortest."""
    shortest = _one(pc.cast(rows.column(name), pa.string()))
    if f"{name}_text" in rows.column_names:
        return pc.coalesce(_one(rows.column(f"{name}_text").cast(pa.string())), shortest)
    if "inexact_text" not in rows.column_names:
        return shortest
    inexact = rows.column("inexact_text")
    if inexact.null_count == len(inexact):
        return shortest
    kept = [json.loads(text).get(name) if text else None for text in inexact.to_pylist()]
    return pc.coalesce(pa.array(kept, pa.string()), shortest)


def to_decimals(table: Table, rows: pa.Table) -> pa.Table:
    """Rows with decimal128(38, 18) in the place of every float64."""
    for name in exact_columns(table):
        if name in rows.column_names:
            at = rows.column_names.index(name)
            decimals = texts(rows, name).cast(DECIMAL)
            rows = rows.set_column(at, pa.field(name, DECIMAL), decimals)
    return rows


def to_objects(table: Table, rows: pa.Table) -> dict[str, list[Decimal | None]]:
    """The same as Python's decimals, without zeros that the text has not."""
    return {
        name: [None if text is None else Decimal(text) for text in texts(rows, name).to_pylist()]
        for name in exact_columns(table)
        if name in rows.column_names
    }


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
