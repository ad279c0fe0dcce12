"""The files are as Tardis describes its own."""

import gzip

import pytest

from recorder.export.check import Rebuilt
from recorder.export.tardis import BOOK, HEADERS, TRADES, Writer
from tests.export.items import BASE_NS, DAY, NEXT_DAY, changes, deal, lost, whole, written

US = BASE_NS // 1000


def lines(path):
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def rebuilt(writer):
    book = Rebuilt()
    for rows in writer.levels():
        book.take(rows, 0, len(rows.clears))
    return book.bids, book.asks


def test_names_columns_and_rows(tmp_path):
    """A file a day of either kind; plain digits, microseconds, the taker's side."""
    writer = Writer(tmp_path, "BTC-USD")
    paths = written(
        writer,
        DAY,
        whole(5000, exch_ns=4000),
        deal(6000, exch_ns=2000),
        deal(6000, 2, buy=None, price=1e-7),
        changes(7999, bids=[(100.0, 0.0), (99.5, 1e-8)]),
        NEXT_DAY,
        whole(9000),
        deal(9000, 3, buy=False),
    )
    assert [path.name for path in paths] == [
        "coinbase_incremental_book_L2_2026-11-21_BTC-USD.csv.gz",
        "coinbase_incremental_book_L2_2026-11-22_BTC-USD.csv.gz",
        "coinbase_trades_2026-11-21_BTC-USD.csv.gz",
        "coinbase_trades_2026-11-22_BTC-USD.csv.gz",
    ]
    assert lines(paths[0]) == [
        HEADERS[BOOK],
        f"coinbase,BTC-USD,{US + 4},{US + 5},true,bid,100,1",
        f"coinbase,BTC-USD,{US + 4},{US + 5},true,ask,101,2",
        f"coinbase,BTC-USD,{US + 7},{US + 7},false,bid,100,0",
        f"coinbase,BTC-USD,{US + 7},{US + 7},false,bid,99.5,0.00000001",
    ]
    assert lines(paths[2]) == [
        HEADERS[TRADES],
        f"coinbase,BTC-USD,{US + 2},{US + 6},1,buy,101,0.5",
        f"coinbase,BTC-USD,{US + 6},{US + 6},2,unknown,0.0000001,0.5",
    ]
    assert lines(paths[3])[1].split(",")[5] == "sell"
    assert rebuilt(writer) == ({100.0: 1.0}, {101.0: 2.0})
    trades = [
        list(zip(*(column.tolist() for column in rows), strict=True)) for rows in writer.trades()
    ]
    assert trades[0][1] == (2, US + 6, 0, 1e-7, 0.5)


@pytest.mark.parametrize(
    "between",
    [[], [lost(1500, [(True, 100.0, 0.0, True), (False, 101.0, 0.0, True)])]],
    ids=["at once", "after a loss"],
)
def test_two_snapshots_in_a_row(between, tmp_path):
    """Nothing of the first is left, for a reader who sees only where a snapshot begins."""
    gone = [] if between else [(True, 100.0, 0.0, True), (False, 101.0, 0.0, True)]
    writer = Writer(tmp_path, "BTC-USD")
    second = whole(2000, bids=[(90.0, 1.0)], asks=[(91.0, 1.0)], gone=gone)
    written(writer, DAY, whole(1000), *between, second)
    assert rebuilt(writer) == ({90.0: 1.0}, {91.0: 1.0})


def test_an_empty_book(tmp_path):
    """A snapshot without levels takes all away."""
    writer = Writer(tmp_path, "BTC-USD")
    gone = [(True, 100.0, 0.0, True), (False, 101.0, 0.0, True)]
    written(
        writer, DAY, whole(1000), changes(1500, bids=[(100.0, 2.0)]), whole(2000, [], [], gone=gone)
    )
    assert rebuilt(writer) == ({}, {})


def test_digits_that_a_float_does_not_hold(tmp_path):
    """The wire's text is written."""
    texts = {(True, 0.1): (None, "0.123456789012345678")}
    writer = Writer(tmp_path, "BTC-USD")
    paths = written(
        writer, DAY, whole(1000), changes(1500, bids=[(0.1, 0.12345678901234568)], texts=texts)
    )
    assert lines(paths[0])[-1].endswith("bid,0.1,0.123456789012345678")
