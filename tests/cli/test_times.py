"""What `recorder.cli.times` promises about times on a command line."""

import pytest

from recorder.cli.times import instant
from recorder.errors import UsageError

AT_NS = 1_795_289_400_000_000_000  # 2026-11-21T19:30:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T19:30:00Z", AT_NS),
        ("2026-11-21T19:30:00", AT_NS),
        ("2026-11-21 19:30", AT_NS),
        ("2026-11-21T19:30z", AT_NS),
        ("2026-11-21T20:30:00+01:00", AT_NS),
        ("2026-11-21T14:30-0500", AT_NS),
        ("2026-11-21T19:30:00.123456789Z", AT_NS + 123_456_789),
        ("2026-11-21T19:30:00,5Z", AT_NS + 500_000_000),
        ("2026-11-21", AT_NS - 70_200 * 10**9),
        ("1795289400", AT_NS),
        ("1795289400.000000001", AT_NS + 1),
        ("1795289400000", AT_NS),
        ("1795289400000000", AT_NS),
        ("1795289400000000000", AT_NS),
        ("0", 0),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, expected: int) -> None:
    """UTC where no zone is named; the unit of a bare number is told by its size."""
    assert instant(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-13-01",
        "2026-11-21T25:00Z",
        "1969-12-31T23:59:59Z",
        "2300-01-01",
        "-5",
        "1e9",
        "nan",
        "2026",
        "20261121",
        "20261121193000",
        "9" * 19,
        "9" * 40,
        "\uff11\uff17\uff19\uff15",
        "2026-11-21T19:30:00+99:00",
        "\x1b[2J",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """The message shows the forms that are taken."""
    with pytest.raises(UsageError, match="2026-11-21T19:30:00Z") as caught:
        instant(text)
    assert str(caught.value).isprintable()
