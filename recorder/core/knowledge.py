"""Everything that is known while recording, and how a doubt about it is written down.

The pipeline reads frames into it, the marks of connections and of the recorder change it; both
write rows of `faults` and `coverage` through it, so that data and doubt cannot disagree.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from recorder.core.asking import Key
from recorder.core.audit import Audit
from recorder.core.book import Book
from recorder.core.coverage import Coverage, Interval, Missing
from recorder.core.flow import Flow
from recorder.core.frames import ADVANCED
from recorder.core.messages import LEVEL2, TRADES, USER, Fact, Level2, Request, Resubscribe
from recorder.core.rows import Origin, Rows, audit_rows, coverage_rows, fault_rows
from recorder.core.session import Session
from recorder.core.tallies import Tallies
from recorder.core.trades import TradeIds


class Step(msgspec.Struct, gc=False):
    """What one arrival came to."""

    rows: list[Rows] = []
    requests: list[Request] = []
    facts: list[Fact] = []


class Numbers(msgspec.Struct, gc=False):
    """The numbers for the rows of an arrival: ``next`` is the first that is free."""

    next: int


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a frame stands: the step it fills, its session, and the numbers for its rows."""

    step: Step
    session: Session
    origin: Origin
    ingest_seq: int
    numbers: Numbers
    raw: bytes | None = None

    @property
    def connection_id(self) -> str:
        """The session's name."""
        return self.session.connection_id

    def take(self, rows: int) -> int:
        """Reserve the numbers of some rows, at least one; returns the first."""
        numbers = self.numbers
        first = numbers.next
        numbers.next = first + (rows or 1)
        return first


class Knowledge:
    """Sessions, books, trades and coverage.

    ``books`` is keyed by (connection, product); ``messages`` counts frames by label
    (``l2_data/update``); ``sequence_gaps`` (holes in the numbering) and
    ``faults`` count what was found. ``checkpoint`` holds the
    books that a replay begins with, until the `Carried` that names them. ``flows`` knows how often
    each channel of a product speaks, ``audits`` counts how tickers fit the books, ``statuses`` is
    what the venue last said of each product. ``idle_since_ns`` is when the recording before ended,
    where this one only takes trades that were missing; else None. ``private``: what is recorded has
    the account's own orders among it, or will have. ``elsewhere`` are trades that later hours hold,
    while earlier ones are imported. ``tallies`` are counts for whoever looks on.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.books: dict[tuple[str, str], Book] = {}
        self.trades: dict[str, TradeIds] = {}
        self.coverage = Coverage()
        self.messages: Counter[str] = Counter()
        self.sequence_gaps = 0
        self.faults = 0
        self.checkpoint: dict[tuple[str, str], Level2] = {}
        self.flows: dict[Key, Flow] = {}
        self.audits: dict[tuple[str, str], Audit] = {}
        self.statuses: dict[str, str] = {}
        self.idle_since_ns: int | None = None
        self.private = False
        self.elsewhere: dict[str, TradeIds] = {}
        self.tallies = Tallies()

    def session(self, connection_id: str, recv_ns: int) -> Session:
        """The session of a connection; one whose opening is not in the record begins here."""
        session = self.sessions.get(connection_id)
        if session is None:
            session = self.sessions[connection_id] = Session(connection_id, recv_ns, None)
        return session

    def forget(self, connection_id: str) -> None:
        """Drop a session and its books."""
        self.sessions.pop(connection_id, None)
        for key in [key for key in self.books if key[0] == connection_id]:
            del self.books[key]

    def gaps_told(self) -> int:
        """Gaps of coverage since this process began, for each channel of each product.

        Those that ended and those that go on: after a lost connection there are as many as there
        were channels of products on it, with no hole in the numbering.
        """
        return self.tallies.gaps.total() + len(self.coverage.open_gaps())

    def products_of(self, connection_id: str) -> list[str]:
        """The products that a connection has books of, by name."""
        return sorted(product_id for line, product_id in self.books if line == connection_id)

    # --- doubt ----------------------------------------------------------------------------------

    def doubt_book(self, connection_id: str, product_id: str, reason: str, step: Step) -> bool:
        """Make a book STALE if it is LIVE; returns whether it was."""
        book = self.books.get((connection_id, product_id))
        if book is None or not book.doubt():
            return False
        if audit := self.audits.get((connection_id, product_id)):
            audit.lost()
        fields = {"connection_id": connection_id, "product_id": product_id, "reason": reason}
        step.facts.append(Fact("book_stale", fields))
        return True

    def lose_books(self, product_ids: Iterable[str], reason: str, place: Place) -> None:
        """End the coverage of the books that were LIVE, and ask for snapshots.

        They are in doubt since the last frame that came in order: of a frame whose number cannot be
        read, what was lost before it is not known yet.
        """
        session, connection_id = place.session, place.connection_id
        since_ns = session.ordered_ns
        lost = [
            product_id
            for product_id in product_ids
            if self.doubt_book(connection_id, product_id, reason, place.step)
        ]
        intervals: list[Interval] = []
        for product_id in lost:
            before = session.next_sequence - 1 if session.next_sequence else None
            missing = Missing(since_ns, reason, before, connection_id=connection_id)
            intervals += self.coverage.end((LEVEL2, product_id), connection_id, since_ns, missing)
        self.note(intervals, place.ingest_seq, place.step)
        self.resync(lost, reason, place)

    def resync(self, product_ids: Iterable[str], reason: str, place: Place) -> None:
        """Ask for fresh snapshots, of each product not too often, the most traded first.

        What is not asked for any more is not asked for again.
        """
        session, now_ns = place.session, place.origin.recv_ns
        wanted = [each for each in product_ids if session.promises((LEVEL2, each))]
        due = [each for each in wanted if session.resync(each, now_ns)]
        self.ask_again(LEVEL2, due, reason, place)

    def ask_again(
        self, channel: str, product_ids: Iterable[str], reason: str, place: Place
    ) -> None:
        """Ask for products of a channel anew, the most traded first."""
        traded = place.session.traded
        ordered = sorted(product_ids, key=lambda each: (-traded.get(each, 0), each))
        if ordered:
            request = Resubscribe(place.connection_id, channel, tuple(ordered), reason)
            place.step.requests.append(request)

    def ask_channel_again(
        self, channel: str, product_ids: Sequence[str], reason: str, place: Place
    ) -> None:
        """Ask for a channel anew; without products, for one whose subscription names none."""
        if product_ids:
            self.ask_again(channel, product_ids, reason, place)
        else:
            place.step.requests.append(Resubscribe(place.connection_id, channel, (), reason))

    # --- coverage -------------------------------------------------------------------------------

    def begin(self, key: Key, place: Place) -> None:
        """A connection records a channel of a product from here, if it did not yet.

        What it did not ask for is not recorded, or it would hide that nobody records it.
        """
        connection_id = place.connection_id
        if self.coverage.records(key, connection_id) or not place.session.promises(key):
            return
        verified = place.session.venue == ADVANCED or key[0] == TRADES
        now_ns = place.origin.recv_ns
        begun = self.coverage.begin(key, connection_id, now_ns, verified=verified)
        self.note(begun, place.ingest_seq, place.step)

    def end_trades(self, session: Session, product_id: str, missing: Missing) -> list[Interval]:
        """End what is recorded of trades with the last one, if a heartbeat named a later one."""
        key: Key = (TRADES, product_id)
        ids, lag = self.trades.get(product_id), session.lags.get(product_id)
        if lag is None or ids is None or ids.last is None or key not in session.spoken:
            return []
        if lag.trade_id <= ids.last:
            return []
        since_ns = session.heard_ns[key]
        lost = replace(missing, start_ns=since_ns, messages_missing=lag.trade_id - ids.last)
        return self.coverage.end(key, session.connection_id, since_ns, lost)

    def end_all(self, session: Session, missing: Missing) -> list[Interval]:
        """A connection records nothing any more, since ``missing`` begins."""
        ended: list[Interval] = []
        for product_id in sorted(session.lags):
            ended += self.end_trades(session, product_id, missing)
        return ended + self.coverage.end_all(session.connection_id, missing.start_ns, missing)

    # --- what is written down -------------------------------------------------------------------

    def count_fault(self, kind: str) -> None:
        """Count a fault whose row is written."""
        self.faults += 1
        self.tallies.faults[kind] += 1

    def fault(
        self,
        kind: str,
        detail: str,
        place: Place,
        *,
        channel: str | None = None,
        product_id: str | None = None,
        keep_raw: bool = True,
    ) -> None:
        """Write a row of `faults`; ``keep_raw``: the frame itself shows what is wrong.

        What came on a connection that has the account's own orders is in the capture only: others
        may read the table.
        """
        self.count_fault(kind)
        number = place.take(1)
        raw = place.raw if keep_raw and USER not in place.session.asked else None
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

    def note(self, intervals: list[Interval], noted_seq: int, step: Step) -> None:
        """Write rows of `coverage`."""
        if intervals:
            self.tallies.told(intervals)
            step.rows.append(coverage_rows(intervals, noted_seq))

    def tell_audits(
        self, audits: dict[tuple[str, str], Audit], end_ns: int, noted_seq: int, step: Step
    ) -> None:
        """Write rows of `audits`, of those that counted anything."""
        counted = [(*key, audits[key]) for key in sorted(audits) if audits[key].counted]
        for _, product_id, audit in counted:
            self.tallies.audited(product_id, audit)
        if counted:
            step.rows.append(audit_rows(counted, end_ns, noted_seq))
