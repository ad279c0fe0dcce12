"""What a sealed hour no longer needs: its parts after an hour, its capture after `keep_capture`."""

import shutil
from datetime import datetime

from recorder.core.tables import TABLES
from recorder.store.capture import end_of
from recorder.store.paths import CUTS, Root, hour_text
from recorder.store.publish import make_folder, sync_folder
from recorder.store.seal import Commit, read_commit, sealed_before

GRACE_S = 3660  # readers that listed the parts before the switch have finished by then


def retire(root: Root, now_s: float, keep_capture_s: int | None) -> list[str]:
    """Remove what is due; returns a line for each thing removed.

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
            removed += _remove_parts(root, hour)
        if keep_capture_s is not None and age_s >= max(keep_capture_s, GRACE_S):
            removed += _remove_capture(root, hour)
    return removed


def _sealed_at_s(commit: Commit) -> float:
    return datetime.fromisoformat(commit.sealed_at).timestamp()


def _remove_parts(root: Root, hour: int) -> list[str]:
    removed = []
    for table in (*TABLES, CUTS):
        parts = root.parts(table, hour)
        for part in parts:
            part.path.unlink(missing_ok=True)
        if parts:
            sync_folder(root.live / table)
            removed.append(f"{len(parts)} parts of {table} {hour_text(hour)}")
    return removed


def _remove_capture(root: Root, hour: int) -> list[str]:
    folder = root.capture / hour_text(hour)
    if not folder.is_dir():
        return []
    # Moved first, so that a half of it is never taken for the whole.
    make_folder(root.staging)
    leaving = root.staging / f"capture-{folder.name}"
    folder.rename(leaving)
    sync_folder(root.capture)
    shutil.rmtree(leaving)
    return [f"capture of {hour_text(hour)}"]
