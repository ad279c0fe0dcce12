"""What the core knows of a product now, as it is found in its state; nothing is changed."""

from collections.abc import Iterable

from recorder.core.book import Book, BookState
from recorder.core.coverage import Missing
from recorder.core.messages import ASK, BID, LEVEL2
from recorder.core.numbers import plain
from recorder.core.pipeline import Pipeline

Level = tuple[str, str]


class Sight:
    """One product's book: the one to trust among those of its connections, and when it was heard.

    ``book`` is None where there was never any. ``reason`` says why it is not to be trusted.
    """

    __slots__ = ("book", "connection_id", "heard_ns", "product_id", "reason")

    def __init__(
        self,
        product_id: str,
        connection_id: str | None,
        book: Book | None,
        heard_ns: int | None,
        reason: str | None,
    ) -> None:
        self.product_id = product_id
        self.connection_id = connection_id
        self.book = book
        self.heard_ns = heard_ns
        self.reason = reason

    @property
    def valid(self) -> bool:
        """Whether it can be trusted."""
        return self.book is not None and self.book.state is BookState.LIVE

    @property
    def state(self) -> str:
        """``live``, ``stale`` or ``empty``."""
        return (BookState.EMPTY if self.book is None else self.book.state).value

    def levels(self, side: str, depth: int) -> list[Level]:
        """(price, size) as text, best first."""
        if self.book is None:
            return []
        found = self.book.levels(side, depth)
        if not self.book.has_texts():
            return [(plain(price), plain(size)) for price, size in found]
        shown: list[Level] = []
        for price, size in found:
            price_text, size_text = self.book.texts(side, price)
            shown.append((plain(price, price_text), plain(size, size_text)))
        return shown

    def top(self) -> tuple[Level | None, Level | None]:
        """The best bid and ask."""
        bids, asks = self.levels(BID, 1), self.levels(ASK, 1)
        return (bids[0] if bids else None, asks[0] if asks else None)


def sights(pipeline: Pipeline, product_ids: Iterable[str]) -> dict[str, Sight]:
    """The book of each of some products."""
    wanted = dict.fromkeys(product_ids)
    best: dict[str, Sight] = {}
    for (connection_id, product_id), book in pipeline.books.items():
        if product_id not in wanted:
            continue
        session = pipeline.sessions.get(connection_id)
        heard_ns = session.heard_ns.get((LEVEL2, product_id)) if session else None
        mine = Sight(product_id, connection_id, book, heard_ns, None)
        other = best.get(product_id)
        if other is None or _rank(mine) > _rank(other):
            best[product_id] = mine
    for product_id in wanted:
        sight = best.setdefault(product_id, Sight(product_id, None, None, None, None))
        if not sight.valid:
            sight.reason = why_missing(pipeline, LEVEL2, product_id)
    return {product_id: best[product_id] for product_id in wanted}


def sight(pipeline: Pipeline, product_id: str) -> Sight:
    """The book of one product."""
    return sights(pipeline, [product_id])[product_id]


def _rank(sight: Sight) -> tuple[bool, int]:
    return sight.valid, sight.heard_ns or 0


def why_missing(pipeline: Pipeline, channel: str, product_id: str | None) -> str:
    """Why a channel of a product is not recorded now: a reason of `coverage`."""
    missing = missing_of(pipeline, channel, product_id)
    if missing is not None:
        return missing.reason
    track = pipeline.coverage.tracks.get((channel, product_id))
    if track is None:
        return "not_recorded"
    return "no_snapshot"


def missing_of(pipeline: Pipeline, channel: str, product_id: str | None) -> Missing | None:
    """The gap that a channel of a product is in now."""
    track = pipeline.coverage.tracks.get((channel, product_id))
    return None if track is None or track.recordings else track.missing
