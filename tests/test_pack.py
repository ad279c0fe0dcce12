"""Which days are packed and which are left alone; that nobody can tell afterwards."""

import hashlib
import json
import os
import shutil
import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import recorder
from recorder import missing, pack, recovery, replay
from recorder.core.frames import HOUR_NS
from recorder.core.tables import TABLES
from recorder.errors import DataError, LockedError, NoInputError, StorageError, UsageError
from recorder.queries import Queries
from recorder.recording import Recording, look_before
from recorder.repair import prune
from recorder.store import days as storing
from recorder.store.days import read_day
from recorder.store.lock import PackLock, WriterLock
from recorder.store.paths import Root, day_iso, hour_text
from recorder.store.records import CHECKSUM, checksum
from recorder.store.retire import GRACE_S
from recorder.store.seal import read_commit, seal_hour, switch
from recorder.store.views import publish_views
from recorder.verify import verify
from tests.frames_made import SECOND_NS, WANTED, Made
from tests.packs import (
    DAY,
    FIRST_HOUR,
    HOURS,
    LATER_S,
    NEWEST,
    not_waiting_for_the_disk,
    record_packable,
)
from tests.test_replay import lines_of, write

FIRST, SECOND, THIRD = (day_iso(DAY + number) for number in range(3))


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        not_waiting_for_the_disk(patch)
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The directory before anything is packed; its capture is kept."""
    path = tmp_path_factory.mktemp("recorded") / "data"
    record_packable(path)
    return path


@pytest.fixture
def clock(monkeypatch):
    """The time that a pack believes it to be; seconds since 1970."""
    now = [LATER_S]
    monkeypatch.setattr(pack.time, "time", lambda: now[0])
    return now


@pytest.fixture
def root(recorded, tmp_path, clock):
    path = tmp_path / "data"
    shutil.copytree(recorded, path)
    return Root(path)


def packed(root: Root, clock: list[float]) -> Root:
    """Pack everything, and let the files of the hours go."""
    pack.pack(root.path)
    clock[0] += GRACE_S
    assert pack.pack(root.path).whole
    clock[0] -= GRACE_S
    return root


def answers(path: Path) -> dict[str, Any]:
    """What readers are told: every table and product, through the API and through SQL."""
    db = recorder.open(path)
    found: dict[str, Any] = {"coverage": db.coverage().to_pylist()}
    for name, table in TABLES.items():
        for product in ("BTC-USD", "ETH-USD") if table.per_product else (None,):
            rows = db.select(name, product, allow_gaps=True) if name != "candles" else None
            if rows is not None:
                found[f"{name} {product}"] = rows.to_arrow().to_pylist()
    found["replay"] = [repr(event) for event in db.replay(allow_gaps=True)]
    found["book"] = [db.book(each, at=hour * 3600 + 1) for each in ("BTC-USD", "ETH-USD")
                     for hour in (FIRST_HOUR + 1, FIRST_HOUR + 3, NEWEST)]  # fmt: skip
    found["products"] = [(each.product_id, each.first, each.last, each.rows, each.hours)
                         for each in db.products()]  # fmt: skip
    found["hours"] = [(each.start, each.state, each.rows) for each in db.hours()]
    found["missing"] = missing.missing_trades(Root(path))
    before = look_before(Root(path))
    found["before"] = (before.last_ns, before.hour, before.offset, sorted(before.trades))
    with Queries(path) as queries:
        for question in QUESTIONS:
            found[question] = list(queries.run(question).rows)
    return found


QUESTIONS = (
    *(f"FROM {name} ORDER BY ALL" for name in TABLES),
    *(f"SELECT date, hour, count(*) FROM {name} GROUP BY ALL ORDER BY ALL" for name in TABLES),
    *(f"SELECT count(*) FROM {name}" for name in TABLES),
    "FROM book_at('BTC-USD', '2026-11-10T23:00:00.1')",
    "FROM book_at('BTC-USD', '2026-11-11T02:30')",
    "FROM top_of_book('ETH-USD', '2026-11-10T22:59:59', '2026-11-11T00:30') ORDER BY recv_ns",
    "FROM ohlcv('BTC-USD', '1m', '2026-11-10', '2026-11-12')",
    "FROM trades_of('BTC-USD', '2026-11-10T22:00', '2026-11-11T00:00:00.5') ORDER BY ingest_seq",
    "SELECT in_gap('BTC-USD', 'level2', '2026-11-11T02:30')",
)


def digests(path: Path) -> dict[str, str]:
    """The rows of every table and product, in their order, as one digest each."""
    db = recorder.open(path)
    found = {}
    for name, table in TABLES.items():
        if name == "candles":
            continue
        for product in ("BTC-USD", "ETH-USD") if table.per_product else (None,):
            rows = db.select(name, product, allow_gaps=True).to_arrow().to_pylist()
            found[f"{name} {product}"] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


# --- nobody can tell ------------------------------------------------------------------------------


def test_every_answer_is_the_same(root, recorded, clock):
    """Rows, order, books, replay, SQL: before, while both are there, and when the old ones went."""
    before, sums = answers(recorded), digests(recorded)
    report = pack.pack(root.path)
    assert [each.day for each in report.packed] == [FIRST, SECOND]
    assert report.whole
    assert answers(root.path) == before
    assert digests(root.path) == sums
    clock[0] += GRACE_S
    assert [line.split()[-1] for line in pack.pack(root.path).removed] == [FIRST, SECOND]
    assert answers(root.path) == before
    assert digests(root.path) == sums
    left = {path.parent.parent.name for path in root.path.glob("level2/*/*/*/*.parquet")}
    assert left == {f"date={THIRD}"}
    assert list(root.packing.iterdir()) == []


def test_the_files(root, clock):
    """One a table and product, in the layout, modes and encodings of the format."""
    root = packed(root, clock)
    commits = [read_commit(root, hour) for hour in HOURS[:3]]
    told = {(file.table, file.product_id) for commit in commits for file in commit.files}
    record = read_day(root, DAY)
    assert {(file.table, file.product_id) for file in record.files} == told
    assert [each.hour[:13] for each in record.hours] == [f"{FIRST}T{at}" for at in (21, 22, 23)]
    for file in record.files:
        path = root.path / file.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        parquet = pq.ParquetFile(path)
        hour = root.sealed(TABLES[file.table], NEWEST, file.product_id)
        if hour.exists():
            same = pq.ParquetFile(hour)
            assert parquet.schema_arrow.equals(same.schema_arrow)
            chunks = [each.metadata.row_group(0) for each in (parquet, same)]
            for index in range(parquet.metadata.num_columns):
                one, other = (each.column(index) for each in chunks)
                assert one.compression == other.compression
                assert set(one.encodings) == set(other.encodings)
                assert one.statistics is not None
        numbers = parquet.read([TABLES[file.table].order]).column(0).to_pylist()
        assert numbers == sorted(numbers)
        assert (file.rows, file.ingest_seq_first, file.ingest_seq_last) == (
            len(numbers), numbers[0], numbers[-1],
        )  # fmt: skip
    assert sum(file.rows for file in record.files) == record.rows == sum(c.rows for c in commits)


def test_row_groups_are_of_one_hour_and_in_order(root, clock, monkeypatch):
    """So that a short range reads little: no row group is touched but those of its hour."""
    root = packed(root, clock)
    path = root.packed_file(TABLES["level2"], DAY, "BTC-USD")
    parquet = pq.ParquetFile(path)
    assert parquet.num_row_groups == 3
    read: list[list[int]] = []
    real = pq.ParquetFile.read_row_groups

    def counted(self, groups, *arguments, **named):
        if "price" in (named.get("columns") or ()):
            read.append(list(groups))
        return real(self, groups, *arguments, **named)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", counted)
    db = recorder.open(root.path)
    begin = (FIRST_HOUR + 1) * 3600
    rows = db.level2("BTC-USD", begin, begin + 10, allow_gaps=True).to_arrow()
    assert rows.num_rows
    assert read == [[1]]


def test_private_files_stay_private(root, clock, monkeypatch):
    """From their first byte on."""
    table = TABLES["heartbeats"]
    monkeypatch.setitem(TABLES, "heartbeats", replace(table, private=True))
    seen = set()
    real = os.fsync
    for hour in HOURS:
        for file in read_commit(root, hour).files:
            if file.table == "heartbeats":
                (root.path / file.path).chmod(0o600)

    def look(handle):
        for path in root.packing.glob("*/heartbeats*"):
            seen.add(stat.S_IMODE(path.stat().st_mode))
        return real(handle)

    monkeypatch.setattr(os, "fsync", look)
    pack.pack(root.path)
    assert seen == {0o600}
    path = root.packed_file(table, DAY, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_session_of_duckdb_that_looked_for_hours_by_name(root, clock):
    """Where those were packed since, it says that it must be renewed, and nothing is missed."""
    switch(root, 24 * (DAY + 1))
    publish_views(root)
    text = (root.path / "recorder.sql").read_text()
    switch(root, NEWEST + 1)
    with duckdb.connect() as con:
        con.execute(text)
        hours = list(range(24 * (DAY + 1), NEWEST + 1))
        con.execute(f"CREATE OR REPLACE MACRO recorder_open_hours() AS {hours}")
        [(before,)] = con.execute("SELECT count(*) FROM level2").fetchall()
        pack.pack(root.path)
        assert con.execute("SELECT count(*) FROM level2").fetchall() == [(before,)]
        os.utime(root.day_record(DAY + 1), (1e9, 1e9))  # long ago
        with pytest.raises(duckdb.Error, match="out of date, read it again"):
            con.execute("SELECT count(*) FROM level2").fetchall()
        con.execute((root.path / "recorder.sql").read_text())
        assert con.execute("SELECT count(*) FROM level2").fetchall() == [(before,)]


def test_a_session_of_duckdb_from_before(root, clock):
    """It knows the hours' files, and they stay for as long as a reader is given."""
    with duckdb.connect() as con:
        con.execute((root.path / "recorder.sql").read_text())
        [(before,)] = con.execute("SELECT count(*) FROM level2").fetchall()
        pack.pack(root.path)
        assert con.execute("SELECT count(*) FROM level2").fetchall() == [(before,)]
        clock[0] += GRACE_S
        pack.pack(root.path)
        con.execute((root.path / "recorder.sql").read_text())
        assert con.execute("SELECT count(*) FROM level2").fetchall() == [(before,)]


# --- which days -----------------------------------------------------------------------------------


def left(root: Root, *days: str, **options: Any) -> dict[str, str]:
    report = pack.pack(root.path, days, **options)
    assert report.whole == (not any(each.wrong for each in report.left))
    assert not {each.day for each in report.packed} & {each.day for each in report.left}
    return {each.day: each.reason for each in report.left}


def test_the_day_of_the_newest_hour_is_left_alone(root):
    """A start could go on in it."""
    assert "newest" in left(root)[THIRD]


def test_a_day_that_is_not_over(root, clock):
    clock[0] = (DAY + 1) * 86_400 + 3600 * 5  # in the second day
    assert "not over" in left(root, SECOND)[SECOND]
    assert SECOND not in left(root)


def test_a_day_in_the_grace(root, clock):
    """Readers may have listed parts of it; then its turn comes."""
    sealed_at = max(_sealed_s(root, hour) for hour in HOURS)
    clock[0] = max(sealed_at + GRACE_S - 1, (DAY + 3) * 86_400)
    if clock[0] == sealed_at + GRACE_S - 1:
        assert "sealed less than" in left(root)[SECOND]
    clock[0] = max(sealed_at + GRACE_S, (DAY + 3) * 86_400)
    assert set(left(root)) == {THIRD}


def _sealed_s(root: Root, hour: int) -> float:
    return datetime.fromisoformat(read_commit(root, hour).sealed_at).timestamp()


def test_a_day_whose_readers_take_parts(root):
    switch(root, HOURS[1])
    assert "parts" in left(root)[FIRST]


def test_a_day_with_an_hour_that_is_not_sealed(root):
    root.commit(HOURS[1]).unlink()
    assert "not sealed" in left(root)[FIRST]
    assert [each.day for each in pack.pack(root.path).packed] == []  # the second day is packed


@pytest.mark.parametrize("hour", [HOURS[1], HOURS[2], HOURS[3]])
def test_a_day_with_a_missing_hour(root, hour):
    """Its record and files were lost, and recording had gone on through it."""
    for file in read_commit(root, hour).files:
        (root.path / file.path).unlink()
    root.commit(hour).unlink()
    shutil.rmtree(root.capture / hour_text(hour))
    report = pack.pack(root.path)
    assert not report.whole
    wrong = {each.day: each.reason for each in report.left if each.wrong}
    assert set(wrong) == {day_iso(hour // 24)}
    assert "missing" in wrong[day_iso(hour // 24)]


def test_hours_of_which_coverage_tells_are_no_reason(root):
    """Nobody recorded in 02h of the second day, and coverage says so."""
    assert HOURS[4] + 1 not in root.committed_hours()
    assert SECOND in {each.day for each in pack.pack(root.path).packed}


DAMAGES = {
    "a byte": lambda path: path.write_bytes(
        path.read_bytes()[:-90] + b"\0" + path.read_bytes()[-89:]
    ),
    "shorter": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_day_is_left_alone(root, name):
    """With the file that is wrong; nothing of it is there, and the other day is packed."""
    path = root.sealed(TABLES["trades"], HOURS[1], "ETH-USD")
    path.chmod(0o644)
    DAMAGES[name](path)
    report = pack.pack(root.path)
    assert not report.whole
    [wrong] = [each for each in report.left if each.wrong]
    assert wrong.day == FIRST
    assert str(path) in wrong.reason
    assert "recorder repair" in wrong.reason
    assert [each.day for each in report.packed] == [SECOND]
    assert storing.packed_paths(root, DAY) == []
    assert root.noted_days() == [DAY + 1]
    assert not root.day_record(DAY).exists()


def record_with(root: Root, **fields: int) -> None:
    """The record of an hour says something else of a file, and has the checksum of that."""
    content = json.loads(root.commit(HOURS[0]).read_text())
    content["files"][0] |= fields
    del content[CHECKSUM]
    root.commit(HOURS[0]).write_text(json.dumps({**content, CHECKSUM: checksum(content)}))


def test_a_damaged_record_of_an_hour(root):
    record_with(root, rows=1)
    assert "rows" in left(root)[FIRST]
    root.commit(HOURS[0]).write_text("{")
    assert "not a commit record" in left(root)[FIRST]


def test_rows_that_are_not_those_of_the_record(root):
    """The right bytes, by a record that says other rows."""
    record_with(root, ingest_seq_first=1)
    assert "other rows" in left(root)[FIRST]


def test_a_file_of_a_newer_version(root, monkeypatch):
    """Its columns would be lost: left alone."""
    monkeypatch.setattr("recorder.store.pack.SCHEMA_VERSION", 0)
    assert "newer version" in left(root)[FIRST]


def test_too_little_space(root, monkeypatch):
    monkeypatch.setattr(pack, "_FREE_BYTES_MIN", 2**80)
    assert "bytes are free" in left(root)[FIRST]
    assert list(root.path.glob("packed/**/*.parquet")) == []


def test_days_by_name_and_by_age(root, clock):
    """Only what was asked for; what was asked for and cannot be packed is wrong."""
    report = pack.pack(root.path, [SECOND])
    assert [each.day for each in report.packed] == [SECOND]
    assert report.left == []
    report = pack.pack(root.path, [SECOND.replace("-", ""), "2026-01-01"])
    assert not report.whole
    assert [each.reason for each in report.left] == [
        "nothing of it is sealed",
        "it is packed already",
    ]
    clock[0] = (DAY + 2) * 86_400 + GRACE_S + 40 * 86_400
    assert pack.pack(root.path, older_than_s=41 * 86_400 + 7200).packed == []
    assert [each.day for each in pack.pack(root.path, older_than_s=86_400).packed] == [FIRST]
    for wrong in ("yesterday", "2026-11-31", "2026-1-1", ""):
        with pytest.raises(UsageError, match="no day"):
            pack.pack(root.path, [wrong])


def test_no_directory(tmp_path):
    with pytest.raises(NoInputError):
        pack.pack(tmp_path / "none")


# --- beside others --------------------------------------------------------------------------------


def test_one_packer_at_a_time_beside_a_writer(root):
    """It takes no lock of the writer's; a second packer, repair and prune wait for it."""
    with WriterLock(root):
        assert pack.pack(root.path).packed
    with PackLock(root):
        for work in (pack.pack, prune):
            with pytest.raises(LockedError, match=f"process {os.getpid()} packs"):
                work(root.path)


def test_it_may_be_recorded_meanwhile(root, clock):
    """A recording goes on after the newest hour, and seals; packed hours are left alone."""
    before = digests(root.path)
    with WriterLock(root):
        made = Made(9, (NEWEST + 3) * 3600 * SECOND_NS)
        recording = Recording(root, made.now_ns, WANTED)
        assert pack.pack(root.path).packed
        for arrival in [*made.open("e"), *made.run(0.3)]:
            recording.take(arrival)
        recording.stop(recording.last_ns)
        recording.flush()
        recording.capture.close()
        seal_hour(root, NEWEST + 3)
        switch(root, NEWEST + 4)
    assert recovery.publish_missing(root.path).rows == 0
    clock[0] += GRACE_S
    assert THIRD in {each.day for each in pack.pack(root.path).packed} or THIRD in left(root)
    assert verify(root.path, deep=True).findings == []
    after = recorder.open(root.path).select("faults", allow_gaps=True).to_arrow()
    assert after.num_rows >= 1
    assert set(digests(root.path)) == set(before)


def test_hours_that_come_later_keep_files_of_their_own(root, recorded, clock):
    """An import may add an hour to a packed day: it is read, and told when asked."""
    wanted = answers(recorded)
    aside = {}
    for file in read_commit(root, HOURS[5]).files:
        aside[root.path / file.path] = (root.path / file.path).read_bytes()
    record = root.commit(HOURS[5]).read_bytes()
    capture = root.capture / hour_text(HOURS[5])
    capture.rename(root.path.parent / "capture")
    for path in aside:
        path.unlink()
    root.commit(HOURS[5]).unlink()
    packed(root, clock)
    for path, content in aside.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    root.commit(HOURS[5]).write_bytes(record)
    (root.path.parent / "capture").rename(capture)
    assert read_day(root, DAY + 1).holds(HOURS[4])
    assert not read_day(root, DAY + 1).holds(HOURS[5])
    assert answers(root.path) == wanted
    assert verify(root.path, deep=True).findings == []
    assert "came later" in left(root)[SECOND]


def imported(path: Path, folder: Path) -> None:
    """What another recorder kept of an hour that ended here after seconds."""
    made = Made(9, HOURS[4] * HOUR_NS + 1800 * SECOND_NS, rate=3)
    arrivals = [*made.open("other"), *made.run(2.0)]
    replay.import_captures([write(folder / f"{path.name}.gz", lines_of(arrivals))], path)


def numbers(path: Path) -> dict[str, list[int]]:
    """The numbers of the rows of an hour, through the API and through SQL."""
    begin, db = HOURS[4] * 3600, recorder.open(path)
    found = {}
    for product in ("BTC-USD", "ETH-USD"):
        rows = db.select("level2", product, begin, begin + 3600, allow_gaps=True).to_arrow()
        found[product] = rows.column("ingest_seq").to_pylist()
    with Queries(path) as queries:
        asked = f"FROM level2 WHERE recv_ns // {HOUR_NS} = {HOURS[4]} ORDER BY ingest_seq"
        found["sql"] = [row[0] for row in queries.run(f"SELECT ingest_seq {asked}").rows]
    return found


def test_an_import_into_a_packed_hour(root, recorded, tmp_path, clock):
    """The hour goes on: its day is taken apart first, and every row is there once."""
    other = Path(shutil.copytree(recorded, tmp_path / "other"))
    before = numbers(other)
    imported(other, tmp_path)
    packed(root, clock)
    with PackLock(root), pytest.raises(LockedError):
        imported(root.path, tmp_path)
    imported(root.path, tmp_path)
    assert root.packed_days() == [DAY]
    assert root.noted_days() == []
    wanted = numbers(other)
    assert numbers(root.path) == wanted
    for name, found in wanted.items():
        assert len(found) > len(before[name])
        assert len(found) == len(set(found))
    assert verify(root.path, deep=True).findings == []
    assert [each.day for each in pack.pack(root.path, [SECOND]).packed] == [SECOND]
    assert numbers(root.path) == wanted


# --- again, and dry -------------------------------------------------------------------------------


def contents(root: Root) -> dict[str, str]:
    files = (path for path in root.path.rglob("*") if path.is_file() and path != root.pack_lock)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_packing_again_changes_nothing(root, clock):
    packed(root, clock)
    before = contents(root)
    report = pack.pack(root.path)
    assert (report.packed, report.removed) == ([], [])
    assert contents(root) == before


def test_a_dry_run_says_the_same_and_does_nothing(root, clock):
    before = contents(root)
    said = pack.pack(root.path, dry_run=True)
    assert contents(root) == before
    done = pack.pack(root.path)
    assert [
        (each.day, each.rows, each.files_before, each.bytes_before) for each in said.packed
    ] == [(each.day, each.rows, each.files_before, each.bytes_before) for each in done.packed]
    clock[0] += GRACE_S
    before = contents(root)
    said = pack.pack(root.path, dry_run=True)
    assert contents(root) == before
    assert pack.pack(root.path).removed == said.removed


def test_the_same_hours_give_the_same_bytes(root, recorded, tmp_path, clock, monkeypatch):
    """However large row groups are read; a pure function of the hours' files."""
    pack.pack(root.path)
    other = tmp_path / "other"
    shutil.copytree(recorded, other)
    pack.pack(other)
    ours, theirs = read_day(root, DAY), read_day(Root(other), DAY)
    assert ours == theirs


def test_the_hours_files_stay_where_the_days_are_damaged(root, clock):
    """They are looked at once more before anything goes."""
    pack.pack(root.path)
    path = root.packed_file(TABLES["level2"], DAY, "BTC-USD")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    clock[0] += GRACE_S
    report = pack.pack(root.path)
    assert not report.whole
    assert [line.split()[-1] for line in report.removed] == [SECOND]
    assert root.sealed(TABLES["level2"], HOURS[0], "BTC-USD").exists()
    assert root.noted_days() == [DAY]


def test_the_hours_files_stay_where_recorder_sql_cannot_tell_of_the_day(root, clock):
    """A session that reads it would look for what has gone."""
    pack.pack(root.path)
    held = sorted(root.path.glob("level2/**/*.parquet"))
    root.commit(NEWEST).write_text("{")
    clock[0] += GRACE_S
    report = pack.pack(root.path)
    assert not report.whole
    assert "recorder.sql" in report.left[0].reason
    assert sorted(root.path.glob("level2/**/*.parquet")) == held


def test_the_disk_refuses(root, monkeypatch):
    def refusing(*_arguments, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recorder.store.pack.publish", refusing)
    with pytest.raises(StorageError, match="safe"):
        pack.pack(root.path)
    monkeypatch.undo()


def test_progress_is_told_in_rows(root):
    told: list[tuple[int, int]] = []
    report = pack.pack(root.path, progress=lambda done, total: told.append((done, total)))
    rows = sum(each.rows for each in report.packed)
    assert told[-1] == (rows, rows)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_record_of_a_day_that_is_none_is_told_to_readers(root, clock):
    """With what to do."""
    packed(root, clock)
    for text in ("", "{}", '{"day":"2026-11-10"}', root.day_record(DAY + 1).read_text()):
        root.day_record(DAY).write_text(text)
        with pytest.raises(DataError, match="recorder repair"):
            recorder.open(root.path).select("level2", "BTC-USD", allow_gaps=True).to_arrow()
