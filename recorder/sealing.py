"""Sealing what is sound: damaged parts are set aside and their rows made again before.

Where the capture of an hour is whole the walk of recovery makes the rows again, and nothing is
lost. Where it is not, `lost_rows` writes down what is. Either way somebody is told: each function
gives notes, (kind of fault, detail), for whoever records to write down.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from recorder import recovery
from recorder.checkpoints import (
    are_books_of,
    begins_with_books,
    checkpoint_files,
    read_books_at_end,
)
from recorder.core.frames import FIRST_OFFSET
from recorder.core.tables import TABLES
from recorder.errors import DataError, RecorderError
from recorder.lost_rows import write_off
from recorder.recording import write_down
from recorder.recovery import Recovered, Until
from recorder.store.aside import set_aside
from recorder.store.capture import covers, end_of
from recorder.store.commits import Commit, read_commit
from recorder.store.parts import part_key
from recorder.store.paths import CUTS, Root, hour_text
from recorder.store.seal import seal_hour, sealed_before, switch
from recorder.store.sound import Unsound, unsound_files, unsound_parts

NOTES_MAX = 20  # of one hour; more of them say nothing new

Note = tuple[str, str]


def recover(path: Path, until: Until) -> Recovered:
    """Finish every hour before ``until``: publish the rows that no part holds, seal what is over.

    Runs in a process of its own beside a recording; the caller holds the lock. An hour that cannot
    be finished does not hold up the others: it is told in ``failed``.
    """
    root, notes, failed = Root(path), list[Note](), dict[int, str]()
    hours = [hour for hour in _open_hours(root, failed) if hour <= until.hour]
    for hour in hours:
        try:
            notes += mend(root, hour, until)
        except (RecorderError, OSError) as error:
            failed[hour] = str(error)
    done = recovery.publish_missing(path, until, failed)
    for hour in hours:
        if hour < until.hour and hour not in failed:
            try:
                seal_hour(root, hour)
                done.sealed.append(hour_text(hour))
            except (RecorderError, OSError) as error:
                failed[hour] = str(error)
    done.notes, done.failed = notes, failed
    return done


def _open_hours(root: Root, failed: dict[int, str]) -> list[int]:
    """The hours of which there is more than is sealed."""
    found = []
    for hour in sorted({*root.captured_hours(), *root.part_hours()}):
        try:
            if not recovery.is_sealed(root, hour):
                found.append(hour)
        except DataError as error:
            failed[hour] = str(error)
    return found


def seal_sound(root: Root, hour: int) -> tuple[Commit, list[Note]]:
    """Seal an hour that is over, after what is damaged of its parts was made again."""
    notes = mend(root, hour)
    recovery.publish_hours(root, [hour])
    return seal_hour(root, hour), notes


def mend_all(root: Root, aside: Sequence[str] = ()) -> None:
    """Mend every hour that is not sealed, where nobody records; write it down in the newest one.

    ``aside`` are records that were set aside already, which is written down as well.
    """
    failed = dict[int, str]()
    notes = [record_note(path) for path in aside]
    for hour in _open_hours(root, failed):
        notes += mend(root, hour)
    if notes:
        hour = write_down(root, notes)
        switched = sealed_before(root)
        if switched is not None and switched > hour:
            switch(root, hour)  # it goes on, until it is sealed again


def record_note(path: str) -> Note:
    """What is written down of a record that was set aside."""
    return "record_set_aside", f"{path} could not be read; it is made again"


# --- an hour ------------------------------------------------------------------------------------


def mend(root: Root, hour: int, until: Until | None = None) -> list[Note]:
    """Set damaged parts of an hour aside, and make their rows again, or write them off.

    ``until``: where somebody records from. Raises DataError where a sealed file whose rows are to
    be sealed again is damaged, and the capture does not have them.
    """
    commit = read_commit(root, hour)
    done = commit.capture_end if commit is not None else 0
    files = unsound_files(root, commit) if commit is not None else []
    if files:
        assert commit is not None
        if not _can_replay(root, hour, done, {path for path, _ in files}):
            raise DataError(
                f"{files[0][0]}: {files[0][1]}. The capture does not have its rows, and recording "
                "went on in its hour, which cannot be sealed again. Take the file from a copy."
            )
        kept = [path for path, _ in files if path.exists()]
        set_aside(root, [root.commit(hour), *kept])
        done = 0
    before = until.offset if until is not None and hour == until.hour else None
    found, holes = unsound_parts(root, hour, done, before), _holes(root, hour, done, before)
    ends = [each.end for each in [*found, *holes]]
    hurt = {each.path for each in found if each.path is not None}
    again = not ends or _can_replay(root, hour, max(ends), hurt)
    found += holes if not again else []
    if found and again:
        cuts = {
            cut.path
            for cut in root.parts(CUTS, hour)
            if any(each.first < cut.end and cut.first < each.end for each in found)
        }
        set_aside(root, sorted(hurt | cuts))
    elif found:
        set_aside(root, sorted(hurt))
        write_off(root, hour, found, done)
    if (found or files) and again:
        recovery.publish_hours(root, [hour], until)
    lost = "its rows were made again" if again else "what is lost is in `faults`"
    told = [f"{path.relative_to(root.path)} {problem}" for path, problem in files]
    told += [_told(root, hour, each) for each in found]
    shown = [f"{each}; {lost}" for each in told[:NOTES_MAX]]
    if len(told) > NOTES_MAX:
        shown.append(f"and {len(told) - NOTES_MAX} more of {hour_text(hour)}")
    return [_note("part_set_aside", each) for each in shown]


def _note(kind: str, detail: str) -> Note:
    return kind, detail


def _told(root: Root, hour: int, each: Unsound) -> str:
    name = each.path or root.part(each.table, hour, each.first, each.end)
    return f"{part_key(name)} {each.problem}"


def _holes(root: Root, hour: int, done: int, before: int | None) -> list[Unsound]:
    """The offsets between an hour's cuts, and of parts behind them, that no record vouches for."""
    holes, reached = [], max(done, FIRST_OFFSET)

    def hole(end: int) -> None:
        holes.append(Unsound(CUTS, reached, end, None, "the record of the cut is gone"))

    for cut in root.parts(CUTS, hour):
        if before is None or cut.end <= before:
            if cut.first > reached:
                hole(cut.first)
            reached = max(reached, cut.end)
    parts = [part.end for name in TABLES for part in root.parts(name, hour)]
    end = max((each for each in parts if before is None or each <= before), default=0)
    if end > reached:
        hole(end)
    return holes


def _can_replay(root: Root, hour: int, end: int, hurt: Collection[Path]) -> bool:
    """Whether the capture gives all rows of an hour up to an offset, books included.

    ``hurt`` are files that are not to be read.
    """
    if not covers(root.segments(hour), end):
        return False
    if not begins_with_books(root, hour):
        return True
    files = checkpoint_files(root, hour)
    if files and not any(file in hurt for file in files):
        return True
    before = root.segments(hour - 1)
    if before and _can_replay(root, hour - 1, end_of(before).offset, ()):
        return True
    try:
        return are_books_of(root, hour, read_books_at_end(root, hour - 1))
    except (DataError, OSError):
        return False
