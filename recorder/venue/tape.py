"""What has traded in one product: trades, five-minute candles, and the figures of a day."""

from collections import deque
from dataclasses import dataclass
from random import Random

from recorder.venue.specs import Spec

CANDLE_NS = 300_000_000_000
CANDLES_KEPT = 100
SNAPSHOT_TRADES = 100
# The truth of a long run must not grow without end: the oldest trades go.
TRADES_KEPT_MAX = 200_000
# Of BTC-USD on 25 August 2026: 134,905,860,111 numbers and 1,081,862,675 trades.
ENGINE_EVENTS_A_TRADE = 125


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade. ``bid`` says that the maker was a buyer: the venue's side BUY. Ticks and lots.

    ``sequence`` is the engine's number of it, in a space of its product's own that only the
    Exchange feed shows.
    """

    trade_id: int
    time_ns: int
    price: int
    size: int
    bid: bool
    sequence: int = 0


@dataclass(slots=True)
class Candle:
    """Five minutes, in ticks and lots; ``start_s`` is seconds since 1970."""

    start_s: int
    open: int
    high: int
    low: int
    close: int
    volume: int

    def take(self, price: int, size: int) -> None:
        """Count one trade in."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += size


@dataclass(frozen=True, slots=True)
class Day:
    """The 24-hour and 52-week figures of a ticker, in ticks and lots.

    ``open`` is the price of a day ago, which the percentage of change is reckoned from.
    """

    volume: int
    low: int
    high: int
    low_year: int
    high_year: int
    open: int


class Tape:
    """The trades of one product from 100 before the start on, ids consecutive.

    ``sequence`` is the engine's newest number: it rises with everything that happens to the
    product, so between two trades it jumps.
    """

    def __init__(
        self, spec: Spec, bid: int, offer: int, start_ns: int, sizes: list[int], random: Random
    ) -> None:
        """Make the past: 100 trades in the last minutes and 100 candles, ending at the touch."""
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT_MAX)
        self.candles: deque[Candle] = deque(maxlen=CANDLES_KEPT)
        self._make_candles(bid, start_ns, sizes, random)
        apart_ns = 600_000_000 * 16 / spec.frames_a_second
        times = [start_ns - int(random.expovariate(1 / apart_ns))]
        while len(times) < SNAPSHOT_TRADES:
            times.append(times[-1] - int(random.expovariate(1 / apart_ns)))
        self.next_id = spec.last_trade_id
        self.sequence = spec.last_trade_id * ENGINE_EVENTS_A_TRADE
        for time_ns in reversed(times):
            hit_bid = random.random() < 0.5
            price = bid if hit_bid else offer
            self._append(time_ns // 1000 * 1000, price, random.choice(sizes), bid=hit_bid)
        last = self.trades[-1].price
        spread = max(2, last // 100)
        self._volume = sum(candle.volume for candle in self.candles) * 3
        self._low = min(last, *(candle.low for candle in self.candles)) - random.randrange(spread)
        self._high = max(last, *(candle.high for candle in self.candles)) + random.randrange(spread)
        self._open = max(1, last + random.randrange(-spread, spread))
        self._low_year = max(1, self._low * random.randrange(40, 90) // 100)
        self._high_year = self._high * random.randrange(120, 300) // 100
        self._low = max(self._low, self._low_year)

    def _make_candles(self, price: int, start_ns: int, sizes: list[int], random: Random) -> None:
        """Walk the price back from now; quiet five minutes have no candle at the venue."""
        start_s = start_ns // CANDLE_NS * 300
        step = max(1, price // 2000)
        past: list[Candle] = []
        for _ in range(CANDLES_KEPT):
            opened = max(1, price + random.randint(-step, step))
            high = max(opened, price) + random.randrange(step)
            low = max(1, min(opened, price) - random.randrange(step))
            volume = sum(random.choices(sizes, k=8))
            past.append(Candle(start_s, opened, high, low, price, volume))
            price = opened
            start_s -= 300 * random.choices((1, 2, 3), (90, 8, 2))[0]
        self.candles.extend(reversed(past))

    @property
    def last(self) -> Trade:
        """The newest trade."""
        return self.trades[-1]

    @property
    def day(self) -> Day:
        """The figures of the ticker as they stand."""
        return Day(self._volume, self._low, self._high, self._low_year, self._high_year, self._open)

    def newest_first(self) -> list[Trade]:
        """The last 100 trades, as the snapshot of a subscription has them."""
        last = len(self.trades)
        return [self.trades[at] for at in range(last - 1, max(-1, last - 1 - SNAPSHOT_TRADES), -1)]

    def trade(self, time_ns: int, price: int, size: int, *, bid: bool) -> Trade:
        """Book one trade; times must not go back."""
        made = self._append(time_ns, price, size, bid=bid)
        self._volume += size
        self._low = min(self._low, price)
        self._high = max(self._high, price)
        start_s = time_ns // CANDLE_NS * 300
        if self.candles[-1].start_s < start_s:
            self.candles.append(Candle(start_s, price, price, price, price, size))
        else:
            self.candles[-1].take(price, size)
        return made

    def _append(self, time_ns: int, price: int, size: int, *, bid: bool) -> Trade:
        self.sequence += 1 + self.next_id * 37 % 89
        made = Trade(self.next_id, time_ns, price, size, bid, self.sequence)
        self.next_id += 1
        self.trades.append(made)
        return made
