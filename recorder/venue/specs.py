"""What a product's market looks like: counted for two products, drawn from the seed for others.

The figures of BTC-USD and ETH-USD were counted from 16 seconds of a public recording of Advanced
Trade on 9 August 2026 (a quiet Sunday evening). The range of the others, 0.03 to 16 frames a
second with a median of 2.6, was measured on 188 products in September 2026.

Prices are whole ticks of ``10 ** -price_digits`` of the quote currency, sizes whole lots of
``10 ** -size_digits`` of the base currency: the market computes with integers alone.
"""

import math
from dataclasses import dataclass, replace
from random import Random

# Bands of distance from the best price of a side, in basis points; the last one is open.
BANDS_BP = (1.0, 10.0, 100.0, 1000.0)

FRAMES_A_SECOND_MIN = 0.03
FRAMES_A_SECOND_MAX = 16.0
FRAMES_A_SECOND_MEDIAN = 2.6


@dataclass(frozen=True, slots=True)
class SideSpec:
    """One side of a book. Sizes in base currency.

    ``levels_within`` counts the levels up to each of `BANDS_BP` from the best, cumulatively;
    ``size_quantiles`` are the 10th, 50th and 90th hundredth and the largest.
    """

    levels: int
    levels_within: tuple[int, int, int, int]
    size_quantiles: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Spec:
    """The shape of one product's traffic. Shares are of 1, prices in quote currency.

    ``gap_shares`` are the shares of 0, 1, 2, 3 and more merge intervals between two update
    frames, or empty where frames come at random with the mean of the rate;
    ``change_counts`` are (share, most changes) steps of the changes in a frame;
    ``distance_shares`` are the shares of changes inside the spread, at the best price, and in each
    band of `BANDS_BP` (the open one last); the three of ``kind_shares`` are insert, update, delete.
    """

    product_id: str
    price_digits: int
    size_digits: int
    price: float
    spread_ticks: int
    bid: SideSpec
    offer: SideSpec
    frames_a_second: float
    gap_shares: tuple[float, ...]
    change_counts: tuple[tuple[float, int], ...]
    bid_share: float
    distance_shares: tuple[float, float, float, float, float, float, float]
    kind_shares: tuple[float, float, float]
    same_share: float
    unknown_share: float
    trade_share: float
    trade_through_share: float
    price_max: float
    last_trade_id: int


BTC_USD = Spec(
    product_id="BTC-USD",
    price_digits=2,
    size_digits=8,
    price=65_083.66,
    spread_ticks=1,
    bid=SideSpec(18_764, (19, 162, 577, 7_091), (0.0000356, 0.0035, 0.247, 65_000.0)),
    offer=SideSpec(27_236, (22, 180, 941, 4_666), (0.0000127, 0.0009, 0.1, 323.0)),
    frames_a_second=16.6,
    gap_shares=(0.14, 0.66, 0.14, 0.03, 0.03),
    change_counts=(
        (0.265, 1), (0.395, 2), (0.49, 3), (0.59, 5), (0.67, 6), (0.835, 8), (0.92, 10),
        (0.96, 13), (0.985, 17), (1.0, 25),
    ),
    bid_share=0.75,
    distance_shares=(0.0, 0.036, 0.055, 0.35, 0.305, 0.166, 0.087),
    kind_shares=(0.261, 0.452, 0.257),
    same_share=0.012,
    unknown_share=0.018,
    trade_share=0.08,
    trade_through_share=0.01,
    price_max=138_991_023.41,
    last_trade_id=1_068_572_000,
)  # fmt: skip

ETH_USD = Spec(
    product_id="ETH-USD",
    price_digits=2,
    size_digits=8,
    price=1_919.42,
    spread_ticks=7,
    bid=SideSpec(6_935, (10, 106, 422, 2_641), (0.00025, 0.050, 3.55, 22_153.0)),
    offer=SideSpec(16_399, (10, 105, 396, 2_288), (0.00029, 0.022, 3.52, 7_134.0)),
    frames_a_second=15.6,
    gap_shares=(0.08, 0.70, 0.13, 0.05, 0.04),
    change_counts=(
        (0.23, 1), (0.31, 2), (0.385, 3), (0.485, 5), (0.58, 6), (0.665, 8), (0.755, 10),
        (0.86, 13), (0.955, 17), (0.99, 25), (1.0, 30),
    ),
    bid_share=0.70,
    distance_shares=(0.033, 0.037, 0.119, 0.349, 0.348, 0.042, 0.072),
    kind_shares=(0.194, 0.595, 0.198),
    same_share=0.008,
    unknown_share=0.005,
    trade_share=0.08,
    trade_through_share=0.15,
    price_max=100_000_000.0,
    last_trade_id=833_140_700,
)  # fmt: skip

COUNTED = {spec.product_id: spec for spec in (BTC_USD, ETH_USD)}


def spec_of(product_id: str, seed: int) -> Spec:
    """The figures of a product: counted where we have them, else drawn from the seed."""
    return COUNTED.get(product_id) or _drawn(product_id, seed)


def _drawn(product_id: str, seed: int) -> Spec:
    """A plausible product; the same for the same seed and name, in every process."""
    random = Random(f"{seed}/{product_id}/spec")
    rate = FRAMES_A_SECOND_MEDIAN * math.exp(random.gauss(0.0, 1.6))
    rate = min(FRAMES_A_SECOND_MAX, max(FRAMES_A_SECOND_MIN, rate))
    price = 10.0 ** random.uniform(-3.0, 3.0)
    magnitude = math.floor(math.log10(price))
    levels = int(900 * (rate / FRAMES_A_SECOND_MEDIAN) ** 0.4 * math.exp(random.gauss(0.0, 0.3)))
    return replace(
        ETH_USD,
        product_id=product_id,
        price_digits=max(2, 4 - magnitude),
        size_digits=min(8, max(0, 5 + magnitude)),
        price=price,
        spread_ticks=random.choice((1, 1, 2, 3, 5, 8, 13)),
        bid=_drawn_side(random, levels, price),
        offer=_drawn_side(random, int(levels * random.uniform(0.8, 2.2)), price),
        frames_a_second=rate,
        gap_shares=ETH_USD.gap_shares if rate > 15.0 else (),
        bid_share=random.uniform(0.4, 0.7),
        trade_through_share=random.uniform(0.05, 0.3),
        price_max=price * 1000,
        last_trade_id=random.randrange(100_000, 300_000_000),
    )


def _drawn_side(random: Random, levels: int, price: float) -> SideSpec:
    """A thin side: fewer near levels than the two big products, sizes of some tens of dollars."""
    within = (levels // 200, levels // 40, levels // 6, levels // 2)
    middle = random.uniform(20.0, 400.0) / price
    return SideSpec(levels, within, (middle / 80, middle, middle * 60, middle * 200_000))
