"""What is known at this moment of a recording: what somebody who comes late is told first.

A book is known while the recorder trusted it: from a snapshot on, until something was lost.
"""

from collections import deque

from recorder.broadcast import wire
from recorder.broadcast.told import HEARTBEATS, Hole, Told, Track, Whole
from recorder.core.book import Book, BookState
from recorder.core.messages import Candle, Level2, Message, ProductStatus, Ticker, Trade, Trades

# A line whose beats are not heard for so long leaves them to another one.
BEATS_NS_MAX = 3_000_000_000
TRADES_KEPT = 100  # as many as the venue repeats to a new subscriber (`coinbase.md` §1.6.4)
CANDLES_KEPT = 100


class Known:
    """The present of every product, and which recorded line tells of it."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self._lines: dict[Track, str] = {}
        self._beat: tuple[str, int] | None = None
        self._trades: dict[str, deque[Trade]] = {}
        self._tickers: dict[Track, Ticker] = {}
        self._candles: dict[str, dict[int, Candle]] = {}
        self._rules: dict[str, ProductStatus] = {}
        self._texts: dict[str, str] = {}

    def take(self, told: Told) -> list[str]:
        """Follow a frame; gives the products that it is the one to tell of ("" for a beat).

        Where two lines carried the same product, the one that sent the newest snapshot tells. What
        has no line is told in any case.
        """
        if told.channel == HEARTBEATS[0]:
            return self._take_beat(told)
        led = []
        for product_id in told.product_ids:
            track = told.channel, product_id
            if told.snapshot or not told.line or not self._lines.get(track):
                self._lines[track] = told.line
            if self._lines[track] == told.line:
                led.append(product_id)
        for message in told.messages:
            if getattr(message, "product_id", None) in led:
                self._learn(told.channel, message)
        return led

    def _take_beat(self, told: Told) -> list[str]:
        """Every line beats; one of them is enough."""
        if self._beat is not None:
            line, heard_ns = self._beat
            if line != told.line and told.recv_ns - heard_ns < BEATS_NS_MAX:
                return []
        self._beat = told.line, told.recv_ns
        return [""]

    def learn_book(self, whole: Whole) -> bool:
        """Take a book for what it is here; whether it is news: another than was known, or none."""
        product_id = whole.book.product_id
        fresh = Book(product_id)
        fresh.load(whole.book, 0)
        self._lines["level2", product_id] = whole.line
        known = self.books.get(product_id)
        self.books[product_id] = fresh
        self._texts.pop(product_id, None)
        return (
            known is None
            or known.state is not BookState.LIVE
            or (known.bids != fresh.bids or known.asks != fresh.asks)
        )

    def lose(self, hole: Hole) -> frozenset[Track]:
        """Doubt what was lost; gives the tracks that the hole is in. A beat more or less is none.

        What is told of a track after its line has ended, or after a hole in the tables, may come on
        any line.
        """
        tracks = hole.tracks - {HEARTBEATS}
        if hole.line is not None:
            tracks |= {track for track, line in self._lines.items() if line == hole.line}
        for channel, product_id in tracks:
            if channel == "level2" and product_id in self.books:
                self.books[product_id].doubt()
        if hole.ended or hole.line is None:
            for track in tracks:
                self._lines.pop(track, None)
        return tracks

    def book(self, product_id: str) -> Book | None:
        """The book of a product, where it can be trusted."""
        book = self.books.get(product_id)
        return book if book is not None and book.state is BookState.LIVE else None

    def present(self, channel: str, product_id: str) -> str | None:
        """The event of a snapshot of a channel of a product; None where there is nothing to say."""
        match channel:
            case "level2":
                return self._book_text(product_id)
            case "market_trades":
                trades = self._trades.get(product_id)
                return wire.trades("snapshot", list(trades)) if trades else None
            case "candles":
                kept = self._candles.get(product_id, {})
                newest_first = [kept[start] for start in sorted(kept, reverse=True)]
                return wire.candles("snapshot", newest_first) if kept else None
            case "status":
                rules = self._rules.get(product_id)
                return wire.status("snapshot", [rules]) if rules else None
            case _:
                ticker = self._tickers.get((channel, product_id))
                return wire.tickers("snapshot", [ticker]) if ticker else None

    def _book_text(self, product_id: str) -> str | None:
        book = self.book(product_id)
        if book is None:
            return None
        if product_id not in self._texts:
            self._texts[product_id] = wire.book(book)
        return self._texts[product_id]

    def _learn(self, channel: str, message: Message) -> None:
        match message:
            case Level2():
                self._learn_changes(message)
            case Trades():
                self._learn_trades(message)
            case Ticker():
                self._tickers[channel, message.product_id] = message
            case Candle():
                kept = self._candles.setdefault(message.product_id, {})
                kept[message.start_us] = message
                if len(kept) > CANDLES_KEPT:
                    del kept[min(kept)]
            case ProductStatus():
                self._rules[message.product_id] = message

    def _learn_changes(self, changes: Level2) -> None:
        product_id = changes.product_id
        self._texts.pop(product_id, None)
        book = self.books.setdefault(product_id, Book(product_id))
        if changes.snapshot:
            book.load(changes, 0)
        elif book.state is BookState.LIVE:
            book.apply(changes)
            if book.crossed():
                book.doubt()  # as the recorder did; it asked for a snapshot, which comes

    def _learn_trades(self, message: Trades) -> None:
        kept = self._trades.setdefault(message.product_id, deque(maxlen=TRADES_KEPT))
        last = kept[-1].trade_id if kept else -1
        kept.extend(trade for trade in message.trades if trade.trade_id > last)
