"""The books along a replay."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from recorder.core.book import Book
from recorder.core.tables import LEVEL2
from recorder.dataset.events import LevelChanges
from recorder.dataset.gaps import Gap
from recorder.dataset.lines import Spans


class End(NamedTuple):
    """A connection records a product no longer: its book is not to be trusted from then on."""

    at_ns: int
    product_id: str
    connection_id: str


_NEVER = End(2**63, "", "")


def ends_of(spans: Spans) -> list[End]:
    """The ends of all spans, in the order of time."""
    return sorted(
        End(end_ns, product_id, line)
        for (product_id, line), mine in spans.items()
        if product_id is not None and line is not None
        for _, end_ns in mine
    )


class Books:
    """The books of a run, by product; inside by connection, as the recorder has them.

    ``shown`` has for each product the newest book that is trusted, of whatever connection.
    """

    def __init__(self, ends: Sequence[End] = ()) -> None:
        self.shown: dict[str, Book] = {}
        self._books: dict[tuple[str, str], Book] = {}
        self._first = 2**63
        self._ends: Iterator[End] = iter(ends)
        self.next_end = next(self._ends, _NEVER)

    def reach(self, at_ns: int) -> None:
        """Let time pass up to the next event: doubt the books whose connections ended."""
        while self.next_end.at_ns <= at_ns:
            _, product_id, line = self.next_end
            book = self._books.get((product_id, line))
            if book is not None and book.doubt():
                self._show_newest(product_id)
            self.next_end = next(self._ends, _NEVER)

    def take(self, event: LevelChanges | Gap) -> None:
        """Follow one event."""
        if isinstance(event, Gap):
            self._lose(event)
            return
        product_id, epoch = event.product_id, event.epoch
        book = self._books.get((product_id, event.connection_id)) or self._begin(event)
        if epoch is None:
            if book.doubt():
                self._show_newest(product_id)
        # Its lists have the names that a book takes them by; a copy would cost as much as to apply.
        elif epoch == book.epoch:
            book.apply(event)  # type: ignore[arg-type]
        elif event.kind != "update" or epoch >= self._first:
            # Changes of an epoch without a first row: its snapshot was empty.
            book.load(event, epoch)  # type: ignore[arg-type]
            self._show_newest(product_id)

    def _begin(self, event: LevelChanges) -> Book:
        """The first event of a book: none of its later ones has a smaller number."""
        self._first = min(self._first, event.ingest_seq)
        book = self._books[event.product_id, event.connection_id] = Book(event.product_id)
        self.shown.setdefault(event.product_id, book)
        return book

    def _lose(self, gap: Gap) -> None:
        if gap.channel == LEVEL2.name:
            for (product_id, _), book in self._books.items():
                if gap.product_id in (None, product_id):
                    book.doubt()

    def _show_newest(self, product_id: str) -> None:
        """Of several connections' books the newest that can be trusted is shown."""
        mine = [book for (of, _), book in self._books.items() if of == product_id]
        live = [book for book in mine if book.epoch is not None]
        if live:
            self.shown[product_id] = max(live, key=lambda book: book.epoch or 0)
