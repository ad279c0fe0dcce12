"""What capture files of others hold, found before anything of them is taken.

The first pass over a file proves that all of it can be read, counts the lines of each connection,
so that its end is known when it comes, and finds where it goes on from another file, and whether
the same was given twice.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
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

    @property
    def label(self) -> str:
        """What it is counted as; ``malformed`` where it could not be read."""


Decode = Callable[[bytes], Envelope]
VenueOf = Callable[[bytes], str | None]


@dataclass(slots=True, eq=False)
class Stretch:
    """One connection within one file. ``lines`` are those not taken yet."""

    conn: str
    lines: int = 0
    first_ns: int = 0
    last_ns: int = 0
    first_sequence: int | None = None
    last_sequence: int | None = None
    first_frame: bytes = b""  # its digest
    begun: bool = False
    venue: str | None = None  # None while no frame has told

    @property
    def late(self) -> bool:
        """Whether it begins in the middle of a connection."""
        return bool(self.first_sequence)

    def continues(self, other: "Stretch") -> bool:
        """Whether it goes on where another one ended."""
        last = other.last_sequence
        return self.conn == other.conn and last is not None and self.first_sequence == last + 1

    def repeats(self, other: "Stretch") -> bool:
        """Whether it is the same connection from the same frame on as another one."""
        return (
            self.first_sequence is not None
            and (self.conn, self.first_sequence, self.first_frame)
            == (other.conn, other.first_sequence, other.first_frame)
            and self.first_ns <= other.last_ns
            and other.first_ns <= self.last_ns
        )


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


def survey_all(paths: Sequence[Path], decode: Decode, venue_of: VenueOf) -> list[Survey]:
    """Read the files of an import for the first time.

    Raises NoInputError and DataError as `survey` does, and DataError where two hold the same.
    """
    surveys = [survey(path, decode, venue_of) for path in paths]
    for one, other in combinations(surveys, 2):
        both = one.stretches.keys() & other.stretches.keys()
        repeated = any(one.stretches[conn].repeats(other.stretches[conn]) for conn in both)
        if repeated or (both and _same_bytes(one.path, other.path)):
            raise DataError(
                f"{one.path} and {other.path} hold the same connection from the same frame on. "
                "Give only one of them."
            )
    return surveys


def _same_bytes(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and _digest(one) == _digest(other)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def survey(path: Path, decode: Decode, venue_of: VenueOf) -> Survey:
    """Read a whole file for the first time.

    Raises NoInputError and DataError as `timed_lines` does, and DataError where frames were
    received and none of them could be read.
    """
    found = Survey(path)
    tried: dict[str, int] = {}
    last: dict[str, bytes] = {}
    understood = False
    for recv_ns, line in timed_lines(path, decode):
        if found.first_ns is None:
            found.first_ns = recv_ns
        stretch = found.stretches.setdefault(line.conn, Stretch(line.conn, first_ns=recv_ns))
        stretch.lines += 1
        stretch.last_ns = recv_ns
        if line.outgoing:
            continue
        last[line.conn] = line.raw
        if stretch.venue is None:
            stretch.venue = venue_of(line.raw)
        understood = understood or _is_understood(decode(line.raw))
        if stretch.first_sequence is None:
            tried[line.conn] = tried.get(line.conn, 0) + 1
            if tried[line.conn] <= _NUMBER_WITHIN:
                stretch.first_sequence = decode(line.raw).sequence
                stretch.first_frame = hashlib.sha256(line.raw).digest()
    for conn, raw in last.items():
        found.stretches[conn].last_sequence = decode(raw).sequence
    if last and not understood:
        raise DataError(f"{path} holds no frames of Coinbase, neither Advanced Trade nor Exchange.")
    return found


def _is_understood(envelope: Envelope) -> bool:
    """Whether a frame is the venue's; one that is damaged may still have its number."""
    return envelope.label != "malformed" or envelope.sequence is not None


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
