"""One product's book, against a model of two plain dicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.book import Book, BookState
from recorder.core.messages import ASK, BID, Level2
from recorder.core.numbers import amounts, inexact

PRICES = ["1", "2", "2.5", "123456789.123456789012", "9007199254740993", "0.01"]
SIZES = ["0", "0", "1", "0.5", "123456789.123456789012", "0.00000000"]
changes = st.lists(
    st.tuples(st.sampled_from([BID, ASK]), st.sampled_from(PRICES), st.sampled_from(SIZES)),
    max_size=8,
)


def message(rows: list[tuple[str, str, str]], *, snapshot: bool = False) -> Level2:
    """Changes as the wire module hands them on."""
    sides, prices, sizes = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 3
    )
    return Level2(
        "BTC-USD", snapshot, list(sides), amounts(prices), amounts(sizes), None,
        inexact(prices), inexact(sizes),
    )  # fmt: skip


def follow(
    model: dict[tuple[str, float], tuple[str, str]], rows: list[tuple[str, str, str]]
) -> int:
    """Apply changes to the model, in their order; returns how many levels were removed unknown."""
    unknown = 0
    for side, price, size in rows:
        if float(size):
            model[side, float(price)] = (price, size)
        elif model.pop((side, float(price)), None) is None:
            unknown += 1
    return unknown


@given(changes, st.lists(st.tuples(st.booleans(), changes), max_size=8))
def test_any_changes_leave_the_book_equal_to_the_model(
    first: list[tuple[str, str, str]], steps: list[tuple[bool, list[tuple[str, str, str]]]]
) -> None:
    """Snapshots replace, updates apply in order, the last of a price wins, texts follow."""
    book = Book("BTC-USD")
    model: dict[tuple[str, float], tuple[str, str]] = {}
    unknown = 0
    for number, (snapshot, rows) in enumerate([(True, first), *steps]):
        if snapshot:
            model.clear()
            book.load(message(rows, snapshot=True), number)
            follow(model, rows)
        else:
            book.apply(message(rows))
            unknown += follow(model, rows)
        held = {
            (side, price): (size, *book.texts(side, price))
            for side in (BID, ASK)
            for price, size in book.levels(side)
        }
        assert held == {
            (side, price): (
                float(size),
                (inexact([price_text]) or [None])[0],
                (inexact([size]) or [None])[0],
            )
            for (side, price), (price_text, size) in model.items()
        }
        assert book.unknown_deletes == unknown
        bids = [price for side, price in model if side == BID]
        asks = [price for side, price in model if side == ASK]
        assert book.best_bid() == max(bids, default=None)
        assert book.best_ask() == min(asks, default=None)
        crossed = bool(bids) and bool(asks) and max(bids) >= min(asks)
        assert book.crossed() is crossed
        if not crossed:
            book.check()


keys = st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60)


@given(st.sets(st.integers(1, 40)), st.lists(st.tuples(keys, st.booleans()), max_size=6))
def test_prices_are_in_order_whenever_they_are_asked_for(
    first: set[int], steps: list[tuple[list[tuple[int, bool]], bool]]
) -> None:
    """However many came and went in between, and some of them twice."""
    book = Book("BTC-USD")
    rows = [(BID, str(price), "1") for price in first]
    book.load(message(rows, snapshot=True), 1)
    model = set(map(float, first))
    for changed, ask in steps:
        for price, stays in changed:
            book.apply(message([(BID, str(price), "1" if stays else "0")]))
            (model.add if stays else model.discard)(float(price))
        if ask:
            assert list(book.bids.prices()) == sorted(model)
            assert not book.bids.turned
    assert book.levels(BID, 3) == [(price, 1.0) for price in sorted(model, reverse=True)[:3]]


def test_what_nobody_asks_for_is_not_kept() -> None:
    """New prices without end: what turned since the last look stays within bounds."""
    book = Book("BTC-USD")
    book.load(message([(ASK, "1", "1")], snapshot=True), 1)
    assert book.best_ask() == 1.0
    for price in range(2, 5000):
        book.apply(message([(ASK, str(price), "1"), (ASK, str(price - 1), "0")]))
        assert len(book.asks.turned) <= len(book.asks) + 1000
    assert list(book.asks.prices()) == [4999.0]
    book.check()


def test_a_snapshot_replaces() -> None:
    """Nothing of the old book is left, its texts included."""
    book = Book("BTC-USD")
    book.load(message([(BID, "123456789.123456789012", "1")], snapshot=True), 1)
    assert book.has_texts()
    book.load(message([(ASK, "3", "1")], snapshot=True), 2)
    assert (book.levels(BID), book.levels(ASK)) == ([], [(3.0, 1.0)])
    assert not book.has_texts()
    assert book.epoch == 2
    book.check()


def test_a_level_that_a_snapshot_names_and_removes() -> None:
    """The last of a price wins in a snapshot too, and size 0 is no level."""
    book = Book("BTC-USD")
    book.load(message([(BID, "1", "5"), (BID, "1", "0"), (BID, "2", "0")], snapshot=True), 1)
    assert book.levels(BID) == []
    assert book.unknown_deletes == 0


def test_levels_come_best_first() -> None:
    """Bids from the highest, asks from the lowest, as many as asked for."""
    rows = [(BID, "1", "1"), (BID, "2", "2"), (ASK, "4", "4"), (ASK, "3", "3")]
    book = Book("BTC-USD")
    book.load(message(rows, snapshot=True), 1)
    assert book.levels(BID) == [(2.0, 2.0), (1.0, 1.0)]
    assert book.levels(ASK, 1) == [(3.0, 3.0)]


@pytest.mark.parametrize("state", [BookState.EMPTY, BookState.STALE])
def test_an_update_of_a_book_that_is_not_live(state: BookState) -> None:
    """It is our own mistake to apply it."""
    book = Book("BTC-USD")
    book.state = state
    with pytest.raises(AssertionError, match=state.value):
        book.apply(message([(BID, "1", "1")]))


def test_doubt_takes_the_epoch_away() -> None:
    """A LIVE book becomes STALE once, and a snapshot makes it LIVE again."""
    book = Book("BTC-USD")
    assert not book.doubt()
    assert book.state is BookState.EMPTY
    book.load(message([], snapshot=True), 7)
    assert book.doubt()
    assert not book.doubt()
    assert (book.state, book.epoch) == (BookState.STALE, None)
    book.load(message([], snapshot=True), 8)
    assert (book.state, book.epoch) == (BookState.LIVE, 8)


def test_check_finds_a_crossed_live_book() -> None:
    """The invariants hold of books that are trusted; STALE ones may be crossed."""
    book = Book("BTC-USD")
    book.load(message([(BID, "5", "1"), (ASK, "4", "1")], snapshot=True), 1)
    with pytest.raises(AssertionError, match="crossed"):
        book.check()
    book.doubt()
    book.check()
