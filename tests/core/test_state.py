"""What is carried from one stretch of capture to the next."""

from recorder.core import state as states
from recorder.core.book import Book, BookState
from recorder.core.coverage import Coverage, Missing
from recorder.core.lag import Lag
from recorder.core.messages import BID, Level2
from recorder.core.session import Session
from recorder.core.trades import TradeIds


def session() -> Session:
    """A session that knows something of everything."""
    made = Session("ws1", 10, 0)
    made.check(7)
    made.check(3)
    made.last_ns, made.ordered_ns = 30, 20
    made.ask("subscribe", "level2", ("ETH-USD", "BTC-USD"), 10)
    made.ask("subscribe", "heartbeats", (), 10)
    made.ask("unsubscribe", "status", (), 12)
    made.ask("unsubscribe", "level2", ("ETH-USD",), 14)
    made.not_left(10**12)
    made.resync("BTC-USD", 15)
    made.resync("BTC-USD", 16)
    made.unreadable, made.distrusted = 3, True
    made.kinship("level2", "SOL-USD")
    made.trades("BTC-USD", 5, 10**15)
    made.lags["BTC-USD"] = Lag(8, 20, 1, 19)
    return made


def test_a_session_comes_back() -> None:
    """Every attribute, so that what follows is judged alike."""
    before = session()
    after = states.session_from_state(
        states.decode(
            states.encode(states.State(sessions=[states.session_to_state(before)]))
        ).sessions[0]
    )
    assert {name: getattr(after, name) for name in Session.__slots__} == {
        name: getattr(before, name) for name in Session.__slots__
    }


def test_tracks_come_back() -> None:
    """Recordings, gaps and their order."""
    before = Coverage()
    before.begin(("ticker", "BTC-USD"), "ws1", 10)
    before.saw(("ticker", "BTC-USD"), "ws1", 4, 5)
    before.begin(("level2", "BTC-USD"), "ws1", 11)
    missing = Missing(0, "sequence_gap", 1, 3, 1, "ws1", "…")
    before.end(("level2", "BTC-USD"), "ws1", 12, missing)
    before.expect(("status", None), 13, "not_served", quiet=True)
    text = states.encode(states.State(tracks=states.tracks_to_state(before)))
    after = states.coverage_from_state(states.decode(text).tracks)
    assert list(after.tracks.items()) == list(before.tracks.items())


def test_trade_ids_come_back() -> None:
    """With their holes; a product without any is not mentioned."""
    before = {"BTC-USD": TradeIds(1, 9, [(3, 4), (6, 6)], 10**12), "ETH-USD": TradeIds()}
    text = states.encode(states.State(trades=states.trades_to_state(before)))
    after = states.trades_from_state(states.decode(text).trades)
    assert list(after) == ["BTC-USD"]
    ids = after["BTC-USD"]
    assert (ids.first, ids.last, ids.holes, ids.odd) == (1, 9, [(3, 4), (6, 6)], 10**12)


def test_books_are_listed_by_product_and_line() -> None:
    """The levels are in the checkpoint rows; here is how many there must be of a LIVE book."""
    live = Book("BTC-USD")
    live.load(Level2("BTC-USD", True, [BID], [1.0], [2.0], None), 5)
    live.unknown_deletes = 3
    stale = Book("ETH-USD")
    stale.load(Level2("ETH-USD", True, [BID], [1.0], [2.0], None), 5)
    stale.doubt()
    books = {
        ("ws2", "ETH-USD"): stale,
        ("ws2", "BTC-USD"): live,
        ("ws1", "BTC-USD"): Book("BTC-USD"),
    }
    listed = states.books_to_state(books)
    assert [(each.product_id, each.connection_id, each.state, each.levels) for each in listed] == [
        ("BTC-USD", "ws1", "empty", 0),
        ("BTC-USD", "ws2", "live", 1),
        ("ETH-USD", "ws2", "stale", 0),
    ]
    back = [states.book_from_state(each) for each in listed]
    assert [each.state for each in back] == [BookState.EMPTY, BookState.STALE, BookState.STALE]
    assert [each.unknown_deletes for each in back] == [0, 3, 0]


def test_the_same_knowledge_is_the_same_text() -> None:
    """Whatever order it was learnt in."""
    one, other = Session("ws1", 1, 0), Session("ws1", 1, 0)
    for made, channels in ((one, ("ticker", "status")), (other, ("status", "ticker"))):
        for channel in channels:
            made.ask("subscribe", channel, ("ETH-USD", "BTC-USD"), 1)
    texts = {
        states.encode(states.State(sessions=[states.session_to_state(each)]))
        for each in (one, other)
    }
    assert len(texts) == 1


def test_a_state_of_an_older_recorder() -> None:
    """Keys that are missing have a default, unknown ones are ignored."""
    assert states.decode(b'{"new":1}') == states.State()
