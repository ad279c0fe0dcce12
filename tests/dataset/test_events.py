"""Rows become the events that they are, message by message."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.tables import LEVEL2, TABLES
from recorder.dataset.events import (
    REPLAYED,
    LevelChanges,
    Trade,
    columns_of,
    maker_of,
    message_ends,
)
from recorder.store.parts import SCHEMAS

COLUMNS = columns_of(LEVEL2)
LISTS = ("sides", "prices", "sizes", "price_texts", "size_texts")
WORDS = {
    "product_id": ["A-B", "C-D"],
    "connection_id": ["c0", "c1"],
    "kind": ["update", "snapshot"],
}


def level2(rows: list[dict[str, object]]) -> pa.Table:
    plain = {
        "ingest_seq": 0,
        "recv_ns": 0,
        "product_id": "A-B",
        "kind": "update",
        "side": "bid",
        "price": 1.0,
        "size": 1.0,
        "connection_id": "c0",
    }
    schema = pa.schema([SCHEMAS["level2"].field(name) for name in COLUMNS])
    whole = [{**dict.fromkeys(COLUMNS), **plain, **row} for row in rows]
    return pa.Table.from_pylist(whole, schema=schema)


def plainly(rows: list[dict[str, object]]) -> list[LevelChanges]:
    """The same by a loop: a row goes on with a message or begins the next one."""
    found: list[LevelChanges] = []
    last: dict[str, object] = {}
    for row in rows:
        same = all(row[name] == last.get(name) for name in (*WORDS, "book_epoch"))
        if not (same and row["ingest_seq"] == last["ingest_seq"] + 1):
            head = {name: row[name] for name in ("ingest_seq", "recv_ns", *WORDS, "exchange_ns")}
            rest = {"event_us": row["event_time"], "epoch": row["book_epoch"]}
            lists = {name: [] for name in LISTS}
            found.append(LevelChanges(**head, **rest, **lists, sequence=row["sequence"]))
        event = found[-1]
        event.sides.append(row["side"])
        event.prices.append(row["price"])
        event.sizes.append(row["size"])
        event.price_texts.append(row["price_text"])
        event.size_texts.append(row["size_text"])
        last = row
    return [
        each._replace(
            price_texts=each.price_texts if any(each.price_texts) else None,
            size_texts=each.size_texts if any(each.size_texts) else None,
        )
        for each in found
    ]


ROW = st.fixed_dictionaries(
    {
        "skip": st.integers(0, 3),
        "side": st.sampled_from(["bid", "ask"]),
        "price": st.floats(0.01, 1e9),
        "size": st.floats(0, 1e9),
        "exchange_ns": st.none() | st.integers(0, 10**18),
        "event_time": st.none() | st.integers(0, 10**15),
        "book_epoch": st.none() | st.integers(-3, 3),
        "sequence": st.none() | st.integers(0, 10**9),
        "price_text": st.sampled_from([None, None, None, "1.23"]),
        "size_text": st.sampled_from([None, None, None, "4.56"]),
        **{name: st.sampled_from(words) for name, words in WORDS.items()},
    }
)


def all_made(name: str, rows: pa.Table, at_once: int = 100):
    """The numbers, times and events of rows, put together; never more at once than asked for."""
    made = list(maker_of(TABLES[name])(rows, at_once))
    made = [(numbers, times, list(some)) for numbers, times, some in made]
    assert all(len(numbers) == len(times) == len(some) for numbers, times, some in made)
    assert all(0 < len(some) <= at_once for _, _, some in made)
    numbers, times = (np.concatenate([each[at] for each in made]) for at in (0, 1))
    return numbers, times, [event for _, _, some in made for event in some]


@given(st.lists(ROW, min_size=1, max_size=60), st.integers(1, 70))
def test_any_rows_come_to_what_a_loop_makes_of_them(rows, at_once):
    """Messages of any length, in any mixture; texts only where there are any."""
    number = -10
    for row in rows:
        number += 1 + row.pop("skip")
        row |= {"ingest_seq": number, "recv_ns": number * 7}
    table = level2(rows)
    numbers, received, events = all_made("level2", table, at_once)
    want = plainly(rows)
    assert events == want
    assert all(type(event) is LevelChanges for event in events)
    ends = message_ends(table)
    assert [end - begin for begin, end in pairwise([0, *ends.tolist()])] == [
        len(event.sides) for event in want
    ]
    assert numbers.tolist() == [rows[end - 1]["ingest_seq"] for end in ends]
    assert received.tolist() == [event.recv_ns for event in want]


def test_messages_of_many_lengths_keep_their_order():
    """Whatever the lengths, and however many are made at once."""
    lengths = np.random.default_rng(1).integers(1, 40, 500).tolist()
    rows, number = [], 0
    for length in lengths:
        rows += [{"ingest_seq": number + at, "price": float(number + at)} for at in range(length)]
        number += length + 1
    _, _, events = all_made("level2", level2(rows), 37)
    assert [len(event.prices) for event in events] == lengths
    prices = [price for event in events for price in event.prices]
    assert prices == [row["price"] for row in rows]
    assert all(type(price) is float for price in prices)


@pytest.mark.parametrize("name", [name for name in REPLAYED if name != "level2"])
def test_a_row_of_another_table_is_one_event_with_its_columns(name):
    """Nulls are None, numbers Python's own, times whole microseconds."""
    table = TABLES[name]
    schema = pa.schema([SCHEMAS[name].field(column) for column in columns_of(table)])
    rows = []
    for number in range(3):
        row = {}
        for at, field in enumerate(schema):
            if number == 1 and field.nullable:
                row[field.name] = None
            elif pa.types.is_dictionary(field.type) or pa.types.is_string(field.type):
                row[field.name] = f"{field.name} {number}"
            elif pa.types.is_floating(field.type):
                row[field.name] = number + at / 8
            else:
                row[field.name] = 1000 * number + at
        rows.append(row)
    numbers, _, events = all_made(name, pa.Table.from_pylist(rows, schema=schema), 2)
    assert [tuple(event) for event in events] == [tuple(row.values()) for row in rows]
    assert numbers.tolist() == [row["ingest_seq"] for row in rows]
    assert {type(value) for event in events for value in event} <= {int, float, str, type(None)}


def test_events_are_values():
    """They compare, match and cannot be changed."""
    _, _, (event,) = all_made("level2", level2([{"ingest_seq": 5}]))
    assert event == event._replace()
    match event:
        case LevelChanges(kind="update", prices=[price]):
            assert price == 1.0
        case _:
            pytest.fail("it does not match")
    with pytest.raises(AttributeError):
        event.kind = "snapshot"
    assert "trade_us" in Trade._fields
