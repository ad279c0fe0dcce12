"""What an import tells of what it read and wrote."""

import hashlib
from dataclasses import dataclass, field

from recorder.core.book import Book, BookState
from recorder.core.messages import ASK, BID
from recorder.core.numbers import plain


@dataclass(frozen=True, slots=True)
class BookSummary:
    """One book at the end of an import.

    ``sha256`` is of the lines ``bid PRICE SIZE``, best first, then ``ask PRICE SIZE``, best first,
    in plain notation.
    """

    bids: int
    asks: int
    best_bid: tuple[str, str] | None
    best_ask: tuple[str, str] | None
    sha256: str
    valid: bool


@dataclass(frozen=True, slots=True)
class TradesSummary:
    """The trades of one product: rows, distinct ids, and the range of ids."""

    trades: int
    distinct: int
    first_id: int
    last_id: int


@dataclass(slots=True)
class ImportReport:
    """What an import read and wrote. ``messages`` counts frames by channel and type.

    ``gaps`` are those of coverage, for each channel of each product; ``sequence_gaps`` are holes in
    the numbering.
    """

    files: int = 0
    frames_in: int = 0
    frames_out: int = 0
    connections: int = 0
    gaps: int = 0
    sequence_gaps: int = 0
    faults: int = 0
    hours: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    books: dict[str, BookSummary] = field(default_factory=dict)
    trades: dict[str, TradesSummary] = field(default_factory=dict)


def summarise(book: Book) -> BookSummary:
    """A book's size, best prices and digest."""
    digest = hashlib.sha256()
    best: dict[str, tuple[str, str] | None] = {BID: None, ASK: None}
    for side in (BID, ASK):
        for price, size in book.levels(side):
            price_text, size_text = book.texts(side, price)
            shown = plain(price, price_text), plain(size, size_text)
            best[side] = best[side] or shown
            digest.update(f"{side} {shown[0]} {shown[1]}\n".encode())
    return BookSummary(
        len(book.bids),
        len(book.asks),
        best[BID],
        best[ASK],
        digest.hexdigest(),
        book.state is BookState.LIVE,
    )
