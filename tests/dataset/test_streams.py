"""Streams of events that take turns, and pieces that end within a message."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.tables import LEVEL2
from recorder.dataset.events import maker_of
from recorder.dataset.streams import Stream, making, merged
from tests.dataset.test_events import level2


def made(numbers, at_once=3):
    """Events that are their own numbers, some at a time."""
    for begin in range(0, len(numbers), at_once):
        some = np.array(numbers[begin : begin + at_once])
        yield some, some * 10, iter(some.tolist())


def taken(streams):
    """What comes of streams, each batch taken before the next one is made."""
    found = []
    for numbers, received, events in merged(streams):
        some = list(events)
        assert some == numbers.tolist()
        assert (numbers * 10 == received).all()
        found += some
    return found


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(-1, 60), st.integers(0, 70))
def test_several_streams_are_one_in_order(turns, after, until):
    """Each number once, of those between the two that are wanted, whoever has it."""
    streams = [
        Stream(made([at for at, who in enumerate(turns) if who == mine]), after, until)
        for mine in range(4)
    ]
    assert taken(streams) == [at for at in range(len(turns)) if after < at < until]


def test_a_stream_is_taken_in_parts():
    """What is behind the number stays for the next time."""
    stream = Stream(made([1, 2, 5], 9), 0, 9)
    assert stream.fill()
    assert stream.last() == 5
    numbers, _, events = stream.take(3)
    assert (numbers.tolist(), list(events)) == ([1, 2], [1, 2])
    assert stream.fill()
    numbers, _, events = stream.take(9)
    assert (numbers.tolist(), list(events)) == ([5], [5])
    assert not stream.fill()


MESSAGE = st.tuples(st.integers(1, 7), st.booleans())


@given(
    st.lists(MESSAGE, min_size=1, max_size=12),
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.integers(1, 5),
)
def test_messages_are_whole_however_pieces_are_cut(messages, lengths, at_once):
    """Over one cut, over several, and where a piece ends with a message."""
    rows, number = [], 0
    for length, snapshot in messages:
        kind = "snapshot" if snapshot else "update"
        rows += [{"ingest_seq": number + at, "kind": kind} for at in range(length)]
        number += length + (not snapshot)  # what follows is told by its kind alone
    table = level2(rows)
    pieces, begin = [], 0
    while begin < len(table):
        length = lengths[len(pieces) % len(lengths)]
        pieces.append(table.slice(begin, length).combine_chunks())
        begin += length
    whole = [event for _, _, some in maker_of(LEVEL2)(table, 100) for event in some]
    cut = making(LEVEL2, pieces, at_once, cut=True)
    found = []
    for numbers, received, events in cut:
        found += events
        assert 0 < len(numbers) == len(received) <= at_once
    assert found == whole


@pytest.mark.parametrize("cut", [False, True])
def test_no_rows_come_to_no_events(cut):
    """Nor does a table without any."""
    assert list(making(LEVEL2, [], 10, cut=cut)) == []


def test_rows_of_several_products_are_put_in_order():
    """A part has one product behind the other."""
    rows = level2([{"ingest_seq": 7}, {"ingest_seq": 3, "product_id": "C-D"}])
    ((numbers, _, events),) = making(LEVEL2, [pa.table(rows)], 10, cut=False)
    assert numbers.tolist() == [3, 7]
    assert [event.product_id for event in events] == ["C-D", "A-B"]
