"""Books at a moment, against those that a plain loop over the rows keeps."""

import numpy as np
import pytest

import recorder
from recorder.dataset.books import NEWEST_NS, held_at, held_by
from recorder.dataset.files import Files
from recorder.errors import NoInputError, UsageError
from tests.dataset.made import HOUR_NS, HOUR_START_NS, SECOND_NS, Recorded
from tests.dataset.scripted import Scripted
from tests.dataset.scripted import at as moment


def model(db, product: str, line: str, at_ns: int) -> dict[tuple[str, float], float]:
    """The levels that a connection holds, row by row."""
    levels: dict[tuple[str, float], float] = {}
    epoch = None
    for row in db.level2(product, allow_gaps=True).to_arrow().to_pylist():
        if row["recv_ns"] > at_ns or row["connection_id"] != line:
            continue
        if row["book_epoch"] != epoch:
            epoch, levels = row["book_epoch"], {}
        if epoch is None:
            continue
        levels.pop((row["side"], row["price"]), None)
        if row["size"]:
            levels[row["side"], row["price"]] = row["size"]
    return levels


def levels_of(book) -> dict[tuple[str, float], float]:
    sides = (("bid", book.bids), ("ask", book.asks))
    return {(side, float(price)): float(size) for side, levels in sides for price, size in levels}


@pytest.fixture
def two_lines(tmp_path, without_sync):
    """Two connections record the same; that with the newer book is lost, the other goes on."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.connect()
    recorded.run(1)
    recorded.open_ones.reverse()
    recorded.lose()
    recorded.made.wait(0.5)
    recorded.run(1)
    yield recorded
    recorded.recording.capture.close()


def test_a_book_is_of_a_connection_that_still_records(two_lines):
    """The newest book of a connection that is lost stood still when it was; it is nobody's now."""
    db = recorder.open(two_lines.path)
    before = HOUR_START_NS + 3 * SECOND_NS // 2
    last_ns = db.level2("BTC-USD").to_arrow().column("recv_ns")[-1].as_py()
    for at_ns, line in ((before, "c1"), (last_ns, "c0"), (None, "c0")):
        for product in ("BTC-USD", "ETH-USD"):
            book = db.book(product, at=at_ns)
            assert book.valid
            assert levels_of(book) == model(db, product, line, at_ns or NEWEST_NS), (at_ns, line)


def test_the_book_and_the_series_of_its_tops_agree_where_a_connection_was_lost(two_lines):
    """Two ways to the same: neither shows a book that stands still."""
    db = recorder.open(two_lines.path)
    rows = db.top_of_book("BTC-USD").to_arrow().to_pylist()
    for row in rows[:: max(1, len(rows) // 40)]:
        book = db.book("BTC-USD", at=row["recv_ns"], depth=1)
        want = row["best_bid"], row["best_bid_size"], row["best_ask"], row["best_ask_size"]
        assert (*map(float, book.bids[0]), *map(float, book.asks[0])) == want


def test_each_connection_has_its_own_book(two_lines):
    """Also the one that is not shown."""
    db, view = recorder.open(two_lines.path), Files(two_lines.path).now()
    at_ns = HOUR_START_NS + 3 * SECOND_NS // 2
    for line in ("c0", "c1"):
        held = held_by(view, "BTC-USD", line, at_ns)
        assert held is not None
        assert held.connection_id == line
        rows = held.levels.select(["side", "price", "size"]).to_pylist()
        got = {(row["side"], row["price"]): row["size"] for row in rows}
        assert got == model(db, "BTC-USD", line, at_ns)
    assert held_by(view, "BTC-USD", "c9", at_ns) is None
    assert held_at(view, "BTC-USD", HOUR_START_NS - 1) is None


def test_books_through_turns_of_hours(hours):
    """At any moment of three hours the levels are the model's, or there is a reason."""
    db = recorder.open(hours)
    for seconds in (0.5, 2.5, 6.9, 3600, 3600.1, 3601, 7199.9, 7200.5):
        at_ns = HOUR_START_NS + int(seconds * SECOND_NS)
        book = db.book("BTC-USD", at=at_ns)
        if book.valid:
            line = "c0" if seconds < 4 else "c1"
            assert levels_of(book) == model(db, "BTC-USD", line, at_ns)
        else:
            assert book.reason
    assert db.book("BTC-USD", at=HOUR_START_NS + 10 * HOUR_NS).valid is False


def test_the_digits_of_the_wire_are_kept_and_depth_is_of_each_side(tmp_path, without_sync):
    """Best first, in plain notation; a size that a float does not hold comes as it was sent."""
    script = Scripted(tmp_path)
    script.connect(0, "ws1")
    long = "123456789.123456789012"
    bids = [("bid", "0.00000001", "1"), ("bid", "99.50", long), ("bid", "98", "2")]
    script.book(0.5, "snapshot", [*bids, ("offer", "101", "3"), ("offer", "100", "0.10")])
    script.publish()
    db = recorder.open(tmp_path)
    book = db.book("BTC-USD", at=moment(1))
    assert book.bids == [("99.5", long), ("98", "2"), ("0.00000001", "1")]
    assert book.asks == [("100", "0.1"), ("101", "3")]
    two = db.book("BTC-USD", depth=2)
    assert (two.bids, two.asks) == (book.bids[:2], book.asks)
    script.recording.capture.close()


def test_words_that_mean_nothing(hours):
    """A depth of nothing, a moment before everything, a product that is none."""
    db = recorder.open(hours)
    with pytest.raises(UsageError, match="depth is 0"):
        db.book("BTC-USD", depth=0)
    with pytest.raises(NoInputError, match=r"No book of BTC-USD is recorded up to 2020-01-01"):
        db.book("BTC-USD", at="2020-01-01")
    with pytest.raises(UsageError, match=r"None is no product. Give one id as text"):
        db.book(None)


@pytest.mark.parametrize("depth", [0, -1, 2.5, "x", True, [1]])
def test_a_depth_that_is_no_number(hours, depth):
    """Is told with what to give."""
    with pytest.raises(UsageError, match="give a number from 1 on, or None for every level"):
        recorder.open(hours).book("BTC-USD", depth=depth)


def test_a_depth_of_numpy(hours):
    assert len(recorder.open(hours).book("BTC-USD", depth=np.int64(1)).bids) == 1
    db = recorder.open(hours)
    assert db.book("BTC-USD", depth=10**30) == db.book("BTC-USD")
