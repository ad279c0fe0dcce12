"""Rows as Arrow: the schema of each table, and its columns from blocks of rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recorder.core.rows import Columns, Rows, Words
from recorder.core.tables import TABLES, Kind, Table

ROWS_AT_ONCE = 1000  # of lists: what is made of them holds the interpreter for half a millisecond

_TIME = pa.timestamp("us", tz="UTC")
ARROW_TYPES = {
    Kind.INT: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.WORD: pa.dictionary(pa.int32(), pa.string()),
    Kind.TEXT: pa.string(),
    Kind.TIME: _TIME,
}


def schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table."""
    return pa.schema(
        [
            pa.field(
                column.name,
                ARROW_TYPES[column.kind],
                nullable=column.nullable,
                metadata={"meaning": column.meaning},
            )
            for column in table.columns
        ]
    )


SCHEMAS = {name: schema(table) for name, table in TABLES.items()}


def to_arrow(
    table: Table, blocks: Sequence[Rows], between: Callable[[], None] | None = None
) -> pa.Table:
    """Join blocks of rows, in their order, into an Arrow table with the derived columns.

    ``between`` is called again and again while it goes on, for whoever must let others have turns.
    """
    pieces: list[list[pa.Array]] = []
    for kind, group in groupby((block for block in blocks if block.count), type):
        if kind is Columns:
            pieces += [_by_column(table, each) for each in group]
        elif between is None:
            pieces.append(_by_block(table, list(group)))
        else:
            for some in _in_pieces(group):
                pieces.append(_by_block(table, some))
                between()
    if not pieces:
        return SCHEMAS[table.name].empty_table()
    arrays = {
        name: _joined([piece[index] for piece in pieces])
        for index, name in enumerate(table.stored())
    }
    for column in table.columns:
        if column.derived is not None:
            nanoseconds = arrays[column.derived]
            arrays[column.name] = _microseconds(nanoseconds)
    return pa.table([arrays[column.name] for column in table.columns], schema=SCHEMAS[table.name])


def _in_pieces(blocks: Iterable[Rows]) -> Iterator[list[Rows]]:
    """The same rows, some `ROWS_AT_ONCE` at a time; a long block is cut."""
    some: list[Rows] = []
    rows = 0
    for block in blocks:
        for begin in range(0, block.count, ROWS_AT_ONCE):
            piece = block
            if block.count > ROWS_AT_ONCE:
                piece = _cut(block, slice(begin, min(begin + ROWS_AT_ONCE, block.count)))
            some.append(piece)
            rows += piece.count
            if rows >= ROWS_AT_ONCE:
                yield some
                some, rows = [], 0
    if some:
        yield some


def _cut(block: Rows, rows: slice) -> Rows:
    values = (each[rows] if isinstance(each, list | range) else each for each in block.values)
    return Rows(block.table, rows.stop - rows.start, tuple(values))


def _joined(pieces: list[pa.Array]) -> pa.Array:
    """One array; the words of dictionaries in the order of their first occurrence."""
    if len(pieces) == 1:
        return pieces[0]
    return pa.chunked_array(pieces).unify_dictionaries().combine_chunks()


def _by_block(table: Table, blocks: Sequence[Rows]) -> list[pa.Array]:
    """The stored columns of blocks, each of a frame."""
    counts = np.fromiter((block.count for block in blocks), np.int64, len(blocks))
    # Turned once: to look into all blocks again for each column takes longer than the rest.
    by_column = zip(*(block.values for block in blocks), strict=True)
    return [
        _column(values, counts, kind) for values, kind in zip(by_column, _kinds(table), strict=True)
    ]


def _by_column(table: Table, rows: Rows) -> list[pa.Array]:
    """The stored columns of rows that are columns already."""
    return [
        _array_of(values, rows.count, kind)
        for values, kind in zip(rows.values, _kinds(table), strict=True)
    ]


def _kinds(table: Table) -> list[Kind]:
    return [column.kind for column in table.columns if column.derived is None]


def _array_of(values: Any, count: int, kind: Kind) -> pa.Array:
    if values is None:
        return (
            pa.nulls(count, pa.string()).dictionary_encode()
            if kind is Kind.WORD
            else (pa.nulls(count, ARROW_TYPES[kind]))
        )
    if isinstance(values, Words):
        words = pa.array(values.words, pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(values.places, pa.int32()), words)
    if kind is Kind.TIME:
        return pa.array(values).cast(ARROW_TYPES[kind])
    return pa.array(values, ARROW_TYPES[kind])


def _column(values: Sequence[Any], counts: NDArray[np.int64], kind: Kind) -> pa.Array:
    """One column from its values block by block: lists, or one value for all rows of the block.

    Most columns have one value a block, which is converted once and not for every row.
    """
    types = set(map(type, values))
    if types == {list}:
        return _array(list(chain.from_iterable(values)), kind)
    if types == {range}:
        firsts = np.fromiter((each.start for each in values), np.int64, len(values))
        shifts = firsts - (np.cumsum(counts) - counts)
        return pa.array(np.arange(counts.sum()) + np.repeat(shifts, counts), pa.int64())
    if types.isdisjoint({list, range}):
        array = _array(list(values), kind)
        if len(array) == counts.sum():
            return array
        return array.take(pa.array(np.repeat(np.arange(len(counts)), counts)))
    mixed: list[Any] = []
    for value, count in zip(values, counts.tolist(), strict=True):
        mixed += value if isinstance(value, list | range) else repeat(value, count)
    return _array(mixed, kind)


def _array(values: list[Any], kind: Kind) -> pa.Array:
    if kind is Kind.WORD:
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, ARROW_TYPES[kind])


def _microseconds(nanoseconds: pa.Array) -> pa.Array:
    """Whole microseconds at or before a time; floor, so that times before 1970 do not go up."""
    if nanoseconds.null_count:
        floored = np.floor_divide(pc.fill_null(nanoseconds, 0).to_numpy(), 1000)
        mask = nanoseconds.is_null().to_numpy(zero_copy_only=False)
        return pa.array(floored, pa.int64(), mask=mask).cast(_TIME)
    return pa.array(np.floor_divide(nanoseconds.to_numpy(), 1000)).cast(_TIME)
