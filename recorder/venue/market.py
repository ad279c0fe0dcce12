"""A seeded market: books that live, without a clock and without a socket.

Every product draws from a generator of its own, seeded with the market's seed and its name, so a
product's history is the same whatever others are traded and however often the market is asked.
Time is an argument, in nanoseconds since 1970.

A product moves in steps: the changes of one merge interval of 50 ms. The rules of a step:

* the book is never crossed, and each change of a step is at a price of its own;
* merging shows: a level that came and went is deleted without having been announced, and a level
  may be set to the size it has (32 and 29 of the 3,042 changes of the recording);
* trades are at the touch and take from the levels they meet, in the same step;
* when the spread is wider than usual, someone improves a side, more often the one that brings
  the price back to where it began, so that days of simulated time stay in range.
"""

from bisect import bisect
from heapq import heapify, heapreplace
from itertools import accumulate
from random import Random

from recorder.venue.ladder import Ladder
from recorder.venue.opening import (
    distance_table,
    opening_pool,
    opening_prices,
    size_table,
)
from recorder.venue.specs import Spec, spec_of
from recorder.venue.steps import Change, Step, Touch
from recorder.venue.tape import Tape, Trade

MERGE_NS = 50_000_000
# Fills of one frame of trades; the recording has 1.4 on average and 76 % with one.
FILLS = (1, 2, 3, 4, 6)
FILLS_WEIGHTS = (76, 16, 3, 3, 2)
# A ticker frame follows a change of the touch or of the last price, but not each: 3.3 a second.
TICKER_SHARE = 0.8
# A side never gets thinner than this, so that there is always a touch.
LEVELS_MIN = 5
ONLINE, OFFLINE, DELISTED = "online", "offline", "delisted"
NEVER_NS = 1 << 62
# What a frame's time has on the time of its changes: (share, ms), linear between.
LAG_MS = ((0.0, 11), (0.1, 17), (0.5, 33), (0.9, 95), (0.99, 323), (1.0, 516))


class Product:
    """One product's book and tape."""

    def __init__(self, spec: Spec, seed: int, depth: float, rate: float, start_ns: int) -> None:
        """Make the book as it stands at ``start_ns``; ``rate`` multiplies the steps a second."""
        self.spec = spec
        self._random = random = Random(f"{seed}/{spec.product_id}")
        self._distances = distance_table(spec, depth, random)
        self._sizes = (
            size_table(spec.offer, spec.size_digits, depth, random),
            size_table(spec.bid, spec.size_digits, depth, random),
        )
        self.offers = self._opening(depth, bid=False)
        self.bids = self._opening(depth, bid=True)
        bid, offer = self.bids.best(), self.offers.best()
        self._anchor = bid + offer
        self.tape = Tape(spec, bid, offer, start_ns, self._sizes[0], random)
        self._merge_ns = max(1, round(MERGE_NS / rate))
        self._gaps = list(accumulate(spec.gap_shares))
        self._counts = [share for share, _ in spec.change_counts]
        self._kinds = self._kind_edges()
        # As many deletes at the touch as improvements, and a few more, so that it moves.
        inside, at_touch = spec.distance_shares[:2]
        self._touch_delete = min(0.6, (inside + 0.002) / at_touch)
        self._grid_ns = start_ns + int(random.random() * self._merge_ns)
        self.due_ns = self._grid_ns
        self._event_ns = start_ns // 1000 * 1000
        self._told: tuple[int, ...] = ()
        self._plan_next()

    def _opening(self, depth: float, *, bid: bool) -> Ladder:
        """A side at the start, with the largest size of its figures somewhere far out."""
        spec, random = self.spec, self._random
        prices = opening_prices(spec, depth, random, bid=bid)
        table = self._sizes[bid]
        sizes = {price: random.choice(table) for price in prices}
        largest = (spec.bid if bid else spec.offer).size_quantiles[3]
        sizes[min(prices) if bid else max(prices)] = round(largest * 10**spec.size_digits)
        ladder = Ladder(bid=bid, sizes=sizes)
        best = ladder.best()
        sizes[best] = self._touch_size(bid=bid)
        ladder.pool = opening_pool(sizes, best, self._distances, random, bid=bid)
        ladder.pool_target = max(10, len(ladder.pool))
        return ladder

    def _kind_edges(self) -> tuple[float, float, float, float]:
        """Shares of insert, delete, same size and unknown delete among the changes off the touch.

        What trades and the touch do to the book are mostly updates, so these are drawn fewer.
        """
        spec = self.spec
        insert, _, delete = spec.kind_shares
        off = 1.0 - spec.distance_shares[0] - spec.distance_shares[1]
        trade = spec.trade_share * 1.4 / 6
        inserts = (insert - spec.distance_shares[0] * 0.5) / off
        deletes = (delete - spec.distance_shares[1] * 0.35) / off
        edges = (inserts, deletes, spec.same_share / off, spec.unknown_share / off)
        first, second, third, fourth = accumulate(edge * (1 + trade) for edge in edges)
        return first, second, third, fourth

    def _plan_next(self) -> None:
        """Set the time of the next step: some merge intervals on, or right after the last."""
        random = self._random
        draw = random.random()
        if self._gaps:
            count = bisect(self._gaps, draw)
            if count >= 4:
                count += random.random() < 0.4
        elif draw < 0.08:
            count = 0
        else:
            count = 1 + int(random.expovariate(0.92 * self.spec.frames_a_second / 20))
        if count:
            self._grid_ns += count * self._merge_ns
            self.due_ns = self._grid_ns
        else:
            self.due_ns += int(self._merge_ns * random.uniform(0.01, 0.08))

    def delay(self, by_ns: int) -> None:
        """Put off everything that is due, for a venue that could not keep up."""
        self._grid_ns += by_ns
        self.due_ns += by_ns

    def step(self) -> Step:
        """Live through the merge interval that is due, and plan the next."""
        random, spec, due_ns = self._random, self.spec, self.due_ns
        self._event_ns = max(self._event_ns + 1000, due_ns - self._lag_ns()) // 1000 * 1000
        bids: dict[int, int] = {}
        offers: dict[int, int] = {}
        trades: list[Trade] = []
        if random.random() < spec.trade_share:
            trades = self._trade(bids, offers)
        wanted = spec.change_counts[bisect(self._counts, random.random())][1]
        if wanted > 3:  # The steps of the table say "up to".
            wanted -= random.random() < 0.5
        if self.offers.best() - self.bids.best() > spec.spread_ticks and random.random() < 0.5:
            self._improve(bids, offers)
        share = spec.bid_share
        for _ in range(wanted - len(bids) - len(offers)):
            if random.random() < share:
                self._change(self.bids, bids, bid=True)
            else:
                self._change(self.offers, offers, bid=False)
        if not bids and not offers:
            self._resize_touch(self.bids, bids, bid=True)
        changes = [Change(bid=True, price=p, size=bids[p]) for p in sorted(bids, reverse=True)]
        changes += [Change(bid=False, price=p, size=offers[p]) for p in sorted(offers)]
        self.tape.sequence += 1 + 3 * len(changes)
        self._plan_next()
        touch = self._touch_if_told()
        return Step(spec, due_ns, self._event_ns, changes, trades[::-1], touch)

    def _lag_ns(self) -> int:
        draw = self._random.random()
        at = 1
        while LAG_MS[at][0] < draw:
            at += 1
        (share, low), (share_next, high) = LAG_MS[at - 1], LAG_MS[at]
        return int(1e6 * (low + (high - low) * (draw - share) / (share_next - share)))

    def _touch_size(self, *, bid: bool) -> int:
        """The size at a best price: in the upper half of the side's sizes."""
        return max(self._size(bid=bid), self._size(bid=bid), 2)

    def _size(self, *, bid: bool) -> int:
        table = self._sizes[bid]
        return table[int(self._random.random() * len(table))]

    def _change(self, ladder: Ladder, told: dict[int, int], *, bid: bool) -> None:
        """Change one level of a side, at a price that this step has not told of."""
        random = self._random
        draw = random.random()
        inside, at_touch = self.spec.distance_shares[:2]
        if draw < inside:
            if self.offers.best() - self.bids.best() > 1:
                self._insert_inside(ladder, told, bid=bid)
            else:
                self._resize_touch(ladder, told, bid=bid)
        elif draw < inside + at_touch:
            wide = self.offers.best() - self.bids.best() > self.spec.spread_ticks
            delete = self._touch_delete * (0.3 if wide else 1.0)
            if random.random() < delete and len(ladder.sizes) > LEVELS_MIN:
                price = ladder.best()
                ladder.delete(price)
                told[price] = 0
            else:
                self._resize_touch(ladder, told, bid=bid)
        else:
            self._change_behind(ladder, told, bid=bid)

    def _change_behind(self, ladder: Ladder, told: dict[int, int], *, bid: bool) -> None:
        """Quote behind the touch: the kinds as counted, the number of levels kept near its own."""
        inserts, deletes, sames, unknowns = self._kinds
        quoted = len(ladder.pool) / ladder.pool_target
        if quoted < 0.9 or len(ladder.sizes) <= LEVELS_MIN:
            inserts = deletes
        elif quoted > 1.1:
            inserts = 0.0
        draw = self._random.random()
        if draw < inserts:
            self._insert_behind(ladder, told, bid=bid)
        elif draw < deletes:
            price = ladder.pick(self._random, take=True)
            if price in told:
                ladder.pool.append(price)
            elif price is not None:
                ladder.delete(price)
                told[price] = 0
        elif sames <= draw < unknowns:
            came_and_went = self._price_behind(ladder, bid=bid)
            if came_and_went > 0 and came_and_went not in ladder.sizes:
                told.setdefault(came_and_went, 0)
        else:
            self._resize_behind(ladder, told, bid=bid, same=deletes <= draw < sames)

    def _insert_behind(self, ladder: Ladder, told: dict[int, int], *, bid: bool) -> None:
        """Make a level; where three tries find them all there already, change the last one."""
        for _ in range(3):
            price = self._price_behind(ladder, bid=bid)
            if price > 0 and price not in told and price not in ladder.sizes:
                ladder.pool.append(price)
                break
        if price > 0 and price not in told:
            told[price] = self._size(bid=bid)
            ladder.set(price, told[price])

    def _resize_behind(
        self, ladder: Ladder, told: dict[int, int], *, bid: bool, same: bool
    ) -> None:
        """Set a level to another size, or to the one it has."""
        price = self._price_behind(ladder, bid=bid)
        if price not in ladder.sizes or price in told:
            price = ladder.pick(self._random) or 0
        if price > 0 and price not in told:
            if not same:
                ladder.set(price, self._size(bid=bid))
            told[price] = ladder.sizes[price]

    def _price_behind(self, ladder: Ladder, *, bid: bool) -> int:
        """A price as far behind the touch as changes are; 0 or less where there is none."""
        best, table = ladder.best(), self._distances
        reach = max(1, round(best * table[int(self._random.random() * len(table))]))
        return best - reach if bid else best + reach

    def _insert_inside(self, ladder: Ladder, told: dict[int, int], *, bid: bool) -> None:
        """Improve a side by a price within the spread, which must be wider than one tick."""
        low, high = self.bids.best() + 1, self.offers.best() - 1
        reach = min(high - low, int(self._random.expovariate(0.5)))
        price = low + reach if bid else high - reach
        if price not in told:
            told[price] = self._touch_size(bid=bid)
            ladder.set(price, told[price])
            ladder.pool.append(price)

    def _improve(self, bids: dict[int, int], offers: dict[int, int]) -> None:
        """Close a wide spread to its usual width from one side."""
        bid, offer, spread = self.bids.best(), self.offers.best(), self.spec.spread_ticks
        pull = (self._anchor - bid - offer) / self._anchor * 50
        up = self._random.random() < 0.5 + pull
        ladder, told, price = (
            (self.bids, bids, offer - spread) if up else (self.offers, offers, bid + spread)
        )
        if price not in told:
            told[price] = self._touch_size(bid=up)
            ladder.set(price, told[price])
            ladder.pool.append(price)

    def _resize_touch(self, ladder: Ladder, told: dict[int, int], *, bid: bool) -> None:
        price = ladder.best()
        size = self._touch_size(bid=bid)
        ladder.set(price, size)
        told[price] = size

    def _trade(self, bids: dict[int, int], offers: dict[int, int]) -> list[Trade]:
        """One taker: fills at the best price of a side, oldest first, some through a level."""
        random, spec = self._random, self.spec
        bid = random.random() < 0.5
        ladder, told = (self.bids, bids) if bid else (self.offers, offers)
        made = []
        for _ in range(random.choices(FILLS, FILLS_WEIGHTS)[0]):
            price = ladder.best()
            there = ladder.sizes[price]
            through = random.random() < spec.trade_through_share or there < 2
            size = there if through else min(there - 1, self._size(bid=bid))
            if size == there and len(ladder.sizes) > LEVELS_MIN:
                ladder.delete(price)
                told[price] = 0
            else:
                size = max(1, min(size, there - 1))
                told[price] = max(1, there - size)
                ladder.set(price, told[price])
            made.append(self.tape.trade(self._event_ns, price, size, bid=bid))
        return made

    def touch(self) -> Touch:
        """The top of the book and the last price, as a ticker would say now."""
        bid, offer = self.bids.best(), self.offers.best()
        return Touch(
            bid, self.bids.sizes[bid], offer, self.offers.sizes[offer],
            self.tape.last.price, self.tape.day,
        )  # fmt: skip

    def _touch_if_told(self) -> Touch | None:
        """The touch if it, or the last price, differs from what the last ticker said."""
        bid, offer = self.bids.best(), self.offers.best()
        now = (
            bid, self.bids.sizes[bid], offer, self.offers.sizes[offer], self.tape.last.trade_id,
        )  # fmt: skip
        if now == self._told or self._random.random() >= TICKER_SHARE:
            return None
        self._told = now
        return self.touch()

    @property
    def event_ns(self) -> int:
        """The engine's time of the last step."""
        return self._event_ns


class Market:
    """The products of a venue, stepping in the order of their times."""

    def __init__(
        self,
        seed: int,
        products: tuple[str, ...],
        start_ns: int,
        *,
        rate: float = 1.0,
        depth: float = 1.0,
    ) -> None:
        """Open the market at ``start_ns``."""
        self.products = {
            name: Product(spec_of(name, seed), seed, depth, rate, start_ns) for name in products
        }
        # What the status channel says of each: online, offline or delisted.
        self.statuses = dict.fromkeys(self.products, ONLINE)
        self._due: list[tuple[int, int, Product]] = []
        self._plan()

    def _plan(self) -> None:
        """Order the products that trade by the time of their next step."""
        self._due = [
            (product.due_ns, number, product)
            for number, (name, product) in enumerate(self.products.items())
            if self.statuses[name] == ONLINE
        ]
        heapify(self._due)

    @property
    def due_ns(self) -> int:
        """When the next step is due; never, if nothing trades."""
        return self._due[0][0] if self._due else NEVER_NS

    def listed(self) -> list[str]:
        """The products that can be subscribed to: those that are not delisted."""
        return [name for name, status in self.statuses.items() if status != DELISTED]

    def set_status(self, name: str, status: str, now_ns: int) -> None:
        """Let a product trade, stand still, or end; what ended stays so."""
        if self.statuses[name] == DELISTED:
            return
        self.statuses[name] = status
        product = self.products[name]
        product.delay(max(0, now_ns - product.due_ns))
        self._plan()

    def step(self) -> Step:
        """Take the next step, whatever the time; the caller compares `due_ns` with its clock."""
        _, number, product = self._due[0]
        step = product.step()
        heapreplace(self._due, (product.due_ns, number, product))
        return step

    def delay(self, by_ns: int) -> None:
        """Put off every product's next step by as much."""
        for product in self.products.values():
            product.delay(by_ns)
        self._plan()
