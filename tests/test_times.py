"""Times in every spelling, and nothing that is none."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import UsageError
from recorder.times import bounds, to_datetime, to_ns, to_text

MOMENT_NS = 1_795_289_400_123_456_789


@pytest.mark.parametrize(
    ("given_as", "want"),
    [
        ("1970-01-01T00:00:01", 1_000_000_000),
        ("2026-11-21T19:30:00Z", 1_795_289_400_000_000_000),
        ("2026-11-21T20:30:00+01:00", 1_795_289_400_000_000_000),
        ("2026-11-21T19:30:00.123456789Z", MOMENT_NS),
        ("2026-11-21 20:30:00.1234567+01:00", MOMENT_NS - 89),
        ("2026-11-21T19:30:00.123456", MOMENT_NS - 789),
        ("2026-11-21t19:30z", 1_795_289_400_000_000_000),
        ("2026-11-21t19:30:00.123456789z", MOMENT_NS),
        ("2026-11-21", 1_795_219_200_000_000_000),
        (date(2026, 11, 21), 1_795_219_200_000_000_000),
        (1_795_289_400, 1_795_289_400_000_000_000),
        (1_795_289_400_123, 1_795_289_400_123_000_000),
        (1_795_289_400_123_456, 1_795_289_400_123_456_000),
        (MOMENT_NS, MOMENT_NS),
        ("1795289400", 1_795_289_400_000_000_000),
        (datetime(2026, 11, 21, 19, 30, 0, 5), 1_795_289_400_000_005_000),  # noqa: DTZ001
        (pd.Timestamp(MOMENT_NS, tz="UTC"), MOMENT_NS),
        (pd.Timestamp("2026-11-21T20:30", tz="Europe/Paris"), 1_795_289_400_000_000_000),
        (np.datetime64(MOMENT_NS, "ns"), MOMENT_NS),
        (np.datetime64("2026-11-21T19:30"), 1_795_289_400_000_000_000),
        (np.datetime64(7_999, "ps"), 7),
        (np.datetime64(5 * 10**9, "as"), 5),
        (np.int64(MOMENT_NS), MOMENT_NS),
    ],
)
def test_times_in_every_spelling(given_as, want):
    """Text is ISO 8601 and UTC where it says nothing; numbers tell their unit by their size."""
    assert to_ns(given_as) == want


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-11-21T25:00",
        "12:30",
        "٣",
        1.5,
        None,
        True,
        [],
        pd.NaT,
        np.datetime64("NaT"),
        np.timedelta64(4, "s"),
        "1e30",
        "-5",
        float("nan"),
        "2026-11-21T19:30\0",
        "9" * 5000,
    ],
)
def test_what_is_no_time_is_told(wrong):
    """With how to write one."""
    with pytest.raises(UsageError, match=r"is no time\. (Write it as|Give text such as) 2026"):
        to_ns(wrong)


@pytest.mark.parametrize("digits", ["2026", "202611", "20261121", "202611211930", "20261121193000"])
def test_digits_that_are_meant_as_a_date_are_no_seconds_of_1970(digits):
    with pytest.raises(UsageError, match=r"could be a date, .*: 2026-11-21\.$"):
        to_ns(digits)


def test_a_message_has_an_end():
    """However long the text is, and an int that Python does not write."""
    for wrong in ("x" * 5000, "9" * 5000, 10**5000):
        with pytest.raises(UsageError) as raised:
            to_ns(wrong)
        assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    "far",
    [
        *(10**25, -(10**25), "9999-01-01", "9" * 19),
        *(np.datetime64(year, "us") for year in ("1500-01-01", "2263-01-01", "3000-01-01")),
        *(np.datetime64(10**12, unit) for unit in ("Y", "M", "D", "s")),
    ],
)
def test_times_that_do_not_fit_are_told(far):
    """64 bits of nanoseconds end in 2262."""
    with pytest.raises(UsageError, match="too far away"):
        to_ns(far)


@given(nanoseconds=st.integers(-(10**18), 4 * 10**18))
def test_text_reads_back(nanoseconds):
    """What a message shows can be given to the next call."""
    assert to_ns(to_text(nanoseconds)) == nanoseconds // 1000 * 1000
    assert to_datetime(nanoseconds).tzinfo is UTC


def test_text_has_as_many_digits_as_it_needs():
    """None, three or six."""
    texts = [
        to_text(MOMENT_NS),
        to_text(MOMENT_NS // 10**6 * 10**6),
        to_text(MOMENT_NS // 10**9 * 10**9),
    ]
    assert [text[19:] for text in texts] == [".123456Z", ".123Z", "Z"]


def test_a_range_has_its_ends_in_order():
    """Both may be left out; an empty one is none that is reversed."""
    assert bounds(None, None) == (None, None)
    assert bounds("2026-11-21T19:30Z", None) == (1_795_289_400_000_000_000, None)
    assert bounds(MOMENT_NS, MOMENT_NS) == (MOMENT_NS, MOMENT_NS)
    with pytest.raises(UsageError, match=r"ends before it begins: .* Give the earlier time first"):
        bounds(MOMENT_NS, MOMENT_NS - 1)
