"""The pace of the sender, and what it sends."""

from itertools import islice

import pytest

from tests.bench.crowd import numbered
from tests.bench.pacing import LATE_S, Pace, rounds_of, streams_of
from tests.bench.traffic import PRODUCTS, Traffic, made


def test_frames_are_due_at_a_steady_rate() -> None:
    """The first at the begin, the others one step after the other, however late one was."""
    pace = Pace(100.0, begin_s=50.0)
    assert pace.wait_s(49.5) == pytest.approx(0.5)
    pace.took(50.0)
    assert pace.wait_s(50.0) == pytest.approx(0.01)
    pace.took(50.25)  # held up: the others are due all the same
    assert pace.wait_s(50.25) == pytest.approx(-0.23)
    assert pace.sent == 2


def test_who_is_late_is_counted() -> None:
    """By how much at most, and how many by more than a little."""
    pace = Pace(10.0, begin_s=0.0)
    for at, late_s in enumerate((0.0, LATE_S / 2, 0.05, 2 * LATE_S)):
        pace.took(at / 10 + late_s)
    assert (pace.sent, pace.late) == (4, 2)
    assert pace.latest_s == pytest.approx(0.05)


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return made(300, depth=0.02)


def test_each_product_has_its_book_and_its_frames(traffic: Traffic) -> None:
    """In their order, none of them lost or another's."""
    streams = streams_of(traffic, PRODUCTS)
    for product_id, (book, frames) in streams.items():
        name = product_id.encode()
        assert name in book[1]
        assert b'"type":"snapshot"' in book[0] + book[1]
        assert all(name in numbered(each, 7) for each in frames)
    heads = [head for _, frames in streams.values() for head, _ in frames]
    updates = [head for head in heads if b'"channel":"l2_data"' in head]
    assert len(updates) == len(traffic.updates())


def test_the_second_round_is_without_trades() -> None:
    """The same trade again would be a fault."""
    frames = [(b'{"channel":"market_trades"', b"1"), (b'{"channel":"ticker"', b"2")]
    assert [tail for _, tail in islice(rounds_of(frames), 4)] == [b"1", b"2", b"2", b"2"]
