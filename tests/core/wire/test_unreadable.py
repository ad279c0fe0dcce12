"""What is said of frames that cannot be read, and of the venues' own errors."""

import msgspec
import pytest

from recorder.core.messages import Problem
from recorder.core.wire.unreadable import malformed, text, venue_error


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b'"a\\u00e9"', "aé"),
        (b"", ""),
        (b"5", "5"),
        (b'{"a":[1]}', '{"a":[1]}'),
        (b'"\\ud800"', '"\\ud800"'),
        (b"\xff", "\\xff"),
    ],
)
def test_the_text_of_an_error(raw: bytes, read: str) -> None:
    """Whatever stands there, as text that can be written down."""
    assert text(msgspec.Raw(raw)) == read
    text(msgspec.Raw(raw)).encode()


def test_problems_are_cut() -> None:
    """A detail is a column, and the capture holds the frame."""
    assert malformed("x" * 9999, "level2", "A-B") == Problem(
        "malformed_frame", "x" * 500, "level2", "A-B"
    )
    assert venue_error("x " * 9999) == Problem("venue_error", "x " * 250)
    assert malformed("x") == Problem("malformed_frame", "x", None, None)
