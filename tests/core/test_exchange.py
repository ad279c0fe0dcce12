"""Sessions of the Exchange: no number a connection, so nothing proves that nothing was lost."""

import json
from typing import Any

from recorder.core.book import BookState
from recorder.core.frames import EXCHANGE, HOUR_NS
from recorder.core.messages import Resubscribe, SlowDown
from tests.core.scripts import HOUR_10_NS, Player, state_of

TIME = "2026-08-25T12:00:00.198001Z"


def said(kind: str, product: str | None = "BTC-USD", **content: Any) -> bytes:
    """A frame."""
    body = {"type": kind, **({"product_id": product} if product else {}), **content}
    return json.dumps(body, separators=(",", ":")).encode()


def snapshot(product: str = "BTC-USD") -> bytes:
    return said("snapshot", product, bids=[["99", "1"]], asks=[["101", "2"]])


def update(*changes: tuple[str, str, str], product: str = "BTC-USD") -> bytes:
    return said("l2update", product, changes=changes, time=TIME)


def match(trade_id: int, sequence: int, kind: str = "match") -> bytes:
    return said(
        kind, trade_id=trade_id, side="sell", size="1", price="100", sequence=sequence, time=TIME
    )


def ticker(sequence: int, bid: str = "99", ask: str = "101") -> bytes:
    return said(
        "ticker", sequence=sequence, price="100", best_bid=bid, best_ask=ask, time=TIME, trade_id=1
    )


def opened(*products: str, at_ns: int = HOUR_10_NS) -> Player:
    """A session that asked for everything, with LIVE books."""
    player = Player(at_ns=at_ns)
    player.start()
    player.open(first=None, venue=EXCHANGE)
    products = products or ("BTC-USD",)
    for channel in ("heartbeats", "level2_batch", "ticker", "market_trades"):
        player.ask(channel, *products)
    for product in products:
        player.say(snapshot(product))
    return player


def covered(player: Player) -> set[tuple[str, str | None, str]]:
    rows = player.rows("coverage")
    told = [row for row in rows if row["reason"] != "recorder_down"]
    return {(row["channel"], row["product_id"], row["state"]) for row in told}


def test_a_session() -> None:
    """Rows of both venues are alike; the number is the product's own."""
    player = opened()
    player.say(update(("buy", "99", "3"), ("sell", "101", "0"), ("sell", "102", "1")))
    player.say(match(1, 10, "last_match"))
    player.say(match(2, 20))
    player.say(ticker(20, "99", "102"))
    player.say(said("heartbeat", sequence=21, last_trade_id=2, time=TIME))
    book = player.pipeline.books["ws1", "BTC-USD"]
    assert (book.best_bid(), book.best_ask()) == (99.0, 102.0)
    trades = [(row["trade_id"], row["kind"], row["sequence"]) for row in player.rows("trades")]
    assert trades == [(1, "snapshot", 10), (2, "update", 20)]
    (trade, _) = player.rows("trades")
    assert (trade["side"], trade["taker_side"]) == ("SELL", "BUY")
    (beat,) = player.rows("heartbeats")
    assert (beat["product_id"], beat["last_trade_id"], beat["sequence"]) == ("BTC-USD", 2, 21)
    assert {row["sequence"] for row in player.rows("level2")} == {None}
    player.end()
    assert player.faults() == []
    assert covered(player) == {
        ("level2", "BTC-USD", "unverified"),
        ("ticker", "BTC-USD", "unverified"),
        ("heartbeats", "BTC-USD", "unverified"),
        ("market_trades", "BTC-USD", "recorded"),
    }
    (audit,) = player.rows("audits")
    assert (audit["agree"], audit["disagree"]) == (1, 0)


def test_a_number_that_goes_back() -> None:
    """Of one product and channel; what repeats an old trade at the begin may be older."""
    player = opened()
    player.say(match(1, 10))
    player.say(ticker(9))
    player.say(match(2, 8))
    player.say(match(3, 7, "last_match"))
    assert player.faults() == ["number_back"]
    assert len(player.rows("trades")) == 3


def test_a_frame_that_cannot_be_read_may_have_been_a_change_of_any_book() -> None:
    """No number tells what it was."""
    player = opened("BTC-USD", "ETH-USD")
    step = player.say(b'{"type":')
    assert {state_of(player, each) for each in ("BTC-USD", "ETH-USD")} == {BookState.STALE}
    assert step.requests == [
        Resubscribe("ws1", "level2", ("BTC-USD", "ETH-USD"), "malformed_frame")
    ]
    player.say(update(("buy", "98", "1")))
    assert player.rows("level2")[-1]["book_epoch"] is None
    player.say(snapshot())
    assert state_of(player, "BTC-USD") is BookState.LIVE


def test_trades_that_are_missing() -> None:
    """Their ids are contiguous here, too."""
    player = opened()
    player.say(match(1, 10))
    player.say(match(5, 30))
    player.end()
    gaps = [row for row in player.rows("coverage") if row["reason"] == "trade_id_gap"]
    assert [row["messages_missing"] for row in gaps] == [3]


def named(trade_id: int, product: str = "BTC-USD") -> bytes:
    """A heartbeat, which names the newest trade."""
    return said("heartbeat", product, last_trade_id=trade_id, sequence=1000 + trade_id, time=TIME)


def trade_gaps(player: Player) -> list[tuple[str, int, int | None]]:
    rows = [row for row in player.rows("coverage") if row["channel"] == "market_trades"]
    told = [row for row in rows if row["state"] == "gap" and row["reason"] != "recorder_down"]
    return [(row["reason"], row["start_time"], row["messages_missing"]) for row in told]


def test_trades_that_heartbeats_name_and_that_do_not_come() -> None:
    """A fault, a gap since the last trade, and another subscription; recorded from the next on."""
    player = opened()
    player.say(match(10, 10, "last_match"))
    player.say(match(11, 11))
    last_us = player.now_ns // 1000
    requests = []
    for second in range(8):
        requests += player.say(named(11 + second), after_ms=1000).requests
    assert requests == [Resubscribe("ws1", "market_trades", ("BTC-USD",), "trades_behind")]
    assert player.faults() == ["trades_behind"]
    assert not player.pipeline.coverage.records(("market_trades", "BTC-USD"), "ws1")
    player.ask("market_trades", "BTC-USD", kind="unsubscribe")
    player.ask("market_trades", "BTC-USD")
    player.say(match(20, 20, "last_match"))
    player.say(match(21, 21))
    assert trade_gaps(player) == [("trades_behind", last_us, 8)]
    assert player.faults() == ["trades_behind", "trade_id_gap"]
    player.say(named(21))
    player.end()
    assert len(trade_gaps(player)) == 1


def test_trades_that_were_named_before_a_connection_ended() -> None:
    """They are missing since the last trade, not since the end; the next connection counts them."""
    player = opened()
    player.say(match(10, 10, "last_match"))
    last_us = player.now_ns // 1000
    for _ in range(3):
        player.say(named(40), after_ms=1000)
    player.close()
    player.open("ws2", first=None, venue=EXCHANGE)
    player.ask("market_trades", "BTC-USD", connection="ws2")
    player.say(match(60, 60, "last_match"), "ws2")
    assert trade_gaps(player) == [("connection_closed", last_us, 49)]


def test_trades_that_were_named_before_the_recorder_ended() -> None:
    """As before another end."""
    player = opened()
    player.say(match(10, 10, "last_match"))
    last_us = player.now_ns // 1000
    player.say(named(40), after_ms=1000)
    player.end()
    rows = [row for row in player.rows("coverage") if row["channel"] == "market_trades"]
    found = [(row["state"], row["end_time"], row["messages_missing"]) for row in rows]
    assert found[-2][:2] == ("recorded", last_us) or found[0][:2] == ("recorded", last_us)
    assert ("gap", player.now_ns // 1000, 30) in found


def test_trades_that_were_lost_while_nobody_was_connected() -> None:
    """The gap says how many."""
    player = opened()
    player.say(match(10, 10, "last_match"))
    end_us = player.now_ns // 1000
    player.close()
    player.open("ws2", first=None, venue=EXCHANGE)
    player.ask("market_trades", "BTC-USD", connection="ws2")
    player.say(match(15, 15, "last_match"), "ws2")
    assert trade_gaps(player) == [("connection_closed", end_us, 4)]


def test_a_ticker_is_of_the_channel_that_was_asked_for() -> None:
    """The Exchange labels those of two channels alike."""
    player = Player()
    player.open(first=None, venue=EXCHANGE)
    player.ask("ticker_batch", "BTC-USD")
    player.say(ticker(1))
    player.end()
    assert player.faults() == []
    assert covered(player) == {("ticker_batch", "BTC-USD", "unverified")}


def test_the_rules_of_products_that_are_recorded() -> None:
    """The Exchange tells those of all products; one that is not online any more is told."""
    player = opened()
    player.ask("status")
    products = [{"id": each, "status": "online"} for each in ("BTC-USD", "ETH-USD")]
    player.say(said("status", None, products=products, currencies=[]))
    products[0]["status"] = "delisted"
    player.say(said("status", None, products=products, currencies=[]))
    assert [row["product_id"] for row in player.rows("status")] == ["BTC-USD"] * 2
    assert player.faults() == ["product_status"]
    player.end()
    assert ("status", None, "unverified") in covered(player)
    assert not {row[1] for row in covered(player)} & {"ETH-USD"}


def test_an_hour_replays_alone() -> None:
    """What is carried over the hour holds the venue, and with it the meaning of the frames."""
    player = opened(at_ns=HOUR_10_NS + HOUR_NS - 2_000_000_000)
    player.say(ticker(50))
    carried = player.turn()
    fresh = Player(at_ns=player.now_ns)
    fresh.pipeline.load_checkpoint({})
    fresh.take(carried)
    for each in (player, fresh):
        each.say(ticker(40))
    assert player.faults()[-1:] == fresh.faults()[-1:] == ["number_back"]


def test_a_client_that_asks_too_much_is_told_so() -> None:
    """`ErrSlowRead` means us (`coinbase.md` §2.4.10); `ErrSlowConsume` is about reading."""
    for text, requests in (
        ('"message":"ErrSlowRead"', [SlowDown("ws1", "ErrSlowRead")]),
        (
            '"message":"error","reason":"slow read: too many messages"',
            [SlowDown("ws1", "error: slow read: too many messages")],
        ),
        ('"message":"ErrSlowConsume"', []),
    ):
        player = opened()
        assert player.say(b'{"type":"error",%s}' % text.encode()).requests == requests
        assert player.faults() == ["venue_error"]
