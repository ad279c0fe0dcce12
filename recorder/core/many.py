"""Many frames at once: the same rows, coverage and doubts as one by one, in a fraction of the time.

For whoever has the frames already: recovery, import, rebuild. What nearly all frames are, the next
in order, changes of a book that is LIVE or a ticker, of a channel that goes on undisturbed, goes a
short way here: numbers and times are converted together (`wire.advanced_many`), and rows are whole
columns. Every other frame takes the long way, `Pipeline.step`, in its place. Which way a frame goes
decides nothing but the time that it takes; tests hold the one against the other.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from recorder.core import content
from recorder.core.asking import Key
from recorder.core.audit import RUN_MAX, Audit, Top
from recorder.core.book import Book, BookState
from recorder.core.coverage import Recording
from recorder.core.flow import Flow
from recorder.core.frames import ADVANCED, Arrival, Frame
from recorder.core.knowledge import Place, Step
from recorder.core.messages import ASK, BID, LEVEL2, Level2
from recorder.core.messages import TICKER as TICKER_CHANNEL
from recorder.core.pipeline import Pipeline
from recorder.core.rows import Columns, Origin, Words, columns, inexact_text, level2_rows
from recorder.core.session import LOOK_NS, SILENCE_NS_MAX, Session
from recorder.core.tables import LEVEL2 as LEVEL2_TABLE
from recorder.core.tables import TICKER as TICKER_TABLE
from recorder.core.wire.advanced import TICKER_COLUMNS
from recorder.core.wire.advanced_many import ASIDE, CHANGES, TICKER, Many, Told, decode_many

T = TypeVar("T")

AT_ONCE = 256  # frames: so few that what is made of them stays in the processor's caches

_NAMES = list(TICKER_COLUMNS.values())
_BID, _ASK = _NAMES.index("best_bid"), _NAMES.index("best_ask")
_CHANNELS = {CHANGES: LEVEL2, TICKER: TICKER_CHANNEL}
_LABELS = {CHANGES: "l2_data/update", TICKER: "ticker/update"}
_COLLECTED = frozenset({LEVEL2_TABLE.name, TICKER_TABLE.name})
_TOLD = frozenset({"audits", "coverage", "faults"})


def gathered(arrivals: Iterable[tuple[int, T]]) -> Iterator[list[tuple[int, T]]]:
    """What comes one by one, frames that follow each other together, so many at most."""
    frames: list[tuple[int, T]] = []
    for each in arrivals:
        is_frame = isinstance(each[1], Frame)
        if frames and (not is_frame or len(frames) == AT_ONCE):
            yield frames
            frames = []
        if is_frame:
            frames.append(each)
        else:
            yield [each]
    if frames:
        yield frames


def take(pipeline: Pipeline, arrivals: Sequence[tuple[int, Arrival]]) -> Step:
    """Take what was `gathered`, each with its place in the capture: frames, or one of any kind.

    A step's rows of a table are in the order in which `Pipeline.step` gives them.
    """
    ingest_seq, first = arrivals[0]
    if len(arrivals) == 1 or not isinstance(first, Frame):
        return pipeline.step(first, ingest_seq)
    return _Run(pipeline, cast("Sequence[tuple[int, Frame]]", arrivals)).step


class _Lane:
    """One channel of one product on one connection, that goes on undisturbed."""

    __slots__ = ("audit", "book", "flow", "heard_ns", "key", "recording")

    def __init__(
        self,
        key: Key,
        recording: Recording,
        flow: Flow,
        heard_ns: int,
        book: Book | None,
        audit: Audit | None,
    ) -> None:
        self.key = key
        self.recording = recording
        self.flow = flow
        self.heard_ns = heard_ns
        self.book = book
        self.audit = audit


class _Line:
    """One connection; ``until_ns`` is when its next frame has to take the long way."""

    __slots__ = ("lanes", "paused_ns", "session", "until_ns")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.lanes: dict[tuple[int, str], _Lane] = {}
        self.paused_ns = session.paused_ns
        self.until_ns = 0
        self.look()

    def look(self) -> None:
        """Find out how it stands, after a frame that took the long way."""
        session = self.session
        waits = session.answers_due or session.tries or session.silences
        late = session.late_run or session.unreadable or session.distrusted
        if waits or late or session.venue != ADVANCED:
            self.until_ns = 0
        else:
            self.until_ns = min(session.looked_ns + LOOK_NS, session.last_ns + SILENCE_NS_MAX)
        if self.paused_ns != session.paused_ns:
            self.lanes.clear()
            self.paused_ns = session.paused_ns


class _Run:
    """Some frames on their way."""

    def __init__(self, pipeline: Pipeline, frames: Sequence[tuple[int, Frame]]) -> None:
        self.pipeline = pipeline
        self.frames = frames
        self.step = Step()
        self.lines: dict[str, _Line] = {}
        self.many = decode_many([frame.raw for _, frame in frames])
        self.rows = _Collected(frames, self.many)
        self.taken = dict.fromkeys(_LABELS, 0)
        self._run()
        self.rows.give(self.step)

    def _run(self) -> None:
        kinds, counts = self.many.kinds, self.many.counts.tolist()
        changes = zip(self.many.sides, self.many.prices, self.many.sizes, strict=True)
        told = iter(self.many.told)
        for at, kind in enumerate(kinds):
            line, lane = self._way(at, kind)
            if kind == CHANGES:
                mine = islice(changes, counts[at])
                if lane is None:
                    deque(mine, maxlen=0)
                else:
                    self._changes(at, lane, mine, counts[at])
            elif kind == TICKER:
                ticker = next(told)
                if lane is not None:
                    self._ticker(at, lane, ticker)
            elif kind == ASIDE and line is not None:
                self._beside(at, line)
                continue
            if lane is None:
                self._long(at)
        for kind, label in _LABELS.items():
            if self.taken[kind]:
                self.pipeline.messages[label] += self.taken[kind]

    def _way(self, at: int, kind: int) -> tuple[_Line | None, _Lane | None]:
        """The line of a frame if it is in order there, and its lane; None: it goes the long way.

        What is noted of every frame is noted of one that goes the short way.
        """
        frame, sequence = self.frames[at][1], self.many.sequences[at]
        line = self.lines.get(frame.connection_id) or self._line(frame.connection_id)
        now_ns = frame.recv_ns
        if line is None or now_ns >= line.until_ns:
            return None, None
        session = line.session
        if session.next_sequence != sequence:
            return None, None
        if kind not in _CHANNELS:
            return line, None
        product_id = self.many.products[at]
        lane = line.lanes.get((kind, product_id)) or self._lane(line, kind, product_id)
        if lane is not None:
            session.next_sequence = sequence + 1
            session.last_ns = session.ordered_ns = now_ns
            lane.flow.take(now_ns - lane.heard_ns)
            lane.heard_ns = session.heard_ns[lane.key] = now_ns
            self.taken[kind] += 1
        return line, lane

    def _changes(
        self, at: int, lane: _Lane, changes: Iterable[tuple[str, float, float]], count: int
    ) -> None:
        book = lane.book
        assert book is not None
        lane.recording.last = self.frames[at][0] + count - 1
        book.change(changes)
        bids, asks = book.bids.near, book.asks.near
        top = (bids[-1] if bids else None, -asks[-1] if asks else None)
        if _is_calm(lane.audit, top, lane.heard_ns):
            self.rows.changes.append(at)
            self.rows.epochs.append(book.epoch)
        else:
            self._doubt(at, book)

    def _ticker(self, at: int, lane: _Lane, told: Told) -> None:
        lane.recording.last = self.frames[at][0]
        self.rows.tickers.append(at)
        self.rows.told.append(told)
        audit = lane.audit
        if audit is None:
            return
        bid, ask = told[0][_BID], told[0][_ASK]
        if audit.top == (bid, ask) and not audit.waiting:
            audit.agree += 1
            audit.run = 0
            return
        rows, place = len(self.step.rows), self._place(at, 1)
        content.audit_prices(self.pipeline, self.many.products[at], bid, ask, place)
        if len(self.step.rows) != rows:
            self.lines.clear()

    # --- the long way -----------------------------------------------------------------------------

    def _line(self, connection_id: str) -> _Line | None:
        session = self.pipeline.sessions.get(connection_id)
        if session is None:
            return None
        line = self.lines[connection_id] = _Line(session)
        return line

    def _lane(self, line: _Line, kind: int, product_id: str) -> _Lane | None:
        """The lane of a channel and product, if it goes on undisturbed."""
        pipeline, session = self.pipeline, line.session
        key: Key = (_CHANNELS[kind], product_id)
        track = pipeline.coverage.tracks.get(key)
        recording = track.recordings.get(session.connection_id) if track else None
        flow = pipeline.flows.get(key)
        if (
            recording is None
            or recording.first is None
            or flow is None
            or key not in session.spoken
            or session.heard_paused_ns.get(key) != session.paused_ns
            or not session.promises(key)
            or not session.knows(key[0], product_id)
            or session.meant(key[0]) != key[0]
        ):
            return None
        book = pipeline.books.get((session.connection_id, product_id))
        live = book is not None and book.state is BookState.LIVE
        audit = pipeline.audits.get((session.connection_id, product_id))
        if kind == CHANGES and (book is None or not live or book.has_texts()):
            return None
        if kind == TICKER and live and audit is None:
            return None
        lane = _Lane(key, recording, flow, session.heard_ns[key], book, audit if live else None)
        line.lanes[kind, product_id] = lane
        return lane

    def _long(self, at: int) -> None:
        """A frame takes the long way, and what is known of its lanes may not hold any more."""
        told = self._stepped(at)
        frame, product_id = self.frames[at][1], self.many.products[at]
        line = self.lines.get(frame.connection_id)
        if told or line is None:
            self.lines.clear()
        elif product_id:
            line.lanes.pop((CHANGES, product_id), None)
            line.lanes.pop((TICKER, product_id), None)
            line.look()
        else:
            del self.lines[frame.connection_id]

    def _beside(self, at: int, line: _Line) -> None:
        """A frame that is of no book takes the long way; lanes go on behind it."""
        if self._stepped(at):
            self.lines.clear()
        line.look()

    def _stepped(self, at: int) -> bool:
        """Take a frame the long way; whether more than its rows came of it."""
        ingest_seq, frame = self.frames[at]
        step, mine = self.step, self.pipeline.step(frame, ingest_seq)
        if any(block.table in _COLLECTED for block in mine.rows):
            self.rows.give(step)
        step.rows += mine.rows
        step.requests += mine.requests
        step.facts += mine.facts
        told = any(block.table in _TOLD for block in mine.rows)
        return told or bool(mine.requests) or bool(mine.facts)

    def _place(self, at: int, rows: int) -> Place:
        """Where a frame stands that has so many rows."""
        ingest_seq, frame = self.frames[at]
        exchange_ns = int(self.many.exchange_ns[at])
        origin = Origin(frame.recv_ns, frame.connection_id, self.many.sequences[at], exchange_ns)
        session = self.pipeline.sessions[frame.connection_id]
        return Place(self.step, session, origin, ingest_seq, count(ingest_seq + rows), frame.raw)

    def _doubt(self, at: int, book: Book) -> None:
        """A book that may be wrong: what is said of it, and the rows of the frame."""
        many, rows = self.many, self.rows
        rows.give(self.step)
        place = self._place(at, int(many.counts[at]))
        content.look_at_top(self.pipeline, book, place)
        mine = slice(rows.begins[at], rows.begins[at] + many.counts[at])
        message = Level2(
            book.product_id, False, many.sides[mine], many.prices[mine], many.sizes[mine],
            int(many.event_us[at]),
        )  # fmt: skip
        self.step.rows.append(level2_rows(message, place.origin, place.ingest_seq, book.epoch))
        self.lines.clear()


def _is_calm(audit: Audit | None, top: Top, now_ns: int) -> bool:
    """Note a book's best prices; False where they are a cause for doubt."""
    bid, ask = top
    if bid is not None and ask is not None and bid >= ask:
        return False
    if audit is None:
        return True
    if top != audit.top or audit.waiting:
        audit.moved(top, now_ns)
    return audit.run < RUN_MAX


class _Collected:
    """Frames that went the short way, whose rows are not given yet, by their places."""

    def __init__(self, frames: Sequence[tuple[int, Frame]], many: Many) -> None:
        self.changes: list[int] = []
        self.epochs: list[int | None] = []
        self.tickers: list[int] = []
        self.told: list[Told] = []
        self._frames = frames
        self._many = many
        self.begins = np.cumsum(many.counts) - many.counts
        self._ingest_seqs = np.array([ingest_seq for ingest_seq, _ in frames], np.int64)
        self._recv_ns = np.array([frame.recv_ns for _, frame in frames], np.int64)
        self._sequences = np.array(many.sequences, np.int64)
        self._prices = np.array(many.prices, np.float64)
        self._sizes = np.array(many.sizes, np.float64)
        self._are_bids = np.array([side == BID for side in many.sides], np.bool_)

    def give(self, step: Step) -> None:
        """Add the rows so far to a step."""
        if self.changes:
            step.rows.append(self._of_changes())
            self.changes, self.epochs = [], []
        if self.tickers:
            step.rows.append(self._of_tickers())
            self.tickers, self.told = [], []

    def _of_changes(self) -> Columns:
        places = np.array(self.changes, np.intp)
        counts = self._many.counts[places]
        of_frame = np.repeat(np.arange(len(places)), counts)
        within = np.arange(len(of_frame)) - (np.cumsum(counts) - counts)[of_frame]
        mine = self.begins[places][of_frame] + within
        values = {
            **self._of_frames(places, of_frame),
            "side": _sides(self._are_bids[mine]),
            "price": self._prices[mine],
            "size": self._sizes[mine],
            "event_time": self._many.event_us[places][of_frame],
            "book_epoch": np.array(self.epochs, np.int64)[of_frame],
            "ingest_seq": self._ingest_seqs[places][of_frame] + within,
        }
        return columns(LEVEL2_TABLE, len(of_frame), values)

    def _of_tickers(self) -> Columns:
        places = np.array(self.tickers, np.intp)
        values = self._of_frames(places, np.arange(len(places)))
        values["ingest_seq"] = self._ingest_seqs[places]
        numbers = np.array([each for each, _ in self.told], np.float64)
        values |= zip(_NAMES, numbers.T, strict=True)
        values["inexact_text"] = [inexact_text(texts) for _, texts in self.told]
        return columns(TICKER_TABLE, len(places), values)

    def _of_frames(self, places: NDArray[np.intp], of_frame: NDArray[np.intp]) -> dict[str, Any]:
        """The columns that all rows of a frame share."""
        at = places.tolist()
        products = map(self._many.products.__getitem__, at)
        connections = [self._frames[place][1].connection_id for place in at]
        return {
            "product_id": _words(products, of_frame),
            "kind": Words(np.zeros(len(of_frame), np.int32), ["update"]),
            "sequence": self._sequences[places][of_frame],
            "connection_id": _words(connections, of_frame),
            "recv_ns": self._recv_ns[places][of_frame],
            "exchange_ns": self._many.exchange_ns[places][of_frame],
        }


def _words(texts: Iterable[str], of_frame: NDArray[np.intp]) -> Words:
    words: dict[str, int] = {}
    numbers = [words.setdefault(text, len(words)) for text in texts]
    return Words(np.array(numbers, np.int32)[of_frame], list(words))


def _sides(are_bids: NDArray[np.bool_]) -> Words:
    words = [BID, ASK] if are_bids[0] else [ASK, BID]
    numbers = (are_bids != are_bids[0]).astype(np.int32)
    return Words(numbers, words[: int(numbers.max()) + 1])
