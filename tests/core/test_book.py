"""One product's book, against a model of two plain dicts, and against the sorted one."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core import book as books
from recorder.core import levels
from recorder.core.book import Book, BookState
from recorder.core.messages import ASK, BID, Level2
from recorder.core.numbers import amounts, inexact
from tests.core.sorted_book import SortedBook

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


# --- beside the sorted book, at a size at which levels go far and come near ----------------------


@pytest.fixture(params=["as they are", "small"])
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bounds of the near levels, and some by which nearly every change is a case."""
    if request.param == "small":
        for name, value in (("NEAR_MIN", 2), ("NEAR_MAX", 9)):
            monkeypatch.setattr(books, name, value)
            monkeypatch.setattr(levels, name, value)
        for name, value in (("NEAR", 5), ("PENDING_MIN", 3), ("PENDING_SHARE", 1000)):
            monkeypatch.setattr(levels, name, value)
    return str(request.param)


class Market:
    """Messages of a market that wanders, jumps, crosses itself, and thins out to nothing."""

    def __init__(self, seed: int, depth: int) -> None:
        self.random = random.Random(seed)
        self.depth = depth
        self.middle = 1_000_000.0

    def price(self, side: str) -> str:
        """Mostly near the touch, now and then far off, or on the other side of it."""
        spread = self.random.choice((1, 3, 30, self.depth, self.depth, -2))
        away = self.random.expovariate(1 / abs(spread))
        away = -away if spread < 0 else away
        cents = round(self.middle - away if side == BID else self.middle + away)
        text = f"{max(cents, 1) / 100:.2f}"
        return text if self.random.random() > 0.01 else f"{text}00000000000001"

    def change(self) -> tuple[str, str, str]:
        """A level more, another size, or a removal of what may not be there."""
        side = self.random.choice((BID, ASK))
        size = "0" if self.random.random() < 0.45 else str(self.random.randrange(1, 999))
        return side, self.price(side), size

    def snapshot(self) -> Level2:
        """A book, its sides one after the other or mixed, some of its levels twice."""
        rows = [self.change() for _ in range(self.random.choice((0, 3, 2 * self.depth)))]
        if self.random.random() < 0.7:
            rows.sort(key=lambda row: row[0] == ASK)
        return message(rows, snapshot=True)

    def update(self, held: SortedBook) -> Level2:
        """Some changes; or a whole stretch of levels next to the touch goes, or all of a side."""
        self.middle += self.random.choice((-40, -1, 0, 0, 1, 40))
        kind = self.random.random()
        if kind < 0.05:
            side = self.random.choice((BID, ASK))
            count = self.random.choice((1, 10, 100, None))
            return message([(side, repr(price), "0") for price, _ in held.levels(side, count)])
        return message([self.change() for _ in range(self.random.choice((0, 1, 1, 1, 3, 30)))])


def messages(seed: int, depth: int, count: int, held: SortedBook) -> Iterator[Level2]:
    """A snapshot, then updates and now and then a snapshot."""
    market = Market(seed, depth)
    yield market.snapshot()
    for _ in range(count):
        yield market.snapshot() if market.random.random() < 0.01 else market.update(held)


def assert_alike(book: Book, model: SortedBook, *, whole: bool) -> None:
    """The best after every message; everything at times, for reading it takes pending in."""
    assert (book.best_bid(), book.best_ask()) == (model.best_bid(), model.best_ask())
    assert (book.bids.best(), book.asks.best()) == (model.best_bid(), model.best_ask())
    assert book.crossed() is model.crossed()
    for side in (BID, ASK):
        assert book.levels(side, 3) == model.levels(side, 3)
    if not whole:
        return
    for side, mine, other in ((BID, book.bids, model.bids), (ASK, book.asks, model.asks)):
        held = model.levels(side)
        assert book.levels(side) == held
        assert book.levels(side, len(held) // 2) == held[: len(held) // 2]
        assert (list(mine), list(mine.items())) == (list(other), list(other.items()))
        assert (len(mine), bool(mine), mine) == (len(other), bool(other), dict(other))
        assert all(type(number) is float for level in book.levels(side) for number in level)
        assert [book.texts(side, price) for price in mine] == [
            model.texts(side, price) for price in other
        ]
    assert book.has_texts() is model.has_texts()
    assert book.unknown_deletes == model.unknown_deletes
    book.doubt()
    book.check()
    book.state, book.epoch = BookState.LIVE, 1


@pytest.mark.parametrize("seed", range(12))
def test_the_book_equals_the_sorted_one(seed: int, bounds: str) -> None:
    """Whatever comes, near or far, and however seldom all of it is read."""
    book, model = Book("BTC-USD"), SortedBook("BTC-USD")
    every = (1, 17, 10_000)[seed % 3]
    for number, each in enumerate(messages(seed, (40, 3000)[seed % 2], 600, model)):
        for one in (book, model):
            if each.snapshot:
                one.load(each, 1)
            else:
                one.apply(each)
        assert_alike(book, model, whole=number % every == 0)
    assert_alike(book, model, whole=True)


def test_a_far_level_that_was_not_there_counts_once(bounds: str) -> None:
    """Removed unknown, made, removed, removed again: two of four were unknown, however read."""
    book = Book("BTC-USD")
    rows = [(BID, str(price), "1") for price in range(1000, 3000)]
    book.load(message(rows, snapshot=True), 1)
    book.unknown_deletes = 5
    for size in ("0", "1", "0", "0"):
        book.apply(message([(BID, "1.5", size)]))
    book.load(message([], snapshot=True), 2)
    assert book.unknown_deletes == 7
    book.unknown_deletes = 1
    assert book.unknown_deletes == 1
