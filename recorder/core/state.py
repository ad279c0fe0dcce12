"""What the recorder knows between two stretches of capture: the JSON of a `Carried`.

With the checkpoint rows of the hour (the levels of the books) it makes every hour of capture
replay alone. Lists are sorted, so the same knowledge is the same text.
"""

import msgspec

from recorder.core.asking import Key
from recorder.core.book import Book, BookState
from recorder.core.coverage import Coverage, Missing, Recording, Track
from recorder.core.flow import Flow
from recorder.core.lag import Lag
from recorder.core.session import Session
from recorder.core.trades import TradeIds


class TradeState(msgspec.Struct):
    """Recorded ids of one product."""

    first: int
    last: int
    holes: list[tuple[int, int]] = []
    odd: int | msgspec.UnsetType = msgspec.UNSET


class SessionState(msgspec.Struct, omit_defaults=True):
    """One open connection; what is keyed by channel and product is a list that begins with them."""

    connection_id: str
    opened_ns: int
    last_ns: int
    next_sequence: int | None
    asked: dict[str, list[str]]
    strangers: list[tuple[str, str]] = []
    ordered_ns: int = 0
    late_run: int = 0
    snapshots_due: dict[str, int] = {}
    in_vain: dict[str, int] = {}
    resyncs: dict[str, tuple[int, int]] = {}
    former: list[tuple[str, str]] = []
    leaving: list[tuple[str, str | None, int, int]] = []
    distrusted: bool = False
    unreadable: int = 0
    resyncs_due: dict[str, int] = {}
    venue: str = "advanced"
    looked_ns: int = 0
    beat: int | None = None
    gaps_ns: list[int] = []
    numbers: list[tuple[str, str | None, int]] = []
    answers_due: list[tuple[str, str | None, int]] = []
    tries: list[tuple[str, str | None, int]] = []
    heard_ns: list[tuple[str, str | None, int]] = []
    silences: list[tuple[str, str | None, int]] = []
    heard_paused_ns: list[tuple[str, str | None, int]] = []
    paused_ns: int = 0
    spoken: list[tuple[str, str | None]] = []
    lags: dict[str, Lag] = {}
    traded: dict[str, int] = {}
    traded_ns: int = 0
    begun_ns: int | None = None


class BookStateOf(msgspec.Struct):
    """One book, without its levels: the checkpoint rows hold them, ``levels`` counts them."""

    product_id: str
    connection_id: str
    state: str
    unknown_deletes: int = 0
    levels: int = 0


class TrackState(msgspec.Struct):
    """One channel of one product."""

    channel: str
    product_id: str | None
    recordings: dict[str, Recording] = {}
    missing: Missing | None = None
    covered: list[tuple[int, int]] = []
    heard_ns: int = 0


class FlowState(msgspec.Struct):
    """What is known of the silences of one channel of one product."""

    channel: str
    product_id: str | None
    flow: Flow


class State(msgspec.Struct, omit_defaults=True):
    """The whole.

    ``ended_ns`` is when the recording before this one ended (None: nothing was recorded before),
    ``wanted`` what is to be recorded: (channel, product or None). Both matter at a start only;
    the others but ``trades`` matter at an hour only. ``idle``: nothing is recorded in this stretch,
    which only takes trades that were missing, so that for coverage the recording still ended at
    ``ended_ns``. ``elsewhere`` are trades that later hours hold, for an import into earlier ones.
    """

    ended_ns: int | None = None
    wanted: list[tuple[str, str | None]] = []
    trades: dict[str, TradeState] = {}
    sessions: list[SessionState] = []
    books: list[BookStateOf] = []
    tracks: list[TrackState] = []
    flows: list[FlowState] = []
    statuses: dict[str, str] = {}
    idle: bool = False
    elsewhere: dict[str, TradeState] = {}


decode = msgspec.json.Decoder(State).decode
encode = msgspec.json.Encoder(order="deterministic").encode


def trades_to_state(trades: dict[str, TradeIds]) -> dict[str, TradeState]:
    """The recorded trade ids of every product that has any."""
    return {
        product_id: TradeState(
            ids.first, ids.last, ids.holes, msgspec.UNSET if ids.odd is None else ids.odd
        )
        for product_id, ids in sorted(trades.items())
        if ids.first is not None and ids.last is not None
    }


def trades_from_state(states: dict[str, TradeState]) -> dict[str, TradeIds]:
    """The inverse of `trades_to_state`."""
    return {
        product_id: TradeIds(
            state.first,
            state.last,
            [(a, b) for a, b in state.holes],
            None if state.odd is msgspec.UNSET else state.odd,
        )
        for product_id, state in states.items()
    }


_KEYED = ("numbers", "answers_due", "tries", "heard_ns", "heard_paused_ns", "silences")
_PLAIN = (
    "last_ns", "ordered_ns", "late_run", "distrusted", "unreadable", "looked_ns", "beat",
    "paused_ns", "traded_ns", "begun_ns",
)  # fmt: skip


def session_to_state(session: Session) -> SessionState:
    """One connection as text."""
    state = SessionState(
        session.connection_id,
        session.opened_ns,
        session.last_ns,
        session.next_sequence,
        {channel: sorted(ids) for channel, ids in session.asked.items()},
        venue=session.venue,
        strangers=sorted(session.strangers),
        former=sorted(session.former),
        leaving=[(*key, *session.leaving[key]) for key in sorted(session.leaving, key=_by_name)],
        snapshots_due=dict(session.snapshots_due),
        in_vain=dict(session.in_vain),
        resyncs=dict(session.resyncs),
        resyncs_due=dict(session.resyncs_due),
        gaps_ns=list(session.gaps_ns),
        lags=dict(session.lags),
        traded=dict(session.traded),
        spoken=sorted(session.spoken, key=_by_name),
    )
    for name in _PLAIN:
        setattr(state, name, getattr(session, name))
    for name in _KEYED:
        values: dict[Key, int] = getattr(session, name)
        setattr(state, name, [(*key, values[key]) for key in sorted(values, key=_by_name)])
    return state


def session_from_state(state: SessionState) -> Session:
    """The inverse of `session_to_state`."""
    session = Session(state.connection_id, state.opened_ns, state.next_sequence, state.venue)
    session.asked = {channel: set(ids) for channel, ids in state.asked.items()}
    session.strangers = set(state.strangers)
    session.former = set(state.former)
    session.leaving = {
        (channel, product_id): (due_ns, tries)
        for channel, product_id, due_ns, tries in state.leaving
    }
    session.snapshots_due = dict(state.snapshots_due)
    session.in_vain = dict(state.in_vain)
    session.resyncs = dict(state.resyncs)
    session.resyncs_due = dict(state.resyncs_due)
    session.gaps_ns = list(state.gaps_ns)
    session.lags = dict(state.lags)
    session.traded = dict(state.traded)
    session.spoken = set(state.spoken)
    for name in _PLAIN:
        setattr(session, name, getattr(state, name))
    for name in _KEYED:
        entries: list[tuple[str, str | None, int]] = getattr(state, name)
        setattr(session, name, {(channel, each): value for channel, each, value in entries})
    return session


def _by_name(key: Key) -> tuple[str, str]:
    return key[0], key[1] or ""


def flows_to_state(flows: dict[Key, Flow]) -> list[FlowState]:
    """Every flow, by channel and product."""
    return [FlowState(*key, flows[key]) for key in sorted(flows, key=_by_name)]


def flows_from_state(states: list[FlowState]) -> dict[Key, Flow]:
    """The inverse of `flows_to_state`."""
    return {(state.channel, state.product_id): state.flow for state in states}


def books_to_state(books: dict[tuple[str, str], Book]) -> list[BookStateOf]:
    """Every book, by product and connection."""
    return [
        BookStateOf(
            book.product_id,
            connection_id,
            book.state.value,
            book.unknown_deletes,
            len(book.bids) + len(book.asks) if book.state is BookState.LIVE else 0,
        )
        for (connection_id, _), book in sorted(
            books.items(), key=lambda item: (item[0][1], item[0][0])
        )
    ]


def book_from_state(state: BookStateOf) -> Book:
    """A book without its levels; one that was LIVE waits for them as STALE."""
    book = Book(state.product_id)
    book.state = BookState.STALE if state.state != "empty" else BookState.EMPTY
    book.unknown_deletes = state.unknown_deletes
    return book


def tracks_to_state(coverage: Coverage) -> list[TrackState]:
    """Every track, in its order."""
    return [
        TrackState(
            channel, product_id, track.recordings, track.missing, track.covered, track.heard_ns
        )
        for (channel, product_id), track in coverage.tracks.items()
    ]


def coverage_from_state(states: list[TrackState]) -> Coverage:
    """The inverse of `tracks_to_state`."""
    coverage = Coverage()
    for state in states:
        coverage.tracks[state.channel, state.product_id] = Track(
            state.recordings, state.missing, state.covered, state.heard_ns
        )
    return coverage
