"""What is said of frames that cannot be read, and of the venues' own errors."""

import msgspec
import pytest

from recorder.core.messages import Problem
from recorder.core.wire.unreadable import malformed, text, unknown_channel, venue_error


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


def test_the_name_of_a_channel_is_told_without_what_looks_like_a_key():
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    assert unknown_channel("type 'auction2'").detail == "type 'auction2'"
    assert token[:20] not in unknown_channel(f"channel {token!r}").detail
