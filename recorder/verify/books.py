"""The book at the end of a sealed hour is the one that the next hour begins with."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recorder.checkpoints import books_after, checkpoint_files
from recorder.core.messages import Level2
from recorder.core.tables import LEVEL2
from recorder.store.days import file_of, footer_in, read_day
from recorder.store.parts import read_parts, read_rows
from recorder.store.paths import File, Root, Slice, iso, path_of
from recorder.store.seal import Commit, read_commit
from recorder.verify.findings import CHECKPOINT, Report

Levels = dict[tuple[str, float], tuple[float, str | None, str | None]]


def differing_books(root: Root, hour: int) -> list[str]:
    """Compare a sealed hour's end with the checkpoint of the next hour, which came from memory.

    Returns what differs, a text a book. Raises DataError or OSError where a file cannot be read.
    """
    commit = read_commit(root, hour)
    if commit is None:
        return []
    report = Report(str(root.path))
    check_books(root, commit, hour + 1, report, "")
    return [finding.problem for finding in report.findings]


def check_books(root: Root, before: Commit, hour: int, report: Report, remedy: str) -> None:
    """Compare the books of the hour before, product by product, with this hour's checkpoint.

    Only books that were recorded up to the end: of others the hour before knows no end. Raises
    DataError or FileNotFoundError where a file cannot be read.
    """
    files = checkpoint_files(root, hour)
    begun = {path: _products(path) for path in files}
    if not any(begun.values()):
        return  # recording began anew in this hour
    day = read_day(root, before.hour // 24)
    for file in before.files:
        path = file_of(root, day, before.hour, file)
        if file.table != LEVEL2.name or file.product_id is None or not _valid_at_end(path):
            continue
        ended = books_after(read_parts(LEVEL2, [path]))
        mine = [each for each, products in begun.items() if file.product_id in products]
        checkpoint = _checkpoint(mine, file.product_id)
        for line, book in sorted(ended.items()):
            report.checkpoints += 1
            held = _levels(book)
            if line not in checkpoint and len(ended) > 1:
                continue  # of several connections, this one closed before the end
            differing = _differing(held, checkpoint.get(line, {}))
            if differing:
                where = mine[0] if mine else files[0]
                problem = (
                    f"the book of {file.product_id} at {iso(hour)} differs in {differing} levels "
                    "from that at the end of the hour before"
                )
                report.find(CHECKPOINT, path_of(where), hour, problem, remedy)


def _valid_at_end(file: File) -> bool:
    with path_of(file).open("rb") as handle, pq.ParquetFile(handle) as parquet:
        if isinstance(file, Slice):
            return footer_in(parquet, file.hour).get("recorder.book_valid_at_end") == "true"
        metadata = parquet.metadata.metadata or {}
    return bool(metadata.get(b"recorder.book_valid_at_end") == b"true")


def _checkpoint_rows(file: File, columns: list[str]) -> pa.Table:
    return read_rows(file, columns, pc.field("kind") == "checkpoint")


def _products(path: File) -> set[str]:
    found = _checkpoint_rows(path, ["product_id"]).column(0).cast(pa.string())
    return set(found.unique().to_pylist())


def _checkpoint(paths: list[File], product_id: str) -> dict[str, Levels]:
    """The checkpoint rows of a product, as levels by connection."""
    wanted = ["connection_id", "product_id", "side", "price", "size", "price_text", "size_text"]
    lines: dict[str, Levels] = {}
    for path in paths:
        rows = _checkpoint_rows(path, wanted)
        mine = rows.filter(pc.equal(rows.column("product_id").cast(pa.string()), product_id))
        for row in mine.to_pylist():
            levels = lines.setdefault(row["connection_id"], {})
            levels[row["side"], row["price"]] = row["size"], row["price_text"], row["size_text"]
    return lines


def _levels(book: Level2) -> Levels:
    texts: list[Any] = [book.price_texts or [], book.size_texts or []]
    return {
        (side, price): (size, texts[0][index], texts[1][index])
        for index, (side, price, size) in enumerate(
            zip(book.sides, book.prices, book.sizes, strict=True)
        )
    }


def _differing(one: Levels, other: Levels) -> int:
    return sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())
