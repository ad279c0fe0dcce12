"""Objects that no record names any more, and that nobody can be reading: they may go.

Files that were made again, files of hours whose day was published as a packed one, and files whose
publishing was cut off before their record. A reader that began before the record was replaced has
finished an hour later.
"""

import re
import time

from recorder.bucket.objects import Entry
from recorder.core.tables import TABLES
from recorder.publishing.there import There, hours_of
from recorder.store.days import day_named

GRACE_S = 3660  # as for what a switch or a pack replaces in a data directory
_dated = re.compile(
    r"(?P<packed>packed/)?(?P<table>[a-z0-9_]+)/(?:product=[^/]+/)?date=(?P<day>\d{4}-\d{2}-\d{2})/"
    r"(?:hour=\d{2}/)?[^/]+\.parquet"
).fullmatch


def superseded(there: There, *, dry_run: bool, now_s: float | None = None) -> list[str]:
    """Remove such objects (``dry_run``: only find them); returns their paths.

    ``there`` must be as things are now: what it does not know of is not named.
    """
    until_s = (time.time() if now_s is None else now_s) - GRACE_S
    named, written = _named(there)
    removed = []
    for each in list(there.bucket.entries("")):
        day = _day_of(each)
        if day is None or each.path in named:
            continue
        if max(each.modified_s, written.get(day, 0.0)) > until_s:
            continue
        if not dry_run:
            there.bucket.delete(each.path)
        removed.append(each.path)
    return removed


def _day_of(entry: Entry) -> int | None:
    """The day of a file of ours; None where it is none."""
    found = _dated(entry.path)
    return day_named(found["day"]) if found is not None and found["table"] in TABLES else None


def _named(there: There) -> tuple[set[str], dict[int, float]]:
    """The objects that records name and readers take, and when a day's records were written.

    A record that cannot be read names nothing, so nothing of its day is removed.
    """
    named: set[str] = set()
    written: dict[int, float] = {}
    for day, entry in there.days.items():
        record = there.day(day)
        written[day] = entry.modified_s if record is not None else float("inf")
        if record is not None and hours_of(record):
            named |= {file.path for file in record.files}
    for hour, entry in there.hours.items():
        day = hour // 24
        record = there.hour(hour)
        when = entry.modified_s if record is not None else float("inf")
        written[day] = max(written.get(day, 0.0), when)
        if record is not None and hour not in there.packed(day):
            named |= {file.path for file in record.files}
    return named, written
