"""What the status line promises."""

from dataclasses import dataclass

from recorder.cli.status import status_line


@dataclass
class Progress:
    products: int = 2
    frames: int = 0
    changes: int = 0
    gaps: int = 0
    capture_bytes: int = 0
    connections_up: int = 1
    connections: int = 1
    books_live: int = 2
    next_seal_s: float = 61.5
    elapsed_s: float = 0.0


def test_rates_are_differences() -> None:
    """They are per second since the line before, not since the start."""
    before = Progress(frames=1000, changes=9000, elapsed_s=10.0)
    now = Progress(frames=1060, changes=9300, capture_bytes=1_234_567, elapsed_s=12.0)
    text = status_line(now, before).plain
    for words in ("2 products", "30 frames/s", "150 changes/s", "0 gaps", "1.2 MB", "seal in 1:01"):
        assert words in text
    assert len(text) <= 80
    assert "connected" not in text


def test_the_first_line_needs_no_line_before() -> None:
    """No time has passed, so there is no rate, and no division by it."""
    assert "- frames/s" in status_line(Progress(), None).plain


def test_trouble_is_seen() -> None:
    """A connection that is down and a gap stand out."""
    line = status_line(Progress(connections_up=0, gaps=3, books_live=0), None)
    marked = {line.plain[span.start : span.end] for span in line.spans if "red" in str(span.style)}
    assert marked == {"0/1 connected", "3 gaps"}
