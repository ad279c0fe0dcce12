"""Which files hold what, at one moment.

Sealed files are read for the hours before the readers' switch, live parts from it on. Nothing is
locked: a `View` notes what there is when a question is asked, and answers from that alone. What a
switch replaced stays for an hour; where a file has gone all the same, the question is asked anew.
"""

import errno
import json
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.frames import hour_base
from recorder.core.tables import TABLES, Table
from recorder.dataset.reading import join, read_file
from recorder.errors import DataError
from recorder.store.days import Day, read_day
from recorder.store.orphans import recorded_hours, refuse_unrecorded, refuse_unswitched
from recorder.store.parts import read_cut
from recorder.store.paths import (
    CUTS,
    File,
    Part,
    Root,
    Slice,
    hour_from_iso,
    hour_from_text,
    hour_text,
    path_of,
)

HOUR_NS = 3_600_000_000_000
HOUR_MAX = 2**63 // HOUR_NS
_ATTEMPTS = 6
_SETTLE_S = 2.0  # a cut's record and the word of what is going on are written within this
_HOURS_ASKED_FOR = 2_000  # a longer range lists the records instead of asking for each
_T = TypeVar("_T")


class Files:
    """The files of a data directory. Nothing is locked or held open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = Root(path)

    def now(self, *, live: bool = True) -> "View":
        """What there is at this moment; ``live`` False: of sealed hours only."""
        return View(self.root, live=live)

    def consistently(self, answer: Callable[["View"], _T], *, live: bool = True) -> _T:
        """Answer from one moment's files; again from the next where some went meanwhile."""
        for attempt in count(1):
            try:
                return answer(self.now(live=live))
            except FileNotFoundError as error:
                self.try_again(attempt, error)
        raise AssertionError("there is always another attempt, or an error")

    def try_again(self, attempt: int, error: FileNotFoundError) -> None:
        """Say whether it is worth while to look anew. Raises DataError where it is not."""
        if attempt >= _ATTEMPTS:
            raise DataError(
                f"{error.filename}: it is listed, and it is not there, {attempt} times in a row. "
                "Somebody removes files of this directory, or it is a link to nowhere; "
                "`recorder verify` tells what is whole."
            ) from error

    def of(
        self,
        table: str,
        product_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[Path]:
        """The files that may hold rows of a table, in the order of time, by exact path."""
        return self.consistently(lambda view: view.of(table, product_id, start_ns, end_ns))

    def sealed_before(self) -> int:
        """The hour of the readers' switch; 0 where nothing is sealed."""
        return sealed_before(self.root)

    def read(
        self,
        list_files: Callable[[], Sequence[File]],
        table: Table,
        wanted: pc.Expression | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Read rows in the table's order; lists again if a switch took files away meanwhile.

        ``columns`` must hold the table's order column.
        """

        def answer(_view: View) -> pa.Table:
            pieces = [read_file(path, table, wanted, columns) for path in list_files()]
            return join(table, pieces, columns)

        return self.consistently(answer)


class View:
    """The files of a data directory at one moment: up to one cut, on one side of a switch.

    Every listing raises FileNotFoundError where the view is too old, and DataError where what
    ought to be there is not.
    """

    def __init__(self, root: Root, *, live: bool = True) -> None:
        self.root = root
        self.live = live
        self.switched = sealed_before(root)
        self.last_ns = 0
        self.tracks: list[dict[str, Any]] = []
        self.memo: dict[Any, pa.Table] = {}  # small files, read for this answer already
        self._commits: dict[int, dict[str, Any]] = {}
        self._days: dict[int, Day | None] = {}
        self._cuts: dict[int, list[Part]] = {}
        self._committed: dict[int, bool] = {}
        self._every: list[int] | None = None
        if not self.switched:
            refuse_unswitched(root)
        if live:
            for cut in self._list_cuts():
                self._cuts.setdefault(cut.hour, []).append(cut)

    def _list_cuts(self) -> list[Part]:
        """The records of cuts, and what goes on at the newest; the two are written one by one."""
        end_s = time.monotonic() + _SETTLE_S
        while True:
            named, content = self._read_open()
            cuts = [cut for cut in self.root.parts(CUTS) if cut.hour >= self.switched]
            newest = max(cuts, default=None)
            if newest is None or named is None or named[0] < self.switched:
                return cuts
            if (newest.hour, newest.end) == named:
                self.last_ns, self.tracks = content["last_ns"], content["tracks"]
                return cuts
            just_written = time.time() - newest.path.stat().st_mtime < _SETTLE_S
            if not just_written or time.monotonic() > end_s:
                return cuts  # nobody records: what was going on then has ended since
            time.sleep(0.005)

    def _read_open(self) -> tuple[tuple[int, int] | None, dict[str, Any]]:
        try:
            content = json.loads(self.root.open.read_text(encoding="utf-8"))
            named = hour_from_text(content["hour"]), int(content["end"])
            if isinstance(content["last_ns"], int) and isinstance(content["tracks"], list):
                return named, content
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass
        return None, {}

    def until_seq(self) -> int:
        """The first `ingest_seq` that is not published yet: all below it belongs to this moment."""
        newest = max((cuts[-1] for cuts in self._cuts.values()), default=None)
        if newest is None:
            return hour_base(self.switched)
        return hour_base(newest.hour) + newest.end

    def newest(self) -> tuple[str, str]:
        """The newest cut as `recorder.sql` takes it: what parts begin before, what goes on then."""
        cut = max((cuts[-1] for cuts in self._cuts.values()), default=None)
        if cut is None:
            return "", '{"tracks": []}'
        hour = hour_text(cut.hour)
        told = {"hour": hour, "end": cut.end, "last_ns": self.last_ns, "tracks": self.tracks}
        return f"{hour}{cut.end:012d}", json.dumps(told)

    # --- hours -----------------------------------------------------------------------------------

    def hours(self, start_ns: int | None = None, end_ns: int | None = None) -> list[int]:
        """The hours with anything recorded that [start, end) touches, oldest first."""
        if start_ns is not None and start_ns == end_ns:
            return []
        first = 0 if start_ns is None else start_ns // HOUR_NS
        last = HOUR_MAX if end_ns is None else (end_ns - 1) // HOUR_NS
        return [*self._sealed_hours(first, last), *self.live_hours(first, last)]

    def live_hours(self, first: int = -HOUR_MAX, last: int = HOUR_MAX) -> list[int]:
        """The hours that are read from parts."""
        return sorted(hour for hour in self._cuts if first <= hour <= last)

    def _sealed_hours(self, first: int, last: int) -> list[int]:
        last = min(last, self.switched - 1)
        if last - first < _HOURS_ASKED_FOR:
            return [hour for hour in range(first, last + 1) if self._is_committed(hour)]
        if self._every is None:  # names are read once: that is slow
            self._every = recorded_hours(self.root, self.switched)
        return [hour for hour in self._every if first <= hour <= last]

    def holds(self, hour: int) -> bool:
        """Whether anything of an hour is recorded."""
        return hour in self._cuts or (hour < self.switched and self._is_committed(hour))

    def _is_committed(self, hour: int) -> bool:
        """Whether there is a record, looked for once: behind the switch none is added.

        Raises DataError where there is none and ought to be.
        """
        if hour not in self._committed:
            self._committed[hour] = self.root.commit(hour).exists()
            if not self._committed[hour]:
                refuse_unrecorded(self.root, hour)
        return self._committed[hour]

    def hours_back(self, hour: int) -> Iterator[int]:
        """The hours with anything recorded from one on backwards, each looked for when wanted."""
        yield from reversed(self.live_hours(last=hour))
        at = min(hour, self.switched - 1)
        for near in range(at, at - 24, -1):
            if self._is_committed(near):
                yield near
        yield from reversed(self._sealed_hours(-HOUR_MAX, at - 24))

    def hour_after(self, hour: int) -> int | None:
        """The next hour with anything recorded; None where there is none."""
        if hour + 1 < self.switched:
            if self._is_committed(hour + 1):
                return hour + 1
            # Names sort as their hours do; that is faster than to read them.
            after = f"{hour_text(hour)}.json"
            try:
                names = (path.name for path in self.root.commits.iterdir())
                found = min(
                    (name for name in names if _is_record(name) and name > after), default=""
                )
            except FileNotFoundError:
                found = ""
            if found and hour_from_text(found[:10]) < self.switched:
                return hour_from_text(found[:10])
        return next(iter(self.live_hours(first=hour + 1)), None)

    # --- files -----------------------------------------------------------------------------------

    def of(
        self,
        table: str,
        product_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[Path]:
        """The files that may hold rows of a table received in [start, end), by exact path.

        That of a packed day holds the rows of its other hours as well.
        """
        first = -HOUR_MAX if start_ns is None else start_ns // HOUR_NS
        last = HOUR_MAX if end_ns is None else (end_ns - 1) // HOUR_NS
        sealed = dict.fromkeys(
            path_of(file)
            for hour in self._sealed_hours(first, last)
            for file in self.sealed_files(table, hour, product_id)
        )
        live = [part.path for part in self.parts(table, first, last, start_ns, end_ns)]
        return [*sealed, *live]

    def of_hour(self, table: str, hour: int, product_id: str | None = None) -> list[File]:
        """The files that may hold rows of a table of one hour, of those that there are."""
        if hour < self.switched:
            self.root.commit(hour).stat()
            return self.sealed_files(table, hour, product_id)
        return [part.path for part in self.parts(table, hour, hour)]

    def packed(self, hour: int) -> Day | None:
        """The record of the day of an hour, where the hour is packed."""
        day = hour // 24
        if day not in self._days:
            self._days[day] = read_day(self.root, day)
        record = self._days[day]
        return record if record is not None and record.holds(hour) else None

    def sealed_files(self, table: str, hour: int, product_id: str | None) -> list[File]:
        """The sealed files of a table of an hour that is committed, or where it is packed."""
        one = TABLES[table]
        day = self.packed(hour)
        if day is not None:
            return self._packed_files(day, one, hour, product_id)
        if product_id is not None or not one.per_product:
            path = self.root.sealed(one, hour, product_id if one.per_product else None)
            if path.is_file():  # the record of many products takes longer to read than the file
                return [path]
        files = [file for file in self.commit(hour)["files"] if file["table"] == table]
        if one.per_product and product_id is not None:
            files = [file for file in files if file["product_id"] == product_id]
        paths = [self.root.path / file["path"] for file in files]
        for path in paths:
            self._must_be_there(path, hour)
        return list(paths)

    def _packed_files(
        self, day: Day, table: Table, hour: int, product_id: str | None
    ) -> list[File]:
        wanted = product_id if table.per_product else None
        paths = [
            self.root.path / file.path
            for file in day.files
            if file.table == table.name and wanted in (None, file.product_id)
        ]
        for path in paths:
            self._must_be_there(path, hour)
        return [Slice(path, hour) for path in paths]

    def _must_be_there(self, path: Path, hour: int) -> None:
        if path.is_file():
            return
        # A prune takes the record first: then the whole hour is gone, and that is right.
        self.root.commit(hour).stat()
        if read_day(self.root, hour // 24) != self._days.get(hour // 24):
            raise FileNotFoundError(errno.ENOENT, "its day was packed, or taken apart", str(path))
        raise DataError(
            f"{path}: the commit record names it, and it is gone. Run `recorder repair`: "
            "it is made again where the capture of its hour is kept."
        )

    def parts(
        self,
        table: str,
        first: int,
        last: int,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[Part]:
        """The parts of a table of whole cuts, of the hours first to last, as far as [start, end).

        A part whose cut is just being published belongs to the next view.
        """
        if not self.live:
            return []
        found = []
        ranges: dict[int, tuple[int, int]] = {}
        listed = self.root.parts(table)
        self._see_that_it_stands(first, last)
        for part in listed:
            if part.hour not in self._cuts or not first <= part.hour <= last:
                continue
            if part.hour not in ranges:
                ranges[part.hour] = self._offsets(part.hour, start_ns, end_ns)
            begin, end = ranges[part.hour]
            if part.first < end and part.end > begin:
                found.append(part)
        return found

    def _see_that_it_stands(self, first: int, last: int) -> None:
        """Raise FileNotFoundError where one of the hours is switched to by now.

        An hour behind the switch its parts go: a listing made since then may lack some of them.
        """
        switched = sealed_before(self.root)
        if any(first <= hour <= last and hour < switched for hour in self._cuts):
            what = "read from sealed files by now"
            raise FileNotFoundError(errno.ENOENT, what, str(self.root.live))

    def _offsets(self, hour: int, start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
        """The offsets of an hour that may have come in [start, end), from the times of the cuts."""
        cuts = self._cuts[hour]

        def last_ns(cut: Part) -> int:
            try:
                return read_cut(cut.path).last_ns
            except DataError:
                return end_ns or 2**63  # takes more parts than it need

        begin, end = cuts[0].first, max(cut.end for cut in cuts)
        if start_ns is not None and start_ns // HOUR_NS == hour:
            place = bisect_left(cuts, start_ns, key=last_ns)
            # Parts of a cut that was interrupted may lie before the one whose record is found.
            begin = cuts[place - 1].end if place else 0
        if end_ns is not None and end_ns // HOUR_NS == hour:
            place = bisect_left(cuts, end_ns, key=last_ns)
            end = cuts[place].end if place < len(cuts) else end
        return min(begin, end), end

    def commit(self, hour: int) -> dict[str, Any]:
        """The commit record of an hour. Raises FileNotFoundError where it has gone."""
        if hour not in self._commits:
            path = self.root.commit(hour)
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                for file in content["files"]:
                    _ = file["path"], file["table"], file["product_id"], file["rows"], file["bytes"]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}: not a commit record ({error!r}). Move it away; the next start of the "
                    "recorder seals the hour again from what is kept."
                ) from error
            self._commits[hour] = content
        return self._commits[hour]

    def newest_trades(self, product_id: str) -> dict[str, Any] | None:
        """The recorded trade ids of a product as the newest record has them."""
        for hour in self.hours_back(HOUR_MAX - 1):
            if hour < self.switched:
                record: dict[str, Any] = self.commit(hour).get("trades", {})
            else:
                record = read_cut(self._cuts[hour][-1].path).trades
            return record.get(product_id)
        return None


def sealed_before(root: Root) -> int:
    """The hour of the readers' switch; 0 where nothing is sealed."""
    try:
        content = json.loads(root.current.read_text(encoding="utf-8"))
        return hour_from_iso(content["sealed_before"])
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{root.current}: not readable ({error!r}). Move it away; the next start of the "
            "recorder writes it again."
        ) from error


def _is_record(name: str) -> bool:
    return len(name) == 15 and name[:10].isdigit() and name.endswith(".json")


def hour_of_file(path: Path) -> int:
    """The hour of a sealed file or a live part, by its name."""
    if path.name[:10].isdigit():
        return hour_from_text(path.name[:10])
    return hour_from_text(path.stem.rsplit("-", 1)[1].replace("T", ""))
