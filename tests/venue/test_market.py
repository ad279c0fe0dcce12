"""The market: a book that is never crossed, counted like the recordings, the same every time."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from recorder.venue import wire
from recorder.venue.market import Market, Step
from recorder.venue.specs import spec_of

START_NS = 1_786_309_548_000_000_000
SECOND_NS = 1_000_000_000
SECONDS = 120


@dataclass
class Counted:
    """What a reader of the market's steps counts, with a book of its own."""

    seconds: float
    kinds: Counter[str] = field(default_factory=Counter)
    distances: Counter[str] = field(default_factory=Counter)
    gaps_ms: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    trade_frames: int = 0
    trades: int = 0
    tickers: int = 0
    touches: set[tuple[int, int]] = field(default_factory=set)
    agrees: bool = True

    def share(self, kind: str) -> float:
        """Per cent of the changes."""
        return 100 * self.kinds[kind] / sum(self.sizes)


def count(name: str, seconds: int = SECONDS) -> Counted:
    """Let one product live for some seconds and count, as statistics.md counts."""
    market = Market(1, (name,), START_NS)
    product = market.products[name]
    bids, offers = dict(product.bids.sizes), dict(product.offers.sizes)
    counted = Counted(seconds)
    last_ns = None
    while market.due_ns < START_NS + seconds * SECOND_NS:
        step = market.step()
        if last_ns is not None:
            counted.gaps_ms.append((step.due_ns - last_ns) / 1e6)
        last_ns = step.due_ns
        counted.touches.add(touch := (product.bids.best(), product.offers.best()))
        apply(step, bids, offers, counted)
        assert touch[0] < touch[1]
        if step.touch:
            counted.tickers += 1
    counted.agrees = bids == product.bids.sizes and offers == product.offers.sizes
    return counted


def apply(step: Step, bids: dict[int, int], offers: dict[int, int], counted: Counted) -> None:
    """Apply a step to the reader's book and count its changes."""
    best = {True: max(bids), False: min(offers)}
    for bid, price, size in step.changes:
        side = bids if bid else offers
        behind = (best[bid] - price if bid else price - best[bid]) / best[bid] * 10_000
        edges = ((-1e-12, "<0"), (0, "0"), (1, "1"), (10, "10"), (100, "100"), (1000, "1000"))
        counted.distances[next((name for edge, name in edges if behind <= edge), ">")] += 1
        counted.kinds["bid"] += bid
        if size == 0:
            counted.kinds["delete" if price in side else "unknown"] += 1
            side.pop(price, None)
        else:
            kind = "insert" if price not in side else "same" if side[price] == size else "update"
            counted.kinds[kind] += 1
            side[price] = size
    counted.sizes.append(len(step.changes))
    counted.trade_frames += bool(step.trades)
    counted.trades += len(step.trades)


@pytest.fixture(scope="module", params=["BTC-USD", "ETH-USD"])
def counted(request: pytest.FixtureRequest) -> tuple[str, Counted]:
    """Two minutes of a calibrated product."""
    return request.param, count(request.param)


EXPECTED: dict[str, dict[str, Any]] = {
    "BTC-USD": {
        "insert": 26.1, "update": 45.2, "delete": 25.7, "same": 1.2, "unknown": 1.8, "bid": 75,
        "frames": 16.6, "changes": 82, "gaps": (14, 66, 14, 3, 3), "one": 26,
        "distances": {"<0": 0, "0": 3.6, "1": 5.5, "10": 35, "100": 30.5, "1000": 16.6, ">": 8.7},
    },
    "ETH-USD": {
        "insert": 19.4, "update": 59.5, "delete": 19.8, "same": 0.8, "unknown": 0.5, "bid": 70,
        "frames": 15.6, "changes": 108, "gaps": (8, 70, 13, 5, 4), "one": 23,
        "distances": {"<0": 3.3, "0": 3.7, "1": 11.9, "10": 34.9, "100": 34.8, "1000": 4.2,
                      ">": 7.2},
    },
}  # fmt: skip


def test_kinds_of_changes_as_counted(counted: tuple[str, Counted]) -> None:
    """Inserts, updates, deletes, repeats, unknown deletes and bids have the recording's shares."""
    name, found = counted
    for kind in ("insert", "update", "delete", "bid"):
        assert found.share(kind) == pytest.approx(EXPECTED[name][kind], abs=3), kind
    for kind in ("same", "unknown"):
        assert found.share(kind) == pytest.approx(EXPECTED[name][kind], abs=0.7), kind


def test_distances_as_counted(counted: tuple[str, Counted]) -> None:
    """Changes lie as far from the touch as in the recording."""
    name, found = counted
    for band, share in EXPECTED[name]["distances"].items():
        assert 100 * found.distances[band] / sum(found.sizes) == pytest.approx(share, abs=6), band


def test_rates_and_gaps_as_counted(counted: tuple[str, Counted]) -> None:
    """Frames and changes a second, the mix of intervals and frames with one change."""
    name, found = counted
    expected = EXPECTED[name]
    assert len(found.sizes) / found.seconds == pytest.approx(expected["frames"], rel=0.08)
    assert sum(found.sizes) / found.seconds == pytest.approx(expected["changes"], rel=0.12)
    mix = Counter(min(4, round(gap / 50)) for gap in found.gaps_ms)
    for intervals, share in enumerate(expected["gaps"]):
        assert 100 * mix[intervals] / len(found.gaps_ms) == pytest.approx(share, abs=4)
    one = 100 * found.sizes.count(1) / len(found.sizes)
    assert one == pytest.approx(expected["one"], abs=5)
    assert min(found.sizes) >= 1
    assert max(found.sizes) <= 36


def test_trades_and_tickers_as_counted(counted: tuple[str, Counted]) -> None:
    """1.3 frames of 1.4 trades and 3.3 tickers a second for a product, give or take a half."""
    _, found = counted
    assert 0.9 < found.trade_frames / found.seconds < 1.9
    assert 1.2 < found.trades / found.trade_frames < 1.7
    assert 2.0 < found.tickers / found.seconds < 7.0


def test_a_reader_that_applies_every_change_has_the_book(counted: tuple[str, Counted]) -> None:
    """The steps tell everything, and the touch moves."""
    _, found = counted
    assert found.agrees
    assert len(found.touches) > 5


@pytest.mark.parametrize("name", ["BTC-USD", "ETH-USD"])
def test_opening_book_as_counted(name: str) -> None:
    """Levels of a side, levels near the best, sizes and the extremes are the recording's."""
    product = Market(1, (name,), START_NS).products[name]
    spec = product.spec
    for side, ladder in ((spec.bid, product.bids), (spec.offer, product.offers)):
        assert len(ladder.sizes) == pytest.approx(side.levels, rel=0.02)
        best = ladder.best()
        for edge, levels in zip((1, 10, 100, 1000), side.levels_within, strict=True):
            near = sum(abs(price - best) <= best * edge / 10_000 for price in ladder.sizes)
            assert near == pytest.approx(levels, rel=0.05, abs=2)
        sizes = sorted(ladder.sizes.values())
        for share, quantile in zip((0.1, 0.5, 0.9), side.size_quantiles[:3], strict=True):
            assert sizes[int(share * len(sizes))] / 1e8 == pytest.approx(quantile, rel=0.15)
        assert sizes[-1] / 1e8 == side.size_quantiles[3]
    assert min(product.bids.sizes) == 1
    assert max(product.offers.sizes) == round(spec.price_max * 100)


def test_depth_thins_the_book_but_not_the_touch() -> None:
    """A thousandth of the depth still trades: a few hundred steps leave both sides standing."""
    market = Market(3, ("BTC-USD", "ETH-USD"), START_NS, depth=0.01)
    levels = [len(p.bids.sizes) for p in market.products.values()]
    assert levels == pytest.approx([188, 69], abs=6)
    for _ in range(5000):
        market.step()
    for product in market.products.values():
        assert product.bids.best() < product.offers.best()
        assert min(len(product.bids.sizes), len(product.offers.sizes)) >= 5


def test_a_long_life_changes_neither_depth_nor_price_much() -> None:
    """After an hour the sides have about as many levels as at the start, near the same price."""
    market = Market(1, ("BTC-USD", "ETH-USD"), START_NS, depth=0.05)
    products = market.products.values()
    opened = [(p.bids.best(), len(p.bids.sizes), len(p.offers.sizes)) for p in products]
    for _ in range(100_000):
        market.step()
    for product, (bid, bids, offers) in zip(products, opened, strict=True):
        assert product.bids.best() == pytest.approx(bid, rel=0.03)
        assert len(product.bids.sizes) == pytest.approx(bids, rel=0.2)
        assert len(product.offers.sizes) == pytest.approx(offers, rel=0.1)


def test_other_products_are_plausible_and_never_crossed() -> None:
    """Forty drawn products live for minutes within the measured rates."""
    names = tuple(f"COIN{number}-USD" for number in range(40))
    market = Market(5, names, START_NS)
    for _ in range(4000):
        step = market.step()
        product = market.products[step.spec.product_id]
        assert product.bids.best() < product.offers.best()
        assert product.bids.best() > 0
        assert step.changes
    rates = [spec_of(name, 5).frames_a_second for name in names]
    assert 0.03 <= min(rates) < max(rates) <= 16


def test_trades_are_consecutive_newest_first_and_at_makers_prices() -> None:
    """Ids go up by one across the snapshot and all steps; a frame has the newest first."""
    market = Market(2, ("ETH-USD",), START_NS, depth=0.05)
    tape = market.products["ETH-USD"].tape
    ids = [trade.trade_id for trade in reversed(tape.newest_first())]
    assert len(ids) == 100
    times = [tape.last.time_ns]
    for _ in range(3000):
        step = market.step()
        frame = [trade.trade_id for trade in step.trades]
        assert frame == sorted(frame, reverse=True)
        ids += frame[::-1]
        times += [trade.time_ns for trade in step.trades[::-1]]
        assert all(trade.time_ns <= step.event_ns < step.due_ns for trade in step.trades)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert times == sorted(times)


def test_a_ticker_agrees_with_the_book_of_its_step() -> None:
    """Best prices, their sizes and the last price are those of the book and the tape."""
    market = Market(2, ("BTC-USD",), START_NS, depth=0.05)
    product = market.products["BTC-USD"]
    seen = 0
    for _ in range(2000):
        touch = market.step().touch
        if touch:
            seen += 1
            assert touch.bid == max(product.bids.sizes)
            assert touch.offer_size == product.offers.sizes[min(product.offers.sizes)]
            assert touch.last == product.tape.last.price
            assert touch.day.low <= touch.last <= touch.day.high
    assert seen > 100


def test_a_product_does_not_depend_on_its_company() -> None:
    """The history of a product is the same alone and among others."""
    alone = Market(1, ("ETH-USD",), START_NS, depth=0.02)
    among = Market(1, ("BTC-USD", "ETH-USD", "DOGE-USD"), START_NS, depth=0.02)
    expected = [alone.step() for _ in range(100)]
    found = [step for step in (among.step() for _ in range(600)) if step.spec.price == 1_919.42]
    assert found[:100] == expected


@pytest.mark.parametrize("rate", [10.0, 100.0])
def test_rate_multiplies_the_steps(rate: float) -> None:
    """Ten times the rate gives ten times the steps in the same time."""
    market = Market(1, ("BTC-USD",), START_NS, rate=rate, depth=0.02)
    steps = 0
    while market.due_ns < START_NS + 5 * SECOND_NS:
        market.step()
        steps += 1
    assert steps == pytest.approx(5 * 16.6 * rate, rel=0.08)


def test_delay_puts_everything_off() -> None:
    """A venue that was late goes on with the same steps, later."""
    one, two = (Market(1, ("BTC-USD", "ETH-USD"), START_NS, depth=0.02) for _ in "12")
    two.delay(7 * SECOND_NS)
    assert two.due_ns == one.due_ns + 7 * SECOND_NS
    for _ in range(50):
        assert one.step().changes == two.step().changes


SCRIPT = """
import hashlib
from recorder.venue import wire
from recorder.venue.market import Market
market = Market(7, ("BTC-USD", "ETH-USD", "PEPE-USD"), 1786309548000000000, depth=0.02)
digest = hashlib.sha256()
for product in market.products.values():
    digest.update(wire.book_snapshot(product).encode())
for _ in range(500):
    step = market.step()
    digest.update(wire.book_update(step).encode())
    digest.update(wire.trades(step.spec, "update", step.trades).encode())
print(digest.hexdigest())
"""


def test_same_seed_same_frames_in_every_process() -> None:
    """Nothing hangs on the hash seed of Python."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(digests) == 1


def test_another_seed_is_another_market() -> None:
    """The seed decides the book."""
    first, second = (
        wire.book_snapshot(Market(seed, ("ETH-USD",), START_NS, depth=0.02).products["ETH-USD"])
        for seed in (1, 2)
    )
    assert first != second
