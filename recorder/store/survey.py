"""What capture files of others hold, found before anything of them is taken.

The first pass over a file proves that all of it can be read, counts the lines of each connection,
so that its end is known when it comes, and finds where it goes on from another file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from recorder.errors import DataError
from recorder.store.ndjson import CaptureLine, read_lines

_NUMBER_WITHIN = 100  # frames in which a connection's first number must come


class Envelope(Protocol):
    """What must be known of a frame here; the caller's decoder tells it."""

    @property
    def sequence(self) -> int | None:
        """The venue's number of the frame."""

    @property
    def exchange_ns(self) -> int | None:
        """The venue's time of the frame."""


Decode = Callable[[bytes], Envelope]


@dataclass(slots=True, eq=False)
class Stretch:
    """One connection within one file. ``lines`` are those not taken yet."""

    conn: str
    lines: int = 0
    first_sequence: int | None = None
    begun: bool = False


@dataclass(slots=True)
class Survey:
    """One file: its first time (None: no lines) and its connections by name."""

    path: Path
    first_ns: int | None = None
    stretches: dict[str, Stretch] = field(default_factory=dict)

    @property
    def order(self) -> tuple[int, int]:
        """Files in this order give lines of the same time in the order they were received."""
        numbers = [each.first_sequence or 0 for each in self.stretches.values()]
        return self.first_ns or 0, min(numbers, default=0)


def survey(path: Path, decode: Decode) -> Survey:
    """Read a whole file for the first time.

    Raises NoInputError and DataError as `timed_lines` does.
    """
    found = Survey(path)
    unnumbered: dict[str, int] = {}
    for recv_ns, line in timed_lines(path, decode):
        if found.first_ns is None:
            found.first_ns = recv_ns
        stretch = found.stretches.setdefault(line.conn, Stretch(line.conn))
        stretch.lines += 1
        if line.outgoing or stretch.first_sequence is not None:
            continue
        tried = unnumbered[line.conn] = unnumbered.get(line.conn, 0) + 1
        if tried <= _NUMBER_WITHIN:
            stretch.first_sequence = decode(line.raw).sequence
    return found


def timed_lines(
    path: Path, decode: Decode, read: Callable[[int], None] = lambda _count: None
) -> Iterator[tuple[int, CaptureLine]]:
    """The lines of a file with times (nanoseconds since 1970) that never go back.

    The time is the line's own, or its frame's where it has none, or that of the line before.

    Raises:
        NoInputError, DataError: as `read_lines`, or because no line has a time.
    """
    waiting: list[CaptureLine] = []
    last_ns: int | None = None
    for line in read_lines(path, read):
        given_ns = line.t_ns
        if given_ns is None and not line.outgoing:
            given_ns = decode(line.raw).exchange_ns
        if given_ns is None and last_ns is None:
            waiting.append(line)  # what stands before the first time gets that time
            continue
        last_ns = max(given_ns or 0, last_ns or 0)
        for early in waiting:
            yield last_ns, early
        waiting.clear()
        yield last_ns, line
    if waiting:
        raise DataError(
            f"{path}: no line has a time, neither its own nor one in a frame. Nothing can be said "
            "about when this was recorded; add `t` (seconds since 1970) to its lines."
        )
