"""Queries over a data directory."""

import os
import shutil
import signal
import threading
import time

import duckdb
import pytest

import recorder
from recorder.core.tables import LEVEL2, TABLES, TRADES
from recorder.errors import DataError, NoInputError, UsageError
from recorder.queries import ROWS_AT_ONCE, Queries
from recorder.store.paths import Root
from recorder.store.seal import seal_hour, switch
from tests.damages import OPEN, SEALED, record_hours


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Root:
    return record_hours(tmp_path_factory.mktemp("queries") / "data")


@pytest.fixture
def own(root, tmp_path) -> Root:
    """A copy, to do things to."""
    shutil.copytree(root.path, tmp_path / "own")
    return Root(tmp_path / "own")


def rows(queries: Queries, question: str) -> list[tuple]:
    return list(queries.run(question).rows)


def run_all(queries: Queries, text: str) -> None:
    for statement in queries.statements(text):
        rows(queries, statement)


def test_tables_hold_what_the_reader_has(root):
    """Sealed hours and the open one as one, more rows than are fetched at once."""
    ours = recorder.open(root.path).select("level2", allow_gaps=True).to_arrow()
    with Queries(root.path) as queries:
        answer = queries.run("SELECT ingest_seq, kind FROM level2 ORDER BY ALL")
        assert answer.columns == [("ingest_seq", "BIGINT"), ("kind", "VARCHAR")]
        found = list(answer.rows)
        assert len(found) > ROWS_AT_ONCE
        assert [row[0] for row in found] == sorted(ours.column("ingest_seq").to_pylist())
        assert queries.tables.keys() == TABLES.keys()
        for name in TABLES:
            known = {each.name for each in TABLES[name].columns}
            assert known <= dict(queries.columns(name)).keys()


def test_macros_tell_what_they_take_and_give(root):
    """Each that recorder.sql has for readers, by all its forms, with a sentence."""
    with Queries(root.path) as queries:
        found = {(each.name, each.parameters): each.meaning for each in queries.macros()}
    forms = {
        ("book_at", ("product", "t")), ("depth_at", ("product", "t", "n")),
        ("book_valid", ("product", "t")), ("in_gap", ("product", "channel", "t")),
        ("in_gap", ("product", "channel", "t", "from", "to")),
        ("ohlcv", ("product", "interval", "from", "to")),
        *((name, ("product", "from", "to")) for name in ("top_of_book", "spread", "coverage_of")),
        *((f"{name}_of", ("product", "from", "to"))
          for name, each in TABLES.items() if each.per_product),
    }  # fmt: skip
    assert found.keys() == forms
    assert all(each.endswith(".") and len(each) > 20 for each in found.values())


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM trades", '"nothing" not found'),
        ("FROM nowhere", "The tables are level2, trades"),
        ("FROM book_att('BTC-USD', now())", r"Did you mean \"book_at\".*lists the macros"),
        ("FROM book_at('BTC-USD')", r"Candidate macros: book_at\(product, t\)"),
        ("FROM book_at((SELECT 'BTC-USD'), now())", "constants here: SET VARIABLE t"),
        ("FROM trades t, level2_of(t.product_id, '2026-01-01', now())", "SET VARIABLE t"),
        ("FROM trades_of('BTC-USD', 'yesterday', now())", "yesterday"),
        ("SELECT in_gap('BTC-USD', 'level3', now())", r"^in_gap\(\): 'level3' is no channel"),
        ("FROM depth_at('BTC-USD', now(), 0)", r"^depth_at\(\): n is 0. Give how many levels"),
        (
            "FROM ohlcv('BTC-USD', '0s', '2026-01-01', now())",
            r"^ohlcv\(\): '0s' is no length of bars",
        ),
        ("SELECT 9223372036854775807 + 1::BIGINT", "Overflow"),
        ("SELECT 'x'::INTEGER", "Could not convert"),
        ("FROM read_csv('/nowhere.csv')", r'"/nowhere.csv": that is no file of '),
        ("FROM read_parquet('nowhere.parquet')", "that is no file of "),
        ("SELECT '\udcff'", "no text in UTF-8"),
    ],
)
def test_a_mistake_is_one_readable_line(root, statement, told):
    """With what to do; it is the person's, not the data's."""
    with Queries(root.path) as queries, pytest.raises(UsageError, match=told) as caught:
        run_all(queries, statement)
    assert "\n" not in str(caught.value)
    assert "verify" not in str(caught.value)


def test_a_file_that_went_meanwhile_is_named(own):
    """So that whoever asks again says which, where it does not come back."""
    with Queries(own.path) as queries:
        sealed = next(own.path.glob("trades/*/*/*/*.parquet"))
        sealed.unlink()
        with pytest.raises(FileNotFoundError) as caught:
            queries.table("SELECT count(*) FROM trades", "9", '{"tracks": []}')
    assert caught.value.filename == str(sealed)


def test_a_file_of_the_directory_that_is_gone_is_no_mistake(root, tmp_path):
    """Also where its path has what a pattern is made of."""
    there = tmp_path / "da[t]a"
    shutil.copytree(root.path, there)
    with Queries(there) as queries:
        sealed = next(each for each in there.glob("trades/*/*/*/*.parquet"))
        sealed.unlink()
        with pytest.raises(DataError, match=sealed.name):
            rows(queries, "SELECT count(*) FROM trades")


@pytest.mark.parametrize(
    "statement",
    [
        "COPY trades TO '{there}'", "COPY (SELECT 1) TO '{there}' (FORMAT parquet)",
        "EXPORT DATABASE '{there}'", "IMPORT DATABASE '{there}'", "ATTACH '{there}'",
        "INSTALL httpfs", "LOAD httpfs", "EXPLAIN ANALYZE COPY (SELECT 1) TO '{there}'",
        "EXPLAIN (ANALYZE, FORMAT JSON) COPY (SELECT 1) TO '{there}'",
        "PREPARE it AS COPY (SELECT 1) TO '{there}'", "EXECUTE it",
        "SET log_query_path = '{there}'", "SET profiling_output = '{there}'",
        "PRAGMA profile_output = '{there}'",
        "CALL enable_logging(storage = 'file', storage_path = '{there}')",
        "CREATE PERSISTENT SECRET (TYPE s3)", "SET secret_directory = '{there}'",
        "SELECT 1; COPY (SELECT 1) TO '{there}'",
    ],
)  # fmt: skip
def test_nothing_is_written(root, tmp_path, statement):
    """What could write a file, or fetch one, is refused in whatever dress."""
    there = tmp_path / "there"
    with Queries(root.path) as queries, pytest.raises(UsageError, match="nothing is written"):
        run_all(queries, statement.format(there=there))
    assert list(tmp_path.iterdir()) == []


def test_tables_of_ones_own_live_in_memory(root):
    """They may be made and dropped; the next statement finds them."""
    with Queries(root.path) as queries:
        rows(queries, "CREATE TABLE mine AS SELECT * FROM trades LIMIT 7")
        rows(queries, "SET VARIABLE t = (SELECT max(recv_time) FROM level2)")
        assert rows(queries, "SELECT count(*) FROM mine") == [(7,)]
        assert rows(queries, "SELECT count(*) > 10 FROM book_at('BTC-USD', getvariable('t'))") == [
            (True,)
        ]


def test_an_hour_that_is_sealed_meanwhile_is_read_where_it_is(own):
    """A session that goes on takes up what has changed places, and needs no help."""
    with Queries(own.path) as queries:
        before = rows(queries, "SELECT count(*), count(DISTINCT ingest_seq) FROM level2")
        seal_hour(own, OPEN)
        assert rows(queries, "SELECT count(*), count(DISTINCT ingest_seq) FROM level2") == before
        switch(own, OPEN + 1)
        for name in TABLES:
            for part in own.parts(name, OPEN):
                part.path.unlink()
        assert rows(queries, "SELECT count(*), count(DISTINCT ingest_seq) FROM level2") == before
    assert before[0][0] == before[0][1] > 0


def test_a_directory_without_anything_is_no_error(tmp_path):
    """Not even the empty files are there, and none is made."""
    (tmp_path / "data").mkdir()
    with Queries(tmp_path / "data") as queries:
        for name in TABLES:
            assert rows(queries, f"FROM {name}") == []
        assert rows(queries, "FROM book_at('BTC-USD', now())") == []
    assert list((tmp_path / "data").iterdir()) == []


def test_no_directory_is_said(tmp_path):
    """Neither none, nor a file of that name."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(NoInputError, match=r"no such directory.*recorder run"):
            Queries(path)


@pytest.mark.parametrize("how", ["half", "empty", "foreign", "gone"])
def test_a_damaged_file_is_named(own, how):
    """With where to look; other hours and products are read all the same."""
    path = own.sealed(TRADES, SEALED, "BTC-USD")
    path.chmod(0o644)
    content = path.read_bytes()
    spoilt = {"half": content[: len(content) // 2], "empty": b"", "foreign": b"not ours" * 9}
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(spoilt[how])
    with Queries(own.path) as queries:
        with pytest.raises(DataError, match=rf"{path.name}.*`recorder verify`"):
            rows(queries, "SELECT sum(price) FROM trades")
        assert rows(queries, "SELECT count(*) > 0 FROM level2") == [(True,)]
        other = "trades_of('ETH-USD', '2026-11-10T20:00', '2026-11-10T21:00')"
        assert rows(queries, f"SELECT count(price) > 0 FROM {other}") == [(True,)]


def test_a_file_without_which_no_view_can_be_made_is_named(own):
    for path in own.path.glob("status/date=*/hour=*/*.parquet"):
        path.unlink()
    with pytest.raises(DataError, match=r"status-.*`recorder verify`"), Queries(own.path):
        pass


def test_files_half_written_and_of_others_are_passed_over(own):
    """In staging, among the parts, beside sealed files, in folders of their own."""
    with Queries(own.path) as queries:
        before = rows(queries, "SELECT count(*) FROM level2")
    part = own.parts("level2", OPEN)[-1].path
    half = part.read_bytes()[:100]
    own.staging.mkdir(exist_ok=True)
    sealed = own.sealed(LEVEL2, SEALED, "BTC-USD")
    for path in (
        own.staging / part.name, part.with_name("copy.parquet"),
        part.with_name(part.stem + "-1.parquet"), part.with_name(part.name + ".tmp"),
        part.with_name("2026111019-x.parquet"), sealed.with_name("copy.parquet"),
        sealed.with_name(sealed.name.replace("BTC-USD", "BTC-USD (1)")),
    ):  # fmt: skip
        path.write_bytes(half)
    whole = sealed.with_name(sealed.name.replace("BTC-USD", "BTC-USD (2)"))
    shutil.copy(sealed, whole)
    (own.path / "level2" / "product=FOREIGN" / "date=2026-11-10" / "hour=19").mkdir(parents=True)
    with Queries(own.path) as queries:
        assert rows(queries, "SELECT count(*) FROM level2") == before


def test_a_copy_beside_an_hour_that_is_looked_for_is_not_read(own):
    """Hours that were sealed after the views were made are found by pattern, and only ours are."""
    text_before = duckdb.connect()
    with Queries(own.path) as queries:
        before = rows(queries, "SELECT count(*) FROM level2")
        held = queries._text
    seal_hour(own, OPEN)
    switch(own, OPEN + 1)
    sealed = own.sealed(LEVEL2, OPEN, "BTC-USD")
    shutil.copy(sealed, sealed.with_name(sealed.name.replace("BTC-USD", "BTC-USD (2)")))
    with text_before as con:
        con.execute(held)
        con.execute(f"SET VARIABLE recorder_open = {{hours: [{OPEN}], since: {OPEN}}}")
        time.sleep(0.01)
        assert con.execute("SELECT count(*) FROM level2").fetchall() == before


def test_ctrl_c_stops_a_query_at_once(root):
    """And the session goes on."""
    with Queries(root.path) as queries:
        stop = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
        stop.start()
        began_s = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            rows(queries, "SELECT count(*) FROM range(100000000000) AS t(n) WHERE n % 7 = 8")
        assert time.monotonic() - began_s < 60  # whole, it takes minutes
        stop.join()
        assert rows(queries, "SELECT 42") == [(42,)]


def test_ctrl_c_while_a_query_is_handed_over_stops_it(root, monkeypatch):
    """It may come when the thread has the query and we are not told yet."""
    with Queries(root.path) as queries:
        hand_over, interrupts = queries._thread.submit, iter([True])

        def submit(act):
            future = hand_over(act)
            if next(interrupts, False):
                raise KeyboardInterrupt
            return future

        monkeypatch.setattr(queries._thread, "submit", submit)
        with pytest.raises(KeyboardInterrupt):
            queries.run("SELECT count(*) FROM range(100000000000) AS t(n) WHERE n % 7 = 8")
        assert rows(queries, "SELECT 42") == [(42,)]
