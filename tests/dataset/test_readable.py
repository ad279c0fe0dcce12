"""Every way out of an answer has the same rows; what a library needs is said."""

import sys

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import recorder
from recorder.dataset.readable import Readable, at_once
from recorder.errors import UsageError
from tests.dataset.made import HOUR_NS, HOUR_START_NS

SPAN = HOUR_START_NS + HOUR_NS, HOUR_START_NS + HOUR_NS + 2_000_000_000


class Once(Readable):
    """A table as an answer."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def to_arrow(self) -> pa.Table:
        return self.table


def answers(db) -> list[Readable]:
    return [
        db.level2("BTC-USD", *SPAN),
        db.trades("BTC-USD", *SPAN, exact=True),
        db.top_of_book("BTC-USD", *SPAN),
        db.bars("1s", "BTC-USD", *SPAN),
        db.coverage and Once(db.coverage("BTC-USD")),
    ]


def test_all_ways_out_have_the_same_rows(hours):
    """Arrow, pandas, polars, DuckDB and batches: as many rows, the same values and columns."""
    for answer in answers(recorder.open(hours)):
        table = answer.to_arrow()
        rows = [tuple(row.values()) for row in table.to_pylist()]
        frame = answer.to_pandas()
        assert list(frame.columns) == table.column_names
        assert len(frame) == table.num_rows
        polars = answer.to_polars()
        assert isinstance(polars, pl.DataFrame)
        assert polars.rows() == rows
        relation = answer.to_duckdb()
        assert relation.columns == table.column_names
        assert len(relation.fetchall()) == table.num_rows
        batches = list(answer.batches(7))
        assert all(0 < batch.num_rows <= 7 for batch in batches)
        assert pa.Table.from_batches(batches, table.schema).to_pylist() == table.to_pylist()


def test_words_are_categories_and_times_have_their_zone(hours):
    """As pandas and polars like them."""
    level2 = recorder.open(hours).level2("BTC-USD", *SPAN)
    frame = level2.to_pandas()
    assert str(frame["side"].dtype) == "category"
    assert str(frame["recv_time"].dtype) == "datetime64[us, UTC]"
    assert str(frame["price"].dtype) == "float64"
    assert level2.to_polars()["side"].dtype == pl.Categorical


def test_nothing_is_kept(tmp_path, hours):
    """Each way out reads anew; a relation stays good without its answer."""
    db = recorder.open(hours)
    relation = db.trades("BTC-USD", *SPAN).to_duckdb()
    assert relation.aggregate("count(*)").fetchall() == [
        (len(db.trades("BTC-USD", *SPAN).to_arrow()),)
    ]
    with duckdb.connect() as con:
        mine = db.trades("BTC-USD", *SPAN).to_duckdb(con)
        con.register("trades", mine)
        assert (
            con.sql("SELECT count(*) FROM trades").fetchall()
            == relation.aggregate("count(*)").fetchall()
        )


@pytest.mark.parametrize(("name", "way"), [("pandas", "to_pandas"), ("polars", "to_polars")])
def test_a_library_that_is_missing_is_named(monkeypatch, name, way):
    """With what works without it."""
    # Made before, because pyarrow looks for pandas where it takes values.
    rows = Once(pa.table({"a": [1]}))
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=rf"{name} is not installed here.*to_arrow\(\)"):
        getattr(rows, way)()


def test_a_batch_has_rows():
    """None, or fewer, are no batch."""
    assert at_once(1) == 1
    assert next(Once(pa.table({"a": [1, 2]})).batches(10**30)).num_rows == 2
    for rows in (0, -1, True):
        with pytest.raises(UsageError, match=f"not {rows}"):
            at_once(rows)
    assert list(Once(pa.table({"a": pa.array([], pa.int64())})).batches()) == []
