"""Since when and until when each connection recorded a product."""

from recorder.core.frames import HOUR_NS
from recorder.dataset.gaps import Interval
from recorder.dataset.lines import behind, lines_at, spans_of

TURN = 400_000 * HOUR_NS


def interval(
    line: str | None, start_ns: int, end_ns: int, state: str = "recorded", product: str = "A-B"
) -> Interval:
    return Interval("level2", product, start_ns, end_ns, state, None, None, line, None, None)


def test_what_only_an_hour_cuts_is_one():
    """An end elsewhere is an end, also where it begins again at once."""
    told = [
        interval("c0", TURN, TURN + 5000),
        interval("c0", TURN - 9000, TURN),
        interval("c0", TURN + 5000, TURN + 7000, "unverified"),
        interval("c1", TURN - 4000, TURN - 1000),
        interval(None, TURN - 1000, TURN, "gap"),
        interval(None, TURN - 3000, TURN, "backfilled"),
    ]
    assert spans_of(told) == {
        ("A-B", "c0"): [(TURN - 9000, TURN + 6000), (TURN + 5000, TURN + 8000)],
        ("A-B", "c1"): [(TURN - 4000, TURN)],
    }
    assert spans_of([]) == {}


def test_an_interval_reaches_to_the_end_of_its_last_microsecond():
    """But that of an hour ends with the hour."""
    assert behind(TURN) == TURN
    assert behind(TURN + 1000) == TURN + 2000


def test_who_records_at_a_time():
    """Ends are exclusive; each product has its own connections."""
    told = [
        interval("c0", TURN, TURN + 5000),
        interval("c1", TURN + 3000, TURN + 9000),
        interval("c1", TURN, TURN + 9000, product="C-D"),
    ]
    assert lines_at(told, TURN - 1) == {}
    assert lines_at(told, TURN) == {"A-B": {"c0"}, "C-D": {"c1"}}
    assert lines_at(told, TURN + 5999) == {"A-B": {"c0", "c1"}, "C-D": {"c1"}}
    assert lines_at(told, TURN + 6000) == {"A-B": {"c1"}, "C-D": {"c1"}}
