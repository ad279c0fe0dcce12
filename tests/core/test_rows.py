"""Messages as rows."""

import json

import pytest

from recorder.core.coverage import GAP, Interval
from recorder.core.messages import (
    ASK,
    BID,
    Candle,
    Heartbeat,
    Level2,
    ProductStatus,
    Ticker,
    Trade,
)
from recorder.core.rows import (
    RAW_BYTES_MAX,
    Origin,
    Rows,
    _block,
    candle_rows,
    checkpoint_rows,
    coverage_rows,
    fault_rows,
    heartbeat_rows,
    level2_rows,
    levels_from,
    status_rows,
    ticker_rows,
    trades_rows,
)
from recorder.core.tables import FAULTS, TABLES
from tests.core.scripts import rows_of

ORIGIN = Origin(recv_ns=5, connection_id="ws1", sequence=7, exchange_ns=4)
COMMON = {"sequence": 7, "connection_id": "ws1", "recv_ns": 5, "exchange_ns": 4}
BOOK = Level2("BTC-USD", True, [BID, ASK], [1.0, 2.0], [3.0, 4.0], [11, None], [None, "2.0…"], None)
TRADE = Trade("BTC-USD", 9, "BUY", "SELL", 1.5, 2.5, 13, "1.5…", None)

BLOCKS = [
    level2_rows(BOOK, ORIGIN, 100, 90),
    checkpoint_rows("BTC-USD", "ws1", 5, 100, [(BID, 1.0, 3.0, None, None)]),
    trades_rows("BTC-USD", "update", [TRADE], ORIGIN, 100),
    ticker_rows(Ticker("BTC-USD", True, {"price": 1.5}), ORIGIN, 100),
    candle_rows(Candle("BTC-USD", False, 12, {"open": 1.5}), ORIGIN, 100),
    heartbeat_rows(Heartbeat(52431), ORIGIN, 100),
    status_rows(ProductStatus("BTC-USD", True, {"status": "online"}), ORIGIN, 100),
    fault_rows("late_frame", "…", ORIGIN, 100),
    coverage_rows([Interval("level2", "BTC-USD", 1, 2, GAP, "sequence_gap")], 100),
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.table)
def test_a_block_has_the_columns_of_its_table(block: Rows) -> None:
    """One entry for each stored column, in the order of the declaration, of one length."""
    found = rows_of([block], block.table)
    assert len(found) == block.count
    assert found[0][TABLES[block.table].order] == 100


def test_level2_rows() -> None:
    """Every change is a row in the message's order, numbered one by one."""
    assert rows_of([BLOCKS[0]], "level2") == [
        COMMON
        | {"product_id": "BTC-USD", "kind": "snapshot", "side": side, "price": price, "size": size}
        | {"event_time": event, "book_epoch": 90, "ingest_seq": number}
        | {"price_text": text, "size_text": None}
        for side, price, size, event, number, text in (
            (BID, 1.0, 3.0, 11, 100, None),
            (ASK, 2.0, 4.0, None, 101, "2.0…"),
        )
    ]


def test_checkpoint_rows_come_back_as_the_book() -> None:
    """What recovery reads is the snapshot that the rows stand for, texts included."""
    levels = [(BID, 1.0, 3.0, None, "3.0…"), (ASK, 2.0, 4.0, "2.0…", None)]
    rows = rows_of([checkpoint_rows("BTC-USD", "ws1", 5, 100, levels)], "level2")
    assert [row["book_epoch"] for row in rows] == [100, 100]
    assert [row["kind"] for row in rows] == ["checkpoint"] * 2
    back = levels_from(rows, "BTC-USD")
    assert back == Level2(
        "BTC-USD", True, [BID, ASK], [1.0, 2.0], [3.0, 4.0], None, [None, "2.0…"], ["3.0…", None]
    )  # fmt: skip


def test_an_empty_checkpoint() -> None:
    """A book without levels has no rows."""
    assert checkpoint_rows("BTC-USD", "ws1", 5, 100, []).count == 0


def test_a_trade_row() -> None:
    """The side as sent, and the taker's."""
    assert rows_of([BLOCKS[2]], "trades") == [
        COMMON
        | {"product_id": "BTC-USD", "kind": "update", "trade_id": 9, "side": "BUY"}
        | {"taker_side": "SELL", "price": 1.5, "size": 2.5, "trade_time": 13}
        | {"ingest_seq": 100, "price_text": "1.5…", "size_text": None}
    ]


def test_a_tickers_inexact_texts() -> None:
    """They are one JSON object by column, or null."""
    inexact = {"price": "123456789.123456789012"}
    block = ticker_rows(Ticker("BTC-USD", False, {"price": 1.5}, inexact=inexact), ORIGIN, 100)
    (row,) = rows_of([block], "ticker")
    assert json.loads(row["inexact_text"]) == inexact
    assert (row["price"], row["best_bid"], row["kind"]) == (1.5, None, "update")


def test_a_fault_keeps_a_short_frame() -> None:
    """Bytes that are no text are escaped; a long frame stays in the capture alone."""
    (row,) = rows_of([fault_rows("malformed_frame", "…", ORIGIN, 1, raw=b"\xff{")], "faults")
    assert row["raw"] == "\\xff{"
    long = fault_rows("malformed_frame", "…", ORIGIN, 1, raw=b"x" * (RAW_BYTES_MAX + 1))
    assert rows_of([long], "faults")[0]["raw"] is None


def test_intervals_in_microseconds() -> None:
    """Two that meet in nanoseconds meet in the table."""
    rows = rows_of(
        [
            coverage_rows(
                [Interval("a", None, 0, 1999, GAP), Interval("a", None, 1999, 5000, GAP)], 1
            )
        ],
        "coverage",
    )
    assert [(row["start_time"], row["end_time"]) for row in rows] == [(0, 1), (1, 5)]


def test_a_column_that_the_table_does_not_have() -> None:
    """It is our own mistake, and named."""
    with pytest.raises(AssertionError, match="no such column in faults: nonsense"):
        _block(FAULTS, 1, {"nonsense": 1})
    odd = Ticker("BTC-USD", False, {"price": 1.5, "nonsense": 1.0})
    with pytest.raises(AssertionError, match=r"no such column in ticker: nonsense$"):
        ticker_rows(odd, ORIGIN, 100)
