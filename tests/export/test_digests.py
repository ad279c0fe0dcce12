"""Digests tell books and trades apart, and nothing else."""

import numpy as np

from recorder.core.book import Book
from recorder.core.messages import Level2
from recorder.export.digests import Sum, digest_of


def test_a_book():
    """The same whatever holds the levels and in whatever order they came."""
    book = Book("BTC-USD")
    book.load(
        Level2("BTC-USD", True, ["bid", "bid", "ask"], [1.0, 2.0, 3.0], [5.0, 6.0, 7.0], 0), 1
    )
    assert digest_of(book.bids, book.asks) == digest_of({2.0: 6.0, 1.0: 5.0}, {3.0: 7.0})
    others = [
        ({2.0: 6.0}, {1.0: 5.0, 3.0: 7.0}),
        ({1.0: 5.0, 2.0: 6.5}, {3.0: 7.0}),
        ({1.0: 5.0, 2.0: 6.0}, {}),
        ({}, {}),
    ]
    digests = {digest_of(*each) for each in others} | {digest_of(book.bids, book.asks)}
    assert len(digests) == 5


def test_rows_without_an_order():
    """The order and the pieces do not matter; each value, and which row it is in, does."""
    numbers, prices = np.arange(1000), np.arange(1000) / 7
    whole, pieces, swapped = Sum(), Sum(), Sum()
    whole.add(numbers, prices)
    for part in np.array_split(np.random.default_rng(1).permutation(1000), 7):
        pieces.add(numbers[part], prices[part])
    assert whole == pieces
    assert whole.rows == 1000
    prices[[3, 4]] = prices[[4, 3]]
    swapped.add(numbers, prices)
    assert swapped.rows == whole.rows
    assert swapped != whole
