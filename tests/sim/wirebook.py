"""A book of our own, built from the texts of frames: what a client that loses nothing would hold.

It is a plain dict, read with a decoder that shares nothing with the recorder's, and its digest is
the exclusive or of a number for each level, so that it can be followed change by change.
"""

from collections.abc import Iterator
from functools import reduce
from itertools import repeat
from operator import itemgetter, xor

import msgspec

from recorder.core.book import Book

ADVANCED_BOOK = b'{"channel":"l2_data"'
EXCHANGE_BOOK = (b'{"type":"snapshot"', b'{"type":"l2update"')

Level = tuple[bool, float, float]  # whether it is a bid, price, size


class _Update(msgspec.Struct):
    side: str
    price_level: str
    new_quantity: str


class _Event(msgspec.Struct):
    type: str
    product_id: str
    updates: list[_Update]


class _Advanced(msgspec.Struct):
    events: list[_Event]


class _Exchange(msgspec.Struct):
    type: str
    product_id: str
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []
    changes: list[tuple[str, str, str]] = []


class Told(msgspec.Struct):
    """What a frame says of one book."""

    product_id: str
    snapshot: bool
    levels: list[Level]


_advanced = msgspec.json.Decoder(_Advanced).decode
_exchange = msgspec.json.Decoder(_Exchange).decode
_price, _size = itemgetter(0), itemgetter(1)


def told(raw: bytes) -> Iterator[Told]:
    """The books that a frame of either protocol speaks of; none where it cannot be read."""
    try:
        if raw.startswith(ADVANCED_BOOK):
            for event in _advanced(raw).events:
                levels = [
                    (each.side == "bid", float(each.price_level), float(each.new_quantity))
                    for each in event.updates
                ]
                yield Told(event.product_id, event.type == "snapshot", levels)
        elif raw.startswith(EXCHANGE_BOOK):
            frame = _exchange(raw)
            all_of_it = [("buy", *each) for each in frame.bids]
            all_of_it += [("sell", *each) for each in frame.asks]
            levels = [
                (side == "buy", float(price), float(size))
                for side, price, size in (*all_of_it, *frame.changes)
            ]
            yield Told(frame.product_id, frame.type == "snapshot", levels)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return


class WireBook:
    """One product's book on one connection."""

    __slots__ = ("_sizes", "digest")

    def __init__(self) -> None:
        self._sizes: dict[tuple[bool, float], float] = {}
        self.digest = 0

    def take(self, said: Told) -> None:
        """Follow what a frame says."""
        if said.snapshot:
            self._sizes.clear()
            self.digest = 0
        for is_bid, price, size in said.levels:
            old = self._sizes.pop((is_bid, price), 0.0)
            if old:
                self.digest ^= hash((is_bid, price, old))
            if size:
                self._sizes[is_bid, price] = size
                self.digest ^= hash((is_bid, price, size))


def digest_of(book: Book) -> int:
    """The digest of a book of the recorder; taken after every frame, so there is no loop here."""
    digest = 0
    for is_bid, side in ((True, book.bids), (False, book.asks)):
        held = side.best_first()
        levels = zip(repeat(is_bid), map(_price, held), map(_size, held), strict=False)
        digest = reduce(xor, map(hash, levels), digest)
    return digest


def digest_of_levels(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    """The digest of what `Venue.book` gives."""
    digest = 0
    for is_bid, levels in ((True, bids), (False, asks)):
        for price, size in levels:
            digest ^= hash((is_bid, float(price), float(size)))
    return digest
