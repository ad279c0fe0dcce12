"""Rows made again from the capture are the rows on disk: sealed files byte for byte, parts by row.

The hours are walked in their order, so that each begins with the books that the capture of the hour
before comes to, and not with its own checkpoint. What is made is written aside and removed again.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.frames import hour_base
from recorder.core.tables import TABLES, Table
from recorder.errors import DataError
from recorder.recovery import Until, rows_again
from recorder.store.days import file_of, read_day
from recorder.store.parts import SCHEMAS, read_parts, sort, unify
from recorder.store.paths import CUTS, Part, Root, path_of
from recorder.store.seal import Commit, seal_hour
from recorder.verify.findings import REBUILT, REPAIR, Report


@dataclass(frozen=True, slots=True)
class Kept:
    """An hour whose capture is whole: what of it is sealed, and up to where parts are complete."""

    hour: int
    commit: Commit | None
    end: int
    sealed: bool  # the commit record covers all of the capture


def check_again(root: Root, hours: Sequence[Kept], scratch: Path) -> Iterator[tuple[int, Report]]:
    """Make hours again, in their order; gives what was found of each when it is done.

    ``end`` counts for the last of them only: somebody may be recording into it.
    """
    left = list(hours)
    while left:
        target = Root(scratch / "again")
        last = left[-1]
        until = None if last.sealed else Until(last.hour, last.end)
        walk = rows_again(root, target, [each.hour for each in left], until)
        while left:
            report = Report(str(root.path))
            try:
                next(walk)
                _compare(root, target, left[0], report)
                report.rebuilt += 1
            except (DataError, FileNotFoundError) as error:
                # Its books at the begin are not there, which is told elsewhere; or it was retired.
                report.note(root.commit(left[0].hour), left[0].hour, f"not made again: {error}")
                yield left.pop(0).hour, report
                break
            finally:
                shutil.rmtree(target.path, ignore_errors=True)
            yield left.pop(0).hour, report


def _compare(root: Root, target: Root, kept: Kept, report: Report) -> None:
    if kept.commit is None or not kept.sealed:
        if kept.commit is not None:
            _compare_sealed_rows(root, target, kept.commit, report)
        for table in TABLES.values():
            _compare_parts(root, target, kept, table, report)
        return
    made = {file.path: file.sha256 for file in seal_hour(target, kept.hour, capture=root).files}
    held = {file.path: file.sha256 for file in kept.commit.files}
    for path in sorted(made.keys() | held.keys()):
        if path not in held:
            problem = "is missing, and the commit record does not name it: the capture has its rows"
        elif path not in made:
            problem = "has rows, and the capture has none for it"
        elif made[path] != held[path]:
            problem = "made again from the capture it is another file"
        else:
            continue
        report.find(REBUILT, root.path / path, kept.hour, problem, REPAIR)
    _compare_packed(root, target, kept.commit, report)


def _compare_packed(root: Root, target: Root, commit: Commit, report: Report) -> None:
    """The rows of an hour in the files of its day, where it is packed."""
    day = read_day(root, commit.hour // 24)
    for file in commit.files if day is not None and day.holds(commit.hour) else ():
        table, path = TABLES[file.table], target.path / file.path
        held = file_of(root, day, commit.hour, file)
        made = read_parts(table, [path] if path.exists() else [])
        if not _same(table, made, read_parts(table, [held])):
            problem = "its rows of the hour are not those that the capture comes to"
            report.find(REBUILT, path_of(held), commit.hour, problem, REPAIR)


def _compare_sealed_rows(root: Root, target: Root, commit: Commit, report: Report) -> None:
    """An hour that was sealed before it was over, and went on: its files by their rows."""
    before = hour_base(commit.hour) + commit.capture_end
    for file in commit.files:
        table = TABLES[file.table]
        products = None if file.product_id is None else [file.product_id]
        parts = [part.path for part in target.parts(table.name, commit.hour)]
        made = read_parts(table, parts, products)
        made = made.filter(pc.less(made.column(table.order), before))
        held = read_parts(table, [root.path / file.path])
        if not _same(table, made, held.filter(pc.less(held.column(table.order), before))):
            problem = "its rows are not those that the capture comes to"
            report.find(REBUILT, root.path / file.path, commit.hour, problem, REPAIR)


def _compare_parts(root: Root, target: Root, kept: Kept, table: Table, report: Report) -> None:
    """The parts of a table by their rows, as many at a time as were made at a time."""
    done = kept.commit.capture_end if kept.commit is not None else 0
    cuts = [cut for cut in root.parts(CUTS, kept.hour) if done <= cut.first and cut.end <= kept.end]
    parts = [
        part
        for part in root.parts(table.name, kept.hour)
        if done <= part.first and part.end <= kept.end
    ]
    for made in target.parts(CUTS, kept.hour):
        path = target.part(table.name, kept.hour, made.first, made.end)
        again = read_parts(table, [path] if path.exists() else [])
        mine = [each for each in parts if each.first < made.end and made.first < each.end]
        held = read_parts(table, [each.path for each in mine])
        told = _within(table, again, [*cuts, *mine])
        if _same(table, told, _within(table, held, [made])):
            continue
        named = next((each for each in mine if not _as_made(table, again, each, made)), None)
        where = named.path if named is not None else (mine[0].path if mine else cuts[0].path)
        problem = f"its rows of {table.name} are not those that the capture comes to"
        report.find(REBUILT, where, kept.hour, problem, REPAIR)


def _as_made(table: Table, again: pa.Table, part: Part, made: Part) -> bool:
    held = _within(table, read_parts(table, [part.path]), [made])
    return _same(table, _within(table, again, [part]), held)


def _within(table: Table, rows: pa.Table, ranges: Sequence[Part]) -> pa.Table:
    """The rows whose offsets lie in any of the ranges."""
    order = rows.column(table.order)
    inside = pa.array([False] * len(rows), pa.bool_())
    for each in _merged(ranges):
        base = hour_base(ranges[0].hour)
        within = pc.and_(pc.greater_equal(order, base + each[0]), pc.less(order, base + each[1]))
        inside = pc.or_(inside, within)
    return rows.filter(inside)


def _merged(ranges: Sequence[Part]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, end in sorted((each.first, each.end) for each in ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((first, end))
    return merged


def _same(table: Table, one: pa.Table, other: pa.Table) -> bool:
    if one.num_rows != other.num_rows:
        return False
    tables = [
        unify(table, sort(table, each.select(SCHEMAS[table.name].names))) for each in (one, other)
    ]
    return bool(tables[0].equals(tables[1]))
