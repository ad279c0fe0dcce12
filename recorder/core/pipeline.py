"""One arrival in, one `Step` out: the rows it makes, what it asks for, what is worth a log line.

    arrival ─▶ wire (text → messages) ─▶ session (is it in order?) ─▶ book, trades, coverage ─▶ rows

One pipeline takes all connections in the order in which the capture holds them, so a replay of the
capture gives the same rows, byte for byte. There is no clock in here: time comes with each arrival.

A step's rows carry ``ingest_seq`` from the arrival's own on, one more a row. An arrival is longer
in the capture than it can have such rows; the intervals of `coverage` are outside of that count.
"""

import re
from collections.abc import Collection

from recorder.core import backfill, content, listed, marks, overdue
from recorder.core import state as states
from recorder.core.coverage import Missing
from recorder.core.frames import (
    ADVANCED,
    Arrival,
    Carried,
    Closed,
    Ended,
    Fetched,
    Frame,
    Listed,
    Noted,
    Opened,
    Sent,
)
from recorder.core.knowledge import Knowledge, Numbers, Place, Step
from recorder.core.messages import (
    LEVEL2,
    TRADES,
    USER,
    Decoded,
    Fact,
    Level2,
    Problem,
    Reconnect,
    SlowDown,
)
from recorder.core.rows import Origin
from recorder.core.session import SILENCE_NS_MAX, Gap, Late
from recorder.core.wire.venues import wire_of

__all__ = ["Pipeline", "Step"]

# Problems of a frame that was read whole, and is of nothing that we record.
_HARMLESS = frozenset({"impossible_product", "unknown_channel", "venue_error"})


# Too many messages of ours: Advanced Trade (`coinbase.md` §1.10), and `ErrSlowRead` of the
# Exchange, which means no slow consumer but a fast client (§2.4.10).
_TOO_MUCH = re.compile(r"rate limit|slow\s?read", re.IGNORECASE)


class Pipeline(Knowledge):
    """The state of everything that is recorded. Not thread-safe; `step` is its only way in."""

    def __init__(self) -> None:
        super().__init__()
        self._fresh = True
        self._ahead: tuple[bytes, Decoded] | None = None

    # --- the ways in --------------------------------------------------------------------------

    def step(self, arrival: Arrival, ingest_seq: int) -> Step:  # noqa: C901  one for each kind
        """Take one arrival; ``ingest_seq`` is its place in the capture."""
        step = Step()
        match arrival:
            case Frame():
                self._frame(arrival, ingest_seq, step)
            case Sent():
                marks.sent(self, arrival, ingest_seq, step)
            case Opened():
                marks.opened(self, arrival, step)
            case Closed():
                marks.closed(self, arrival, ingest_seq, step)
            case Carried(cause="start"):
                marks.started(self, arrival, ingest_seq, step)
            case Carried():
                marks.went_on(self, arrival, ingest_seq, step, fresh=self._fresh)
            case Ended():
                marks.ended(self, arrival, ingest_seq, step)
            case Noted():
                marks.noted(self, arrival, ingest_seq, step)
            case Fetched():
                backfill.fetched(self, arrival, ingest_seq, step)
            case Listed():
                listed.listed(arrival, ingest_seq, step)
        self._fresh = False
        return step

    def decoded(self, raw: bytes, decoded: Decoded) -> None:
        """Give what `wire.decode` makes of a frame of which the next step is; it took long."""
        self._ahead = raw, decoded

    def load_checkpoint(self, books: dict[tuple[str, str], Level2]) -> None:
        """Give a fresh pipeline the books, by (connection, product), that an hour begins with."""
        assert self._fresh, "a checkpoint is for the begin of a replay"
        self.checkpoint = books

    def state(self) -> bytes:
        """What a `Carried` at this moment must hold."""
        return states.encode(
            states.State(
                ended_ns=self.idle_since_ns,
                trades=states.trades_to_state(self.trades),
                sessions=[states.session_to_state(each) for each in self.sessions.values()],
                books=states.books_to_state(self.books),
                tracks=states.tracks_to_state(self.coverage),
                flows=states.flows_to_state(self.flows),
                statuses=self.statuses,
                idle=self.idle_since_ns is not None,
                elsewhere=states.trades_to_state(self.elsewhere),
            )
        )

    def deadlines_ns(self, leaving: Collection[str] = ()) -> dict[str, int]:
        """For each connection, when its silence becomes a fault; some are ``leaving``."""
        deadlines = {
            key: session.deadline_ns(leaving=key in leaving)
            for key, session in self.sessions.items()
        }
        return {key: deadline for key, deadline in deadlines.items() if deadline is not None}

    # --- frames: in order? -----------------------------------------------------------------------

    def _frame(self, frame: Frame, ingest_seq: int, step: Step) -> None:
        session = self.session(frame.connection_id, frame.recv_ns)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] is frame.raw:
            decoded = ahead[1]
        else:
            decoded = wire_of(session.venue).decode(frame.raw)
        self.messages[decoded.label] += 1
        sequence = decoded.sequence
        if decoded.product_sequence is not None:
            sequence = decoded.product_sequence[1]
        origin = Origin(frame.recv_ns, frame.connection_id, sequence, decoded.exchange_ns)
        place = Place(step, session, origin, ingest_seq, Numbers(ingest_seq), frame.raw)
        found = None if decoded.sequence is None else session.check(decoded.sequence)
        if isinstance(found, Late):
            self._late(found, place)
        elif found is not None:
            self._gap(found, place)
        if frame.recv_ns > session.last_ns + SILENCE_NS_MAX:
            session.pause(frame.recv_ns - session.last_ns)
        session.last_ns = frame.recv_ns
        if not isinstance(found, Late):
            if decoded.sequence is not None or session.venue != ADVANCED:
                session.ordered_ns = frame.recv_ns
            elif decoded.label == "malformed":
                session.unreadable += 1
            self._understood(decoded, place)
        if session.is_time_to_look(frame.recv_ns):
            overdue.look(self, place)

    def _understood(self, decoded: Decoded, place: Place) -> None:
        """Take what a frame says, and the doubts about it.

        A book is in doubt before the frame's messages, so that none is applied to what it may not
        fit, and after them, because its snapshot may have stood before what could not be read.
        """
        for problem in decoded.problems:
            self.private |= decoded.channel == USER
            self.fault(
                problem.kind,
                problem.detail,
                place,
                channel=problem.channel,
                product_id=problem.product_id,
                keep_raw=decoded.channel != USER,
            )
            self._doubt(problem, decoded, place)
            if problem.kind == "venue_error" and _TOO_MUCH.search(problem.detail):
                place.session.refused(place.origin.recv_ns)
                place.step.requests.append(SlowDown(place.connection_id, problem.detail))
        channel = place.session.meant(decoded.channel or "")
        if decoded.product_sequence is not None:
            self._product_number(*decoded.product_sequence, decoded, place)
        for message in decoded.messages:
            content.take(self, message, channel, place)
        for problem in decoded.problems:
            self._doubt(problem, decoded, place)

    def _product_number(self, product_id: str, number: int, decoded: Decoded, place: Place) -> None:
        """A product's own number must not go back (`coinbase.md` §2.5); a replay is older."""
        if any(getattr(message, "snapshot", False) for message in decoded.messages):
            return
        before = place.session.went_back((decoded.channel or "", product_id), number)
        if before is not None:
            detail = f"{decoded.label} with number {number} came after {before}; kept"
            self.fault("number_back", detail, place, channel=decoded.channel, product_id=product_id)

    def _doubt(self, problem: Problem, decoded: Decoded, place: Place) -> None:
        """Let the books go that a problem may concern."""
        # A frame that cannot be read may have been a change of any book. Where frames are numbered
        # and its number cannot be read, the next one tells whether it was one of them.
        unreadable = decoded.label == "malformed" and decoded.channel is None
        told = decoded.sequence is not None or place.session.venue != ADVANCED
        if problem.kind in _HARMLESS:
            return
        if problem.channel == LEVEL2 or (unreadable and told):
            place.session.snapshots_doubted(problem.product_id, place.origin.recv_ns)
            held = self.products_of(place.connection_id)
            hurt = [each for each in held if problem.product_id in (None, each)]
            self.lose_books(hurt, problem.kind, place)

    def _late(self, late: Late, place: Place) -> None:
        """Not applied; after a long run of them the numbering itself is in doubt."""
        detail = f"sequence {late.got} came where {late.expected} was due; not applied"
        self.fault("late_frame", detail, place)
        session, connection_id = place.session, place.connection_id
        if not session.distrust(place.origin.recv_ns):
            return
        missing = Missing(
            session.ordered_ns, "late_frames", late.expected - 1, connection_id=connection_id
        )
        intervals = self.coverage.end_all(connection_id, session.ordered_ns, missing)
        self.note(intervals, place.ingest_seq, place.step)
        for product_id in self.products_of(connection_id):
            self.doubt_book(connection_id, product_id, "late_frames", place.step)
        place.step.requests.append(Reconnect(connection_id, "late_frames"))

    def _gap(self, gap: Gap, place: Place) -> None:
        """Frames were lost or not read: nothing is certain between the two numbers."""
        session, connection_id = place.session, place.connection_id
        reason = "sequence_gap" if gap.missing else "unreadable_frames"
        # Late frames after the last one in order say nothing about what was lost.
        since_ns = session.ordered_ns
        missing = Missing(since_ns, reason, gap.expected - 1, gap.got, gap.missing, connection_id)
        hurt = self.coverage.recorded_by(connection_id)
        self.coverage.lost(missing)
        intervals = self.coverage.end_all(connection_id, since_ns, missing)
        self.note(intervals, place.ingest_seq, place.step)
        books = [product_id for channel, product_id in hurt if channel == LEVEL2 and product_id]
        for key in hurt:
            if key[0] != LEVEL2:
                self.begin(key, place)
            if key[0] == TRADES:
                session.spoken.discard(key)  # trades that are missing are missing in this gap
        for product_id in self.products_of(connection_id):
            self.doubt_book(connection_id, product_id, reason, place.step)
        session.snapshots_doubted(None, place.origin.recv_ns)
        span = f"sequence {gap.expected} … {gap.got - 1}"
        if gap.missing:
            self.sequence_gaps += 1
            self.tallies.frames_missing += gap.missing
            also = f"; {gap.unreadable} came and cannot be read" if gap.unreadable else ""
            detail = f"{span} missing ({gap.missing} frames{also})"
            self.fault("sequence_gap", detail, place, keep_raw=False)
            fields = {
                "connection_id": connection_id,
                "seq_from": gap.expected,
                "seq_to": gap.got - 1,
            }
            place.step.facts.append(Fact("gap_found", fields))
        else:
            detail = f"{span} came and cannot be read ({gap.unreadable} frames)"
            self.fault("unreadable_frames", detail, place, keep_raw=False)
        if session.storms(place.origin.recv_ns):
            detail = "gap after gap in a minute; the connection is closed, another opened"
            self.fault("gap_storm", detail, place, keep_raw=False)
            place.step.requests.append(Reconnect(connection_id, "gap_storm"))
            return
        if USER in session.asked:
            # Orders may have changed in between, and a new connection tells all that are open.
            place.step.requests.append(Reconnect(connection_id, reason))
            return
        self.resync(books, reason, place)
