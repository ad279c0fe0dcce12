"""Decimals have the digits of the wire, whatever a float makes of them."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recorder
from recorder.core.frames import Frame
from recorder.core.numbers import is_exact
from recorder.core.tables import TABLES
from recorder.dataset.exact import DECIMAL, to_decimals, to_objects
from recorder.replay import import_captures
from recorder.store.capture import read_arrivals
from recorder.store.parts import SCHEMAS
from tests.captures import ADVANCED, needs_captures
from tests.dataset.made import HOUR_NS, HOUR_START_NS
from tests.dataset.scripted import Scripted

NUMBERS = st.from_regex(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", fullmatch=True)


def level2_of(texts: list[str]) -> pa.Table:
    """Rows whose prices and sizes were written so."""
    names = ("price", "size", "price_text", "size_text")
    schema = pa.schema([SCHEMAS["level2"].field(name) for name in names])
    kept = [None if is_exact(text) else text for text in texts]
    values = [float(text) for text in texts]
    words = pa.array(kept, pa.string()).dictionary_encode()
    return pa.table([pa.array(values), pa.array(values), words, words], schema=schema)


@settings(deadline=None)
@given(texts=st.lists(NUMBERS, min_size=1, max_size=20))
def test_any_number_of_the_grammar_comes_back(texts):
    """18 digits before the point and 18 behind it: Arrow's decimals and Python's have all."""
    rows = level2_of(texts)
    want = [Decimal(text) for text in texts]
    exact = to_decimals(TABLES["level2"], rows)
    assert exact.schema.field("price").type == DECIMAL
    assert exact.column("price").to_pylist() == want
    assert exact.column("size").to_pylist() == want
    assert to_objects(TABLES["level2"], rows) == {"price": want, "size": want}


@needs_captures
def test_a_real_capture_comes_back_digit_by_digit(tmp_path, without_sync):
    """Every price and size of level2 and trades, against the texts of the frames."""
    import_captures([ADVANCED], tmp_path)
    db = recorder.open(tmp_path)
    levels: list[tuple[str, Decimal, Decimal]] = []
    trades: dict[tuple[str, int], tuple[Decimal, Decimal]] = {}
    for _, arrival in read_arrivals([tmp_path / "capture"]):
        frame = json.loads(arrival.raw) if isinstance(arrival, Frame) else {}
        for event in frame.get("events", ()):
            for change in event.get("updates", ()):
                price, size = Decimal(change["price_level"]), Decimal(change["new_quantity"])
                levels.append((event["product_id"], price, size))
            for trade in event.get("trades", ()):
                key = trade["product_id"], int(trade["trade_id"])
                trades[key] = Decimal(trade["price"]), Decimal(trade["size"])
    for product in ("BTC-USD", "ETH-USD"):
        rows = db.level2(product, exact=True, allow_gaps=True).to_arrow()
        sent = rows.filter(pa.compute.not_equal(rows.column("kind").cast("string"), "checkpoint"))
        pairs = zip(sent.column("price").to_pylist(), sent.column("size").to_pylist(), strict=True)
        assert list(pairs) == [each[1:] for each in levels if each[0] == product]
        frame = db.trades(product, exact=True, allow_gaps=True).to_pandas()
        assert len(frame) > 100
        for trade_id, price, size in frame[["trade_id", "price", "size"]].itertuples(index=False):
            assert (price, size) == trades[product, trade_id]
            assert isinstance(price, Decimal)


def test_texts_of_a_ticker_are_taken_from_its_json(tmp_path, without_sync):
    """A number that a float does not hold stands in `inexact_text`, by column."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    text = "123456789.123456789012"
    numbers = {"price": text, "best_bid": "0.1", "volume_24_h": "17"}
    ticker = {"type": "ticker", "product_id": "BTC-USD", **numbers}
    script.frame(1, "ticker", [{"type": "update", "tickers": [ticker]}])
    script.frame(2, "heartbeats", [])
    script.publish()
    db = recorder.open(tmp_path)
    selection = db.ticker("BTC-USD", exact=True, columns=["price", "best_bid", "best_ask"])
    (row,) = selection.to_arrow().to_pylist()
    assert row == {"price": Decimal(text), "best_bid": Decimal("0.1"), "best_ask": None}
    assert selection.to_pandas()["price"].tolist() == [Decimal(text)]
    assert list(selection.to_pandas().columns) == ["price", "best_bid", "best_ask"]
    script.recording.capture.close()


def test_every_way_out_is_exact(hours):
    """Arrow, pandas, polars, DuckDB and batches have the same decimals, of the columns wanted."""
    db = recorder.open(hours)
    span = HOUR_START_NS + HOUR_NS, HOUR_START_NS + 2 * HOUR_NS
    selection = db.trades("BTC-USD", *span, exact=True, columns=["size", "price"])
    rows = selection.to_arrow()
    assert rows.column_names == ["size", "price"]
    want = rows.column("price").to_pylist()
    floats = db.trades("BTC-USD", *span, columns=["price"]).to_arrow().column("price").to_pylist()
    assert [float(each) for each in want] == floats
    assert want
    assert selection.to_pandas()["price"].tolist() == want
    assert selection.to_polars()["price"].to_list() == want
    assert [row[1] for row in selection.to_duckdb().fetchall()] == want
    batches = pa.Table.from_batches(selection.batches(7))
    assert batches.column("price").to_pylist() == want
    assert str(selection.to_pandas()["price"].iloc[0]) == str(Decimal(repr(floats[0])))


@pytest.mark.parametrize("table", ["heartbeats", "status", "faults"])
def test_a_table_without_numbers_is_the_same(hours, table):
    """`exact` is no mistake where there is nothing to be exact about."""
    db = recorder.open(hours)
    plain = db.select(table, allow_gaps=True).to_arrow()
    assert db.select(table, exact=True, allow_gaps=True).to_arrow() == plain
