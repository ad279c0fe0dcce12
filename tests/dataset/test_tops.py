"""The best bid and ask through time, against a book that takes every row."""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import recorder
from recorder.core.tables import TABLES
from recorder.errors import IncompleteData
from recorder.times import to_ns
from tests.dataset.made import HOUR_NS, HOUR_START_NS, Recorded
from tests.frames_made import PRODUCTS

Top = tuple[float | None, ...]
NO_BOOK: Top = (None, None, None, None)


@dataclass
class Model:
    """A book for each connection, row by row; shown is the newest that is trusted."""

    books: dict[str, tuple[int, dict[str, dict[float, float]]]] = field(default_factory=dict)

    def take(self, row) -> None:
        line, epoch = row["connection_id"], row["book_epoch"]
        if epoch is None:
            self.books.pop(line, None)
            return
        if self.books.get(line, (None,))[0] != epoch:
            self.books[line] = (epoch, {"bid": {}, "ask": {}})
        levels = self.books[line][1][row["side"]]
        if row["size"]:
            levels[row["price"]] = row["size"]
        else:
            levels.pop(row["price"], None)

    def top(self) -> Top:
        if not self.books:
            return NO_BOOK
        _, sides = max(self.books.values(), key=lambda book: book[0])
        bid, ask = max(sides["bid"], default=None), min(sides["ask"], default=None)
        return bid, sides["bid"].get(bid), ask, sides["ask"].get(ask)


def modelled(db, product: str) -> list[tuple[int, Top]]:
    """The tops after each message and each end of a recording: (time, top), changes only."""
    rows = db.level2(product, allow_gaps=True).to_arrow().to_pylist()
    events: list[tuple[int, int, object]] = []
    for number, (_, message) in enumerate(
        itertools.groupby(rows, key=lambda row: (row["recv_ns"], row["connection_id"]))
    ):
        several = list(message)
        events.append((several[0]["recv_ns"], number, several))
    told = db.coverage(product, "level2").to_pylist()
    for row in told:
        end_ns = to_ns(row["end_time"])
        goes_on = any(
            each["start_time"] == row["end_time"]
            and each["connection_id"] == row["connection_id"]
            and each["state"] == "recorded"
            for each in told
        )
        if row["state"] == "recorded" and not (goes_on and end_ns % HOUR_NS == 0):
            events.append((end_ns + 1000, -1, row["connection_id"]))
    model = Model()
    tops: list[tuple[int, Top]] = []
    for at_ns, _, what in sorted(events, key=lambda event: event[:2]):
        if isinstance(what, str):
            model.books.pop(what, None)
        else:
            for row in what:
                model.take(row)
        if tops and tops[-1][0] == at_ns:
            tops.pop()
        if not tops or tops[-1][1] != model.top():
            tops.append((at_ns, model.top()))
    return tops


def shown(table: pa.Table) -> list[tuple[int, Top]]:
    names = ("best_bid", "best_bid_size", "best_ask", "best_ask_size")
    columns = [table.column(name).to_pylist() for name in ("recv_ns", *names)]
    return [(row[0], row[1:]) for row in zip(*columns, strict=True)]


def check(db, product: str) -> None:
    """The whole series is the model's, and so is each part of it."""
    want = modelled(db, product)
    table = db.top_of_book(product, allow_gaps=True).to_arrow()
    got = shown(table)
    # The recording's end is the end of the range: nothing is said behind it.
    assert got == [each for each in want if each[0] <= got[-1][0]]
    assert all(each == NO_BOOK for at, each in want if at > got[-1][0])
    reasons = table.column("reason").to_pylist()
    for (_, top), reason in zip(got, reasons, strict=True):
        assert (reason is None) == (top != NO_BOOK)
    assert "no_book" not in reasons
    numbers = table.column("ingest_seq").to_pylist()
    assert numbers == sorted(numbers)
    times = [at for at, _ in want]
    for begin, end in [(times[1], times[-2]), (times[len(times) // 2] + 1, times[-2])]:
        if begin >= end:
            continue
        part = shown(db.top_of_book(product, begin, end, allow_gaps=True).to_arrow())
        inside = [each for each in want if begin < each[0] < end]
        before = [top for at, top in want if at <= begin][-1]
        assert part == [(begin, before), *inside]


def test_every_change_is_a_row(hours):
    """A sealed hour with gaps, one without, and the open one come to the model's series."""
    db = recorder.open(hours)
    for product in PRODUCTS:
        check(db, product)


def test_a_row_is_what_the_book_says(hours):
    """The series and `book(at)`, which is built another way, agree."""
    db = recorder.open(hours)
    rows = shown(db.top_of_book("BTC-USD", allow_gaps=True).to_arrow())
    for at_ns, top in rows[:: max(1, len(rows) // 60)]:
        book = db.book("BTC-USD", at=at_ns, depth=1)
        assert book.valid == (top != NO_BOOK)
        if book.valid:
            best = (*map(float, book.bids[0]), *map(float, book.asks[0]))
            assert best == top


ACTS = st.sampled_from(["run", "skip", "lose", "connect", "publish", "turn", "turn unsealed"])


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=0, acts=["connect", "turn", "skip", "lose", "connect", "turn unsealed", "lose"])
@given(seed=st.integers(0, 1), acts=st.lists(ACTS, min_size=2, max_size=7))
def test_any_recording_comes_to_the_model(tmp_path_factory, without_sync, seed, acts):
    """Lost frames, lost and doubled connections, turns of the hour, in any order."""
    path = tmp_path_factory.mktemp("tops")
    recorded = Recorded(path, seed, start_ns=HOUR_START_NS, rate=2)
    recorded.connect()
    recorded.run(0.3)
    for act in acts:
        if act == "skip" and recorded.open_ones:
            recorded.skip()
        elif act == "lose" and recorded.open_ones:
            recorded.lose()
        elif act == "connect" and len(recorded.open_ones) < 3:
            recorded.connect()
        elif act == "publish":
            recorded.publish()
        elif act.startswith("turn"):
            recorded.turn(seal=act == "turn")
        recorded.made.wait(0.01)
        recorded.run(0.3)
    db = recorder.open(path)
    for product in PRODUCTS:
        check(db, product)
    recorded.recording.capture.close()


def test_a_gap_is_an_error_unless_allowed(hours):
    """Without a word a gap raises; the error has the gaps."""
    db = recorder.open(hours)
    with pytest.raises(IncompleteData, match="sequence_gap") as caught:
        db.top_of_book("BTC-USD").to_arrow()
    assert [gap.channel for gap in caught.value.gaps] == ["level2"]
    second = HOUR_START_NS + HOUR_NS
    whole = db.top_of_book("BTC-USD", second, second + HOUR_NS).to_arrow()
    assert whole.column("best_bid").null_count == 0


def test_before_and_behind_everything_there_is_no_book(hours):
    """A range that reaches beyond the recording says so in both directions."""
    db = recorder.open(hours)
    begin, end = HOUR_START_NS - HOUR_NS, HOUR_START_NS + 5 * HOUR_NS
    table = db.top_of_book("BTC-USD", begin, end, allow_gaps=True).to_arrow()
    first, last = table.slice(0, 1).to_pylist()[0], table.slice(len(table) - 1).to_pylist()[0]
    assert (first["recv_ns"], first["best_bid"], first["reason"]) == (begin, None, "not_recorded")
    assert (last["best_ask"], last["reason"]) == (None, "not_recorded")
    only = db.top_of_book("BTC-USD", end, end + 1, allow_gaps=True).to_arrow()
    assert only.column("reason").to_pylist() == ["not_recorded"]
    assert db.top_of_book("BTC-USD", end, end, allow_gaps=True).to_arrow().num_rows == 0


def test_the_types_are_those_of_the_tables(hours):
    """Whoever joins the series with tickers or trades finds the same columns."""
    table = recorder.open(hours).top_of_book("BTC-USD", allow_gaps=True).to_arrow()
    ticker = {column.name: column for column in TABLES["ticker"].columns}
    assert {"recv_time", "product_id", "best_bid", "best_ask"} <= set(table.column_names)
    assert set(table.column_names) - set(ticker) == {"reason"}
    frame = recorder.open(hours).top_of_book("BTC-USD", allow_gaps=True).to_pandas()
    assert frame["ingest_seq"].dtype == np.int64
    assert math.isnan(frame["best_bid"][frame["reason"].notna()].iloc[0])
