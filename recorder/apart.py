"""Packed days of which something is damaged: `recorder repair` takes them apart into their hours.

What is whole of a day's files becomes files of its hours again, with the bytes that they had; hours
that are hurt are made again from their capture, as any other. Then the day's record is set aside,
so that readers take the hours' files, and after it the day's. Where only the record is damaged it
is made again from the files. A day of which the rows of some hour cannot be had stays as it is.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from recorder.errors import DataError
from recorder.store.days import Day, packed_paths, publish_day, read_day, remove_all
from recorder.store.pack import check_bytes
from recorder.store.paths import (
    Root,
    day_in_name,
    day_iso,
    hour_from_iso,
    hour_from_text,
    hour_text,
)
from recorder.store.publish import remove
from recorder.store.seal import read_commit
from recorder.store.unpack import restore_hour, scan_day
from recorder.verify import Finding, findings
from recorder.verify.sealed import packed_day

_day_in = re.compile(r"(?:^|-)(\d{8})\.(?:parquet|json)$").search


class PackedDays:
    """The packed days of one repair. ``told`` says what was done; ``refused`` are days that stay.

    ``set_aside`` moves a file to quarantine. ``dry``: nothing is done, and everything told.
    """

    def __init__(self, root: Root, set_aside: Callable[[Path], None], *, dry: bool) -> None:
        self._root = root
        self._set_aside = set_aside
        self._dry = dry
        self._hurt: dict[int, list[Finding]] = {}
        self._apart: list[int] = []
        self.told: list[str] = []
        self.refused: set[int] = set()

    def look(self, found: Iterable[Finding]) -> None:
        """Take the findings, and make records again that are damaged."""
        days = _hurt_days(self._root, found)
        for day, each in days.items():
            if any(one.kind == findings.DAY for one in each):
                self._record_again(day)
        self._hurt = {
            day: each for day, each in days.items() if any(one.kind != findings.DAY for one in each)
        }

    def _record_again(self, day: int) -> None:
        record = scan_day(self._root, day)
        if record is None:
            return
        self._set_aside(self._root.day_record(day))
        self.told.append(f"made the record of {record.day} again from the day's files")
        if not self._dry:
            publish_day(self._root, day, record)

    def spares(self, hour: int, found: Iterable[Finding]) -> bool:
        """Whether an hour of a hurt day is not hurt: it has files of its own yet."""
        packed = hour // 24 in self._hurt and all(each.kind == findings.PACKED for each in found)
        return packed and _has_own_files(self._root, hour)

    def apart(
        self, hurt: Collection[int], mended: Collection[int]
    ) -> Iterator[tuple[list[Finding], str]]:
        """Give the hours of hurt days files of their own, but for those that are ``mended`` anew.

        ``hurt`` are the hours that are damaged. Gives the findings of days that stay, with why.
        """
        for day, found in sorted(self._hurt.items()):
            record = _record_of(self._root, day)
            hours = [] if record is None else [hour_from_iso(each.hour) for each in record.hours]
            mine = [hour for hour in hours if hour in hurt]
            lost = [hour for hour in mine if hour not in mended]
            names = {hour_text(hour) for hour in lost}  # whose findings are refused already
            why = _stays(day, lost) if lost or record is None else None
            if record is not None and why is None:
                why = self._restored(record, mine)
            if why is not None:
                self.refused.add(day)
                yield [each for each in found if each.hour not in names], why
                continue
            self.told.append(f"took the packed day {day_iso(day)} apart into files of its hours")
            self._apart.append(day)

    def _restored(self, record: Day, hurt: Sequence[int]) -> str | None:
        """Write the files of a day's hours that are not hurt; why that cannot be, or None."""
        made: list[Path] = []
        try:
            for each in record.hours if not self._dry else ():
                hour = hour_from_iso(each.hour)
                commit = read_commit(self._root, hour) if hour not in hurt else None
                if commit is not None:
                    paths = (self._root.path / file.path for file in commit.files)
                    made += [path for path in paths if not path.exists()]
                    restore_hour(self._root, record, commit)
        except DataError as error:
            remove_all(made, self._root.path)  # the day stays, and has their rows
            return str(error)
        return None

    def away(self) -> None:
        """Set aside the days that were taken apart: their records first, for the readers."""
        for day in self._apart:
            for path in (self._root.day_record(day), *packed_paths(self._root, day)):
                self._set_aside(path)
            if not self._dry:
                remove(self._root.pack_note(day))


def _hurt_days(root: Root, found: Iterable[Finding]) -> dict[int, list[Finding]]:
    """The packed days that findings are about, with these: of the day, or of an hour of it."""
    days: dict[int, list[Finding]] = {}
    for each in found:
        if each.hour is not None:
            hour = hour_from_text(each.hour)
            of_rows = each.kind not in {findings.STRAY, findings.CAPTURE, findings.CURRENT}
            in_files = of_rows and not Path(each.path).is_relative_to(root.live)
            if in_files and packed_day(root, hour) is not None:
                days.setdefault(hour // 24, []).append(each)
        elif each.kind in {findings.DAY, findings.PACKED}:
            named = _day_in(Path(each.path).name)
            day = day_in_name(named[1]) if named else None
            if day is not None:
                days.setdefault(day, []).append(each)
    return days


def _record_of(root: Root, day: int) -> Day | None:
    try:
        return read_day(root, day)
    except DataError:
        return scan_day(root, day)


def _has_own_files(root: Root, hour: int) -> bool:
    """Whether the files that an hour had before it was packed are still there, and whole."""
    try:
        commit = read_commit(root, hour)
        for file in commit.files if commit is not None else ():
            check_bytes(root.path / file.path, file.bytes, file.sha256)
    except (DataError, OSError):
        return False
    return commit is not None


def _stays(day: int, lost: Sequence[int]) -> str:
    hours = ", ".join(map(hour_text, lost)) or "its hours"
    return (
        f"The packed day {day_iso(day)} stays as it is: what is damaged of {hours} cannot be made "
        "again, because the capture is not kept whole. Take the day's files from a copy; what is "
        "whole of them can be read."
    )
