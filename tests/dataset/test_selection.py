"""Selections: lazy, checked at once, in pieces and whole the same."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recorder
from recorder.core.tables import TABLES
from recorder.dataset.files import Files, View
from recorder.errors import DataError, IncompleteData, NoInputError, UsageError
from recorder.store.parts import SCHEMAS
from recorder.store.paths import CUTS
from tests.dataset.made import HOUR, HOUR_NS, HOUR_START_NS, SECOND_NS, Recorded
from tests.frames_made import PRODUCTS

SECOND_HOUR = HOUR_START_NS + HOUR_NS


def test_nothing_is_read_before_a_way_out_is_taken(hours, monkeypatch):
    """What is wrong with the words shows at once, what is wrong with the data when it is read."""
    db = recorder.open(hours)
    monkeypatch.setattr("pathlib.Path.open", lambda *_args: pytest.fail("a file was opened"))
    selection = db.level2("BTC-USD", "2026-11-10T19:00", "2026-11-10T20:00", columns=["price"])
    assert (
        repr(selection) == "<level2 of BTC-USD from 2026-11-10T19:00:00Z to 2026-11-10T20:00:00Z>"
    )
    with pytest.raises(UsageError, match=r"'prize' is no column of level2. The columns are recv_"):
        db.level2("BTC-USD", columns=["prize"])
    with pytest.raises(UsageError, match="No column of trades"):
        db.trades("BTC-USD", columns=[])
    with pytest.raises(UsageError, match="ends before it begins: 2026-11-11T00:00:00Z to 2026-11"):
        db.trades("BTC-USD", "2026-11-11", "2026-11-10")
    with pytest.raises(TypeError, match=r"'allow_gap' is no option. The options are columns, live"):
        db.trades("BTC-USD", allow_gap=True)
    for wrong in (5, ["BTC-USD"], b"BTC-USD", "BTC-USD\0", "\udcff", "A" * 300, ("BTC-USD",)):
        for ask in (db.level2, db.heartbeats, db.book, db.top_of_book, db.coverage, db.gaps):
            with pytest.raises(UsageError, match=r"is no product\. Give one id as text"):
                ask(wrong)
    for wrong in ("yesterday", 1.5, None.__class__, True, b"2026"):
        with pytest.raises(UsageError, match="is no time"):
            db.trades("BTC-USD", start=wrong)


def test_columns_are_those_wanted_in_their_order(hours):
    """One or many; the order of rows needs none of them."""
    db = recorder.open(hours)
    rows = db.level2("BTC-USD", columns=["size", "price", "size"], allow_gaps=True).to_arrow()
    assert rows.column_names == ["size", "price"]
    assert db.level2("BTC-USD", columns="kind", allow_gaps=True).to_arrow().column_names == ["kind"]
    whole = db.level2("BTC-USD", allow_gaps=True).to_arrow()
    assert rows.column("price") == whole.column("price")
    assert whole.schema.names == SCHEMAS["level2"].names


@pytest.mark.parametrize("table", list(TABLES))
@pytest.mark.parametrize("rows", [1, 10, 100_000])
def test_batches_are_the_table(hours, table, rows):
    """Any table, of one product and of all, in pieces of any size."""
    db = recorder.open(hours)
    for product in ("BTC-USD", None):
        selection = db.select(table, product, allow_gaps=True)
        whole = selection.to_arrow()
        if rows == 1:
            whole = whole.slice(0, 50)
        batches = []
        for batch in selection.batches(rows):
            assert 0 < batch.num_rows <= rows
            batches.append(batch)
            if rows == 1 and len(batches) == 50:
                break
        assert pa.Table.from_batches(batches, whole.schema).to_pylist() == whole.to_pylist()
    with pytest.raises(UsageError, match="at least one, not 0"):
        next(selection.batches(0))


def test_batches_go_on_when_the_hour_is_sealed_and_its_parts_go(tmp_path, without_sync):
    """Nothing is lost, nothing comes twice."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    for _ in range(4):
        recorded.run(0.5)
    selection = recorder.open(tmp_path).level2("BTC-USD")
    want = selection.to_arrow().column("ingest_seq").to_pylist()
    batches = selection.batches(100)
    got = next(batches).column("ingest_seq").to_pylist()
    recorded.turn()
    for part in recorded.root.parts("level2", HOUR):
        part.path.unlink()
    for batch in batches:
        got += batch.column("ingest_seq").to_pylist()
    assert got[: len(want)] == want
    assert len(set(got)) == len(got)
    recorded.recording.capture.close()


@pytest.mark.parametrize("sealed", [0, 1])
@pytest.mark.parametrize("product", ["BTC-USD", None])
def test_batches_are_of_one_moment_however_long_they_take(tmp_path, without_sync, sealed, product):
    """Hours that are sealed meanwhile are found there; what came since belongs to the next call."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    for hour in range(3):
        recorded.run(0.3)
        recorded.turn(seal=hour < sealed)
    db = recorder.open(tmp_path)
    for table in ("level2", "trades", "heartbeats"):
        selection = db.select(table, None if table == "heartbeats" else product)
        want = selection.to_arrow()
        batches = selection.batches(100)
        got = [next(batches)]
        recorded.run(0.3)
        recorded.turn()
        for hour in range(HOUR, recorded.hour):
            for name in (*TABLES, CUTS):
                for part in recorded.root.parts(name, hour):
                    part.path.unlink()
        got += batches
        assert pa.Table.from_batches(got, want.schema).to_pylist() == want.to_pylist()
    recorded.recording.capture.close()


def test_without_the_open_hour(hours):
    """Sealed hours only: the end is theirs, and a range beyond it is not complete."""
    db = recorder.open(hours)
    sealed = db.trades("BTC-USD", live=False).to_arrow()
    every = db.trades("BTC-USD").to_arrow()
    assert 0 < sealed.num_rows < every.num_rows
    assert max(sealed.column("recv_ns").to_pylist()) < HOUR_START_NS + 2 * HOUR_NS
    start = HOUR_START_NS + 2 * HOUR_NS
    assert db.trades("BTC-USD", start).to_arrow().num_rows
    with pytest.raises(IncompleteData):
        db.trades("BTC-USD", SECOND_HOUR, start + SECOND_NS, live=False).to_arrow()
    tops = db.top_of_book("BTC-USD", SECOND_HOUR, live=False).to_arrow()
    assert max(tops.column("recv_ns").to_pylist()) < start
    assert all(event.recv_ns < start for event in db.replay("BTC-USD", live=False, allow_gaps=True))


def test_every_table_without_a_product_has_those_of_all(hours):
    """In the order of everything recorded."""
    db = recorder.open(hours)
    rows = db.select("trades").to_arrow()
    assert set(rows.column("product_id").to_pylist()) == set(PRODUCTS)
    order = rows.column("ingest_seq").to_pylist()
    assert order == sorted(order)
    of_one = [db.trades(product).to_arrow().num_rows for product in PRODUCTS]
    assert sum(of_one) == rows.num_rows


def test_a_relation_of_a_connection_that_is_given(hours):
    """Then it can be joined there."""
    with duckdb.connect() as con:
        trades = recorder.open(hours).trades("BTC-USD").to_duckdb(con)
        con.register("mine", trades)
        (count,) = con.execute("SELECT count(*) FROM mine").fetchall()
        assert count == (recorder.open(hours).trades("BTC-USD").to_arrow().num_rows,)


# --- bad input -----------------------------------------------------------------------------------


def test_an_empty_root(tmp_path):
    """Nothing is there yet: no error where nothing is the answer, a clear one elsewhere."""
    db = recorder.open(tmp_path)
    assert db.products() == []
    assert db.product_ids() == []
    assert db.hours() == []
    assert db.gaps() == []
    assert db.coverage().num_rows == 0
    assert db.faults().to_arrow().num_rows == 0
    assert list(db.replay(allow_gaps=True)) == []
    asked = [
        lambda: db.trades("BTC-USD").to_arrow(),
        lambda: list(db.trades("BTC-USD").batches()),
        lambda: db.level2("BTC-USD", allow_gaps=True).to_arrow(),
        lambda: db.book("BTC-USD"),
        lambda: db.top_of_book("BTC-USD").to_arrow(),
        lambda: db.bars("1m", "BTC-USD").to_arrow(),
        lambda: db.replay("BTC-USD"),
        lambda: db.gaps("BTC-USD", "level2"),
    ]
    for ask in asked:
        with pytest.raises(NoInputError, match=r"holds no rows yet. Start `recorder run`"):
            ask()


def test_a_root_that_is_none(tmp_path):
    """A file, or nothing."""
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(NoInputError, match="not a directory"):
        recorder.open(path)
    with pytest.raises(NoInputError, match="no such directory"):
        recorder.open(str(tmp_path / "nothing"))


def test_foreign_files_are_passed_over(tmp_path, without_sync):
    """Notes, copies and half-written files under other names are nobody's rows."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.turn()
    recorded.run(1)
    db = recorder.open(tmp_path)
    want = db.level2("BTC-USD").to_arrow()
    part = recorded.root.parts("level2")[-1].path
    sealed = recorded.root.sealed(TABLES["level2"], HOUR, "BTC-USD")
    for path in (
        part.with_name("copy of a part.parquet"),
        part.with_suffix(".parquet.tmp"),
        sealed.with_name("level2-BTC-USD-20261110T19 (1).parquet"),
        tmp_path / "level2" / "product=XYZ-USD" / "notes.txt",
        tmp_path / "commits" / "notes.json",
        tmp_path / "commits" / "202611.json",
        tmp_path / "live" / "level2" / "notes.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1 half written")
    assert db.level2("BTC-USD").to_arrow() == want
    assert db.product_ids() == list(PRODUCTS)
    assert len(db.hours()) == 2
    recorded.recording.capture.close()


@pytest.mark.parametrize("ask", ["selection", "files"])
def test_files_are_listed_anew_where_readers_are_switched_meanwhile(
    tmp_path, without_sync, monkeypatch, ask
):
    """Parts that a switch replaced between the look at the cuts and the list of parts."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.turn(seal=False)
    db = recorder.open(tmp_path)
    real, asked = View.parts, []

    def parts(view, *arguments):
        if not asked:
            recorded.seal()
        asked.append(view)
        return real(view, *arguments)

    monkeypatch.setattr(View, "parts", parts)
    if ask == "selection":
        found = db.level2("BTC-USD").files()
    else:
        found = Files(tmp_path).of("level2", "BTC-USD")
    assert found[0] == recorded.root.sealed(TABLES["level2"], HOUR, "BTC-USD")
    assert len({id(view) for view in asked}) == 2
    recorded.recording.capture.close()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 half written", None])
def test_a_file_that_is_not_whole_is_told_by_name(tmp_path, without_sync, content):
    """With what to do; never fewer rows."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.turn()
    db = recorder.open(tmp_path)
    path = recorded.root.sealed(TABLES["trades"], HOUR, "BTC-USD")
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[: len(whole) - 30] if content is None else content)
    span = (HOUR_START_NS + SECOND_NS // 2, HOUR_START_NS + SECOND_NS)
    with pytest.raises(DataError, match=r"trades-BTC-USD-20261110T19.parquet: .*recorder repair"):
        db.trades("BTC-USD", *span).to_arrow()
    with pytest.raises(DataError, match="trades-BTC-USD-20261110T19"):
        list(db.replay("BTC-USD", *span, channels="trades"))
    assert db.level2("BTC-USD", *span).to_arrow().num_rows
    recorded.recording.capture.close()


def test_another_table_under_our_name_is_told(tmp_path, without_sync):
    """A Parquet file with other columns, or other types."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.turn()
    db = recorder.open(tmp_path)
    path = recorded.root.sealed(TABLES["trades"], HOUR, "BTC-USD")
    path.chmod(0o644)
    for foreign in (
        pa.table({"x": [1]}),
        db.select("heartbeats").to_arrow(),
        pa.table({"product_id": ["BTC-USD"], "recv_ns": ["soon"], "kind": ["update"]}),
    ):
        pq.write_table(foreign, path)
        with pytest.raises(DataError, match=r"not a file of the table trades|cannot be read"):
            db.trades("BTC-USD").to_arrow()
    recorded.recording.capture.close()


def test_an_older_version_of_a_table_has_null_for_what_it_did_not_know(tmp_path, without_sync):
    """And a newer one's columns are left out."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.turn()
    recorded.run(1)
    db = recorder.open(tmp_path)
    want = db.trades("BTC-USD").to_arrow()
    table = TABLES["trades"]
    path = recorded.root.sealed(table, HOUR, "BTC-USD")
    with path.open("rb") as file:
        rows = pq.read_table(file)
    older = rows.drop_columns(["taker_side", "price_text", "sequence"])
    older = older.append_column("mood", pa.array(["fine"] * len(older)))
    path.unlink()
    pq.write_table(older, path, row_group_size=10)
    got = db.trades("BTC-USD").to_arrow()
    assert got.schema == want.schema
    assert got.column("price") == want.column("price")
    begin = len(older)
    assert got.column("taker_side").slice(0, begin).null_count == begin
    assert got.column("taker_side").slice(begin).to_pylist() == (
        want.column("taker_side").slice(begin).to_pylist()
    )
    assert db.trades("BTC-USD", exact=True).to_arrow().num_rows == len(want)
    events = list(db.replay("BTC-USD", channels="trades"))
    assert [event.taker_side for event in events][:begin] == [None] * begin
    with pytest.raises(UsageError, match="'mood' is no column"):
        db.trades("BTC-USD", columns=["mood"])
    recorded.recording.capture.close()
