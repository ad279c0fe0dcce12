"""What the marks between the frames come to: asking, closing, starting, turning, ending."""

from collections import Counter

import pytest

from recorder.core.book import BookState
from recorder.core.frames import HOUR_NS, Noted
from recorder.core.messages import BID, Level2
from recorder.core.pipeline import Pipeline
from recorder.core.state import State
from tests.core.scripts import (
    BOOK,
    BTC,
    HOUR_10_NS,
    UPDATE,
    Player,
    answer,
    checkpoint_of,
    epochs,
    heartbeat,
    level2,
    live,
    state_of,
    ticker,
)

# --- what was asked for ---------------------------------------------------------------------------


def test_an_answer_begins_what_it_promises() -> None:
    """A channel is recorded from its first data; a book from its snapshot; the rest from here."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask("user")
    for channel in ("ticker", "level2"):
        player.ask(channel, "BTC-USD")
    player.say(
        answer(0, heartbeats=["heartbeats"], ticker=["BTC-USD"], level2=["BTC-USD"], user=["user"])
    )
    records = player.pipeline.coverage.records
    assert records(("user", None), "ws1")
    player.say(heartbeat(1))
    player.say(ticker(2))
    assert records(("heartbeats", None), "ws1")
    assert records(("ticker", "BTC-USD"), "ws1")
    assert not records(("level2", "BTC-USD"), "ws1")


@pytest.mark.parametrize("products", [("BTC-USD",), ()])
def test_unsubscribing_a_book(products: tuple[str, ...]) -> None:
    """Frames on their way are kept as rows, not applied; with no products named, all are meant."""
    player = live()
    player.ask("level2", *products, kind="unsubscribe")
    player.say(level2(1, "update", UPDATE))
    assert state_of(player) is BookState.STALE
    assert epochs(player)[-1] is None
    assert [row["state"] for row in player.rows("coverage")] == ["recorded"]
    player.say(level2(2, "snapshot", BOOK))  # was on its way: of no use
    assert state_of(player) is BookState.STALE
    player.ask("level2", "BTC-USD")
    player.say(level2(3, "snapshot", BOOK))
    assert state_of(player) is BookState.LIVE
    assert [row["reason"] for row in player.rows("coverage")] == [None, "unsubscribed"]


def test_what_was_unsubscribed_is_not_recorded_again_before_it_is_asked_for() -> None:
    """An answer to an earlier request, or a frame on its way, does not begin it anew."""
    player = live()
    player.ask("ticker", "BTC-USD")
    player.say(ticker(1))
    player.ask("ticker", "BTC-USD", kind="unsubscribe")
    player.say(answer(2, ticker=["BTC-USD"]))
    player.say(ticker(3))
    records = player.pipeline.coverage.records
    assert not records(("ticker", "BTC-USD"), "ws1")
    player.ask("ticker", "BTC-USD")
    player.say(ticker(4))
    assert records(("ticker", "BTC-USD"), "ws1")


def test_other_things_that_were_sent() -> None:
    """They change nothing."""
    player = live()
    before = player.pipeline.state()
    for raw in (b'{"type":"ping","channel":"level2","product_ids":["BTC-USD"]}', b"hello", b""):
        step = player.send(raw)
        assert (step.rows, step.requests) == ([], [])
    assert player.pipeline.state() == before


# --- ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("orderly", [True, False])
def test_a_connection_closes(orderly: bool) -> None:
    """Its books and session are gone, and the gap lasts until another connection records."""
    player = live()
    heard_ns = player.now_ns
    player.now_ns += 10**9
    player.close(orderly=orderly)
    end_ns = player.now_ns if orderly else heard_ns
    assert player.pipeline.sessions == {}
    assert player.pipeline.books == {}
    player.open("ws2")
    player.say(level2(0, "snapshot", BOOK), "ws2")
    recorded, gap = player.rows("coverage")
    assert (recorded["end_time"], recorded["state"]) == (end_ns // 1000, "recorded")
    assert (gap["start_time"], gap["end_time"]) == (end_ns // 1000, player.now_ns // 1000)
    assert (gap["reason"], gap["sequence_before"]) == ("connection_closed", 0)
    assert gap["detail"] == "close code 1006"


@pytest.mark.parametrize("end", ["closed", "closed in order", "stop"])
@pytest.mark.parametrize("raw", [level2(0, "update", UPDATE), b"{"])
def test_frames_that_were_not_applied_are_not_recorded(end: str, raw: bytes) -> None:
    """Late or unreadable ones after the last in order: the end is where that one was."""
    player = live()
    player.say(level2(1, "update", UPDATE))
    ordered_us = player.now_ns // 1000
    for _ in range(2):
        player.say(raw)
    if end == "stop":
        player.end()
    else:
        player.close(orderly=end == "closed in order")
        player.end()
    recorded = [row for row in player.rows("coverage") if row["state"] == "recorded"]
    assert [row["end_time"] for row in recorded] == [ordered_us]


@pytest.mark.parametrize("cause", ["stop", "lost"])
def test_the_recorder_ends(cause: str) -> None:
    """Everything is closed: no session, book or track is left open."""
    player = live("BTC-USD", "ETH-USD")
    player.open("ws2")
    player.say(ticker(0), "ws2")
    player.end(cause)
    pipeline = player.pipeline
    assert (pipeline.sessions, pipeline.books, pipeline.coverage.tracks) == ({}, {}, {})
    ends = Counter((row["channel"], row["product_id"]) for row in player.rows("coverage"))
    assert set(ends) == {("level2", "BTC-USD"), ("level2", "ETH-USD"), ("ticker", "BTC-USD")}
    last = [row for row in player.rows("coverage") if row["end_time"] == player.now_ns // 1000]
    assert {row["reason"] for row in last} == {"recorder_down"}


def test_the_recorder_starts_again() -> None:
    """The time that it was down is a gap of all that is wanted, up to the start and to the data."""
    player = Player()
    down_ns = player.now_ns - 5_000_000_000
    player.start(State(ended_ns=down_ns, wanted=[("level2", "BTC-USD"), ("heartbeats", None)]))
    start_ns = player.now_ns
    player.open()
    player.say(level2(0, "snapshot", BOOK))
    rows = [
        (row["channel"], row["start_time"], row["end_time"], row["reason"])
        for row in player.rows("coverage")
    ]
    assert rows == [
        ("level2", down_ns // 1000, start_ns // 1000, "recorder_down"),
        ("heartbeats", down_ns // 1000, start_ns // 1000, "recorder_down"),
        ("level2", start_ns // 1000, player.now_ns // 1000, "connecting"),
    ]


def test_the_first_start_misses_nothing() -> None:
    """Before the first recording there was nothing to record."""
    player = Player()
    player.start(State(wanted=[("level2", "BTC-USD")]))
    player.open()
    player.say(level2(0, "snapshot", BOOK))
    assert player.rows("coverage") == []


def test_silence_has_a_deadline() -> None:
    """Of each connection that beats, a while after its last frame."""
    player = Player()
    player.open()
    player.open("ws2")
    player.ask("heartbeats")
    player.say(heartbeat(0))
    assert list(player.pipeline.deadlines_ns()) == ["ws1"]
    assert player.pipeline.deadlines_ns()["ws1"] > player.now_ns


def test_a_record_that_begins_in_the_middle() -> None:
    """The first number is taken as found, nothing is strange, and order counts from there."""
    player = Player()
    player.open(first=None)
    player.say(ticker(500))
    player.say(ticker(501, "ETH-USD"))
    assert player.faults() == []
    player.say(ticker(503))
    assert player.faults() == ["sequence_gap"]


# --- hours ----------------------------------------------------------------------------------------


def test_the_hour_turns() -> None:
    """The first rows of the new hour are the whole books, best first; intervals are cut there."""
    player = live("ETH-USD", "BTC-USD")
    player.say(level2(2, "update", [("bid", "97", "123456789.123456789012")]))
    player.blocks.clear()
    player.turn()
    boundary_us = (HOUR_10_NS + HOUR_NS) // 1000
    assert {(row["end_time"], row["state"]) for row in player.rows("coverage")} == {
        (boundary_us, "recorded")
    }
    rows = player.rows("level2")
    assert [(row["product_id"], row["side"], row["price"]) for row in rows] == [
        ("BTC-USD", "bid", 99.0),
        ("BTC-USD", "bid", 98.0),
        ("BTC-USD", "bid", 97.0),
        ("BTC-USD", "ask", 101.0),
        ("ETH-USD", "bid", 99.0),
        ("ETH-USD", "bid", 98.0),
        ("ETH-USD", "ask", 101.0),
    ]
    assert rows[2]["size_text"] == "123456789.123456789012"
    first = rows[0]["ingest_seq"]
    assert [row["ingest_seq"] - first for row in rows] == list(range(7))
    assert [row["book_epoch"] - first for row in rows] == [0] * 4 + [4] * 3
    player.say(level2(3, "update", UPDATE))
    assert epochs(player)[-1] == first


@pytest.mark.parametrize("levels", [None, 1])
def test_an_hour_whose_checkpoint_is_not_whole(levels: int | None) -> None:
    """The book is STALE and not recorded until a snapshot, and that is written down."""
    player = live()
    carried = player.turn()
    books = checkpoint_of(player.blocks)
    if levels is None:
        books = {}
    else:
        books[BTC] = Level2("BTC-USD", True, [BID], [99.0], [1.0], None)
    fresh = Player(Pipeline(), player.now_ns)
    fresh.pipeline.load_checkpoint(books)
    fresh.take(carried)
    assert fresh.faults() == ["checkpoint_missing"]
    assert state_of(fresh) is BookState.STALE
    fresh.say(level2(1, "update", UPDATE))
    assert epochs(fresh) == [None]
    fresh.say(level2(2, "snapshot", BOOK))
    gap = fresh.rows("coverage")[-1]
    assert (gap["state"], gap["reason"]) == ("gap", "checkpoint_missing")


def test_a_checkpoint_comes_too_late() -> None:
    """It is for the begin of a replay."""
    with pytest.raises(AssertionError, match="begin of a replay"):
        live().pipeline.load_checkpoint({})


def test_what_the_recorder_notices_is_a_fault_of_no_connection() -> None:
    """A clock that was set, a disk that refused: a row, and nothing else changes."""
    player = live()
    before = player.pipeline.state()
    step = player.pipeline.step(Noted(HOUR_10_NS + 5, "clock_stepped", "by +1 s"), 77)
    (rows,) = step.rows
    assert (rows.table, rows.count) == ("faults", 1)
    assert {"clock_stepped", "by +1 s", 77} <= {value for value in rows.values if value}
    assert player.pipeline.state() == before
    assert player.pipeline.faults == 1


def test_frames_of_a_product_on_their_way_when_it_is_unsubscribed_are_no_strangers() -> None:
    """A snapshot asked for by the first resubscription may come after the second has begun."""
    player = live()
    player.ask("level2", "ETH-USD")
    for _ in range(2):
        player.ask("level2", "BTC-USD", kind="unsubscribe")
        player.ask("level2", "BTC-USD")
    player.ask("level2", "BTC-USD", kind="unsubscribe")
    player.say(level2(1, "snapshot", BOOK))
    assert player.rows("faults") == []
    assert state_of(player) is BookState.STALE
