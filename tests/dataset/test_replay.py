"""A replay gives every row once, in order, as events; and books that are the recorder's."""

import itertools
from collections import Counter

import pytest

import recorder
from recorder.core.book import BookState
from recorder.core.tables import TABLES
from recorder.dataset import replay as replaying
from recorder.dataset.events import (
    Candle,
    Heartbeat,
    LevelChanges,
    Status,
    Ticker,
    Trade,
    columns_of,
)
from recorder.dataset.gaps import Gap
from recorder.errors import DataError, IncompleteData, NoInputError, UsageError
from recorder.store.paths import CUTS
from tests.dataset.made import HOUR, HOUR_NS, HOUR_START_NS, Recorded
from tests.frames_made import PRODUCTS

CHANNELS = ("level2", "trades", "ticker", "heartbeats", "status", "candles")
OF = {Trade: "trades", Ticker: "ticker", Heartbeat: "heartbeats", Status: "status"}


def rows_of(db, start=None, end=None, products=PRODUCTS):
    """Every row of every table, sorted by number: (number, table, row)."""
    found = []
    for table in CHANNELS:
        rows = db.select(table, None, allow_gaps=True).to_arrow().to_pylist()
        found += [
            (row["ingest_seq"], table, row)
            for row in rows
            if row["product_id"] in (None, *products)
            and (start is None or row["recv_ns"] >= start)
            and (end is None or row["recv_ns"] < end)
        ]
    return sorted(found, key=lambda row: row[0])


def unrolled(events):
    """The rows that events stand for: (number, table, columns of it)."""
    for event in events:
        if isinstance(event, Gap):
            continue
        if isinstance(event, LevelChanges):
            changes = zip(event.sides, event.prices, event.sizes, strict=True)
            for index, (side, price, size) in enumerate(changes):
                row = {"side": side, "price": price, "size": size, "kind": event.kind}
                row |= {"book_epoch": event.epoch, "exchange_ns": event.exchange_ns}
                texts = event.price_texts, event.size_texts
                row |= {
                    name: each[index] if each else None
                    for name, each in zip(("price_text", "size_text"), texts, strict=True)
                }
                yield event.ingest_seq + index, "level2", row
            continue
        row = event._asdict()
        yield row.pop("ingest_seq"), OF[type(event)], row


def check(db, events, start=None, end=None, products=PRODUCTS) -> None:
    want = rows_of(db, start, end, products)
    got = list(unrolled(events))
    assert [(number, table) for number, table, _ in got] == [each[:2] for each in want]
    times = {"trade_us": "trade_time", "start_us": "start_time"}
    for (_, _, mine), (_, _, row) in zip(got, want, strict=True):
        for name, value in mine.items():
            expected = row[times.get(name, name)]
            if name in times and expected is not None:
                expected = int(expected.timestamp() * 1_000_000 + 0.5)
            assert value == expected or name in times, (name, value, expected)


def test_every_row_comes_once_and_in_order(hours):
    """Products and channels, sealed hours and the open one are one run, sorted by number."""
    db = recorder.open(hours)
    run = db.replay(PRODUCTS, channels=CHANNELS, allow_gaps=True)
    events = list(run)
    check(db, events)
    assert list(run) == events, "a second run is the first"
    numbers = [event.ingest_seq for event in events if not isinstance(event, Gap)]
    assert numbers == sorted(numbers)
    times = [event.recv_ns for event in events if not isinstance(event, Gap)]
    assert times == sorted(times)


@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_pieces_of_any_size_give_the_same_run(hours, monkeypatch, rows):
    """How much is held at once decides nothing, though messages are cut by it."""
    db = recorder.open(hours)
    span = (HOUR_START_NS + HOUR_NS, HOUR_START_NS + 2 * HOUR_NS)
    run = db.replay(PRODUCTS, *span, channels=CHANNELS, allow_gaps=True)
    want = list(run)
    monkeypatch.setattr(replaying, "_ROWS_AT_ONCE", (rows, rows))
    assert list(run) == want
    assert Counter(type(event) for event in want)[LevelChanges] > 100


def test_a_range_begins_with_the_books_that_it_builds_on(hours):
    """What follows from the first event on comes to the book at the end."""
    db = recorder.open(hours)
    start, end = HOUR_START_NS + HOUR_NS + 1_000_000_000, HOUR_START_NS + 2 * HOUR_NS - 50_000_000
    run = db.replay("BTC-USD", start, end, channels="level2", books=True)
    events = list(run)
    first = events[0]
    assert isinstance(first, LevelChanges)
    assert (first.kind, first.recv_ns) == ("checkpoint", start)
    assert all(event.kind == "update" for event in events[1:])
    book, want = run.books["BTC-USD"], db.book("BTC-USD", at=end - 1)
    assert want.valid
    assert book.state is BookState.LIVE
    for side, levels in (("bid", want.bids), ("ask", want.asks)):
        assert book.levels(side) == [(float(price), float(size)) for price, size in levels]
    book.check()


def test_books_follow_through_gaps_and_turns_of_hours(hours):
    """After every event the book is that of `book(at)`, trusted when that is."""
    db = recorder.open(hours)
    run = db.replay(PRODUCTS, channels=["level2", "ticker"], books=True, allow_gaps=True)
    seen = Counter()
    for number, event in enumerate(run):
        if isinstance(event, Gap) and event.channel == "level2":
            assert run.books[event.product_id].state is BookState.STALE
            seen["gap"] += 1
        if number % 61 or not isinstance(event, LevelChanges):
            continue
        book, want = run.books[event.product_id], db.book(event.product_id, event.recv_ns, 3)
        assert (book.state is BookState.LIVE) == want.valid
        seen[want.valid] += 1
        if want.valid:
            bids = [(float(price), float(size)) for price, size in want.bids]
            assert book.levels("bid", 3) == bids
    assert seen["gap"] == 2
    assert seen[True] > 10


def test_a_gap_stands_between_what_is_before_and_behind_it(hours):
    """Its begin is not before the event before it, and nothing of the channel lies in it."""
    db = recorder.open(hours)
    run = db.replay("BTC-USD", channels="level2", allow_gaps=True)
    events = list(run)
    (gap,) = (event for event in events if isinstance(event, Gap))
    assert gap.reason == "sequence_gap"
    at = events.index(gap)
    assert events[at - 1].recv_ns <= gap.recv_ns + 999
    assert events[at + 1].recv_ns > gap.recv_ns + 999
    inside = [each for each in events[at + 1 :] if each.recv_ns < gap.end_ns]
    assert all(each.epoch is None for each in inside)


def test_gaps_that_begin_together_come_in_an_order(hours):
    """Every run gives them alike: by channel and product, as they were asked for."""
    channels, names = ("level2", "ticker", "trades"), ("level2", "ticker", "market_trades")
    run = recorder.open(hours).replay(PRODUCTS, channels=channels, allow_gaps=True)
    gaps = [event for event in run if isinstance(event, Gap)]
    asked = [
        (gap.start_ns, names.index(gap.channel), PRODUCTS.index(gap.product_id)) for gap in gaps
    ]
    assert asked == sorted(asked)
    assert len({gap.start_ns for gap in gaps}) < len(gaps) - 1


def test_gaps_are_refused_before_anything_is_given(hours):
    """The error names all of them, of every channel; nothing has to be run first."""
    db = recorder.open(hours)
    with pytest.raises(IncompleteData, match="level2 of BTC-USD") as caught:
        db.replay("BTC-USD")
    assert caught.value.gaps
    span = (HOUR_START_NS + HOUR_NS, HOUR_START_NS + 2 * HOUR_NS)
    assert list(db.replay("BTC-USD", *span))
    with pytest.raises(IncompleteData, match="not_recorded"):
        db.replay("BTC-USD", span[0], span[1] + 2 * HOUR_NS)


def test_words_that_mean_nothing_are_refused(hours):
    """A channel or product that there is not, a range that is reversed."""
    db = recorder.open(hours)
    with pytest.raises(UsageError, match="'level3' cannot be replayed"):
        db.replay("BTC-USD", channels=["level3"])
    with pytest.raises(NoInputError, match="Did you mean BTC-USD"):
        db.replay("btc-usd")
    with pytest.raises(UsageError, match="ends before it begins"):
        db.replay("BTC-USD", 2_000_000_000, 1_000_000_000)
    assert db.replay(PRODUCTS, allow_gaps=True).books == {}
    with pytest.raises(UsageError, match="No product to replay"):
        db.replay([])
    with pytest.raises(UsageError, match="No channel to replay"):
        db.replay("BTC-USD", channels=[])
    with pytest.raises(UsageError, match="7 is no product"):
        db.replay(["BTC-USD", 7])


def test_a_run_goes_on_when_its_hour_is_sealed_and_the_parts_go(tmp_path, without_sync):
    """Between two events the open hour becomes a sealed one: nothing is lost or comes twice."""
    recorded = Recorded(tmp_path, seed=2)
    recorded.connect()
    for _ in range(5):
        recorded.run(0.5)
    db = recorder.open(tmp_path)
    want = list(db.replay(PRODUCTS, channels=CHANNELS, allow_gaps=True))
    run = iter(db.replay(PRODUCTS, channels=CHANNELS, allow_gaps=True))
    got = list(itertools.islice(run, 200))
    recorded.turn()
    for name in CHANNELS:
        for part in recorded.root.parts(name, recorded.hour - 1):
            part.path.unlink()
    got += run
    assert got[: len(want)] == want
    recorded.recording.capture.close()


@pytest.mark.parametrize("sealed", [0, 1])
def test_a_run_finds_hours_that_were_sealed_after_it_began(tmp_path, without_sync, sealed):
    """Parts that are not listed any more are not there: the hour is read from where it is now."""
    recorded = Recorded(tmp_path, seed=2)
    recorded.connect()
    for hour in range(3):
        recorded.run(0.5)
        recorded.turn(seal=hour < sealed)
    db = recorder.open(tmp_path)
    want = list(db.replay(PRODUCTS, channels=CHANNELS[:5]))
    run = iter(db.replay(PRODUCTS, channels=CHANNELS[:5]))
    got = [next(run)]
    recorded.run(0.5)
    recorded.turn()
    retire_parts(recorded)
    got += run
    assert got == want, "and nothing that came since it began"
    recorded.recording.capture.close()


def retire_parts(recorded: Recorded) -> None:
    """Remove what the sealed hours no longer need."""
    for hour in range(HOUR, recorded.hour):
        for name in (*TABLES, CUTS):
            for part in recorded.root.parts(name, hour):
                part.path.unlink()


def test_the_books_before_a_run_are_found_while_parts_go(tmp_path, without_sync, monkeypatch):
    """They are read before the first event; their hour may be sealed at that moment."""
    recorded = Recorded(tmp_path, seed=2)
    recorded.connect()
    recorded.run(2)
    db = recorder.open(tmp_path)
    run = db.replay("BTC-USD", HOUR_START_NS + 1_000_000_000)
    want = list(run)
    held_by, calls = replaying.held_by, []

    def sealed_meanwhile(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            recorded.turn()
            retire_parts(recorded)
        return held_by(*arguments)

    monkeypatch.setattr(replaying, "held_by", sealed_meanwhile)
    assert list(run) == want
    assert len(calls) == 2
    recorded.recording.capture.close()


def test_a_run_without_an_end_stays_what_it_was(tmp_path, without_sync):
    """What comes after it was asked for belongs to the next one, also behind a named end."""
    recorded = Recorded(tmp_path, seed=2)
    recorded.connect()
    recorded.run(1)
    db = recorder.open(tmp_path)
    ends = (None, HOUR_START_NS + HOUR_NS)
    runs = [db.replay(PRODUCTS, None, end, allow_gaps=True) for end in ends]
    want = [list(run) for run in runs]
    recorded.run(1)
    assert [list(run) for run in runs] == want
    recorded.turn()
    retire_parts(recorded)
    assert [list(run) for run in runs] == want
    recorded.recording.capture.close()


def test_a_run_of_all_products_begins_with_the_books_of_all(hours):
    """Without a name every product is meant, its book before the begin, too."""
    db = recorder.open(hours)
    span = HOUR_START_NS + HOUR_NS + 1_000_000_000, HOUR_START_NS + 2 * HOUR_NS
    assert list(db.replay(None, *span)) == list(db.replay(PRODUCTS, *span))
    run = db.replay(None, *span, channels="level2", books=True)
    events = iter(run)
    assert {next(events).kind for _ in PRODUCTS} == {"checkpoint"}
    assert {product: book.state for product, book in run.books.items()} == dict.fromkeys(
        PRODUCTS, BookState.LIVE
    )


def test_an_hour_begins_with_its_books_once(hours):
    """A range that begins with an hour has them in the hour's own rows."""
    run = recorder.open(hours).replay(PRODUCTS, HOUR_START_NS + HOUR_NS, channels="level2")
    kinds = Counter(event.kind for event in run)
    assert kinds["checkpoint"] == 2 * len(PRODUCTS), "of two hours"


def test_an_hour_that_is_pruned_meanwhile_is_told(tmp_path, without_sync):
    """Silence would be a hole in the run."""
    recorded = Recorded(tmp_path, seed=2)
    recorded.connect()
    recorded.run(1)
    recorded.turn()
    recorded.run(1)
    recorded.turn()
    run = iter(recorder.open(tmp_path).replay("BTC-USD"))
    next(run)
    for hour in recorded.root.committed_hours():
        recorded.root.commit(hour).unlink()
    for table in ("coverage", "trades"):
        for path in (tmp_path / table).rglob("*.parquet"):
            path.unlink()
    with pytest.raises(DataError, match="prunes this directory"):
        list(run)
    recorded.recording.capture.close()


def test_events_have_the_columns_of_their_tables():
    """A new column of a table is a new field of its event, or is left out on purpose."""
    for name, kind in (("trades", Trade), ("ticker", Ticker), ("candles", Candle)):
        columns = {column.name for column in TABLES[name].columns}
        derived = {column.name for column in TABLES[name].columns if column.derived}
        assert set(columns_of(TABLES[name])) == columns - derived, kind
