"""How long a silence may be."""

from recorder.core.flow import (
    FLOOR_NS,
    LEARNED_MESSAGES,
    LEARNED_NS,
    TIMES,
    UNKNOWN_NS,
    WINDOW_NS,
    Flow,
)

SECOND = 1_000_000_000


def test_nothing_is_said_of_what_is_not_known() -> None:
    """Too few messages: no limit; too short a time: a long one."""
    flow = Flow()
    for _ in range(LEARNED_MESSAGES - 1):
        flow.take(SECOND)
    assert flow.allowed_ns() is None
    flow.take(SECOND)
    assert flow.allowed_ns() == UNKNOWN_NS


def test_a_busy_product_has_the_floor() -> None:
    """However busy."""
    flow = Flow()
    for _ in range(LEARNED_NS // SECOND):
        flow.take(SECOND)
    assert flow.allowed_ns() == FLOOR_NS


def test_the_longest_silence_counts_for_an_hour_or_two() -> None:
    """A quiet product is allowed a few times of it; what it did long ago is forgotten."""
    flow = Flow()
    for _ in range(LEARNED_MESSAGES):
        flow.take(SECOND)
    flow.take(LEARNED_NS)
    assert flow.allowed_ns() == TIMES * LEARNED_NS
    for _ in range(WINDOW_NS // SECOND):
        flow.take(SECOND)
    assert flow.allowed_ns() == TIMES * LEARNED_NS
    for _ in range(WINDOW_NS // SECOND):
        flow.take(SECOND)
    assert flow.allowed_ns() == FLOOR_NS
