"""The books along a run are those that `book(at)` gives, whoever recorded them."""

import itertools

import pytest

import recorder
from recorder.core.book import BookState
from recorder.dataset.events import LevelChanges
from recorder.dataset.following import Books, End, ends_of
from recorder.dataset.gaps import Gap
from tests.dataset.made import HOUR_START_NS, SECOND_NS, Recorded
from tests.frames_made import PRODUCTS


def changes(number: int, line: str, epoch: int | None, levels, kind="update", product="A-B"):
    sides, prices, sizes = (list(each) for each in zip(*levels, strict=True))
    return LevelChanges(
        number, number, product, kind, sides, prices, sizes, None, None, epoch, None, line
    )


WHOLE = [("bid", 10.0, 1.0), ("ask", 11.0, 1.0)]


def test_of_several_connections_the_newest_that_is_trusted_is_shown():
    """One that is doubted, or ends, gives way to another."""
    books = Books([End(50, "A-B", "c1"), End(60, "A-B", "c9"), End(70, "A-B", "c0")])
    books.take(changes(1, "c0", 1, WHOLE, "snapshot"))
    first = books.shown["A-B"]
    books.take(changes(5, "c1", 5, WHOLE, "snapshot"))
    second = books.shown["A-B"]
    assert second is not first
    books.take(changes(8, "c0", 1, [("bid", 10.0, 0.0), ("bid", 9.0, 3.0)]))
    assert books.shown["A-B"] is second
    books.reach(49)
    assert second.state is BookState.LIVE
    books.reach(50)
    assert second.state is BookState.STALE
    assert books.shown["A-B"] is first
    assert first.best_bid() == 9.0
    books.take(changes(55, "c0", None, [("bid", 9.0, 4.0)]))
    assert first.state is BookState.STALE
    books.take(changes(56, "c0", 56, WHOLE, "snapshot"))
    assert first.best_bid() == 10.0
    books.reach(10**9)
    assert first.state is BookState.STALE
    assert books.shown["A-B"] is first


def test_a_gap_doubts_all_books_of_its_product():
    """Nobody recorded then; a gap of another channel is no matter."""
    books = Books()
    books.take(changes(1, "c0", 1, WHOLE, "snapshot"))
    books.take(changes(2, "c0", 2, WHOLE, "snapshot", "C-D"))
    books.take(Gap("market_trades", "A-B", 3, 4, "made"))
    books.take(Gap("level2", "C-D", 3, 4, "made"))
    states = {product: book.state for product, book in books.shown.items()}
    assert states == {"A-B": BookState.LIVE, "C-D": BookState.STALE}


def test_changes_of_a_book_whose_begin_is_not_there_are_left_out():
    """An epoch older than the first event has its first row before the run."""
    books = Books()
    books.take(changes(10, "c0", 3, [("bid", 9.0, 1.0)]))
    assert books.shown["A-B"].state is BookState.EMPTY
    books.take(changes(12, "c0", 11, [("bid", 9.0, 1.0)]))  # its snapshot was empty
    assert books.shown["A-B"].levels("bid") == [(9.0, 1.0)]


def test_the_ends_of_spans_are_in_the_order_of_time():
    """Of channels without products there are none."""
    spans = {("A-B", "c0"): [(1, 5), (7, 9)], ("C-D", "c1"): [(1, 6)], (None, "c0"): [(1, 2)]}
    assert ends_of(spans) == [End(5, "A-B", "c0"), End(6, "C-D", "c1"), End(9, "A-B", "c0")]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("start_s", [None, 1.4, 2.3])
def test_books_of_a_run_are_those_of_any_moment(tmp_path, without_sync, seed, start_s):
    """Two and three connections, of which the newest, then another, is lost; from any begin on."""
    recorded = Recorded(tmp_path, seed, rate=2)
    recorded.connect()
    recorded.run(1)
    recorded.connect()
    recorded.run(1)
    recorded.open_ones.reverse()
    recorded.lose()
    recorded.made.wait(0.01)
    recorded.run(0.5)
    recorded.connect()
    recorded.skip()
    recorded.run(1)
    db = recorder.open(tmp_path)
    start = None if start_s is None else HOUR_START_NS + int(start_s * SECOND_NS)
    runs = [db.replay(each, start, books=True, allow_gaps=True) for each in (PRODUCTS, None)]
    looked = 0
    for number, events in enumerate(itertools.zip_longest(*runs)):
        assert events[0] == events[1], "all products by name are all products"
        event = events[0]
        if number % 23 or isinstance(event, Gap):
            continue
        want = db.book(event.product_id or "BTC-USD", at=event.recv_ns)
        for run in runs:
            book = run.books[event.product_id or "BTC-USD"]
            assert (book.state is BookState.LIVE) == want.valid
            if want.valid:
                looked += 1
                for side, levels in (("bid", want.bids), ("ask", want.asks)):
                    assert book.levels(side) == [(float(p), float(size)) for p, size in levels]
    assert looked > 10
    recorded.recording.capture.close()
