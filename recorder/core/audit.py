"""The ticker against the book: does the best bid and ask that a ticker names stand in our book?

The two channels are not in step: the venue merges 50 ms of changes of the book, and a ticker comes
with a trade (`coinbase.md` §1.6.5, §1.6.6). So a ticker that does not fit the book of this moment
is held against the tops that the book had just before, and against those that it gets just after:

    agree     both prices are those of the book now
    lagging   each price was the book's best within `WINDOW_NS` before, or is so within it after
    disagree  neither

Once in a while a top comes and goes within the 50 ms and a ticker names it; but a book that
disagrees again and again is wrong.
"""

from collections import deque
from dataclasses import dataclass, field

WINDOW_NS = 2_000_000_000
RUN_MAX = 5  # tickers in a row, and
RUN_NS_MAX = 5_000_000_000  # as long: then the book is in doubt
WAITING_MAX = 256  # tickers that wait for their top; beyond that they are not held against it

Top = tuple[float | None, float | None]  # best bid, best ask


@dataclass(slots=True)
class _Waiting:
    """A ticker that did not fit when it came at ``at_ns``; the prices still to be met."""

    at_ns: int
    bid: float | None
    ask: float | None


@dataclass(slots=True)
class Audit:
    """The count of one book since ``start_ns``, and what it needs to go on counting."""

    start_ns: int
    agree: int = 0
    lagging: int = 0
    disagree: int = 0
    run: int = 0
    run_ns: int = 0
    top: Top = (None, None)
    before: deque[tuple[int, float | None, float | None]] = field(default_factory=deque)
    waiting: deque[_Waiting] = field(default_factory=deque)

    @property
    def counted(self) -> int:
        """How many tickers were judged."""
        return self.agree + self.lagging + self.disagree

    def moved(self, top: Top, now_ns: int) -> None:
        """The book's top is this from now on."""
        if self.before or self.waiting:
            self.settle(now_ns)
        if top != self.top:
            self.before.append((now_ns, *self.top))
            self.top = top
            if self.waiting:
                self._meet(*top)

    def lost(self) -> None:
        """The book is not LIVE any more: nothing can be held against it."""
        self.top = (None, None)
        self.run = 0
        self.before.clear()
        self.waiting.clear()

    def ticked(self, bid: float, ask: float, now_ns: int) -> None:
        """A ticker named its best bid and ask while the book was LIVE."""
        self.settle(now_ns)
        if (bid, ask) == self.top:
            self.agree += 1
            self.run = 0
            return
        bids, asks = {self.top[0]}, {self.top[1]}
        for _, bid_before, ask_before in self.before:
            bids.add(bid_before)
            asks.add(ask_before)
        if bid in bids and ask in asks:
            self._lag()
        elif len(self.waiting) < WAITING_MAX:
            missing = _Waiting(now_ns, None if bid in bids else bid, None if ask in asks else ask)
            self.waiting.append(missing)

    def settle(self, now_ns: int) -> None:
        """Forget tops that are too old; tickers that waited long enough disagree."""
        while self.before and self.before[0][0] < now_ns - WINDOW_NS:
            self.before.popleft()
        while self.waiting and self.waiting[0].at_ns < now_ns - WINDOW_NS:
            late = self.waiting.popleft()
            self.disagree += 1
            self.run += 1
            if self.run == 1:
                self.run_ns = late.at_ns

    def doubtful(self, now_ns: int) -> bool:
        """Whether the book has disagreed for too long."""
        return self.run >= RUN_MAX and now_ns >= self.run_ns + RUN_NS_MAX

    def _lag(self) -> None:
        self.lagging += 1
        self.run = 0

    def _meet(self, bid: float | None, ask: float | None) -> None:
        """A new top: the tickers that waited for its prices have met them."""
        still: deque[_Waiting] = deque()
        for each in self.waiting:
            if each.bid is not None and each.bid == bid:
                each.bid = None
            if each.ask is not None and each.ask == ask:
                each.ask = None
            if each.bid is None and each.ask is None:
                self._lag()
            else:
                still.append(each)
        self.waiting = still
