"""Rows as Arrow: blocks of frames, and columns of many."""

import numpy as np

from recorder.core.rows import Columns, Rows, Words, columns
from recorder.core.tables import TABLES
from recorder.store.columns import SCHEMAS, to_arrow

TABLE = TABLES["heartbeats"]


def beat(product: str | None, seq: int) -> Rows:
    """One row as a frame gives it."""
    given = {"product_id": product, "ingest_seq": seq, "recv_ns": seq * 1500}
    return Rows(TABLE.name, 1, tuple(given.get(name) for name in TABLE.stored()))


def beats(words: list[str], places: list[int], first: int) -> Columns:
    """Rows of many frames."""
    numbers = np.arange(first, first + len(places))
    return columns(
        TABLE,
        len(places),
        {
            "product_id": Words(np.array(places, np.int32), words),
            "ingest_seq": numbers,
            "recv_ns": numbers * 1500,
        },
    )


def test_columns_and_blocks_join_in_their_order() -> None:
    """The same rows come of both, with the words of dictionaries in the order they occur in."""
    joined = to_arrow(TABLE, [beat("B", 1), beats(["C", "B"], [0, 1, 0], 2), beat(None, 5)])
    alone = to_arrow(TABLE, [beat("B", 1), beat("C", 2), beat("B", 3), beat("C", 4), beat(None, 5)])
    assert joined.equals(alone)
    assert joined.column("product_id").chunk(0).dictionary.to_pylist() == ["B", "C"]
    assert alone.column("product_id").chunk(0).dictionary.to_pylist() == ["B", "C"]


def test_no_rows_have_the_schema() -> None:
    """Nothing is a table, too."""
    empty = to_arrow(TABLE, [])
    assert (empty.num_rows, empty.schema) == (0, SCHEMAS[TABLE.name])
