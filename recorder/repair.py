"""Mending a data directory from its own capture, and clearing it up.

What `recorder.verify` finds is made again where the capture of its hour is kept whole, through the
lines that live recording runs: sealed files by a walk over the hour, parts by recovery. Nothing is
deleted: what was in the way lies in `quarantine/<time>/` under its old path. Doing it again is
harmless, and a repair that was cut off is finished by the next.

`prune` removes what the retention allows, and whole days on request.
"""

import filecmp
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from recorder import recovery
from recorder.apart import PackedDays
from recorder.checkpoints import Books, are_books_of, begins_with_books, read_books_at_end
from recorder.core.tables import LEVEL2
from recorder.errors import DataError, NoInputError
from recorder.finishing import on_disk
from recorder.recording import end_lost
from recorder.store.aside import QUARANTINE
from recorder.store.capture import end_of
from recorder.store.days import clear
from recorder.store.importing import take_back
from recorder.store.lock import PackLock, WriterLock, past_days
from recorder.store.orphans import refuse_shorter
from recorder.store.paths import CUTS, Root, hour_from_text, hour_text
from recorder.store.publish import empty, make_folder, publish, publish_json, sync_file, sync_folder
from recorder.store.retire import remove_days, retire
from recorder.store.seal import sealed_before, switch
from recorder.store.views import publish_views
from recorder.verify import Finding, Report, findings, verify
from recorder.verify.directory import held_hours
from recorder.verify.sealed import read_record

Progress = Callable[[int, int], None]

_UNREADABLE = {findings.CUT, findings.COMMIT}
_IN_HOURS = _UNREADABLE | {
    *(findings.PART, findings.SEALED, findings.CHECKPOINT, findings.COVERAGE, findings.REBUILT),
    findings.PACKED,
}


@dataclass(frozen=True, slots=True)
class Mended:
    """One thing that was done (or would be): of which hour, and what."""

    hour: str | None
    what: str


@dataclass(slots=True)
class RepairReport:
    """What a repair found, did, and could not do. ``whole``: nothing is left to do.

    ``set_aside`` are the files moved to ``quarantine``; ``refused`` the findings that stay, each
    with the reason in ``what_to_do``.
    """

    path: str
    dry_run: bool
    whole: bool = True
    found: list[Finding] = field(default_factory=list)
    mended: list[Mended] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    quarantine: str | None = None
    refused: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class PruneReport:
    """What was removed (or would be), a line for each."""

    path: str
    dry_run: bool
    removed: list[str] = field(default_factory=list)


# --- repair -------------------------------------------------------------------------------------


def repair(
    path: Path, *, deep: bool = False, dry_run: bool = False, progress: Progress | None = None
) -> RepairReport:
    """Mend what `verify` finds; ``deep`` makes every hour again to find more.

    Raises:
        LockedError: somebody records into it, or packs it.
        NoInputError: it is no data directory.
        StorageError: the disk refused.
    """
    root = _root(path)
    with WriterLock(root), PackLock(root), on_disk(root):
        report = RepairReport(str(path), dry_run)
        if not dry_run:
            clear(root)
        before = verify(path, deep=deep, progress=progress)
        report.found = before.findings
        if before.whole:
            _tell_readers(root, dry_run=dry_run)
            return report
        mending = _Mending(root, report)
        mending.run(before)
        if dry_run:
            report.whole = not report.refused
            return report
        after = verify(path, deep=deep, again=mending.mended, progress=progress)
        refused = {(each.path, each.problem): each for each in report.refused}
        report.refused = [refused.get((each.path, each.problem), each) for each in after.findings]
        report.whole = after.whole
        mending.write_down()
    return report


@dataclass(frozen=True, slots=True)
class _Plan:
    """How an hour is mended: parts first; ``begin`` and ``books`` are where the walk begins."""

    hour: int
    live: list[Finding]
    files: list[Finding]
    begin: int
    books: Books | None


class _Mending:
    """One repair: decides by the findings of each hour, and does it."""

    def __init__(self, root: Root, report: RepairReport) -> None:
        self._root = root
        self._report = report
        self._dry = report.dry_run
        self._quarantine = _new_folder(root.path / QUARANTINE)
        self._hurt: set[int] = set()
        self.mended: set[int] = set()

    def run(self, before: Report) -> None:
        """Mend what can be mended: what is unreadable goes first, then hours, oldest first."""
        of_hours = self._by_hour(before)
        days = PackedDays(self._root, self._set_aside, dry=self._dry)
        days.look(before.findings)
        of_hours = {hour: found for hour, found in of_hours.items() if not days.spares(hour, found)}
        self._hurt = set(of_hours)
        plans = [plan for hour in sorted(of_hours) if (plan := self._plan(hour, of_hours[hour]))]
        for found, why in days.apart(self._hurt, {plan.hour for plan in plans}):
            self._refuse(found, why)
        plans = [plan for plan in plans if plan.hour // 24 not in days.refused]
        for what in days.told:
            self._did(None, what)
        self._unreadable_away([each for plan in plans for each in (*plan.live, *plan.files)])
        self._switch_away(before)
        for plan in plans:
            self.mended.add(plan.hour)
            if plan.live:
                self._parts(plan.hour, plan.live)
            if plan.files:
                self._files(plan)
        days.away()
        if not self._dry:
            self._finish()

    def _by_hour(self, before: Report) -> dict[int, list[Finding]]:
        """What was found of hours; the rest is set aside, refused, or of days."""
        of_hours: dict[int, list[Finding]] = {}
        for each in before.findings:
            if each.kind == findings.STRAY:
                self._set_aside(Path(each.path))
            elif each.kind in _IN_HOURS and each.hour is not None:
                of_hours.setdefault(hour_from_text(each.hour), []).append(each)
            elif each.kind in {findings.EMPTY, findings.VIEWS}:
                self._set_aside(Path(each.path))
                self._did(None, f"wrote {Path(each.path).name} again")
            elif each.kind not in {findings.CURRENT, findings.DAY, findings.PACKED}:
                self._refuse([each], each.what_to_do)
        return of_hours

    def _plan(self, hour: int, found: list[Finding]) -> _Plan | None:
        """How to mend an hour; None, and refused, where it cannot be."""
        gone = {findings.GONE, findings.RECORD_GONE} & {each.what_to_do for each in found}
        if gone:
            self._refuse(found, min(gone))
            return None
        live = [each for each in found if self._is_live(each)]
        try:
            if read_record(self._root, hour).commit is None:
                refuse_shorter(self._root, hour, end_of(self._root.segments(hour)).offset)
            begin, books = self._begin(hour, found)
        except DataError as error:
            self._refuse(found, str(error))
            return None
        return _Plan(hour, live, [each for each in found if each not in live], begin, books)

    def _is_live(self, finding: Finding) -> bool:
        return Path(finding.path).is_relative_to(self._root.live)

    def _begin(self, hour: int, found: Sequence[Finding]) -> tuple[int, Books | None]:
        """Where a walk can begin whose books are right, and the books if no checkpoint has them.

        Raises DataError where there is no such hour.
        """
        doubted = {findings.CHECKPOINT, findings.COMMIT, findings.REBUILT}
        own = not any(each.kind in doubted or LEVEL2.name in each.path for each in found)
        begin = hour
        while not own and begins_with_books(self._root, begin):
            before = begin - 1
            sealed = read_record(self._root, before).commit
            if before not in self._hurt and sealed is not None:
                books = read_books_at_end(self._root, before)
                if are_books_of(self._root, begin, books):
                    return begin, books
            if not self._root.segments(before):
                raise DataError(
                    f"The books at the begin of {hour_text(begin)} are nowhere: neither the hour "
                    "before it nor its own checkpoint is whole. Take its files from a copy."
                )
            begin, own = before, before not in self._hurt
        return begin, None

    def _refuse(self, found: Sequence[Finding], why: str) -> None:
        self._report.refused += [
            Finding(each.kind, each.path, each.hour, each.problem, why) for each in found
        ]

    def _did(self, hour: int | None, what: str) -> None:
        self._report.mended.append(Mended(None if hour is None else hour_text(hour), what))

    # --- setting aside --------------------------------------------------------------------------

    def _set_aside(self, path: Path, *, copy: bool = False) -> None:
        """Move a file to quarantine, durably, or a copy of it; one that is not there is none."""
        relative = str(path.relative_to(self._root.path))
        if not path.exists() or (self._dry and relative in self._report.set_aside):
            return
        self._report.set_aside.append(relative)
        if self._dry:
            return
        final = self._quarantine / relative
        make_folder(final.parent)
        if copy:
            shutil.copyfile(path, final)
            sync_file(final)
        else:
            path.rename(final)
            sync_folder(path.parent)
        sync_folder(final.parent)
        self._report.quarantine = str(self._quarantine)

    def _unreadable_away(self, found: Sequence[Finding]) -> None:
        for each in found:
            if each.kind in _UNREADABLE:
                self._set_aside(Path(each.path))

    def _switch_away(self, before: Report) -> None:
        wrong = before.about({findings.CURRENT})
        if any(each.hour is None for each in wrong):
            self._set_aside(self._root.current)
        if wrong:
            self._did(None, "wrote the readers' switch again")

    # --- an hour --------------------------------------------------------------------------------

    def _parts(self, hour: int, found: Sequence[Finding]) -> None:
        """Set parts aside, with the records that say they are there; recovery makes them again."""
        paths = sorted({Path(each.path) for each in found})
        hurt = [(int(path.stem[11:23]), int(path.stem[24:36])) for path in paths]
        cuts = [
            cut.path
            for cut in self._root.parts(CUTS, hour)
            if any(first < cut.end and cut.first < end for first, end in hurt)
        ]
        for path in (*paths, *cuts):
            self._set_aside(path)
        self._did(hour, "made parts again from the capture")
        if self._dry or recovery.is_sealed(self._root, hour):
            return
        self._end_lost()
        recovery.publish_missing(self._root.path)

    def _end_lost(self) -> None:
        """As every start does: an import is taken back, a recording that died is given its end."""
        take_back(self._root)
        end_lost(self._root)

    def _files(self, plan: _Plan) -> None:
        """Make the sealed files of an hour again, put them in their places, and their record."""
        hour, root = plan.hour, self._root
        self._did(hour, "made sealed files again from the capture")
        if self._dry:
            return
        self._end_lost()
        empty(root.staging)
        aside = Root(root.staging / f"repair-{hour_text(hour)}")
        made = recovery.rebuild_hour(root, aside, hour, plan.begin, plan.books)
        for file in made.files:
            final, again = root.path / file.path, aside.path / file.path
            if not final.exists() or not filecmp.cmp(final, again, shallow=False):
                self._set_aside(final)
                publish(again, final, mode=again.stat().st_mode & 0o777)
        before, named = read_record(root, hour).commit, {file.path for file in made.files}
        for file in before.files if before is not None else ():
            if file.path not in named:
                self._set_aside(root.path / file.path)
        self._set_aside(root.commit(hour), copy=True)
        publish(aside.commit(hour), root.commit(hour), mode=0o644)
        empty(root.staging)
        self._hurt.discard(hour)

    def _finish(self) -> None:
        """Let readers take what is sealed, and the parts of what is not."""
        wanted = _switch_for(self._root)
        if wanted is not None and wanted != sealed_before(self._root):
            switch(self._root, wanted)
        publish_views(self._root)

    def write_down(self) -> None:
        """Leave a record of the repair beside what it set aside."""
        if self._report.quarantine is not None:
            content = asdict(self._report)
            publish_json(self._root.staging, self._quarantine / "report.json", content)


def _new_folder(quarantine: Path) -> Path:
    """A folder for one repair, that is not there yet."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (moment if number == 1 else f"{moment}-{number}" for number in count(1))
    return next(quarantine / name for name in names if not (quarantine / name).exists())


def _switch_for(root: Root) -> int | None:
    """The hour that the readers' switch belongs to: sealed hours before it, parts from it on.

    None where nothing is sealed.
    """
    sealed = root.committed_hours()
    for hour in held_hours(root):
        with suppress(DataError):  # a record that stays damaged is told already
            if sealed and root.parts(CUTS, hour) and not recovery.is_sealed(root, hour):
                return hour
    return sealed[-1] + 1 if sealed else None


# --- prune --------------------------------------------------------------------------------------


def prune(
    path: Path,
    *,
    keep_capture_s: int | None = None,
    older_than_s: int | None = None,
    dry_run: bool = False,
) -> PruneReport:
    """Remove what sealed hours no longer need, as `recorder run` does, and whole days if asked.

    ``keep_capture_s``: capture that was sealed longer ago goes; None keeps it. ``older_than_s``:
    days that ended longer ago go with their sealed files; None keeps them. While somebody records
    only that can be asked for, and of these days what is left after the recorder's own clearing up.

    Raises:
        LockedError: somebody records into it, and more was asked for; or packs it.
        NoInputError: it is no data directory.
        StorageError: the disk refused.
    """
    root = _root(path)
    beside = older_than_s is not None and keep_capture_s is None
    with past_days(root, beside=beside) as recorded, on_disk(root):
        report = PruneReport(str(path), dry_run)
        if not dry_run:
            report.removed += clear(root)
        now_s = time.time()
        if not recorded:
            report.removed += retire(root, now_s, keep_capture_s, dry_run=dry_run)
        if older_than_s is not None:
            days = remove_days(root, now_s - older_than_s, beside=recorded, dry_run=dry_run)
            report.removed += [line for line in days if line not in report.removed]
        _tell_readers(root, root.packing if recorded else None, dry_run=dry_run)
        return report


def _tell_readers(root: Root, staging: Path | None = None, *, dry_run: bool) -> None:
    """Write `recorder.sql` anew: one that was cut off may not have come to that."""
    if not dry_run and root.committed_hours():
        publish_views(root, staging)


def _root(path: Path) -> Root:
    if not path.is_dir():
        raise NoInputError(f"{path}: no such directory. Name one that was recorded into.")
    return Root(path)
