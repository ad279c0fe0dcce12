"""What a bucket has already: records by hour and day, the switch of its readers, whose it is."""

import json
from contextlib import suppress
from typing import Any
from uuid import uuid4

from recorder.bucket.objects import JSON, Bucket, Entry
from recorder.errors import DataError, UsageError
from recorder.publishing.records import Record, parse
from recorder.store.commits import COMMIT_VERSION
from recorder.store.paths import (
    Root,
    day_in_name,
    day_text,
    hour_from_iso,
    hour_named,
    hour_text,
    iso,
)
from recorder.store.publish import publish_json, remove

MARK, SWITCH, PRODUCTS = "published.json", "current.json", "products.json"
VERSION = 1
_TRIES = 5


class There:
    """What is published below a prefix."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.hours: dict[int, Entry] = {}
        self.days: dict[int, Entry] = {}
        self._days_read: dict[int, Record | None] = {}
        for each in bucket.entries("commits"):
            name = each.path.removeprefix("commits/").removesuffix(".json")
            hour, day = hour_named(name), day_in_name(name)
            if hour is not None:
                self.hours[hour] = each
            elif day is not None:
                self.days[day] = each

    def hour(self, hour: int) -> Record | None:
        """The record of an hour; None where there is none, or a damaged one."""
        return self._record(hour_path(hour)) if hour in self.hours else None

    def day(self, day: int) -> Record | None:
        """The record of a packed day; None where there is none, or a damaged one."""
        if day not in self._days_read:
            self._days_read[day] = self._record(day_path(day)) if day in self.days else None
        return self._days_read[day]

    def packed(self, day: int) -> set[int]:
        """The hours of a day that readers take from its files."""
        record = self.day(day)
        return set() if record is None else hours_of(record)

    def _record(self, path: str) -> Record | None:
        found = self.bucket.get(path)
        return None if found is None else parse(found.body)

    # --- the switch ------------------------------------------------------------------------------

    def switch_to(self, hour: int) -> None:
        """Let readers take the hours before this one; never back.

        Raises DataError where what is there cannot be read.
        """
        content = {
            "version": COMMIT_VERSION,
            "sealed_before": iso(hour),
            "hour": hour_text(hour),
            "earlier": [],
        }
        body = _dumped(content)
        for _ in range(_TRIES):
            found = self.bucket.get(SWITCH)
            if found is None:
                if self.bucket.put_absent(SWITCH, body, JSON):
                    return
            elif _switched(found.body, self.bucket) >= hour or self.bucket.put_instead(
                SWITCH, body, JSON, found.etag
            ):
                return
        raise DataError(f"{self.bucket.address}/{SWITCH}: somebody else keeps writing it.")

    def keep_products(self, body: bytes) -> None:
        """Publish the venue's list as it was last known."""
        for _ in range(_TRIES):
            found = self.bucket.get(PRODUCTS)
            if found is None:
                if self.bucket.put_absent(PRODUCTS, body, JSON):
                    return
            elif found.body == body or self.bucket.put_instead(PRODUCTS, body, JSON, found.etag):
                return

    # --- whose it is -----------------------------------------------------------------------------

    def check_mark(self, publisher: str | None, *, adopt: bool) -> None:
        """Raise UsageError where another directory is published there, unless it is adopted.

        ``publisher`` is the name of this directory; None where it has published nothing yet.
        """
        found = self.bucket.get(MARK)
        owner = None if found is None else _owner(found.body)
        ours = not self.hours if found is None else owner == publisher
        if ours or adopt:
            return
        what = "no mark of whose it is" if found is None else "the mark of another data directory"
        raise UsageError(
            f"{self.bucket.address}: there is {what}. Two directories in one place would replace "
            "each other's hours: choose another prefix, or, where this directory goes on with what "
            "is published there (it was moved, or restored), publish with --adopt once."
        )

    def put_mark(self, publisher: str) -> None:
        """Mark the place as this directory's, and learn by the mark what the store can do."""
        body = _dumped({"version": VERSION, "publisher": publisher})
        for _ in range(_TRIES):
            found = self.bucket.get(MARK)
            if found is not None and _owner(found.body) == publisher:
                self.bucket.find_conditions(MARK, found.body)
                return
            if found is None:
                self.bucket.put_absent(MARK, body, JSON)
            else:
                self.bucket.put_instead(MARK, body, JSON, found.etag)
        raise DataError(f"{self.bucket.address}/{MARK}: somebody else keeps writing it.")


def hour_path(hour: int) -> str:
    """Where the record of an hour is published."""
    return f"commits/{hour_text(hour)}.json"


def day_path(day: int) -> str:
    """Where the record of a packed day is published."""
    return f"commits/{day_text(day)}.json"


def hours_of(record: Record) -> set[int]:
    """The hours that the record of a day names."""
    return {hour_from_iso(each["hour"]) for each in record.content["hours"]}


def _dumped(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def _owner(body: bytes) -> str | None:
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(body)["publisher"])
    return ""


def _switched(body: bytes, bucket: Bucket) -> int:
    try:
        return hour_from_iso(json.loads(body)["sealed_before"])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{bucket.address}/{SWITCH}: not readable ({error!r}). Remove it; publishing again "
            "writes it anew."
        ) from error


# --- the name of a directory ---------------------------------------------------------------------


def publisher_of(root: Root) -> str | None:
    """The name by which buckets know a directory; None where it has none yet."""
    try:
        return str(json.loads(root.publisher.read_text(encoding="utf-8"))["publisher"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{root.publisher}: not readable ({error!r}). Move it away, and publish with --adopt."
        ) from error


def name_publisher(root: Root) -> str:
    """The name of a directory, which it gets now if it has none; its `PublishLock` is held."""
    known = publisher_of(root)
    if known is not None:
        return known
    for left in root.path.glob(f"{root.publisher.name}.*"):
        remove(left)
    known = uuid4().hex
    publish_json(root.path, root.publisher, {"version": VERSION, "publisher": known})
    return known
