"""Scripted sessions: what each arrival comes to."""

# ruff: noqa: RUF001  look-alikes are what is tested

import pytest

from recorder.core.asking import RESYNC_NS_MIN, SNAPSHOT_NS_MAX
from recorder.core.book import BookState
from recorder.core.coverage import TRACKS_MAX
from recorder.core.messages import BID, Reconnect, Resubscribe, SlowDown
from recorder.core.pipeline import Pipeline
from recorder.core.session import GAPS_MAX, LATE_RUN_MAX, STRANGERS_MAX
from recorder.store.ndjson import read_lines
from recorder.summaries import summarise
from tests.captures import ADVANCED, expected, needs_captures
from tests.core.scripts import (
    BOOK,
    BTC,
    UPDATE,
    Player,
    answer,
    checkpoint_of,
    epochs,
    frame,
    heartbeat,
    level2,
    level2_event,
    live,
    state_of,
    ticker,
    trades,
)

# --- books --------------------------------------------------------------------------------------


def test_a_snapshot_and_an_update() -> None:
    """Rows as they came, all on the snapshot's epoch; the book is LIVE and recorded."""
    player = live()
    player.say(level2(1, "update", UPDATE))
    rows = player.rows("level2")
    assert [(row["kind"], row["side"], row["price"], row["size"]) for row in rows] == [
        ("snapshot", "bid", 99.0, 1.0),
        ("snapshot", "bid", 98.0, 2.0),
        ("snapshot", "ask", 101.0, 3.0),
        ("update", "bid", 99.0, 5.0),
    ]
    assert epochs(player) == [rows[0]["ingest_seq"]] * 4
    assert player.pipeline.books[BTC].levels(BID) == [(99.0, 5.0), (98.0, 2.0)]
    assert player.pipeline.coverage.records(("level2", "BTC-USD"), "ws1")
    assert player.faults() == []


def test_updates_before_the_snapshot() -> None:
    """Kept as rows without an epoch, one fault a book, nothing applied; then the book goes LIVE."""
    player = Player()
    player.open()
    player.ask("level2", "BTC-USD")
    player.say(level2(0, "update", UPDATE))
    player.say(level2(1, "update", UPDATE))
    assert player.faults() == ["update_before_snapshot"]
    assert epochs(player) == [None, None]
    assert player.pipeline.books[BTC].levels(BID) == []
    player.say(level2(2, "snapshot", BOOK))
    assert player.pipeline.books[BTC].levels(BID) == [(99.0, 1.0), (98.0, 2.0)]
    assert state_of(player) is BookState.LIVE


def test_a_delete_of_an_unknown_level() -> None:
    """Normal: counted, no fault."""
    player = live()
    player.say(level2(1, "update", [("bid", "50", "0")]))
    assert player.pipeline.books[BTC].unknown_deletes == 1
    assert player.faults() == []


@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_a_crossed_book(kind: str) -> None:
    """A fault, STALE, no epoch on the rows that crossed it, and a fresh snapshot is asked for."""
    player = live()
    step = player.say(level2(1, kind, [("bid", "101", "1"), ("offer", "101", "1")]))
    assert player.faults() == ["book_crossed"]
    assert state_of(player) is BookState.STALE
    assert epochs(player)[3:] == [None, None]
    assert step.requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "book_crossed")]
    assert not player.pipeline.coverage.records(("level2", "BTC-USD"), "ws1")
    player.say(level2(2, "update", UPDATE))
    assert epochs(player)[-1] is None


def test_snapshots_that_are_crossed_again_and_again() -> None:
    """Asked for at once, then not more often than the limit, and never forgotten."""
    player = live()
    requests = []
    for number in range(1, 400):
        step = player.say(
            level2(number, "snapshot", [("bid", "2", "1"), ("offer", "1", "1")]), after_ms=100
        )
        requests += step.requests
        for each in step.requests:
            assert isinstance(each, Resubscribe)
    span_ns = 400 * 100_000_000
    assert 2 <= len(requests) <= 1 + span_ns // RESYNC_NS_MIN


@pytest.mark.parametrize("text", ["1e9999999", "NaN", "１２", "-1"])
def test_an_impossible_number_in_a_book(text: str) -> None:
    """The book is STALE: one change of it is not known."""
    player = live("BTC-USD", "ETH-USD")
    step = player.say(level2(2, "update", [("bid", text, "1")]))
    assert player.faults() == ["impossible_number"]
    assert (state_of(player), state_of(player, "ETH-USD")) == (BookState.STALE, BookState.LIVE)
    assert step.requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "impossible_number")]
    (row,) = player.rows("faults")
    assert text.encode().decode() in row["detail"]
    assert row["raw"] is not None


def test_an_impossible_number_after_the_snapshot_in_one_frame() -> None:
    """The snapshot does not heal what came after it."""
    player = live()
    events = [level2_event("snapshot", BOOK), level2_event("update", [("bid", "NaN", "1")])]
    player.say(frame("l2_data", 1, *events))
    assert state_of(player) is BookState.STALE
    player.say(frame("l2_data", 2, *reversed(events)))
    assert state_of(player) is BookState.STALE


def test_an_empty_book() -> None:
    """A snapshot without levels is a book without levels; nothing is a message of no change."""
    player = live()
    player.say(level2(1, "snapshot", []))
    assert state_of(player) is BookState.LIVE
    assert player.pipeline.books[BTC].levels(BID) == []
    player.say(level2(2, "update", []))
    player.say(frame("l2_data", 3))
    assert player.faults() == []
    assert len(player.rows("level2")) == 3


def test_a_snapshot_that_never_comes() -> None:
    """Overdue is a fault and asked for again, because nothing repeats a lost or unreadable one."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask("level2", "BTC-USD", "ETH-USD")
    player.say(level2(0, "snapshot", BOOK, "ETH-USD"))
    player.say(frame("l2_data", 1, {"type": "snapshot", "product_id": "BTC-USD", "updates": 5}))
    served = {"heartbeats": ["heartbeats"], "level2": ["BTC-USD", "ETH-USD"]}
    player.say(answer(2, **served))
    requests = []
    for number in range(3, 62):
        requests += player.say(heartbeat(number), after_ms=1000).requests
    assert player.faults() == ["malformed_frame", "snapshot_overdue"]
    assert requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "snapshot_overdue")]
    player.ask("level2", "BTC-USD", kind="unsubscribe")
    player.ask("level2", "BTC-USD")
    player.say(answer(62, **served))
    again = []
    for number in range(63, 163):
        again += player.say(heartbeat(number), after_ms=1000).requests
    assert again == requests  # once, and after twice the wait


def test_what_trades_most_now_is_mended_first() -> None:
    """Not what has the longest span of ids, which a hole or an old recording makes."""
    player = live("AAA-USD", "BTC-USD", "ETH-USD")
    player.ask("market_trades", "AAA-USD", "BTC-USD", "ETH-USD")
    player.say(trades(3, "snapshot", range(1, 101), "AAA-USD"))
    player.say(trades(4, "snapshot", [5], "BTC-USD"))
    player.say(trades(5, "update", [6, 7, 8], "BTC-USD"))
    player.say(trades(6, "update", [1, 10**6], "ETH-USD"))
    (request,) = player.say(heartbeat(9)).requests
    assert request.product_ids == ("BTC-USD", "ETH-USD", "AAA-USD")


def test_gap_after_gap_is_a_storm() -> None:
    """Mending is in vain: another connection is asked for."""
    player = live()
    requests: list[object] = []
    for number in range(2, 2 + 2 * GAPS_MAX, 2):
        requests += player.say(heartbeat(number)).requests
    assert requests[-1] == Reconnect("ws1", "gap_storm")
    assert player.faults()[-1] == "gap_storm"


def test_a_venue_that_says_too_fast() -> None:
    """Our requests slow down."""
    player = live()
    step = player.say(b'{"type":"error","message":"rate limit exceeded"}')
    assert step.requests == [SlowDown("ws1", "rate limit exceeded")]
    player.ask("level2", "ETH-USD")
    player.say(answer(1, level2=["BTC-USD", "ETH-USD"]))
    player.say(b'{"type":"error","message":"rate limit exceeded"}')
    step = player.say(heartbeat(2), after_ms=10_000)
    assert step.requests == [Resubscribe("ws1", "level2", ("ETH-USD",), "put_off")]


def test_a_resync_that_was_put_off() -> None:
    """It is asked for when it is due, and nothing is wrong with that."""
    player = live()
    player.ask("heartbeats")
    crossed = [("bid", "2", "1"), ("offer", "1", "1")]
    player.say(level2(1, "update", [("bid", "102", "1")]))
    player.say(level2(2, "snapshot", BOOK))
    player.say(level2(3, "snapshot", crossed))
    requests = []
    for number in range(4, 24):
        requests += player.say(heartbeat(number), after_ms=1000).requests
    assert player.faults() == ["book_crossed"] * 2
    assert requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "put_off")]


def test_a_snapshot_that_is_overdue_where_only_late_frames_come() -> None:
    """Time goes on with every frame."""
    player = Player()
    player.open()
    player.ask("level2", "BTC-USD")
    player.say(answer(0, level2=["BTC-USD"]))
    player.now_ns += SNAPSHOT_NS_MAX
    step = player.say(heartbeat(0))
    assert player.faults() == ["late_frame", "snapshot_overdue"]
    assert step.requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "snapshot_overdue")]


# --- order --------------------------------------------------------------------------------------


def test_a_gap() -> None:
    """Books STALE until a snapshot, which is asked for; coverage has both ends and numbers."""
    player = live("BTC-USD", "ETH-USD")
    player.ask("ticker", "BTC-USD")
    player.say(ticker(2))
    before_ns = player.now_ns
    step = player.say(level2(5, "update", UPDATE))
    gap_ns = player.now_ns
    assert player.pipeline.sequence_gaps == 1
    assert player.faults() == ["sequence_gap"]
    assert {state_of(player, each) for each in ("BTC-USD", "ETH-USD")} == {BookState.STALE}
    assert step.requests == [Resubscribe("ws1", "level2", ("BTC-USD", "ETH-USD"), "sequence_gap")]
    assert epochs(player)[-1] is None
    player.say(level2(6, "snapshot", BOOK))
    player.say(level2(7, "update", UPDATE))
    snapshot = [row for row in player.rows("level2") if row["kind"] == "snapshot"][-len(BOOK)]
    assert epochs(player)[-4:] == [snapshot["ingest_seq"]] * 4
    gaps = {
        (row["channel"], row["product_id"]): row
        for row in player.rows("coverage")
        if row["state"] == "gap"
    }
    assert set(gaps) == {("level2", "BTC-USD"), ("ticker", "BTC-USD")}
    for row in gaps.values():
        assert (row["sequence_before"], row["sequence_after"]) == (2, 5)
        assert (row["messages_missing"], row["reason"]) == (2, "sequence_gap")
        assert row["start_time"] == before_ns // 1000
    assert gaps["ticker", "BTC-USD"]["end_time"] == gap_ns // 1000
    assert gaps["level2", "BTC-USD"]["end_time"] == (gap_ns + 50_000_000) // 1000


def test_a_gap_that_shows_after_a_product_was_left() -> None:
    """Its frames were lost when it was recorded still: what it misses since has their numbers."""
    player = live()
    player.ask("ticker", "BTC-USD")
    player.say(ticker(1))
    player.ask("ticker", "BTC-USD", kind="unsubscribe")
    player.say(heartbeat(4))
    player.end()
    (gap,) = [
        row
        for row in player.rows("coverage")
        if (row["channel"], row["state"]) == ("ticker", "gap")
    ]
    assert (gap["reason"], gap["sequence_before"], gap["sequence_after"]) == ("unsubscribed", 1, 4)
    assert gap["messages_missing"] == 2


def test_a_gap_before_the_snapshot() -> None:
    """What was lost may have been the snapshot: it becomes overdue and is asked for again."""
    player = Player()
    player.open()
    player.ask("level2", "BTC-USD")
    player.say(answer(0, level2=["BTC-USD"]))
    player.say(level2(2, "update", UPDATE))
    assert player.faults() == ["sequence_gap", "update_before_snapshot"]
    requests = []
    for number in range(3, 45):
        requests += player.say(heartbeat(number), after_ms=1000).requests
    assert requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "snapshot_overdue")]


@pytest.mark.parametrize("number", [0, 1])
def test_a_late_or_repeated_frame(number: int) -> None:
    """Not applied, no rows, a fault; the book stays as it is."""
    player = live()
    player.say(ticker(1))
    before = player.pipeline.books[BTC].levels(BID)
    player.say(level2(number, "update", [("bid", "99", "0")]))
    assert player.pipeline.books[BTC].levels(BID) == before
    assert player.faults() == ["late_frame"]
    assert len(player.rows("level2")) == len(BOOK)
    assert state_of(player) is BookState.LIVE


def test_late_frames_without_end() -> None:
    """The numbering is in doubt: nothing is recorded since the last in order; reconnect."""
    player = live()
    player.ask("ticker", "BTC-USD")
    player.say(ticker(2**62))
    in_order_ns = player.now_ns
    requests = []
    for number in range(1, 3 * LATE_RUN_MAX):
        requests += player.say(ticker(number)).requests
    assert requests == [Reconnect("ws1", "late_frames")]
    recorded = [row for row in player.rows("coverage") if row["channel"] == "ticker"]
    assert recorded[-1]["end_time"] == in_order_ns // 1000
    player.close()
    player.open("ws2")
    player.say(ticker(0), "ws2")
    gap = player.rows("coverage")[-1]
    assert (gap["reason"], gap["start_time"]) == ("late_frames", in_order_ns // 1000)


def test_late_frames_on_a_quiet_connection() -> None:
    """A few are enough where none came in order for seconds."""
    player = live()
    player.say(heartbeat(2**62))
    requests = [player.say(heartbeat(number), after_ms=1000).requests for number in range(1, 9)]
    assert requests == [[]] * 4 + [[Reconnect("ws1", "late_frames")]] + [[]] * 3


def test_a_malformed_frame_with_a_number() -> None:
    """It may have been a change of any book: all are STALE; the numbering goes on."""
    player = live("BTC-USD", "ETH-USD")
    step = player.say(b'{"sequence_num":2,"channel":7}')
    assert player.faults() == ["malformed_frame"]
    assert {state_of(player, each) for each in ("BTC-USD", "ETH-USD")} == {BookState.STALE}
    assert step.requests == [
        Resubscribe("ws1", "level2", ("BTC-USD", "ETH-USD"), "malformed_frame")
    ]
    player.say(ticker(3))
    assert player.pipeline.sequence_gaps == 0


@pytest.mark.parametrize("channel", ["ticker", "market_trades", "status", "heartbeats"])
def test_a_malformed_frame_of_another_channel(channel: str) -> None:
    """The books are not hurt by it, and its number counts."""
    player = live()
    player.say(frame(channel, 1, {"type": 5}))
    player.say(level2(2, "update", UPDATE))
    assert player.faults() == ["malformed_frame"]
    assert state_of(player) is BookState.LIVE


@pytest.mark.parametrize("raw", [b'{"channel":"l2_da', b"", b"\xff\xfe", b"[" * 100_000])
def test_a_frame_that_cannot_be_read_at_all(raw: bytes) -> None:
    """A fault at once; the number that it had is not there at the next frame: then the doubt."""
    player = live()
    player.say(raw)
    assert player.faults() == ["malformed_frame"]
    player.say(level2(2, "update", UPDATE))
    assert player.faults() == ["malformed_frame", "unreadable_frames"]
    assert state_of(player) is BookState.STALE
    assert epochs(player)[-1] is None


@pytest.mark.parametrize(
    ("unreadable", "number", "reason", "missing"),
    [
        (33, 34, "unreadable_frames", 0),
        (2, 2, "unreadable_frames", 0),
        (2, 6, "sequence_gap", 3),
    ],
)
def test_frames_that_came_are_not_missing(
    unreadable: int, number: int, reason: str, missing: int
) -> None:
    """They are in the capture; the book is doubted all the same, because they may have hurt it."""
    player = live()
    for _ in range(unreadable):
        player.say(b"\xff\xfe")
    step = player.say(level2(number, "update", UPDATE))
    assert player.faults() == ["malformed_frame"] * unreadable + [reason]
    assert player.pipeline.sequence_gaps == (reason == "sequence_gap")
    assert step.requests == [Resubscribe("ws1", "level2", ("BTC-USD",), reason)]
    assert state_of(player) is BookState.STALE
    player.say(level2(number + 1, "snapshot", BOOK))
    gap = player.rows("coverage")[-1]
    assert (gap["reason"], gap["messages_missing"]) == (reason, missing)
    assert (gap["sequence_before"], gap["sequence_after"]) == (0, number)


def test_an_error_of_the_venue_is_no_frame_that_is_missing() -> None:
    """It never has a number."""
    player = live()
    player.say(b'{"type":"error","message":"rate limit exceeded"}')
    player.say(level2(2, "update", UPDATE))
    assert player.faults() == ["venue_error", "sequence_gap"]


def test_unreadable_frames_before_the_hour_turns() -> None:
    """Their count is carried."""
    player = live()
    player.say(b"")
    carried = player.turn()
    fresh = Player(Pipeline(), player.now_ns)
    fresh.pipeline.load_checkpoint(checkpoint_of(player.blocks))
    fresh.take(carried)
    fresh.say(level2(2, "update", UPDATE))
    assert fresh.faults() == ["unreadable_frames"]


def test_a_frame_that_is_cut_off_behind_its_number() -> None:
    """Its number counts, so that nothing is missing; the books are in doubt at once."""
    player = live()
    raw = b'{"channel":"l2_data","client_id":"","timestamp":"x","sequence_num":1,"events":[{"ty'
    player.say(raw)
    assert state_of(player) is BookState.STALE
    player.say(ticker(2))
    assert player.faults() == ["malformed_frame"]
    assert player.pipeline.sequence_gaps == 0


def test_an_unknown_channel() -> None:
    """A fault, its number counts, nothing else is touched."""
    player = live()
    player.say(frame("l4_data", 1, {"x": 1}))
    player.say(level2(2, "update", UPDATE))
    assert player.faults() == ["unknown_channel"]
    assert player.pipeline.messages["unknown"] == 1
    assert state_of(player) is BookState.LIVE


def test_an_error_of_the_venue() -> None:
    """A fault without a number; the session goes on."""
    player = live()
    player.say(b'{"type":"error","message":"rate limit exceeded"}')
    player.say(level2(1, "update", UPDATE))
    assert player.faults() == ["venue_error"]
    assert player.pipeline.sequence_gaps == 0


@pytest.mark.parametrize("product", ["../../etc", "BTC-USD\x00", "CON", "X" * 300, "", "ВТС-USD"])
def test_an_impossible_product(product: str) -> None:
    """A fault; no row, no book, no track has its name, and the other books live on."""
    player = live()
    player.say(level2(1, "snapshot", BOOK, product))
    player.say(trades(2, "update", [1], product))
    player.say(ticker(3, product))
    assert player.faults() == ["impossible_product"] * 3
    assert list(player.pipeline.books) == [BTC]
    assert state_of(player) is BookState.LIVE
    assert {product_id for _, product_id in player.pipeline.coverage.tracks} == {"BTC-USD"}


def test_a_product_that_was_not_asked_for() -> None:
    """Kept as rows, with one fault. Nothing says that it goes on: it is no book."""
    player = live()
    player.say(level2(1, "snapshot", BOOK, "DOGE-USD"))
    player.say(level2(2, "update", UPDATE, "DOGE-USD"))
    assert player.faults() == ["unexpected_product"]
    assert epochs(player)[len(BOOK) :] == [None] * (len(BOOK) + len(UPDATE))
    assert ("ws1", "DOGE-USD") not in player.pipeline.books


def test_the_book_of_a_stranger_hides_no_gap() -> None:
    """It came in the place of another on a line that does not carry it, and is never followed up.

    The line that carries it is without its snapshot: nobody records it.
    """
    player = live()
    player.open("ws2")
    player.ask("level2", "ETH-USD", connection="ws2")
    for channel in ("ticker", "market_trades"):
        player.ask(channel, "BTC-USD")
        player.ask(channel, "ETH-USD", connection="ws2")
    player.say(level2(1, "snapshot", BOOK, "ETH-USD"))
    player.say(ticker(2, "ETH-USD"))
    player.say(trades(3, "update", [1], "ETH-USD"))
    assert player.faults() == ["unexpected_product"] * 3
    assert len(player.rows("ticker")) == len(player.rows("trades")) == 1
    for channel in ("level2", "ticker", "market_trades"):
        assert not player.pipeline.coverage.tracks[channel, "ETH-USD"].recordings
    step = player.say(level2(6, "update", UPDATE))
    assert step.requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "sequence_gap")]


def test_products_without_end() -> None:
    """Their number has a bound; each frame beyond is a fault and stays in the capture."""
    player = live()
    for number in range(1, STRANGERS_MAX + 20):
        player.say(level2(number, "snapshot", BOOK, f"X{number}-USD"))
    assert len(player.rows("level2")) == (1 + STRANGERS_MAX) * len(BOOK)
    assert list(player.pipeline.books) == [BTC]
    assert player.pipeline.faults == STRANGERS_MAX + 19
    player.say(level2(STRANGERS_MAX + 20, "update", UPDATE))
    assert state_of(player) is BookState.LIVE


def test_an_answer_with_products_without_end() -> None:
    """Only what was asked for is promised, and an answer alone begins no track of data."""
    player = live()
    player.ask("ticker", "BTC-USD")
    player.say(answer(1, ticker=[f"X{number}-USD" for number in range(TRACKS_MAX)]))
    assert len(player.pipeline.coverage.tracks) == 2
    player = Player()
    player.open()
    player.say(answer(0, ticker=[f"X{number}-USD" for number in range(TRACKS_MAX + 5)]))
    assert player.pipeline.coverage.tracks == {}
    names = [f"X{number}-USD" for number in range(TRACKS_MAX + 1)]
    many = [{"product_id": name, "price": "1"} for name in names]
    player.say(frame("ticker", 1, {"type": "update", "tickers": many}))
    assert len(player.pipeline.coverage.tracks) == TRACKS_MAX
    assert player.faults() == ["unexpected_product"]
    assert len(player.rows("ticker")) == TRACKS_MAX


# --- trades -------------------------------------------------------------------------------------


def test_trades_are_stored_once() -> None:
    """The snapshot after a reconnect repeats the last ones; those missed meanwhile are filled."""
    player = Player()
    player.open()
    player.say(trades(0, "snapshot", range(1, 6)))
    player.say(trades(1, "update", [7, 6]))
    player.close()
    player.open("ws2")
    player.say(trades(0, "update", [10]), "ws2")
    assert player.faults() == ["trade_id_gap"]
    player.say(trades(1, "snapshot", range(3, 11)), "ws2")
    assert [row["trade_id"] for row in player.rows("trades")] == [1, 2, 3, 4, 5, 6, 7, 10, 8, 9]
    assert player.faults() == ["trade_id_gap"]


def test_a_trade_that_comes_again_in_an_update() -> None:
    """Not stored twice, and said."""
    player = Player()
    player.open()
    player.say(trades(0, "update", [1, 2]))
    player.say(trades(1, "update", [2]))
    player.say(trades(2, "update", [3, 3]))
    assert [row["trade_id"] for row in player.rows("trades")] == [1, 2, 3]
    assert player.faults() == ["trade_repeated"] * 2


# --- the real thing -------------------------------------------------------------------------------


@needs_captures
def test_the_recorded_session() -> None:
    """Real frames give the counts, trades and books that were found by others; no gap, no fault."""
    truth = expected()
    player = Player()
    frames_in = 0
    for line in read_lines(ADVANCED, lambda _: None):
        player.now_ns = max(player.now_ns if frames_in else 0, line.t_ns or 0)
        if not player.steps:
            player = Player(at_ns=player.now_ns)
            player.open(line.conn)
        if line.outgoing:
            player.send(line.raw, line.conn)
        else:
            frames_in += 1
            player.say(line.raw, line.conn, after_ms=0)
    pipeline = player.pipeline
    assert frames_in == truth["frames"]["in"]
    assert dict(pipeline.messages) == truth["types"]
    assert player.faults() == []
    assert pipeline.sequence_gaps == 0
    assert {product_id for _, product_id in pipeline.books} == set(truth["final_books"])
    for (_, product_id), book in pipeline.books.items():
        book.check()
        wanted = truth["final_books"][product_id]
        found = summarise(book)
        assert found.valid
        assert (found.bids, found.asks) == (wanted["bids"], wanted["asks"])
        assert [list(found.best_bid or ()), list(found.best_ask or ())] == [
            wanted["best_bid"],
            wanted["best_ask"],
        ]
        assert found.sha256 == wanted["sha256"]
        assert book.unknown_deletes == wanted["changes"]["delete_unknown"]
    rows = player.rows("trades")
    for product_id, wanted in truth["market_trades"].items():
        ids = [row["trade_id"] for row in rows if row["product_id"] == product_id]
        assert len(ids) == len(set(ids)) == wanted["trades"]
        assert (min(ids), max(ids)) == (wanted["first_id"], wanted["last_id"])
        assert pipeline.trades[product_id].holes == []


def test_a_book_whose_snapshot_never_came_is_a_gap() -> None:
    """Changes of a book that nobody asked for, without a snapshot: coverage says it was missing."""
    player = Player()
    player.open()
    player.say(level2(0, "update", UPDATE))
    player.say(heartbeat(1))
    player.end()
    (row,) = [each for each in player.rows("coverage") if each["channel"] == "level2"]
    assert (row["state"], row["reason"]) == ("gap", "joined_late")
