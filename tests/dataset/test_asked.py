"""SQL through the reader's API has the rows of the tables, and those of one moment."""

import pytest

import recorder
from recorder.errors import DataError, UsageError
from tests.dataset.made import Recorded


def test_it_has_what_the_tables_have(hours):
    """Sealed hours and the open one, by every way out."""
    db = recorder.open(hours)
    ours = db.trades("BTC-USD", columns=["trade_id"], allow_gaps=True).to_arrow()
    found = db.sql("SELECT trade_id FROM trades WHERE product_id = 'BTC-USD' ORDER BY ingest_seq")
    wanted = ours.column(0).to_pylist()
    assert found.to_arrow().column(0).to_pylist() == wanted
    assert found.to_pandas()["trade_id"].tolist() == wanted
    assert found.to_duckdb().fetchall() == [(each,) for each in wanted]
    assert sum(batch.num_rows for batch in found.batches(7)) == len(wanted)
    assert db.sql("SELECT count(*) FROM coverage").to_arrow().column(0).to_pylist() == [
        db.coverage().num_rows
    ]


def test_several_statements_are_one_question(hours):
    """What a variable holds may be asked of a macro; the last statement has the rows."""
    found = recorder.open(hours).sql(
        "SET VARIABLE t = (SELECT max(recv_time) FROM level2); "
        "FROM depth_at('BTC-USD', getvariable('t'), 1)"
    )
    assert found.to_arrow().column("side").to_pylist() == ["bid", "ask"]
    assert repr(found).startswith("<SQL: SET VARIABLE t = ")


@pytest.mark.parametrize("query", [None, "", " ", 5, b"SELECT 1"])
def test_what_is_no_question(hours, query):
    with pytest.raises(UsageError, match="is no SQL"):
        recorder.open(hours).sql(query)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELEC 1", "syntax error"),
        ("FROM nowhere", "The tables are level2"),
        ("COPY trades TO 'x.csv'", "nothing is written"),
        ("SELECT 1; ATTACH 'x.db'", "nothing is written"),
        ("SET VARIABLE a = 1", "gives no rows"),
        ("-- nothing", "gives no rows"),
        ("CREATE TABLE mine (a INTEGER)", "gives no rows"),
        ("SELECT in_gap('BTC-USD', 'book', now())", "'book' is no channel"),
        ("FROM read_csv('/nowhere.csv')", r'"/nowhere.csv": that is no file of '),
        ("SELECT '\udcff'", "no text in UTF-8"),
    ],
)
def test_a_mistake_is_told_as_at_the_prompt(hours, query, told):
    with pytest.raises(UsageError, match=told):
        recorder.open(hours).sql(query).to_arrow()


def test_one_answer_is_of_one_moment(tmp_path, without_sync, monkeypatch):
    """What is published between the look and the query belongs to the next one."""
    recorded = Recorded(tmp_path, seed=5)
    recorded.connect()
    recorded.run(1)
    db = recorder.open(tmp_path)
    found = db.sql(
        "SELECT (SELECT count(*) FROM level2) AS n, (SELECT max(end_time) FROM coverage) AS until"
    )
    before = found.to_arrow()
    now = db._files.now

    def then_more(*, live: bool = True):
        view = now(live=live)
        recorded.run(1)
        return view

    with monkeypatch.context() as patch:
        patch.setattr(db._files, "now", then_more)
        assert found.to_arrow().equals(before)
    after = found.to_arrow()
    assert after["n"][0].as_py() > before["n"][0].as_py()
    assert after["until"][0].as_py() > before["until"][0].as_py()


def test_an_hour_that_is_sealed_meanwhile_is_asked_anew(tmp_path, without_sync, monkeypatch):
    """Sealed files have more rows of it than there were at that moment."""
    recorded = Recorded(tmp_path, seed=5)
    recorded.connect()
    recorded.run(1)
    db = recorder.open(tmp_path)
    now, views = db._files.now, []

    def then_turn(*, live: bool = True):
        views.append(now(live=live))
        if len(views) == 1:
            recorded.run(1)
            recorded.turn()
        return views[-1]

    with monkeypatch.context() as patch:
        patch.setattr(db._files, "now", then_turn)
        (n,) = db.sql("SELECT count(*) AS n FROM level2").to_arrow()["n"].to_pylist()
    assert len(views) == 2
    assert n == db.select("level2", allow_gaps=True).to_arrow().num_rows


def test_a_damaged_file_is_named(tmp_path, without_sync):
    live = Recorded(tmp_path, seed=6)
    live.connect()
    live.run(1)
    part = next((tmp_path / "live/trades").glob("2*.parquet"))
    part.chmod(0o644)
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DataError, match=part.name):
        recorder.open(tmp_path).sql("SELECT max(price) FROM trades").to_arrow()
