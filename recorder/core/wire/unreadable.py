"""Frames that are not as expected, and the venues' own errors: what is said of them."""

import msgspec

from recorder.core.messages import Problem
from recorder.masking import redact, without_keys

_DETAIL_CHARS_MAX = 500

# What msgspec raises on bytes that are not what is expected of them.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)

_decode_text = msgspec.json.Decoder(str).decode


def text(raw: msgspec.Raw) -> str:
    """Read the text of an error frame, whatever it is; empty where it is not there."""
    try:
        return _decode_text(raw)
    except UNREADABLE:
        return bytes(raw).decode("utf-8", "backslashreplace")


def malformed(detail: str, channel: str | None = None, product_id: str | None = None) -> Problem:
    """What is said of a frame that is not JSON, or not of the expected shape."""
    return Problem("malformed_frame", detail[:_DETAIL_CHARS_MAX], channel, product_id)


def unknown_channel(named: str) -> Problem:
    """What is said of a frame of a channel that has no table; a name may be anything."""
    return Problem("unknown_channel", without_keys(redact(named))[:_DETAIL_CHARS_MAX])


def venue_error(said: str) -> Problem:
    """What the venue said of its own accord; its texts change.

    It may repeat what was signed. That goes by its form, so that a replay says the same.
    """
    return Problem("venue_error", without_keys(redact(said))[:_DETAIL_CHARS_MAX])
