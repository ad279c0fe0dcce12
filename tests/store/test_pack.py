"""Packing under fire: killed and refused at every call, nothing is lost and nothing doubled."""

import errno
import io
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder import pack
from recorder.core.tables import TABLES
from recorder.errors import DataError, RecorderError, StorageError
from recorder.store import pack as packing
from recorder.store import parts
from recorder.store.days import file_of, hours_in, read_day
from recorder.store.paths import Root, Slice, day_iso, iso
from recorder.store.retire import GRACE_S
from recorder.store.seal import Commit, SealedFile, read_commit
from recorder.verify import verify
from tests.packs import DAY, HOURS, LATER_S, not_waiting_for_the_disk, record_packable
from tests.sweep.faults import CALLS

TABLE = TABLES["level2"]
EVERY = int(os.environ.get("PACK_SWEEP_EVERY", "11"))  # each Nth call; 1 takes minutes
NOT_COUNTED = {"listdir", "scandir", "ftruncate", "pwrite"}  # they change nothing; the lock's


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        not_waiting_for_the_disk(patch)
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "data"
    record_packable(path, keep_capture=False)
    return path


@pytest.fixture
def clock(monkeypatch):
    now = [LATER_S]
    monkeypatch.setattr(pack.time, "time", lambda: now[0])
    return now


class KilledError(BaseException):
    """The process is gone: nothing of ours runs behind it."""


class Calls:
    """Counts calls that change files, and stops at one of them: before it, or when it is done."""

    def __init__(self, stop: int = -1, error: Callable[[], BaseException] = KilledError) -> None:
        self.names: list[str] = []
        self._stop = stop
        self._error = error
        self._dead = False

    def call(self, name: str) -> None:
        if self._dead:  # what `finally` would do, and a process that is gone does not
            raise KilledError
        self.names.append(name)
        if len(self.names) - 1 == self._stop:
            error = self._error()
            self._dead = isinstance(error, KilledError)
            raise error


@contextmanager
def counted(calls: Calls):
    """Stand before every call that makes, changes or removes a file."""
    real = [(os, name, getattr(os, name)) for name in CALLS if name not in NOT_COUNTED]
    real += [(pq, "write_table", pq.write_table), (io, "open", io.open)]

    def before(name, function):
        def call(*arguments, **named):
            changes = name != "open" or (len(arguments) > 1 and arguments[1] in ("wb", "w", "xb"))
            if changes:
                calls.call(name)
            return function(*arguments, **named)

        return call

    write = pq.ParquetWriter.write_table
    with pytest.MonkeyPatch.context() as patch:
        for module, name, function in real:
            patch.setattr(module, name, before(name, function))
        patch.setattr(pq.ParquetWriter, "write_table", before("write_group", write))
        yield


def rows_of(path) -> dict[tuple[int, str], pa.Table]:
    """The rows of every file as the store reads them: by the records of hours and days."""
    root = Root(path)
    found = {}
    for hour in root.committed_hours():
        commit = read_commit(root, hour)
        day = read_day(root, hour // 24)
        for file in commit.files:
            rows = parts.read_parts(TABLES[file.table], [file_of(root, day, hour, file)])
            assert rows.num_rows == file.rows
            found[hour, file.path] = rows.replace_schema_metadata()
    return found


def run(path, clock) -> None:
    """A pack, and one that lets the files of the hours go."""
    clock[0] = LATER_S
    pack.pack(path, [day_iso(DAY)])
    clock[0] = LATER_S + GRACE_S
    pack.pack(path, [day_iso(DAY)])


def prepared(recorded, tmp_path):
    path = tmp_path / "data"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(recorded, path, copy_function=os.link)  # nothing changes a file in its place
    return path


def finished(path) -> list[str]:
    """The names of all files of rows, and what is left in the folder of packing."""
    root = Root(path)
    rows = {str(each.relative_to(path)) for each in path.rglob("*.parquet")}
    notes = [each.name for each in root.packing.iterdir()]
    return sorted(rows) + notes


@pytest.fixture(scope="module")
def whole(recorded, tmp_path_factory):
    """What a pack that nothing disturbs leaves: its calls, its files, and the rows."""
    path = tmp_path_factory.mktemp("whole") / "data"
    shutil.copytree(recorded, path)
    calls, now = Calls(), [LATER_S]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack.time, "time", lambda: now[0])
        with counted(calls):
            run(path, now)
    assert rows_of(path) == rows_of(recorded)
    return calls.names, finished(path), rows_of(recorded)


def test_killed_at_every_call(recorded, whole, tmp_path, clock):
    """Whatever is there then is whole to readers, and the next packs finish it."""
    names, files, rows = whole
    assert len(names) > 150
    for number in range(0, len(names), EVERY):
        path = prepared(recorded, tmp_path)
        with counted(Calls(number)), pytest.raises(KilledError):
            run(path, clock)
        assert rows_of(path) == rows, (number, names[number])
        assert verify(path).findings == [], (number, names[number])
        run(path, clock)
        assert finished(path) == files, (number, names[number])
        assert rows_of(path) == rows, (number, names[number])
    assert verify(path, deep=True).whole


def test_refused_at_every_call(recorded, whole, tmp_path, clock):
    """The disk says no once: told as a mistake that can be mended, and the next one finishes."""
    names, files, rows = whole
    code = (errno.ENOSPC, errno.EIO, errno.EROFS)
    for number in range(1, len(names), 2 * EVERY):
        path = prepared(recorded, tmp_path)
        calls = Calls(number, lambda number=number: OSError(code[number % 3], "planted"))
        with counted(calls), suppress(RecorderError):
            run(path, clock)
        assert rows_of(path) == rows, (number, names[number])
        assert verify(path).findings == [], (number, names[number])
        run(path, clock)
        assert finished(path) == files, (number, names[number])


def test_one_row_group_at_a_time(recorded, tmp_path, clock, monkeypatch):
    """What is held is a row group, however many rows an hour has."""
    path = shutil.copytree(recorded, tmp_path / "data")
    root = Root(path)
    for name in ("recorder.store.parts", "recorder.store.pack"):
        monkeypatch.setattr(f"{name}.ROW_GROUP_ROWS", 100)
    commits = [_smaller(root, read_commit(root, hour)) for hour in HOURS[:3]]
    seen = []
    real = packing.as_written
    monkeypatch.setattr(
        packing, "as_written", lambda *each: seen.append(each[1].num_rows) or real(*each)
    )
    record = packing.pack_day(
        root, DAY, commits, lambda: "2026-11-13T00:00:00Z", lambda _rows: None
    )
    assert max(seen) == 100
    path = root.packed_file(TABLE, DAY, "BTC-USD")
    parquet = pq.ParquetFile(path)
    sizes = [parquet.metadata.row_group(at).num_rows for at in range(parquet.num_row_groups)]
    for commit in commits:
        [told] = [each for each in commit.files if each.path.startswith("level2/product=BTC")]
        groups = hours_in(parquet)[iso(commit.hour)]["row_groups"]
        assert sum(sizes[slice(*groups)]) == told.rows
        assert all(size == 100 for size in sizes[groups[0] : groups[1] - 1])
    assert record.rows == sum(commit.rows for commit in commits)


def _smaller(root: Root, commit):
    """The same hour with small row groups."""
    files = []
    for file in commit.files:
        table, path = TABLES[file.table], root.path / file.path
        said = pq.read_schema(path).metadata
        footer = {key.decode()[9:]: value.decode() for key, value in said.items()
                  if key.startswith(b"recorder.")}  # fmt: skip
        path.chmod(0o644)
        parts.write_file(path, table, parts.read_parts(table, [path]), footer)
        content = path.read_bytes()
        files.append(replace(file, bytes=len(content), sha256=sha256(content).hexdigest()))
    return replace(commit, files=tuple(files))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(hours=st.lists(st.integers(0, 23), min_size=1, max_size=6, unique=True),
       sizes=st.lists(st.integers(0, 70), min_size=6, max_size=6))  # fmt: skip
def test_any_hours_of_any_size(tmp_path_factory, hours, sizes):
    """A model: the rows of each hour come back as they were, and only those."""
    root = Root(tmp_path_factory.mktemp("model"))
    table = TABLES["trades"]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("recorder.store.parts", "recorder.store.pack"):
            patch.setattr(f"{name}.ROW_GROUP_ROWS", 16)
        model = {}
        commits = []
        for at, size in zip(sorted(hours), sizes, strict=False):
            hour = 24 * DAY + at
            rows = _trades(hour, size)
            model[hour] = rows.to_pylist()
            commits.append(_committed(root, table, hour, rows))
        packing.pack_day(root, DAY, commits, lambda: "2026-11-13T00:00:00Z", lambda _rows: None)
        path = root.packed_file(table, DAY, "A-B")
        for hour in range(24 * DAY, 24 * DAY + 24):
            found = parts.read_parts(table, [Slice(path, hour)]) if path.exists() else None
            assert (found.to_pylist() if found else []) == model.get(hour, [])
    shutil.rmtree(root.path)


def _trades(hour: int, size: int) -> pa.Table:
    base = (hour - 438_288) << 35
    values = {}
    for field in parts.SCHEMAS["trades"]:
        kind = field.type
        if field.name == "ingest_seq":
            column = pa.array([base + (1 << 24) + 3 * row for row in range(size)], kind)
        elif field.name == "product_id":
            column = pa.array(["A-B"] * size, pa.string()).dictionary_encode()
        elif pa.types.is_dictionary(kind):
            words = [f"w{(hour + row) % 5}" for row in range(size)]
            column = pa.array(words, pa.string()).dictionary_encode()
        elif pa.types.is_floating(kind):
            column = pa.array([row * 0.1 if row % 7 else -0.0 for row in range(size)], kind)
        elif pa.types.is_string(kind):
            column = pa.array([None if row % 3 else f"{row}" for row in range(size)], kind)
        else:
            column = pa.array([hour * 1000 + row for row in range(size)], pa.int64()).cast(kind)
        values[field.name] = column
    return pa.table(values, schema=parts.SCHEMAS["trades"])


def _committed(root: Root, table, hour: int, rows: pa.Table):

    files = ()
    if rows.num_rows:
        path = root.sealed(table, hour, "A-B")
        path.parent.mkdir(parents=True)
        parts.write_file(path, table, parts.unify(table, rows), {"hour": iso(hour)})
        numbers = rows.column("ingest_seq").to_pylist()
        content = path.read_bytes()
        told = len(numbers), len(content), sha256(content).hexdigest(), numbers[0], numbers[-1]
        files = (SealedFile(str(path.relative_to(root.path)), table.name, "A-B", *told),)
    return Commit(hour, 1 << 24, None, None, {}, files, "2026-11-12T00:00:00Z")


def test_a_written_file_that_is_not_as_its_rows_are(recorded, tmp_path, monkeypatch, clock):
    """What was written is read again before it counts."""
    path = prepared(recorded, tmp_path)
    real = pq.ParquetWriter.write_table

    def less(self, rows, **named):
        return real(self, rows.slice(1) if rows.num_rows > 100 else rows, **named)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", less)
    report = pack.pack(path)
    assert not report.whole
    assert report.packed == []
    assert any("was not written" in each.reason for each in report.left)
    monkeypatch.undo()
    with pytest.raises(DataError):
        packing.check_bytes(path / "recorder.sql", 1, "")


def test_no_handle_is_no_damage(recorded, tmp_path, monkeypatch, clock):
    """A process that may open no more files says nothing of the files; later it is packed."""
    path = prepared(recorded, tmp_path)

    def refuse(*_arguments, **_named):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(packing.pq, "ParquetFile", refuse)
        with pytest.raises(StorageError, match="Too many open files"):
            pack.pack(path)
    assert verify(path, deep=True).whole
    report = pack.pack(path)
    assert report.whole
    assert report.packed != []
