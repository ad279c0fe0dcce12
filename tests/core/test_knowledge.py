"""What is known, and how a doubt about it is written down."""

from recorder.core.book import BookState
from recorder.core.coverage import GAP, Interval
from recorder.core.knowledge import Knowledge, Numbers, Place, Step
from recorder.core.messages import Resubscribe
from recorder.core.rows import Origin
from tests.core.scripts import HOUR_10_NS, live, rows_of


def place_in(known: Knowledge, raw: bytes | None = None) -> Place:
    """A frame on ws1, at place 100."""
    origin = Origin(HOUR_10_NS + 1, "ws1", 7, None)
    return Place(Step(), known.session("ws1", HOUR_10_NS), origin, 100, Numbers(100), raw)


def test_numbers_of_rows() -> None:
    """Each is given once, from the arrival's own on."""
    place = place_in(Knowledge())
    assert [place.take(1), place.take(3), place.take(1)] == [100, 101, 104]


def test_a_connection_that_nobody_saw_open() -> None:
    """Its session begins with what came, and takes the first number as found."""
    known = Knowledge()
    session = known.session("ws1", 5)
    assert (session.opened_ns, session.next_sequence) == (5, None)
    assert known.session("ws1", 9) is session


def test_forgetting_a_connection() -> None:
    """Its session and books go, those of others stay."""
    player = live("BTC-USD", "ETH-USD")
    known = player.pipeline
    known.books["ws2", "BTC-USD"] = known.books["ws1", "BTC-USD"]
    assert known.products_of("ws1") == ["BTC-USD", "ETH-USD"]
    known.forget("ws1")
    assert list(known.books) == [("ws2", "BTC-USD")]
    assert known.sessions == {}
    known.forget("ws1")


def test_losing_books() -> None:
    """Those that were LIVE are STALE, their coverage ends, and each is asked for once."""
    known = live("BTC-USD", "ETH-USD").pipeline
    place = place_in(known)
    known.lose_books(["BTC-USD", "SOL-USD"], "book_crossed", place)
    known.lose_books(["BTC-USD"], "book_crossed", place)
    assert known.books["ws1", "BTC-USD"].state is BookState.STALE
    assert known.books["ws1", "ETH-USD"].state is BookState.LIVE
    assert place.step.requests == [Resubscribe("ws1", "level2", ("BTC-USD",), "book_crossed")]
    assert [fact.event for fact in place.step.facts] == ["book_stale"]
    assert [row["state"] for row in rows_of(place.step.rows, "coverage")] == ["recorded"]
    assert not known.coverage.records(("level2", "BTC-USD"), "ws1")


def test_a_fault_is_a_row_and_a_fact() -> None:
    """They say the same, so that log and data cannot disagree; the frame is kept if it shows it."""
    known = Knowledge()
    place = place_in(known, b"{}")
    known.fault("late_frame", "…", place, channel="level2", product_id="BTC-USD")
    known.fault("sequence_gap", "…", place, keep_raw=False)
    first, second = rows_of(place.step.rows, "faults")
    assert (first["raw"], second["raw"]) == ("{}", None)
    for row, fact in zip((first, second), place.step.facts, strict=True):
        assert fact.event == "fault_recorded"
        assert fact.fields == {key: row[key] for key in fact.fields}
    assert (first["ingest_seq"], second["ingest_seq"], known.faults) == (100, 101, 2)


def test_noting_nothing() -> None:
    """No block without rows."""
    step = Step()
    Knowledge().note([], 100, step)
    assert step.rows == []
    Knowledge().note([Interval("ticker", "BTC-USD", 1, 2, GAP, "sequence_gap")], 100, step)
    assert [row["noted_seq"] for row in rows_of(step.rows, "coverage")] == [100]
