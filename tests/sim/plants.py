"""Bugs. Each breaks the product in the process that it is applied in, and only there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from recorder.core import content, marks
from recorder.core.book import Book, BookState
from recorder.core.coverage import Coverage, Interval
from recorder.core.frames import Closed, Frame, Sent
from recorder.core.knowledge import Knowledge
from recorder.core.pipeline import Pipeline
from recorder.core.session import Gap, Late, Session
from recorder.core.trades import TradeIds
from recorder.daemon import Recorder
from recorder.feed import connection as feed
from recorder.feed.connection import Connection
from recorder.feed.plan import Pace
from recorder.store.capture_writer import CaptureWriter

BUDGET = 200  # seeds


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug: what it breaks, and how."""

    what: str
    apply: Callable[[], None]


# --- order ----------------------------------------------------------------------------------------


def _ignore_gaps() -> None:
    check = Session.check

    def lenient(self: Session, sequence: int) -> Gap | Late | None:
        found = check(self, sequence)
        return None if isinstance(found, Gap) else found

    Session.check = lenient


def _apply_late() -> None:
    check = Session.check

    def lenient(self: Session, sequence: int) -> Gap | Late | None:
        found = check(self, sequence)
        return None if isinstance(found, Late) else found

    Session.check = lenient


def _check_after_applying() -> None:
    """The frame after a gap is applied before the gap is told."""
    gap, understood = Pipeline._gap, Pipeline._understood
    waiting: list[tuple[Any, Any]] = []

    def understand_first(self: Pipeline, decoded: Any, place: Any) -> None:
        understood(self, decoded, place)
        while waiting:
            gap(self, *waiting.pop())

    Pipeline._gap = lambda _self, found, place: waiting.append((found, place))
    Pipeline._understood = understand_first


def _route_before_gate() -> None:
    """What a frame says is taken before its number is looked at, so late ones are, too."""
    late, understood = Pipeline._late, Pipeline._understood

    def take_late(self: Pipeline, found: Late, place: Any) -> None:
        understood(self, marks.wire_of(place.session.venue).decode(place.raw), place)
        late(self, found, place)

    Pipeline._late = take_late


def _off_by_one() -> None:
    """A gap's begin is one too early: it names a frame that was recorded."""
    gap = Pipeline._gap
    Pipeline._gap = lambda self, found, place: gap(
        self, replace(found, expected=max(1, found.expected - 1)), place
    )


# --- books ----------------------------------------------------------------------------------------


def _doubt_nothing() -> None:
    """A gap is counted and told, and the books stay LIVE."""
    doubt = Knowledge.doubt_book

    def trusting(self: Knowledge, connection_id: str, product_id: str, reason: str, step: Any):
        return reason == "sequence_gap" or doubt(self, connection_id, product_id, reason, step)

    Knowledge.doubt_book = trusting


def _doubt_the_wrong_line() -> None:
    """A gap makes the books of another connection STALE."""
    doubt = Knowledge.doubt_book

    def mistaken(self: Knowledge, connection_id: str, product_id: str, reason: str, step: Any):
        others = [line for line in self.sessions if line != connection_id]
        return doubt(self, others[0] if others else connection_id, product_id, reason, step)

    Knowledge.doubt_book = mistaken


def _keep_epoch() -> None:
    """A STALE book's rows go on to say that they build on its snapshot."""

    def doubt(self: Book) -> bool:
        was_live = self.state is BookState.LIVE
        self.state = BookState.STALE if was_live else self.state
        return was_live

    Book.doubt = doubt


def _apply_before_snapshot() -> None:
    """Updates build a book that never had a snapshot."""
    joined_late = content._joined_late

    def build(known: Any, book: Book, place: Any) -> None:
        joined_late(known, book, place)
        book.state, book.epoch = BookState.LIVE, place.ingest_seq

    content._joined_late = build


def _forget_unknown_side() -> None:
    """The checkpoint of an hour has no asks."""
    checkpoint_rows = marks.checkpoint_rows

    def bids_only(product_id: str, connection_id: str, recv_ns: int, first: int, levels: Any):
        kept = [level for level in levels if level[0] == "bid"]
        return checkpoint_rows(product_id, connection_id, recv_ns, first, kept)

    marks.checkpoint_rows = bids_only


def _forget_a_change() -> None:
    """The last change of a message is in the book and in no row."""
    level2_rows = content.level2_rows

    def fewer(message: Any, *rest: Any) -> Any:
        lists = ("sides", "prices", "sizes", "price_texts", "size_texts", "event_us")
        cut = {name: getattr(message, name) for name in lists}
        cut = {name: each[:-1] for name, each in cut.items() if isinstance(each, list)}
        return level2_rows(
            structs.replace(message, **cut) if len(message.prices) > 1 else message, *rest
        )

    content.level2_rows = fewer


def _no_epoch() -> None:
    """Rows never say which snapshot they build on."""
    level2_rows = content.level2_rows
    content.level2_rows = lambda message, origin, first, _epoch: level2_rows(
        message, origin, first, None
    )


def _swap_trade() -> None:
    """A trade's price and size are one another's."""
    trades_rows = content.trades_rows
    content.trades_rows = lambda product_id, kind, trades, *rest: trades_rows(
        product_id,
        kind,
        [structs.replace(each, price=each.size, size=each.price) for each in trades],
        *rest,
    )


def _forget_tickers() -> None:
    """A ticker that the book was held against is no row."""
    audit = content._audit

    def forgetful(known: Any, ticker: Any, place: Any) -> None:
        audit(known, ticker, place)
        if known.audits.get((place.connection_id, ticker.product_id)):
            place.step.rows.pop()

    content._audit = forgetful


def _swap_candle() -> None:
    """A candle's first price is written as its last and the other way round."""
    rows = content.candle_rows

    def swapped(candle: Any, *rest: Any) -> Any:
        values = candle.values | {"open": candle.values["close"], "close": candle.values["open"]}
        return rows(structs.replace(candle, values=values), *rest)

    content.candle_rows = swapped


def _swap_rules() -> None:
    """A product's steps of price and size are swapped."""
    rows = content.status_rows

    def swapped(message: Any, *rest: Any) -> Any:
        steps = {
            "base_increment": message.rules["quote_increment"],
            "quote_increment": message.rules["base_increment"],
        }
        return rows(structs.replace(message, rules=message.rules | steps), *rest)

    content.status_rows = swapped


# --- the ledger -----------------------------------------------------------------------------------


def _forget_row() -> None:
    """Gaps of trades are not written down."""
    note = Knowledge.note

    def forgetful(self: Knowledge, intervals: list[Interval], *rest: Any) -> None:
        kept = [
            each for each in intervals if (each.channel, each.state) != ("market_trades", "gap")
        ]
        note(self, kept, *rest)

    Knowledge.note = forgetful


def _end_late() -> None:
    """What a session recorded is said to end when its end was noticed."""
    closed = marks.closed
    marks.closed = lambda known, mark, *rest: closed(
        known, structs.replace(mark, orderly=True), *rest
    )


def _never_ends() -> None:
    """An interval goes on over a gap."""
    end_all = Coverage.end_all

    def endless(self: Coverage, connection_id: str, at_ns: int, missing: Any) -> list[Interval]:
        if missing.reason == "sequence_gap":
            return []
        return end_all(self, connection_id, at_ns, missing)

    Coverage.end_all = endless


def _double_trades() -> None:
    """Trades that a snapshot repeats after a reconnect are new again."""
    TradeIds.take = lambda _self, _trade_id: (True, 0)


def _forget_holes() -> None:
    """Missing trades are not told."""
    take = TradeIds.take
    TradeIds.take = lambda self, trade_id: (take(self, trade_id)[0], 0)


# --- the capture ----------------------------------------------------------------------------------


def _lose_lines(kind: type) -> None:
    append = CaptureWriter.append

    def forgetful(self: CaptureWriter, arrival: Any) -> int:
        return self.reached if isinstance(arrival, kind) else append(self, arrival)

    CaptureWriter.append = forgetful


def _lose_unreadable() -> None:
    """Frames that are no JSON do not reach the capture."""
    append = CaptureWriter.append

    def picky(self: CaptureWriter, arrival: Any) -> int:
        if isinstance(arrival, Frame) and not arrival.raw.endswith(b"}"):
            return self.reached
        return append(self, arrival)

    CaptureWriter.append = picky


# --- the feed -------------------------------------------------------------------------------------


def _subscribe_only() -> None:
    """A fresh snapshot is asked for without unsubscribing first: none comes."""
    send = Connection._send

    async def half(
        self: Connection, socket: Any, connection_id: str, kind: str, *rest: Any, **how: Any
    ):
        if kind != "unsubscribe":
            await send(self, socket, connection_id, kind, *rest, **how)

    Connection._send = half


def _take_1000_for_final() -> None:
    closed = Connection._closed

    def final(self: Connection, end: Any) -> None:
        closed(self, end)
        if not end.ours and end.code == 1000:
            self._stopping = True

    Connection._closed = final


def _hammer() -> None:
    """The pause between two dials never grows."""
    feed.BACKOFF_S_MAX = feed.BACKOFF_S_FIRST


def _forgive() -> None:
    """The pause begins anew after every session on which frames came."""
    feed.GOOD_S = -1.0


def _no_pace() -> None:
    async def at_once(self: Pace, *, urgent: bool = False) -> None:
        """Do not wait."""

    Pace.wait_turn = at_once


def _resync_always() -> None:
    Session.resync = lambda _self, _product_id, _now_ns: True


def _never_silent() -> None:
    """Nobody notices that a connection is dead; the library's pings do, after 20 s, if they do."""
    Pipeline.deadlines_ns = lambda *_: {}
    Recorder._watch_silence = _nothing


async def _nothing(_self: Any) -> None:
    """Watch nothing."""


def _ask_once() -> None:
    """What is asked for and does not come is not asked for again."""
    Session.unanswered = lambda *_: []
    Session.overdue = lambda *_: []


def _leave_once() -> None:
    """An unsubscription that was refused is not repeated."""
    Session.not_left = lambda *_: []


def _never_give_up() -> None:
    """What is still on its way when it was unsubscribed is recorded again."""
    Session.gave_up = lambda _self, _key: False


def _miss_no_trades() -> None:
    """Trades that are missing where no frame is are told as a fault, and as no gap."""
    content._miss_trades = lambda *_: None


PLANTS = {
    "ignore-gaps": Plant("gaps are ignored", _ignore_gaps),
    "check-after": Plant("a frame is checked after it is applied", _check_after_applying),
    "late-applied": Plant("late frames are applied", _apply_late),
    "before-gate": Plant("routed before the gate", _route_before_gate),
    "off-by-one": Plant("a gap names a recorded frame", _off_by_one),
    "book-stays-live": Plant("a gap is counted, the book stays LIVE", _doubt_nothing),
    "wrong-line": Plant("the wrong connection is made STALE", _doubt_the_wrong_line),
    "epoch-kept": Plant("a STALE book keeps its epoch", _keep_epoch),
    "before-snapshot": Plant("updates before the snapshot are applied", _apply_before_snapshot),
    "half-checkpoint": Plant("the checkpoint lacks a side", _forget_unknown_side),
    "change-lost": Plant("a change is in the book and in no row", _forget_a_change),
    "no-epoch": Plant("rows do not say what they build on", _no_epoch),
    "trade-swapped": Plant("a trade's price and size are swapped", _swap_trade),
    "ticker-lost": Plant("tickers are audited and not recorded", _forget_tickers),
    "candle-swapped": Plant("a candle's first and last price are swapped", _swap_candle),
    "rules-swapped": Plant("a product's steps of price and size are swapped", _swap_rules),
    "forgotten-row": Plant("a row of the ledger is forgotten", _forget_row),
    "ends-late": Plant("recorded up to when the end was noticed", _end_late),
    "never-ends": Plant("an interval goes on over a gap", _never_ends),
    "double-trades": Plant("trades count twice after a reconnect", _double_trades),
    "holes-untold": Plant("missing trades are not told", _forget_holes),
    "no-closed-line": Plant("closes are not captured", lambda: _lose_lines(Closed)),
    "no-sent-line": Plant("requests are not captured", lambda: _lose_lines(Sent)),
    "no-bad-frames": Plant("unreadable frames are not captured", _lose_unreadable),
    "subscribe-only": Plant("subscribed again without unsubscribing", _subscribe_only),
    "1000-final": Plant("1000 is taken for the end", _take_1000_for_final),
    "hammer": Plant("the pauses do not grow", _hammer),
    "forgive": Plant("the back-off is reset too early", _forgive),
    "no-pace": Plant("requests go out without a limit", _no_pace),
    "resync-always": Plant("fresh snapshots without limits", _resync_always),
    "never-silent": Plant("silence is not noticed", _never_silent),
    "no-trade-gap": Plant("missing trades are no gap", _miss_no_trades),
    "leave-once": Plant("refused unsubscriptions are final", _leave_once),
    "never-left": Plant("what was unsubscribed begins again", _never_give_up),
    "ask-once": Plant("what did not come is not asked for again", _ask_once),
}
