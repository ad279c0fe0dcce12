"""Bars against a plain loop over the trades."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recorder
from recorder.dataset.bars import bars, grid, length_ns
from recorder.dataset.gaps import Gap
from recorder.errors import IncompleteData, UsageError
from recorder.store.parts import SCHEMAS
from tests.dataset.made import HOUR_NS, HOUR_START_NS
from tests.dataset.scripted import Scripted, at

TRADE = st.tuples(
    st.integers(-2_000_000, 12_000_000),  # microseconds
    st.sampled_from([99.5, 100.0, 100.25, 101.0]),
    st.sampled_from([0.0, 0.1, 0.5, 2.0]),
    st.booleans(),
)


def rows_of(trades) -> pa.Table:
    """Trades as rows, by id; of some only the time of receipt is known."""
    names = ("trade_id", "price", "size", "trade_time", "recv_time", "ingest_seq")
    schema = pa.schema([SCHEMAS["trades"].field(name) for name in names])
    made = [
        {
            "trade_id": number,
            "price": price,
            "size": size,
            "trade_time": datetime.fromtimestamp(us / 1e6, UTC) if told else None,
            "recv_time": datetime.fromtimestamp(us / 1e6, UTC),
            "ingest_seq": number,
        }
        for number, (us, price, size, told) in enumerate(trades)
    ]
    return pa.Table.from_pylist(made, schema=schema)


def modelled(rows: pa.Table, width_us: int, count: int) -> list[dict[str, object]]:
    found = defaultdict(list)
    for row in sorted(rows.to_pylist(), key=lambda row: row["trade_id"]):
        moment = row["trade_time"] or row["recv_time"]
        found[int(moment.timestamp() * 1_000_000 // width_us)].append((row["price"], row["size"]))
    made = []
    for number in range(count):
        prices = [price for price, _ in found[number]]
        volume = sum(size for _, size in found[number])
        spent = sum(price * size for price, size in found[number])
        made.append(
            {
                "open": prices[0] if prices else None,
                "high": max(prices, default=None),
                "low": min(prices, default=None),
                "close": prices[-1] if prices else None,
                "volume": pytest.approx(volume),
                "vwap": pytest.approx(spent / volume) if volume else None,
                "trades": len(prices),
            }
        )
    return made


@settings(deadline=None, max_examples=40)
@given(trades=st.lists(TRADE, max_size=60), width_us=st.sampled_from([1_000, 500_000, 10_000_000]))
def test_bars_are_those_of_a_plain_loop(trades, width_us):
    """Any trades, bars of any length: open by id, the end not in, trades outside left out."""
    rows = rows_of(trades)
    table = bars(rows, "BTC-USD", (0, 10_000_000_000), width_us * 1000, [])
    assert table.num_rows == 10_000_000 // width_us
    got = table.drop_columns(["start_time", "product_id", "complete"]).to_pylist()
    want = modelled(rows, width_us, table.num_rows)
    assert [row for row in got if row["trades"]] == [row for row in want if row["trades"]]
    assert [row["trades"] for row in got] == [row["trades"] for row in want]
    starts = table.column("start_time").cast(pa.int64()).to_numpy()
    assert (np.diff(starts) == width_us).all()


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "broken"),
    [(0, 1, [0]), (5, 15, [0, 1]), (10, 20, [1]), (20, 20, [2]), (29, 31, [2, 3]), (35, 99, [3])],
)
def test_a_gap_marks_the_bars_that_it_touches(start_ns, end_ns, broken):
    """Both ends as of ranges; one without length marks the bar it lies in."""
    gap = Gap("market_trades", "BTC-USD", start_ns * 1000, end_ns * 1000, "sequence_gap")
    table = bars(rows_of([]), "BTC-USD", (0, 40_000), 10_000, [gap])
    whole = table.column("complete").to_pylist()
    assert [number for number, each in enumerate(whole) if not each] == broken


def test_bars_of_a_recording(hours):
    """Through sealed hours and the open one they come to the trades of the range."""
    db = recorder.open(hours)
    begin = HOUR_START_NS + HOUR_NS
    table = db.bars("1m", "ETH-USD", begin, begin + HOUR_NS).to_arrow()
    assert table.num_rows == 60
    assert all(table.column("complete").to_pylist())
    trades = db.trades("ETH-USD").to_arrow()
    times = trades.column("trade_time").cast(pa.int64()).to_numpy() * 1000
    mine = (times >= begin) & (times < begin + HOUR_NS)
    assert sum(table.column("trades").to_pylist()) == mine.sum()
    assert sum(table.column("volume").to_pylist()) == pytest.approx(
        trades.column("size").to_numpy()[mine].sum()
    )
    every = db.bars("1h", "ETH-USD").to_arrow()
    assert every.column("complete").to_pylist() == [False, True, False]


def test_a_gap_that_was_filled_is_none(tmp_path, without_sync):
    """Otherwise an error, or allowed and marked."""
    script = Scripted(tmp_path)
    script.connect(0, "c0")
    script.trades(1, "snapshot", [(1, 0.5, "100", "1")])
    script.trades(5, "update", [(2, 5, "101", "1")])
    script.close(6)
    script.connect(20, "c1")
    script.trades(20.5, "snapshot", [(4, 12, "103", "1")])
    script.trades(30, "update", [(5, 30, "104", "1")])
    script.publish()
    db = recorder.open(tmp_path)
    with pytest.raises(IncompleteData):
        db.bars("5s", "BTC-USD", at(5), at(30)).to_arrow()
    marked = db.bars("5s", "BTC-USD", at(5), at(30), allow_gaps=True).to_arrow()
    assert marked.column("complete").to_pylist()[:3] == [False, False, False]
    assert marked.column("complete").to_pylist()[4]
    script.fetched(31, [(3, 11, "102", "1")])
    script.trades(32, "update", [(6, 32, "104", "1")])
    script.publish()
    whole = db.bars("5s", "BTC-USD", at(5), at(30)).to_arrow()
    assert whole.column("complete").to_pylist() == [True] * 5
    assert whole.column("close").to_pylist() == [101.0, 103.0, None, None, None]
    script.recording.capture.close()


def test_lengths_of_bars():
    """From milliseconds to days; else an error that says how to write one."""
    assert [length_ns(each) for each in ("500ms", "1s", "5m", "2h", "1d")] == [
        500_000_000, 10**9, 300 * 10**9, 7_200 * 10**9, 86_400 * 10**9,
    ]  # fmt: skip
    for wrong in ("", "1", "0s", "m", "1 m", "1M", "-1s", "1.5s", 60, None):
        with pytest.raises(UsageError, match="Write 500ms, 1s, 5m"):
            length_ns(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        *("106752d", "36501d", "1000000h", "9999999d", "0s", "-1s", "1e9s", "nan", "s" * 5000),
        *(None, True, 0, -1, 1e30, float("nan"), timedelta(seconds=1), b"1s"),
    ],
)
def test_absurd_lengths_of_bars(hours, wrong):
    """One readable sentence, before anything is read."""
    with pytest.raises(UsageError, match=r"length of bars|longer than a century") as raised:
        recorder.open(hours).bars(wrong, "BTC-USD")
    assert len(str(raised.value)) < 120


def test_bars_that_nanoseconds_do_not_hold():
    """At both ends of the times that there are."""
    century, last_ns = length_ns("36500d"), 2**63 - 1
    for start_ns, end_ns in ((-last_ns, 0), (0, last_ns), (-(last_ns // 9) * 8, 0)):
        with pytest.raises(UsageError, match="1677 to 2262"):
            grid(start_ns, end_ns, century)
    assert grid(1, 2, century) == (0, century)


def test_too_many_bars_are_refused(hours):
    """A slip of the unit must not fill the memory."""
    db = recorder.open(hours)
    with pytest.raises(UsageError, match="Ask for a shorter range"):
        db.bars("1ms", "BTC-USD", "2020-01-01", "2030-01-01", allow_gaps=True).to_arrow()
