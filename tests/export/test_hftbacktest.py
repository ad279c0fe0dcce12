"""The events are those of hftbacktest, in an order that is right for both sides."""

import numpy as np
import pytest

from recorder.export import hftbacktest
from recorder.export.check import Misread
from recorder.export.hftbacktest import (
    BUY,
    CLEAR,
    DEPTH,
    EVENT,
    EXCH,
    LOCAL,
    SELL,
    SNAPSHOT,
    TRADE,
    Writer,
)
from tests.export.items import BASE_NS, DAY, NEXT_DAY, changes, deal, lost, whole, written

BOTH = EXCH | LOCAL
MS = 1_000_000


def events(path):
    with np.load(path) as packed:
        assert packed.files == ["data"]
        rows = packed["data"]
    assert rows.dtype == EVENT
    return [
        (int(ev), int(exch) - BASE_NS, int(local) - BASE_NS, float(px), float(qty))
        for ev, exch, local, px, qty in rows[["ev", "exch_ts", "local_ts", "px", "qty"]]
    ]


def test_what_is_written(tmp_path):
    """A clearing and a snapshot, changes, trades, and a clearing where the book is lost."""
    writer = Writer(tmp_path, "BTC-USD")
    (path,) = written(
        writer,
        DAY,
        whole(10, exch_ns=5),
        changes(20, bids=[(100.0, 0.0)], exch_ns=15),
        deal(30, exch_ns=25, buy=False),
        deal(31, exch_ns=26, buy=None),
        lost(40),
    )
    assert path.name == "BTC-USD_20261121.npz"
    assert events(path) == [
        (BOTH | CLEAR, 5, 10, 0.0, 0.0),
        (BOTH | SNAPSHOT | BUY, 5, 10, 100.0, 1.0),
        (BOTH | SNAPSHOT | SELL, 5, 10, 101.0, 2.0),
        (BOTH | DEPTH | BUY, 15, 20, 100.0, 0.0),
        (BOTH | TRADE | SELL, 25, 30, 101.0, 0.5),
        (BOTH | TRADE, 26, 31, 101.0, 0.5),
        (BOTH | CLEAR, 40, 40, 0.0, 0.0),
    ]
    assert writer.notes == {"local_shift_ns": 0, "times_not_believed": 0, "rows": 7}
    assert not list(tmp_path.glob("*.raw"))


def test_what_came_in_another_order_is_there_twice(tmp_path):
    """Once for the exchange, as it happened, and once for the strategy, as it came."""
    writer = Writer(tmp_path, "BTC-USD")
    (path,) = written(
        writer,
        DAY,
        whole(10),
        changes(30, bids=[(99.0, 1.0)], exch_ns=25),
        deal(40, exch_ns=20),  # happened before the change, came after it
        changes(50, bids=[(98.0, 1.0)], exch_ns=45),
    )
    assert events(path)[3:] == [
        (EXCH | TRADE | BUY, 20, 40, 101.0, 0.5),
        (EXCH | DEPTH | BUY, 25, 30, 99.0, 1.0),
        (LOCAL | DEPTH | BUY, 25, 30, 99.0, 1.0),
        (LOCAL | TRADE | BUY, 20, 40, 101.0, 0.5),
        (BOTH | DEPTH | BUY, 45, 50, 98.0, 1.0),
    ]
    (rows,) = writer.levels()
    assert rows.prices.tolist() == [0.0, 100.0, 101.0, 99.0, 98.0]


def test_a_trade_stands_before_the_changes_of_its_time(tmp_path):
    """They hold what it took."""
    writer = Writer(tmp_path, "BTC-USD")
    (path,) = written(
        writer, DAY, whole(10), changes(30, asks=[(101.0, 1.5)], exch_ns=20), deal(31, exch_ns=20)
    )
    kinds = [ev & 0xFF for ev, *_ in events(path) if ev & EXCH]
    assert kinds[-2:] == [TRADE, DEPTH]


def test_times_of_the_book_do_not_go_back(tmp_path):
    """Else the exchange's book would be another one."""
    writer = Writer(tmp_path, "BTC-USD")
    (path,) = written(
        writer,
        DAY,
        whole(10),
        changes(30, bids=[(99.0, 1.0)], exch_ns=28),
        changes(40, bids=[(99.0, 0.0)], exch_ns=22),
    )
    assert [(ev, exch) for ev, exch, *_ in events(path)[3:]] == [(BOTH | DEPTH | BUY, 28)] * 2


def test_what_was_received_before_it_happened(tmp_path):
    """All receipts are later by the most that any is too early."""
    writer = Writer(tmp_path, "BTC-USD")
    first, second = written(
        writer, DAY, whole(10), NEXT_DAY, whole(20), changes(30, bids=[(1.0, 1.0)], exch_ns=37)
    )
    assert writer.notes["local_shift_ns"] == 7
    assert [local for _, _, local, *_ in events(first) + events(second)] == [17] * 3 + [27] * 3 + [
        37
    ]
    assert len(list(writer.levels())) == 2


def test_times_that_cannot_be(tmp_path):
    """A venue's time of another year is not believed: the receipt counts, and it is told."""
    writer = Writer(tmp_path, "BTC-USD")
    (path,) = written(
        writer,
        DAY,
        whole(10),
        changes(20, bids=[(99.0, 1.0)], exch_ns=-BASE_NS),
        deal(30, exch_ns=3600 * 1000 * MS),
        changes(40, bids=[(98.0, 1.0)], exch_ns=39),
    )
    assert [exch for _, exch, *_ in events(path)[3:]] == [20, 30, 39]
    assert writer.notes["times_not_believed"] == 2


def test_a_day_begins_where_the_one_before_ended(tmp_path):
    """Read one behind the other, times do not go back between files."""
    writer = Writer(tmp_path, "BTC-USD")
    first, second = written(
        writer,
        DAY,
        whole(10),
        deal(30, exch_ns=29),
        NEXT_DAY,
        whole(31, exch_ns=12),
        deal(40, exch_ns=13),
        changes(50, bids=[(99.0, 1.0)], exch_ns=49),
    )
    assert [exch for _, exch, *_ in events(first)] == [10, 10, 10, 29]
    assert {exch for _, exch, *_ in events(second)} == {29, 49}
    assert [ev & 0xFF for ev, *_ in events(second) if ev & LOCAL] == [
        *(CLEAR, SNAPSHOT, SNAPSHOT, TRADE, DEPTH)
    ]


@pytest.mark.parametrize(
    ("place", "name", "value", "words"),
    [
        (3, "exch_ts", 1, "exch_ts goes back"),
        (0, "local_ts", BASE_NS + 11, "local_ts goes back"),
        (4, "exch_ts", BASE_NS + 31, "received before it happened"),
        (5, "ev", EXCH | DEPTH | BUY, "another book"),
        (6, "ev", LOCAL | TRADE | BUY, "other trades"),
    ],
)
def test_files_that_break_a_rule(place, name, value, words, tmp_path, monkeypatch):
    """Reading back says which."""
    writer = Writer(tmp_path, "BTC-USD")
    items = [changes(at_ns, bids=[(90.0, 1.0)]) for at_ns in (10, 20, 30)]
    written(writer, DAY, whole(10), *items, deal(40))
    whole_read = hftbacktest.read

    def spoilt(path):
        for rows in whole_read(path):
            rows = rows.copy()  # noqa: PLW2901
            rows[place][name] = value
            yield rows

    monkeypatch.setattr(hftbacktest, "read", spoilt)
    with pytest.raises(Misread, match=words):
        list(writer.levels())


@pytest.mark.parametrize("held", [3, 64])
def test_any_course(held, tmp_path, monkeypatch):
    """Orders hold, nothing is lost, whatever comes late, in whatever pieces."""
    monkeypatch.setattr(hftbacktest, "_ROWS_HELD", held)
    monkeypatch.setattr(hftbacktest, "_BELIEVED_NS", 50 * MS)
    random = np.random.default_rng(held)
    items = [DAY, whole(0)]
    at_ns = 0
    for number in range(600):
        at_ns += int(random.integers(0, 3 * MS))
        exch_ns = at_ns - int(random.integers(-2 * MS, 30 * MS))
        if number == 300:
            items += [NEXT_DAY, whole(at_ns)]
        if random.random() < 0.3:
            items.append(deal(at_ns, number, exch_ns=exch_ns, size=number + 1.0))
        else:
            price = float(random.integers(90, 99))
            size = float(random.integers(0, 3))
            items.append(changes(at_ns, bids=[(price, size), (price - 20, 1.0)], exch_ns=exch_ns))
    writer = Writer(tmp_path, "BTC-USD")
    paths = written(writer, *items)
    rows = np.concatenate([np.load(path)["data"] for path in paths])
    came, happened = (rows[(rows["ev"] & flag) != 0] for flag in (LOCAL, EXCH))
    expected = [level[:3] for item in items[1:] for level in getattr(item, "levels", [])]
    read = [
        (bool(bid), price, size)
        for part in writer.levels()
        for clear, bid, price, size in zip(*(column.tolist() for column in part), strict=True)
        if not clear
    ]
    assert read == expected
    assert (np.diff(came["local_ts"]) >= 0).all()
    assert (np.diff(happened["exch_ts"]) >= 0).all()
    assert (rows["local_ts"] >= rows["exch_ts"]).all()
    for name in ("px", "qty"):
        assert sorted(came[name]) == sorted(happened[name])
    for side in (came, happened):  # of either kind the order is that of the course
        trades = side[(side["ev"] & 0xFF) == TRADE]["qty"]
        assert (np.diff(trades) > 0).all()
        book = side[(side["ev"] & 0xFF) == DEPTH]
        assert book["px"].tolist() == came[(came["ev"] & 0xFF) == DEPTH]["px"].tolist()
    assert len(rows) < 2 * len(came)
