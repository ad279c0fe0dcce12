"""One hour: its commit record, sealed files, parts and capture, each and against each other."""

from dataclasses import dataclass, field

from recorder.core.tables import COVERAGE, TABLES
from recorder.errors import DataError
from recorder.store.paths import CUTS, File, Root
from recorder.store.seal import Commit
from recorder.verify.again import Kept
from recorder.verify.coverage import tells_of_damage
from recorder.verify.findings import COMMIT, PART, SEALED, Report
from recorder.verify.parts import Live, check_cuts, check_parts, list_live
from recorder.verify.raw import Raw, check_raw, read_raw, remedy
from recorder.verify.reading import Numbers
from recorder.verify.sealed import Sealed, check_files, check_unique, read_record

_ATTEMPTS = 4


@dataclass(slots=True)
class Hour:
    """What is known of an hour when it was checked.

    ``coverage`` are the files that tell its intervals, without a hole up to the offset ``told_to``;
    not ``complete``: there is more behind it, and recovery has to fill the hole. ``kept`` says that
    its capture is whole for what is published of it, ``capture`` that no line of it is missing.
    ``packed``: its rows are in the files of its day.
    """

    number: int
    commit: Commit | None
    reopened: bool
    packed: bool = False
    coverage: list[File] = field(default_factory=list)
    told_to: int = 0
    complete: bool = True
    capture: bool = False
    kept: Kept | None = None


def check_hour(root: Root, hour: int, switched: int) -> tuple[Hour, Report]:
    """Check one hour, again where somebody changed it meanwhile and something was found."""
    for attempt in range(_ATTEMPTS):
        before = _stamp(root, hour)
        report = Report(str(root.path), hours=1)
        try:
            known = _check(root, hour, switched, report)
        except FileNotFoundError:
            if attempt < _ATTEMPTS - 1:
                continue  # a switch or the retention took files away
            raise
        if report.whole or _stamp(root, hour) == before:
            break
    return known, report


def _stamp(root: Root, hour: int) -> object:
    """What changes when files of an hour come and go."""
    try:
        commit = root.commit(hour).stat().st_mtime_ns, root.day_record(hour // 24).exists()
    except FileNotFoundError:
        commit = None
    names = [part.path.name for table in (*TABLES, CUTS) for part in root.parts(table, hour)]
    return commit, names, root.segments(hour)


def _check(root: Root, hour: int, switched: int, report: Report) -> Hour:
    # In this order: what is published later is looked at first, so that what it rests on is there.
    sealed = read_record(root, hour)
    commit, done = sealed.commit, sealed.commit.capture_end if sealed.commit is not None else 0
    live = list_live(root, hour)
    raw = read_raw(root, hour, done, report)
    what_to_do = remedy(raw, max(done, live.published))
    known = Hour(hour, commit, commit is not None and max(raw.end, live.published) > done)
    known.packed = sealed.day is not None
    if sealed.problem is not None:
        report.find(COMMIT, root.commit(hour), hour, sealed.problem, what_to_do)
    if commit is not None:
        check_files(root, sealed, report, what_to_do, replaced=known.reopened)
    check_parts(hour, live, report, what_to_do)
    known.coverage = _coverage_files(sealed, live, done)
    known.told_to = live.told_to(done)
    known.complete = known.told_to >= live.published
    ledgered = any(_tells(path) for path in known.coverage)
    first = done if hour < switched else 0
    check_cuts(root, hour, live, first, report, what_to_do, counted=not ledgered)
    _check_unique(sealed, live, done, report, hour, what_to_do)
    check_raw(root, hour, raw, commit, live.published, ledgered, report)
    known.kept = _kept(known, raw, live, sealed)
    known.capture = raw.whole(raw.end)
    return known


def _coverage_files(sealed: Sealed, live: Live, done: int) -> list[File]:
    files = [path for path in sealed.numbers if path.name.startswith(f"{COVERAGE.name}-")]
    parts = [part for part in live.parts[COVERAGE.name] if part.first >= done]
    return files + [part.path for part in parts if part.path in live.numbers]


def _tells(path: File) -> bool:
    try:
        return tells_of_damage(path)
    except DataError:
        return False


def _check_unique(
    sealed: Sealed, live: Live, done: int, report: Report, hour: int, what_to_do: str
) -> None:
    """Numbers are unique over all tables: of the files, and of what readers take before them."""
    parts: dict[File, Numbers] = {
        part.path: live.numbers[part.path]
        for name, each in live.parts.items()
        for part in each
        if TABLES[name].order == "ingest_seq" and part.path in live.numbers
    }
    check_unique(parts, report, hour, PART, what_to_do)
    files = {
        path: numbers
        for path, numbers in sealed.numbers.items()
        if TABLES[path.name.partition("-")[0]].order == "ingest_seq"
    }
    beyond = {part.path for each in live.parts.values() for part in each if part.first >= done}
    if files:
        files |= {path: numbers for path, numbers in parts.items() if path in beyond}
        check_unique(files, report, hour, SEALED, what_to_do)


def _kept(known: Hour, raw: Raw, live: Live, sealed: Sealed) -> Kept | None:
    """What the hour can be compared with when it is made again; None where it cannot."""
    done = known.commit.capture_end if known.commit is not None else 0
    complete = max((cut.end for cut in live.cuts), default=0)
    end = max(done, complete)
    if sealed.problem is not None or end == 0 or not raw.whole(end):
        return None
    return Kept(known.number, known.commit, end, known.commit is not None and not known.reopened)
