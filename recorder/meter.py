"""What is counted of every frame while somebody may look on: plain counts, no locks.

`recorder.http` reads them when it is asked. Without it there is no meter: how long frames take is
always measured, by `recorder.latency`.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recorder.core.collected import trades_apart
from recorder.core.frames import Arrival, Frame
from recorder.core.messages import LEVEL2, TRADES, USER, Resubscribe
from recorder.core.pipeline import Step
from recorder.core.rows import Columns, Rows
from recorder.core.tables import TABLES
from recorder.histogram import Histogram

TRAVEL_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PAUSES_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

# Tables whose blocks are messages of a channel, by the channel's name, and where in a block the
# product and the venue's time stand.
_CHANNELS = {"trades": TRADES, "user_orders": USER}


class _Place(NamedTuple):
    """The channel of a table, and where in a block its columns stand."""

    channel: str
    product: int
    sequence: int
    recv: int
    exchange: int


_PLACES = {
    name: _Place(
        _CHANNELS.get(name, name),
        *map(table.stored().index, ("product_id", "sequence", "recv_ns", "exchange_ns")),
    )
    for name, table in TABLES.items()
    if name in {LEVEL2, "trades", "ticker", "candles", "heartbeats", "status"}
}
CHANNELS = tuple(place.channel for place in _PLACES.values())

_TRADE_ID = TABLES["trades"].stored().index("trade_id")

Follower = Callable[[Step], None]


class Meter:
    """Counts of frames and their times.

    ``messages`` are by (channel, product or None), ``heard_ns`` is when a channel's last one came;
    ``travel`` is how long frames of a channel took from the venue to us, by both clocks, at least
    0. ``pauses`` are those of the garbage collector. ``resyncs`` counts books that were asked for
    again, ``backfilled`` trades that came by REST, by product. ``trades`` has, by product, the rows
    whose last one is its newest trade. Each of ``followers`` is given every step.
    """

    def __init__(self) -> None:
        self.messages: Counter[tuple[str, str | None]] = Counter()
        self.heard_ns: dict[str, int] = {}
        self.travel = {channel: Histogram(TRAVEL_S) for channel in CHANNELS}
        self.pauses = Histogram(PAUSES_S)
        self.resyncs: Counter[tuple[str, str]] = Counter()
        self.trades: dict[str, Rows] = {}
        self.backfilled: Counter[str] = Counter()
        self.followers: list[Follower] = []

    def took(self, arrival: Arrival, step: Step) -> None:
        """Count an arrival and what it came to."""
        if type(arrival) is Frame:
            self._rows(step)
        self._rest(step)

    def took_frames(self, step: Step) -> None:
        """Count frames that were taken together, and what they came to."""
        self._rows(step)
        self._rest(step)

    def _rest(self, step: Step) -> None:
        for request in step.requests:
            if isinstance(request, Resubscribe) and request.channel == LEVEL2:
                for product_id in request.product_ids:
                    self.resyncs[product_id, request.reason] += 1
        for fact in step.facts:
            if fact.event == "trades_backfilled":
                self.backfilled[fact.fields["product_id"]] += fact.fields["trades"]
        for follow in self.followers:
            follow(step)

    def _rows(self, step: Step) -> None:
        before = None
        for block in step.rows:
            place = _PLACES.get(block.table)
            if place is None:
                continue
            if type(block) is Columns:
                self._columns(block, place)
                continue
            channel, values = place.channel, block.values
            self.messages[channel, values[place.product]] += 1
            if channel == TRADES:
                self._traded(values[place.product], block)
            recv_ns = values[place.recv]
            frame = channel, values[place.sequence], recv_ns
            if frame == before:
                continue  # messages of one frame travelled together
            before = frame
            self.heard_ns[channel] = recv_ns
            exchange_ns = values[place.exchange]
            if exchange_ns is not None:
                self.travel[channel].observe(max(0, recv_ns - exchange_ns) * 1e-9)

    def _columns(self, block: Columns, place: _Place) -> None:
        """Count rows of many frames, each a message, as if they came one by one."""
        channel, values = place.channel, block.values
        sequence, products = values[place.sequence], values[place.product]
        begins = np.flatnonzero(np.append(True, sequence[1:] != sequence[:-1]))
        counts = np.bincount(products.places[begins], minlength=len(products.words))
        for product_id, count in zip(products.words, counts.tolist(), strict=True):
            if count:
                self.messages[channel, product_id] += count
        recv_ns = values[place.recv][begins]
        self.heard_ns[channel] = int(recv_ns[-1])
        travel = self.travel[channel]
        for took_ns in np.maximum(0, recv_ns - values[place.exchange][begins]).tolist():
            travel.observe(took_ns * 1e-9)
        if channel == TRADES:
            for each in trades_apart(block):
                self._traded(each.values[place.product], each)

    def _traded(self, product_id: str, block: Rows) -> None:
        """Keep the newest trade; those that were fetched later are older."""
        before = self.trades.get(product_id)
        if before is None or block.values[_TRADE_ID][-1] > before.values[_TRADE_ID][-1]:
            self.trades[product_id] = block
