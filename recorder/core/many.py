"""Many frames at once: the same rows, coverage and doubts as one by one, in a fraction of the time.

For whoever has the frames already: recovery, import, rebuild. What nearly all frames are, the next
in order, changes of a book that is LIVE, a ticker or new trades, of a channel that goes on
undisturbed, goes a short way here: numbers and times are converted together
(`wire.advanced_many`), and rows are whole columns (`collected`). Every other frame takes the long
way, `Pipeline.step`, in its place. Which way a frame goes decides nothing but the time that it
takes; tests hold the one against the other.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar, cast

from recorder.core import content, overdue
from recorder.core.asking import Key
from recorder.core.audit import RUN_MAX, Audit
from recorder.core.book import Book, BookState
from recorder.core.collected import COLLECTED, Collected
from recorder.core.coverage import Recording
from recorder.core.flow import WINDOW_NS, Flow
from recorder.core.frames import ADVANCED, Arrival, Frame
from recorder.core.knowledge import Numbers, Place, Step
from recorder.core.messages import ASK, BID, LEVEL2, Level2
from recorder.core.messages import TICKER as TICKER_CHANNEL
from recorder.core.messages import TRADES as TRADES_CHANNEL
from recorder.core.pipeline import Pipeline
from recorder.core.rows import Origin, level2_rows
from recorder.core.session import LOOK_NS, SILENCE_NS_MAX, Session
from recorder.core.trades import TradeIds
from recorder.core.wire.advanced import understand
from recorder.core.wire.advanced_many import (
    ASIDE,
    CHANGES,
    TICKER,
    TRADES,
    UNREAD,
    Told,
    Traded,
    decode_many,
)
from recorder.core.wire.advanced_shapes import TICKER_COLUMNS

T = TypeVar("T")
AT_ONCE = 512  # frames: more gain nothing, and what is made of them would leave the caches

_NAMES = list(TICKER_COLUMNS.values())
_BID, _ASK = _NAMES.index("best_bid"), _NAMES.index("best_ask")
_CHANNELS = {CHANGES: LEVEL2, TICKER: TICKER_CHANNEL, TRADES: TRADES_CHANNEL}
_LABELS = {CHANGES: "l2_data/update", TICKER: "ticker/update", TRADES: "market_trades/update"}
_TOLD = frozenset({"audits", "coverage", "faults"})


def gathered(arrivals: Iterable[tuple[int, T]]) -> Iterator[list[tuple[int, T]]]:
    """What comes one by one, frames that follow each other together, so many at most."""
    frames: list[tuple[int, T]] = []
    for each in arrivals:
        if type(each[1]) is Frame:  # nearly always
            frames.append(each)
            if len(frames) >= AT_ONCE:
                yield frames
                frames = []
            continue
        if frames:
            yield frames
            frames = []
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
    session = pipeline.sessions.get(first.connection_id)
    if session is not None and session.venue != ADVANCED:
        return _one_by_one(pipeline, arrivals)
    return _Run(pipeline, cast("Sequence[tuple[int, Frame]]", arrivals)).step


def _one_by_one(pipeline: Pipeline, arrivals: Iterable[tuple[int, Arrival]]) -> Step:
    whole = Step()
    for ingest_seq, arrival in arrivals:
        step = pipeline.step(arrival, ingest_seq)
        whole.rows += step.rows
        whole.requests += step.requests
        whole.facts += step.facts
    return whole


class _Lane:
    """One channel of one product on one connection, that goes on undisturbed."""

    __slots__ = ("audit", "book", "flow", "heard_ns", "ids", "key", "recording")

    def __init__(self, key: Key, recording: Recording, flow: Flow, heard_ns: int) -> None:
        self.key = key
        self.recording = recording
        self.flow = flow
        self.heard_ns = heard_ns
        self.book: Book | None = None
        self.audit: Audit | None = None
        self.ids: TradeIds | None = None


class _Line:
    """One connection, and its lanes by kind and product.

    At ``look_ns`` it is time to look for what is overdue; ``until_ns`` is when its next frame has
    to take the long way.
    """

    __slots__ = ("lanes", "look_ns", "paused_ns", "session", "until_ns")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.lanes: dict[int, dict[str, _Lane]] = {kind: {} for kind in _CHANNELS}
        self.paused_ns = session.paused_ns
        self.look()

    def look(self) -> None:
        """Find out how it stands, after a frame that took the long way."""
        session = self.session
        late = session.late_run or session.unreadable or session.distrusted
        self.look_ns = session.looked_ns + LOOK_NS
        self.until_ns = session.last_ns + SILENCE_NS_MAX
        if late or session.venue != ADVANCED:
            self.until_ns = 0
        if self.paused_ns != session.paused_ns:
            for lanes in self.lanes.values():
                lanes.clear()
            self.paused_ns = session.paused_ns


class _Run:
    """Some frames on their way."""

    def __init__(self, pipeline: Pipeline, frames: Sequence[tuple[int, Frame]]) -> None:
        self.pipeline = pipeline
        self.frames = frames
        self.step = Step()
        self.lines: dict[str, _Line] = {}
        self.placed: tuple[int, Place] | None = None
        self.many = decode_many([frame.raw for _, frame in frames])
        self.rows = Collected(frames, self.many)
        self.taken = dict.fromkeys(_LABELS, 0)
        self._run()
        self.rows.give(self.step)
        for kind, label in _LABELS.items():
            if self.taken[kind]:
                self.pipeline.messages[label] += self.taken[kind]

    def _run(self) -> None:
        many = self.many
        changes = zip(many.sides, many.prices, many.sizes, strict=True)
        told, traded = iter(many.told), iter(many.traded)
        for at, kind in enumerate(many.kinds):
            rows = 1
            if kind == CHANGES:
                rows = many.counts[at]
                mine = islice(changes, rows)
                line, lane = self._way(at, kind)
                if lane is None:
                    deque(mine, maxlen=0)
                else:
                    self._changes(at, lane, mine, rows)
            elif kind == TICKER:
                ticker = next(told)
                line, lane = self._way(at, kind)
                if lane is not None:
                    self._ticker(at, lane, ticker)
            elif kind == TRADES:
                trades = next(traded)
                line, lane = self._way(at, kind, trades.first)
                if lane is not None:
                    self._trades(at, lane, trades)
                    rows = len(trades.sides)
            else:
                line, lane = self._way(at, kind)
            if lane is None:
                self._long(at, line if kind in (TRADES, ASIDE) else None)
            elif line is not None and lane.heard_ns >= line.look_ns:
                self._look(at, line, rows)

    def _way(
        self, at: int, kind: int, first: int | None = None
    ) -> tuple[_Line | None, _Lane | None]:
        """The line of a frame if it is in order there, and its lane; None: it goes the long way.

        What is noted of every frame is noted of one that goes the short way. ``first`` is the id
        of its first trade.
        """
        frame, sequence = self.frames[at][1], self.many.sequences[at]
        line = self.lines.get(frame.connection_id) or self._line(frame.connection_id)
        now_ns = frame.recv_ns
        if line is None or now_ns >= line.until_ns or line.session.next_sequence != sequence:
            return None, None
        if kind not in _CHANNELS:
            return line, None
        product_id = self.many.products[at]
        lane = line.lanes[kind].get(product_id) or self._lane(line, kind, product_id)
        if lane is None or (first is not None and not _goes_on(lane.ids, first)):
            return line, None
        session, flow = line.session, lane.flow
        session.next_sequence = sequence + 1
        session.last_ns = session.ordered_ns = now_ns
        silence_ns = now_ns - lane.heard_ns
        lane.heard_ns = session.heard_ns[lane.key] = now_ns
        # As `Flow.take`, without a call.
        flow.messages += 1
        flow.known_ns += silence_ns
        flow.window_ns += silence_ns
        if silence_ns > flow.longest_ns:  # noqa: PLR1730  and without another
            flow.longest_ns = silence_ns
        if flow.window_ns >= WINDOW_NS:
            flow.turn()
        self.taken[kind] += 1
        return line, lane

    def _changes(
        self, at: int, lane: _Lane, changes: Iterable[tuple[str, float, float]], count: int
    ) -> None:
        book, audit, rows = lane.book, lane.audit, self.rows
        assert book is not None
        lane.recording.last = self.frames[at][0] + count - 1
        book.change(changes)
        bids, asks = book.bids.near, book.asks.near
        bid, ask = bids[-1] if bids else None, -asks[-1] if asks else None
        calm = bid is None or ask is None or bid < ask
        if calm and audit is not None:
            if audit.waiting or audit.top != (bid, ask):
                audit.moved((bid, ask), lane.heard_ns)
            calm = audit.run < RUN_MAX
        if calm:
            rows.changes.append(at)
            rows.epochs.append(book.epoch)
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

    def _trades(self, at: int, lane: _Lane, traded: Traded) -> None:
        ids, (ingest_seq, frame), rows = lane.ids, self.frames[at], len(traded.sides)
        assert ids is not None
        ids.last = traded.first + rows - 1
        lane.recording.last = ingest_seq + rows - 1
        session = self.pipeline.sessions[frame.connection_id]
        session.trades(self.many.products[at], rows, frame.recv_ns)
        self.rows.trades.append(at)
        self.rows.traded.append(traded)

    def _look(self, at: int, line: _Line, rows: int) -> None:
        """Look for what is overdue, as is done once a second."""
        step, session = self.step, line.session
        before = len(step.rows), len(step.requests), len(step.facts)
        session.looked_ns = self.frames[at][1].recv_ns
        overdue.look(self.pipeline, self._place(at, rows))
        if before != (len(step.rows), len(step.requests), len(step.facts)):
            self.lines.clear()
        line.look()

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
            or session.awaits(key)
        ):
            return None
        lane = _Lane(key, recording, flow, session.heard_ns[key])
        if kind == TRADES:
            lane.ids = pipeline.trades.get(product_id)
            if lane.ids is None or product_id in pipeline.elsewhere:
                return None
        else:
            book = lane.book = pipeline.books.get((session.connection_id, product_id))
            live = book is not None and book.state is BookState.LIVE
            audit = pipeline.audits.get((session.connection_id, product_id))
            lane.audit = audit if live else None
            if kind == CHANGES and (book is None or not live or book.has_texts()):
                return None
            if kind == TICKER and live and audit is None:
                return None
        line.lanes[kind][product_id] = lane
        return lane

    def _long(self, at: int, line: _Line | None) -> None:
        """A frame takes the long way, and what is known of its lanes may not hold any more.

        ``line`` is given where it is in order there and of no book: the others go on behind it.
        """
        told = self._stepped(at)
        frame, product_id = self.frames[at][1], self.many.products[at]
        mine = self.lines.get(frame.connection_id)
        if told or mine is None:
            self.lines.clear()
        elif product_id:
            for lanes in mine.lanes.values():
                lanes.pop(product_id, None)
            mine.look()
        elif line is not None:
            mine.lanes[TRADES].clear()
            mine.look()
        else:
            del self.lines[frame.connection_id]

    def _stepped(self, at: int) -> bool:
        """Take a frame the long way; whether more than its rows came of it."""
        ingest_seq, frame = self.frames[at]
        step, shape = self.step, self.many.shapes[at]
        session = self.pipeline.sessions.get(frame.connection_id)
        if shape is not UNREAD and session is not None and session.venue == ADVANCED:
            self.pipeline.decoded(frame.raw, understand(frame.raw, shape))
        mine = self.pipeline.step(frame, ingest_seq)
        if any(block.table in COLLECTED for block in mine.rows):
            self.rows.give(step)
        step.rows += mine.rows
        step.requests += mine.requests
        step.facts += mine.facts
        told = any(block.table in _TOLD for block in mine.rows)
        return told or bool(mine.requests) or bool(mine.facts)

    def _place(self, at: int, rows: int) -> Place:
        """Where a frame stands that has so many rows; one place for all that is said of it."""
        if self.placed is not None and self.placed[0] == at:
            return self.placed[1]
        ingest_seq, frame = self.frames[at]
        exchange_ns = int(self.many.exchange_ns[at])
        origin = Origin(frame.recv_ns, frame.connection_id, self.many.sequences[at], exchange_ns)
        session = self.pipeline.sessions[frame.connection_id]
        numbers = Numbers(ingest_seq + rows)
        place = Place(self.step, session, origin, ingest_seq, numbers, frame.raw)
        self.placed = at, place
        return place

    def _doubt(self, at: int, book: Book) -> None:
        """A book that may be wrong: what is said of it, and the rows of the frame."""
        many, rows = self.many, self.rows
        rows.give(self.step)
        place = self._place(at, many.counts[at])
        content.look_at_top(self.pipeline, book, place)
        begin = int(rows.begins[at])
        mine = slice(begin, begin + many.counts[at])
        sides = [BID if side == BID else ASK for side in many.sides[mine]]
        message = Level2(
            book.product_id, False, sides, many.prices[mine], many.sizes[mine],
            int(many.event_us[at]),
        )  # fmt: skip
        self.step.rows.append(level2_rows(message, place.origin, place.ingest_seq, book.epoch))
        self.lines.clear()


def _goes_on(ids: TradeIds | None, first: int) -> bool:
    """Whether a trade is the next one of its product."""
    return ids is not None and ids.last == first - 1 and ids.odd is None
