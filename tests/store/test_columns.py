"""Rows as Arrow: blocks of frames, and columns of many."""

import random
from pathlib import Path

import numpy as np
import pytest

from recorder.core.messages import ASK, BID, Level2
from recorder.core.rows import Columns, Origin, Rows, Words, columns, level2_rows
from recorder.core.tables import LEVEL2, TABLES
from recorder.store.columns import ROWS_AT_ONCE, SCHEMAS, to_arrow
from recorder.store.parts import write_part
from recorder.store.paths import Root

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


def changes(seed: int, lengths: list[int]) -> list[Rows]:
    """Blocks of changes, some with texts or without times, as frames give them."""
    draw = random.Random(seed)
    found, first = [], 1 << 24
    for length in lengths:
        texts = [draw.choice([None, "1e-9"]) for _ in range(length)]
        message = Level2(
            draw.choice(["BTC-USD", "ETH-USD", "SOL-USD"]),
            length > 100,
            [draw.choice([BID, ASK]) for _ in range(length)],
            [draw.random() for _ in range(length)],
            [draw.random() for _ in range(length)],
            draw.choice([None, 7, [draw.choice([None, 9]) for _ in range(length)]]),
            draw.choice([None, texts]),
        )
        origin = Origin(first * 10, draw.choice(["ws1", "ws2"]), first, draw.choice([None, first]))
        found.append(level2_rows(message, origin, first, draw.choice([None, 1 << 24])))
        first += length
    return found


@pytest.mark.parametrize("seed", range(4))
def test_in_pieces_the_same_bytes_come_of_it(tmp_path: Path, seed: int) -> None:
    """Short blocks together, long ones cut: nobody sees it in the file."""
    draw = random.Random(seed)
    lengths = [draw.choice([0, 1, 5, 30, 700]) for _ in range(200)]
    lengths.insert(draw.randrange(200), 3 * ROWS_AT_ONCE + 1)
    blocks = changes(seed, [*lengths, ROWS_AT_ONCE])
    turns: list[int] = []
    whole = to_arrow(LEVEL2, blocks)
    pieces = to_arrow(LEVEL2, blocks, lambda: turns.append(1))
    assert pieces.equals(whole)
    assert len(turns) > len(whole) // (2 * ROWS_AT_ONCE)
    files = [
        write_part(Root(tmp_path / name), LEVEL2, rows, 500_000, 1 << 24, 2 << 24).read_bytes()
        for name, rows in (("whole", whole), ("pieces", pieces))
    ]
    assert files[0] == files[1]
