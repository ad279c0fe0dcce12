"""The course of one product's market, as every format needs it: whole books, changes, trades.

What was recorded is told again in the order of receipt, simplified where formats of others cannot
take it as it is. Of several connections one is followed, the one whose book is shown. A message's
changes are put so that no level is crossed on the way: removals first, each level once. Where the
book was not to be trusted, it is `Lost` until the next whole one. Trades that came later than they
happened stand at their own time, as if they had come at once.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from recorder.core.book import Book
from recorder.dataset import Dataset, Event, Gap, LevelChanges, Trade
from recorder.export.digests import digest_of

_BID = "bid"
_DAY_NS = 86_400_000_000_000
_MINUTE_NS = 60_000_000_000

Level = tuple[bool, float, float, bool]
"""Whether it is a bid, its price, its size (0: removed), and whether the level was held before."""
Texts = dict[tuple[bool, float], tuple[str | None, str | None]]
"""Wire texts of the price and size of those levels whose numbers a float does not give back."""


class Day(NamedTuple):
    """A day (UTC) begins, by the time of receipt; a `Whole` follows where there is a book."""

    day: date


class Whole(NamedTuple):
    """A whole book that replaces what was there: bids, then asks, the best first."""

    local_ns: int
    exch_ns: int
    levels: list[Level]
    gone: list[Level]
    texts: Texts | None


class Changes(NamedTuple):
    """The changes of one message: removals first, then new sizes; each level once."""

    local_ns: int
    exch_ns: int
    levels: list[Level]
    texts: Texts | None
    sequence: int | None


class Lost(NamedTuple):
    """From here on the book is not to be trusted; ``gone`` are its levels."""

    local_ns: int
    exch_ns: int
    gone: list[Level]


class Deal(NamedTuple):
    """A trade; ``buy`` says what the taker did, None where nobody knows."""

    local_ns: int
    exch_ns: int
    trade_id: int
    buy: bool | None
    price: float
    size: float
    price_text: str | None
    size_text: str | None


class Checkpoint(NamedTuple):
    """What the book is here, as the recorder's reader has it: a digest of all levels."""

    at_ns: int
    digest: bytes


Item = Day | Whole | Changes | Lost | Deal | Checkpoint


@dataclass(slots=True)
class Counts:
    """What a course has told so far."""

    snapshots: int = 0
    losses: int = 0
    changes: int = 0
    trades: int = 0
    late_trades: int = 0
    now_ns: int = 0


class Course:
    """What happened to a product in [start, end), item by item; memory is that of its book.

    ``late`` are trades that came later than they happened, in the order of their time.
    """

    def __init__(
        self, db: Dataset, product_id: str, start_ns: int, end_ns: int, late: Iterable[Deal] = ()
    ) -> None:
        self.product_id = product_id
        self.counts = Counts(now_ns=start_ns)
        self._run = db.replay(
            product_id, start_ns, end_ns, ("level2", "trades"), books=True, allow_gaps=True
        )
        self._late = deque(late)
        self._end_ns = end_ns
        # What whoever follows the items holds: bids, asks.
        self._held: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self._book: Book | None = None
        self._epoch: int | None = None
        self._exch_ns = 0
        self._day_ns = 0
        self._check_ns = 0

    def __iter__(self) -> Iterator[Item]:
        for event in self._run:
            at_ns = max(event.recv_ns, self.counts.now_ns)
            while self._late and self._late[0].local_ns <= at_ns:
                yield from self._days(self._late[0].local_ns)
                yield self._late_deal()
            self.counts.now_ns = at_ns
            if at_ns >= self._day_ns and (type(event) is not Gap or self._epoch is not None):
                yield from self._days(at_ns)
            book = self._run.books.get(self.product_id)
            epoch = None if book is None else book.epoch
            if epoch is None or epoch != self._epoch:
                yield from self._other_book(event, book, at_ns)
            elif type(event) is LevelChanges and event.epoch == epoch:
                yield self._changes(event, at_ns)
                if at_ns >= self._check_ns:
                    yield self._checkpoint(at_ns)
            if type(event) is Trade and event.kind == "update":
                self.counts.trades += 1
                yield deal_of(event, at_ns)
        while self._late:
            yield from self._days(self._late[0].local_ns)
            yield self._late_deal()
        if self._epoch is not None:
            yield self._checkpoint(self.counts.now_ns)

    def _days(self, at_ns: int) -> Iterator[Item]:
        if at_ns < self._day_ns:
            return
        self._day_ns = (at_ns // _DAY_NS + 1) * _DAY_NS
        yield Day(datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).date())
        if self._epoch is not None:
            texts = None if self._book is None else _texts(self._book)
            yield Whole(at_ns, max(self._exch_ns, 0) or at_ns, self._levels(), [], texts)

    def _late_deal(self) -> Deal:
        self.counts.late_trades += 1
        self.counts.trades += 1
        return self._late.popleft()

    def _other_book(self, event: Event, book: Book | None, at_ns: int) -> Iterator[Item]:
        """The book is lost, or another one, or the same one as an hour begins with it."""
        if book is None or book.epoch is None:
            if self._epoch is not None:
                if book is self._book:
                    yield self._checkpoint(at_ns)
                self.counts.losses += 1
                yield Lost(at_ns, self._exch_at(at_ns), self._gone({}, {}))
                self._held[0].clear()
                self._held[1].clear()
                self._epoch = None
            return
        bids, asks = dict(book.bids.items()), dict(book.asks.items())
        if self._epoch is None or (bids, asks) != self._held:
            exch_ns = at_ns
            if type(event) is LevelChanges and event.kind == "snapshot" and event.exchange_ns:
                exch_ns = event.exchange_ns
            gone = self._gone(bids, asks)
            self._held = bids, asks
            self.counts.snapshots += 1
            self._exch_ns = exch_ns
            yield Whole(at_ns, exch_ns, self._levels(), gone, _texts(book))
        self._book, self._epoch = book, book.epoch
        yield self._checkpoint(at_ns)

    def _changes(self, event: LevelChanges, at_ns: int) -> Changes:
        sizes = event.sizes
        keys = [
            (side == _BID, price) for side, price in zip(event.sides, event.prices, strict=True)
        ]
        places: Iterable[int] = range(len(sizes))
        if len(sizes) > 1:
            last = {key: at for at, key in enumerate(keys)}.values()
            places = sorted(last, key=lambda at: sizes[at] > 0)
        levels = []
        for at in places:
            (bid, price), size = keys[at], sizes[at]
            held = self._held[0 if bid else 1]
            levels.append((bid, price, size, price in held))
            if size:
                held[price] = size
            else:
                held.pop(price, None)
        texts: Texts | None = None
        if event.price_texts is not None or event.size_texts is not None:
            some = [None] * len(sizes)
            texts = dict(
                zip(
                    keys,
                    zip(event.price_texts or some, event.size_texts or some, strict=True),
                    strict=True,
                )
            )
        self.counts.changes += len(levels)
        exch_ns = engine_ns(event.event_us, event.exchange_ns, at_ns)
        self._exch_ns = exch_ns
        return Changes(at_ns, exch_ns, levels, texts, event.sequence)

    def _checkpoint(self, at_ns: int) -> Checkpoint:
        assert self._book is not None
        self._check_ns = at_ns // _MINUTE_NS * _MINUTE_NS + _MINUTE_NS
        return Checkpoint(at_ns, digest_of(self._book.bids, self._book.asks))

    def _exch_at(self, at_ns: int) -> int:
        return min(max(self._exch_ns, 0) or at_ns, at_ns)

    def _levels(self) -> list[Level]:
        bids, asks = self._held
        return [
            *((True, price, bids[price], False) for price in sorted(bids, reverse=True)),
            *((False, price, asks[price], False) for price in sorted(asks)),
        ]

    def _gone(self, bids: dict[float, float], asks: dict[float, float]) -> list[Level]:
        """The levels held that a new book has not."""
        return [
            (bid, price, 0.0, True)
            for bid, held, new in ((True, self._held[0], bids), (False, self._held[1], asks))
            for price in held
            if price not in new
        ]


def engine_ns(event_us: int | None, exchange_ns: int | None, local_ns: int) -> int:
    """When it happened at the venue, as near as is known."""
    if event_us is not None:
        return event_us * 1000
    return local_ns if exchange_ns is None else exchange_ns


def deal_of(trade: Trade, local_ns: int) -> Deal:
    """A trade as it came."""
    return Deal(
        local_ns,
        engine_ns(trade.trade_us, trade.exchange_ns, local_ns),
        trade.trade_id,
        None if trade.taker_side is None else trade.taker_side == "BUY",
        trade.price,
        trade.size,
        trade.price_text,
        trade.size_text,
    )


def _texts(book: Book) -> Texts | None:
    if not book.has_texts():
        return None
    return {
        (side == _BID, price): book.texts(side, price)
        for side, levels in ((_BID, book.bids), ("ask", book.asks))
        for price in levels
    }
