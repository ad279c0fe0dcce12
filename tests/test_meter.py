"""What `recorder.meter` promises: what came is counted, whatever else happens."""

from collections import Counter

import pytest

from recorder.core import many
from recorder.core.frames import Frame
from recorder.core.messages import Resubscribe
from recorder.core.pipeline import Pipeline, Step
from recorder.meter import CHANNELS, Meter
from tests.frames_made import HOUR_START_NS, Made


def test_messages_are_those_of_the_rows():
    """Each block of a table that has messages is one, of its channel and product."""
    meter, pipeline, made = Meter(), Pipeline(), Made(3, HOUR_START_NS)
    expected, at = Counter(), 1 << 24
    for arrival in (*made.open("ws1-a"), *made.run(5)):
        step = pipeline.step(arrival, at)
        at += 100_000_000
        meter.took(arrival, step)
        for block in step.rows:
            if block.table == "level2":
                expected["level2", block.values[0]] += 1
    found = {key: count for key, count in meter.messages.items() if key[0] == "level2"}
    assert found == expected
    assert {channel for channel, _ in meter.messages} == set(CHANNELS) - {"candles"}
    assert sum(meter.travel["level2"].counts) == sum(expected.values())
    assert meter.heard_ns["level2"] <= made.now_ns


@pytest.mark.parametrize("at_once", [1, 7, 400])
def test_frames_that_were_taken_together_count_as_one_by_one(at_once):
    """Messages, when they came, how long they took, the newest trade of each product."""
    made = Made(3, HOUR_START_NS)
    arrivals = [*made.open("ws1-a"), *made.run(30)]
    placed = [((at + 1) << 28, arrival) for at, arrival in enumerate(arrivals)]
    one, meter = Meter(), Meter()
    first, second = Pipeline(), Pipeline()
    for ingest_seq, arrival in placed:
        one.took(arrival, first.step(arrival, ingest_seq))
    for group in many.gathered(placed):
        for at in range(0, len(group), at_once):
            some = group[at : at + at_once]
            step = many.take(second, some)
            if all(isinstance(arrival, Frame) for _, arrival in some):
                meter.took_frames(step)
            else:
                meter.took(some[0][1], step)
    assert meter.messages == one.messages
    assert meter.heard_ns == one.heard_ns
    assert {name: each.counts for name, each in meter.travel.items()} == {
        name: each.counts for name, each in one.travel.items()
    }
    assert meter.trades.keys() == one.trades.keys()
    for product_id, block in one.trades.items():
        found = meter.trades[product_id]
        assert (found.table, found.count) == (block.table, block.count)
        assert [_plain(each) for each in found.values] == [_plain(each) for each in block.values]


def _plain(column):
    return list(column) if isinstance(column, list | range) else column


def test_a_clock_that_is_behind_gives_no_negative_times():
    """A sum of Prometheus never goes down."""
    meter, pipeline, made = Meter(), Pipeline(), Made(3, HOUR_START_NS)
    for at, arrival in enumerate(made.open("ws1-a")):
        early = arrival
        if isinstance(arrival, Frame):
            early = Frame(arrival.recv_ns - 10**9, arrival.connection_id, arrival.raw)
        meter.took(early, pipeline.step(early, (at + 1) << 28))
    assert meter.travel["level2"].sum == 0
    assert meter.travel["level2"].counts[0] == 2


def test_books_that_are_asked_for_again_count_by_reason():
    meter = Meter()
    asked = Resubscribe("ws1", "level2", ("BTC-USD", "ETH-USD"), "sequence_gap")
    other = Resubscribe("ws1", "ticker", ("BTC-USD",), "not_served")
    meter.took(Frame(1, "ws1", b""), Step(requests=[asked, other]))
    assert meter.resyncs == {("BTC-USD", "sequence_gap"): 1, ("ETH-USD", "sequence_gap"): 1}


def test_followers_get_every_step():
    meter, seen = Meter(), []
    meter.followers.append(seen.append)
    step = Step()
    meter.took(Frame(1, "ws1", b""), step)
    assert seen == [step]
