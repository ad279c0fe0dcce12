"""`recorder.sql` beside the reader's API, plain loops, and a recording that goes on."""

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recorder
from recorder.core.tables import LEVEL2, TABLES, TRADES
from recorder.dataset.coverage import GOING_ON
from recorder.errors import DataError
from recorder.recovery import advance
from recorder.store.parts import SCHEMAS, write_empty_parts, write_file
from recorder.store.paths import Root
from recorder.store.publish import make_folder
from recorder.store.seal import EARLIER_US, sealed_before, switch
from recorder.store.views import NAME, publish_views, views
from recorder.verify import verify
from tests import test_readers as readers
from tests.frames_made import HOUR, PRODUCTS
from tests.store.asking import HOUR_S, STATES, ask, at, record, session

# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in TABLES if name != "coverage"])
def test_a_view_has_every_row_of_the_table(data, name):
    """Values, types and order are those of the API; times are typed, and in UTC."""
    with session(data) as con:
        found = con.sql(f"SELECT * EXCLUDE (date, hour) FROM {name}").to_arrow_table()
        types = {row[0]: row[1] for row in con.execute(f"DESCRIBE {name}").fetchall()}
    ours = recorder.open(data).select(name, allow_gaps=True).to_arrow()
    assert found.column_names == SCHEMAS[name].names
    for field in SCHEMAS[name]:
        if pa.types.is_timestamp(field.type):
            assert types[field.name] == "TIMESTAMP WITH TIME ZONE"
    assert types["date"] == "DATE"
    assert types["hour"] == "INTEGER"
    order = TABLES[name].order
    found, ours = (
        sorted(rows.to_pylist(), key=lambda row: (row[order], str(row))) for rows in (found, ours)
    )
    assert found == ours


def test_coverage_is_that_of_the_reader(data):
    """With what is going on, and without what a later hour took back."""
    found = ask(data, "SELECT * EXCLUDE (date, hour) FROM coverage")
    ours = [tuple(row.values()) for row in recorder.open(data).coverage().to_pylist()]
    assert sorted(found, key=str) == sorted(ours, key=str)
    assert any(GOING_ON in row for row in found) == (STATES.index(state_of(data)) < 3)


def state_of(data: Path) -> str:
    root = Root(data)
    switched = sealed_before(root)
    if switched is None:
        return "sealed, not switched" if root.committed_hours() else "open"
    return "sealed" if switched == HOUR + 2 else "sealed and open"


# --- at all times --------------------------------------------------------------------------------


def test_a_directory_in_which_nothing_was_recorded_yet(tmp_path):
    """Every view and macro answers before the first part, and before the first seal."""
    root = Root(tmp_path)
    publish_views(root)
    with duckdb.connect() as con:
        con.execute((tmp_path / NAME).read_text())
        for name in TABLES:
            assert con.execute(f"FROM {name}").fetchall() == []
        for question in ("book_at('BTC-USD', now())", "depth_at('BTC-USD', now(), 3)",
                         "trades_of('BTC-USD', '2020-01-01', now())",
                         "ohlcv('BTC-USD', '1m', '2020-01-01', now())"):  # fmt: skip
            assert con.execute(f"FROM {question}").fetchall() == []
        nothing = con.execute("FROM top_of_book('BTC-USD', '2020-01-01', now())").fetchall()
        assert [row[1:5] for row in nothing] == [(None,) * 4]
        assert con.execute(
            "SELECT in_gap('BTC-USD', 'level2', now()), book_valid('BTC-USD', now())"
        ).fetchall() == [(False, False)]


def test_the_first_moment_of_an_hour(tmp_path, monkeypatch):
    """An hour without a part yet has the book of the hour before; then its own."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    root = record(tmp_path, "open")
    for part in [part for name in TABLES for part in root.parts(name, HOUR + 1)]:
        part.path.unlink()
    last = "(SELECT max(recv_time) + INTERVAL 1 microsecond FROM level2)"
    book, newest = ask(
        root, f"SET VARIABLE t = {last}",
        f"SELECT (SELECT count(*) FROM book_at('BTC-USD', '{at(3, HOUR + 1)}')), "
        "(SELECT count(*) FROM book_at('BTC-USD', getvariable('t')))",
    )[0]  # fmt: skip
    assert book == newest > 50


def test_it_works_from_anywhere_and_when_moved(tmp_path, monkeypatch):
    """The path is absolute; a directory that was moved is named by a variable. No path is odd."""
    odd = tmp_path / "it's [1] odd*?"
    root = Root(odd / "data")
    record(root.path, "sealed and open")
    publish_views(root)
    expected = ask(root, "SELECT count(*) FROM level2")
    monkeypatch.chdir("/")
    text = (root.path / NAME).read_text()
    with duckdb.connect() as con:
        con.execute(text)
        assert con.execute("SELECT count(*) FROM level2").fetchall() == expected
    moved = tmp_path / "moved"
    root.path.rename(moved)
    with duckdb.connect() as con:
        con.execute(f"SET VARIABLE recorder_root = '{moved}'")
        con.execute(text)
        assert con.execute("SELECT count(*) FROM level2").fetchall() == expected
        with con.cursor() as cursor:
            cursor.execute(f"SET VARIABLE recorder_root = '{moved}'")
            assert cursor.execute("SELECT count(*) FROM level2").fetchall() == expected


def test_only_the_files_that_are_needed_are_opened(tmp_path):
    """Damage elsewhere does not disturb: by product and hour, by date, by product_id."""
    root = record(tmp_path, "sealed")
    good = root.sealed(LEVEL2, HOUR, "BTC-USD")
    (rows,) = ask(root, f"SELECT count(*) FROM level2_of('BTC-USD', '{at(0)}', '{at(HOUR_S)}')")
    for path in (tmp_path / "level2").rglob("*.parquet"):
        if path != good:
            path.chmod(0o644)
            path.write_bytes(b"PAR1 no Parquet file PAR1")
    day = good.parent.parent.name.removeprefix("date=")
    with session(root) as con:
        for question in (
            f"level2_of('BTC-USD', '{at(0)}', '{at(HOUR_S)}')",
            f"level2 WHERE product_id = 'BTC-USD' AND date = '{day}' AND hour = {HOUR % 24}",
        ):
            assert con.execute(f"SELECT count(*) FROM {question}").fetchall() == [rows]
        assert con.execute(f"FROM book_at('BTC-USD', '{at(HOUR_S - 1)}') LIMIT 1").fetchall()
        assert con.execute(
            f"FROM top_of_book('BTC-USD', '{at(HOUR_S - 3)}', '{at(HOUR_S)}') LIMIT 1"
        ).fetchall()
        with pytest.raises(duckdb.Error):
            con.execute("SELECT max(price) FROM level2").fetchall()


def test_a_file_that_is_gone_is_no_silence(tmp_path):
    """A sealed file that the commit record names must be there."""
    root = record(tmp_path, "sealed")
    with session(root) as con:
        root.sealed(TRADES, HOUR, "BTC-USD").unlink()
        for question in ("trades", f"trades_of('BTC-USD', '{at(0)}', '{at(HOUR_S)}')"):
            with pytest.raises(duckdb.IOException, match="trades-BTC-USD"):
                con.execute(f"SELECT max(price) FROM {question}").fetchall()


def test_versions_are_read_by_name(tmp_path):
    """An older file lacks a column, a newer one has one more, another order: all are read."""
    root = record(tmp_path, "sealed")
    before = ask(root, "SELECT trade_id, price FROM trades ORDER BY ALL")
    for product, change in (
        ("BTC-USD", lambda rows: rows.drop_columns(["size_text", "taker_side"])),
        ("ETH-USD", lambda rows: rows.append_column("new", pa.array(["x"] * len(rows)))),
    ):
        path = root.sealed(TRADES, HOUR, product)
        with path.open("rb") as file:
            rows = pq.read_table(file)
        path.chmod(0o644)
        pq.write_table(change(rows.select(rows.column_names[::-1])), path)
    assert ask(root, "SELECT trade_id, price FROM trades ORDER BY ALL") == before
    missing = "SELECT count(*) FROM trades WHERE taker_side IS NULL AND product_id = 'BTC-USD'"
    assert ask(root, missing)[0][0] > 0


def test_what_is_not_ours_is_not_read(tmp_path):
    """Files that no commit record names, and foreign ones among ours."""
    root = record(tmp_path, "sealed and open")
    before = ask(root, "SELECT count(*) FROM trades")
    stray = root.sealed(TRADES, HOUR - 1, "BTC-USD")
    make_folder(stray.parent)
    rows = recorder.open(root.path).select("trades", "BTC-USD", allow_gaps=True).to_arrow()
    write_file(stray, TRADES, rows, {})
    (root.sealed(TRADES, HOUR, "BTC-USD").parent / "copy.parquet").write_bytes(stray.read_bytes())
    (root.live / "trades" / "notes.txt").write_text("mine")
    assert ask(root, "SELECT count(*) FROM trades") == before
    assert ask(root, f"SELECT count(*) FROM trades_of('BTC-USD', '{at(-9e4)}', '{at(0)}')") == [
        (0,)
    ]


# --- the file ------------------------------------------------------------------------------------


def test_it_is_published_whole_and_known(tmp_path):
    """Published like everything else, once for what it says; `recorder verify` knows it."""
    root = record(tmp_path, "sealed")
    publish_views(root)
    path = root.path / NAME
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(root.staging.iterdir()) == []
    assert path.read_text() == views(root)
    written = path.stat().st_ino
    publish_views(root)
    assert path.stat().st_ino == written
    report = verify(root.path)
    assert report.findings == []
    assert not [note for note in report.notes if NAME in str(note)]


def test_it_is_small_and_grows_with_what_changes(tmp_path):
    """Hours are ranges: a thousand more of the same products are no longer text."""
    root = record(tmp_path, "sealed")
    before = len(views(root))
    record_ = root.commit(HOUR + 1).read_text()
    for hour in range(HOUR + 2, HOUR + 300):
        root.commit(hour).write_text(record_)
    switch(root, HOUR + 300)
    assert len(views(root)) - before < 100


def test_what_cannot_be_read_is_said(tmp_path):
    """A damaged commit record or switch; the file that is there stays."""
    root = record(tmp_path, "sealed")
    publish_views(root)
    text = (root.path / NAME).read_text()
    root.commit(HOUR).write_text("{}")
    with pytest.raises(DataError, match=r"not a commit record.*recorder repair"):
        views(root)
    publish_views(root)
    assert (root.path / NAME).read_text() == text
    root.current.write_text("{")
    with pytest.raises(DataError, match=r"current\.json"):
        views(root)
    with duckdb.connect() as con:
        con.execute(text)
        with pytest.raises(duckdb.Error, match=r"current\.json is not readable: run recorder"):
            con.execute("FROM trades").fetchall()


# --- the switch ----------------------------------------------------------------------------------


def test_who_began_before_a_switch_keeps_to_the_one_before(tmp_path):
    """A query that may have listed files before a switch is judged by what was true then."""
    root = record(tmp_path, "sealed, not switched")
    expected = ask(root, "SELECT count(*) FROM level2")[0][0]
    with session(root) as con:
        con.execute("BEGIN")  # its time is that of the transaction
        assert con.execute("SELECT recorder_switch() < 0").fetchall() == [(True,)]
        switch(root, HOUR + 1)
        for part in root.parts("level2", HOUR + 1):
            part.path.rename(part.path.with_suffix(".aside"))
        assert con.execute("SELECT recorder_switch() < 0").fetchall() == [(True,)]
        con.execute("COMMIT")
        assert con.execute("SELECT recorder_hour_of(recorder_switch())").fetchall() == [(HOUR + 1,)]
        for part in (root.live / "level2").glob("*.aside"):
            part.rename(part.with_suffix(".parquet"))
        assert con.execute("SELECT count(*) FROM level2").fetchall() == [(expected,)]
    advance(root, HOUR + 2)
    earlier = json.loads(root.current.read_text())["earlier"]
    assert [each["hour"] for each in earlier] == [None, "2026111020"]
    assert earlier[0]["until_us"] < earlier[1]["until_us"] <= time.time_ns() // 1000
    assert EARLIER_US == 60_000_000


QUESTIONS = 500
DEADLINE_S = 300


class SlowWriter(readers.Writer):
    """Goes on with its hours as questions are answered: few rows, and many turns."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._published = 0

    def _publish(self, recording) -> None:
        super()._publish(recording)
        self._published += 1
        end_s = time.monotonic() + DEADLINE_S
        while self.asked < min(self._published * QUESTIONS / (readers.HOURS * 7), QUESTIONS):
            assert time.monotonic() < end_s
            time.sleep(0.001)


class Asker:
    """Asks through a session that has read `recorder.sql` once, or that reads it again."""

    def __init__(self, writer: readers.Writer, number: int) -> None:
        self._writer = writer
        self._number = number
        self.asked = Counter[str]()
        self.again = 0
        self.finished = False

    def run(self) -> None:
        """Ask until the writer is done; pytest tells what goes wrong in a thread."""
        try:
            con = self._session()
            while not self._writer.done:
                number = self._number + self.asked.total()
                if self._number % 2 and number % 8 == 0:
                    con.close()
                    con = self._session()
                self._writer.begin_to_ask()
                self._ask(con, number)
                self._writer.asking.pop(threading.get_ident(), None)
                self._writer.asked += 1
            self.finished = True
        finally:
            self._writer.asking.pop(threading.get_ident(), None)

    def _session(self) -> duckdb.DuckDBPyConnection:
        self._writer.begin_to_ask()
        con = session(self._writer.root)
        # The hours of this test are not those of the clock.
        con.execute(
            f"SET VARIABLE recorder_open = {{hours: range({HOUR}, {HOUR + 300}), since: {HOUR}}}"
        )
        return con

    def _ask(self, con: duckdb.DuckDBPyConnection, number: int) -> None:
        table, product = ("level2", "trades")[number % 2], PRODUCTS[number // 2 % 2]
        source = (
            table if number % 3 else f"{table}_of('{product}', '{at(0)}', '{at(0, HOUR + 300)}')"
        )
        before = len(self._writer.published.numbers[table, product])
        try:
            found = con.execute(
                f"SELECT ingest_seq FROM {source} WHERE product_id = '{product}' ORDER BY ALL"
            ).fetchall()
        except duckdb.IOException:
            # A session that is older than a switch lists the parts that go an hour after it.
            self.again += 1
            return
        self.asked[source.partition("(")[0]] += 1
        checked = SimpleNamespace(_writer=self._writer)
        readers.Reader._check(checked, [row[0] for row in found], table, product, before)


def test_every_answer_is_whole_while_hours_are_sealed(tmp_path, monkeypatch):
    """Sessions of any age beside seals and switches: every row once, none missing, none twice."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)
    monkeypatch.setattr(readers, "QUERIES", QUESTIONS)
    write_empty_parts(Root(tmp_path))
    writer = SlowWriter(tmp_path)
    askers = [Asker(writer, number) for number in range(3)]
    threads = [threading.Thread(target=each.run) for each in (writer, *askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    if writer.error is not None:
        raise writer.error
    assert all(each.finished for each in askers)
    asked = sum((each.asked for each in askers), Counter[str]())
    again = sum(each.again for each in askers)
    print(f"{asked.total()} answers over {writer.hours} hours: {dict(asked)}; again {again}")
    assert set(asked) == {"level2", "trades", "level2_of", "trades_of"}
    assert writer.turns["switch"] >= readers.HOURS
    assert asked.total() >= QUESTIONS
    assert again < asked.total() / 10


@pytest.mark.parametrize("wrong", ["no history", "switch at writing"])
def test_the_construction_is_needed(tmp_path, wrong):
    """What the questions above would find if the switch were taken as it is now, or was then."""
    root = record(tmp_path, "sealed, not switched")
    text = views(root)
    if wrong == "no history":
        text = text.replace("SELECT seq FROM kept", "SELECT NULL::BIGINT AS seq")
    else:
        text = text.replace("file), \n", "").replace(
            "(SELECT recorder_seq(recorder_from_stamp(record ->> 'hour')) FROM file)",
            "NULL::BIGINT",
        )
    with duckdb.connect() as con:
        con.execute(text)
        con.execute("BEGIN")
        con.execute("SELECT now()").fetchall()
        switch(root, HOUR + 1)
        seen = con.execute("SELECT recorder_switch() < 0").fetchall() == [(True,)]
        con.execute("COMMIT")
        now = con.execute("SELECT recorder_switch() < 0").fetchall() == [(True,)]
    assert (seen, now) == ((False, False) if wrong == "no history" else (True, True))
