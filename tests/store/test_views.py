"""`recorder.sql` beside the reader's API, plain loops, and a recording that goes on."""

import json
import os
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recorder
from recorder.core.frames import hour_base
from recorder.core.tables import LEVEL2, TABLES, TRADES
from recorder.dataset.coverage import GOING_ON
from recorder.errors import DataError, NoInputError
from recorder.recording import Recording
from recorder.recovery import advance
from recorder.store.parts import SCHEMAS, write_cut, write_empty_parts, write_file, write_part
from recorder.store.paths import Root
from recorder.store.publish import make_folder
from recorder.store.retire import retire
from recorder.store.seal import EARLIER_US, seal_hour, sealed_before, switch
from recorder.store.views import NAME, publish_views, views
from recorder.verify import verify
from tests import test_readers as readers
from tests.frames_made import HOUR, HOUR_START_NS, PRODUCTS, SECOND_NS, WANTED, Made

STATES = ("open", "sealed and open", "sealed, not switched", "sealed")
HOUR_S = 3600


def at(seconds: float, hour: int = HOUR) -> str:
    """A moment of an hour as a person writes it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour, seconds=seconds)
    return moment.isoformat()


def ask(root: Path | Root, *statements: str) -> list[tuple[Any, ...]]:
    """What the last statement gives in a new session."""
    with session(root) as con:
        for statement in statements[:-1]:
            con.execute(statement)
        return con.execute(statements[-1]).fetchall()


def session(root: Path | Root) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(views(root if isinstance(root, Root) else Root(root)))
    return con


def record(path: Path, state: str) -> Root:
    """Two hours: a lost connection, frames that were lost, a turn, another lost connection."""
    root = Root(path)
    write_empty_parts(root)
    made = Made(3, HOUR_START_NS + (HOUR_S - 12) * SECOND_NS, rate=2)
    recording = Recording(root, made.now_ns, WANTED)

    def take(arrivals):
        for arrival in arrivals:
            recording.take(arrival)
        recording.flush()

    take(made.open("c0"))
    take(made.run(4))
    made.skip("c0")
    take(made.run(1))
    take(made.close("c0"))
    made.wait(0.5)
    take(made.open("c1"))
    take(made.run(8.5))
    take(made.close("c1"))
    made.wait(1)
    take(made.open("c2"))
    take(made.run(2))
    if state in ("sealed and open", "sealed"):
        seal_hour(root, HOUR)
        switch(root, HOUR + 1)
    if state == "sealed, not switched":
        seal_hour(root, HOUR)
    if state == "sealed":
        recording.stop(recording.last_ns)
        recording.flush()
        seal_hour(root, HOUR + 1)
        switch(root, HOUR + 2)
        retire(root, time.time() + 10**7, None)
    recording.capture.close()
    return root


@pytest.fixture(scope="module", params=STATES)
def data(request, tmp_path_factory) -> Path:
    """The same recording in all the states that it can be found in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        return record(tmp_path_factory.mktemp("views"), request.param).path


MOMENTS = [
    at(each)
    for each in (
        *(HOUR_S - 12.5, HOUR_S - 11.9, HOUR_S - 10, HOUR_S - 7.5, HOUR_S - 6.7, HOUR_S - 3),
        *(HOUR_S - 0.000001, HOUR_S, HOUR_S + 0.000001, HOUR_S + 1.5, HOUR_S + 2.6, HOUR_S + 4),
    )
]


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
    key = lambda row: (row[TABLES[name].order], str(row))  # noqa: E731
    assert sorted(found.to_pylist(), key=key) == sorted(ours.to_pylist(), key=key)


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


@pytest.mark.parametrize("table", [name for name, each in TABLES.items() if each.per_product])
def test_a_range_of_a_product(data, table):
    """From is inclusive, to is not; both may lie anywhere."""
    rows = recorder.open(data).select(table, "ETH-USD", allow_gaps=True).to_arrow()
    received = list(zip(*(rows.column(name).to_pylist() for name in ("recv_ns", "ingest_seq"))))  # noqa: B905
    with session(data) as con:
        for start, end in (*pairwise(MOMENTS), (MOMENTS[0], MOMENTS[-1]), (at(0), at(9e6))):
            found = con.execute(
                f"SELECT ingest_seq FROM {table}_of('ETH-USD', '{start}', '{end}') ORDER BY ALL"
            ).fetchall()
            assert [row[0] for row in found] == [
                number for ns, number in received if at_ns(start) <= ns < at_ns(end)
            ]
        assert (
            con.execute(f"FROM {table}_of('ETH-USD', '{MOMENTS[5]}', '{MOMENTS[3]}')").fetchall()
            == []
        )
        assert con.execute(f"FROM {table}_of('no/such *', '{at(0)}', '{at(9e6)}')").fetchall() == []


def at_ns(moment: str) -> int:
    since = datetime.fromisoformat(moment) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since // timedelta(microseconds=1)) * 1000


# --- books ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", MOMENTS)
def test_book_at_is_the_book_of_the_reader(data, moment):
    """Every level of both sides, best first, and whether it can be trusted."""
    db = recorder.open(data)
    with session(data) as con:
        for product in PRODUCTS:
            rows = con.execute(f"FROM book_at('{product}', '{moment}')").fetchall()
            (valid,) = con.execute(f"SELECT book_valid('{product}', '{moment}')").fetchall()[0]
            try:
                book = db.book(product, at=moment)
            except NoInputError:
                assert rows == []
                assert valid is False
                continue
            assert valid == book.valid
            for side, levels in (("bid", book.bids), ("ask", book.asks)):
                mine = [row for row in rows if row[0] == side]
                assert [row[1] for row in mine] == list(range(1, len(levels) + 1))
                assert [(row[2], row[3]) for row in mine] == [
                    (float(price), float(size)) for price, size in levels
                ]
            depth = con.execute(f"FROM depth_at('{product}', '{moment}', 3)").fetchall()
            assert [row[:4] for row in depth] == [row[:4] for row in rows if row[1] <= 3]
            total = {"bid": 0.0, "ask": 0.0}
            for side, _, _, size, sum_ in depth:
                total[side] += size
                assert sum_ == pytest.approx(total[side], rel=1e-12)


def test_top_of_book_is_the_best_of_every_moment(data):
    """A row wherever best price or size changed, by a plain walk over the rows; null in gaps."""
    start, end = at(HOUR_S - 13), at(HOUR_S + 9)
    for product in PRODUCTS:
        found = ask(data, f"FROM top_of_book('{product}', '{start}', '{end}')")
        assert [row[1:] for row in found] == walk(data, product, at_ns(start), at_ns(end))
        assert len(found) > 30
        assert all(at_ns(row[0].isoformat()) == row[5] // 1000 * 1000 for row in found)
        for begin, until in ((HOUR_S - 9, HOUR_S - 4), (HOUR_S - 0.5, HOUR_S + 0.5), (0, 1)):
            begin, until = at(begin), at(until)  # noqa: PLW2901
            part = ask(data, f"FROM top_of_book('{product}', '{begin}', '{until}')")
            assert [row[1:] for row in part] == walk(data, product, at_ns(begin), at_ns(until))


def walk(data: Path, product: str, start_ns: int, end_ns: int) -> list[tuple[Any, ...]]:  # noqa: C901, PLR0912
    """The tops by a loop: the book of each connection, as far as its coverage goes."""
    db = recorder.open(data)
    rows = db.select("level2", product, allow_gaps=True).to_arrow().to_pylist()
    told = [
        row for row in db.coverage(product, "level2").to_pylist() if row["state"] != "gap"
    ]  # fmt: skip
    ends = {}
    for row in told:
        until = at_ns(row["end_time"].isoformat())
        if until % (HOUR_S * SECOND_NS):
            ends[row["connection_id"]] = until + 1000
    books: dict[str, dict[tuple[str, float], float] | None] = {}
    epochs: dict[str, int] = {}
    instants: dict[int, tuple[Any, ...]] = {}
    events = sorted(
        [(row["recv_ns"], 1, row["ingest_seq"], row) for row in rows]
        + [(until, 0, 0, line) for line, until in ends.items()],
        key=lambda event: event[:3],
    )

    def top() -> tuple[Any, ...]:
        live = [line for line in books if books[line] is not None]
        if not live:
            return (None, None, None, None)
        book = books[max(live, key=lambda line: epochs[line])]
        best = []
        for side, choose in (("bid", max), ("ask", min)):
            prices = [price for of, price in book if of == side]
            best += [choose(prices), book[side, choose(prices)]] if prices else [None, None]
        return tuple(best)

    instants[start_ns] = (None,) * 4
    for index, (ns, _, _, what) in enumerate(events):
        if ns >= end_ns:
            break
        if isinstance(what, str):
            books[what] = None
        elif what["book_epoch"] is None:
            books[what["connection_id"]] = None
        else:
            line = what["connection_id"]
            if books.get(line) is None or epochs[line] != what["book_epoch"]:
                books[line], epochs[line] = {}, what["book_epoch"]
            level = what["side"], what["price"]
            if what["size"] > 0:
                books[line][level] = what["size"]
            else:
                books[line].pop(level, None)
        if index + 1 == len(events) or events[index + 1][0] != ns:
            instants[max(ns, start_ns)] = top()
    shown: list[tuple[Any, ...]] = []
    for ns, values in sorted(instants.items()):
        if not shown or shown[-1][:4] != values:
            shown.append((*values, ns))
    return shown


def test_spread_tells_how_long(data):
    """The seconds of all rows are the range; a row where a best price changed."""
    start, end = at(HOUR_S - 13), at(HOUR_S + 9)
    found = ask(data, f"FROM spread('BTC-USD', '{start}', '{end}')")
    assert sum(row[6] for row in found) == pytest.approx(22)
    assert all(one[1:3] != other[1:3] for one, other in pairwise(found))
    for _, bid, ask_, spread, mid, points, _ in found:
        if bid is not None:
            assert spread == ask_ - bid
            assert mid == pytest.approx((bid + ask_) / 2)
            assert points == pytest.approx(spread / mid * 10000)


# --- trades --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("interval", "width_s"), [("1s", 1), ("5 seconds", 5), ("1 hour", 3600)])
def test_ohlcv_is_what_a_loop_makes(data, interval, width_s):
    """By the trade's own time, in the order of trade ids."""
    start, end = at(HOUR_S - 11), at(HOUR_S + 3)
    rows = recorder.open(data).select("trades", "BTC-USD", allow_gaps=True).to_arrow().to_pylist()
    bars: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["trade_id"]):
        ns = at_ns(row["trade_time"].isoformat())
        if at_ns(start) <= ns < at_ns(end):
            bars.setdefault(ns // (width_s * SECOND_NS), []).append(row)
    found = ask(data, f"FROM ohlcv('BTC-USD', '{interval}', '{start}', '{end}')")
    assert [at_ns(row[0].isoformat()) // (width_s * SECOND_NS) for row in found] == sorted(bars)
    for row, (_, trades) in zip(found, sorted(bars.items()), strict=True):
        prices, volume = [each["price"] for each in trades], sum(each["size"] for each in trades)
        bought = sum(each["size"] for each in trades if each["taker_side"] == "BUY")
        turnover = sum(each["price"] * each["size"] for each in trades)
        assert row[1:5] == (prices[0], max(prices), min(prices), prices[-1])
        assert row[5:8] == pytest.approx((volume, turnover / volume, bought), rel=1e-12, abs=1e-12)
        assert row[8] == len(trades)


# --- gaps ----------------------------------------------------------------------------------------


def test_in_gap_follows_the_ledger(data):
    """Only the state gap counts, wherever its row was noted; for constants and for columns."""
    rows = recorder.open(data).coverage().to_pylist()
    channels = {"level2": "level2", "trades": "market_trades", "heartbeats": "heartbeats"}
    with session(data) as con:
        for moment in MOMENTS:
            when = datetime.fromisoformat(moment)
            for given, channel in channels.items():
                (found,) = con.execute(
                    f"SELECT in_gap('BTC-USD', '{given}', '{moment}')"
                ).fetchall()[0]
                assert found == any(
                    row["state"] == "gap" and row["channel"] == channel
                    and row["product_id"] in ("BTC-USD", None)
                    and row["start_time"] <= when
                    and (when < row["end_time"] or when == row["start_time"])
                    for row in rows
                ), (moment, given)  # fmt: skip
        times = ", ".join(f"('{moment}'::TIMESTAMPTZ)" for moment in MOMENTS)
        columns = con.execute(
            f"SELECT start_time, in_gap('BTC-USD', 'level2', start_time) "
            f"FROM (VALUES {times}) AS moments(start_time)"
        ).fetchall()
        assert [found for _, found in columns] == [
            con.execute(f"SELECT in_gap('BTC-USD', 'level2', '{moment}')").fetchall()[0][0]
            for moment in MOMENTS
        ]


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


class Asker:
    """Asks through a session that has read `recorder.sql` once, or that reads it again."""

    def __init__(self, writer: readers.Writer, number: int) -> None:
        self._writer = writer
        self._number = number
        self.asked = Counter[str]()
        self.again = 0
        self.error: BaseException | None = None

    def run(self) -> None:
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
        except BaseException as error:  # noqa: BLE001  the test's thread raises it
            self.error = error
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
    monkeypatch.setattr(readers, "QUERIES", 60)
    write_empty_parts(Root(tmp_path))
    writer = readers.Writer(tmp_path)
    askers = [Asker(writer, number) for number in range(3)]
    threads = [threading.Thread(target=each.run) for each in (writer, *askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(readers.DEADLINE_S)
        assert not thread.is_alive()
    for each in (writer, *askers):
        if each.error is not None:
            raise each.error
    asked = sum((each.asked for each in askers), Counter[str]())
    again = sum(each.again for each in askers)
    print(f"{asked.total()} answers over {writer.hours} hours: {dict(asked)}; again {again}")
    assert set(asked) == {"level2", "trades", "level2_of", "trades_of"}
    assert writer.turns["switch"] >= readers.HOURS


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


def test_a_gap_of_another_hour_counts(tmp_path):
    """The row of a gap that was noted hours after it began; what it takes back is not recorded."""
    root = Root(tmp_path)
    write_empty_parts(root)
    rows = recorder_rows()
    for hour, mine in rows.items():
        write_part(
            root,
            TABLES["coverage"],
            pa.Table.from_pylist(mine, schema=SCHEMAS["coverage"]),
            hour,
            0,
            1 << 25,
        )
        write_cut(root, hour, 0, 1 << 25, {}, b"{}", 0)
    with session(root) as con:
        for moment, expected in (
            (at(100), False),
            (at(3000), True),
            (at(5000), True),
            (at(7300), False),
        ):
            assert con.execute(f"SELECT in_gap('BTC-USD', 'level2', '{moment}')").fetchall() == [
                (expected,)
            ]
        told = con.execute(
            "SELECT state, end_time FROM coverage ORDER BY start_time, state"
        ).fetchall()
    ours = recorder.open(tmp_path).coverage().to_pylist()
    assert sorted(told) == sorted((row["state"], row["end_time"]) for row in ours)
    assert ("recorded", datetime.fromisoformat(at(2000))) in told


def recorder_rows() -> dict[int, list[dict[str, Any]]]:
    """An hour that tells all of it as recorded, and a later one that takes the end of it back."""

    def row(state: str, start: float, end: float, hour: int) -> dict[str, Any]:
        return {
            "channel": "level2", "product_id": "BTC-USD", "state": state,
            "start_time": datetime.fromisoformat(at(start)),
            "end_time": datetime.fromisoformat(at(end)),
            "reason": "silence" if state == "gap" else None, "connection_id": "c0",
            "noted_seq": hour_base(hour) + (1 << 24) + 5,
        }  # fmt: skip

    return {
        HOUR: [row("recorded", 0, 3600, HOUR)],
        HOUR + 2: [row("gap", 2000, 7200, HOUR + 2), row("unverified", 7200, 7900, HOUR + 2)],
    }
