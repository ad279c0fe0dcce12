"""The catalog's files are as NautilusTrader writes its own."""

import pyarrow.parquet as pq
import pytest

from recorder.errors import UsageError
from recorder.export.increments import Increments
from recorder.export.nautilus import (
    ADD,
    CLEAR,
    DELETE,
    LAST,
    SNAPSHOT,
    UPDATE,
    Numbers,
    Writer,
)
from tests.export.items import BASE_NS, DAY, NEXT_DAY, changes, deal, lost, whole, written

STEPS = Increments("0.01", "0.00000001")


def number(raw):
    return int.from_bytes(raw, "little") / 10**16


def test_files_and_rows(tmp_path):
    """A file a day and kind, named by its times; actions, flags, numbers of 128 bits."""
    writer = Writer(tmp_path, "BTC-USD", STEPS)
    paths = written(
        writer,
        DAY,
        whole(1000, exch_ns=900),
        changes(2000, bids=[(100.0, 0.0), (99.5, 0.25)], exch_ns=1900),
        deal(3000, 17, exch_ns=2900, buy=False, price=65_000.01, size=0.1),
        lost(4000),
        NEXT_DAY,
        whole(5000),
    )
    places = [path.relative_to(tmp_path) for path in paths]
    assert [str(place.parent) for place in places] == [
        "data/order_book_delta/BTC-USD.COINBASE",
        "data/order_book_delta/BTC-USD.COINBASE",
        "data/trade_tick/BTC-USD.COINBASE",
        "data/currency_pair/BTC-USD.COINBASE",
    ]
    assert [place.name for place in places] == [
        f"2026-11-21T19-30-00-00000{first}000Z_2026-11-21T19-30-00-00000{last}000Z.parquet"
        for first, last in ((1, 4), (5, 5), (3, 3), (1, 1))
    ]
    table = pq.read_table(paths[0])
    about = {
        b"instrument_id": b"BTC-USD.COINBASE",
        b"price_precision": b"2",
        b"size_precision": b"8",
    }
    assert table.schema.metadata == about
    rows = table.to_pylist()
    assert [
        (row["action"], row["side"], number(row["price"]), number(row["size"]), row["flags"])
        for row in rows
    ] == [
        (CLEAR, 0, 0.0, 0.0, SNAPSHOT),
        (ADD, 1, 100.0, 1.0, SNAPSHOT),
        (ADD, 2, 101.0, 2.0, SNAPSHOT | LAST),
        (DELETE, 1, 100.0, 0.0, 0),
        (UPDATE, 1, 99.5, 0.25, LAST),
        (CLEAR, 0, 0.0, 0.0, LAST),
    ]
    assert (rows[3]["ts_event"], rows[3]["ts_init"]) == (BASE_NS + 1900, BASE_NS + 2000)
    (trade,) = pq.read_table(paths[2]).to_pylist()
    assert int.from_bytes(trade["price"], "little") == 6_500_001 * 10**14
    assert (trade["aggressor_side"], trade["trade_id"]) == (2, "17")
    (instrument,) = pq.read_table(paths[3]).to_pylist()
    assert [instrument[name] for name in ("id", "base_currency", "quote_currency")] == [
        *("BTC-USD.COINBASE", "BTC", "USD")
    ]
    assert (instrument["price_precision"], instrument["size_increment"]) == (2, "0.00000001")
    assert writer.rows == 9


def test_levels_that_are_not_there(tmp_path):
    """A removal of one is left out, a size of one is an addition; of nothing there is no file."""
    writer = Writer(tmp_path, "BTC-USD", STEPS)
    paths = written(
        writer,
        DAY,
        whole(1000),
        changes(2000, bids=[(97.0, 0.0)], held=False),
        changes(3000, bids=[(97.0, 0.0), (98.0, 1.0)], held=False),
    )
    assert len(paths) == 2
    rows = pq.read_table(paths[0]).to_pylist()[3:]
    assert [(row["action"], number(row["price"]), row["flags"]) for row in rows] == [
        (ADD, 98.0, LAST)
    ]


def test_an_empty_book(tmp_path):
    """A clearing alone ends its message."""
    writer = Writer(tmp_path, "BTC-USD", STEPS)
    paths = written(writer, DAY, whole(1000, [], []))
    assert [row["flags"] for row in pq.read_table(paths[0]).to_pylist()] == [SNAPSHOT | LAST]


@pytest.mark.parametrize(
    ("step", "value", "text", "units"),
    [
        ("0.01", 65_000.01, None, 6_500_001),
        ("0.01", 0.1 + 0.2, "0.3", 30),
        ("1", 8040.0, None, 8040),
        ("5", 8040.0, None, 8040),
        ("0.00000001", 123_456_789.12345679, "123456789.12345678", 12_345_678_912_345_678),
        ("0.00000001", 9.9e9, None, 990_000_000_000_000_000),
        ("0.0000000000000001", 0.1, None, 10**15),
    ],
)
def test_numbers(step, value, text, units):
    """Exact, whatever a float makes of them."""
    numbers = Numbers("BTC-USD", "--price-increment", step)
    packed = numbers.packed(value, text)
    assert int.from_bytes(packed, "little") == units * 10 ** (16 - numbers.decimals)
    assert len(packed) == 16


def test_numbers_that_do_not_fit(tmp_path):
    """Nothing is rounded; it says which step to give."""
    with pytest.raises(UsageError, match=r"0\.005 does not fit .*Give --price-increment"):
        Numbers("BTC-USD", "--price-increment", "0.01").packed(0.005)
    with pytest.raises(UsageError, match="more than 16 decimals"):
        Numbers("BTC-USD", "--size-increment", "0.00000000000000001")
    writer = Writer(tmp_path, "BTC-USD", Increments("1", "1"))
    writer.take(DAY)
    with pytest.raises(UsageError, match=r"100\.5"):
        writer.take(whole(1, bids=[(100.5, 1.0)]))


def test_without_rules(tmp_path):
    """It says what to give."""
    with pytest.raises(UsageError, match="Give --price-increment and --size-increment"):
        Writer(tmp_path, "BTC-USD", Increments("0.01", None))
