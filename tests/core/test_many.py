"""Many frames at once: the same as one by one."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.core import many
from recorder.core.book import BookState
from recorder.core.frames import FIRST_OFFSET, Arrival, Frame, Opened, Sent
from recorder.core.pipeline import Pipeline, Step
from recorder.core.tables import TABLES
from recorder.core.wire import advanced
from recorder.core.wire.advanced_shapes import TICKER_COLUMNS
from recorder.store.parts import to_arrow
from tests.bench.traffic import CHANNELS, START_NS, make
from tests.core.scripts import Player, frame
from tests.core.sessions import PRODUCTS, RandomSessions, mutated

Taken = Sequence[tuple[int, Arrival]]


def one_by_one(arrivals: Taken) -> tuple[Pipeline, Step]:
    """Every arrival by itself."""
    pipeline, whole = Pipeline(), Step()
    for ingest_seq, arrival in arrivals:
        _add(whole, pipeline.step(arrival, ingest_seq))
    return pipeline, whole


def together(arrivals: Taken) -> tuple[Pipeline, Step]:
    """Frames that follow each other at once."""
    pipeline, whole = Pipeline(), Step()
    for some in many.gathered(arrivals):
        _add(whole, many.take(pipeline, some))
    return pipeline, whole


def _add(whole: Step, step: Step) -> None:
    whole.rows += step.rows
    whole.requests += step.requests
    whole.facts += step.facts


def alike(arrivals: Taken, at_once: int) -> None:
    """Both ways come to the same: rows, doubts, requests, books, and all that is known."""
    one, single = one_by_one(arrivals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "AT_ONCE", at_once)
        other, joined = together(arrivals)
    for name, table in TABLES.items():
        rows = [
            to_arrow(table, [block for block in step.rows if block.table == name])
            for step in (single, joined)
        ]
        assert rows[0].equals(rows[1]), name
        for column in rows[0].schema.names:  # the words of dictionaries in one order
            assert list(map(str, rows[0].column(column).chunks)) == list(
                map(str, rows[1].column(column).chunks)
            )
    assert (joined.requests, joined.facts) == (single.requests, single.facts)
    assert other.state() == one.state()
    assert (other.messages, other.sequence_gaps, other.faults) == (
        one.messages,
        one.sequence_gaps,
        one.faults,
    )
    assert (other.tallies, other.statuses) == (one.tallies, one.statuses)
    assert other.coverage.tracks == one.coverage.tracks
    assert _audits(other) == _audits(one)
    for key, book in one.books.items():
        twin = other.books[key]
        assert (twin.bids, twin.asks, twin.epoch) == (book.bids, book.asks, book.epoch)
        assert twin.unknown_deletes == book.unknown_deletes
        if twin.state is BookState.LIVE:
            twin.check()


def _audits(pipeline: Pipeline) -> dict[Any, Any]:
    """Counts of tickers, without tops that are too old to be of any use."""
    now_ns = max((each.last_ns for each in pipeline.sessions.values()), default=0)
    for audit in pipeline.audits.values():
        audit.settle(now_ns)
    return pipeline.audits


@given(st.integers(0, 2**32), st.integers(0, 400), st.integers(1, 200))
@settings(deadline=None, max_examples=20)
def test_random_sessions(seed: int, happen: int, at_once: int) -> None:
    """Whatever happens on some lines, and wherever the frames are cut."""
    player = Player()
    sessions = RandomSessions(seed, player)
    for _ in range(happen):
        sessions.happen()
    alike([step[:2] for step in player.steps], at_once)


@given(st.integers(0, 2**32), st.integers(1, 60))
@settings(deadline=None, max_examples=15)
def test_sessions_of_an_enemy(seed: int, at_once: int) -> None:
    """Frames spoilt in every way, between whole ones."""
    player = Player()
    sessions = RandomSessions(seed, player)
    for _ in range(120):
        sessions.happen()
        if sessions.random.random() < 0.2 and sessions.numbers:
            line = sessions.random.choice(sorted(sessions.numbers))
            raw = sessions.raw(sessions.numbers[line])
            spoilt = mutated(sessions.random, raw)
            player.say(spoilt, line)
    alike([step[:2] for step in player.steps], at_once)


class Busy(RandomSessions):
    """Sessions whose tickers name prices, mostly those of the book."""

    def raw(self, number: int) -> bytes:
        """A ticker every fourth frame."""
        if self.random.random() > 0.25:
            return super().raw(number)
        product = self.random.choice(PRODUCTS)
        texts = dict.fromkeys(TICKER_COLUMNS, "0.5")
        texts["price_percent_chg_24_h"] = self.random.choice(PERCENTS)
        for key, away in (("best_bid", -1), ("best_ask", 1)):
            texts[key] = str(100 + away * self.random.choice([1, 1, 1, 2, 30]))
        if self.random.random() < 0.05:
            texts[self.random.choice(list(texts))] = self.random.choice(["", "x", "1" * 18, "-1"])
        ticker = {"product_id": product, **texts}
        return frame("ticker", number, {"type": "update", "tickers": [ticker]})


PERCENTS = ("-0.123456789012345678", "4.08690213484555", "-0", "-0.0", "0", "-3.5")


@given(st.integers(0, 2**32), st.integers(1, 500), st.integers(2, 200))
@settings(deadline=None, max_examples=15)
def test_tickers_that_fit_the_book_and_others(seed: int, happen: int, at_once: int) -> None:
    """Counts of tickers, and books that disagree for too long."""
    player = Player()
    sessions = Busy(seed, player)
    for _ in range(happen):
        sessions.happen()
    alike([step[:2] for step in player.steps], at_once)


@pytest.mark.parametrize("asked", [PRODUCTS[:2], PRODUCTS], ids=["all come", "one never comes"])
def test_busy_traffic_goes_the_short_way(
    asked: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all frames of a market are taken together, and come to the same."""
    arrivals: list[tuple[int, Arrival]] = []
    at = FIRST_OFFSET

    def add(arrival: Arrival, length: int) -> None:
        nonlocal at
        arrivals.append((at, arrival))
        at += length

    add(Opened(START_NS, "ws1", "wss://example"), 100)
    for channel in CHANNELS:
        add(Sent(START_NS, "ws1", advanced.request("subscribe", channel, asked)), 200)
    for recv_ns, raw in make(6000, 0.01, 3.0, PRODUCTS[:2]):
        add(Frame(recv_ns, "ws1", raw), len(raw) + 40)
    alike(arrivals, many.AT_ONCE)
    long: list[int] = []
    step = Pipeline.step
    monkeypatch.setattr(Pipeline, "step", lambda *each: long.append(1) or step(*each))
    together(arrivals)
    assert len(long) < len(arrivals) * 0.05
