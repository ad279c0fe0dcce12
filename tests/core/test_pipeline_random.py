"""Random sessions: what holds of every session, whatever happens in it."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.core.book import BookState
from recorder.core.coverage import GAP
from recorder.core.frames import Frame
from recorder.core.messages import Level2, Subscriptions, Trades
from recorder.core.pipeline import Pipeline, Step
from recorder.core.state import decode, encode
from recorder.core.tables import TABLES
from recorder.core.wire import advanced
from recorder.store.parts import to_arrow
from tests.core.scripts import Player, checkpoint_of, line_of, live, rows_of
from tests.core.sessions import RandomSessions, mutated
from tests.roots import taken_back

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "advanced").glob("*.json"))


def check(player: Player) -> None:
    """What holds of a pipeline after every step."""
    pipeline = player.pipeline
    place, arrival, step = player.steps[-1]
    numbered = Counter(
        {block.table: block.count for block in step.rows if block.table != "coverage"}
    )
    assert sum(numbered.values()) <= len(line_of(arrival)) or "Carried" in type(arrival).__name__
    for (connection, product), book in pipeline.books.items():
        assert connection in pipeline.sessions
        recorded = pipeline.coverage.records(("level2", product), connection)
        assert recorded is (book.state is BookState.LIVE), f"{product} at {place}"
        assert (book.epoch is None) is (book.state is not BookState.LIVE)


def check_rows(player: Player) -> None:
    """What holds of all rows of a session together."""
    for name, table in TABLES.items():
        rows = player.rows(name)
        if table.order == "ingest_seq":
            places = [row["ingest_seq"] for row in rows]
            assert len(places) == len(set(places)), f"ingest_seq is not unique in {name}"
        to_arrow(table, [block for block in player.blocks if block.table == name])
    by_epoch: dict[tuple[str, int], int] = {}
    for row in player.rows("level2"):
        epoch = row["book_epoch"]
        if epoch is not None:
            assert epoch <= row["ingest_seq"]
            if row["kind"] != "update":
                by_epoch[row["product_id"], epoch] = 1
    stored = Counter((row["product_id"], row["trade_id"]) for row in player.rows("trades"))
    assert all(count == 1 for count in stored.values())
    for row in player.rows("coverage"):
        assert row["start_time"] <= row["end_time"]
        assert (row["reason"] is not None) is (row["state"] == GAP)
    check_cover(player)


def check_cover(player: Player) -> None:
    """Every track is told from its first interval to its last: recorded or a gap, never both."""
    tracks: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for row in player.rows("coverage"):
        if row["start_time"] < row["end_time"]:
            tracks.setdefault((row["channel"], row["product_id"]), []).append(row)
    for key, told in tracks.items():
        names = ("start_time", "end_time", "state")
        stretches = [tuple(row[name] for name in names) for row in taken_back(told)]
        reached, until_gap = min(stretches)[0], min(stretches)[0]
        for start, end, state in sorted(stretches):
            assert start <= reached, f"a hole in {key} before {start}"
            if state == GAP:
                assert start >= reached, f"{key} is recorded and missing at {start}"
            assert start >= until_gap, f"{key} is missing and recorded at {start}"
            reached = max(reached, end)
            if state == GAP:
                until_gap = end


def alike(one: Step, other: Step) -> None:
    """Two steps came to the same."""
    assert one.rows == other.rows
    assert one.requests == other.requests
    assert one.facts == other.facts


@given(st.integers(0, 2**32), st.integers(0, 120), st.integers(0, 120))
@settings(deadline=None, max_examples=80)
def test_a_fresh_pipeline_goes_on_where_the_hour_turned(seed: int, before: int, after: int) -> None:
    """State and checkpoint rows give it all it needs: the same rows and requests follow."""
    going_on = Player()
    sessions = RandomSessions(seed, going_on)
    for _ in range(before):
        sessions.happen()
    going_on.blocks.clear()
    carried = going_on.turn()
    fresh = Player(Pipeline(), going_on.now_ns)
    fresh.pipeline.load_checkpoint(checkpoint_of(going_on.blocks))
    fresh.take(carried)
    alike(fresh.steps[-1][2], going_on.steps[-1][2])
    assert fresh.pipeline.state() == going_on.pipeline.state() == carried.state
    sessions.players.append(fresh)
    for _ in range(after):
        sessions.happen()
        alike(fresh.steps[-1][2], going_on.steps[-1][2])
    begun = len(going_on.steps) - len(fresh.steps)
    for one, other in zip(fresh.steps[1:], going_on.steps[begun + 1 :], strict=True):
        assert one[:2] == other[:2]
        alike(one[2], other[2])
    assert fresh.pipeline.state() == going_on.pipeline.state()
    for key, book in fresh.pipeline.books.items():
        twin = going_on.pipeline.books[key]
        if book.state is BookState.LIVE:
            assert (book.bids, book.asks) == (twin.bids, twin.asks)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_what_is_carried_is_the_same_text_again(seed: int) -> None:
    """State has one text, and reading it changes nothing."""
    player = Player()
    sessions = RandomSessions(seed, player)
    for _ in range(100):
        sessions.happen()
    text = player.pipeline.state()
    assert player.pipeline.state() == text
    assert encode(decode(text)) == text


@pytest.mark.parametrize("seed", range(6))
def test_a_long_random_session(seed: int) -> None:
    """Places are unique, intervals whole, trades once, epochs only on LIVE books, columns fit."""
    player = Player()
    sessions = RandomSessions(seed, player)
    for number in range(1500):
        sessions.happen()
        check(player)
        if number % 500 == 499:
            player.turn()
            check(player)
    for book in player.pipeline.books.values():
        book.check()
    player.end()
    assert player.pipeline.coverage.tracks == {}
    check_rows(player)


@pytest.mark.parametrize("seed", range(3))
def test_books_are_what_their_epochs_say(seed: int) -> None:
    """The rows of an epoch alone, from its first on, rebuild the book that was held."""
    player = Player()
    sessions = RandomSessions(seed, player)
    for _ in range(600):
        sessions.happen()
    player.turn()
    for _ in range(200):
        sessions.happen()
    rows = player.rows("level2")
    for (connection, product), book in player.pipeline.books.items():
        if book.state is not BookState.LIVE:
            continue
        levels: dict[tuple[str, float], float] = {}
        for row in rows:
            if (row["connection_id"], row["product_id"]) != (connection, product):
                continue
            if row["book_epoch"] == book.epoch:
                levels[row["side"], row["price"]] = row["size"]
        held = {("bid", *each) for each in book.bids.items()}
        held |= {("ask", *each) for each in book.asks.items()}
        assert {(*key, size) for key, size in levels.items() if size} == held


@pytest.mark.parametrize("seed", range(4))
def test_hostile_frames(seed: int) -> None:
    """Five thousand spoilt frames: none raises, and each is a row, a known effect, or a fault."""
    rand = random.Random(seed)
    vectors = [path.read_bytes().rstrip() for path in VECTORS]
    player = live("BTC-USD", "ETH-USD")
    maker = RandomSessions(seed)
    for number in range(5000):
        session = player.pipeline.sessions["ws1"]
        due = session.next_sequence or 0
        if due > 2**62:  # the venue has counted to the end: a new connection
            player.close()
            player.open()
            due = 0
        raw = rand.choice(vectors) if rand.random() < 0.3 else maker.raw(due)
        before = player.pipeline.messages.copy()
        step = player.say(mutated(rand, raw) if rand.random() < 0.9 else raw, after_ms=20)
        assert (player.pipeline.messages - before).total() == 1
        if not step.rows:
            assert silent(player), f"frame {number} of seed {seed} left no trace"
        check(player)
        if number % 1700 == 1699:
            player.turn()
    player.end()
    check_rows(player)
    faults = rows_of(player.blocks, "faults")
    assert len(faults) == player.pipeline.faults > 1000


def silent(player: Player) -> bool:
    """Whether the last frame was understood and says nothing that would be a row."""
    arrival = player.steps[-1][1]
    assert isinstance(arrival, Frame)
    decoded = advanced.decode(arrival.raw)
    if decoded.problems:
        return False
    return all(
        isinstance(message, Subscriptions)
        or (isinstance(message, Trades) and message.snapshot)
        or (isinstance(message, Level2) and not message.prices)
        for message in decoded.messages
    )
