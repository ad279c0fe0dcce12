"""Packed days: the record of a day against its files, and against the records of its hours.

The rows are held against the commit records of the hours, hour by hour (`sealed.py`).
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.store.days import Day, DayFile, hours_in, is_removed, read_day
from recorder.store.paths import Root, day_iso, hour_from_iso
from recorder.store.seal import Commit
from recorder.verify.findings import COMMIT, DAY, PACKED, RECORD_GONE, REPAIR_DAY, Report
from recorder.verify.sealed import outside


def check_days(root: Root, commits: Mapping[int, Commit | None], report: Report) -> None:
    """Every packed day. ``commits`` are the records of all hours, None for one that is damaged."""
    for number in root.packed_days():
        path = root.day_record(number)
        try:
            record = read_day(root, number)
        except DataError as error:
            text = f"is {str(error).partition(': ')[2].partition('. Run')[0]}"
            report.find(DAY, path, None, text, REPAIR_DAY)
            continue
        if record is None:
            continue  # removed meanwhile
        if is_removed(root, number):
            report.note(path, None, "it is being removed, or was: who packs or prunes next goes on")
            continue
        problem = _misnamed(root, number, record)
        if problem is None and not _check_hours(root, record, commits, report):
            problem = _contradiction(record, commits)
        if problem is not None:
            report.find(DAY, path, None, problem, REPAIR_DAY)
        for file in record.files:
            wrong = _wrong(root, number, record, file, report)
            if wrong is not None:
                report.find(PACKED, root.path / file.path, None, wrong, REPAIR_DAY)


def _misnamed(root: Root, number: int, record: Day) -> str | None:
    """What the record of a day names that is not the day's; None where nothing is wrong."""
    hours = [hour_from_iso(each.hour) for each in record.hours]
    if hours != sorted(set(hours)) or any(hour // 24 != number for hour in hours):
        return f"it does not name hours of {day_iso(number)} in their order"
    for file in record.files:
        table = TABLES.get(file.table)
        if table is None or table.per_product != (file.product_id is not None):
            return f"it names a file of no table: {file.table!r}"
        final = root.packed_file(table, number, file.product_id)
        if str(final.relative_to(root.path)) != file.path:
            return f"it names a file that is not of this day: {file.path}"
    return None


def _check_hours(
    root: Root, record: Day, commits: Mapping[int, Commit | None], report: Report
) -> bool:
    """Whether the commit record of an hour is gone of which nothing else tells."""
    gone = [hour for each in record.hours if (hour := hour_from_iso(each.hour)) not in commits]
    for hour in gone:
        problem = "is gone: the record of its day names the hour, and nobody reads its rows"
        report.find(COMMIT, root.commit(hour), hour, problem, RECORD_GONE)
    return bool(gone)


def _contradiction(record: Day, commits: Mapping[int, Commit | None]) -> str | None:
    """What in the record of a day is not as in those of its hours; None where nothing is wrong."""
    if record.rows != sum(file.rows for file in record.files):
        return f"it says {record.rows:,} rows, and its files have others"
    known = [commits[hour_from_iso(each.hour)] for each in record.hours]
    whole = [commit for commit in known if commit is not None]
    if len(whole) < len(known):
        return None  # that of an hour is damaged, and told already
    told = {(file.table, file.product_id) for commit in whole for file in commit.files}
    if told != {(file.table, file.product_id) for file in record.files}:
        return "it does not name the same tables and products as its hours do"
    if record.rows != sum(commit.rows for commit in whole):
        return f"it says {record.rows:,} rows; its hours have others"
    return None


def _wrong(root: Root, number: int, record: Day, file: DayFile, report: Report) -> str | None:
    """What is wrong with a file of a day as a whole."""
    path = root.path / file.path
    report.files += 1
    try:
        report.bytes += path.stat().st_size
        if problem := outside(path, file.bytes, file.sha256, "record of its day"):
            return problem
        return _inside(path, number, record, file)
    except FileNotFoundError:
        return "is gone; the record of its day names it"
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        return f"cannot be read: {(str(error).splitlines() or [''])[0]}"


def _inside(path: Path, number: int, record: Day, file: DayFile) -> str | None:
    with path.open("rb") as handle, pq.ParquetFile(handle) as parquet:
        metadata = parquet.metadata
        said = {key.decode(): value.decode() for key, value in (metadata.metadata or {}).items()}
        hours = hours_in(parquet)
    wanted = {
        "channel": file.table,
        "day": day_iso(number),
        "product": file.product_id,
        "rows": str(file.rows),
    }
    for name, value in wanted.items():
        if said.get(f"recorder.{name}") != value:
            return f"its footer says {name} {said.get(f'recorder.{name}')}, not {value}"
    if metadata.num_rows != file.rows:
        return f"has {metadata.num_rows:,} rows; the record of its day says {file.rows:,}"
    if unknown := sorted(hours.keys() - {each.hour for each in record.hours}):
        return f"has rows of {unknown[0]}, which is none of its day's hours"
    return None if hours else "does not say where the rows of its hours are"
