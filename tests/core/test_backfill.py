"""Trades that were missing and have been fetched."""

import json
from typing import Any

from recorder.core.frames import Fetched
from recorder.core.knowledge import Step
from tests.core.scripts import Player, checkpoint_of, live, trades

TIME = "2026-09-08T09:59:{:02d}.5Z"


def rows_of(*ids: int, side: str = "sell", **changed: Any) -> bytes:
    """What the venue answers, as it is kept."""
    found = [
        {"trade_id": each, "price": "100.5", "size": "0.1", "time": TIME.format(each), "side": side}
        | changed
        for each in ids
    ]
    return json.dumps(found, separators=(",", ":")).encode()


def missing() -> Player:
    """Trades 4 to 9 were lost."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [1, 2, 3]))
    player.say(trades(2, "update", [10, 11]))
    return player


def fetch(player: Player, raw: bytes, first: int = 4, last: int = 9) -> Step:
    return player.take(Fetched(player.now_ns, "BTC-USD", first, last, raw))


def backfilled(player: Player) -> list[int]:
    return [row["trade_id"] for row in player.rows("trades") if row["kind"] == "backfill"]


def test_what_was_missing_is_filled() -> None:
    """Rows of their own kind, oldest first; an interval over the gap, which stays."""
    player = missing()
    fetch(player, rows_of(9, 8, 7, 6, 5, 4))
    assert backfilled(player) == [4, 5, 6, 7, 8, 9]
    row = next(row for row in player.rows("trades") if row["kind"] == "backfill")
    assert (row["side"], row["taker_side"], row["price"]) == ("SELL", "BUY", 100.5)
    assert row["connection_id"] == "rest"
    assert player.pipeline.trades["BTC-USD"].holes == []
    (told,) = [row for row in player.rows("coverage") if row["state"] == "backfilled"]
    assert told["detail"] == "trade ids 4 … 9, 6 trades"
    assert told["ingest_seq_last"] - told["ingest_seq_first"] == 5
    assert told["end_time"] - told["start_time"] == 5_000_001
    assert player.faults() == ["trade_id_gap"]


def test_it_is_the_same_however_often_it_is_fetched() -> None:
    """And trades that were recorded are not recorded again."""
    player = missing()
    for _ in range(2):
        fetch(player, rows_of(11, 10, 9, 8, 7, 6, 5, 4, 3, 2))
    assert backfilled(player) == [4, 5, 6, 7, 8, 9]
    assert len([row for row in player.rows("coverage") if row["state"] == "backfilled"]) == 1


def test_what_the_venue_does_not_have_is_told() -> None:
    """The hole stays, with what is known of it."""
    player = missing()
    fetch(player, rows_of(9, 6, 4))
    assert backfilled(player) == [4, 6, 9]
    assert player.faults() == ["trade_id_gap", "backfill_incomplete"]
    detail = player.rows("faults")[-1]["detail"]
    assert detail == "the venue does not have trade ids 5 … 5, 7 … 8"
    fetch(player, rows_of(), 5, 5)
    assert player.faults()[-1] == "backfill_incomplete"


def test_a_trade_that_cannot_be_is_left_out() -> None:
    player = missing()
    fetch(player, rows_of(9, 8, 7, 6, 5)[:-1] + b"," + rows_of(4, price="NaN")[1:])
    assert backfilled(player) == [5, 6, 7, 8, 9]
    detail = player.rows("faults")[-1]["detail"]
    assert "the venue does not have trade ids 4 … 4" in detail
    assert "trade 4: not a plain decimal number" in detail


def test_a_hole_of_many_pieces_is_told_in_short() -> None:
    """A venue that lacks every other trade fills no detail without end."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [1]))
    player.say(trades(2, "update", [100]))
    fetch(player, rows_of(*range(2, 60, 2)), 2, 59)
    detail = player.rows("faults")[-1]["detail"]
    assert detail.endswith("41 … 41 and 9 more")


def test_the_log_tells_of_the_fault() -> None:
    """What is written down is logged."""
    step = fetch(missing(), rows_of(9))
    told = {fact.event: fact.fields for fact in step.facts}
    assert told["trades_backfilled"] == {"product_id": "BTC-USD", "trades": 1}
    assert told["fault_recorded"]["kind"] == "backfill_incomplete"


def absent(player: Player, raw: bytes, first: int, last: int) -> Step:
    """Found missing in the files."""
    mark = Fetched(player.now_ns, "BTC-USD", first, last, raw, absent=True)
    return player.take(mark)


def test_what_the_files_lack_is_taken_whatever_is_remembered() -> None:
    """Below the first id that is remembered, within what is, and of a product that nobody knows."""
    player = live()
    player.ask("market_trades", "BTC-USD")
    player.say(trades(1, "snapshot", [20, 21]))
    player.say(trades(2, "update", [30]))
    absent(player, rows_of(9, 8, 7), 7, 9)
    absent(player, rows_of(21), 21, 21)
    absent(player, rows_of(25), 24, 25)
    assert backfilled(player) == [7, 8, 9, 21, 25]
    ids = player.pipeline.trades["BTC-USD"]
    # What lies between 9 and 20 may be recorded: nobody is sent for it.
    assert (ids.first, ids.last, ids.holes) == (20, 30, [(22, 24), (26, 29)])
    assert player.faults() == ["trade_id_gap", "backfill_incomplete"]
    assert player.rows("faults")[-1]["detail"] == "the venue does not have trade ids 24 … 24"
    other = Fetched(player.now_ns, "ETH-USD", 7, 9, rows_of(9, 8, 7), absent=True)
    player.take(other)
    assert player.pipeline.trades["ETH-USD"].first is None


def test_an_answer_with_a_trade_twice_or_of_other_ids_is_taken_once() -> None:
    """Only what was asked for, and each once."""
    player = missing()
    absent(player, rows_of(9, 9, 8, 3, 12), 8, 9)
    assert backfilled(player) == [8, 9]
    fetch(player, rows_of(7, 7, 6), 7, 7)
    assert backfilled(player) == [8, 9, 7]


def test_a_fresh_pipeline_fills_what_another_missed() -> None:
    """What is missing travels over the hour."""
    player = missing()
    carried = player.turn()
    fresh = Player(at_ns=player.now_ns)
    fresh.pipeline.load_checkpoint(checkpoint_of(player.blocks))
    fresh.take(carried)
    for each in (player, fresh):
        fetch(each, rows_of(4, 5, 6, 7, 8, 9))
    assert fresh.steps[-1][2].rows == player.steps[-1][2].rows
