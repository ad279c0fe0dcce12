"""Where the recording before this one ended: what a start has to know, read from the disk."""

from dataclasses import dataclass
from typing import Any

import msgspec

from recorder.core import state as states
from recorder.core.backfill import missing_trades
from recorder.core.frames import (
    ADVANCED,
    FIRST_OFFSET,
    Carried,
    Ended,
    Fetched,
    Frame,
    offset_of_seq,
)
from recorder.core.messages import Trades
from recorder.core.session import Late, Session
from recorder.core.trades import TradeIds
from recorder.core.wire import advanced
from recorder.core.wire.venues import venue_of, wire_of
from recorder.store.capture import Lost, end_of, read_hour, read_stretches
from recorder.store.parts import Cut, read_cut
from recorder.store.paths import CUTS, Root
from recorder.store.seal import Commit, read_commit, taken_to

_UNKNOWN = ""  # venue: no frame of the session told it yet
# Each frame of trades has one of these; a backslash may spell anything.
_TRADED = (b'"market_trades"', b'match"', b"\\")


@dataclass(frozen=True, slots=True)
class Before:
    """Where the recording before this one ended: at ``last_ns``, at ``offset`` of ``hour``.

    Not ``orderly``: it died, and its `Ended` is not written yet. ``trades`` are the recorded trade
    ids. Where nothing was recorded, times and hour are None. ``told_ns`` is when the last recording
    ended that coverage tells of: before one that only took trades that were missing.
    """

    last_ns: int | None
    hour: int | None
    offset: int
    orderly: bool
    trades: dict[str, TradeIds]
    told_ns: int | None = None


def look_before(root: Root, hour_max: int | None = None) -> Before:
    """Find where the recording before this one ended and which trades it recorded.

    ``hour_max``: look at this hour and older ones only. Hours of which neither one block of capture
    is whole nor a part or a record is there are passed over. Where parts reach beyond what can be
    read of the capture, it did not end in order: what was told last is in the parts alone.
    """
    held = {*root.captured_hours(), *root.committed_hours(), *root.part_hours()}
    for hour in sorted(held, reverse=True):
        if hour_max is not None and hour > hour_max:
            continue
        end, commit = end_of(root.segments(hour)), read_commit(root, hour)
        cut, taken = newest_cut(root, hour), taken_to(root, hour)
        if commit is not None and commit.capture_end >= taken:
            # Sealed hours ended in order, and their capture and parts may be gone.
            if commit.ended_ns is not None:
                trades = _trades_of(commit.trades)
                last_ns = commit.ended_ns
                told_ns = _told_ns(root, hour, last_ns)
                return Before(last_ns, hour, taken, True, trades, told_ns)
        elif end.arrival is not None or cut is not None or commit is not None:
            orderly = isinstance(end.arrival, Ended) and end.offset >= taken
            sealed_ns = commit.ended_ns if commit is not None else None
            last_ns = max(end.ended_ns or 0, cut.last_ns if cut else 0, sealed_ns or 0)
            trades = _recorded_trades(root, hour, commit)
            told_ns = _told_ns(root, hour, last_ns)
            return Before(last_ns, hour, taken, orderly, trades, told_ns)
    return Before(None, None, FIRST_OFFSET, True, {})


def newest_cut(root: Root, hour: int) -> Cut | None:
    """What the record of an hour's newest cut carries; None where there is none."""
    cuts = root.parts(CUTS, hour)
    return read_cut(max(cuts, key=lambda each: each.end).path) if cuts else None


def _told_ns(root: Root, hour: int, last_ns: int) -> int:
    """When the last recording ended that was not idle; the newest segment tells what it is of."""
    for segment in reversed(root.segments(hour)):
        for _, arrival in read_hour([segment]):
            if isinstance(arrival, Carried):
                known = states.decode(arrival.state)
                return known.ended_ns if known.idle and known.ended_ns is not None else last_ns
            if not isinstance(arrival, Ended):
                return last_ns
        # It holds the end of a process that died, and nothing else.
    return last_ns


def _trades_of(content: dict[str, Any]) -> dict[str, TradeIds]:
    return states.trades_from_state(msgspec.convert(content, dict[str, states.TradeState]))


def _recorded_trades(root: Root, hour: int, commit: Commit | None) -> dict[str, TradeIds]:
    """The trade ids recorded up to the end of an hour's capture.

    From the newest cut, the commit record, or the state that the hour began with; what the capture
    holds beyond that is at most a part's seconds.
    """
    done, trades = FIRST_OFFSET, dict[str, TradeIds]()
    if commit is not None:
        done, trades = commit.capture_end, _trades_of(commit.trades)
    cuts = root.parts(CUTS, hour)
    newest = max(cuts, key=lambda cut: cut.end) if cuts else None
    if newest is not None and newest.end > done:
        done, trades = newest.end, _trades_of(read_cut(newest.path).trades)
    sessions: dict[str, Session] = {}
    for ingest_seq, arrival in read_stretches(root.segments(hour), start=done):
        if isinstance(arrival, Lost):
            sessions.clear()  # as recovery does: nothing is known to have gone on
            if offset_of_seq(ingest_seq) == FIRST_OFFSET:
                trades = look_before(root, hour - 1).trades
        elif isinstance(arrival, Carried):
            trades = states.trades_from_state(states.decode(arrival.state).trades)
        elif isinstance(arrival, Frame):
            _take_trades(arrival, sessions, trades)
        elif isinstance(arrival, Fetched):
            missing_trades(arrival, trades.setdefault(arrival.product_id, TradeIds()))
    return trades


def _take_trades(frame: Frame, sessions: dict[str, Session], trades: dict[str, TradeIds]) -> None:
    """Note the trades of a frame, unless it came late: those were not recorded.

    A start waits for this: of a frame that tells of no trade only the number is read.
    """
    session = sessions.setdefault(
        frame.connection_id, Session(frame.connection_id, frame.recv_ns, None, _UNKNOWN)
    )
    if session.venue == _UNKNOWN:
        session.venue = venue_of(frame.raw) or _UNKNOWN
    if session.venue != _UNKNOWN and not any(word in frame.raw for word in _TRADED):
        sequence = advanced.sequence_of(frame.raw) if session.venue == ADVANCED else None
        if sequence is not None:
            session.check(sequence)
        return
    decoded = wire_of(session.venue).decode(frame.raw)
    if decoded.sequence is not None and isinstance(session.check(decoded.sequence), Late):
        return
    for message in decoded.messages:
        if isinstance(message, Trades):
            ids = trades.setdefault(message.product_id, TradeIds())
            for trade in message.trades:
                ids.take(trade.trade_id)
