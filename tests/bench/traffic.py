"""What is measured on: the recorded traffic where it lies beside the checkout, and made traffic.

The recording has 694 frames. Where volume is needed, the venue's market gives it, in the same
shapes and at full depth, without a clock or a socket.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from recorder.store.ndjson import read_lines
from recorder.venue import wire
from recorder.venue.market import Market
from recorder.venue.session import Session
from tests.captures import ADVANCED

PRODUCTS = ("BTC-USD", "ETH-USD")
CHANNELS = ("heartbeats", "level2", "market_trades", "ticker")
START_NS = 1_795_287_600_000_000_000  # 2026-11-21T19:00:00Z, a full hour
SECOND_NS = 1_000_000_000

Stamped = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Frames of one connection, each with its time, from sequence number 0 on."""

    source: str
    frames: list[Stamped]

    @property
    def bytes(self) -> int:
        """Bytes of all frames."""
        return sum(len(raw) for _, raw in self.frames)

    def snapshots(self) -> list[Stamped]:
        """The frames that hold a whole book."""
        return [each for each in self.frames if _is_book(each[1], b"snapshot")]

    def updates(self) -> list[Stamped]:
        """The frames that hold changes of a book."""
        return [each for each in self.frames if _is_book(each[1], b"update")]


def _is_book(raw: bytes, kind: bytes) -> bool:
    head = raw[:400]
    return b'"channel":"l2_data"' in head and b'"type":"' + kind + b'"' in head


def changes_in(frames: list[Stamped]) -> int:
    """Changes of books in some frames, snapshots included."""
    return sum(raw.count(b'"price_level"') for _, raw in frames)


def recorded() -> Traffic | None:
    """The recording of Advanced Trade; None where it is not beside the checkout."""
    if not ADVANCED.exists():
        return None
    lines = [line for line in read_lines(ADVANCED) if not line.outgoing]
    return Traffic("recorded", [(line.t_ns or START_NS, line.raw) for line in lines])


def made(
    changes: int,
    *,
    depth: float = 1.0,
    rate: float = 1.0,
    products: tuple[str, ...] = PRODUCTS,
) -> Traffic:
    """At least so many changes of the venue's market, after its snapshots.

    At ``rate`` 1 an hour has 680,000 of them; a higher one keeps more within one hour.
    """
    return Traffic("made by the venue", list(make(changes, depth, rate, products)))


def make(
    changes: int, depth: float, rate: float, products: tuple[str, ...] = PRODUCTS
) -> Iterator[Stamped]:
    """The frames of it one by one, for more of them than memory holds."""
    market = Market(1, products, START_NS, rate=rate, depth=depth)
    session = Session(market)
    for channel in CHANNELS:
        request = {"type": "subscribe", "channel": channel, "product_ids": products}
        session.receive(json.dumps(request), START_NS)
    while session.owes():
        for raw in session.turn(START_NS):
            yield START_NS, raw
    count, beat_ns = 0, START_NS + SECOND_NS
    while count < changes:
        step = market.step()
        now_ns = step.due_ns
        while now_ns >= beat_ns:
            event = wire.heartbeat(beat_ns, beat_ns - START_NS)
            yield beat_ns, session.number("heartbeats", event, beat_ns)
            beat_ns += SECOND_NS
        count += len(step.changes)
        yield now_ns, session.number("l2_data", wire.book_update(step), now_ns)
        if step.trades:
            event = wire.trades(step.spec, "update", step.trades)
            yield now_ns, session.number("market_trades", event, now_ns)
        if step.touch:
            event = wire.ticker(step.spec, "update", step.touch)
            yield now_ns, session.number("ticker", event, now_ns)
