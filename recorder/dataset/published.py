"""The files of published data: a bucket in the place of a data directory, for the same questions.

Records say what there is: which hours, by one listing of `commits/`; of an hour, which objects and
how long they are. So nothing is looked for object by object, and of a file its ranges alone are
read. There are no live parts; what was published at one moment is one state, since records are
replaced and files never are.
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, cast

from recorder.bucket import Address, is_address, open_bucket
from recorder.bucket.address import parse
from recorder.bucket.places import ObjectPath
from recorder.core.tables import TABLES
from recorder.dataset.files import HOUR_MAX, Files, View
from recorder.errors import DataError, NoInputError, UsageError
from recorder.store.days import Day
from recorder.store.paths import (
    File,
    Root,
    Slice,
    day_in_name,
    day_iso,
    day_text,
    hour_from_text,
    hour_named,
    hour_text,
)
from recorder.store.records import record_of

__all__ = ["PublishedFiles", "PublishedView", "open_files"]

_AROUND = 48  # hours beside those asked for that a listing takes along: one answer has 1,000 keys
_RECORDS_HELD = 64
_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/").match  # a Path has one slash left
_hour_in = re.compile(r"coverage/date=(\d{4})-(\d\d)-(\d\d)/hour=(\d\d)/").match
_day_in = re.compile(r"packed/coverage/date=(\d{4})-(\d\d)-(\d\d)/").match
_DAMAGED = "Run `recorder publish` where it was recorded: it replaces what is damaged."


def open_files(path: str | PathLike[str], endpoint: str | None, *, allow_http: bool) -> Files:
    """The files of a data directory, or of what is published at an address.

    Raises NoInputError where there is none, UsageError for what can be neither; of an address also
    what `open_bucket` raises.
    """
    _see_that_it_is_a_path(path)
    if is_address(path):
        return _open_published(parse(path), endpoint, allow_http=allow_http)
    if endpoint is not None:
        raise UsageError(f"{path}: only an address such as s3://BUCKET/PREFIX has an endpoint")
    folder = Path(path)
    if not folder.is_dir():
        if (scheme := _scheme(str(path))) is not None:
            raise UsageError(
                f"an address that begins with {scheme[1]}: is none of published data. Write "
                "s3://BUCKET/PREFIX, whoever's store it is (`endpoint` says whose), or the path of "
                "a data directory."
            )
        what = "not a directory" if folder.exists() else "no such directory"
        raise NoInputError(
            f"{folder}: {what}. Name one that `recorder run`, `import` or `demo` has written."
        )
    return Files(folder)


def _see_that_it_is_a_path(path: object) -> None:
    """Raise UsageError for what can be neither a path nor an address."""
    text = os.fspath(path) if isinstance(path, str | PathLike) else None
    if isinstance(text, str) and text.strip() and "\0" not in text:
        try:
            Path(text).stat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise UsageError(f"{text[:60]!r}… is no path: it is too long.") from error
        return
    raise UsageError(
        f"{path!r} is no path. Give that of a data directory, as text or a Path, or an address "
        "such as s3://BUCKET/PREFIX."
    )


def _open_published(address: Address, endpoint: str | None, *, allow_http: bool) -> Files:
    bucket = open_bucket(address, endpoint=endpoint, allow_http=allow_http)
    files = PublishedFiles(ObjectPath(bucket, ""))
    if bucket.get(files.root.current.name) is None:
        raise NoInputError(
            f"{address}: nothing is published there. Name the address that `recorder publish --to` "
            "was given."
        )
    return files


class PublishedFiles(Files):
    """The files below a prefix of a bucket."""

    def __init__(self, top: ObjectPath) -> None:
        # What readers ask of a path it does; of a `Root` they use nothing that writes.
        super().__init__(cast(Path, top))
        self._top = top
        self._records: dict[tuple[str, str], Any] = {}  # by path and version, the newest last

    def now(self, *, live: bool = True) -> View:  # noqa: ARG002  there is nothing live
        """What is published at this moment."""
        return PublishedView(self.root, self._top, self._records)

    def try_again(self, attempt: int, error: FileNotFoundError) -> None:
        """Say whether it is worth while to look anew. Raises DataError where it is not."""
        try:
            super().try_again(attempt, error)
        except DataError as refused:
            raise DataError(
                f"{error.filename}: a record names it, and it is not there. Run `recorder publish "
                "--check` where it was recorded: it sends what is missing."
            ) from refused


class PublishedView(View):
    """What is published at one moment."""

    def __init__(
        self, root: Root, top: ObjectPath, records: dict[tuple[str, str], Any] | None = None
    ) -> None:
        self._top = top
        self._records = {} if records is None else records
        self._hours: dict[int, str] = {}  # those that have a record, with its version
        self._packed: dict[int, str] = {}  # days, likewise
        self._spans: list[tuple[int, int]] = []  # that were listed
        self._files: dict[int, str] = {}  # of each hour one that its record must name
        self._days_there: dict[int, str] = {}  # of each packed day the same
        self._looked_at: list[tuple[int, int]] = []  # where such were listed
        super().__init__(root, live=False)

    # --- hours -----------------------------------------------------------------------------------

    def _list(self, first: int, last: int) -> None:
        """Learn which hours of first to last have a record, and those around them."""
        last = min(last, self.switched - 1)
        if first > last or any(begin <= first and last <= end for begin, end in self._spans):
            return
        first, last = max(first - _AROUND, 0) // 24 * 24, (last + _AROUND) // 24 * 24 + 23
        after = f"commits/{day_text(first // 24)}" if first else ""
        for each in self._top.bucket.entries("commits", after):
            name = each.path.removeprefix("commits/").removesuffix(".json")
            hour, day = hour_named(name), day_in_name(name)
            if hour is not None:
                self._hours[hour] = each.etag
            elif day is not None:
                self._packed[day] = each.etag
            if (hour or 0) > last or (day or 0) > last // 24:
                break
        self._spans.append((first or -HOUR_MAX, last))

    def _named_hours(self, first: int, last: int) -> list[int]:
        last = min(last, self.switched - 1)
        self._list(first, last)
        return sorted(hour for hour in self._hours if first <= hour <= last)

    def _sealed_hours(self, first: int, last: int) -> list[int]:
        last = min(last, self.switched - 1)
        found = self._named_hours(first, last)
        if len(found) <= last - first:
            self._refuse_unrecorded(first, last)
        return found

    def _refuse_unrecorded(self, first: int, last: int) -> None:
        """Raise DataError where an hour has files and no record: nobody would read its rows.

        Every sealed hour has a file of `coverage`, of its own or in its packed day; which hours
        that day holds its record tells.
        """
        self._list_files(first, last)
        there = {hour: path for hour, path in self._files.items() if first <= hour <= last}
        for day in self._days_there:
            hours = [hour for hour in range(24 * day, 24 * day + 24) if first <= hour <= last]
            unrecorded = [hour for hour in hours if hour not in self._hours]
            if unrecorded and day not in self._packed:
                self._refuse(day_text(day), self._days_there[day], "hours")
            for hour in unrecorded:
                if self.packed(hour) is not None:
                    there[hour] = f"commits/{day_text(day)}.json"
        for hour, path in sorted(there.items()):
            if hour not in self._hours:
                self._refuse(hour_text(hour), path, "hour")

    def _refuse(self, name: str, path: str, what: str) -> None:
        record = self._top / "commits" / f"{name}.json"
        raise DataError(
            f"{record} is gone, and {self._top / path} is there: nobody would read the rows of "
            f"{'those' if what == 'hours' else 'that'} {what}. Run `recorder publish` where it was "
            "recorded: it sends what is missing. If it runs just now, ask again when it is done."
        )

    def _list_files(self, first: int, last: int) -> None:
        """Learn which hours of first to last have files, by those of `coverage`."""
        if any(begin <= first and last <= end for begin, end in self._looked_at):
            return
        after = f"coverage/date={day_iso(first // 24)}" if first > 0 else ""
        for each in self._top.bucket.entries("coverage", after):
            found = _hour_in(each.path)
            if found is None:
                continue
            hour = hour_from_text("".join(found.groups()))
            if hour > last:
                break
            self._files[hour] = each.path
        after = f"packed/coverage/date={day_iso(first // 24)}" if first > 0 else ""
        for each in self._top.bucket.entries("packed/coverage", after):
            found = _day_in(each.path)
            if found is None:
                continue
            day = hour_from_text("".join(found.groups()) + "00") // 24
            if day > last // 24:
                break
            self._days_there[day] = each.path
        self._looked_at.append((first, last))

    def holds(self, hour: int) -> bool:
        """Whether anything of an hour is recorded."""
        return bool(self._sealed_hours(hour, hour))

    def hours_back(self, hour: int) -> Iterator[int]:
        """The hours with anything recorded from one on backwards, each looked for when wanted."""
        at = min(hour, self.switched - 1)
        named = set(self._named_hours(at - _AROUND, at))
        for near in range(at, at - _AROUND - 1, -1):
            if near in named:
                yield near
            else:
                self._list_files(at - _AROUND, at)
                self._refuse_unrecorded(near, near)
        yield from reversed(self._sealed_hours(-HOUR_MAX, at - _AROUND - 1))

    def hour_after(self, hour: int) -> int | None:
        """The next hour with anything recorded; None where there is none."""
        near = self._named_hours(hour + 1, hour + _AROUND)
        found = near or self._named_hours(hour + _AROUND + 1, HOUR_MAX)
        return found[0] if found else None

    # --- files -----------------------------------------------------------------------------------

    def of_hour(self, table: str, hour: int, product_id: str | None = None) -> list[File]:
        """The files that may hold rows of a table of one hour, of those that there are."""
        return self.sealed_files(table, hour, product_id)

    def packed(self, hour: int) -> Day | None:
        """The record of the day of an hour, where the hour is packed."""
        day = hour // 24
        self._list(hour, hour)
        if day not in self._days:
            etag = self._packed.get(day)
            self._days[day] = None if etag is None else self._read_day(day, etag)
        record = self._days[day]
        return record if record is not None and record.holds(hour) else None

    def sealed_files(self, table: str, hour: int, product_id: str | None) -> list[File]:
        """The objects of a table of an hour that is published, or where it is packed."""
        wanted = product_id if TABLES[table].per_product else None
        day = self.packed(hour)
        if day is not None:
            return [
                Slice(self._object(file.path, file.bytes), hour)
                for file in day.files
                if file.table == table and wanted in (None, file.product_id)
            ]
        return [
            self._object(file["path"], file["bytes"])
            for file in self.commit(hour)["files"]
            if file["table"] == table and wanted in (None, file["product_id"])
        ]

    def _object(self, path: str, size: int) -> Path:
        return cast(Path, ObjectPath(self._top.bucket, path, size))

    # --- records ---------------------------------------------------------------------------------

    def commit(self, hour: int) -> dict[str, Any]:
        """The commit record of an hour. Raises FileNotFoundError where it has gone."""
        self._list(hour, hour)
        if hour not in self._commits:
            path = self._top / "commits" / f"{hour_text(hour)}.json"
            content: dict[str, Any] = self._record(path, self._hours.get(hour, ""))
            try:
                for file in content["files"]:
                    _ = file["path"], file["table"], file["product_id"], file["rows"], file["bytes"]
            except (KeyError, TypeError) as error:
                raise DataError(f"{path}: not a commit record ({error!r}). {_DAMAGED}") from error
            self._commits[hour] = content
        return self._commits[hour]

    def _read_day(self, day: int, etag: str) -> Day:
        path = self._top / "commits" / f"{day_text(day)}.json"
        try:
            return Day.of(self._record(path, etag), day)
        except ValueError as error:
            raise DataError(f"{path}: not the record of a day ({error}). {_DAMAGED}") from error

    def _record(self, path: ObjectPath, etag: str) -> Any:
        """A record, read once for each version that a listing named."""
        key = path.path, etag
        if key not in self._records:
            try:
                content = record_of(json.loads(path.read_text()))
            except ValueError as error:
                raise DataError(f"{path}: not a record ({error}). {_DAMAGED}") from error
            self._records[key] = content
            for oldest in list(self._records)[:-_RECORDS_HELD]:
                self._records.pop(oldest, None)
        return self._records[key]
