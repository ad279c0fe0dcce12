"""How a side of a book is made at the start, and the tables that its life draws from."""

import math
from bisect import bisect
from random import Random

from recorder.venue.specs import BANDS_BP, SideSpec, Spec

# Draws kept in a table, by the levels of a side: many for a deep book, few so that 500 small ones,
# or thousands of simulations of a tiny one, start fast.
TABLE_SIZES = ((6_000, 4096), (100, 400), (0, 100))
POOL_LEVELS_MAX = 300
# Where traders like round numbers: of the prices, 34 % of BTC-USD's have no digit after the point
# and 7.5 % one.
WHOLE_SHARE = 0.36
TENTH_SHARE = 0.05
ROUND_FROM_BP = 10.0
# 81 % of the sizes above zero have all eight digits.
ROUND_SIZE_SHARE = 0.2


def table_size(side: SideSpec, depth: float) -> int:
    """How many draws to keep for a side."""
    return next(size for levels, size in TABLE_SIZES if side.levels * depth >= levels)


def size_table(side: SideSpec, digits: int, depth: float, random: Random) -> list[int]:
    """Sizes in lots, spread as the side's quantiles say (log-linear between them)."""
    p10, p50, p90, _ = side.size_quantiles
    shares = (0.0, 0.1, 0.5, 0.9, 1.0)
    logs = [math.log(size) for size in (p10 / 30, p10, p50, p90, p90 * 30)]
    table = []
    count = table_size(side, depth)
    for number in range(count):
        share = (number + 0.5) / count
        at = bisect(shares, share) - 1
        along = (share - shares[at]) / (shares[at + 1] - shares[at])
        size = math.exp(logs[at] + along * (logs[at + 1] - logs[at]))
        if random.random() < ROUND_SIZE_SHARE:
            size = float(f"{size:.2g}")
        table.append(max(1, round(size * 10**digits)))
    random.shuffle(table)
    return table


def distance_table(spec: Spec, depth: float, random: Random) -> list[float]:
    """Distances of changes behind the best price, as fractions of it."""
    edges = (0.05, *BANDS_BP, 5_000.0)
    shares = spec.distance_shares[2:]
    bands = random.choices(range(5), weights=shares, k=table_size(spec.bid, depth))
    return [_between(edges[band], edges[band + 1], random) / 10_000 for band in bands]


def _between(low: float, high: float, random: Random) -> float:
    return low * math.exp(math.log(high / low) * random.random())


def band_counts(side: SideSpec, depth: float) -> list[int]:
    """Levels in each band of distance when the book is thinned or thickened by ``depth``.

    The levels within 100 basis points stay as long as they are less than half of the rest: a
    thin book must still have a touch that trades can move.
    """
    total = max(10, round(side.levels * depth))
    w1, w10, w100, w1000 = side.levels_within
    near = min(w100, total // 2)
    counts = [_part(near, w1, w100), 0, 0, _part(total - near, w1000 - w100, side.levels - w100)]
    counts[1] = _part(near, w10 - w1, w100)
    counts[2] = near - counts[0] - counts[1]
    return [*counts, total - near - counts[3]]


def _part(whole: int, share: int, of: int) -> int:
    return round(whole * share / max(1, of))


def opening_prices(spec: Spec, depth: float, random: Random, *, bid: bool) -> list[int]:
    """The prices of a side at the start, in ticks, in no order; the best is among them."""
    side = spec.bid if bid else spec.offer
    scale = 10**spec.price_digits
    best = max(20, round(spec.price * scale)) + (0 if bid else spec.spread_ticks)
    farthest = 1 if bid else max(best * 2, round(spec.price_max * scale))
    prices = {best, farthest}
    edges = (0.0, *BANDS_BP)
    for band, wanted in enumerate(band_counts(side, depth)):
        low = edges[band]
        for _ in range(wanted - (2 if band == len(BANDS_BP) else 0)):
            for _ in range(4):  # A taken price is drawn again; a full band stays short.
                if band == len(BANDS_BP):
                    price = _far_price(best, farthest, random)
                else:
                    reach = max(1, round(best * random.uniform(low, edges[band + 1]) / 10_000))
                    price = best - reach if bid else best + reach
                if low >= ROUND_FROM_BP:
                    price = _rounded(price, scale, random, bid=bid)
                if price > 0 and price not in prices and (price < best) == bid:
                    prices.add(price)
                    break
    return list(prices)


def _far_price(best: int, farthest: int, random: Random) -> int:
    """Beyond 1,000 basis points: bids evenly down to one tick, offers evenly by their logarithm."""
    if farthest < best:
        return random.randint(farthest, best * 9 // 10)
    return round(_between(best * 1.1, farthest, random))


def _rounded(price: int, scale: int, random: Random, *, bid: bool) -> int:
    """Some prices on whole units and tenths of a unit, away from the touch."""
    draw = random.random()
    step = scale if draw < WHOLE_SHARE else scale // 10 if draw < WHOLE_SHARE + TENTH_SHARE else 1
    if step <= 1 or price < step:
        return price
    return price // step * step if bid else -(-price // step) * step


def opening_pool(
    sizes: dict[int, int], best: int, distances: list[float], random: Random, *, bid: bool
) -> list[int]:
    """The levels that are being quoted at the start, as far from the best as changes are."""
    ordered = sorted(sizes)
    pool = set()
    for _ in range(min(POOL_LEVELS_MAX, len(ordered) // 2)):
        reach = max(1, int(best * random.choice(distances)))
        at = bisect(ordered, best - reach if bid else best + reach)
        price = ordered[max(0, min(at, len(ordered) - 1))]
        if price != best:
            pool.add(price)
    return sorted(pool)
