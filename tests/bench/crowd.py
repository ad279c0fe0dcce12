"""Many products at once: what all of a venue's spot markets send, made beforehand.

Frames are kept in two halves, for their numbers are those of the connection that they go over.
"""

import re
from dataclasses import dataclass, replace

from recorder.venue import wire
from recorder.venue.market import Market, Product
from recorder.venue.steps import Step
from tests.bench.traffic import CHANNELS, SECOND_NS

ALL_PRODUCTS = 520  # distinct spot products of Coinbase in 2026
SEED = 8

Halves = tuple[bytes, bytes]

_number = re.compile(rb'"sequence_num":(\d+)')


def split(raw: bytes) -> Halves:
    """A frame without its number."""
    found = _number.search(raw)
    assert found is not None
    return raw[: found.start(1)], raw[found.end(1) :]


def numbered(halves: Halves, number: int) -> bytes:
    """The frame with another number."""
    return b"%b%d%b" % (halves[0], number, halves[1])


def names(count: int, *, big: bool = False) -> tuple[str, ...]:
    """So many products; ``big``: the two with the deepest books are among them."""
    drawn = tuple(f"COIN{number:03d}-USD" for number in range(count - 2 * big))
    return ("BTC-USD", "ETH-USD", *drawn) if big else drawn


@dataclass(frozen=True, slots=True)
class Due:
    """A frame and when it is sent, in nanoseconds from the begin; 0: as soon as it can be.

    ``channel`` is the name by which it is asked for.
    """

    after_ns: int
    channel: str
    product_id: str
    halves: Halves


@dataclass(frozen=True, slots=True)
class Crowd:
    """What one venue sends: the state of each product by channel, then frames in their order."""

    products: tuple[str, ...]
    openings: dict[tuple[str, str], Halves]
    frames: list[Due]
    changes: int

    @property
    def levels(self) -> int:
        """Levels of all books at the begin."""
        books = (each for (channel, _), each in self.openings.items() if channel == "level2")
        return sum(tail.count(b'"price_level"') for _, tail in books)


def make_crowd(
    products: tuple[str, ...], changes: int, start_ns: int, a_second: float | None
) -> Crowd:
    """At least so many changes of books, ``a_second`` of them, or None: as fast as they go."""
    market = Market(SEED, products, start_ns)
    openings = {
        (channel, each): split(raw)
        for each in products
        for channel, raw in opening(market.products[each], start_ns)
    }
    made: list[Due] = []
    count = 0
    while count < changes:
        step = market.step()
        count += len(step.changes)
        made += [Due(step.due_ns - start_ns, channel, step.spec.product_id, split(raw))
                 for channel, raw in frames_of(step)]  # fmt: skip
    span_s = 0.0 if a_second is None else count / a_second
    by = span_s * SECOND_NS / max(1, made[-1].after_ns)
    frames = [replace(each, after_ns=int(each.after_ns * by)) for each in made]
    return Crowd(products, openings, frames, count)


def frames_of(step: Step) -> list[tuple[str, bytes]]:
    """What a connection is told of a step, all numbered 0, with the channels asked for."""
    now_ns = step.due_ns
    told = [("level2", wire.frame("l2_data", now_ns, 0, wire.book_update(step)))]
    if step.trades:
        event = wire.trades(step.spec, "update", step.trades)
        told.append(("market_trades", wire.frame("market_trades", now_ns, 0, event)))
    if step.touch:
        event = wire.ticker(step.spec, "update", step.touch)
        told.append(("ticker", wire.frame("ticker", now_ns, 0, event)))
    return told


def opening(product: Product, now_ns: int) -> list[tuple[str, bytes]]:
    """The frames that answer a subscription of a product, by the channel asked for."""
    told = (
        ("level2", "l2_data", wire.book_snapshot(product)),
        ("market_trades", "market_trades",
         wire.trades(product.spec, "snapshot", product.tape.newest_first())),
        ("ticker", "ticker", wire.ticker(product.spec, "snapshot", product.touch())),
    )  # fmt: skip
    assert {asked for asked, _, _ in told} | {"heartbeats"} == set(CHANNELS)
    return [(asked, wire.frame(channel, now_ns, 0, event)) for asked, channel, event in told]
