"""When a recording gets on, and when it is stuck."""

from collections.abc import Hashable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.service.vitals import FEED_S_MAX, LOOK_S_MAX, PARTS_S_MAX, Pulse, Signs, Vitals, stuck

PATIENCE_S = 30.0


def signs(
    line: Hashable = 0, unread: str = "", capture: Hashable = None, parts: Hashable = None
) -> Signs:
    return Signs({"ws1": line}, unread, capture, parts)


def judged(course: Iterable[Signs], every_s: float = 1.0) -> str:
    """What is said in the end of signs that come every second."""
    pulse, now_s, vitals = Pulse(), 1000.0, Vitals()
    for each in course:
        vitals = pulse.take(each, now_s)
        now_s += every_s
    return stuck(vitals, PATIENCE_S)


@pytest.mark.parametrize(
    ("vitals", "said"),
    [
        (Vitals(), ""),
        (Vitals({"ws1": FEED_S_MAX}, PATIENCE_S, PARTS_S_MAX), ""),
        (Vitals(capture=PATIENCE_S + 1), "the capture waits for the disk since 31 s"),
        (Vitals(parts=PARTS_S_MAX + 1), "a part waits for the disk since 301 s"),
        (Vitals({"ws1": 1.0, "ws2": 151.0}), "ws2 neither receives nor connects since 151 s"),
    ],
)
def test_what_is_stuck_is_named(vitals: Vitals, said: str) -> None:
    assert stuck(vitals, PATIENCE_S) == said


def test_patience_holds_for_all() -> None:
    """A longer WatchdogSec is patience with everything."""
    vitals = Vitals({"ws1": 500.0}, 500.0, 500.0)
    assert stuck(vitals, 600.0) == ""
    assert stuck(vitals, 400.0) != ""


def test_frames_and_syncs_are_progress() -> None:
    assert not judged(signs(line=n, capture=n, parts=n // 10) for n in range(1000))


def test_an_outage_that_is_retried_is_no_reason() -> None:
    """The venue is away for an hour; every minute there is another try, and nothing to write."""
    assert not judged(signs(line=("down", n // 60)) for n in range(3600))


def test_nothing_that_waits_is_no_reason() -> None:
    """A quiet market leaves nothing to write; what comes after it has its own time."""
    course = [signs(line=n) for n in range(100)]
    course += [signs(line=n, capture=7) for n in range(100, 130)]
    assert not judged(course)


def test_a_writer_that_does_not_return_is_stuck() -> None:
    """Frames go on coming, and none of them becomes durable."""
    course = [signs(line=n, capture=7) for n in range(32)]
    assert not judged(course[:-1])
    assert judged(course) == "the capture waits for the disk since 31 s"


def test_a_disk_that_refuses_and_is_tried_again_is_no_reason() -> None:
    assert not judged(signs(line=n, capture=(7, n // 2)) for n in range(3600))


def test_a_connection_that_does_nothing_is_stuck() -> None:
    """One of two: neither frames nor another try."""
    course = [Signs({"ws1": n, "ws2": "open"}) for n in range(152)]
    assert judged(course) == "ws2 neither receives nor connects since 151 s"


def test_while_nothing_is_read_no_connection_has_to_move() -> None:
    """The disk is waited for; afterwards each has its whole time."""
    course = [signs(line="open", unread="too little space is free") for _ in range(1000)]
    assert not judged([*course, *(signs(line="open") for _ in range(150))])


def test_a_line_that_went_and_came_begins_anew() -> None:
    course = [signs(line="open")] * 100 + [Signs({})] + [signs(line="open")] * 100
    assert not judged(course)


def test_a_process_that_was_stopped_was_not_stuck() -> None:
    """An hour between two looks was somebody else's: SIGSTOP, a debugger, a machine that slept."""
    course = [signs(line="open", capture=7)] * 3
    assert not judged(course, every_s=3600.0)
    assert judged([signs(line="open", capture=7)] * 8, every_s=3600.0)
    assert LOOK_S_MAX * 7 > PATIENCE_S


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 3)), max_size=60))
def test_what_has_just_moved_is_never_stuck(course: list[tuple[int, bool, int]]) -> None:
    """Whatever was before, the age of what moved or does not wait is 0."""
    pulse = Pulse()
    before: Signs | None = None
    for now_s, (line, waits, capture) in enumerate(course):
        now = signs(line=line, capture=capture if waits else None)
        vitals = pulse.take(now, float(now_s))
        assert vitals.parts == 0
        if before is None or before.capture != now.capture or not waits:
            assert vitals.capture == 0
        if before is None or before.lines != now.lines:
            assert vitals.lines == {"ws1": 0.0}
        before = now
