"""What the recorder knows between two stretches of capture: the JSON of a `Carried`.

With the checkpoint rows of the hour (the levels of the books) it makes every hour of capture
replay alone. Lists are sorted, so the same knowledge is the same text.
"""

import msgspec

from recorder.core.book import Book, BookState
from recorder.core.coverage import Coverage, Missing, Recording, Track
from recorder.core.session import Session
from recorder.core.trades import TradeIds


class TradeState(msgspec.Struct):
    """Recorded ids of one product."""

    first: int
    last: int
    holes: list[tuple[int, int]] = []


class SessionState(msgspec.Struct):
    """One open connection."""

    connection_id: str
    opened_ns: int
    last_ns: int
    next_sequence: int | None
    asked: dict[str, list[str]]
    strangers: list[tuple[str, str]] = []
    ordered_ns: int = 0
    late_run: int = 0
    snapshots_due: dict[str, int] = {}
    resynced_ns: dict[str, int] = {}
    former: list[tuple[str, str]] = []
    distrusted: bool = False
    unreadable: int = 0
    resyncs_due: dict[str, int] = {}


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


class State(msgspec.Struct, omit_defaults=True):
    """The whole.

    ``ended_ns`` is when the recording before this one ended (None: nothing was recorded before),
    ``wanted`` what is to be recorded: (channel, product or None). Both matter at a start only;
    ``sessions``, ``books`` and ``tracks`` matter at an hour only.
    """

    ended_ns: int | None = None
    wanted: list[tuple[str, str | None]] = []
    trades: dict[str, TradeState] = {}
    sessions: list[SessionState] = []
    books: list[BookStateOf] = []
    tracks: list[TrackState] = []


decode = msgspec.json.Decoder(State).decode
encode = msgspec.json.Encoder(order="deterministic").encode


def trades_to_state(trades: dict[str, TradeIds]) -> dict[str, TradeState]:
    """The recorded trade ids of every product that has any."""
    return {
        product_id: TradeState(ids.first, ids.last, ids.holes)
        for product_id, ids in sorted(trades.items())
        if ids.first is not None and ids.last is not None
    }


def trades_from_state(states: dict[str, TradeState]) -> dict[str, TradeIds]:
    """The inverse of `trades_to_state`."""
    return {
        product_id: TradeIds(state.first, state.last, [(a, b) for a, b in state.holes])
        for product_id, state in states.items()
    }


def session_to_state(session: Session) -> SessionState:
    """One connection as text."""
    return SessionState(
        session.connection_id,
        session.opened_ns,
        session.last_ns,
        session.next_sequence,
        {channel: sorted(ids) for channel, ids in session.asked.items()},
        sorted(session.strangers),
        session.ordered_ns,
        session.late_run,
        dict(session.snapshots_due),
        dict(session.resynced_ns),
        sorted(session.former),
        session.distrusted,
        session.unreadable,
        dict(session.resyncs_due),
    )


def session_from_state(state: SessionState) -> Session:
    """The inverse of `session_to_state`."""
    session = Session(state.connection_id, state.opened_ns, state.next_sequence)
    session.last_ns = state.last_ns
    session.asked = {channel: set(ids) for channel, ids in state.asked.items()}
    session.strangers = set(state.strangers)
    session.ordered_ns = state.ordered_ns
    session.late_run = state.late_run
    session.snapshots_due = dict(state.snapshots_due)
    session.resynced_ns = dict(state.resynced_ns)
    session.former = set(state.former)
    session.distrusted = state.distrusted
    session.unreadable = state.unreadable
    session.resyncs_due = dict(state.resyncs_due)
    return session


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
        TrackState(channel, product_id, track.recordings, track.missing, track.covered)
        for (channel, product_id), track in coverage.tracks.items()
    ]


def coverage_from_state(states: list[TrackState]) -> Coverage:
    """The inverse of `tracks_to_state`."""
    coverage = Coverage()
    for state in states:
        coverage.tracks[state.channel, state.product_id] = Track(
            state.recordings, state.missing, state.covered
        )
    return coverage
