"""Damaged packed days: verify names them, repair makes of them what can be made, prune removes."""

import io
import json
import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import recorder
from recorder import pack, repair
from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.repair import prune
from recorder.store import retire as retiring
from recorder.store.days import clear, publish_day, read_day
from recorder.store.parts import encodings
from recorder.store.paths import Root, day_iso, hour_text
from recorder.store.records import CHECKSUM, checksum
from recorder.store.retire import GRACE_S
from recorder.store.seal import read_commit
from recorder.store.unpack import scan_day
from recorder.verify import findings, verify
from tests.packs import DAY, HOURS, LATER_S, not_waiting_for_the_disk, record_packable
from tests.roots import sealed_bytes


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        not_waiting_for_the_disk(patch)
        yield


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    path = tmp_path_factory.mktemp("before") / "data"
    record_packable(path)
    return path


@pytest.fixture(scope="module")
def in_grace(before, tmp_path_factory):
    """Packed, and the files of the hours are there yet."""
    path = tmp_path_factory.mktemp("grace") / "data"
    shutil.copytree(before, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack.time, "time", lambda: LATER_S)
        assert len(pack.pack(path).packed) == 2
    return path


@pytest.fixture(scope="module")
def after(in_grace, tmp_path_factory):
    """Packed, and nothing else is there."""
    path = tmp_path_factory.mktemp("after") / "data"
    shutil.copytree(in_grace, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack.time, "time", lambda: LATER_S + GRACE_S)
        assert len(pack.pack(path).removed) == 2
    return path


@pytest.fixture
def root(after, tmp_path):
    return Root(shutil.copytree(after, tmp_path / "data"))


def rows(path: Path) -> dict[str, list]:
    db = recorder.open(path)
    found = {}
    for name, table in TABLES.items():
        for product in ("BTC-USD", "ETH-USD") if table.per_product else (None,):
            if name != "candles":
                read = db.select(name, product, allow_gaps=True).to_arrow()
                found[f"{name} {product}"] = read.to_pylist()
    return found


def of_day(root: Root, table: str = "level2", day: int = DAY) -> Path:
    path = root.packed_file(TABLES[table], day, "BTC-USD" if TABLES[table].per_product else None)
    path.chmod(0o644)
    return path


def flip(path: Path, share: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x10
    path.write_bytes(content)


def zero(path: Path) -> None:
    """Some hundred bytes in the first pages."""
    content = path.read_bytes()
    path.write_bytes(content[:300] + bytes(300) + content[600:])


def record_with(root: Root, change, *, true: bool = True) -> None:
    """Another record of a day; ``true``: with the checksum of its content."""
    content = json.loads(root.day_record(DAY).read_text())
    change(content)
    told = content.pop(CHECKSUM)
    content[CHECKSUM] = checksum(content) if true else told
    root.day_record(DAY).write_text(json.dumps(content))


DAMAGES = {
    "a byte at the begin": (findings.PACKED, lambda root: flip(of_day(root), 0.1)),
    "a byte of the footer": (findings.PACKED, lambda root: flip(of_day(root, "trades"), 0.999)),
    "a byte of what a file says of itself": (
        findings.PACKED, lambda root: flip(of_day(root, "ticker"), 0.8)),
    "cut off": (findings.PACKED, lambda root: of_day(root, "heartbeats").write_bytes(b"PAR1")),
    "empty": (findings.PACKED, lambda root: of_day(root, "coverage").write_bytes(b"")),
    "gone": (findings.PACKED, lambda root: of_day(root, "status").unlink()),
    "another file's rows": (
        findings.PACKED,
        lambda root: of_day(root).write_bytes(of_day(root, day=DAY + 1).read_bytes())),
    "a record of nothing": (findings.DAY, lambda root: root.day_record(DAY).write_text("")),
    "a record of zeros": (findings.DAY, lambda root: root.day_record(DAY).write_bytes(bytes(99))),
    "the record of another day": (
        findings.DAY, lambda root: shutil.copy(root.day_record(DAY + 1), root.day_record(DAY))),
    "a record with an hour less": (
        findings.DAY, lambda root: record_with(root, lambda told: told["hours"].pop())),
    "a record with a file less": (
        findings.DAY, lambda root: record_with(root, lambda told: told["files"].pop())),
    "a record with other rows": (
        findings.DAY, lambda root: record_with(root, lambda told: told.update(rows=1))),
    "a record with a letter changed": (
        findings.DAY,
        lambda root: record_with(root, lambda told: told.update(packed_at="2026-11-13T00:00:01Z"),
                                 true=False)),
    "an hour's record of nothing": (
        findings.COMMIT, lambda root: root.commit(HOURS[1]).write_text("")),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_found_and_mended(root, before, name):
    """With the capture: afterwards everything is whole, and every row is there once."""
    kind, plant = DAMAGES[name]
    plant(root)
    report = verify(root.path)
    assert kind in {each.kind for each in report.findings}
    named = {each.path for each in report.findings}
    assert all(str(root.path) in path for path in named)
    said = repair.repair(root.path, dry_run=True)
    assert verify(root.path).findings == report.findings
    done = repair.repair(root.path)
    assert done.whole, done.refused
    assert {each.what for each in said.mended} == {each.what for each in done.mended}
    assert verify(root.path, deep=True).findings == []
    assert rows(root.path) == rows(before)
    ours, wanted = sealed_bytes(root.path), sealed_bytes(before)
    assert ours.items() <= wanted.items()


def test_a_day_that_was_taken_apart_is_packed_again(root, after, monkeypatch):
    """To the same bytes."""
    flip(of_day(root), 0.5)
    assert repair.repair(root.path).whole
    assert read_day(root, DAY) is None
    monkeypatch.setattr(pack.time, "time", lambda: LATER_S)
    pack.pack(root.path)
    assert read_day(root, DAY).files == read_day(Root(after), DAY).files


def test_without_capture_what_is_lost_is_refused(root):
    """The day stays as it is, and what is whole of it can be read."""
    shutil.rmtree(root.capture)
    zero(of_day(root))
    held = {path: path.read_bytes() for path in root.path.rglob("*.parquet")}
    report = repair.repair(root.path)
    assert not report.whole
    assert report.refused
    assert all("copy" in each.what_to_do for each in report.refused)
    assert {path: path.read_bytes() for path in root.path.rglob("*.parquet")} == held
    assert recorder.open(root.path).trades("BTC-USD", allow_gaps=True).to_arrow().num_rows


def test_a_day_that_stays_leaves_no_files_of_its_hours_behind(root):
    """Files that were restored before one that cannot be: globs would take their rows twice."""
    shutil.rmtree(root.capture)
    path = of_day(root, "trades")
    parquet = pq.ParquetFile(io.BytesIO(path.read_bytes()))
    path.unlink()
    with pq.ParquetWriter(path, parquet.schema_arrow, **encodings(TABLES["trades"])) as writer:
        for number in range(parquet.num_row_groups):
            rows = parquet.read_row_group(number)
            place = rows.column_names.index("price")
            dearer = pc.add(rows.column("price"), 1.0)
            writer.write_table(rows.set_column(place, rows.schema.field(place), dearer))
    held = {path: path.read_bytes() for path in root.path.rglob("*.parquet")}
    for _ in range(2):
        assert not repair.repair(root.path).whole
        assert {path: path.read_bytes() for path in root.path.rglob("*.parquet")} == held


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.3])
def test_a_bit_of_a_page_is_not_read_as_another(root, before, share):
    """Page checksums are there, and readers look at them."""
    wanted = recorder.open(before).trades("BTC-USD", allow_gaps=True).to_arrow().to_pylist()
    content = bytearray(of_day(root, "trades").read_bytes())
    for bit in range(8):
        spoilt = content.copy()
        spoilt[int(len(content) * share)] ^= 1 << bit
        of_day(root, "trades").chmod(0o644)
        of_day(root, "trades").write_bytes(spoilt)
        with suppress(DataError):
            read = recorder.open(root.path).trades("BTC-USD", allow_gaps=True)
            assert read.to_arrow().to_pylist() == wanted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"recorder.hours", b"recorder.hourz"),
        (b'{"2026-11-10T21', b"{\x002026-11-10T21"),
        (b'{"2026-11-10T21', b'{"\xff026-11-10T21'),
        (b'"rows":', b'"rovs":'),
        (b'"row_groups":[0,', b'"row_groups":[1,'),
    ],
)
def test_a_file_that_does_not_say_where_an_hour_is_has_no_rows_in_silence(root, old, new):
    path = of_day(root, "trades")
    content = path.read_bytes()
    assert old in content
    path.chmod(0o644)
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(DataError, match=path.name):
        recorder.open(root.path).trades("BTC-USD", allow_gaps=True).to_arrow()
    assert not verify(root.path).whole
    assert repair.repair(root.path).whole


def test_without_capture_an_hours_record_that_is_gone_is_told(root):
    """Its rows are in the day's files, and nothing makes the day forget them."""
    shutil.rmtree(root.capture)
    root.commit(HOURS[1]).unlink()
    (found,) = verify(root.path).findings
    assert (found.kind, found.path) == (findings.COMMIT, str(root.commit(HOURS[1])))
    record = root.day_record(DAY).read_bytes()
    report = repair.repair(root.path)
    assert [each.what_to_do for each in report.refused] == [findings.RECORD_GONE]
    assert root.day_record(DAY).read_bytes() == record


def test_with_capture_an_hours_record_that_is_gone_is_made_again(root, before):
    root.commit(HOURS[1]).unlink()
    assert findings.COMMIT in {each.kind for each in verify(root.path).findings}
    assert repair.repair(root.path).whole
    assert rows(root.path) == rows(before)
    assert verify(root.path, deep=True).findings == []


def test_without_capture_a_record_is_made_again(root, before):
    shutil.rmtree(root.capture)
    root.day_record(DAY).write_text("{")
    report = repair.repair(root.path)
    assert report.whole
    assert "record of 2026-11-10" in report.mended[0].what
    assert rows(root.path) == rows(before)


def test_without_capture_in_the_grace(in_grace, before, tmp_path):
    """The files of the hours are there yet: the day is taken apart into them."""
    root = Root(shutil.copytree(in_grace, tmp_path / "data"))
    shutil.rmtree(root.capture)
    zero(of_day(root))
    assert repair.repair(root.path).whole
    assert rows(root.path) == rows(before)
    assert sealed_bytes(root.path) == sealed_bytes(before)
    assert root.noted_days() == [DAY + 1]


def test_every_hour_of_a_file_that_says_nothing(root, before):
    """All hours are made again from the capture."""
    of_day(root).write_bytes(b"")
    assert repair.repair(root.path).whole
    assert rows(root.path) == rows(before)


def test_files_that_nobody_names(root):
    """Of days without a record, and of hours that are packed: set aside."""
    name = of_day(root, "status")
    other = Path(str(name).replace("2026-11-10", "2026-11-09").replace("20261110", "20261109"))
    other.parent.mkdir()
    shutil.copy(name, other)
    hour = root.path / read_commit(root, HOURS[0]).files[0].path
    hour.parent.mkdir(parents=True)
    hour.write_bytes(b"rows")
    report = verify(root.path)
    assert {each.path for each in report.findings} == {str(other), str(hour)}
    assert {each.kind for each in report.findings} == {findings.STRAY}
    assert repair.repair(root.path).whole
    assert not other.exists()
    assert not hour.exists()


def test_in_the_grace_nothing_is_wrong(in_grace):
    """Both are there, and a note says so."""
    assert verify(in_grace, deep=True).findings == []


def test_deep_finds_rows_that_are_not_the_capture_s(root, tmp_path):
    """A day that was packed of other rows than its hours' records were made of."""
    other = Root(shutil.copytree(root.path, tmp_path / "other"))
    path = of_day(other, "trades")
    with pq.ParquetFile(path) as parquet:
        groups = [parquet.read_row_group(at) for at in range(parquet.num_row_groups)]
        schema = parquet.schema_arrow
    prices = pa.array([1.5, *groups[0].column("price").to_pylist()[1:]])
    index = schema.get_field_index("price")
    groups[0] = groups[0].set_column(index, schema.field("price"), prices)
    with path.open("wb") as out, pq.ParquetWriter(out, schema, **encodings(TABLES["trades"])) as to:
        for group in groups:
            to.write_table(group.cast(schema))
    publish_day(other, DAY, scan_day(other, DAY))
    assert verify(other.path).findings == []
    found = verify(other.path, deep=True).findings
    assert [(each.kind, each.path) for each in found] == [(findings.REBUILT, str(path))]
    assert repair.repair(other.path, deep=True).whole
    assert rows(other.path) == rows(root.path)


# --- prune ----------------------------------------------------------------------------------------


def test_prune_removes_packed_days(root, monkeypatch):
    """A dry run says the same; what stays is whole."""
    monkeypatch.setattr("recorder.repair.time.time", lambda: LATER_S)
    said = prune(root.path, older_than_s=86_400, dry_run=True).removed
    assert root.packed_days() == [DAY, DAY + 1]
    assert prune(root.path, older_than_s=86_400).removed == said
    assert f"packed files of {day_iso(DAY)}" in said
    assert root.packed_days() == root.noted_days() == []
    assert {hour // 24 for hour in root.committed_hours()} == {DAY + 2}
    assert list(root.packed.rglob("*.parquet")) == []
    assert verify(root.path, deep=True).findings == []


def test_a_prune_that_dies_is_finished_by_the_next(root, monkeypatch):
    """At each removal: readers see whole hours or none, and the next one goes on."""
    whole = root.path
    for number in range(0, 40, 3):
        path = shutil.copytree(whole, whole.parent / f"copy{number}")
        left = [number]

        def dying(path, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            path.unlink(missing_ok=True)

        with monkeypatch.context() as patch:
            patch.setattr("recorder.repair.time.time", lambda: LATER_S)
            for module in ("recorder.store.retire", "recorder.store.days"):
                patch.setattr(f"{module}.remove", dying)
            with suppress(KeyboardInterrupt):
                prune(path, older_than_s=86_400)
        root = Root(path)
        rows(path)
        clear(root)
        assert set(verify(path).about({findings.PACKED, findings.DAY})) == set()
        with monkeypatch.context() as patch:
            patch.setattr("recorder.repair.time.time", lambda: LATER_S)
            prune(path, older_than_s=86_400)
        assert root.packed_days() == root.noted_days() == []
        assert list(root.packed.rglob("*.parquet")) == []


def test_retire_leaves_packed_hours_alone(root):
    """Capture of packed hours goes like any other's."""
    assert retiring.retire(root, LATER_S, 0)
    assert hour_text(HOURS[0]) not in {path.name for path in root.capture.iterdir()}
    assert verify(root.path).findings == []
