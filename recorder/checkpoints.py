"""The books that an hour begins with: from its checkpoint rows, or from the end of the one before.

The state line of an hour says which books there were and how many levels each had; the levels are
rows.
"""

from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recorder.core import state as states
from recorder.core.frames import FIRST_OFFSET, Carried, offset_of_seq
from recorder.core.messages import Level2
from recorder.core.rows import levels_from
from recorder.core.tables import LEVEL2
from recorder.errors import DataError
from recorder.store.capture import read_hour
from recorder.store.days import file_of, files_of, read_day
from recorder.store.parts import footer_of, read_parts
from recorder.store.paths import File, Root
from recorder.store.seal import read_commit

Books = dict[tuple[str, str], Level2]  # by (connection, product)


def read_books(root: Root, hour: int) -> Books:
    """The books that an hour begins with; none where recording did not go on into it."""
    if not begins_with_books(root, hour):
        return {}
    checkpoint = read_checkpoint(root, hour)
    if checkpoint:
        return checkpoint
    try:
        return read_books_at_end(root, hour - 1)
    except (DataError, FileNotFoundError):
        return {}  # the hour says itself that its books are not there


def first_mark(root: Root, hour: int) -> Carried | None:
    """What an hour's capture begins with; None where that cannot be read."""
    for ingest_seq, arrival in read_hour(root.segments(hour)):
        first = offset_of_seq(ingest_seq) == FIRST_OFFSET
        return arrival if first and isinstance(arrival, Carried) else None
    return None


def checkpoint_files(root: Root, hour: int) -> list[File]:
    """The files that hold the checkpoint rows of an hour."""
    parts: list[File] = [part.path for part in root.parts(LEVEL2.name, hour) if part.first == 0]
    if parts:
        return parts
    commit = read_commit(root, hour)
    return files_of(root, hour, commit.files if commit is not None else (), LEVEL2.name)


def are_books_of(root: Root, hour: int, books: Books) -> bool:
    """Whether books are those of which an hour's state line tells, by their numbers of levels."""
    carried = first_mark(root, hour)
    if carried is None:
        return False
    told = {
        (each.connection_id, each.product_id): each.levels
        for each in states.decode(carried.state).books
        if each.state == "live"
    }
    return all(
        not levels or (key in books and len(books[key].prices) == levels)
        for key, levels in told.items()
    )


def begins_with_books(root: Root, hour: int) -> bool:
    """Whether recording went on into an hour with books, so that its first rows are those."""
    carried = first_mark(root, hour)
    if carried is None or carried.cause != "hour":
        return False
    return any(book.state == "live" for book in states.decode(carried.state).books)


def read_books_at_end(root: Root, hour: int) -> Books:
    """The books at the end of a sealed hour, by (connection, product), from its rows.

    Only those that were recorded up to it, and whose last row was trusted. Raises DataError where
    a file cannot be read.
    """
    commit = read_commit(root, hour)
    files = commit.files if commit is not None else ()
    day = read_day(root, hour // 24)
    books: Books = {}
    for file in files:
        if file.table != LEVEL2.name or file.product_id is None:
            continue
        held = file_of(root, day, hour, file)
        if _is_valid_at_end(held):
            found = books_after(read_parts(LEVEL2, [held]))
            books |= {(line, file.product_id): book for line, book in found.items()}
    return books


def _is_valid_at_end(file: File) -> bool:
    """Whether the rows of level2 of a sealed hour have a book that was recorded up to the end.

    Raises DataError where that cannot be read.
    """
    return footer_of(file).get("recorder.book_valid_at_end") == "true"


def books_after(rows: pa.Table) -> dict[str, Level2]:
    """The books of one product that its rows, in their order, come to, by connection.

    A connection whose last row was not trusted has none.
    """
    books = {}
    lines = rows.column("connection_id").cast(pa.string())
    for line in lines.unique().to_pylist():
        mine = rows.filter(pc.equal(lines, line))
        epoch = mine.column("book_epoch")[-1].as_py()
        if epoch is None:
            continue
        built = mine.filter(pc.equal(mine.column("book_epoch"), epoch))
        numbered = built.append_column("row", pa.array(range(len(built))))
        last = numbered.group_by(["side", "price"]).aggregate([("row", "max")]).column("row_max")
        held = built.take(last).filter(pc.greater(built.take(last).column("size"), 0.0))
        wanted = ["side", "price", "size", "price_text", "size_text"]
        product_id = rows.column("product_id")[0].as_py()
        books[line] = levels_from(held.select(wanted).to_pylist(), product_id)
    return books


def read_checkpoint(root: Root, hour: int) -> Books:
    """The books at the begin of an hour, by (connection, product), from its checkpoint rows."""
    rows = read_parts(LEVEL2, checkpoint_files(root, hour))
    rows = rows.filter(pc.equal(rows.column("kind").cast(pa.string()), "checkpoint"))
    wanted = ("connection_id", "product_id", "side", "price", "size", "price_text", "size_text")
    entries: list[dict[str, Any]] = rows.sort_by("ingest_seq").select(list(wanted)).to_pylist()
    line = itemgetter("connection_id", "product_id")
    return {
        key: levels_from(list(group), key[1])
        for key, group in groupby(sorted(entries, key=line), key=line)
    }
