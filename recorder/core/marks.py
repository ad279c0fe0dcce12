"""What the marks between the frames come to.

A connection opens, asks and closes; the recorder starts, turns the hour and stops.
"""

from recorder.core import state as states
from recorder.core.book import Book, BookState
from recorder.core.coverage import GAP, Coverage, Interval, Key, Missing
from recorder.core.frames import (
    HOUR_NS,
    Carried,
    Closed,
    Ended,
    Noted,
    Opened,
    Sent,
    hour_base,
    hour_of,
)
from recorder.core.knowledge import Knowledge, Numbers, Place, Step
from recorder.core.messages import ASK, BID, LEVEL2, USER, Fact, Level2
from recorder.core.rows import Origin, checkpoint_rows, fault_rows
from recorder.core.session import Session
from recorder.core.wire.venues import wire_of

# --- connections --------------------------------------------------------------------------------


def opened(known: Knowledge, mark: Opened, step: Step) -> None:
    """Begin a session."""
    session = Session(mark.connection_id, mark.recv_ns, mark.first_sequence, mark.venue)
    known.sessions[mark.connection_id] = session
    fields = {"connection_id": mark.connection_id, "url": mark.url}
    step.facts.append(Fact("session_opened", fields))


def sent(known: Knowledge, mark: Sent, ingest_seq: int, step: Step) -> None:
    """Note what was asked for: it is expected from here, or not recorded any more."""
    session = known.session(mark.connection_id, mark.recv_ns)
    for kind, channel, product_ids in wire_of(session.venue).requested(mark.raw):
        fields = {"connection_id": mark.connection_id, "type": kind, "channel": channel}
        step.facts.append(Fact("subscription_sent", {**fields, "products": len(product_ids)}))
        known.private |= channel == USER
        keys = _keys(known, session, channel, product_ids)
        session.ask(kind, channel, product_ids, mark.recv_ns)
        if kind == "subscribe":
            for key in keys:
                known.coverage.expect(key, mark.recv_ns, "not_served", quiet=True)
        else:
            _end_asked(known, keys, session, ingest_seq, step)


def _end_asked(
    known: Knowledge, keys: list[Key], session: Session, ingest_seq: int, step: Step
) -> None:
    """Nothing of these is recorded by the connection any more, since it was last heard.

    Not since our request: the connection may be dead by then, which shows only later.
    """
    since_ns, connection_id = session.ordered_ns, session.connection_id
    ended: list[Interval] = []
    for key in keys:
        missing = Missing(since_ns, "unsubscribed", connection_id=connection_id)
        ended += known.coverage.end(key, connection_id, since_ns, missing)
        if key[0] == LEVEL2 and key[1] is not None:
            known.doubt_book(connection_id, key[1], "unsubscribed", step)
    known.note(ended, ingest_seq, step)


def _keys(
    known: Knowledge, session: Session, channel: str, product_ids: tuple[str, ...]
) -> list[Key]:
    """The tracks that a request names; without products, all that are recorded of the channel."""
    if channel in wire_of(session.venue).UNFILTERED:
        return [(channel, None)]
    if product_ids:
        return [(channel, product_id) for product_id in product_ids]
    recorded = known.coverage.recorded_by(session.connection_id)
    return [key for key in recorded if key[0] == channel]


def closed(known: Knowledge, mark: Closed, ingest_seq: int, step: Step) -> None:
    """End a session: nobody records what it recorded, from its last frame in order on."""
    session = known.session(mark.connection_id, mark.recv_ns)
    end_ns = session.applied_ns(mark.recv_ns if mark.orderly else None)
    missing = Missing(
        end_ns,
        "connection_closed",
        sequence_before=_before(session),
        connection_id=mark.connection_id,
        detail=f"close code {mark.code}" + (f": {mark.reason}" if mark.reason else ""),
    )
    known.note(known.end_all(session, missing), ingest_seq, step)
    mine = [key for key in known.audits if key[0] == mark.connection_id]
    known.tell_audits({key: known.audits.pop(key) for key in mine}, end_ns, ingest_seq, step)
    known.forget(mark.connection_id)
    fields = {
        "connection_id": mark.connection_id,
        "code": mark.code,
        "reason": mark.reason,
        "duration_s": (mark.recv_ns - session.opened_ns) // 1_000_000_000,
    }
    step.facts.append(Fact("session_closed", fields))


def _before(session: Session) -> int | None:
    """The last number that a session received."""
    return session.next_sequence - 1 if session.next_sequence else None


# --- the recorder -------------------------------------------------------------------------------


def noted(known: Knowledge, mark: Noted, ingest_seq: int, step: Step) -> None:
    """Write down what the recorder noticed about itself."""
    known.count_fault(mark.kind)
    origin = Origin(mark.recv_ns, None, None, None)
    step.rows.append(fault_rows(mark.kind, mark.detail, origin, ingest_seq))
    fields = {"kind": mark.kind, "detail": mark.detail, "ingest_seq": ingest_seq}
    step.facts.append(Fact("fault_recorded", fields))


def ended(known: Knowledge, mark: Ended, ingest_seq: int, step: Step) -> None:
    """Cut every interval at the end of an hour; at the end of a recording, end everything."""
    if mark.cause == "hour":
        boundary_ns = (hour_of(mark.recv_ns) + 1) * HOUR_NS
        known.note(known.coverage.cut(boundary_ns), ingest_seq, step)
        _end_audits(known, boundary_ns, ingest_seq, step)
        return
    _end_audits(known, mark.recv_ns, ingest_seq, step)
    intervals: list[Interval] = []
    for connection_id, session in list(known.sessions.items()):
        end_ns = session.applied_ns()
        missing = Missing(end_ns, "recorder_down", connection_id=connection_id)
        intervals += known.end_all(session, missing)
        known.forget(connection_id)
    intervals += known.coverage.finish(mark.recv_ns)
    known.note(intervals, ingest_seq, step)


def _end_audits(known: Knowledge, end_ns: int, ingest_seq: int, step: Step) -> None:
    """Tell how tickers fitted the books, and count from nothing again."""
    known.tell_audits(known.audits, end_ns, ingest_seq, step)
    known.audits.clear()


def started(known: Knowledge, mark: Carried, ingest_seq: int, step: Step) -> None:
    """Begin to record: it is known which trades are recorded and when the last recording ended."""
    before = states.decode(mark.state)
    known.sessions.clear()
    known.books.clear()
    known.flows.clear()
    known.audits.clear()
    known.statuses.clear()
    known.coverage = Coverage()
    known.trades = states.trades_from_state(before.trades)
    known.elsewhere = states.trades_from_state(before.elsewhere)
    known.idle_since_ns = before.ended_ns if before.idle else None
    down: list[Interval] = []
    for channel, product_id in before.wanted:
        key = (channel, product_id)
        known.coverage.expect(key, mark.recv_ns, "connecting", quiet=before.ended_ns is None)
        if before.ended_ns is not None and before.ended_ns < mark.recv_ns:
            down.append(Interval(*key, before.ended_ns, mark.recv_ns, GAP, "recorder_down"))
    known.note(down, ingest_seq, step)


def went_on(known: Knowledge, mark: Carried, ingest_seq: int, step: Step, *, fresh: bool) -> None:
    """Go on in a new hour, whose first rows are the books, so that it can be read alone.

    A fresh pipeline takes over what the recorder knew; any other knows it.
    """
    if fresh:
        _restore(known, mark, ingest_seq, step)
    _write_checkpoint(known, mark, step)


def _restore(known: Knowledge, mark: Carried, ingest_seq: int, step: Step) -> None:
    before = states.decode(mark.state)
    known.trades = states.trades_from_state(before.trades)
    known.sessions = {
        each.connection_id: states.session_from_state(each) for each in before.sessions
    }
    known.coverage = states.coverage_from_state(before.tracks)
    known.flows = states.flows_from_state(before.flows)
    known.statuses = dict(before.statuses)
    known.elsewhere = states.trades_from_state(before.elsewhere)
    known.idle_since_ns = before.ended_ns if before.idle else None
    numbers = Numbers(ingest_seq)
    for each in before.books:
        key = (each.connection_id, each.product_id)
        book = known.books[key] = states.book_from_state(each)
        if each.state != BookState.LIVE.value:
            continue
        levels = known.checkpoint.get(key)
        if levels is None and not each.levels:
            levels = Level2(
                each.product_id, snapshot=True, sides=[], prices=[], sizes=[], event_us=None
            )
        if levels is not None and len(levels.prices) == each.levels:
            book.load(levels, 0)  # its epoch is that of the checkpoint, which is written next
            continue
        origin = Origin(mark.recv_ns, each.connection_id, None, None)
        session = known.session(each.connection_id, mark.recv_ns)
        _miss_checkpoint(known, book, Place(step, session, origin, ingest_seq, numbers))
    known.checkpoint = {}


def _miss_checkpoint(known: Knowledge, book: Book, place: Place) -> None:
    """A book that was LIVE is not there (whole): it is not recorded until a snapshot."""
    detail = "the book at the begin of the hour is not there, or not whole; STALE until a snapshot"
    known.fault("checkpoint_missing", detail, place, channel=LEVEL2, product_id=book.product_id)
    now_ns, connection_id = place.origin.recv_ns, place.connection_id
    missing = Missing(now_ns, "checkpoint_missing", connection_id=connection_id)
    intervals = known.coverage.end((LEVEL2, book.product_id), connection_id, now_ns, missing)
    known.note(intervals, place.ingest_seq, place.step)


def _write_checkpoint(known: Knowledge, mark: Carried, step: Step) -> None:
    first = hour_base(hour_of(mark.recv_ns))
    live = [
        (product_id, connection_id, book)
        for (connection_id, product_id), book in known.books.items()
        if book.state is BookState.LIVE
    ]
    for product_id, connection_id, book in sorted(live, key=lambda each: each[:2]):
        levels = [
            (side, price, size, *book.texts(side, price))
            for side in (BID, ASK)
            for price, size in book.levels(side)
        ]
        book.epoch = first
        if levels:
            rows = checkpoint_rows(product_id, connection_id, mark.recv_ns, first, levels)
            step.rows.append(rows)
        first += len(levels)
