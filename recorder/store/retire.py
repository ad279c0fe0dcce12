"""What a sealed hour no longer needs: its parts after an hour, its capture after `keep_capture`.

Sealed hours themselves go only where somebody asks for it (`remove_days`).
"""

import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from recorder.core.tables import COVERAGE, TABLES
from recorder.store.capture import end_of
from recorder.store.days import REMOVING, note, remove_day
from recorder.store.paths import CUTS, Root, day_iso, hour_text
from recorder.store.publish import make_folder, remove, sync_folder
from recorder.store.seal import Commit, read_commit, sealed_before

GRACE_S = 3660  # readers that listed the parts before the switch have finished by then


def retire(
    root: Root, now_s: float, keep_capture_s: int | None, *, dry_run: bool = False
) -> list[str]:
    """Remove what is due; returns a line for each thing removed (``dry_run``: that would be).

    An hour is left alone while it is not over, not committed, not switched to, or while its
    capture holds more than its commit record covers. ``keep_capture_s`` is None for ever.
    """
    switched = sealed_before(root)
    removed: list[str] = []
    for hour in sorted(set(root.captured_hours()) | set(root.part_hours())):
        if switched is None or hour >= switched or hour >= int(now_s) // 3600:
            continue
        commit = read_commit(root, hour)
        if commit is None or end_of(root.segments(hour)).offset > commit.capture_end:
            continue
        age_s = now_s - _sealed_at_s(commit)
        if age_s >= GRACE_S:
            removed += _remove_parts(root, hour, dry_run=dry_run)
        if keep_capture_s is not None and age_s >= max(keep_capture_s, GRACE_S):
            removed += _remove_capture(root, hour, dry_run=dry_run)
    return removed


def _sealed_at_s(commit: Commit) -> float:
    return datetime.fromisoformat(commit.sealed_at).timestamp()


def _remove_parts(root: Root, hour: int, *, dry_run: bool) -> list[str]:
    removed = []
    for table in (*TABLES, CUTS):
        parts = root.parts(table, hour)
        for part in parts if not dry_run else ():
            part.path.unlink(missing_ok=True)
        if parts:
            sync_folder(root.live / table)
            removed.append(f"{len(parts)} parts of {table} {hour_text(hour)}")
    return removed


def _remove_capture(root: Root, hour: int, *, dry_run: bool) -> list[str]:
    folder = root.capture / hour_text(hour)
    if not folder.is_dir():
        return []
    if dry_run:
        return [f"capture of {hour_text(hour)}"]
    # Moved first, so that a half of it is never taken for the whole.
    make_folder(root.staging)
    leaving = root.staging / f"capture-{folder.name}"
    folder.rename(leaving)
    sync_folder(root.capture)
    shutil.rmtree(leaving)
    return [f"capture of {hour_text(hour)}"]


def remove_days(
    root: Root, before_s: float, *, beside: bool = False, dry_run: bool = False
) -> list[str]:
    """Remove whole days of sealed hours that were over at a time, oldest first; a line for each.

    A day goes only if readers take all its hours from sealed files, and never with the newest
    sealed hour, which a later start must know. An hour's commit record goes before its files, so
    that no reader sees a record without files. Of a packed day the files of the day go, too; the
    caller holds the `PackLock`. ``beside``: somebody records, who removes parts and capture by
    himself, so a day that has any is left alone.
    """
    switched, sealed = sealed_before(root), root.committed_hours()
    raw = {*root.captured_hours(), *root.part_hours()}
    held = {*sealed, *raw}
    removed: list[str] = []
    for day in sorted({hour // 24 for hour in sealed[:-1]}):
        hours = sorted(hour for hour in held if hour // 24 == day)
        sure = set(hours) <= set(sealed[:-1]) and switched is not None and hours[-1] < switched
        if (day + 1) * 86_400 > before_s or not sure or (beside and raw & set(hours)):
            break
        for hour in hours:
            removed += _remove_parts(root, hour, dry_run=dry_run)
            removed += _remove_capture(root, hour, dry_run=dry_run)
        if packed := root.day_record(day).exists():
            removed.append(f"packed files of {day_iso(day)}")
            if not dry_run:  # where it is cut off from here on, the next one goes on
                note(root, day, REMOVING)
        removed += [_remove_hour(root, hour, dry_run=dry_run) for hour in hours]
        if packed and not dry_run:
            remove_day(root, day)
    return removed


def _remove_hour(root: Root, hour: int, *, dry_run: bool) -> str:
    commit = read_commit(root, hour)
    assert commit is not None
    if not dry_run:
        remove(root.commit(hour))
        # That of coverage first: while it is there, the record is missed.
        for file in sorted(commit.files, key=lambda file: file.table != COVERAGE.name):
            path = root.path / file.path
            remove(path)
            _remove_empty(path.parent, root.path)
    return f"{len(commit.files)} sealed files of {hour_text(hour)}"


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove folders that hold nothing any more, up to the table's own."""
    with suppress(OSError):
        while folder.parent != top:
            folder.rmdir()
            folder = folder.parent
