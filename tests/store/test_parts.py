"""Live parts: the schema, the encodings, and what other readers make of them."""

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recorder.core.rows import Rows
from recorder.core.tables import TABLES, Kind
from recorder.errors import DataError
from recorder.store.parts import (
    SCHEMAS,
    read_cut,
    read_parts,
    sort,
    to_arrow,
    write_empty_parts,
    write_file,
    write_part,
)
from recorder.store.paths import CUTS, SCHEMA_MARK, Root
from tests.roots import footer, live_rows
from tests.store.scripts import an_hour, record


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A root with an open hour in three cuts."""
    path = tmp_path_factory.mktemp("recorded")
    record(path, an_hour(), {40, 150})
    return path


ARROW = {
    Kind.INT: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.WORD: pa.dictionary(pa.int32(), pa.string()),
    Kind.TEXT: pa.string(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_schema_is_the_declaration(name):
    """Every column, its type and whether it may be null, in the declared order."""
    expected = [(each.name, ARROW[each.kind], each.nullable) for each in TABLES[name].columns]
    assert [(each.name, each.type, each.nullable) for each in SCHEMAS[name]] == expected


@pytest.mark.parametrize("name", TABLES)
def test_every_part_has_the_schema_and_the_encodings(recorded, name):
    """zstd, delta for integers and times, dictionaries for the rest, a checksum on every page."""
    parts = [part.path for part in Root(recorded).parts(name)]
    assert parts or name in {"candles", "user_orders"}
    for file in [recorded / "live" / name / SCHEMA_MARK, *parts]:
        assert pq.read_schema(file).equals(SCHEMAS[name], check_metadata=False)
        assert footer(file)["recorder.channel"] == name
        metadata = pq.ParquetFile(file).metadata
        assert footer(file)["recorder.rows"] == str(metadata.num_rows)
        for group in range(metadata.num_row_groups):
            for index, column in enumerate(TABLES[name].columns):
                chunk = metadata.row_group(group).column(index)
                if chunk.num_values == 0:
                    continue
                assert chunk.compression == "ZSTD"
                delta = column.kind in (Kind.INT, Kind.TIME)
                wanted = "DELTA_BINARY_PACKED" if delta else "RLE_DICTIONARY"
                assert wanted in chunk.encodings, column.name
        assert file.stat().st_mode & 0o777 == 0o444


def test_a_private_table_is_for_its_owner_from_the_first_byte(tmp_path, monkeypatch):
    """Also in staging, before it is published."""
    table, modes = TABLES["user_orders"], []
    real = pq.write_table

    def write_table(arrow, where, **options):
        modes.append(where.stat().st_mode & 0o777)
        real(arrow, where, **options)

    monkeypatch.setattr(pq, "write_table", write_table)
    final = write_part(Root(tmp_path), table, SCHEMAS[table.name].empty_table(), 498_427, 1, 2)
    assert (modes, final.stat().st_mode & 0o777) == ([0o600], 0o600)


def test_a_flipped_bit_in_a_page_is_noticed(recorded, tmp_path):
    """Page checksums are written: a reader that verifies them refuses a damaged page."""
    part = Root(recorded).parts("level2")[0].path
    content = bytearray(part.read_bytes())
    missed = 0
    for position in range(4, len(content) - 2000, 997):
        broken = bytearray(content)
        broken[position] ^= 4
        file = tmp_path / "broken.parquet"
        file.write_bytes(broken)
        try:
            same = pq.read_table(file, page_checksum_verification=True).equals(pq.read_table(part))
        except (OSError, pa.ArrowException):
            continue
        missed += not same
    assert missed == 0


def test_nothing_stays_in_staging(recorded):
    """Every file went to its place."""
    assert list((recorded / "staging").iterdir()) == []


def test_rows_of_a_part_are_sorted_by_product_and_order(recorded):
    """As the layout says; and the file's name holds the offsets of its frames."""
    for part in Root(recorded).parts("level2"):
        rows = pq.read_table(part.path, columns=["product_id", "ingest_seq"]).to_pylist()
        keys = [(row["product_id"], row["ingest_seq"]) for row in rows]
        assert keys == sorted(keys)
        offsets = [key[1] & (2**35 - 1) for key in keys]
        assert part.first <= min(offsets)
        assert max(offsets) < part.end


def test_cuts_join_without_a_hole(recorded):
    """The records of cuts cover the capture, each where the one before ended."""
    cuts = Root(recorded).parts(CUTS)
    assert len(cuts) == 3
    assert [cut.first for cut in cuts[1:]] == [cut.end for cut in cuts[:-1]]
    assert set(read_cut(cuts[-1].path).trades) == {"BTC-USD", "ETH-USD"}


def test_a_cut_that_is_no_json_is_told(tmp_path):
    """With what to do."""
    (tmp_path / "cut.json").write_bytes(b"\0\0\0")
    with pytest.raises(DataError, match="Move it away"):
        read_cut(tmp_path / "cut.json")


@pytest.mark.parametrize("name", TABLES)
def test_duckdb_pandas_and_polars_read_the_open_hour(recorded, name):
    """A glob over the live parts, the empty file among them, gives the rows in every reader."""
    glob = f"{recorded}/live/{name}/*.parquet"
    expected = live_rows(recorded)[name]
    order = TABLES[name].order
    [(count, total)] = duckdb.sql(f"SELECT count(*), sum({order}) FROM '{glob}'").fetchall()
    assert count == len(expected)
    assert total == (sum(row[order] for row in expected) if expected else None)
    assert pl.read_parquet(glob).height == count
    assert pl.scan_parquet(glob).select(pl.col(order).sum()).collect().item() == (total or 0)
    files = sorted((recorded / "live" / name).glob("*.parquet"))
    frames = [pd.read_parquet(file) for file in files]
    assert sum(len(frame) for frame in frames) == count
    assert list(frames[0].columns) == [column.name for column in TABLES[name].columns]
    assert str(frames[0].dtypes[order]) == "int64"


@pytest.mark.parametrize("name", TABLES)
def test_a_glob_over_an_empty_root_has_the_columns(tmp_path, name):
    """The first minute of a recording does not make queries fail."""
    write_empty_parts(Root(tmp_path))
    write_empty_parts(Root(tmp_path))
    glob = f"{tmp_path}/live/{name}/*.parquet"
    assert duckdb.sql(f"SELECT * FROM '{glob}'").columns == SCHEMAS[name].names
    assert pl.read_parquet(glob).columns == SCHEMAS[name].names


def test_the_same_rows_are_the_same_bytes(tmp_path):
    """Files say nothing of when or how often they were written."""
    table = TABLES["status"]
    arrow = SCHEMAS["status"].empty_table()
    for name in ("a", "b"):
        write_file(tmp_path / name, table, arrow, {"hour": "x"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_times_before_1970_are_floored(tmp_path):
    """A microsecond column never lies after its nanoseconds."""
    table = TABLES["heartbeats"]
    values = dict.fromkeys(table.stored())
    values |= {"ingest_seq": [1, 2], "connection_id": "c", "recv_ns": [-1, 1999]}
    values["exchange_ns"] = [None, -1001]
    arrow = to_arrow(table, [Rows("heartbeats", 2, tuple(values.values()))])
    assert arrow.column("recv_time").cast(pa.int64()).to_pylist() == [-1, 1]
    assert arrow.column("exchange_time").cast(pa.int64()).to_pylist() == [None, -2]


def test_intervals_that_ended_together_have_one_order(recorded):
    """The rows of `coverage` are in the same order whatever the order they came in."""
    table = TABLES["coverage"]
    rows = read_parts(table, [part.path for part in Root(recorded).parts("coverage")])
    backwards = rows.take(pa.array(range(len(rows) - 1, -1, -1)))
    assert sort(table, rows).to_pylist() == sort(table, backwards).to_pylist()


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    """By its name, with what to do."""
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"x\.parquet: cannot be read"):
        read_parts(TABLES["level2"], [tmp_path / "x.parquet"])
