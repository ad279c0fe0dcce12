"""One arrival in, one `Step` out: the rows it makes, what it asks for, what is worth a log line.

    arrival ─▶ wire (text → messages) ─▶ session (is it in order?) ─▶ book, trades, coverage ─▶ rows

One pipeline takes all connections in the order in which the capture holds them, so a replay of the
capture gives the same rows, byte for byte. There is no clock in here: time comes with each arrival.

A step's rows carry ``ingest_seq`` from the arrival's own on, one more a row. An arrival is longer
in the capture than it can have such rows; the intervals of `coverage` are outside of that count.
"""

from itertools import count

from recorder.core import marks
from recorder.core import state as states
from recorder.core.book import Book, BookState
from recorder.core.coverage import Interval, Key, Missing
from recorder.core.frames import Arrival, Carried, Closed, Ended, Frame, Noted, Opened, Sent
from recorder.core.knowledge import Knowledge, Place, Step
from recorder.core.messages import (
    LEVEL2,
    Candle,
    Decoded,
    Fact,
    Heartbeat,
    Level2,
    Message,
    Problem,
    ProductStatus,
    Reconnect,
    Resubscribe,
    Subscriptions,
    Ticker,
    Trade,
    Trades,
)
from recorder.core.rows import (
    Origin,
    candle_rows,
    heartbeat_rows,
    level2_rows,
    status_rows,
    ticker_rows,
    trades_rows,
)
from recorder.core.session import Gap, Kinship, Late
from recorder.core.trades import TradeIds
from recorder.core.wire import advanced

__all__ = ["Pipeline", "Step"]

# Problems of a frame that was read whole, and is of nothing that we record.
_HARMLESS = frozenset({"impossible_product", "unknown_channel", "venue_error"})


class Pipeline(Knowledge):
    """The state of everything that is recorded. Not thread-safe; `step` is its only way in."""

    def __init__(self) -> None:
        super().__init__()
        self._fresh = True

    # --- the ways in --------------------------------------------------------------------------

    def step(self, arrival: Arrival, ingest_seq: int) -> Step:
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
        self._fresh = False
        return step

    def load_checkpoint(self, books: dict[tuple[str, str], Level2]) -> None:
        """Give a fresh pipeline the books, by (connection, product), that an hour begins with."""
        assert self._fresh, "a checkpoint is for the begin of a replay"
        self.checkpoint = books

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

    # --- frames: in order? -----------------------------------------------------------------------

    def _frame(self, frame: Frame, ingest_seq: int, step: Step) -> None:
        session = self.session(frame.connection_id, frame.recv_ns)
        decoded = advanced.decode(frame.raw)
        self.messages[decoded.label] += 1
        origin = Origin(frame.recv_ns, frame.connection_id, decoded.sequence, decoded.exchange_ns)
        place = Place(step, session, origin, ingest_seq, count(ingest_seq), frame.raw)
        found = None if decoded.sequence is None else session.check(decoded.sequence)
        match found:
            case Late():
                self._late(found, place)
            case Gap():
                self._gap(found, place)
        session.last_ns = frame.recv_ns
        if not isinstance(found, Late):
            if decoded.sequence is not None:
                session.ordered_ns = frame.recv_ns
            elif decoded.label == "malformed":
                session.unreadable += 1
            self._understood(decoded, place)
        if session.snapshots_due or session.resyncs_due:
            self._overdue(place)

    def _understood(self, decoded: Decoded, place: Place) -> None:
        """Take what a frame says, and the doubts about it.

        A book is in doubt before the frame's messages, so that none is applied to what it may not
        fit, and after them, because its snapshot may have stood before what could not be read.
        """
        for problem in decoded.problems:
            self.fault(
                problem.kind,
                problem.detail,
                place,
                channel=problem.channel,
                product_id=problem.product_id,
            )
            self._doubt(problem, decoded, place)
        for message in decoded.messages:
            self._message(message, decoded.channel or "", place)
        for problem in decoded.problems:
            self._doubt(problem, decoded, place)

    def _doubt(self, problem: Problem, decoded: Decoded, place: Place) -> None:
        """Let the books go that a problem may concern."""
        # A numbered frame that cannot be read may have been a change of any book.
        unreadable = decoded.label == "malformed" and decoded.channel is None
        if problem.kind in _HARMLESS:
            return
        if problem.channel == LEVEL2 or (unreadable and decoded.sequence is not None):
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
        intervals = self.coverage.end_all(connection_id, since_ns, missing)
        books = [product_id for channel, product_id in hurt if channel == LEVEL2 and product_id]
        for key in hurt:
            if key[0] != LEVEL2:
                intervals += self.coverage.begin(key, connection_id, place.origin.recv_ns)
        self.note(intervals, place.ingest_seq, place.step)
        for product_id in self.products_of(connection_id):
            self.doubt_book(connection_id, product_id, reason, place.step)
        span = f"sequence {gap.expected} … {gap.got - 1}"
        if gap.missing:
            self.gaps += 1
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
        self.resync(books, reason, place)

    def _overdue(self, place: Place) -> None:
        """Ask for snapshots that were put off, and again for those that did not come.

        A lost or unreadable one is not repeated.
        """
        late = place.session.overdue(place.origin.recv_ns)
        for product_id in late:
            self.fault(
                "snapshot_overdue", "a snapshot was asked for and did not come; asked again", place,
                channel=LEVEL2, product_id=product_id, keep_raw=False,
            )  # fmt: skip
        if late:
            request = Resubscribe(place.connection_id, LEVEL2, tuple(late), "snapshot_overdue")
            place.step.requests.append(request)
        if due := place.session.put_off(place.origin.recv_ns):
            request = Resubscribe(place.connection_id, LEVEL2, tuple(due), "put_off")
            place.step.requests.append(request)

    # --- messages ---------------------------------------------------------------------------------

    def _message(self, message: Message, channel: str, place: Place) -> None:
        if isinstance(message, Subscriptions):
            self._served(message, place)
            return
        if not self._admits(channel, message.product_id, place):
            return
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

    def _admits(self, channel: str, product_id: str | None, place: Place) -> bool:
        """Whether data becomes rows: strangers do too, with a fault once, but not without end."""
        kin = Kinship.OWN
        if product_id is not None:
            kin = place.session.kinship(channel, product_id)
        admitted = kin is not Kinship.REFUSED and self.coverage.admits((channel, product_id))
        if admitted and kin is not Kinship.NEW:
            return True
        detail = f"{channel} of {product_id} came, which was not asked for; " + (
            "kept" if admitted else "one of too many, so it is in the capture only"
        )
        self.fault("unexpected_product", detail, place, channel=channel, product_id=product_id)
        return admitted

    def _sees(self, channel: str, product_id: str | None, rows: int, place: Place) -> int:
        """Reserve the numbers of rows of a channel and product, and note the coverage."""
        key = (channel, product_id)
        if channel != LEVEL2 and not self.coverage.records(key, place.connection_id):
            begun = self.coverage.begin(key, place.connection_id, place.origin.recv_ns)
            self.note(begun, place.ingest_seq, place.step)
        if not rows:
            return place.ingest_seq
        first = place.take(rows)
        self.coverage.saw(key, place.connection_id, first, first + rows - 1)
        return first

    def _served(self, message: Subscriptions, place: Place) -> None:
        """What the venue promises is recorded from here; a book from its snapshot on."""
        begun: list[Interval] = []
        for channel, product_ids in message.channels.items():
            if channel == LEVEL2:
                continue
            keys: list[Key] = [(channel, None)]
            if channel not in advanced.UNFILTERED:
                known = place.session.knows
                keys = [(channel, each) for each in product_ids if known(channel, each)]
            for key in keys:
                begun += self.coverage.begin(key, place.connection_id, place.origin.recv_ns)
        self.note(begun, place.ingest_seq, place.step)

    def _level2(self, message: Level2, place: Place) -> None:
        product_id, connection_id = message.product_id, place.connection_id
        rows = len(message.prices)
        book = self.books.get((connection_id, product_id))
        if book is None:
            book = self.books[connection_id, product_id] = Book(product_id)
        if message.snapshot:
            place.session.snapshot_came(product_id)
            begun = self.coverage.begin((LEVEL2, product_id), connection_id, place.origin.recv_ns)
            self.note(begun, place.ingest_seq, place.step)
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
            now_ns = place.origin.recv_ns
            self.coverage.expect((LEVEL2, product_id), now_ns, "joined_late", quiet=False)
            self.fault(
                "update_before_snapshot", "kept as rows, not applied to a book", place,
                channel=LEVEL2, product_id=product_id, keep_raw=False,
            )  # fmt: skip
        if book.state is BookState.LIVE and book.crossed():
            detail = f"best bid {book.best_bid()} is not below best ask {book.best_ask()}"
            self.fault("book_crossed", detail, place, channel=LEVEL2, product_id=product_id)
            self.lose_books((product_id,), "book_crossed", place)
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
                self.fault(
                    "trade_id_gap", detail, place,
                    channel="market_trades", product_id=product_id, keep_raw=False,
                )  # fmt: skip
        if repeated and not message.snapshot:
            detail = f"trades recorded before came again in an update: {repeated[:20]}"
            self.fault(
                "trade_repeated", detail, place, channel="market_trades", product_id=product_id
            )
        first = self._sees("market_trades", product_id, len(new), place)
        if new:
            rows = trades_rows(product_id, message.snapshot, new, place.origin, first)
            place.step.rows.append(rows)
