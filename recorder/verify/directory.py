"""A whole data directory: every hour by itself, then what only all of them together show."""

import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from recorder.core.frames import hour_base
from recorder.core.tables import TABLES
from recorder.errors import DataError, NoInputError
from recorder.store.aside import QUARANTINE
from recorder.store.days import read_day
from recorder.store.paths import CUTS, SCHEMA_MARK, Root, day_in_name, hour_named, iso
from recorder.store.seal import sealed_before
from recorder.store.sound import is_as_written
from recorder.store.verified import FOLDER as VERIFIED
from recorder.store.views import NAME, is_damaged
from recorder.verify.again import check_again
from recorder.verify.books import check_books
from recorder.verify.coverage import Ledger, check_coverage
from recorder.verify.days import check_days
from recorder.verify.findings import (
    COMMIT,
    CURRENT,
    EMPTY,
    EMPTY_AGAIN,
    GONE,
    RECORD_GONE,
    REPAIR,
    SET_ASIDE,
    SQL_AGAIN,
    STRAY,
    SWITCH,
    VIEWS,
    Report,
)
from recorder.verify.hours import Hour, check_hour
from recorder.verify.raw import torn_segments
from recorder.verify.reading import NotWholeError, read_through

Progress = Callable[[int, int], None]

_KNOWN = {
    *(".lock", ".ballast", "capture", "live", "staging", "commits", "current.json"),
    *("products.json", ".http.json", VERIFIED, NAME, QUARANTINE, *TABLES),
    *("packed", "packing", ".pack-lock", ".publish-lock", "publisher.json"),
}
_sealed_name = re.compile(r"-(\d{8})T(\d{2})\.parquet$").search
_packed_name = re.compile(r"-(\d{8})\.parquet$").search
_part_name = re.compile(r"\d{10}-\d{12}-\d{12}\.(?:parquet|json)").fullmatch


def verify(
    path: Path,
    *,
    deep: bool = False,
    again: Collection[int] = (),
    progress: Progress | None = None,
) -> Report:
    """Check a data directory; ``deep`` also makes every hour again whose capture is kept.

    Nothing is written there, and no lock is taken. ``again`` are hours to make again where not all
    are. ``progress`` is called with (done, total) hours.

    Raises:
        NoInputError: there is no such directory.
    """
    if not path.is_dir():
        raise NoInputError(
            f"{path}: no such directory. Name one that `recorder run`, `import` or `demo` has "
            "written."
        )
    return _Check(Root(path), None if deep else set(again), progress).run()


class _Check:
    """One run over a directory."""

    def __init__(self, root: Root, again: set[int] | None, progress: Progress | None) -> None:
        """``again`` are the hours to make again; None: every hour."""
        self._root = root
        self._hours_again = again
        self._progress = progress
        self._hours: dict[int, Hour] = {}
        self._report = Report(str(root.path), deep=again is None)
        self._hurt: set[int] = set()
        self._switched = 0
        self._steps = 0
        self._unnamed: dict[int, int] = {}  # files of hours of which nothing else is kept

    def run(self) -> Report:
        """Check everything."""
        hours = held_hours(self._root)
        self._steps = len(hours) * (2 if self._report.deep else 1)
        self._switch()
        for done, hour in enumerate(hours, 1):
            known, report = check_hour(self._root, hour, self._switched)
            self._hours[hour] = known
            self._add(hour, report)
            self._books(hour)
            self._tell(done)
        check_days(
            self._root, {hour: known.commit for hour, known in self._hours.items()}, self._report
        )
        self._coverage()
        self._readers_view()
        self._strays()
        self._others()
        if self._hours_again is None or self._hours_again:
            self._again(len(hours))
        return self._report

    def _add(self, hour: int, report: Report) -> None:
        self._report.add(report)
        if not report.whole:
            self._hurt.add(hour)

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._steps)

    # --- hours beside each other --------------------------------------------------------------

    def _books(self, hour: int) -> None:
        before = self._hours.get(hour - 1)
        if before is None or before.commit is None or {hour - 1, hour} & self._hurt:
            return
        if before.reopened:
            return
        report = Report(str(self._root.path))
        try:
            check_books(self._root, before.commit, hour, report, self._remedy(hour))
        except (DataError, FileNotFoundError):
            return  # told already, or taken away meanwhile
        self._add(hour, report)

    def _remedy(self, hour: int) -> str:
        known = self._hours.get(hour)
        return REPAIR if known is not None and known.kept is not None else GONE

    def _coverage(self) -> None:
        ledger = Ledger.empty()
        for hour, known in self._hours.items():
            for path in known.coverage:
                try:
                    ledger.add(path, hour_base(hour) + known.told_to)
                except (DataError, FileNotFoundError):
                    self._hurt.add(hour)
            if not known.complete or hour in self._hurt:
                # What follows is behind a hole of the files, and not of the recording.
                check_coverage(ledger, self._report, self._remedy)
                ledger = Ledger.empty()
        check_coverage(ledger, self._report, self._remedy)

    def _again(self, before: int) -> None:
        wanted = self._hours if self._hours_again is None else self._hours_again
        kept = [known.kept for hour, known in self._hours.items() if hour not in self._hurt]
        hours = [each for each in kept if each is not None and each.hour in wanted]
        with tempfile.TemporaryDirectory(prefix="recorder-verify-") as scratch:
            for done, (hour, report) in enumerate(check_again(self._root, hours, Path(scratch)), 1):
                self._add(hour, report)
                self._tell(min(before + done, self._steps))
        self._tell(self._steps)

    # --- the readers' switch ------------------------------------------------------------------

    def _switch(self) -> None:
        path = self._root.current
        try:
            self._switched = sealed_before(self._root) or 0
        except DataError as error:
            problem = f"is {str(error).partition(': ')[2].partition('. Move it')[0]}"
            self._report.find(CURRENT, path, None, problem, SWITCH)
            self._switched = -1

    def _readers_view(self) -> None:
        """What readers see of each hour: sealed files before the switch, parts from it on."""
        if self._switched < 0:
            return
        path = self._root.current
        for hour, known in self._hours.items():
            if hour < self._switched:
                if known.commit is None and hour not in self._hurt:
                    problem = f"is gone: readers look for sealed files of {iso(hour)}"
                    again = REPAIR if known.kept is not None or known.capture else GONE
                    self._report.find(COMMIT, self._root.commit(hour), hour, problem, again)
                elif known.reopened:
                    problem = f"readers do not see what {iso(hour)} has beyond its sealed files"
                    self._report.find(CURRENT, path, hour, problem, SWITCH)
            elif known.commit is not None and known.commit.rows and not self._readable(hour):
                problem = f"readers look for parts of {iso(hour)}, which has sealed files only"
                self._report.find(CURRENT, path, hour, problem, SWITCH)

    def _readable(self, hour: int) -> bool:
        return bool(self._root.parts(CUTS, hour))

    # --- what nobody names --------------------------------------------------------------------

    def _strays(self) -> None:
        for table in TABLES:
            for path in sorted((self._root.path / table).rglob("*")):
                if not path.is_dir():
                    self._stray(table, path)
        for hour, files in sorted(self._unnamed.items()):
            problem = f"is gone: {files} sealed files of its hour are there, and nobody reads them"
            self._report.find(COMMIT, self._root.commit(hour), hour, problem, RECORD_GONE)
        named: dict[int, set[str] | None] = {}
        for path in sorted(self._root.packed.rglob("*")):
            if not path.is_dir():
                self._packed_stray(path, named)

    def _packed_stray(self, path: Path, named: dict[int, set[str] | None]) -> None:
        """A file below `packed`; ``named`` are the paths that the record of each day names."""
        found = _packed_name(path.name)
        day = day_in_name(found[1]) if found else None
        if day is None:
            self._report.note(path, None, "is no file of the recorder")
            return
        if day not in named:
            named[day] = self._packed_names(day)
        names = named[day]
        if names is None or str(path.relative_to(self._root.path)) in names:
            return
        if self._root.pack_note(day).exists():
            self._report.note(path, None, "no record of its day names it: packing, or cut off")
            return
        problem = "no record of a day names it; who reads all files would take its rows too"
        self._report.find(STRAY, path, None, problem, SET_ASIDE)

    def _packed_names(self, day: int) -> set[str] | None:
        """The files of a packed day, by its record and by those of its hours; None: not known."""
        try:
            record = read_day(self._root, day)
        except DataError:
            return None  # told already
        names = {file.path for file in record.files} if record is not None else set()
        known = [self._hours.get(hour) for hour in range(24 * day, 24 * day + 24)]
        for each in known if record is not None else ():
            for file in each.commit.files if each is not None and each.commit is not None else ():
                path = self._root.packed_file(TABLES[file.table], day, file.product_id)
                names.add(str(path.relative_to(self._root.path)))
        return names

    def _stray(self, table: str, path: Path) -> None:
        name = _sealed_name(path.name)
        hour = hour_named(name[1] + name[2]) if name else None
        known = self._hours.get(hour) if hour is not None else None
        relative = str(path.relative_to(self._root.path))
        if known is not None and known.commit is not None:
            if any(file.path == relative for file in known.commit.files):
                self._superseded(known, path)
                return
            if known.reopened:
                text = "no commit record names it yet: a seal is under way, or was cut off"
                self._report.note(path, hour, text)
                return
        elif known is not None and self._root.commit(known.number).exists():
            return  # sealed meanwhile, or the record is told already
        elif known is not None and _canonical(self._root, table, known.number, path):
            text = "its hour is not sealed yet: a seal is under way, or was cut off"
            self._report.note(path, hour, text)
            return
        if path.suffix != ".parquet":
            self._report.note(path, hour, "is no file of the recorder")
            return
        if known is None and hour is not None and _canonical(self._root, table, hour, path):
            self._unnamed.setdefault(hour, 0)
            self._unnamed[hour] += 1
            return
        problem = "no commit record names it; who reads all files would take its rows too"
        self._report.find(STRAY, path, hour, problem, SET_ASIDE)

    def _superseded(self, known: Hour, path: Path) -> None:
        """A file of an hour that is packed waits for its time, which a note tells of."""
        if known.packed and not self._root.pack_note(known.number // 24).exists():
            problem = "its day is packed; who reads all files would take its rows twice"
            self._report.find(STRAY, path, known.number, problem, SET_ASIDE)

    def _others(self) -> None:
        for table in TABLES.values():
            path = self._root.live / table.name / SCHEMA_MARK
            try:
                if read_through(path, table).rows or not is_as_written(path, table):
                    self._report.find(EMPTY, path, None, "is not the empty file", EMPTY_AGAIN)
            except FileNotFoundError:
                continue
            except NotWholeError as error:
                self._report.find(EMPTY, path, None, str(error), EMPTY_AGAIN)
        if is_damaged(self._root):
            problem = "is not what was written: who reads it may miss rows"
            self._report.find(VIEWS, self._root.path / NAME, None, problem, SQL_AGAIN)
        for path in _unknown(self._root):
            self._report.note(path, None, "is no file of the recorder")
        if self._root.importing.exists():
            text = "an import is under way, or did not finish: who writes next takes it back"
            self._report.note(self._root.importing, None, text)
        for hour in self._hours:
            for path in torn_segments(self._root, hour):
                self._report.note(path, hour, "a start found it without one whole block")


def held_hours(root: Root) -> list[int]:
    """Every hour that anything is kept of, oldest first."""
    return sorted({*root.captured_hours(), *root.committed_hours(), *root.part_hours()})


def _canonical(root: Root, table: str, hour: int, path: Path) -> bool:
    """Whether a file lies where the file of an hour belongs."""
    product = next(
        (part.removeprefix("product=") for part in path.parts if part.startswith("product=")), None
    )
    declared = TABLES[table]
    if declared.per_product == (product is None):
        return False
    return root.sealed(declared, hour, product) == path


def _unknown(root: Root) -> Iterator[Path]:
    for path in sorted(root.path.iterdir()):
        if path.name not in _KNOWN and path != root.importing:
            yield path
    yield from _unknown_parts(root)
    for path in sorted(root.commits.glob("*")):
        named = hour_named(path.stem) is not None or day_in_name(path.stem) is not None
        if path.suffix != ".json" or not named:
            yield path
    for path in sorted(root.capture.glob("*")):
        if hour_named(path.name) is None or not path.is_dir():
            yield path
    for path in sorted(root.capture.glob("*/*")):
        if not re.fullmatch(r"\d{16}\.cap(?:\.torn-.*)?", path.name):
            yield path


def _unknown_parts(root: Root) -> Iterator[Path]:
    for folder in sorted(root.live.glob("*")):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            named = _part_name(path.name) and hour_named(path.name[:10]) is not None
            if not named and path.name != SCHEMA_MARK:
                yield path
