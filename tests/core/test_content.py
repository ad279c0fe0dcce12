"""What the messages of a frame come to; more of it in test_pipeline."""

import json
from typing import Any

from recorder.core.audit import RUN_MAX
from recorder.core.book import BookState
from recorder.core.messages import Resubscribe
from tests.core.scripts import heartbeat, level2, live, state_of, ticker, trades


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
