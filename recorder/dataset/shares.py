"""How stretches of time were covered: what is not just recorded of them, and what it comes to.

A piece is a stretch of one channel that is not just recorded. Of pieces that overlap the worst
counts, so that no second counts twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from recorder.core.frames import HOUR_NS

DAY_NS = 24 * HOUR_NS
NS = 1e9


class Seen(IntEnum):
    """What was seen of a moment, the worst last."""

    RECORDED = 0
    UNVERIFIED = 1
    MISSING = 2
    GAP = 3


@dataclass(frozen=True, slots=True)
class Share:
    """How a stretch of time was covered, in seconds; they add up to the stretch.

    ``recorded`` with certainty, ``unverified``: recorded, but nothing is numbered by which a loss
    would show; ``gap``: lost, and told why; ``missing``: nobody recorded. ``ahead`` is not told of
    yet. ``gaps`` counts the gaps that touch it, those without length included.
    """

    recorded_s: float = 0.0
    unverified_s: float = 0.0
    gap_s: float = 0.0
    missing_s: float = 0.0
    ahead_s: float = 0.0
    gaps: int = 0

    @property
    def part(self) -> float | None:
        """The part that was recorded, 0 to 1, of what is told of; None where nothing is."""
        have_s = self.recorded_s + self.unverified_s
        told_s = have_s + self.gap_s + self.missing_s
        return have_s / told_s if told_s else None

    @property
    def percent(self) -> str:
        """The part for reading, to a thousandth: rounded down, so that 100 % means all of it."""
        part = self.part
        if part is None:
            return ""
        return "100 %" if part >= 1 else f"{int(part * 100_000) / 1000:.3f} %"

    @property
    def state(self) -> str:
        """In a word: ``recorded``, ``unverified``, ``gap``, ``partly``, ``missing`` or ``ahead``.

        ``recorded`` and ``unverified`` are whole. ``gap``: something was lost, be it in a gap
        without length; ``partly``: nothing was, but nobody recorded for a part of the time;
        ``missing``: nobody did at all.
        """
        if self.gap_s or self.gaps:
            return "gap"
        if self.missing_s:
            return "partly" if self.recorded_s or self.unverified_s else "missing"
        if self.unverified_s:
            return "unverified"
        return "recorded" if self.recorded_s else "ahead"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a channel that is not just recorded; without length it is a gap all the same."""

    start_ns: int
    end_ns: int
    seen: Seen
    reason: str | None = None


def by_hour(pieces: Sequence[Piece], day: int, told_ns: int) -> list[Share]:
    """The shares of the hours of a day, the worst of pieces that overlap."""
    seconds = [[0.0] * 4 for _ in range(24)]
    counts = [0] * 24
    begin_ns = day * DAY_NS
    for start_ns, end_ns, seen in _worst(pieces, begin_ns, told_ns):
        for at in range((start_ns - begin_ns) // HOUR_NS, -(-(end_ns - begin_ns) // HOUR_NS)):
            hour_ns = begin_ns + at * HOUR_NS
            inside_ns = min(end_ns, hour_ns + HOUR_NS) - max(start_ns, hour_ns)
            seconds[at][seen] += inside_ns / NS
    for piece in pieces:
        if piece.seen is Seen.GAP and piece.start_ns < max(told_ns, begin_ns + 1):
            last_ns = max(piece.start_ns, min(piece.end_ns, told_ns) - 1)
            for at in range((piece.start_ns - begin_ns) // HOUR_NS, 24):
                if begin_ns + at * HOUR_NS > last_ns:
                    break
                counts[at] += 1
    shares = []
    for at in range(24):
        hour_ns = begin_ns + at * HOUR_NS
        ahead_s = (hour_ns + HOUR_NS - min(max(told_ns, hour_ns), hour_ns + HOUR_NS)) / NS
        shares.append(Share(*_ordered(seconds[at]), ahead_s, counts[at]))
    return shares


def _ordered(seconds: Sequence[float]) -> tuple[float, float, float, float]:
    return (
        seconds[Seen.RECORDED],
        seconds[Seen.UNVERIFIED],
        seconds[Seen.GAP],
        seconds[Seen.MISSING],
    )


def _worst(pieces: Iterable[Piece], begin_ns: int, end_ns: int) -> Iterator[tuple[int, int, Seen]]:
    """[begin, end) cut where the worst of what was seen changes."""
    changes: dict[int, list[tuple[Seen, int]]] = {}
    for piece in pieces:
        start_ns, until_ns = max(piece.start_ns, begin_ns), min(piece.end_ns, end_ns)
        if start_ns < until_ns:
            changes.setdefault(start_ns, []).append((piece.seen, 1))
            changes.setdefault(until_ns, []).append((piece.seen, -1))
    open_ones = [0, 0, 0, 0]
    at_ns, worst = begin_ns, Seen.RECORDED
    for change_ns in sorted(changes):
        if change_ns > at_ns:
            yield at_ns, change_ns, worst
            at_ns = change_ns
        for seen, step in changes[change_ns]:
            open_ones[seen] += step
        worst = max((seen for seen in Seen if open_ones[seen]), default=Seen.RECORDED)
    if at_ns < end_ns:
        yield at_ns, end_ns, worst


def length_ns(spans: Iterable[tuple[int, int]]) -> int:
    """How long stretches are together; where they overlap it counts once."""
    found, reached = 0, None
    for start_ns, end_ns in sorted(spans):
        begin_ns = start_ns if reached is None else max(start_ns, reached)
        found += max(0, end_ns - begin_ns)
        reached = max(end_ns, begin_ns)
    return found


def added(shares: Iterable[Share]) -> Share:
    """The share of several stretches together; a gap that touches two counts in each."""
    recorded_s = unverified_s = gap_s = missing_s = ahead_s = 0.0
    gaps = 0
    for each in shares:
        recorded_s += each.recorded_s
        unverified_s += each.unverified_s
        gap_s += each.gap_s
        missing_s += each.missing_s
        ahead_s += each.ahead_s
        gaps += each.gaps
    return Share(recorded_s, unverified_s, gap_s, missing_s, ahead_s, gaps)
