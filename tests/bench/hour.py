"""A busy hour of many products as live parts, made without a market: for what sealing takes.

The figures of the design are of 6.2 million rows of 302 products. A market that made them would run
for minutes; to a seal it is the same whether sizes and prices were ever a book's.
"""

from collections.abc import Iterator

import numpy as np

from recorder.core.frames import FIRST_OFFSET, hour_base
from recorder.core.rows import Rows
from recorder.core.tables import LEVEL2
from recorder.store.parts import to_arrow, write_cut, write_part
from recorder.store.paths import Root
from tests.bench.traffic import SECOND_NS, START_NS

PRODUCTS = 302
PARTS = 360  # one every 10 s
BYTES_A_CHANGE = 90  # of raw frames: what the offsets advance by
CHANGES_A_MESSAGE = 4
HOUR = START_NS // (3600 * SECOND_NS)


def make_hour(root: Root, rows: int) -> int:
    """Publish the parts of an hour with so many rows of level2; returns the hour."""
    random = np.random.default_rng(6)
    products = [f"COIN{number:03d}-USD" for number in range(PRODUCTS)]
    weights = 1 / np.arange(1, PRODUCTS + 1)  # a few products have most of the changes
    weights /= weights.sum()
    first = 0
    for number, count in enumerate(_shares(rows)):
        end = FIRST_OFFSET + (number + 1) * (rows // PARTS) * BYTES_A_CHANGE
        numbers = np.sort(random.choice(PRODUCTS, count, p=weights))
        block = _block(random, products, numbers, number, max(first, FIRST_OFFSET), end)
        arrow = to_arrow(LEVEL2, [block])
        write_part(root, LEVEL2, arrow, HOUR, first, end)
        write_cut(root, HOUR, first, end, {"level2": count}, b"{}", START_NS)
        first = end
    return HOUR


def _shares(rows: int) -> Iterator[int]:
    for number in range(PARTS):
        yield rows * (number + 1) // PARTS - rows * number // PARTS


def _block(
    random: np.random.Generator, products: list[str], numbers: np.ndarray,
    part: int, first: int, end: int,
) -> Rows:  # fmt: skip
    """The changes of 10 s, in the types and with the repetitions of real ones."""
    count = len(numbers)
    order = random.permutation(count)  # as they arrive
    numbers = numbers[order]
    message = np.arange(count) // CHANGES_A_MESSAGE
    at_ns = START_NS + part * 10 * SECOND_NS + message * (10 * SECOND_NS // (message[-1] + 1))
    step = 10.0 ** -(numbers % 5)
    price = np.round((1000 + random.normal(0, 40, count)) * step * 100) / 100 * (1 + numbers % 7)
    size = np.where(random.random(count) < 0.4, 0.0, np.round(random.exponential(0.3, count), 8))
    sides = np.where(random.random(count) < 0.5, "bid", "ask")
    offsets = np.linspace(first, end - 1, count).astype(np.int64)
    values = {
        "product_id": [products[number] for number in numbers],
        "kind": "update",
        "side": sides.tolist(),
        "price": price.tolist(),
        "size": size.tolist(),
        "event_time": (at_ns // 1000 - random.integers(500, 40_000, count)).tolist(),
        "book_epoch": (hour_base(HOUR) + FIRST_OFFSET + numbers * 7).tolist(),
        "sequence": (part * 100_000 + message).tolist(),
        "ingest_seq": (hour_base(HOUR) + offsets).tolist(),
        "connection_id": [f"ws{number % 13 + 1}-20261121T190001.000Z" for number in numbers],
        "recv_ns": at_ns.tolist(),
        "exchange_ns": (at_ns - 3_000_000).tolist(),
        "price_text": None,
        "size_text": None,
    }
    return Rows("level2", count, tuple(values[name] for name in LEVEL2.stored()))
