"""(a) The capture of a connection is what the venue sent on it; only a broken end may miss some."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.simulate.evidence import SECOND_NS, Captured, Line, sent_ns
from tests.simulate.trial import Life

ABORT_LOSS_S = 1.0  # what an aborted connection may take with it: both sockets' buffers
WAIT_S = 3.0  # before a kill: what it had to wait for a processor then, its newest frames did, too
ABORT_NOTICE_S = 0.1  # the venue notes the time of an abort just before it

Frames = Sequence[bytes]


def check_sent(
    captured: Captured, sent: Sequence[Frames], lives: Sequence[Life], loss_s_max: float
) -> Iterator[str]:
    """A connection's capture is a prefix of what it was sent; only a broken end may be missing."""
    lines = _lines_of(captured, sent)
    matched = {line.connection_id for line in lines.values()}
    for line in captured.lines.values():
        if line.frames and line.connection_id not in matched:
            yield (
                f"(a) {line.connection_id}: its first frame is none that the venue sent first on a "
                "connection"
            )
    for index, frames in enumerate(sent):
        yield from _check_line(index, frames, lines.get(index), lives, loss_s_max)


def _lines_of(captured: Captured, sent: Sequence[Frames]) -> dict[int, Line]:
    """The captured connections by the place in ``sent`` that their first frame has."""
    by_first = {bytes(frames[0]): index for index, frames in enumerate(sent) if frames}
    found = {}
    for line in captured.lines.values():
        index = by_first.get(line.frames[0][1]) if line.frames else None
        if index is not None:
            found[index] = line
    return found


def _check_line(
    index: int, frames: Frames, line: Line | None, lives: Sequence[Life], loss_s_max: float
) -> Iterator[str]:
    got = line.raws() if line is not None else []
    name = f"connection {index}" + (f" ({line.connection_id})" if line is not None else "")
    for at, (mine, theirs) in enumerate(zip(got, frames, strict=False)):
        if mine != theirs:
            yield f"(a) {name}: frame {at} is {mine[:90]!r}, the venue sent {bytes(theirs)[:90]!r}"
            return
    if len(got) > len(frames):
        yield f"(a) {name}: {len(got)} frames captured, {len(frames)} sent"
        return
    lost = frames[len(got) :]
    orderly = line is not None and line.closed is not None and line.closed.orderly
    begin_ns = None if orderly else _loss_begins(frames, lives, loss_s_max)
    if begin_ns is not None and line is not None and line.frames[-1][0] >= begin_ns:
        # All that is missing was received after this, however long before the venue had sent it: a
        # machine that is busy leaves frames in the sockets.
        return
    wrong = [raw for raw in lost if begin_ns is None or (_sent_ns(raw) or begin_ns) < begin_ns]
    if wrong:
        yield (
            f"(a) {name}: {len(lost)} of {len(frames)} frames are missing at its end, {len(wrong)} "
            f"of them outside of every loss window; the first: {bytes(wrong[0])[:120]!r}"
        )


def _loss_begins(frames: Frames, lives: Sequence[Life], loss_s_max: float) -> int | None:
    """From when on frames of a connection may be lost: around an abort or a kill; None: never."""
    life = _life_of(frames, lives)
    if life is None:
        return None
    aborted_ns = _aborted_ns(frames, life)
    if aborted_ns is not None:
        return aborted_ns - _ns(ABORT_LOSS_S)
    if not life.ended_hard:
        return None
    waited_s = life.waited_s(life.signalled_ns - _ns(WAIT_S))
    return life.signalled_ns - _ns(loss_s_max + waited_s)


def _life_of(frames: Frames, lives: Sequence[Life]) -> Life | None:
    """The run that a connection belongs to. The venue may go on sending after its end."""
    first_ns = next(filter(None, map(_sent_ns, frames)), None)
    if first_ns is None:
        return None
    return next((life for life in lives if life.spawned_ns <= first_ns <= life.ended_ns), None)


def _aborted_ns(frames: Frames, life: Life) -> int | None:
    """When the venue aborted a connection, if it did: nothing was sent on it afterwards."""
    times = [at_ns for at_ns in map(_sent_ns, frames) if at_ns is not None]
    for aborted_ns in life.aborted_ns:
        if times[0] <= aborted_ns and times[-1] <= aborted_ns + _ns(ABORT_NOTICE_S):
            return aborted_ns
    return None


def _sent_ns(raw: bytes) -> int | None:
    return sent_ns(bytes(raw))


def _ns(seconds: float) -> int:
    return int(seconds * SECOND_NS)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a kill lost: frames, the age in seconds of the oldest one at the kill.

    ``waited_s`` of the age are the machine's: the daemon was ready to run, and others ran.
    """

    frames: int = 0
    age_s: float = 0.0
    waited_s: float = 0.0

    @property
    def own_s(self) -> float:
        """The age that is the daemon's own."""
        return max(0.0, self.age_s - self.waited_s)


def lost_in_window(captured: Captured, sent: Sequence[Frames], lives: Sequence[Life]) -> list[Loss]:
    """What each run that was killed has lost.

    Nobody knows when a lost frame was received: not before it was sent, nor before the last one
    that is on disk. Frames that were still in the sockets are among them.
    """
    lines = _lines_of(captured, sent)
    lost = {life.spawned_ns: Loss() for life in lives if life.killed}
    for index, frames in enumerate(sent):
        life, line = _life_of(frames, lives), lines.get(index)
        if life is None or not life.killed or _aborted_ns(frames, life) is not None:
            continue
        times = (_sent_ns(raw) for raw in frames[len(line.frames) if line else 0 :])
        missing = [at_ns for at_ns in times if at_ns is not None and at_ns <= life.signalled_ns]
        if (line is not None and line.closed is not None and line.closed.orderly) or not missing:
            continue
        since_ns = max(missing[0], line.frames[-1][0] if line else 0)
        so_far = lost[life.spawned_ns]
        age_s = max(0.0, (life.signalled_ns - since_ns) / SECOND_NS)
        worse = max((so_far.age_s, so_far.waited_s), (age_s, life.waited_s(since_ns)))
        lost[life.spawned_ns] = Loss(so_far.frames + len(missing), *worse)
    return list(lost.values())
