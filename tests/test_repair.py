"""What verify finds is made again where the capture is kept; the rest is refused and stays."""

import hashlib
import json
import os
import shutil

import pytest

from recorder import finishing, sealing
from recorder.core.frames import FIRST_OFFSET
from recorder.errors import DataError, LockedError, NoInputError
from recorder.recovery import Until
from recorder.repair import prune, repair
from recorder.store import retire as retiring
from recorder.store.aside import set_aside_unreadable
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
from recorder.store.publish import publish
from recorder.store.seal import sealed_before
from recorder.store.views import publish_views
from recorder.verify import findings, verify
from tests.damages import (
    LOST,
    MENDABLE,
    OPEN,
    SEALED,
    cut_off,
    flip,
    part,
    record_days,
    record_hours,
    sealed,
)
from tests.frames_made import HOUR
from tests.roots import commits, live_rows, sealed_bytes, sealed_rows


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    """What a power cut takes is proven elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "data"
    record_hours(path)
    return path


@pytest.fixture
def root(recorded, tmp_path):
    path = tmp_path / "data"
    shutil.copytree(recorded, path)
    publish_views(Root(path))  # it says where it lies
    return Root(path)


def contents(root: Root) -> dict[str, str]:
    """The digest of every file but the locks."""
    locks = {root.lock, root.pack_lock}
    files = (path for path in root.path.rglob("*") if path.is_file() and path not in locks)
    return {str(path.relative_to(root.path)): digest(path.read_bytes()) for path in files}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("damage", MENDABLE, ids=lambda damage: damage.name)
def test_a_damage_is_mended(root, recorded, damage):
    """Afterwards all is as before, to the byte; what was in the way is in quarantine."""
    path = damage.plant(root)
    spoiled = digest(path.read_bytes()) if path.exists() else None
    untouched = contents(root)
    dry = repair(root.path, deep=damage.deep, dry_run=True)
    assert dry.whole
    assert contents(root) == untouched
    report = repair(root.path, deep=damage.deep)
    assert report.whole, report.refused
    assert report.refused == []
    assert report.found
    assert verify(root.path, deep=True).whole
    assert sealed_bytes(root.path) == sealed_bytes(recorded)
    assert commits(root.path) == commits(recorded)
    assert live_rows(root.path) == live_rows(recorded)
    assert sealed_before(root) == sealed_before(Root(recorded))
    if spoiled is not None and damage.kind not in {findings.COVERAGE, findings.CURRENT}:
        kept = {content for name, content in contents(root).items() if name.startswith("quaran")}
        assert spoiled in kept
    after = contents(root)
    assert repair(root.path, deep=damage.deep).found == []
    assert contents(root) == after


@pytest.mark.parametrize("damage", LOST, ids=lambda damage: damage.name)
def test_capture_cannot_be_made_again(root, damage):
    """It is refused with what to do, and nothing is touched."""
    damage.plant(root)
    before = contents(root)
    report = repair(root.path)
    assert not report.whole
    assert {each.kind for each in report.refused} == {findings.CAPTURE}
    assert contents(root) == before


@pytest.mark.parametrize("by", ["repair", "seal", "start"])
def test_whole_files_are_not_replaced_by_shorter_ones(root, by):
    """Their record is damaged, the capture lost its end, the parts have gone: only they have it."""
    capture = root.segments(SEALED)[-1].path
    capture.write_bytes(capture.read_bytes()[: capture.stat().st_size // 2])
    record = root.commit(SEALED)
    record.chmod(0o644)
    record.write_bytes(record.read_bytes() + b"garbage")
    before = sealed_bytes(root.path)
    if by == "repair":
        for _ in range(2):
            report = repair(root.path)
            assert not report.whole
            assert any("holds rows beyond" in each.what_to_do for each in report.refused)
    elif by == "seal":
        with pytest.raises(DataError, match="holds rows beyond"):
            finishing.seal(root.path, include_current=False)
    else:
        set_aside_unreadable(root)
        done = sealing.recover(root.path, Until(OPEN, FIRST_OFFSET))
        assert "holds rows beyond" in done.failed[SEALED]
    assert sealed_bytes(root.path) == before


def test_what_has_no_capture_is_refused(root):
    """The damaged file stays where it is; the rest of the directory is mended all the same."""
    shutil.rmtree(root.segments(HOUR)[0].path.parent)
    lost, mended = flip(sealed(root, "trades", HOUR)), sealed(root, "ticker", SEALED)
    mended.unlink()
    report = repair(root.path)
    assert not report.whole
    assert [each.path for each in report.refused] == [str(lost)]
    assert "not kept" in report.refused[0].what_to_do
    assert mended.exists()
    assert lost.exists()


def test_an_hour_whose_books_are_only_in_the_hour_before(root, recorded):
    """The capture before is gone: its sealed rows say what the books were."""
    shutil.rmtree(root.segments(HOUR)[0].path.parent)
    flip(sealed(root, "level2", SEALED))
    assert repair(root.path).whole
    assert sealed_bytes(root.path) == sealed_bytes(recorded)


def test_an_hour_whose_books_are_nowhere(root):
    """Neither its checkpoint nor the hour before: refused, not made up."""
    shutil.rmtree(root.segments(HOUR)[0].path.parent)
    flip(sealed(root, "level2", SEALED))
    flip(sealed(root, "level2", HOUR))
    before = contents(root)
    report = repair(root.path)
    assert not report.whole
    assert len(report.refused) == 2
    assert any("nowhere" in each.what_to_do for each in report.refused)
    assert contents(root) == before


def test_all_at_once(root, recorded):
    """Every hour of files and parts is hurt, and the switch."""
    for table in ("level2", "coverage", "trades"):
        flip(sealed(root, table, HOUR))
        flip(sealed(root, table, SEALED))
        flip(root.parts(table, OPEN)[0].path)
    root.commit(SEALED).write_text("")
    root.current.write_text("")
    report = repair(root.path)
    assert report.whole, report.refused
    assert sealed_bytes(root.path) == sealed_bytes(recorded)
    assert live_rows(root.path) == live_rows(recorded)
    told = json.loads((root.path / "quarantine").glob("*/report.json").__next__().read_text())
    assert len(told["set_aside"]) >= 9


def test_a_repair_that_dies_is_finished_by_the_next(root, recorded, monkeypatch):
    """Cut off at each of its publishings."""
    for number in range(3):
        flip(sealed(root, "level2", SEALED))
        flip(sealed(root, "trades", SEALED))
        flip(root.parts("level2", OPEN)[0].path)
        left = [number]

        def dying(*arguments, left=left, **options):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return publish(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr("recorder.repair.publish", dying)
            with pytest.raises(KeyboardInterrupt):
                repair(root.path)
        assert repair(root.path).whole
        assert sealed_bytes(root.path) == sealed_bytes(recorded)
        assert live_rows(root.path) == live_rows(recorded)


def test_only_one_writes(root):
    """Nobody may record meanwhile; readers and verify need no lock."""
    with WriterLock(root):
        for work in (repair, prune):
            with pytest.raises(LockedError):
                work(root.path)
        assert verify(root.path).whole


def test_no_directory(tmp_path):
    for work in (repair, prune):
        with pytest.raises(NoInputError):
            work(tmp_path / "none")


# --- prune ----------------------------------------------------------------------------------------


def test_prune_removes_what_retention_allows(root, monkeypatch):
    """Parts always, capture when asked, in time; a dry run says the same and does nothing."""
    monkeypatch.setattr("recorder.repair.time.time", lambda: 4e9)
    before = contents(root)
    said = prune(root.path, keep_capture_s=48 * 3600, dry_run=True)
    assert contents(root) == before
    assert prune(root.path).removed == []
    rows = sealed_rows(root.path)
    assert prune(root.path, keep_capture_s=48 * 3600).removed == said.removed
    assert len(said.removed) == 2
    assert root.captured_hours() == [OPEN]
    assert sealed_rows(root.path) == rows
    assert verify(root.path, deep=True).whole


def test_prune_removes_whole_days_on_request(tmp_path, monkeypatch):
    """The oldest first, never the newest sealed hour's; what stays is whole."""
    root = record_days(tmp_path / "data")
    finishing.seal(root.path, include_current=True)
    hours = root.committed_hours()
    assert len({hour // 24 for hour in hours}) == 3
    monkeypatch.setattr("recorder.repair.time.time", lambda: 4e9)
    said = prune(root.path, older_than_s=30 * 86_400, dry_run=True).removed
    assert root.committed_hours() == hours
    assert prune(root.path, older_than_s=30 * 86_400).removed == said
    left = root.committed_hours()
    assert {hour // 24 for hour in left} == {hours[-1] // 24}
    assert verify(root.path, deep=True).whole
    days = {path.parent.name for path in root.path.glob("level2/*/*/*")}
    assert len(days) == 1
    assert prune(root.path, older_than_s=30 * 86_400).removed == []


def test_whole_days_go_beside_a_recorder(tmp_path, monkeypatch):
    """Days that it has cleared up behind itself; all else is the recorder's own, or refused."""
    root = record_days(tmp_path / "data")
    finishing.seal(root.path, include_current=True)
    hours = root.committed_hours()
    days = sorted({hour // 24 for hour in hours})
    monkeypatch.setattr("recorder.repair.time.time", lambda: 4e9)
    with WriterLock(root):
        assert prune(root.path, older_than_s=30 * 86_400).removed == []  # there is capture still
        assert root.committed_hours() == hours
        with pytest.raises(LockedError):
            prune(root.path, older_than_s=30 * 86_400, keep_capture_s=0)
    prune(root.path, keep_capture_s=0)
    with WriterLock(root):
        root.staging.mkdir(exist_ok=True)
        (root.staging / "of the recorder").touch()
        said = prune(root.path, older_than_s=30 * 86_400, dry_run=True).removed
        assert root.committed_hours() == hours
        assert prune(root.path, older_than_s=30 * 86_400).removed == said
        assert (root.staging / "of the recorder").exists()
    assert {hour // 24 for hour in root.committed_hours()} == {days[-1]}
    (root.staging / "of the recorder").unlink()
    assert verify(root.path).whole


def test_nothing_goes_that_is_not_old_enough(root):
    """Nothing was asked for, or not yet."""
    before = contents(root)
    prune(root.path, older_than_s=36_500 * 86_400)
    assert contents(root) == before


def test_a_removal_never_leaves_a_record_without_files(tmp_path, monkeypatch):
    """Killed in the middle of removing a day, readers find hours that are there, or are not."""
    root = record_days(tmp_path / "data")
    finishing.seal(root.path, include_current=True)
    left = [5]

    def dying(path):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        path.unlink(missing_ok=True)

    monkeypatch.setattr(retiring, "remove", dying)
    with pytest.raises(KeyboardInterrupt):
        retiring.remove_days(root, 4e9)
    for hour in root.committed_hours():
        files = json.loads(root.commit(hour).read_text())["files"]
        assert all((root.path / file["path"]).exists() for file in files)


# --- what is gone, and what is foreign ------------------------------------------------------------


def test_commit_records_that_are_gone_are_made_again(root, recorded):
    """From the capture; nothing else of the hours changes."""
    for hour in root.committed_hours():
        root.commit(hour).unlink()
    assert {each.kind for each in verify(root.path).findings} == {findings.COMMIT}
    report = repair(root.path)
    assert report.whole, report.refused
    assert commits(root.path) == commits(recorded)
    assert sealed_bytes(root.path) == sealed_bytes(recorded)
    assert verify(root.path, deep=True).whole


def test_a_commit_record_that_cannot_be_made_again_is_refused(root):
    """Its sealed files stay where they are, and the operator is told what to do."""
    shutil.rmtree(root.segments(HOUR)[0].path.parent)
    root.commit(HOUR).unlink()
    before = sealed_bytes(root.path)
    report = repair(root.path)
    assert [each.what_to_do for each in report.refused] == [findings.RECORD_GONE]
    assert sealed_bytes(root.path) == before


def test_an_empty_part_that_is_damaged_is_written_again(root):
    path = root.live / "trades" / "0-empty.parquet"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(bytes(len(content)))
    assert [each.kind for each in verify(root.path).findings] == [findings.EMPTY]
    assert repair(root.path).whole
    assert path.read_bytes() == content


@pytest.mark.parametrize("other", [False, True])
def test_a_commit_record_that_stays_damaged_is_refused(root, other):
    """Whatever else is mended; nothing of it ends the repair."""
    shutil.rmtree(root.segments(HOUR)[0].path.parent)
    root.commit(HOUR).write_bytes(root.commit(HOUR).read_bytes()[:200])
    if other:
        part(root, "trades").unlink()
    report = repair(root.path)
    assert {each.path for each in report.refused} == {str(root.commit(HOUR))}
    assert bool(report.mended) == other
    assert {each.path for each in verify(root.path).findings} == {str(root.commit(HOUR))}


@pytest.mark.parametrize("damage", [flip, cut_off, lambda path: path.write_bytes(b"")])
def test_a_recorder_sql_that_is_damaged_is_written_again(root, damage):
    """A number that is another would leave hours out, and nobody would notice."""
    path = root.path / "recorder.sql"
    content = path.read_bytes()
    damage(path)
    assert [each.kind for each in verify(root.path).findings] == [findings.VIEWS]
    assert repair(root.path).whole
    assert path.read_bytes() == content


def test_a_recorder_sql_of_before_there_were_digests_is_taken(root):
    path = root.path / "recorder.sql"
    path.write_bytes(path.read_bytes().partition(b"\n")[2])
    assert verify(root.path).whole


@pytest.mark.parametrize("work", [repair, prune])
def test_a_recorder_sql_that_a_run_that_died_did_not_come_to(root, work):
    path = root.path / "recorder.sql"
    content = path.read_bytes()
    path.unlink()
    assert verify(root.path).whole
    work(root.path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("change", ["ended_ns", "capture_end", "trades"])
def test_a_commit_record_that_was_changed_is_found(root, recorded, change):
    record = root.commit(SEALED)
    content = json.loads(record.read_text())
    content[change] = {} if change == "trades" else content[change] * 10
    record.write_text(json.dumps(content))
    assert [each.kind for each in verify(root.path).findings] == [findings.COMMIT]
    assert repair(root.path).whole
    assert commits(root.path) == commits(recorded)


def test_foreign_things_are_noted(root):
    """Names that are no hours, folders where files belong, files where folders do."""
    (root.capture / "2026992299").mkdir()
    (root.capture / "2026112199").write_text("x")
    (root.commits / "2026992299.json").write_text("{}")
    (root.live / "trades" / "2026992299-000000000000-000000000001.parquet").write_text("x")
    report = verify(root.path, deep=True)
    assert report.findings == []
    assert len(report.notes) == 4
    assert finishing.seal(root.path, include_current=True).hours
