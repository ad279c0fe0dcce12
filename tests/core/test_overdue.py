"""What did not come: answers, and channels of a product that fell silent."""

from itertools import pairwise
from typing import Any

import pytest

from recorder.core.asking import BEGIN_WITH_DATA, TRIES_MAX
from recorder.core.book import BookState
from recorder.core.flow import LEARNED_NS
from recorder.core.messages import Resubscribe, Unsubscribe
from tests.core.scripts import (
    BOOK,
    UPDATE,
    Player,
    answer,
    heartbeat,
    level2,
    live,
    state_of,
    status,
    ticker,
)


def test_what_is_not_served() -> None:
    """Neither an answer nor data: a fault in 10 s, asked again ever more slowly."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask("ticker", "BTC-USD", "OLD-USD")
    player.say(answer(0, heartbeats=["heartbeats"], ticker=["BTC-USD"]))
    player.say(ticker(1))
    asked_s: list[int] = []
    for second in range(2, 500):
        for request in player.say(heartbeat(second), after_ms=1000).requests:
            assert request == Resubscribe("ws1", "ticker", ("OLD-USD",), "not_served")
            player.ask("ticker", "OLD-USD", kind="unsubscribe")
            player.ask("ticker", "OLD-USD")
            asked_s.append(second)
    assert player.faults() == ["not_served"] * TRIES_MAX
    assert {row["product_id"] for row in player.rows("faults")} == {"OLD-USD"}
    assert asked_s[0] <= 11
    waits = [after - before for before, after in pairwise(asked_s)]
    assert all(after > 1.8 * before for before, after in pairwise(waits))
    assert len(asked_s) == TRIES_MAX - 1


def test_a_book_that_is_listed_and_whose_snapshot_never_comes() -> None:
    """Asked for again ever more slowly, up to a longest wait; told each time."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask("level2", "BTC-USD")
    asked_s: list[int] = []
    for number in range(1500):
        listed = answer(number, heartbeats=["heartbeats"], level2=["BTC-USD"])
        raw = heartbeat(number) if number % 10 else listed
        for request in player.say(raw, after_ms=1000).requests:
            assert request == Resubscribe("ws1", "level2", ("BTC-USD",), "snapshot_overdue")
            player.ask("level2", "BTC-USD", kind="unsubscribe")
            player.ask("level2", "BTC-USD")
            asked_s.append(number)
    waits = [after - before for before, after in pairwise([0, *asked_s])]
    assert [round(each, -1) for each in waits] == [30, 60, 120, 240, 480, 480]
    details = [row["detail"] for row in player.rows("faults") if row["kind"] == "snapshot_overdue"]
    assert details == ["a snapshot was asked for and did not come; asked again"] * len(waits)
    player.close()
    player.open("ws2")
    player.ask("level2", "BTC-USD", connection="ws2")
    player.say(level2(0, "snapshot", BOOK), "ws2")
    assert player.pipeline.books["ws2", "BTC-USD"].state is BookState.LIVE


@pytest.mark.parametrize(("state", "asked"), [("online", True), ("offline", False)])
def test_what_came_in_vain_is_asked_for_on_the_same_connection(state: str, asked: bool) -> None:
    """A venue that cannot serve it for an hour may serve it then, if the product trades."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask("level2", "BTC-USD")
    player.ask("status", "BTC-USD")
    player.say(status(0, "BTC-USD", state))
    times_s: list[int] = []
    for second in range(1, 3300):
        for request in player.say(heartbeat(second), after_ms=1000).requests:
            assert isinstance(request, Resubscribe)
            player.ask(request.channel, "BTC-USD", kind="unsubscribe")
            player.ask(request.channel, "BTC-USD")
            if request.channel == "level2":
                times_s.append(second)
    assert any(second > 1800 for second in times_s) == asked


@pytest.mark.parametrize("channel", sorted(BEGIN_WITH_DATA - {"heartbeats"}))
def test_what_is_listed_and_never_delivers(channel: str) -> None:
    """What begins with data is doubted half a minute after the answer; it was never recorded."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask(channel, "BTC-USD")
    asked_us = player.now_ns // 1000
    player.say(answer(0, heartbeats=["heartbeats"], **{channel: ["BTC-USD"]}))
    listed_us = player.now_ns // 1000
    requests = []
    for number in range(1, 40):
        step = player.say(heartbeat(number), after_ms=1000)
        requests += step.requests
        if step.requests:
            found_us = player.now_ns // 1000
    assert requests == [Resubscribe("ws1", channel, ("BTC-USD",), "not_served")]
    (fault,) = player.rows("faults")
    assert fault["detail"] == "asked for, and no data came; asked again"
    assert 30 <= (found_us - listed_us) / 1e6 <= 32
    player.end()
    (gap,) = [row for row in player.rows("coverage") if row["channel"] == channel]
    assert (gap["state"], gap["reason"], gap["start_time"]) == ("gap", "not_served", asked_us)


@pytest.mark.parametrize("end", ["data", "closed", "hour"])
def test_what_is_listed_is_recorded_from_its_first_data_on(end: str) -> None:
    """However the waiting ends, and however often the answer lists it, it was not recorded."""
    player = Player()
    player.open()
    player.ask("ticker", "BTC-USD")
    begun_us = player.now_ns // 1000
    seconds = 3 if end == "closed" else 2000
    for number in range(seconds):
        for request in player.say(answer(number, ticker=["BTC-USD"]), after_ms=1000).requests:
            assert request == Resubscribe("ws1", "ticker", ("BTC-USD",), "not_served")
            player.ask("ticker", "BTC-USD", kind="unsubscribe")
            player.ask("ticker", "BTC-USD")
    if end == "hour":
        player.turn()
    elif end == "closed":
        player.close()
    else:
        player.say(ticker(seconds))
    begins_us = player.now_ns // 1000
    player.end()
    gap, *rest = player.rows("coverage")
    assert (gap["state"], gap["reason"], gap["start_time"]) == ("gap", "not_served", begun_us)
    assert gap["end_time"] >= begins_us
    assert [row["state"] for row in rest] == (
        [] if end == "closed" else ["recorded", "gap"][end == "hour" :]
    )
    assert player.faults() == ([] if end == "closed" else ["not_served"] * TRIES_MAX)


def test_heartbeats_that_never_come() -> None:
    """They are overdue sooner: they come every second."""
    player = live()
    player.ask("heartbeats")
    player.say(answer(1, heartbeats=["heartbeats"], level2=["BTC-USD"]))
    requests = []
    for number in range(2, 14):
        requests += player.say(level2(number, "update", UPDATE), after_ms=1000).requests
    assert requests == [Resubscribe("ws1", "heartbeats", (), "not_served")]
    player.end()
    states = [row["state"] for row in player.rows("coverage") if row["channel"] == "heartbeats"]
    assert states == ["gap"]


def test_data_is_an_answer() -> None:
    """An answer that lists nothing is no fault where data comes."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask("ticker", "BTC-USD")
    player.say(answer(0, heartbeats=["heartbeats"]))
    player.say(ticker(1))
    for number in range(2, 40):
        assert player.say(heartbeat(number), after_ms=1000).requests == []
    assert player.faults() == []


def test_what_the_venue_lists_no_more() -> None:
    """A product that drops out of the full set, and does not speak, is asked for again."""
    player = Player()
    player.open()
    player.ask("heartbeats")
    player.ask("ticker", "BTC-USD", "ETH-USD")
    player.say(answer(0, heartbeats=["heartbeats"], ticker=["BTC-USD", "ETH-USD"]))
    player.say(answer(1, heartbeats=["heartbeats"], ticker=["ETH-USD"]))
    requests = []
    for number in range(2, 15):
        requests += player.say(heartbeat(number), after_ms=1000).requests
    assert requests == [Resubscribe("ws1", "ticker", ("BTC-USD",), "not_served")]


# --- silence ------------------------------------------------------------------------------------


def silent_after(player: Player, number: int, seconds: int) -> list[Any]:
    """Beats only; returns what was asked for."""
    requests: list[Any] = []
    for beat in range(seconds):
        requests += player.say(heartbeat(number + beat), after_ms=1000).requests
    return requests


def talking(seconds: int) -> tuple[Player, int]:
    """A session on which a book changes every second; and the next number."""
    player = live()
    player.ask("heartbeats")
    number = 1
    for _ in range(seconds):
        player.say(heartbeat(number), after_ms=500)
        player.say(level2(number + 1, "update", UPDATE), after_ms=500)
        number += 2
    return player, number


def test_a_product_that_falls_silent_behind_a_connection_that_is_alive() -> None:
    """Told, doubted since its last word, asked for again; and told less often while it stays."""
    player, number = talking(LEARNED_NS // 10**9 + 1)
    last_us = player.now_ns // 1000
    requests = silent_after(player, number, 70)
    assert requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "channel_silent")]
    assert player.faults() == ["channel_silent"]
    assert state_of(player, "BTC-USD") is BookState.STALE
    player.ask("level2", "BTC-USD", kind="unsubscribe")
    player.ask("level2", "BTC-USD")
    player.say(level2(number + 70, "snapshot", BOOK))
    (gap,) = [row for row in player.rows("coverage") if row["state"] == "gap"]
    assert (gap["channel"], gap["product_id"]) == ("level2", "BTC-USD")
    assert (gap["reason"], gap["start_time"]) == ("channel_silent", last_us)
    assert state_of(player, "BTC-USD") is BookState.LIVE


def test_silence_is_no_fault_before_enough_is_known() -> None:
    """A product that spoke a few times may have nothing to say."""
    player, number = talking(10)
    assert silent_after(player, number, 700) == []
    assert player.faults() == []


def test_a_quiet_product_may_be_quiet() -> None:
    """What was its longest silence is no cause for doubt."""
    player, number = talking(30)
    for _ in range(4):
        silent_after(player, number, 170)
        player.say(level2(number + 170, "update", UPDATE))
        number += 171
    assert silent_after(player, number, 400) == []
    assert player.faults() == []


def test_a_product_that_is_offline_may_be_silent() -> None:
    """The venue's word is in the data, and nothing is asked for again."""
    player, number = talking(LEARNED_NS // 10**9 + 1)
    player.say(status(number, "BTC-USD", "offline"))
    assert silent_after(player, number + 1, 200) == []
    assert player.faults() == ["product_status"]
    changed = [fact for *_, step in player.steps for fact in step.facts]
    (fact,) = [fact for fact in changed if fact.event == "product_status_changed"]
    assert fact.fields == {"product_id": "BTC-USD", "status": "offline", "before": ""}


def test_heartbeats_that_stop_while_data_flows() -> None:
    """They are a channel like others."""
    player = live()
    player.ask("heartbeats")
    player.say(heartbeat(1))
    requests = []
    for number in range(2, 20):
        requests += player.say(level2(number, "update", UPDATE), after_ms=1000).requests
    assert requests == [Resubscribe("ws1", "heartbeats", (), "channel_silent")]


def test_a_connection_that_is_silent_altogether_has_no_silent_channel() -> None:
    """Its own deadline is for that."""
    player, number = talking(LEARNED_NS // 10**9 + 1)
    player.say(heartbeat(number), after_ms=3_000_000)
    assert silent_after(player, number + 1, 50) == []
    assert player.faults() == []
    assert silent_after(player, number + 51, 20) != []


def test_an_unsubscription_that_was_refused() -> None:
    """The venue goes on to list it: told, and unsubscribed again, until an answer says so."""
    player = live()
    player.ask("heartbeats")
    player.ask("ticker", "BTC-USD", "ETH-USD")
    both = ["BTC-USD", "ETH-USD"]
    player.say(answer(1, heartbeats=["heartbeats"], level2=["BTC-USD"], ticker=both))
    player.ask("ticker", "BTC-USD", "ETH-USD", kind="unsubscribe")
    requests = []
    for number in range(2, 14):
        requests += player.say(heartbeat(number), after_ms=1000).requests
    assert requests == [Unsubscribe("ws1", "ticker", ("BTC-USD", "ETH-USD"))]
    player.ask("ticker", "BTC-USD", "ETH-USD", kind="unsubscribe")
    player.say(answer(14, heartbeats=["heartbeats"], level2=["BTC-USD"]))
    for number in range(15, 60):
        assert player.say(heartbeat(number), after_ms=1000).requests == []
    assert player.faults() == ["not_unsubscribed"] * 2
    assert {row["product_id"] for row in player.rows("faults")} == {"BTC-USD", "ETH-USD"}
