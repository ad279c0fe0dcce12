"""Of a file only what is wanted is read, and what is read is what was wanted."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from recorder.core.tables import TABLES
from recorder.dataset.reading import Span, distinct, join, opened, read_span, stream_span
from recorder.errors import DataError
from recorder.store.parts import SCHEMAS

TRADES = TABLES["trades"]


@pytest.fixture
def file(tmp_path) -> Path:
    """A hundred trades in groups of ten: of A, then of B, one a microsecond."""
    rows = [
        {
            **dict.fromkeys(SCHEMAS["trades"].names),
            "recv_time": number,
            "product_id": "A" if number < 50 else "B",
            "kind": "update",
            "trade_id": number,
            "side": "BUY",
            "price": 1.0,
            "size": 1.0,
            "ingest_seq": number,
            "connection_id": "c0",
            "recv_ns": number * 1000,
        }
        for number in range(100)
    ]
    path = tmp_path / "product=A" / "some.parquet"
    path.parent.mkdir()
    table = pa.Table.from_pylist(rows, schema=SCHEMAS["trades"])
    pq.write_table(table, path, row_group_size=10)
    return path


@pytest.mark.parametrize(
    ("span", "groups"),
    [
        (Span(), list(range(10))),
        (Span(("A",)), [0, 1, 2, 3, 4]),
        (Span(("B", "C")), [5, 6, 7, 8, 9]),
        (Span(("C",)), []),
        (Span(None, 19_000, 30_000), [1, 2]),
        (Span(None, 19_001, 30_001), [2, 3]),
        (Span(("B",), None, 60_000), [5]),
        (Span(None, 99_000, None), [9]),
        (Span(None, 99_001, None), []),
    ],
)
def test_row_groups_are_skipped_by_their_statistics(file, span, groups):
    """By product and by time; the end of a range is not in it."""
    with opened(file) as parquet:
        assert span.groups(parquet.metadata, range(10)) == groups
    pieces = list(stream_span(file, TRADES, span, None, ["trade_id"], 4))
    ids = [number for piece in pieces for number in piece.column(0).to_pylist()]
    assert ids == [10 * group + number for group in groups for number in range(10)]
    assert all(piece.num_rows <= 4 for piece in pieces)


def test_rows_are_chosen_by_columns_that_are_not_wanted(file):
    """They are read, and not given; the folders of the path become no columns."""
    wanted = (pc.field("product_id") == "B") & (pc.field("recv_ns") < 53_000)
    rows = read_span(file, TRADES, Span(("B",)), wanted, ["price", "trade_id"])
    assert rows.column_names == ["price", "trade_id"]
    assert rows.column("trade_id").to_pylist() == [50, 51, 52]
    assert read_span(file, TRADES, Span(), None).schema.names == SCHEMAS["trades"].names


def test_a_file_without_statistics_is_read_whole(file):
    """Nothing is skipped that nothing is known of."""
    table = pq.ParquetFile(file).read()
    pq.write_table(table, file, write_statistics=False, row_group_size=10)
    wanted = pc.field("recv_ns") >= 95_000
    rows = read_span(file, TRADES, Span(("B",), 95_000), wanted, ["trade_id"])
    assert rows.column(0).to_pylist() == [95, 96, 97, 98, 99]


def test_words_are_counted(file):
    """Of a column of words, as many rows as each has."""
    assert distinct(file, "product_id") == {"A": 50, "B": 50}
    assert distinct(file, "taker_side") == {}


def test_files_are_joined_in_order(file):
    """Whatever order they come in; none at all is an empty table."""
    rows = read_span(file, TRADES, Span(), None)
    both = join(TRADES, [rows.slice(50), rows.slice(0, 50)], None)
    assert both.column("ingest_seq").to_pylist() == list(range(100))
    nothing = join(TRADES, [], ["price", "ingest_seq"])
    assert nothing.schema.names == ["price", "ingest_seq"]
    assert nothing.num_rows == 0


def test_a_file_that_cannot_be_read_is_told(file, tmp_path):
    """One that is gone is another matter: then the question is asked anew."""
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match=r"some.parquet: cannot be read .* `recorder verify` tells"):
        read_span(file, TRADES, Span(), None)
    with pytest.raises(FileNotFoundError), opened(tmp_path / "gone.parquet"):
        pass
    with pytest.raises(DataError, match="cannot be read"), opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("taker_side", pa.bool_(), "Unsupported cast from bool"),
        ("size", SCHEMAS["trades"].field("size").type, "Casting field 'size' with null values"),
    ],
)
def test_columns_without_any_value_are_looked_at_all_the_same(file, name, kind, said):
    """One of another kind, or that may not be null, is refused as it is where all is read."""
    rows = pq.ParquetFile(file).read()
    at = rows.column_names.index(name)
    rows = rows.set_column(at, pa.field(name, kind), pa.nulls(len(rows), kind))
    pq.write_table(rows, file, row_group_size=10)
    names = ["ingest_seq", name]
    for read in (
        lambda: read_span(file, TRADES, Span(), None, names),
        lambda: list(stream_span(file, TRADES, Span(), None, names, 30)),
    ):
        with pytest.raises(DataError, match=rf"not a file of the table trades \({said}"):
            read()
