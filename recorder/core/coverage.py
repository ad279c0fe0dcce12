"""What was recorded and what was not: intervals with both ends and a cause.

Sometimes it shows only after the turn of an hour that something was not recorded before it: a
connection was silent, and is found dead. The gap's row then begins before its hour, and takes back
what the hours before told of that time (detail `TAKEN_BACK`).

A *track* is one channel of one product (product None for channels without products). At any moment
it is recorded by one or more connections, or by none: then a gap is pending. Intervals are given
out as `Interval` when they end; an hour's end cuts them all, so that every hour tells its own.
"""

from dataclasses import dataclass, field, replace
from operator import itemgetter

TRACKS_MAX = 10_000  # a thousand products and all channels; each costs memory and rows

RECORDED = "recorded"
UNVERIFIED = "unverified"  # recorded, but the venue numbers nothing by which a loss would show
GAP = "gap"
BACKFILLED = "backfilled"  # trades that were missing and have been fetched; lies over gaps
TAKEN_BACK = "told as recorded before the hour turned"


@dataclass(frozen=True, slots=True)
class Interval:
    """One row of the table `coverage`; times in nanoseconds, ``end_ns`` exclusive."""

    channel: str
    product_id: str | None
    start_ns: int
    end_ns: int
    state: str
    reason: str | None = None
    sequence_before: int | None = None
    sequence_after: int | None = None
    messages_missing: int | None = None
    ingest_seq_first: int | None = None
    ingest_seq_last: int | None = None
    connection_id: str | None = None
    detail: str | None = None


@dataclass(slots=True)
class Recording:
    """A connection records a track since ``start_ns``; the rows it gave since then.

    ``verified``: a loss between them would show. ``begun_ns``: where ``start_ns`` is the begin of
    an hour that it went on into, since when it really does.
    """

    start_ns: int
    first: int | None = None
    last: int | None = None
    verified: bool = True
    begun_ns: int | None = None


@dataclass(slots=True)
class Missing:
    """Nobody records a track since ``start_ns``."""

    start_ns: int
    reason: str
    sequence_before: int | None = None
    sequence_after: int | None = None
    messages_missing: int | None = None
    connection_id: str | None = None
    detail: str | None = None
    # A track that was never recorded misses nothing before its first data.
    quiet: bool = False


@dataclass(slots=True)
class Track:
    """The present state of one channel and product.

    ``covered`` are the intervals given out since the oldest of the recordings began: a line's end
    is told when it closes, but was when it was last heard. ``heard_ns`` is the latest time at which
    a line was heard that ended since the begin of the hour.
    """

    recordings: dict[str, Recording] = field(default_factory=dict)
    missing: Missing | None = None
    covered: list[tuple[int, int]] = field(default_factory=list)
    heard_ns: int = 0

    def holes(self, since_ns: int) -> tuple[list[tuple[int, int]], int]:
        """What nobody recorded since a line's end, and from when on nobody or another line does."""
        begun_ns = min((each.start_ns for each in self.recordings.values()), default=None)
        holes: list[tuple[int, int]] = []
        at_ns = since_ns
        stretches = sorted(self.covered)
        if begun_ns is not None:
            stretches = [each for each in stretches if each[0] < begun_ns] + [(begun_ns, begun_ns)]
        for first_ns, end_ns in stretches:
            if first_ns > at_ns:
                holes.append((at_ns, first_ns))
            at_ns = max(at_ns, end_ns)
        return holes, at_ns


Key = tuple[str, str | None]


class Coverage:
    """Every track, and the intervals that ended."""

    __slots__ = ("tracks",)

    def __init__(self) -> None:
        self.tracks: dict[Key, Track] = {}

    def admits(self, key: Key) -> bool:
        """Whether a track is known, or there is room for one more."""
        return key in self.tracks or len(self.tracks) < TRACKS_MAX

    def expect(self, key: Key, at_ns: int, reason: str, *, quiet: bool) -> None:
        """Begin a gap on a track that is not known yet: it is wanted, and nobody records it."""
        if key not in self.tracks and self.admits(key):
            self.tracks[key] = Track(missing=Missing(at_ns, reason, quiet=quiet))

    def open_gaps(self) -> list[tuple[Key, Missing]]:
        """What is missing now: tracks that should be recorded and that no connection records."""
        return [
            (key, track.missing)
            for key, track in self.tracks.items()
            if track.missing is not None and not track.missing.quiet and not track.recordings
        ]

    def want(self, key: Key, messages_missing: int | None = None) -> None:
        """A track was asked for in vain: the gap before its first data counts.

        ``messages_missing``: how many of its messages are known to lie in it.
        """
        track = self.tracks.get(key)
        if track is None or track.missing is None:
            return
        track.missing.quiet = False
        if messages_missing is not None and track.missing.sequence_after is None:
            track.missing.messages_missing = messages_missing

    def saw(self, key: Key, connection_id: str, first: int, last: int) -> None:
        """Note rows of a track, by their first and last ``ingest_seq``."""
        track = self.tracks.get(key)
        recording = track.recordings.get(connection_id) if track else None
        if recording is None:
            return
        if recording.first is None:
            recording.first = first
        recording.last = last

    def records(self, key: Key, connection_id: str) -> bool:
        """Whether a connection records a track now."""
        track = self.tracks.get(key)
        return track is not None and connection_id in track.recordings

    def recording_since(self, key: Key, connection_id: str) -> int | None:
        """Since when a connection records a track, in this hour; None where it does not."""
        track = self.tracks.get(key)
        recording = track.recordings.get(connection_id) if track else None
        return None if recording is None else recording.start_ns

    def begin(
        self, key: Key, connection_id: str, at_ns: int, *, verified: bool = True
    ) -> list[Interval]:
        """A connection records a track from here; ends the pending gap.

        A track for which there is no room is not recorded.
        """
        if not self.admits(key):
            return []
        track = self.tracks.setdefault(key, Track())
        if connection_id in track.recordings:
            return []
        track.recordings[connection_id] = Recording(at_ns, verified=verified)
        missing, track.missing = track.missing, None
        if missing is None or missing.quiet:
            return []
        return _gap(key, missing, at_ns)

    def end(self, key: Key, connection_id: str, at_ns: int, missing: Missing) -> list[Interval]:
        """A connection stopped to record a track; a gap begins where nobody else recorded it."""
        track = self.tracks.get(key)
        recording = track.recordings.pop(connection_id, None) if track else None
        if track is None or recording is None:
            return []
        end_ns = max(at_ns, recording.start_ns)
        ended: list[Interval] = []
        track.heard_ns = max(track.heard_ns, at_ns)
        others = [each.start_ns for each in track.recordings.values()]
        alone = min(others, default=end_ns + 1) > end_ns
        if recording.begun_ns is not None and alone:
            heard_ns = max(track.heard_ns, recording.begun_ns)
            if heard_ns < end_ns:
                back = replace(missing, start_ns=heard_ns, detail=TAKEN_BACK)
                ended += _gap(key, back, end_ns)
        track.covered.append((recording.start_ns, end_ns))
        holes, free_ns = track.holes(end_ns)
        track.covered += holes
        if not track.recordings:
            missing.start_ns = free_ns
            track.missing = missing
            track.covered.clear()
        ended += _recorded(key, connection_id, recording, end_ns)
        for start_ns, until_ns in holes:
            ended += _gap(key, replace(missing, start_ns=start_ns), until_ns)
        return ended

    def end_all(self, connection_id: str, at_ns: int, missing: Missing) -> list[Interval]:
        """A connection stops to record anything."""
        ended: list[Interval] = []
        for key in self.recorded_by(connection_id):
            ended += self.end(key, connection_id, at_ns, replace(missing))
        return ended

    def lost(self, loss: Missing) -> None:
        """A connection lost frames in ``loss``: what it ceased to record meanwhile misses them too.

        It shows with the next frame only; the gaps that begin where the loss does take its numbers.
        """
        for track in self.tracks.values():
            missing = track.missing
            if (
                missing is not None
                and (missing.connection_id, missing.start_ns) == (loss.connection_id, loss.start_ns)
                and missing.sequence_after is None
                and missing.messages_missing is None
            ):
                missing.sequence_before = loss.sequence_before
                missing.sequence_after = loss.sequence_after
                missing.messages_missing = loss.messages_missing

    def recorded_by(self, connection_id: str) -> list[Key]:
        """List the tracks that a connection records now, in the order they became known."""
        return [key for key, track in self.tracks.items() if connection_id in track.recordings]

    def cut(self, at_ns: int) -> list[Interval]:
        """End every interval here and begin it again: an hour ends."""
        ended: list[Interval] = []
        for key, track in self.tracks.items():
            # By name: a track that comes out of a `Carried` has no other order.
            for connection_id, recording in sorted(track.recordings.items(), key=itemgetter(0)):
                ended += _recorded(key, connection_id, recording, at_ns)
                begun_ns = recording.start_ns if recording.begun_ns is None else recording.begun_ns
                goes_on = Recording(at_ns, verified=recording.verified, begun_ns=begun_ns)
                track.recordings[connection_id] = goes_on
            track.covered.clear()
            track.heard_ns = 0
            if track.missing is not None:
                ended += _gap(key, track.missing, at_ns)
                track.missing.start_ns = at_ns
                track.missing.quiet = False
        return ended

    def finish(self, at_ns: int) -> list[Interval]:
        """End every interval: the recorder stopped. No track is known afterwards."""
        ended = self.cut(at_ns)
        self.tracks.clear()
        return ended


def _recorded(key: Key, connection_id: str, recording: Recording, end_ns: int) -> list[Interval]:
    if end_ns <= recording.start_ns and recording.first is None:
        return []
    return [
        Interval(
            *key,
            recording.start_ns,
            end_ns,
            RECORDED if recording.verified else UNVERIFIED,
            ingest_seq_first=recording.first,
            ingest_seq_last=recording.last,
            connection_id=connection_id,
        )
    ]


def _gap(key: Key, missing: Missing, end_ns: int) -> list[Interval]:
    if end_ns <= missing.start_ns and missing.messages_missing is None:
        return []
    return [
        Interval(
            *key,
            missing.start_ns,
            end_ns,
            GAP,
            missing.reason,
            missing.sequence_before,
            missing.sequence_after,
            missing.messages_missing,
            connection_id=missing.connection_id,
            detail=missing.detail,
        )
    ]
