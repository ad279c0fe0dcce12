"""One arrival in, one `Step` out: the rows it makes, what it asks for, what is worth a log line.

    arrival ─▶ wire (text → messages) ─▶ session (is it in order?) ─▶ book, trades, coverage ─▶ rows

One pipeline takes all connections in the order in which the capture holds them, so a replay of the
capture gives the same rows, byte for byte. There is no clock in here: time comes with each arrival.

A step's rows carry ``ingest_seq`` from the arrival's own on, one more a row. An arrival is longer
in the capture than it can have such rows; the intervals of `coverage` are outside of that count.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from recorder.core import state as states
from recorder.core.book import Book, BookState
from recorder.core.coverage import Coverage, Interval, Key, Missing
from recorder.core.coverage import GAP as GAP_STATE
from recorder.core.frames import (
    HOUR_NS,
    Arrival,
    Carried,
    Closed,
    Ended,
    Frame,
    Opened,
    Sent,
    hour_base,
    hour_of,
)
from recorder.core.messages import (
    ASK,
    BID,
    Candle,
    Decoded,
    Fact,
    Heartbeat,
    Level2,
    Message,
    Problem,
    ProductStatus,
    Request,
    Resubscribe,
    Subscriptions,
    Ticker,
    Trade,
    Trades,
)
from recorder.core.rows import (
    Origin,
    Rows,
    candle_rows,
    checkpoint_rows,
    coverage_rows,
    fault_rows,
    heartbeat_rows,
    level2_rows,
    status_rows,
    ticker_rows,
    trades_rows,
)
from recorder.core.session import Gap, Late, Session
from recorder.core.trades import TradeIds
from recorder.core.wire import advanced

LEVEL2 = "level2"


@dataclass(slots=True)
class Step:
    """What one arrival came to."""

    rows: list[Rows] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


class Place(NamedTuple):
    """Where an arrival stands: the step it fills, its session, and the numbers for its rows."""

    step: Step
    session: Session
    origin: Origin
    ingest_seq: int
    numbers: "count[int]"
    raw: bytes | None = None


class Pipeline:
    """The state of everything that is recorded. Not thread-safe; `step` is its only way in.

    ``books`` is keyed by (connection, product); ``messages`` counts frames by label
    (``l2_data/update``); ``gaps`` and ``faults`` count what was found.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.books: dict[tuple[str, str], Book] = {}
        self.trades: dict[str, TradeIds] = {}
        self.coverage = Coverage()
        self.messages: Counter[str] = Counter()
        self.gaps = 0
        self.faults = 0
        self._fresh = True
        self._checkpoint: dict[tuple[str, str], Level2] = {}

    # --- the ways in --------------------------------------------------------------------------

    def step(self, arrival: Arrival, ingest_seq: int) -> Step:
        """Take one arrival; ``ingest_seq`` is its place in the capture."""
        step = Step()
        match arrival:
            case Frame():
                self._frame(arrival, ingest_seq, step)
            case Sent():
                self._sent(arrival, ingest_seq, step)
            case Opened():
                session = Session(arrival.connection_id, arrival.recv_ns, arrival.first_sequence)
                self.sessions[arrival.connection_id] = session
                opened = {"connection_id": arrival.connection_id, "url": arrival.url}
                step.facts.append(Fact("session_opened", opened))
            case Closed():
                self._closed(arrival, ingest_seq, step)
            case Carried():
                self._carried(arrival, ingest_seq, step)
            case Ended():
                self._ended(arrival, ingest_seq, step)
        self._fresh = False
        return step

    def load_checkpoint(self, books: dict[tuple[str, str], Level2]) -> None:
        """Give a fresh pipeline the books, by (connection, product), that the `Carried` of an hour names."""
        assert self._fresh, "a checkpoint is for the begin of a replay"
        self._checkpoint = books

    def state(self) -> bytes:
        """What a `Carried` at this moment must hold."""
        return states.encode(
            states.State(
                trades=states.trades_to_state(self.trades),
                sessions=[states.session_to_state(each) for each in self.sessions.values()],
                books=states.books_to_state(self.books),
                tracks=states.tracks_to_state(self.coverage),
            )
        )

    def deadlines_ns(self) -> dict[str, int]:
        """For each connection, when its silence becomes a fault."""
        deadlines = {each.connection_id: each.deadline_ns() for each in self.sessions.values()}
        return {key: deadline for key, deadline in deadlines.items() if deadline is not None}

    # --- marks of connections and of the recorder -----------------------------------------------

    def _sent(self, sent: Sent, ingest_seq: int, step: Step) -> None:
        session = self._session(sent.connection_id, sent.recv_ns)
        request = advanced.requested(sent.raw)
        if request is None:
            return
        kind, channel, product_ids = request
        session.ask(kind, channel, product_ids)
        keys: list[Key] = [(channel, product_id) for product_id in product_ids]
        if channel in advanced.UNFILTERED or not keys:
            keys = [(channel, None)]
        fields = {"connection_id": sent.connection_id, "type": kind, "channel": channel}
        step.facts.append(Fact("subscription_sent", {**fields, "products": len(product_ids)}))
        if kind == "subscribe":
            for key in keys:
                self.coverage.expect(key, sent.recv_ns, "not_served", quiet=True)
            return
        ended: list[Interval] = []
        for key in keys:
            missing = Missing(sent.recv_ns, "unsubscribed", connection_id=sent.connection_id)
            ended += self.coverage.end(key, sent.connection_id, sent.recv_ns, missing)
            if channel == LEVEL2 and key[1] is not None:
                self._doubt_book(sent.connection_id, key[1], "unsubscribed", step)
        self._note(ended, ingest_seq, step)

    def _closed(self, closed: Closed, ingest_seq: int, step: Step) -> None:
        session = self._session(closed.connection_id, closed.recv_ns)
        detail = f"close code {closed.code}" + (f": {closed.reason}" if closed.reason else "")
        end_ns = closed.recv_ns if closed.orderly else session.last_ns
        missing = Missing(
            end_ns,
            "connection_closed",
            sequence_before=_before(session),
            connection_id=closed.connection_id,
            detail=detail,
        )
        self._note(self.coverage.end_all(closed.connection_id, end_ns, missing), ingest_seq, step)
        self._forget(closed.connection_id)
        step.facts.append(
            Fact(
                "session_closed",
                {
                    "connection_id": closed.connection_id,
                    "code": closed.code,
                    "reason": closed.reason,
                    "duration_s": (closed.recv_ns - session.opened_ns) // 1_000_000_000,
                },
            )
        )

    def _forget(self, connection_id: str) -> None:
        self.sessions.pop(connection_id, None)
        for key in [key for key in self.books if key[0] == connection_id]:
            del self.books[key]

    def _ended(self, ended: Ended, ingest_seq: int, step: Step) -> None:
        if ended.cause == "hour":
            boundary_ns = (hour_of(ended.recv_ns) + 1) * HOUR_NS
            self._note(self.coverage.cut(boundary_ns), ingest_seq, step)
            return
        intervals: list[Interval] = []
        for connection_id, session in list(self.sessions.items()):
            missing = Missing(session.last_ns, "recorder_down", connection_id=connection_id)
            intervals += self.coverage.end_all(connection_id, session.last_ns, missing)
            self._forget(connection_id)
        intervals += self.coverage.finish(ended.recv_ns)
        self._note(intervals, ingest_seq, step)

    def _carried(self, carried: Carried, ingest_seq: int, step: Step) -> None:
        if carried.cause == "start":
            self._start(carried, ingest_seq, step)
            return
        if self._fresh:
            self._restore(states.decode(carried.state), carried, ingest_seq, step)
        self._write_checkpoint(carried, step)

    def _start(self, carried: Carried, ingest_seq: int, step: Step) -> None:
        """A process begins to record: it knows which trades are recorded and when the last ended."""
        known = states.decode(carried.state)
        self.sessions.clear()
        self.books.clear()
        self.coverage = Coverage()
        self.trades = states.trades_from_state(known.trades)
        down: list[Interval] = []
        for channel, product_id in known.wanted:
            key = (channel, product_id)
            before = known.ended_ns
            self.coverage.expect(key, carried.recv_ns, "connecting", quiet=before is None)
            if before is not None and before < carried.recv_ns:
                down.append(
                    Interval(*key, before, carried.recv_ns, GAP_STATE, "recorder_down")
                )
        self._note(down, ingest_seq, step)

    def _restore(
        self, known: states.State, carried: Carried, ingest_seq: int, step: Step
    ) -> None:
        """Begin a replay at an hour: take over what the recorder knew then."""
        self.trades = states.trades_from_state(known.trades)
        self.sessions = {
            each.connection_id: states.session_from_state(each) for each in known.sessions
        }
        self.coverage = states.coverage_from_state(known.tracks)
        numbers = count(ingest_seq)
        for each in known.books:
            book = states.book_from_state(each)
            key = (each.connection_id, each.product_id)
            self.books[key] = book
            if each.state != BookState.LIVE.value:
                continue
            levels = self._checkpoint.get(key)
            if levels is not None:
                book.load(levels, 0)
                continue
            origin = Origin(carried.recv_ns, each.connection_id, None, None)
            self.faults += 1
            detail = "the book at the begin of the hour is not there; STALE until a snapshot"
            step.rows.append(
                fault_rows(
                    "checkpoint_missing", detail, origin, next(numbers),
                    channel=LEVEL2, product_id=each.product_id,
                )
            )  # fmt: skip
        self._checkpoint = {}

    def _write_checkpoint(self, carried: Carried, step: Step) -> None:
        """The first rows of every hour are the books, so that each hour's files replay alone."""
        first = hour_base(hour_of(carried.recv_ns))
        live = [
            (product_id, connection_id, book)
            for (connection_id, product_id), book in self.books.items()
            if book.state is BookState.LIVE
        ]
        for product_id, connection_id, book in sorted(live, key=lambda each: each[:2]):
            levels = [
                (side, price, size, *book.texts(side, price))
                for side in (BID, ASK)
                for price, size in book.levels(side)
            ]
            book.epoch = first
            step.rows.append(
                checkpoint_rows(product_id, connection_id, carried.recv_ns, first, levels)
            )
            first += len(levels)

    # --- frames -----------------------------------------------------------------------------------

    def _session(self, connection_id: str, recv_ns: int) -> Session:
        """The session of a connection; one whose opening is not in the record begins here."""
        session = self.sessions.get(connection_id)
        if session is None:
            session = self.sessions[connection_id] = Session(connection_id, recv_ns, None)
        return session

    def _frame(self, frame: Frame, ingest_seq: int, step: Step) -> None:
        session = self._session(frame.connection_id, frame.recv_ns)
        decoded = advanced.decode(frame.raw)
        self.messages[decoded.label] += 1
        origin = Origin(frame.recv_ns, frame.connection_id, decoded.sequence, decoded.exchange_ns)
        place = Place(step, session, origin, ingest_seq, count(ingest_seq), frame.raw)
        late = False
        if decoded.sequence is not None:
            match session.check(decoded.sequence):
                case None:
                    pass
                case Gap() as gap:
                    self._gap(gap, place)
                case Late(expected=expected, got=got):
                    late = True
                    detail = f"sequence {got} came where {expected} was due; not applied"
                    self._fault("late_frame", detail, place)
        session.last_ns = frame.recv_ns
        if late:
            return
        for problem in decoded.problems:
            self._problem(problem, decoded, place)
        for message in decoded.messages:
            self._message(message, decoded.channel or "", place)

    def _gap(self, gap: Gap, place: Place) -> None:
        """Frames were lost: nothing of this connection is certain between the two numbers."""
        session, now_ns = place.session, place.origin.recv_ns
        connection_id = session.connection_id
        self.gaps += 1
        missing = Missing(
            session.last_ns, "sequence_gap", gap.expected - 1, gap.got, gap.missing, connection_id
        )
        hurt = self.coverage.recorded_by(connection_id)
        intervals = self.coverage.end_all(connection_id, session.last_ns, missing)
        products = []
        for key in hurt:
            if key[0] == LEVEL2 and key[1] is not None:
                products.append(key[1])
            else:
                intervals += self.coverage.begin(key, connection_id, now_ns)
        self._note(intervals, place.ingest_seq, place.step)
        for product_id in [product for line, product in self.books if line == connection_id]:
            self._doubt_book(connection_id, product_id, "sequence_gap", place.step)
        detail = f"sequence {gap.expected} … {gap.got - 1} missing ({gap.missing} frames)"
        self._fault("sequence_gap", detail, place, keep_raw=False)
        fields = {"connection_id": connection_id, "seq_from": gap.expected, "seq_to": gap.got - 1}
        place.step.facts.append(Fact("gap_found", fields))
        if products:
            place.step.requests.append(
                Resubscribe(connection_id, LEVEL2, tuple(products), "sequence_gap")
            )

    def _problem(self, problem: Problem, decoded: Decoded, place: Place) -> None:
        """Write a doubt down, and let the books go that it may concern."""
        self._fault(
            problem.kind,
            problem.detail,
            place,
            channel=problem.channel,
            product_id=problem.product_id,
        )
        # A numbered frame that cannot be read may have been a change of any book.
        unreadable = decoded.label == "malformed" and decoded.channel is None
        if problem.channel == LEVEL2 or (unreadable and decoded.sequence is not None):
            connection_id = place.session.connection_id
            hurt = [
                product_id
                for line, product_id in self.books
                if line == connection_id and problem.product_id in (None, product_id)
            ]
            self._lose_books(tuple(hurt), problem.kind, place)

    def _lose_books(self, product_ids: tuple[str, ...], reason: str, place: Place) -> None:
        """Books that were LIVE are not any more: end their coverage and ask for snapshots."""
        connection_id, now_ns = place.session.connection_id, place.origin.recv_ns
        lost = [
            product_id
            for product_id in product_ids
            if self._doubt_book(connection_id, product_id, reason, place.step)
        ]
        intervals: list[Interval] = []
        for product_id in lost:
            missing = Missing(now_ns, reason, place.origin.sequence, connection_id=connection_id)
            intervals += self.coverage.end((LEVEL2, product_id), connection_id, now_ns, missing)
        self._note(intervals, place.ingest_seq, place.step)
        if lost:
            place.step.requests.append(Resubscribe(connection_id, LEVEL2, tuple(lost), reason))

    def _doubt_book(self, connection_id: str, product_id: str, reason: str, step: Step) -> bool:
        book = self.books.get((connection_id, product_id))
        if book is None or not book.doubt():
            return False
        fields = {"connection_id": connection_id, "product_id": product_id, "reason": reason}
        step.facts.append(Fact("book_stale", fields))
        return True

    # --- messages ---------------------------------------------------------------------------------

    def _message(self, message: Message, channel: str, place: Place) -> None:
        match message:
            case Level2():
                self._level2(message, place)
            case Trades():
                self._trades(message, place)
            case Ticker():
                first = self._sees(channel, message.product_id, 1, place)
                place.step.rows.append(ticker_rows(message, place.origin, first))
            case Heartbeat():
                first = self._sees(channel, message.product_id, 1, place)
                place.step.rows.append(heartbeat_rows(message, place.origin, first))
            case ProductStatus():
                first = self._sees(channel, message.product_id, 1, place)
                place.step.rows.append(status_rows(message, place.origin, first))
            case Candle():
                first = self._sees(channel, message.product_id, 1, place)
                place.step.rows.append(candle_rows(message, place.origin, first))
            case Subscriptions():
                self._served(message, place)

    def _take(self, rows: int, place: Place) -> int:
        """Reserve the numbers of some rows; returns the first."""
        first = next(place.numbers)
        for _ in range(rows - 1):
            next(place.numbers)
        return first

    def _sees(self, channel: str, product_id: str | None, rows: int, place: Place) -> int:
        """Data of a channel and product arrived: reserve its rows' numbers and note the coverage."""
        key = (channel, product_id)
        connection_id = place.session.connection_id
        if channel != LEVEL2 and not self.coverage.records(key, connection_id):
            begun = self.coverage.begin(key, connection_id, place.origin.recv_ns)
            self._note(begun, place.ingest_seq, place.step)
        first = place.ingest_seq
        if rows:
            first = self._take(rows, place)
            self.coverage.saw(key, connection_id, first, first + rows - 1)
        if product_id is not None and place.session.is_stranger(channel, product_id):
            detail = f"{channel} of {product_id} came, which was not asked for; kept"
            self._fault("unexpected_product", detail, place, channel=channel, product_id=product_id)
        return first

    def _served(self, message: Subscriptions, place: Place) -> None:
        """The venue's answer: what it promises is recorded from here; a book from its snapshot on."""
        connection_id, now_ns = place.session.connection_id, place.origin.recv_ns
        place.session.serve(message.channels)
        begun: list[Interval] = []
        for channel, product_ids in message.channels.items():
            if channel == LEVEL2:
                continue
            keys = [(channel, product_id) for product_id in product_ids if product_id != channel]
            for key in keys or [(channel, None)]:
                begun += self.coverage.begin(key, connection_id, now_ns)
        self._note(begun, place.ingest_seq, place.step)

    def _level2(self, message: Level2, place: Place) -> None:
        product_id, connection_id = message.product_id, place.session.connection_id
        rows = len(message.prices)
        book = self.books.get((connection_id, product_id))
        if book is None:
            book = self.books[connection_id, product_id] = Book(product_id)
        key = (LEVEL2, product_id)
        if message.snapshot:
            begun = self.coverage.begin(key, connection_id, place.origin.recv_ns)
            self._note(begun, place.ingest_seq, place.step)
        first = self._sees(LEVEL2, product_id, rows, place)
        if message.snapshot:
            book.load(message, first)
            fields = {"connection_id": connection_id, "product_id": product_id, "levels": rows}
            place.step.facts.append(Fact("book_live", fields))
        elif book.state is BookState.LIVE:
            book.apply(message)
        elif book.state is BookState.EMPTY:
            # Once: the next updates find the book STALE.
            book.state = BookState.STALE
            self._fault(
                "update_before_snapshot", "kept as rows, not applied to a book", place,
                channel=LEVEL2, product_id=product_id, keep_raw=False,
            )  # fmt: skip
        if book.state is BookState.LIVE and book.crossed():
            detail = f"best bid {book.best_bid()} is not below best ask {book.best_ask()}"
            self._fault("book_crossed", detail, place, channel=LEVEL2, product_id=product_id)
            self._lose_books((product_id,), "book_crossed", place)
        if rows:
            place.step.rows.append(level2_rows(message, place.origin, first, book.epoch))

    def _trades(self, message: Trades, place: Place) -> None:
        """Keep the trades that are new; a snapshot repeats the last 100 after every reconnect."""
        product_id = message.product_id
        ids = self.trades.get(product_id)
        if ids is None:
            ids = self.trades[product_id] = TradeIds()
        new: list[Trade] = []
        repeated: list[int] = []
        for trade in message.trades:
            is_new, missing = ids.take(trade.trade_id)
            if is_new:
                new.append(trade)
            else:
                repeated.append(trade.trade_id)
            if missing:
                detail = f"trade ids {trade.trade_id - missing} … {trade.trade_id - 1} are missing"
                self._fault(
                    "trade_id_gap", detail, place,
                    channel="market_trades", product_id=product_id, keep_raw=False,
                )  # fmt: skip
        if repeated and not message.snapshot:
            detail = f"trades recorded before came again in an update: {repeated[:20]}"
            self._fault(
                "trade_repeated", detail, place, channel="market_trades", product_id=product_id
            )
        first = self._sees("market_trades", product_id, len(new), place)
        if new:
            rows = trades_rows(product_id, message.snapshot, new, place.origin, first)
            place.step.rows.append(rows)

    # --- what is written down -----------------------------------------------------------------------

    def _fault(
        self,
        kind: str,
        detail: str,
        place: Place,
        *,
        channel: str | None = None,
        product_id: str | None = None,
        keep_raw: bool = True,
    ) -> None:
        self.faults += 1
        number = next(place.numbers)
        raw = place.raw if keep_raw else None
        place.step.rows.append(
            fault_rows(
                kind, detail, place.origin, number, channel=channel, product_id=product_id, raw=raw
            )
        )
        fields = {
            "kind": kind,
            "detail": detail,
            "connection_id": place.origin.connection_id,
            "product_id": product_id,
            "ingest_seq": number,
        }
        place.step.facts.append(Fact("fault_recorded", fields))

    def _note(self, intervals: list[Interval], noted_seq: int, step: Step) -> None:
        if intervals:
            step.rows.append(coverage_rows(intervals, noted_seq))


def _before(session: Session) -> int | None:
    """The last number that a session received."""
    return session.next_sequence - 1 if session.next_sequence else None
