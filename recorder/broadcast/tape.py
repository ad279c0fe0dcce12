"""A recording as one run of items: hours whose capture is kept from there, the others from tables.

What comes before the begin, and whole books, are for knowing only: with them a client that
subscribes at the begin is told how things stood then.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recorder.broadcast.captured import Captured
from recorder.broadcast.tabled import CHANNELS, Tabled
from recorder.broadcast.told import Item, Told, Whole
from recorder.checkpoints import first_mark, read_books
from recorder.core import state as states
from recorder.core.frames import FIRST_OFFSET, HOUR_NS
from recorder.dataset import Dataset
from recorder.dataset.files import View
from recorder.dataset.inventory import known_products
from recorder.errors import NoInputError, UsageError
from recorder.store.capture import end_of
from recorder.store.paths import Root

# So much of the tables is read for trades, tickers and rules that were known at the begin.
_BEFORE_NS = 600 * 1_000_000_000


class Tape:
    """What was recorded of products (None: of all) in [start, end), nanoseconds since 1970.

    ``start_ns`` and ``end_ns`` are those of what there is; ``captured`` and ``tabled`` count the
    hours that were told from either so far.

    Raises:
        NoInputError: there is no such directory, or nothing is recorded in it, or in the range.
        UsageError: the range is empty, or a product is not recorded.
    """

    def __init__(
        self,
        path: Path,
        products: Sequence[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> None:
        db = Dataset(path)
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise UsageError("The range is empty: its end is not behind its start.")
        self._root = Root(path)
        view = View(self._root)
        self._hours = self._held(view, start_ns, end_ns)
        self.product_ids = self._chosen(view, products)
        self._from_ns = start_ns
        self._open_end = end_ns is None
        self.start_ns = max(start_ns or 0, self._hours[0] * HOUR_NS)
        self.end_ns = min(end_ns or 2**63, self._last(self._hours[-1]))
        self._until_ns = end_ns if end_ns is not None else (self._hours[-1] + 1) * HOUR_NS
        self.captured = 0
        self.tabled = 0
        self._tables = Tabled(db, self.product_ids)
        self._capture = Captured()

    def _held(self, view: View, start_ns: int | None, end_ns: int | None) -> list[int]:
        captured = self._root.captured_hours()
        held = sorted({*view.hours(), *captured})
        if not held:
            raise NoInputError(f"{self._root.path}: nothing is recorded there yet.")
        first = held[0] if start_ns is None else start_ns // HOUR_NS
        last = held[-1] if end_ns is None else (end_ns - 1) // HOUR_NS
        hours = [hour for hour in held if first <= hour <= last]
        if not hours:
            raise NoInputError(
                f"{self._root.path}: nothing is recorded in that range. `recorder products` tells "
                "from when to when there is something."
            )
        return hours

    def _chosen(self, view: View, wanted: Sequence[str] | None) -> tuple[str, ...]:
        known = known_products(view)
        for hour in self._hours:
            if not view.holds(hour) and (mark := first_mark(self._root, hour)) is not None:
                state = states.decode(mark.state)
                known |= {product_id for _, product_id in state.wanted if product_id is not None}
                known |= {each.product_id for each in state.tracks if each.product_id is not None}
        for product_id in wanted or ():
            if product_id not in known:
                some = ", ".join(sorted(known)[:20])
                raise UsageError(f"{product_id} is not recorded there. Recorded: {some}.")
        return tuple(sorted(known)) if wanted is None else tuple(dict.fromkeys(wanted))

    def _last(self, hour: int) -> int:
        """About when the recording ends."""
        segments = self._root.segments(hour)
        return (end_of(segments).ended_ns if segments else None) or (hour + 1) * HOUR_NS

    @property
    def left_out(self) -> int:
        """How many frames and rows were not told."""
        return self._capture.left_out + self._tables.left_out

    def __iter__(self) -> Iterator[Item]:
        wanted = set(self.product_ids)
        for item in self._items():
            if isinstance(item, Told) and item.product_ids:
                if wanted.isdisjoint(item.product_ids):
                    continue
            elif isinstance(item, Whole) and item.book.product_id not in wanted:
                continue
            yield item

    def _items(self) -> Iterator[Item]:
        hours = list(self._hours)
        before: int | None = None
        while hours:
            run = [hours.pop(0)]
            if self._is_captured(run[0]):
                yield from self._captured_hour(run[0], follows=before == run[0] - 1)
                whole = self._capture.stopped_ns is None
                self.captured += whole
                self.tabled += not whole
            else:
                while hours and not self._is_captured(hours[0]):
                    run.append(hours.pop(0))
                yield from self._tabled_hours(run[0], run[-1], follows=before is not None)
                self.tabled += len(run)
                self._capture.forget()
            before = run[-1]

    def _is_captured(self, hour: int) -> bool:
        """Whether the capture of an hour is there from its begin on."""
        segments = self._root.segments(hour)
        return bool(segments) and segments[0].first == FIRST_OFFSET

    def _captured_hour(self, hour: int, *, follows: bool) -> Iterator[Item]:
        begin_ns = hour * HOUR_NS
        start_ns = max(self.start_ns, begin_ns)
        end_ns = min(self._until_ns, begin_ns + HOUR_NS)
        items = self._capture.hour(self._root.segments(hour), start_ns, end_ns)
        due = [] if follows else self._books(hour, start_ns)
        for item in items:
            if due and item.recv_ns >= start_ns:
                yield from due
                due = []
            yield item
        yield from due
        if self._capture.stopped_ns is not None:
            newest = hour == self._hours[-1] and self._open_end
            begin_ns = self._capture.stopped_ns + 1
            yield from self._tables.stretch(begin_ns, None if newest else end_ns)
            self._capture.forget()

    def _books(self, hour: int, start_ns: int) -> list[Whole]:
        """The books that a captured hour begins with, or those at a time within it."""
        if start_ns > hour * HOUR_NS:
            return list(self._tables.books(start_ns)) if self.product_ids else []
        books = read_books(self._root, hour)
        return [Whole(start_ns, line, book) for (line, _), book in books.items()]

    def _tabled_hours(self, first: int, last: int, *, follows: bool) -> Iterator[Item]:
        start_ns = max(self.start_ns, first * HOUR_NS)
        newest = last == self._hours[-1] and self._open_end
        end_ns = None if newest else min(self._until_ns, (last + 1) * HOUR_NS)
        if not follows and self._from_ns is not None:
            others = [each for each in CHANNELS if each not in ("level2", "heartbeats")]
            yield from self._tables.stretch(start_ns - _BEFORE_NS, start_ns, others)
        yield from self._tables.stretch(start_ns, end_ns)
