"""Answers of REST as records: what the venue sends, and whatever else may come."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed import rest_answers
from recorder.feed.rest_answers import OddAnswerError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
TRADE = {"trade_id": 7, "price": "1.50", "size": "2", "side": "buy", "time": "2026-01-01T00:00:00Z"}


def test_trades_keep_the_venue_s_texts():
    """Numbers of both venues' ids become one; amounts, times and sides stay as they were."""
    advanced = TRADE | {"trade_id": "7", "side": "BUY"}
    read, problems = rest_answers.trades([TRADE, advanced], "A-USD")
    assert not problems
    assert [(each.trade_id, each.price, each.side) for each in read] == [
        (7, "1.50", "buy"),
        (7, "1.50", "BUY"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"price": value}
            for value in ("0", "-1", "1e5", "NaN", "", 1.5, None, "\uff11", "1" * 30)
        ),
        {"size": "0"},
        *({"trade_id": value} for value in (-1, 1.5, True, None, "x", "9" * 19)),
        {"side": "both"},
        {"time": 5},
    ],
)
def test_a_trade_that_is_none_is_named(change):
    read, problems = rest_answers.trades([TRADE | change, TRADE], "A-USD")
    assert len(read) == 1
    assert len(problems) == 1
    assert problems[0].startswith("trade of A-USD cannot be read: {")


def test_a_flood_of_bad_rows_is_bounded():
    _, problems = rest_answers.trades([{"price": "x" * 10_000}] * 5_000, "A-USD")
    assert len(problems) == 20
    assert all(len(each) < 600 for each in problems)


def test_books_of_both_venues():
    advanced = {"pricebook": {"bids": [{"price": "1", "size": "2"}], "asks": [], "time": "t"}}
    book = rest_answers.book(advanced, "A-USD")
    assert (book.bids, book.asks, book.sequence, book.time) == ([("1", "2")], [], None, "t")
    exchange = {"bids": [], "asks": [["3", "4", 1], ["5", "6", "id"]], "sequence": 9}
    book = rest_answers.book(exchange, "A-USD")
    assert (book.asks, book.sequence, book.time) == ([("3", "4"), ("5", "6")], 9, None)


@pytest.mark.parametrize("level", [["1"], [1, 2], ["1", "-2"], "12", {"price": "1"}, None])
def test_half_a_book_is_none(level):
    """One level that cannot be read takes the whole along."""
    with pytest.raises(OddAnswerError, match="level of A-USD cannot be read"):
        rest_answers.book({"bids": [["1", "2", 1], level], "asks": []}, "A-USD")


def test_candles_of_both_venues_are_texts_oldest_first():
    advanced = [
        {"start": "120", "low": "1", "high": "4", "open": "2", "close": "3", "volume": "5.5"},
        {"start": "60", "low": "1", "high": "4", "open": "2", "close": "3", "volume": "0"},
    ]
    exchange = [[120, 1, 4.0, 2, 3.0, 5.5], [60, 1e-7, 4, 2, 3, 0]]
    read, problems = rest_answers.candles(advanced)
    assert not problems
    assert [each.start_s for each in read] == [60, 120]
    same, problems = rest_answers.candles(exchange)
    assert not problems
    assert same[1] == read[1]
    assert same[0].low == "0.0000001"
    _, problems = rest_answers.candles([[1, 2], [60, 1e999, 1, 1, 1, 1], {}, [60, -1, 1, 1, 1, 1]])
    assert len(problems) == 4


def test_times_of_both_venues():
    assert rest_answers.venue_time({"epochMillis": "1500"}, 1.0, 2.0).venue_s == 1.5
    clock = rest_answers.venue_time({"epoch": 1.25}, 1.0, 2.0)
    assert (clock.ahead_s, clock.uncertain_s) == (0.25, 0.5)
    for odd in (None, {}, {"epoch": "x"}, {"epoch": True}, {"epochMillis": "-1"}, {"epoch": 1e99}):
        with pytest.raises(OddAnswerError):
            rest_answers.venue_time(odd, 0.0, 0.0)


def test_volumes_that_cannot_be_read_are_none():
    day = {"stats_24hour": {"volume": "5"}}
    body = {"A": day, "B": {"stats_24hour": {"volume": "x"}}, "C": 3, "D": {"stats_24hour": 1}}
    assert rest_answers.volumes(body) == {"A": 5.0}


@given(JSON)
def test_no_answer_is_too_strange(body):
    """Whatever the JSON: records, or an OddAnswerError."""
    body = json.loads(json.dumps(body))
    for read in (
        lambda: rest_answers.venue_time(body, 0.0, 0.0),
        lambda: rest_answers.book(body, "A-USD"),
        lambda: rest_answers.volumes(body),
        lambda: rest_answers.members(body, "trades"),
        lambda: rest_answers.rows(body),
        lambda: rest_answers.trades(body if isinstance(body, list) else [body], "A-USD"),
        lambda: rest_answers.candles(body if isinstance(body, list) else [body]),
    ):
        with suppress(OddAnswerError):
            read()
