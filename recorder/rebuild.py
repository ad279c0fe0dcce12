"""The tables made again from the capture: as a data directory of their own, or for a comparison.

Whoever doubts a table, or has a newer decoder, makes it anew from what was received. What is made
depends on the capture alone, so two machines can compare digests in place of files.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.frames import hour_base
from recorder.core.tables import TABLES, Kind, Table
from recorder.dataset.files import View
from recorder.errors import DataError, NoInputError, UsageError
from recorder.recovery import Until, rebuild, rows_again
from recorder.store.capture import end_of
from recorder.store.lock import WriterLock
from recorder.store.parts import read_parts, read_rows, sort, unify
from recorder.store.paths import CUTS, File, Root, hour_text, path_of
from recorder.store.seal import read_commit

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A data directory that was made from the capture of another."""

    source: str
    target: str
    hours: list[str]
    files: int
    rows: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One table of one hour: its rows on disk and made again, and a digest of either.

    A digest is of the values of all rows in their order, not of files: it is the same for parts and
    for a sealed file.
    """

    hour: str
    table: str
    rows: int
    rows_made: int
    digest: str
    digest_made: str

    @property
    def same(self) -> bool:
        """Whether they are the same rows."""
        return self.digest == self.digest_made and self.rows == self.rows_made


@dataclass(slots=True)
class Comparison:
    """What came of a comparison. ``without_capture`` are hours that only the tables hold."""

    path: str
    same: bool = True
    tables: list[Compared] = field(default_factory=list)
    without_capture: list[str] = field(default_factory=list)


def rebuild_into(path: Path, target: Path, progress: Progress | None = None) -> Rebuilt:
    """Make the tables of a data directory from its capture in another one, sealed hour by hour.

    The source is only read, and may be recorded into: its open hour is taken as far as it is on
    disk. ``progress`` is called with (done, total) hours.

    Raises:
        NoInputError: there is no such directory, or no capture in it.
        UsageError: the other directory holds something.
    """
    source = _captured(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} is not an empty directory, and what is made again must not mix with "
            "anything; name a new one"
        )
    made = Root(target)
    with WriterLock(made):
        hours = rebuild(source, made, progress)
    commits = [read_commit(made, hour) for hour in made.committed_hours()]
    files = [file for commit in commits if commit is not None for file in commit.files]
    return Rebuilt(str(path), str(target), hours, len(files), sum(file.rows for file in files))


def compare(path: Path, progress: Progress | None = None) -> Comparison:
    """Make the rows of all hours again whose capture is kept, and hold them against the tables.

    Nothing is written there, and it may be recorded into: the newest hour is compared as far as its
    rows are published. ``progress`` is called with (done, total) hours.

    Raises:
        NoInputError: there is no such directory, or no capture in it.
    """
    root = _captured(path)
    found = Comparison(str(path))
    hours = root.captured_hours()
    view = View(root)
    found.without_capture = [hour_text(each) for each in view.hours() if each not in hours]
    ends = {hour: _end(root, view, hour, newest=hour == hours[-1]) for hour in hours}
    with tempfile.TemporaryDirectory(prefix="recorder-replay-") as scratch:
        target = Root(Path(scratch))
        walk = rows_again(root, target, hours, Until(hours[-1], ends[hours[-1]]))
        for done, hour in enumerate(walk, 1):
            for table in TABLES.values():
                found.tables.append(_compared(view, target, table, hour, ends[hour]))
            shutil.rmtree(target.live, ignore_errors=True)
            if progress is not None:
                progress(done, len(hours))
    found.tables = [each for each in found.tables if each.rows or each.rows_made]
    found.same = all(each.same for each in found.tables)
    return found


def _captured(path: Path) -> Root:
    root = Root(path)
    if not path.is_dir():
        raise NoInputError(
            f"{path}: no such directory. Name one that `recorder run`, `import` or `demo` has "
            "written."
        )
    if not root.captured_hours():
        raise NoInputError(
            f"{path}: no capture is kept there, so there is nothing to make its tables from. "
            "`store.keep_capture` says how long it is kept."
        )
    return root


def _end(root: Root, view: View, hour: int, *, newest: bool) -> int:
    """Up to which offset of an hour rows are compared: what readers can have of it."""
    commit = read_commit(root, hour)
    if commit is not None and hour < view.switched:
        return commit.capture_end
    if newest:
        return max((cut.end for cut in root.parts(CUTS, hour)), default=0)
    return end_of(root.segments(hour)).offset


def _compared(view: View, target: Root, table: Table, hour: int, end: int) -> Compared:
    held = view.of_hour(table.name, hour) if view.holds(hour) else []
    made: list[File] = [part.path for part in target.parts(table.name, hour)]
    before = hour_base(hour) + end
    (rows, digest), (rows_made, digest_made) = (
        _digest(table, files, before) for files in (held, made)
    )
    return Compared(hour_text(hour), table.name, rows, rows_made, digest, digest_made)


def _digest(table: Table, files: Sequence[File], before: int) -> tuple[int, str]:
    """The number of the rows with a number below ``before``, and a digest of their values."""
    digest, count = hashlib.sha256(), 0
    for rows in _by_product(table, files):
        wanted = rows.filter(pc.less(rows.column(table.order), before))
        count += wanted.num_rows
        if wanted.num_rows:
            _add(digest, table, unify(table, sort(table, wanted)))
    return count, digest.hexdigest()[:32]


def _by_product(table: Table, files: Sequence[File]) -> Iterator[pa.Table]:
    """The rows of files, those of one product at a time where there are many."""
    if not table.per_product:
        yield read_parts(table, files)
        return
    products: set[str] = set()
    for each in files:
        products |= _products_of(each)
    for product_id in sorted(products):
        yield read_parts(table, files, [product_id])


def _products_of(file: File) -> set[str]:
    try:
        named = read_rows(file, ["product_id"]).column(0)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path_of(file)}: cannot be read ({error}). `recorder verify` tells what is whole."
        ) from error
    return set(named.cast(pa.string()).unique().to_pylist())


def _add(digest: "hashlib._Hash", table: Table, rows: pa.Table) -> None:
    """Add the values of rows, column by column: where they are null, and what they are else."""
    digest.update(f"{rows.num_rows}\n".encode())
    for column in table.columns:
        array = rows.column(column.name).combine_chunks()
        digest.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
        if column.kind is Kind.WORD:
            digest.update(json.dumps(array.dictionary.to_pylist()).encode())
            digest.update(pc.fill_null(array.indices, -1).to_numpy().tobytes())
        elif column.kind is Kind.TEXT:
            digest.update(json.dumps(array.to_pylist()).encode())
        elif column.kind is Kind.FLOAT:
            digest.update(pc.fill_null(array, 0.0).to_numpy(zero_copy_only=False).tobytes())
        else:
            whole = pc.fill_null(array.cast(pa.int64()), 0)
            digest.update(whole.to_numpy(zero_copy_only=False).tobytes())
