"""Where everything lies below a data directory.

    .lock                                         flock: one writer
    capture/2026112119/0000000016777216.cap       raw frames; hour of recv_ns, first offset
    live/level2/2026112119-<from>-<to>.parquet    all products; offsets [from, to) of the hour
    live/level2/0-empty.parquet                   no rows, so that a glob never fails
    live/cuts/2026112119-<from>-<to>.json         all parts of these offsets are there
    live/open.json                                what was being recorded at the newest cut
    staging/                                      anything here after a start is garbage
    level2/product=BTC-USD/date=2026-11-21/hour=19/level2-BTC-USD-20261121T19.parquet
    heartbeats/date=2026-11-21/hour=19/heartbeats-20261121T19.parquet
    commits/2026112119.json                       the commit record of an hour
    packed/level2/product=BTC-USD/date=2026-11-21/level2-BTC-USD-20261121.parquet   a whole day
    commits/20261121.json                         the record of a packed day
    packing/                                      days that are being packed, and a note of each
    .pack-lock                                    flock: one packer
    .publish-lock                                 flock: one publisher
    publisher.json                                who publishes it: the name that buckets know
    current.json                                  the readers' switch
    importing.json                                where an import began that has not finished
    products.json                                 the venue's list of products, as last known

Hours are int, hours since 1970-01-01T00 UTC; days are, too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recorder.core.tables import TABLES, Table

SCHEMA_MARK = "0-empty.parquet"
_part_name = re.compile(r"(\d{10})-(\d{12})-(\d{12})\.(?:parquet|json)").fullmatch
CUTS = "cuts"
_segment_name = re.compile(r"(\d{16})\.cap").fullmatch
_hour_name = re.compile(r"\d{10}").fullmatch
_day_name = re.compile(r"\d{8}").fullmatch


def hour_text(hour: int) -> str:
    """``2026112119``."""
    return _moment(hour).strftime("%Y%m%d%H")


def hour_from_text(text: str) -> int:
    """The inverse of `hour_text`."""
    moment = datetime.strptime(text, "%Y%m%d%H").replace(tzinfo=UTC)
    return int(moment.timestamp()) // 3600


def day_text(day: int) -> str:
    """``20261121``."""
    return _moment(day * 24).strftime("%Y%m%d")


def day_from_text(text: str) -> int:
    """The inverse of `day_text`. Raises ValueError where it is no day."""
    return hour_from_text(f"{text}00") // 24


def day_in_name(name: str) -> int | None:
    """The day that a name of eight digits means; None where it is no day, or another name."""
    hour = hour_named(f"{name}00") if _day_name(name) else None
    return None if hour is None else hour // 24


def day_iso(day: int) -> str:
    """A day: ``2026-11-21``."""
    return _moment(day * 24).strftime("%Y-%m-%d")


def hour_named(name: str) -> int | None:
    """The hour that a name of ten digits means; None where it is no hour, or another name."""
    if not _hour_name(name):
        return None
    try:
        return hour_from_text(name)
    except ValueError:
        return None


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)


def iso(hour: int) -> str:
    """The begin of an hour: ``2026-11-21T19:00:00Z``."""
    return _moment(hour).strftime("%Y-%m-%dT%H:%M:%SZ")


def hour_from_iso(text: str) -> int:
    """The inverse of `iso`."""
    return int(datetime.fromisoformat(text).timestamp()) // 3600


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One live part: rows of a table whose frames lie at offsets [first, end) of an hour."""

    hour: int
    first: int
    end: int
    path: Path


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One capture segment: frames of an hour from offset ``first`` on."""

    hour: int
    first: int
    path: Path


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """The rows of one hour in the file of a packed day."""

    path: Path
    hour: int

    @property
    def name(self) -> str:
        """The name of the day's file."""
        return self.path.name


File = Path | Slice  # what holds rows of a sealed hour: a file of its own, or a stretch of a day's


def path_of(file: File) -> Path:
    """The file to open."""
    return file.path if isinstance(file, Slice) else file


class Root:
    """A data directory's paths and listings. Nothing in here writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / ".lock"
        self.capture = path / "capture"
        self.live = path / "live"
        self.staging = path / "staging"
        self.commits = path / "commits"
        self.current = path / "current.json"
        self.open = self.live / "open.json"
        self.importing = path / "importing.json"
        self.products = path / "products.json"
        self.packed = path / "packed"
        self.packing = path / "packing"
        self.pack_lock = path / ".pack-lock"
        self.publish_lock = path / ".publish-lock"
        self.publisher = path / "publisher.json"

    def segment(self, hour: int, first: int) -> Path:
        """Where a capture segment goes."""
        return self.capture / hour_text(hour) / f"{first:016d}.cap"

    def part(self, table: str, hour: int, first: int, end: int) -> Path:
        """Where a live part goes."""
        return self.live / table / f"{hour_text(hour)}-{first:012d}-{end:012d}.parquet"

    def cut(self, hour: int, first: int, end: int) -> Path:
        """Where the record of a cut goes: every part of the offsets [first, end) is published."""
        return self.live / CUTS / f"{hour_text(hour)}-{first:012d}-{end:012d}.json"

    def commit(self, hour: int) -> Path:
        """Where the commit record of an hour goes."""
        return self.commits / f"{hour_text(hour)}.json"

    def day_record(self, day: int) -> Path:
        """Where the record of a packed day goes."""
        return self.commits / f"{day_text(day)}.json"

    def pack_note(self, day: int) -> Path:
        """Where it stands that a day is being packed, or waits for its hours' files to go."""
        return self.packing / f"{day_text(day)}.json"

    def packed_file(self, table: Table, day: int, product_id: str | None) -> Path:
        """Where the file of a packed day goes; ``product_id`` as in `sealed`."""
        folder, name = self.packed / table.name, table.name
        if table.per_product:
            assert product_id is not None, f"{table.name} has a file a product"
            folder /= f"product={product_id}"
            name += f"-{product_id}"
        return folder / f"date={day_iso(day)}" / f"{name}-{day_text(day)}.parquet"

    def sealed(self, table: Table, hour: int, product_id: str | None) -> Path:
        """Where a sealed file goes; ``product_id`` for tables with a file a product."""
        moment = _moment(hour)
        folder = self.path / table.name
        name = table.name
        if table.per_product:
            assert product_id is not None, f"{table.name} has a file a product"
            folder /= f"product={product_id}"
            name += f"-{product_id}"
        folder = folder / moment.strftime("date=%Y-%m-%d") / moment.strftime("hour=%H")
        return folder / f"{name}-{moment.strftime('%Y%m%dT%H')}.parquet"

    def parts(self, table: str, hour: int | None = None) -> list[Part]:
        """The live parts of a table (or the records of `CUTS`) in order, of one hour or of all."""
        found = []
        for path in _children(self.live / table):
            matched = _part_name(path.name)
            named = hour_named(matched[1]) if matched else None
            if matched and named is not None and hour in (None, named):
                found.append(Part(named, int(matched[2]), int(matched[3]), path))
        return sorted(found)

    def segments(self, hour: int) -> list[Segment]:
        """The capture segments of an hour in their order."""
        found = []
        for path in _children(self.capture / hour_text(hour)):
            matched = _segment_name(path.name)
            if matched:
                found.append(Segment(hour, int(matched[1]), path))
        return sorted(found)

    def captured_hours(self) -> list[int]:
        """The hours that have capture, oldest first."""
        hours = (hour_named(path.name) for path in _children(self.capture) if path.is_dir())
        return sorted(hour for hour in hours if hour is not None)

    def committed_hours(self) -> list[int]:
        """The hours that have a commit record, oldest first."""
        names = (path.stem for path in _children(self.commits) if path.suffix == ".json")
        return sorted(hour for name in names if (hour := hour_named(name)) is not None)

    def covered_hours(self) -> list[int]:
        """The hours that have a sealed file of `coverage` of their own, oldest first."""
        found = []
        for folder in _children(self.path / "coverage"):
            for path in _children(folder) if folder.name.startswith("date=") else ():
                stamp = f"{folder.name[5:]}{path.name[5:]}".replace("-", "")
                hour = hour_named(stamp) if path.name.startswith("hour=") else None
                if hour is not None:
                    found.append(hour)
        return sorted(found)

    def packed_days(self) -> list[int]:
        """The days that have a record, oldest first."""
        return _days_named(self.commits)

    def noted_days(self) -> list[int]:
        """The days of which something is being packed, or waits, oldest first."""
        return _days_named(self.packing)

    def part_hours(self) -> list[int]:
        """The hours that have live parts, oldest first."""
        return sorted({part.hour for table in (*TABLES, CUTS) for part in self.parts(table)})


def _days_named(folder: Path) -> list[int]:
    names = (path.stem for path in _children(folder) if path.suffix == ".json")
    return sorted(day for name in names if (day := day_in_name(name)) is not None)


def _children(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except (FileNotFoundError, NotADirectoryError):
        return
