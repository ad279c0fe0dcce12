"""Mending a data directory from its own capture, and clearing it up.

What `recorder.verify` finds is made again where the capture of its hour is kept whole, through the
lines that live recording runs: sealed files by a walk over the hour, parts by recovery. Nothing is
deleted: what was in the way lies in `quarantine/<time>/` under its old path. Doing it again is
harmless, and a repair that was cut off is finished by the next.

`prune` removes what the retention allows, and whole days on request.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from recorder import recovery
from recorder.checkpoints import Books, begins_with_books, read_books_at_end
from recorder.core.tables import LEVEL2, TABLES
from recorder.errors import DataError, NoInputError, StorageError
from recorder.recording import end_lost
from recorder.store.importing import take_back
from recorder.store.lock import WriterLock
from recorder.store.paths import CUTS, Root, hour_from_text, hour_text
from recorder.store.publish import empty, make_folder, publish, publish_json, sync_folder
from recorder.store.retire import remove_days, retire
from recorder.store.seal import read_commit, seal_hour, sealed_before, switch
from recorder.verify import Finding, Report, findings, verify
from recorder.verify.directory import QUARANTINE, held_hours

Progress = Callable[[int, int], None]

_LIVE = {findings.PART, findings.CUT}
_FILES = {findings.SEALED, findings.COMMIT, findings.CHECKPOINT, findings.COVERAGE}
_MENDABLE = _LIVE | _FILES | {findings.REBUILT, findings.STRAY, findings.CURRENT}


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
        LockedError: somebody records into it.
        NoInputError: it is no data directory.
        StorageError: the disk refused.
    """
    root = _root(path)
    with WriterLock(root), _disk(root):
        report = RepairReport(str(path), dry_run)
        before = verify(path, deep=deep, progress=progress)
        report.found = before.findings
        if before.whole:
            return report
        mending = _Mending(root, report)
        mending.run(before)
        if dry_run:
            report.whole = not report.refused
            return report
        after = verify(path, deep=deep or mending.rebuilt, progress=progress)
        refused = {(each.path, each.problem): each for each in report.refused}
        report.refused = [refused.get((each.path, each.problem), each) for each in after.findings]
        report.whole = after.whole
        mending.write_down()
    return report


class _Mending:
    """One repair: decides by the findings of each hour, and does it."""

    def __init__(self, root: Root, report: RepairReport) -> None:
        self._root = root
        self._report = report
        self._dry = report.dry_run
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._quarantine = root.path / QUARANTINE / moment
        self._hurt: set[int] = set()
        self.rebuilt = False

    def run(self, before: Report) -> None:
        """Mend what can be mended: records first, then hours, oldest first, then the switch."""
        of_hours: dict[int, list[Finding]] = {}
        for each in before.findings:
            if each.kind not in _MENDABLE:
                self._refuse(each, each.what_to_do)
            elif each.kind == findings.STRAY:
                self._set_aside(Path(each.path), each.hour)
            elif each.hour is not None and each.kind != findings.CURRENT:
                of_hours.setdefault(hour_from_text(each.hour), []).append(each)
        self._hurt = set(of_hours)
        if any(each.what_to_do == findings.SWITCH for each in before.findings):
            self._unreadable_switch(before)
        for hour, found in sorted(of_hours.items()):
            self._hour(hour, found)
        if not self._dry:
            empty(self._root.staging)
            self._finish()

    def _refuse(self, finding: Finding, why: str) -> None:
        self._report.refused.append(
            Finding(finding.kind, finding.path, finding.hour, finding.problem, why)
        )

    def _did(self, hour: int | None, what: str) -> None:
        self._report.mended.append(Mended(None if hour is None else hour_text(hour), what))

    def _set_aside(self, path: Path, hour: str | None = None) -> None:
        """Move a file to quarantine, durably; one that is not there is none."""
        if not path.exists():
            return
        relative = path.relative_to(self._root.path)
        self._report.set_aside.append(str(relative))
        if hour is not None:
            self._did(hour_from_text(hour), f"set aside {relative}")
        if self._dry:
            return
        final = self._quarantine / relative
        make_folder(final.parent)
        path.rename(final)
        sync_folder(final.parent)
        sync_folder(path.parent)
        self._report.quarantine = str(self._quarantine)

    # --- an hour ------------------------------------------------------------------------------

    def _hour(self, hour: int, found: Sequence[Finding]) -> None:
        live = [each for each in found if self._is_live(each)]
        files = [each for each in found if each not in live]
        if any(each.what_to_do == findings.GONE for each in found):
            for each in found:
                self._refuse(each, findings.GONE)
            return
        if live:
            self._parts(hour, live)
        if files:
            self._files(hour, files)
        else:
            self._hurt.discard(hour)

    def _is_live(self, finding: Finding) -> bool:
        return finding.kind in _LIVE or Path(finding.path).is_relative_to(self._root.live)

    def _parts(self, hour: int, found: Sequence[Finding]) -> None:
        """Set parts aside, with the records that say they are there; recovery makes them again."""
        paths = {Path(each.path) for each in found}
        hurt = [
            (part.first, part.end)
            for table in (*TABLES, CUTS)
            for part in self._root.parts(table, hour)
            if part.path in paths
        ]
        hurt += [(int(path.stem[11:23]), int(path.stem[24:36])) for path in paths]
        for path in sorted(paths):
            self._set_aside(path)
        for cut in self._root.parts(CUTS, hour):
            if any(first < cut.end and cut.first < end for first, end in hurt):
                self._set_aside(cut.path)
        self._did(hour, "made parts again from the capture")
        if self._dry:
            return
        commit = _commit_of(self._root, hour)
        if commit is None or not recovery.is_sealed(self._root, hour):
            self._end_lost()
            recovery.publish_missing(self._root.path)

    def _end_lost(self) -> None:
        """As every start does: an import is taken back, a recording that died is given its end."""
        take_back(self._root)
        end_lost(self._root)

    def _files(self, hour: int, found: Sequence[Finding]) -> None:
        """Make the sealed files of an hour again, put them in their places, and their record."""
        try:
            begin, books = self._begin(hour, found)
        except DataError as error:
            for each in found:
                self._refuse(each, str(error))
            return
        self._did(hour, "made its sealed files again from the capture")
        if self._dry:
            self._hurt.discard(hour)
            return
        old = self._root.commit(hour)
        if _commit_of(self._root, hour) is None:
            self._set_aside(old)
        self._end_lost()
        empty(self._root.staging)
        aside = Root(self._root.staging / f"repair-{hour_text(hour)}")
        made = recovery.rebuild_hour(self._root, aside, hour, begin, books)
        for file in made.files:
            final = self._root.path / file.path
            if not _same(final, aside.path / file.path):
                self._set_aside(final)
                publish(aside.path / file.path, final)
        named = {file.path for file in made.files}
        before = _commit_of(self._root, hour)
        for file in before.files if before is not None else ():
            if file.path not in named:
                self._set_aside(self._root.path / file.path)
        if old.exists():
            self._keep_copy(old)
        publish(aside.commit(hour), old, mode=0o644)
        self.rebuilt = True
        self._hurt.discard(hour)

    def _keep_copy(self, record: Path) -> None:
        """The record that is replaced, beside what else was set aside."""
        relative = record.relative_to(self._root.path)
        final = self._quarantine / relative
        make_folder(final.parent)
        final.write_bytes(record.read_bytes())
        self._report.set_aside.append(str(relative))
        self._report.quarantine = str(self._quarantine)

    def _begin(self, hour: int, found: Sequence[Finding]) -> tuple[int, Books | None]:
        """Where a walk can begin whose books are right, and the books if no checkpoint has them.

        Raises DataError where there is none.
        """
        own = any(each.kind == findings.CHECKPOINT or LEVEL2.name in each.path for each in found)
        own = own or any(each.kind in {findings.COMMIT, findings.REBUILT} for each in found)
        begin = hour
        while begins_with_books(self._root, begin):
            before = begin - 1
            if before not in self._hurt and _commit_of(self._root, before) is not None:
                return begin, read_books_at_end(self._root, before)
            if self._root.segments(before):
                begin = before
                own = begin in self._hurt
                if not own:
                    return begin, None
                continue
            if own:
                raise DataError(
                    f"The books at the begin of {hour_text(begin)} are nowhere: neither the hour "
                    "before it nor its own checkpoint is whole. Take its files from a copy."
                )
            break
        return begin, None

    # --- the switch ---------------------------------------------------------------------------

    def _unreadable_switch(self, before: Report) -> None:
        if any(each.kind == findings.CURRENT and each.hour is None for each in before.findings):
            self._set_aside(self._root.current)
        self._did(None, "wrote the readers' switch again")

    def _finish(self) -> None:
        """Seal what is over and was not, and let readers take what is sealed."""
        wanted = switch_for(self._root)
        if wanted is not None and wanted != sealed_before(self._root):
            switch(self._root, wanted)

    def write_down(self) -> None:
        """Leave a record of the repair beside what it set aside."""
        if self._report.quarantine is not None:
            content = asdict(self._report)
            publish_json(self._root.staging, self._quarantine / "report.json", content)


def switch_for(root: Root) -> int | None:
    """The hour that the readers' switch belongs to: the first one whose rows are in parts only.

    None where nothing is sealed.
    """
    sealed = root.committed_hours()
    if not sealed:
        return None
    for hour in held_hours(root):
        if not recovery.is_sealed(root, hour) and root.parts(CUTS, hour):
            return hour
    return sealed[-1] + 1


def _commit_of(root: Root, hour: int) -> object:
    ...
