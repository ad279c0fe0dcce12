"""What is known at a moment, and which line tells of it."""

from recorder.broadcast.known import Known
from recorder.broadcast.told import Hole, Told, Whole
from recorder.core.messages import Heartbeat, Level2, Trade, Trades

LEVEL2 = ("level2", "BTC-USD")


def changes(*levels, snapshot=False):
    sides, prices, sizes = map(list, zip(*levels, strict=True))
    return Level2("BTC-USD", snapshot, sides, prices, sizes, None)


SNAPSHOT = changes(("bid", 1.0, 1.0), ("ask", 2.0, 1.0), snapshot=True)


def told(line, message, channel="level2", at_ns=0):
    of = () if isinstance(message, Heartbeat) else ("BTC-USD",)
    snapshot = getattr(message, "snapshot", False)
    return Told(at_ns, line, channel, of, snapshot, b"", b"", (message,))


def test_a_book_is_known_from_a_snapshot_to_a_doubt():
    known = Known()
    update = changes(("bid", 1.5, 1.0))
    assert known.take(told("a", update)) == ["BTC-USD"]
    assert known.present(*LEVEL2) is None
    known.take(told("a", SNAPSHOT))
    known.take(told("a", update))
    assert '"price_level":"1.5"' in known.present(*LEVEL2)
    assert known.lose(Hole(0, "a", frozenset())) == {LEVEL2}
    assert known.present(*LEVEL2) is None
    known.take(told("a", SNAPSHOT))
    known.take(told("a", changes(("bid", 2.5, 1.0))))
    assert known.present(*LEVEL2) is None  # it is crossed


def test_the_newest_snapshot_decides_who_tells():
    known = Known()
    known.take(told("a", SNAPSHOT))
    assert known.take(told("b", changes(("bid", 1.5, 1.0)))) == []
    known.take(told("b", SNAPSHOT))
    assert known.take(told("a", changes(("bid", 1.5, 1.0)))) == []
    assert known.lose(Hole(0, "a", frozenset(), ended=True)) == frozenset()
    assert known.book("BTC-USD") is not None
    known.lose(Hole(0, "b", frozenset(), ended=True))
    assert known.take(told("c", changes(("bid", 1.5, 1.0)))) == ["BTC-USD"]


def test_one_line_beats_for_all_until_it_is_silent():
    known = Known()
    beats = [
        known.take(told(line, Heartbeat(1), "heartbeats", at_s * 10**9))
        for at_s, line in enumerate("aababbbbb")
    ]
    assert beats == [[""], [""], [], [""], [], [], [""], [""], [""]]


def test_a_whole_book_is_news_where_it_is_another():
    known = Known()
    assert known.learn_book(Whole(0, "a", SNAPSHOT))
    assert not known.learn_book(Whole(0, "a", SNAPSHOT))
    known.take(told("a", changes(("bid", 1.0, 0.0))))
    assert known.learn_book(Whole(0, "a", SNAPSHOT))


def test_the_last_hundred_trades_are_known():
    known = Known()
    trades = [Trade("BTC-USD", each, "BUY", "SELL", 1.0, 1.0, None) for each in range(150)]
    known.take(told("a", Trades("BTC-USD", False, trades), "market_trades"))
    known.take(told("b", Trades("BTC-USD", True, trades[-5:]), "market_trades"))
    text = known.present("market_trades", "BTC-USD")
    assert text.count("trade_id") == 100
    assert text.index('"149"') < text.index('"50"')
