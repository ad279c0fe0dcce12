"""Sealing: a pure function of an hour's rows, however often and from whatever parts."""

import hashlib
import shutil
from datetime import UTC, datetime

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder import recovery
from recorder.core.frames import Ended
from recorder.core.tables import TABLES, Kind
from recorder.errors import DataError
from recorder.store import seal
from recorder.store.capture import end_of
from recorder.store.paths import CUTS, Root, hour_text
from recorder.store.seal import read_commit, seal_hour, sealed_before, switch
from tests.frames_made import HOUR
from tests.roots import check_order, commits, footer, live_rows, sealed_bytes, sealed_rows
from tests.store.scripts import an_hour, record

ARRIVALS = an_hour()
HALF = len(ARRIVALS) // 2


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The hour recorded in one cut and sealed once."""
    path = tmp_path_factory.mktemp("once")
    record(path, ARRIVALS)
    seal_hour(Root(path), HOUR)
    return path


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The hour recorded by two processes and sealed at its end."""
    path = tmp_path_factory.mktemp("twice")
    record(path, ARRIVALS[:HALF])
    record(path, ARRIVALS[HALF:])
    seal_hour(Root(path), HOUR)
    return path


def test_sealed_rows_are_the_live_rows(once):
    """Nothing is lost, made up or changed, table by table and row by row."""
    assert sealed_rows(once) == live_rows(once)
    rows = sealed_rows(once)
    check_order(rows)
    assert {name for name, found in rows.items() if found} == {*TABLES} - {"candles", "user_orders"}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=st.sets(st.integers(1, len(ARRIVALS) - 1), max_size=12))
def test_any_parts_make_the_same_files(once, tmp_path_factory, cuts):
    """However the rows were split into parts, the sealed files are the same, byte for byte."""
    path = tmp_path_factory.mktemp("split")
    record(path, ARRIVALS, cuts)
    assert len(Root(path).parts(CUTS)) == len(cuts) + 1
    seal_hour(Root(path), HOUR)
    assert sealed_bytes(path) == sealed_bytes(once)
    assert commits(path) == commits(once)
    shutil.rmtree(path)


def test_sealing_again_changes_nothing(once, tmp_path):
    """With the parts, without them, and without the capture as well."""
    path = tmp_path / "root"
    shutil.copytree(once, path)
    for gone in ((), ("live",), ("capture",)):
        for folder in gone:
            shutil.rmtree(path / folder)
        seal_hour(Root(path), HOUR)
        assert sealed_bytes(path) == sealed_bytes(once)
        assert commits(path) == commits(once)


@pytest.mark.parametrize("parts_gone", [False, True])
@pytest.mark.parametrize("cut_off", [0, 1, 3, 5, 8, 99])
def test_recording_on_in_a_sealed_hour(twice, tmp_path, parts_gone, cut_off):
    """Sealing again equals sealing once.

    Also without the earlier parts, and where a seal before it was cut off after some files.
    """
    record(tmp_path, ARRIVALS[:HALF])
    first = seal_hour(Root(tmp_path), HOUR)
    if parts_gone:
        shutil.rmtree(tmp_path / "live")
    record(tmp_path, ARRIVALS[HALF:])
    for name in list(sealed_bytes(twice))[:cut_off]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).unlink(missing_ok=True)
        shutil.copy(twice / name, tmp_path / name)
    again = seal_hour(Root(tmp_path), HOUR)
    assert again.capture_end > first.capture_end
    assert sealed_bytes(tmp_path) == sealed_bytes(twice)
    assert commits(tmp_path) == commits(twice)


@pytest.mark.parametrize("rows", [1, 100, 2500])
def test_buckets_of_any_size_make_the_same_files(once, tmp_path, monkeypatch, rows):
    """Products are sealed a few at a time, and nobody can tell."""
    record(tmp_path, ARRIVALS, {50, 60})
    monkeypatch.setattr(seal, "BUCKET_ROWS", rows)
    seal_hour(Root(tmp_path), HOUR)
    assert sealed_bytes(tmp_path) == sealed_bytes(once)


def test_the_layout(once):
    """Products and hours as folders, hive-like; tables without products one file an hour."""
    files = sealed_bytes(once)
    stamp = datetime.fromtimestamp(HOUR * 3600, UTC)
    day, hour, name = f"date={stamp:%Y-%m-%d}", f"hour={stamp:%H}", f"{stamp:%Y%m%dT%H}"
    wanted = {
        f"{table}/product={product}/{day}/{hour}/{table}-{product}-{name}.parquet"
        for table in ("level2", "trades", "ticker")
        for product in ("BTC-USD", "ETH-USD")
    }
    wanted |= {
        f"{table}/{day}/{hour}/{table}-{name}.parquet"
        for table in ("heartbeats", "status", "coverage", "faults", "audits")
    }
    assert set(files) == wanted
    assert all((once / file).stat().st_mode & 0o777 == 0o444 for file in files)
    assert list((once / "staging").iterdir()) == []


def test_the_commit_record_names_every_file_truly(once):
    """Size, rows, digest and range of each; the capture's end and digest; when it ended."""
    commit = read_commit(Root(once), HOUR)
    assert {file.path for file in commit.files} == set(sealed_bytes(once))
    for file in commit.files:
        path = once / file.path
        assert file.bytes == path.stat().st_size
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        order = pq.ParquetFile(path).read().column(TABLES[file.table].order).to_pylist()
        assert order == sorted(order)
        assert (file.rows, file.ingest_seq_first, file.ingest_seq_last) == (
            len(order), order[0], order[-1],
        )  # fmt: skip
    end = end_of(Root(once).segments(HOUR))
    assert (commit.capture_end, commit.ended_ns) == (end.offset, end.arrival.recv_ns)
    assert isinstance(end.arrival, Ended)
    assert commit.rows == sum(map(len, live_rows(once).values()))


def test_what_a_file_says_of_itself(once):
    """Product, hour, ranges, gaps, and whether the book was good at the end."""
    stem = next(name for name in sealed_bytes(once) if name.startswith("level2/product=BTC"))
    said = footer(once / stem)
    assert said["recorder.product"] == "BTC-USD"
    assert said["recorder.channel"] == "level2"
    assert said["recorder.schema_version"] == "1"
    assert said["recorder.hour"] == "2026-11-10T19:00:00Z"
    assert said["recorder.book_valid_at_end"] == "false"  # the recorder had stopped
    rows = [row for row in live_rows(once)["level2"] if row["product_id"] == "BTC-USD"]
    assert said["recorder.rows"] == str(len(rows))
    assert said["recorder.ingest_seq_first"] == str(rows[0]["ingest_seq"])
    assert said["recorder.ingest_seq_last"] == str(rows[-1]["ingest_seq"])
    gaps = [
        row
        for row in live_rows(once)["coverage"]
        if (row["channel"], row["product_id"], row["state"]) == ("level2", "BTC-USD", "gap")
    ]
    assert said["recorder.gaps"] == str(len(gaps))
    assert said["recorder.capture_sha256"] == read_commit(Root(once), HOUR).capture_sha256


@pytest.mark.parametrize("table", ["level2", "coverage"])
def test_sealed_encodings(once, table):
    """zstd; delta for integers and times; dictionaries for price, size and text."""
    name = next(name for name in sealed_bytes(once) if name.startswith(table))
    group = pq.ParquetFile(once / name).metadata.row_group(0)
    for index, column in enumerate(TABLES[table].columns):
        chunk = group.column(index)
        delta = column.kind in (Kind.INT, Kind.TIME)
        assert chunk.compression == "ZSTD"
        assert ("DELTA_BINARY_PACKED" if delta else "RLE_DICTIONARY") in chunk.encodings
        assert chunk.statistics is not None


def test_duckdb_pandas_and_polars_read_sealed_hours(once):
    """With the folders as columns, the right counts, and the types that they have."""
    rows = [row for row in live_rows(once)["level2"] if row["product_id"] == "BTC-USD"]
    glob = f"{once}/level2/*/*/*/*.parquet"
    query = (
        f"SELECT count(*), sum(price * size) FROM read_parquet('{glob}', hive_partitioning = true)"
    )
    [(count, total)] = duckdb.sql(query + " WHERE product = 'BTC-USD' AND hour = 19").fetchall()
    assert count == len(rows)
    assert total == pytest.approx(sum(row["price"] * row["size"] for row in rows))
    polars = pl.scan_parquet(glob, hive_partitioning=True).filter(pl.col("product") == "BTC-USD")
    assert polars.select(pl.len()).collect().item() == count
    pandas = pd.read_parquet(next((once / "level2" / "product=BTC-USD").rglob("*.parquet")))
    assert len(pandas) == count
    assert str(pandas["recv_time"].dtype) == "datetime64[us, UTC]"
    assert list(pandas["ingest_seq"]) == [row["ingest_seq"] for row in rows]


def test_parts_that_reach_beyond_a_damaged_capture_are_kept(tmp_path):
    """The capture's end was damaged after its rows were published: they are sealed, and stay."""
    record(tmp_path, ARRIVALS[:HALF], {HALF - 20})
    root = Root(tmp_path)
    rows = live_rows(tmp_path)
    [segment] = root.segments(HOUR)
    content = segment.path.read_bytes()
    segment.path.write_bytes(content[: len(content) // 2])
    commit = seal_hour(root, HOUR)
    assert commit.capture_end == max(part.end for part in root.parts(CUTS, HOUR))
    record(tmp_path, ARRIVALS[HALF:])
    seal_hour(root, HOUR)
    sealed = sealed_rows(tmp_path)
    for table, found in rows.items():
        assert [row for row in sealed[table] if row in found] == found, table
    check_order(sealed)


def test_an_hour_of_torn_capture_only_seals_to_nothing(tmp_path):
    """A process died in its first write: the hour is committed, without a file."""
    root = Root(tmp_path)
    segment = root.segment(HOUR, 1 << 24)
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"\x50\x2a\x4d")
    commit = seal_hour(root, HOUR)
    assert (commit.files, commit.ended_ns) == ((), None)
    assert recovery.is_sealed(root, HOUR)


def test_a_commit_record_that_cannot_be_read_is_told(once, tmp_path):
    """With what to do; and a switch likewise."""
    root = Root(tmp_path)
    root.commits.mkdir()
    for text in ("", "{}", "[]", '{"files":[{}]}', "\0\0"):
        root.commit(HOUR).write_text(text)
        with pytest.raises(DataError, match=f"{hour_text(HOUR)}.*Move it away"):
            read_commit(root, HOUR)
        root.current.write_text(text)
        with pytest.raises(DataError, match=r"current\.json.*Move it away"):
            sealed_before(root)


def test_the_switch(tmp_path):
    """It names the hour from which on readers take parts; where there is none, None."""
    root = Root(tmp_path)
    assert sealed_before(root) is None
    switch(root, HOUR)
    assert sealed_before(root) == HOUR
    recovery.advance(root, HOUR - 1)
    assert sealed_before(root) == HOUR
    recovery.advance(root, HOUR + 1)
    assert sealed_before(root) == HOUR + 1
