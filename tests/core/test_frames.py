"""Hours and places."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.frames import (
    FIRST_OFFSET,
    HOUR_NS,
    hour_base,
    hour_of,
    hour_of_seq,
    offset_of_seq,
)

HOUR_2020 = 438_288


def test_the_first_hour_of_2020() -> None:
    """Its places begin at 0; older ones are negative, and sort right."""
    assert hour_base(HOUR_2020) == 0
    assert hour_base(HOUR_2020 - 1) == -(2**35)
    assert hour_of(1_577_836_800_000_000_000) == HOUR_2020
    assert hour_of(1_577_836_799_999_999_999) == HOUR_2020 - 1


@given(st.integers(0, 2_000_000), st.integers(0, 2**35 - 1))
def test_a_place_names_its_hour_and_offset(hour: int, offset: int) -> None:
    """For every hour since 1970, and every offset."""
    seq = hour_base(hour) + offset
    assert (hour_of_seq(seq), offset_of_seq(seq)) == (hour, offset)
    assert hour_of(hour * HOUR_NS) == hour


def test_a_place_survives_a_float64() -> None:
    """Readers that hold numbers as float64 still tell places apart, until 2049."""
    assert hour_base(hour_of(2_493_072_000_000_000_000)) + FIRST_OFFSET < 2**53
