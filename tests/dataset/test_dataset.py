"""The reader's API over a small data set that is part sealed, part open."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import recorder
from recorder.core.frames import HOUR_NS, Frame, Opened, Sent
from recorder.core.wire.advanced import request
from recorder.dataset import to_ns
from recorder.errors import DataError, NoInputError, UsageError
from recorder.recording import Recording
from recorder.recovery import seal_and_switch
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root

HOUR = 494_500
BEGIN_NS = HOUR * HOUR_NS + 3_000_000_000_000  # 50 minutes into it
STAMP = "2026-05-31T20:50:00.5Z"


def level2(number: int, kind: str, changes: list[tuple[str, str, str]]) -> bytes:
    """An l2_data frame of BTC-USD; changes are (side, price, size)."""
    updates = ",".join(
        f'{{"side":"{side}","event_time":"{STAMP}","price_level":"{price}","new_quantity":"{size}"}}'
        for side, price, size in changes
    )
    return (
        f'{{"channel":"l2_data","timestamp":"{STAMP}","sequence_num":{number},"events":['
        f'{{"type":"{kind}","product_id":"BTC-USD","updates":[{updates}]}}]}}'
    ).encode()


def trade(number: int, trade_id: int) -> bytes:
    """A market_trades frame with one trade of BTC-USD."""
    return (
        f'{{"channel":"market_trades","timestamp":"{STAMP}","sequence_num":{number},"events":['
        f'{{"type":"update","trades":[{{"product_id":"BTC-USD","trade_id":"{trade_id}",'
        f'"price":"100.5","size":"0.1","time":"{STAMP}","side":"BUY"}}]}}]}}'
    ).encode()


@pytest.fixture
def data(tmp_path) -> Path:
    """Two hours: the first sealed and switched to, the second open; a gap in the first."""
    root = Root(tmp_path)
    write_empty_parts(root)
    at = itertools.count(BEGIN_NS, 60_000_000_000)  # a frame a minute
    recording = Recording(root, BEGIN_NS)
    recording.take(Opened(next(at), "ws1", "ws://127.0.0.1"))
    recording.take(Sent(next(at), "ws1", request("subscribe", "level2", ["BTC-USD"])))
    book = [("bid", "100", "1"), ("bid", "99.5", "2"), ("offer", "101", "3")]
    frames = [
        level2(0, "snapshot", book),
        level2(1, "update", [("bid", "99.5", "0"), ("offer", "101", "2.5")]),
        trade(2, 7),
        level2(4, "update", [("bid", "98", "4")]),  # 3 is missing: the book is stale
        level2(5, "snapshot", [("bid", "97", "1"), ("offer", "103", "123456789.123456789012")]),
        trade(6, 8),
        *(level2(7 + index, "update", [("bid", f"9{index}", "1")]) for index in range(6)),
    ]
    for frame in frames:
        recording.take(Frame(next(at), "ws1", frame))
    recording.flush()
    seal_and_switch(root, [HOUR])
    yield tmp_path
    recording.capture.close()


def minute(number: int) -> int:
    """The time of the frame that came so many minutes after the begin."""
    return BEGIN_NS + number * 60_000_000_000


def test_a_book_at_any_moment(data):
    """The book is what the frames up to then make, and says when it cannot be trusted."""
    db = recorder.open(data)
    first = db.book("BTC-USD", at=minute(2))
    assert first.valid
    assert first.bids == [("100", "1"), ("99.5", "2")]
    assert first.asks == [("101", "3")]
    changed = db.book("BTC-USD", at=minute(3))
    assert changed.bids == [("100", "1")]
    assert changed.asks == [("101", "2.5")]
    stale = db.book("BTC-USD", at=minute(5))
    assert not stale.valid
    assert stale.reason is not None
    assert stale.bids == [("100", "1")]  # the change that came while stale is not applied
    again = db.book("BTC-USD", at=minute(6))
    assert again.valid
    assert again.asks == [("103", "123456789.123456789012")]  # from the wire's text


def test_the_newest_book_lies_in_the_open_hour(data):
    """The open hour begins with the book, so the newest is built from it alone."""
    db = recorder.open(data)
    newest = db.book("BTC-USD")
    assert newest.valid
    assert newest.asks == [("103", "123456789.123456789012")]
    assert newest.bids[0] == ("97", "1")
    assert len(newest.bids) == 7
    assert db.book("BTC-USD", depth=2).bids == newest.bids[:2]


def test_sealed_and_open_hours_are_one(data):
    """Rows come once each, in order, whether their hour is sealed or open."""
    db = recorder.open(data)
    rows = db.level2("BTC-USD", allow_gaps=True).to_arrow()
    order = rows.column("ingest_seq").to_pylist()
    assert order == sorted(set(order))
    kinds = set(rows.column("kind").to_pylist())
    assert kinds == {"snapshot", "update", "checkpoint"}
    files = db.level2("BTC-USD").files()
    assert "product=BTC-USD" in str(files[0])
    assert files[-1].parent.parent.name == "live"


def test_a_range_is_half_open_and_read_in_any_spelling(data):
    """The start is in, the end is not; text, datetime and numbers mean the same."""
    db = recorder.open(data)
    start_ns, end_ns = minute(4), minute(8)
    moments = [
        (start_ns, end_ns),
        (start_ns // 1000, end_ns // 1000),
        (start_ns // 10**9, end_ns // 10**9),
        (to_datetime_text(start_ns), to_datetime_text(end_ns)),
        (moment(start_ns), moment(end_ns)),
    ]
    for start, end in moments:
        ids = db.trades("BTC-USD", start=start, end=end).to_arrow().column("trade_id").to_pylist()
        assert ids == [7, 8] if end_ns > minute(7) else [7]


def moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC)


def to_datetime_text(nanoseconds: int) -> str:
    return moment(nanoseconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_every_way_out_has_the_same_rows(data):
    """Arrow, pandas, polars, DuckDB and batches agree."""
    selection = recorder.open(data).level2("BTC-USD", allow_gaps=True)
    rows = selection.to_arrow().num_rows
    assert len(selection.to_pandas()) == rows
    assert selection.to_polars().height == rows
    assert len(selection.to_duckdb().fetchall()) == rows
    assert sum(batch.num_rows for batch in selection.batches()) == rows


def test_coverage_has_the_gap_with_both_ends(data):
    """The lost frame is an interval with a reason and the numbers around it."""
    rows = recorder.open(data).coverage("BTC-USD", "level2").to_pylist()
    gap = next(row for row in rows if row["state"] == "gap")
    assert (gap["reason"], gap["sequence_before"], gap["sequence_after"]) == ("sequence_gap", 2, 4)
    assert gap["messages_missing"] == 1
    for before, after in itertools.pairwise(rows):
        assert before["end_time"] == after["start_time"]


def test_products_are_summed_up(data):
    """A product's rows, hours and times over sealed and open files."""
    (summary,) = recorder.open(data).products()
    assert summary.product_id == "BTC-USD"
    assert summary.hours == 2
    assert summary.rows["trades"] == 2
    assert summary.bytes > 0
    assert summary.first.tzinfo is UTC


def test_duckdb_reads_both_by_glob(data):
    """The globs of the README work: sealed by product, date and hour; the open hour by part."""
    sealed = data / "level2" / "product=*" / "date=*" / "hour=*" / "*.parquet"
    rows = duckdb.sql(f"SELECT DISTINCT product, hour FROM read_parquet('{sealed}')").fetchall()
    assert rows == [("BTC-USD", HOUR % 24)] or rows[0][0] == "BTC-USD"
    live = data / "live" / "candles" / "*.parquet"
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{live}')").fetchall() == [(0,)]


def test_mistakes_are_told_with_what_to_do(data, tmp_path):
    """No directory, no product, no table, no time: one readable message each."""
    with pytest.raises(NoInputError, match="no such directory"):
        recorder.open(tmp_path / "nothing")
    db = recorder.open(data)
    with pytest.raises(NoInputError, match=r"Did you mean BTC-USD\? Recorded: BTC-USD"):
        db.book("btcusd")
    with pytest.raises(NoInputError, match="Recorded: BTC-USD"):
        db.book("ETH-USD")
    with pytest.raises(UsageError, match="The tables are level2, trades"):
        db.select("level3")
    with pytest.raises(UsageError, match="is no time"):
        db.book("BTC-USD", at="yesterday")


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("1970-01-01T00:00:01", 1_000_000_000),
        ("2026-11-21T19:30:00Z", 1_795_289_400_000_000_000),
        ("2026-11-21T20:30:00+01:00", 1_795_289_400_000_000_000),
        (1_795_289_400, 1_795_289_400_000_000_000),
        (1_795_289_400_123, 1_795_289_400_123_000_000),
        (1_795_289_400_123_456, 1_795_289_400_123_456_000),
        (1_795_289_400_123_456_789, 1_795_289_400_123_456_789),
        ("1795289400", 1_795_289_400_000_000_000),
        (datetime(2026, 11, 21, 19, 30, 0, 5), 1_795_289_400_000_005_000),  # noqa: DTZ001
    ],
)
def test_times_in_every_spelling(given, want):
    """Text is ISO 8601 and UTC where it says nothing; numbers tell their unit by their size."""
    assert to_ns(given) == want


def test_a_sealed_file_that_is_gone_is_told_and_not_passed_over(data):
    """Fewer rows without a word would be worse than an error."""
    db = recorder.open(data)
    for path in (data / "level2").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(DataError, match="the commit record names it, and it is gone"):
        db.level2("BTC-USD", allow_gaps=True).to_arrow()
    with pytest.raises(NoInputError, match="Nothing of ETH-USD is recorded"):
        db.level2("ETH-USD").to_arrow()
