"""What the messages of a frame come to; more of it in test_pipeline."""

import json
from typing import Any

from recorder.core.audit import RUN_MAX
from recorder.core.book import BookState
from recorder.core.messages import Reconnect, Resubscribe
from tests.core.scripts import frame, heartbeat, level2, live, state_of, ticker, trades
from tests.core.wire.test_advanced_orders import WIRE


def test_a_heartbeat_that_jumps() -> None:
    """The counter is the venue's uptime in seconds; a jump is told, a step of two is not."""
    player = live()
    player.ask("heartbeats")
    for number, counter in enumerate((100, 101, 103, 103, 104, 200, 201, 5), start=1):
        player.say(heartbeat(number, counter))
    assert player.faults() == ["heartbeat_jump"] * 2
    assert [row["detail"] for row in player.rows("faults")] == [
        "the venue's counter went from 104 to 200",
        "the venue's counter went from 201 to 5",
    ]


def test_trades_that_are_missing_where_no_frame_is() -> None:
    """A hole in the ids is a gap of the trades since the last of them, with their number."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [1, 2, 3]))
    since_us = player.now_ns // 1000
    player.say(trades(2, "update", [7, 8]))
    (gap,) = [row for row in player.rows("coverage") if row["state"] == "gap"]
    assert (gap["channel"], gap["reason"]) == ("market_trades", "trade_id_gap")
    assert (gap["start_time"], gap["end_time"]) == (since_us, player.now_ns // 1000)
    assert gap["messages_missing"] == 3
    assert player.faults() == ["trade_id_gap"]


def test_trades_that_are_missing_behind_lost_frames() -> None:
    """The loss is a gap up to the frame behind it, the missing ids one from there to their end."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [1, 2, 3]))
    since_us = player.now_ns // 1000
    player.say(heartbeat(4), after_ms=400)  # 2 and 3 are lost
    lost_us = player.now_ns // 1000
    player.say(trades(5, "update", [7, 8]), after_ms=300)
    gaps = [row for row in player.rows("coverage") if row["state"] == "gap"]
    told = [
        (row["reason"], row["start_time"], row["end_time"], row["messages_missing"])
        for row in gaps
        if row["channel"] == "market_trades"
    ]
    assert told == [
        ("sequence_gap", since_us, lost_us, 2),
        ("trade_id_gap", lost_us, player.now_ns // 1000, 3),
    ]
    assert player.faults() == ["sequence_gap", "trade_id_gap"]
    player.say(trades(6, "update", [12]), after_ms=300)  # no frame is missing before this one
    (gap,) = [row for row in player.rows("coverage") if row["state"] == "gap"][len(gaps) :]
    assert (gap["reason"], gap["messages_missing"]) == ("trade_id_gap", 3)
    assert gap["end_time"] - gap["start_time"] == 300_000


def test_a_trade_that_cannot_be_read_is_missing() -> None:
    """Its id says so at once, of itself and of those before it; a snapshot may bring it later."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [1, 2, 3]))
    since_us = player.now_ns // 1000
    body = json.loads(trades(2, "update", [5]))
    body["events"][0]["trades"][0]["size"] = "NaN"
    player.say(json.dumps(body).encode())
    (gap,) = [row for row in player.rows("coverage") if row["state"] == "gap"]
    assert (gap["channel"], gap["reason"]) == ("market_trades", "trade_id_gap")
    assert (gap["start_time"], gap["end_time"]) == (since_us, player.now_ns // 1000)
    assert gap["messages_missing"] == 2
    assert player.faults() == ["impossible_number", "trade_id_gap"]
    assert player.rows("faults")[-1]["detail"] == "trade ids 4 … 5 are missing"
    assert player.pipeline.trades["BTC-USD"].holes == [(4, 5)]
    player.say(trades(3, "update", [6]))
    assert player.faults() == ["impossible_number", "trade_id_gap"]
    player.say(trades(4, "snapshot", [4, 5, 6]))
    assert [row["trade_id"] for row in player.rows("trades")] == [1, 2, 3, 6, 4, 5]


def test_a_trade_that_cannot_be_read_begins_nothing() -> None:
    """Before any trade nobody can say what is missing; what is recorded begins with one."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    body = json.loads(trades(1, "update", [5]))
    body["events"][0]["trades"][0]["price"] = "-1"
    player.say(json.dumps(body).encode())
    assert player.faults() == ["impossible_number"]
    assert not player.pipeline.coverage.records(("market_trades", "BTC-USD"), "ws1")
    assert player.pipeline.trades["BTC-USD"].last is None


def test_a_trade_id_that_is_absurd() -> None:
    """Its trade is kept and doubted; it makes no hole, and the next real one still shows."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [1, 2, 3]))
    player.say(trades(2, "update", [10**12]))
    player.say(trades(3, "update", [4]))
    player.say(trades(4, "update", [7]))
    assert player.faults() == ["trade_id_jump", "trade_id_gap"]
    jump, _ = player.rows("faults")
    assert jump["detail"] == (
        "trade id 1000000000000 is far from 1 … 3, which are recorded; kept, and not relied on"
    )
    assert jump["product_id"] == "BTC-USD"
    assert jump["raw"] is not None
    (gap,) = [row for row in player.rows("coverage") if row["state"] == "gap"]
    assert gap["messages_missing"] == 2
    assert [row["trade_id"] for row in player.rows("trades")] == [1, 2, 3, 10**12, 4, 7]
    assert player.pipeline.trades["BTC-USD"].holes == [(5, 6)]


def test_trade_ids_that_go_on_far_away() -> None:
    """The second one says that it is so: what was not heard is a gap with its number."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [1, 2, 3]))
    player.say(trades(2, "update", [10**12, 10**12 + 1]))
    player.say(trades(3, "update", [10**12 + 2]))
    assert player.faults() == ["trade_id_jump", "trade_id_jump"]
    assert [row["detail"] for row in player.rows("faults")][1] == (
        "trade ids go on from 1000000000000, far from 1 … 3, which are recorded; "
        "nothing between is fetched"
    )
    (gap,) = [row for row in player.rows("coverage") if row["state"] == "gap"]
    assert gap["messages_missing"] == 10**12 - 4


# --- own orders ----------------------------------------------------------------------------------


def test_own_orders_become_rows_of_one_track() -> None:
    """Whatever the products; positions in futures are counted, and no raw frame is repeated."""
    player = live()
    player.ask("user")
    assert player.pipeline.private
    positions = {"perpetual_futures_positions": [{}, {}]}
    event = {"type": "snapshot", "orders": [WIRE, WIRE | {"product_id": "ETH-USD"}]}
    player.say(frame("user", 1, event | {"positions": positions}))
    player.say(frame("user", 2, {"type": "update", "orders": [WIRE | {"avg_price": "1e3"}]}))
    rows = player.rows("user_orders")
    assert [(row["kind"], row["product_id"], row["avg_price"]) for row in rows] == [
        ("snapshot", "BTC-USDC", 50000.0),
        ("snapshot", "ETH-USD", 50000.0),
        ("update", "BTC-USDC", None),
    ]
    assert json.loads(rows[0]["inexact_text"]) == {"limit_price": WIRE["limit_price"]}
    assert player.pipeline.coverage.records(("user", None), "ws1")
    assert player.pipeline.messages["user/positions"] == 2
    assert player.faults() == ["impossible_number"]
    assert player.rows("faults")[0]["raw"] is None


def test_own_orders_are_private_where_nobody_saw_them_asked_for() -> None:
    """A record that begins in the middle of a connection, and a frame that cannot be read."""
    for events in ({"type": "snapshot", "orders": []}, {"type": "snapshot", "orders": 5}):
        player = live()
        assert not player.pipeline.private
        player.say(frame("user", 1, events))
        assert player.pipeline.private
        assert all(row["raw"] is None for row in player.rows("faults"))


def test_a_gap_on_a_connection_with_own_orders_is_mended_by_another() -> None:
    """What changed in it cannot be asked for; a new connection begins with all open orders."""
    player = live()
    player.ask("user")
    player.say(frame("user", 1, {"type": "snapshot", "orders": [WIRE]}))
    step = player.say(frame("user", 5, {"type": "update", "orders": [WIRE]}))
    assert step.requests == [Reconnect("ws1", "sequence_gap")]


# --- audits ---------------------------------------------------------------------------------------


def touch(number: int, bid: str, ask: str) -> bytes:
    """A ticker that names a best bid and ask."""
    raw = json.loads(ticker(number))
    raw["events"][0]["tickers"][0] |= {"best_bid": bid, "best_ask": ask}
    return json.dumps(raw, separators=(",", ":")).encode()


def test_tickers_are_held_against_the_book() -> None:
    """Agreeing, ahead, behind and wrong ones are counted, a row an hour or session."""
    player = live()
    player.ask("ticker", "BTC-USD")
    start_us = player.now_ns // 1000
    player.say(touch(1, "99", "101"))
    player.say(touch(2, "99.5", "101"))  # ahead of the book
    player.say(level2(3, "update", [("bid", "99.5", "1")]))
    player.say(touch(4, "99", "101"))  # behind it
    player.say(touch(5, "98", "101"))  # never so
    player.close()
    (row,) = player.rows("audits")
    assert (row["product_id"], row["connection_id"]) == ("BTC-USD", "ws1")
    assert (row["agree"], row["lagging"], row["disagree"]) == (1, 2, 0)
    assert row["start_time"] >= start_us
    assert player.faults() == []


def test_a_book_that_tickers_disagree_with_again_and_again_is_wrong() -> None:
    """It is STALE, told, and asked for again."""
    player = live()
    player.ask("ticker", "BTC-USD")
    requests: list[Any] = []
    for number in range(1, 15):
        requests += player.say(touch(number, "98", "101"), after_ms=1000).requests
    assert requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "book_disagrees")]
    assert player.faults() == ["book_disagrees"]
    assert state_of(player, "BTC-USD") is BookState.STALE
    player.close()
    (row,) = player.rows("audits")
    assert row["disagree"] >= RUN_MAX
