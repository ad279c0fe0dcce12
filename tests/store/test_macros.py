"""The macros of `recorder.sql` beside plain loops over the rows, and what they read."""

import json
import os
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import recorder
from recorder.core.frames import hour_base
from recorder.core.tables import TABLES
from recorder.errors import NoInputError
from recorder.store.parts import SCHEMAS, write_cut, write_empty_parts, write_part
from recorder.store.paths import Root
from tests.frames_made import HOUR, PRODUCTS, SECOND_NS
from tests.store.asking import HOUR_S, MOMENTS, ask, at, at_ns, record, session


@pytest.mark.parametrize("table", [name for name, each in TABLES.items() if each.per_product])
def test_a_range_of_a_product(data, table):
    """From is inclusive, to is not; both may lie anywhere."""
    rows = recorder.open(data).select(table, "ETH-USD", allow_gaps=True).to_arrow()
    times, numbers = (rows.column(name).to_pylist() for name in ("recv_ns", "ingest_seq"))
    received = list(zip(times, numbers, strict=True))
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
        for seconds in ((HOUR_S - 9, HOUR_S - 4), (HOUR_S - 0.5, HOUR_S + 0.5), (0, 1)):
            begin, until = map(at, seconds)
            part = ask(data, f"FROM top_of_book('{product}', '{begin}', '{until}')")
            assert [row[1:] for row in part] == walk(data, product, at_ns(begin), at_ns(until))


class Books:
    """The book of each connection, as far as its coverage goes, row by row."""

    def __init__(self) -> None:
        self._books: dict[str, dict[tuple[str, float], float]] = {}
        self._epochs: dict[str, int] = {}

    def lose(self, line: str) -> None:
        """Nothing of a connection is to be trusted until its next book."""
        self._books.pop(line, None)

    def take(self, row: dict[str, Any]) -> None:
        """One row of level2."""
        line, epoch = row["connection_id"], row["book_epoch"]
        if epoch is None:
            self.lose(line)
            return
        if line not in self._books or self._epochs[line] != epoch:
            self._books[line], self._epochs[line] = {}, epoch
        level = row["side"], row["price"]
        if row["size"] > 0:
            self._books[line][level] = row["size"]
        else:
            self._books[line].pop(level, None)

    def top(self) -> tuple[Any, ...]:
        """Best bid and ask with their sizes, of the newest book."""
        if not self._books:
            return (None,) * 4
        book = self._books[max(self._books, key=lambda line: self._epochs[line])]
        best: list[Any] = []
        for side, choose in (("bid", max), ("ask", min)):
            prices = [price for of, price in book if of == side]
            best += [choose(prices), book[side, choose(prices)]] if prices else [None, None]
        return tuple(best)


def walk(data: Path, product: str, start_ns: int, end_ns: int) -> list[tuple[Any, ...]]:
    """The tops by a loop over all rows."""
    books = Books()
    instants: dict[int, tuple[Any, ...]] = {start_ns: (None,) * 4}
    events = [event for event in happened(data, product) if event[0] < end_ns]
    for event, following in pairwise([*events, (end_ns,)]):
        ns, *_, what = event
        if isinstance(what, str):
            books.lose(what)
        else:
            books.take(what)
        if following[0] != ns:
            instants[max(ns, start_ns)] = books.top()
    shown: list[tuple[Any, ...]] = []
    for ns, values in sorted(instants.items()):
        if not shown or shown[-1][:4] != values:
            shown.append((*values, ns))
    return shown


def happened(data: Path, product: str) -> list[tuple[Any, ...]]:
    """Rows of level2 and ends of connections (their names), by time."""
    db = recorder.open(data)
    ends = {}
    for row in db.coverage(product, "level2").to_pylist():
        until = at_ns(row["end_time"].isoformat())
        if row["state"] != "gap" and until % (HOUR_S * SECOND_NS):
            ends[row["connection_id"]] = until + 1000
    rows = db.select("level2", product, allow_gaps=True).to_arrow().to_pylist()
    events = [(row["recv_ns"], 1, row["ingest_seq"], row) for row in rows]
    events += [(until, 0, 0, line) for line, until in ends.items()]
    return sorted(events, key=lambda event: event[:3])


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


CHANNELS = {"level2": "level2", "trades": "market_trades", "heartbeats": "heartbeats"}


def missing(data: Path, given: str, moment: str) -> bool:
    """Whether a row of coverage tells that something of BTC-USD is missing at a moment."""
    when = datetime.fromisoformat(moment)
    return any(
        row["start_time"] <= when < row["end_time"] or when == row["start_time"]
        for row in recorder.open(data).coverage().to_pylist()
        if row["state"] == "gap" and row["channel"] == CHANNELS[given]
        if row["product_id"] in ("BTC-USD", None)
    )  # fmt: skip


def gaps_asked(con: duckdb.DuckDBPyConnection, moments: list[str], *bounds: str) -> list[tuple]:
    """What in_gap says of every channel and moment, asked of columns: (channel, moment, answer)."""
    rows = ", ".join(
        f"('BTC-USD', '{given}', '{moment}')" for given in CHANNELS for moment in moments
    )
    given = "".join(f", '{bound}'" for bound in bounds)
    return con.execute(
        f"SELECT channel, start_time, in_gap(product_id, channel, start_time{given}) "
        f"FROM (VALUES {rows}) AS asked(product_id, channel, start_time)"
    ).fetchall()


def test_in_gap_follows_the_ledger(data):
    """Only the state gap counts, wherever its row was noted; for constants and for columns."""
    with session(data) as con:
        asked = gaps_asked(con, MOMENTS)
        for given, moment, found in asked:
            assert found == missing(data, given, moment), (given, moment)
        assert {found for *_, found in asked} == {True, False}
        for given, moment, found in asked[::5]:
            assert con.execute(f"SELECT in_gap('BTC-USD', '{given}', '{moment}')").fetchall() == [
                (found,)
            ]


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


def test_the_coverage_of_a_range_is_that_of_the_reader(data):
    """The intervals that touch it, of the product and of channels without products, as they are."""
    rows = recorder.open(data).coverage().to_pylist()
    with session(data) as con:
        for begin, end in (*pairwise(MOMENTS), (MOMENTS[0], MOMENTS[-1]), (at(-9e4), at(9e6))):
            found = con.execute(f"FROM coverage_of('ETH-USD', '{begin}', '{end}')").fetchall()
            start, until = map(datetime.fromisoformat, (begin, end))
            mine = [
                tuple(row.values())
                for row in rows
                if row["product_id"] in ("ETH-USD", None) and row["start_time"] < until
                if row["end_time"] > start or start <= row["start_time"] == row["end_time"]
            ]
            assert sorted(found, key=str) == sorted(mine, key=str)


def test_in_gap_of_a_range_is_in_gap(data):
    """What was told of the range is enough for every moment of it, at its ends as well."""
    with session(data) as con:
        for begin, end in pairwise(MOMENTS):
            within = [begin, at_text((at_ns(begin) + at_ns(end)) // 2), at_text(at_ns(end) - 1000)]
            for given, moment, found in gaps_asked(con, within, begin, end):
                assert found == missing(data, given, moment), (given, moment)


def at_text(ns: int) -> str:
    return at(ns / SECOND_NS - HOUR * HOUR_S)


# --- questions that cannot have an answer --------------------------------------------------------

RANGES = [*(f"{name}_of" for name, each in TABLES.items() if each.per_product), "coverage_of"]


@pytest.mark.parametrize("product", ["NO-SUCH", "", "*", "BTC-USD' --", "../../level2", "btc-usd"])
def test_a_product_that_there_is_not_has_no_rows(data, product):
    """Whatever its name: no row, no error, and nothing of others."""
    name, begin, end = product.replace("'", "''"), MOMENTS[0], MOMENTS[-1]
    with session(data) as con:
        for macro in RANGES:
            found = con.execute(f"FROM {macro}('{name}', '{begin}', '{end}')").fetchall()
            assert {row[1] for row in found} <= {None}, macro
        for question in (f"book_at('{name}', '{end}')", f"depth_at('{name}', '{end}', 3)",
                         f"ohlcv('{name}', '1m', '{begin}', '{end}')"):  # fmt: skip
            assert con.execute(f"FROM {question}").fetchall() == []
        (only,) = con.execute(f"FROM top_of_book('{name}', '{begin}', '{end}')").fetchall()
        assert only[1:5] == (None,) * 4
        assert con.execute(
            f"SELECT in_gap('{name}', 'level2', '{end}'), book_valid('{name}', '{end}')"
        ).fetchall() == [(False, False)]


def test_what_is_certainly_a_mistake_is_an_error(data):
    """Also where there would be no row to ask it of."""
    begin, end = MOMENTS[0], MOMENTS[-1]
    wrong = {
        f"SELECT in_gap('BTC-USD', '', '{begin}', '{begin}', '{end}')": "'' is no channel",
        f"SELECT recv_time FROM level2_of('BTC-USD', '{begin}', '{end}') "
        "WHERE in_gap(product_id, 'book', recv_time)": "'book' is no channel",
    }
    for product in ("BTC-USD", "NO-SUCH"):
        asked = f"'{begin}', '{end}'"
        for n in ("0", "-1", "NULL", "0.5"):
            wrong[f"FROM depth_at('{product}', '{end}', {n})"] = "levels, from 1 on"
        for width in ("'0s'", "'-1s'", "NULL", "INTERVAL 0 DAY"):
            wrong[f"FROM ohlcv('{product}', {width}, {asked})"] = "length of bars"
        wrong[f"FROM ohlcv('{product}', 'often', {asked})"] = "often"
        wrong[f"SELECT in_gap('{product}', 'level3', '{begin}')"] = "'level3' is no channel"
    with session(data) as con:
        for question, told in wrong.items():
            with pytest.raises(duckdb.Error, match=told):
                con.execute(question).fetchall()


def test_channels_go_by_both_names(data):
    """By that of the table and that which is subscribed; null is no channel, and no mistake."""
    with session(data) as con:
        for one, other in (("'trades'", "'market_trades'"), ("'user_orders'", "'user'")):
            assert told_of(con, one) == told_of(con, other)
        assert told_of(con, "NULL::VARCHAR") == [False] * len(MOMENTS)


def told_of(con: duckdb.DuckDBPyConnection, channel: str) -> list[bool]:
    """What in_gap says of a channel at every moment."""
    rows = ", ".join(f"('{moment}')" for moment in MOMENTS)
    question = f"SELECT in_gap('BTC-USD', {channel}, t) FROM (VALUES {rows}) AS asked(t)"
    return [row[0] for row in con.execute(question).fetchall()]


def test_a_range_that_ends_before_it_begins_is_empty(data):
    """And so is one that ends where it begins."""
    with session(data) as con:
        for begin, end in ((MOMENTS[5], MOMENTS[2]), (MOMENTS[5], MOMENTS[5])):
            for macro in RANGES[:-1]:
                assert con.execute(f"FROM {macro}('BTC-USD', '{begin}', '{end}')").fetchall() == []
            assert con.execute(f"FROM ohlcv('BTC-USD', '1m', '{begin}', '{end}')").fetchall() == []
            for macro in ("top_of_book", "spread"):
                assert con.execute(f"FROM {macro}('BTC-USD', '{begin}', '{end}')").fetchall() == []


@pytest.mark.parametrize(
    "moment", ["-infinity", "1815-06-18", "1970-01-01", "2200-01-01", "9999-12-31", "infinity"]
)
def test_times_long_ago_and_to_come_are_no_error(data, moment):
    """There is no book then, and no row."""
    later = f"'{moment}'::TIMESTAMPTZ + INTERVAL 1 day"
    with session(data) as con:
        for question in (f"book_at('BTC-USD', '{moment}')", f"depth_at('BTC-USD', '{moment}', 2)",
                         f"trades_of('BTC-USD', '{moment}', {later})",
                         f"ohlcv('BTC-USD', '1h', '{moment}', {later})"):  # fmt: skip
            assert con.execute(f"FROM {question}").fetchall() == []
        assert con.execute(f"SELECT book_valid('BTC-USD', '{moment}')").fetchall() == [(False,)]


@pytest.mark.parametrize(
    "moment",
    ["'2026-11-10T19:59:57'", "'2026-11-10T20:59:57+01:00'", "TIMESTAMP '2026-11-10 19:59:57'",
     "TIMESTAMPTZ '2026-11-10 19:59:57Z'", "to_timestamp(1794340797)",
     "DATE '2026-11-10' + INTERVAL '71997 seconds'"],
)  # fmt: skip
def test_times_may_be_written_in_every_way(data, moment):
    """Text, with a zone or in UTC without; timestamps of both kinds."""
    expected = f"SELECT count(*), sum(price * size) FROM book_at('BTC-USD', '{at(HOUR_S - 3)}')"
    assert ask(data, expected.replace(f"'{at(HOUR_S - 3)}'", moment)) == ask(data, expected)
    assert ask(data, expected)[0][0] > 20


# --- what is read --------------------------------------------------------------------------------


def explained(con: duckdb.DuckDBPyConnection, question: str) -> list[dict[str, Any]]:
    """The operators of a query that was run, each with the rows it gave and the files it read."""
    plan = json.loads(con.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {question}").fetchall()[0][1])
    found, waiting = [], list(plan["operator"])
    while waiting:
        each = waiting.pop()
        waiting += each.get("children", [])
        read = each["extra_info"].get("Total Files Read", 0)
        parquet = each["extra_info"].get("Function") == "READ_PARQUET"
        found.append({"rows": each["intermediate_rows"], "files": int(read) if parquet else 0})
    return found


def widen(root: Root, products: int, hours: int) -> None:
    """Let a sealed root hold so many more products and hours: the same files by other names."""
    names = [f"MORE{number}-USD" for number in range(products)]
    for hour in range(HOUR - hours, HOUR + 2):
        files = []
        for table in TABLES.values():
            for product in [*PRODUCTS, *names] if table.per_product else [None]:
                of = product if product in (*PRODUCTS, None) else PRODUCTS[0]
                source = root.sealed(table, max(hour, HOUR), of)
                final = root.sealed(table, hour, product)
                if not source.exists():
                    continue
                final.parent.mkdir(parents=True, exist_ok=True)
                if not final.exists():
                    os.link(source, final)
                files.append({"table": table.name, "product_id": product})
        root.commit(hour).write_text(json.dumps({"files": files}))


def test_what_a_window_reads_does_not_depend_on_what_there_is(tmp_path):
    """Ten seconds of a product open the same few files, however much the root holds."""
    root = record(tmp_path, "sealed")
    begin, end = at(HOUR_S - 10), at(HOUR_S - 1)
    questions = (
        *(f"{macro}('BTC-USD', '{begin}', '{end}')" for macro in RANGES),
        f"book_at('BTC-USD', '{end}')",
        f"depth_at('BTC-USD', '{end}', 10)",
        f"top_of_book('BTC-USD', '{begin}', '{end}')",
        f"spread('BTC-USD', '{begin}', '{end}')",
        f"ohlcv('BTC-USD', '1s', '{begin}', '{end}')",
        f"(SELECT book_valid('BTC-USD', '{end}'))",
        f"(SELECT in_gap('BTC-USD', 'level2', '{begin}', '{begin}', '{end}'))",
    )

    def files() -> dict[str, int]:
        with session(root) as con:
            return {
                question: sum(each["files"] for each in explained(con, f"FROM {question}"))
                for question in questions
            }

    few = files()
    widen(root, 30, 0)
    assert files() == few
    widen(root, 30, 30)
    # The hour before it is one file more of the product, one more of coverage, and no more.
    some = files()
    assert {question: found for question, found in some.items() if found > few[question] + 2} == {}
    widen(root, 40, 60)
    assert files() == some
    print("\n".join(f"{found} files: {question}" for question, found in some.items()))
    assert max(some.values()) <= 10  # with the empty ones that stand for nothing


def test_in_gap_of_columns_reads_coverage_once(data):
    """Not once for every row: no step of the plan has more rows than are asked and told."""
    with session(data) as con:
        (asked,) = con.execute("SELECT count(*) FROM level2").fetchall()[0]
        (told,) = con.execute("SELECT count(*) FROM coverage").fetchall()[0]
        steps = explained(
            con, "SELECT count(*) FROM level2 WHERE in_gap(product_id, 'level2', recv_time)"
        )
    assert asked > 1000
    assert max(step["rows"] for step in steps) <= asked + 2 * told
