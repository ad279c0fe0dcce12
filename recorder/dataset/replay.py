"""Everything that was recorded, once more, in order: several products and channels as one run.

Of every file the next rows are held, never more; what is before the earliest end of these is put
in order by its numbers, and made into events one by one as they are taken. So memory does not grow
with the length of a run, and no event is sorted by itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import attrgetter, itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.book import Book
from recorder.core.tables import LEVEL2, TABLES, Table
from recorder.dataset.books import Held, held_by
from recorder.dataset.events import (
    REPLAYED,
    Event,
    LevelChanges,
    Made,
    columns_of,
)
from recorder.dataset.files import HOUR_NS, Files, View
from recorder.dataset.following import Books, End, ends_of
from recorder.dataset.gaps import CHANNELS, Gap, intervals
from recorder.dataset.inventory import texts
from recorder.dataset.lines import lines_at, spans_of
from recorder.dataset.ranges import TABLE_OF, Range, examine, require
from recorder.dataset.reading import Span, read_span, stream_span
from recorder.dataset.streams import Stream, making, merged
from recorder.errors import DataError, UsageError
from recorder.store.paths import File

ROWS_HELD = 1_000_000
_ROWS_AT_ONCE = (4_096, 65_536)
# What so many events are made of stays in the processor's cache; of several streams, which take
# turns, more, because each turn costs.
_EVENTS_AT_ONCE = (256, 1_000)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed: tables of products (None: of all) in [start, end), and its gaps.

    ``until`` is the first `ingest_seq` that was not published when it was asked for; ``ends`` are
    those of the connections that had books.
    """

    tables: tuple[Table, ...]
    products: tuple[str, ...] | None
    start_ns: int
    end_ns: int
    gaps: tuple[Gap, ...]
    until: int
    ends: tuple[End, ...] = ()
    live: bool = True


class Replay:
    """A run through recorded time; each ``iter()`` begins it anew.

    ``books`` holds, where they were asked for, the book of each product as it is after the event
    that was given last: a `recorder.core.book.Book`, LIVE while it can be trusted.
    """

    def __init__(self, files: Files, plan: Plan, *, books: bool) -> None:
        self._files = files
        self._plan = plan
        self._keep = books
        self._books = Books()

    def __repr__(self) -> str:
        of = ", ".join(self._plan.products or ("all products",))
        return f"<replay of {', '.join(table.name for table in self._plan.tables)} of {of}>"

    @property
    def books(self) -> Mapping[str, Book]:
        """The books by product; of a product without a snapshot so far there is none."""
        return self._books.shown

    def __iter__(self) -> Iterator[Event]:
        self._books = Books(self._plan.ends)
        events = _with_gaps(_events(self._files, self._plan), self._plan.gaps)
        if not self._keep:
            return chain.from_iterable(map(itemgetter(2), events))
        return self._kept(events)

    def _kept(self, made: Iterable[Made]) -> Iterator[Event]:
        books = self._books
        for _, received, events in made:
            if received.max() < books.next_end.at_ns:
                for event in events:
                    if type(event) is LevelChanges:
                        books.take(event)
                    yield event
                continue
            for event in events:
                if event.recv_ns >= books.next_end.at_ns:
                    books.reach(event.recv_ns)
                if type(event) is LevelChanges or type(event) is Gap:
                    books.take(event)
                yield event


# --- rows in order -------------------------------------------------------------------------------


def _events(files: Files, plan: Plan) -> Iterator[Made]:
    """The events of a plan in order, some at a time.

    Where files go while they are read, the run goes on behind what it gave last.
    """
    view, before = files.consistently(
        lambda view: (view, _books_before(view, plan)), live=plan.live
    )
    after = -(2**63)
    yield from before
    hours = view.hours(plan.start_ns, plan.end_ns)
    attempt = 0
    while hours:
        attempt += 1
        try:
            for made in merged(_streams(view, plan, hours[0], after)):
                yield made
                after, attempt = int(made[0][-1]), 0
        except FileNotFoundError as error:
            files.try_again(attempt, error)
            view = files.now(live=plan.live)
            if hours[0] not in view.hours(hours[0] * HOUR_NS, (hours[0] + 1) * HOUR_NS):
                raise DataError(
                    f"{error.filename}: gone while it was read, with its whole hour. Somebody "
                    "prunes this directory; replay what is left of it."
                ) from error
            continue
        del hours[0]


def _books_before(view: View, plan: Plan) -> list[Made]:
    """The books as they stood when the range begins, so that its changes build on something.

    An hour that is recorded begins with them by itself.
    """
    at_ns = plan.start_ns - 1
    empty = plan.start_ns >= plan.end_ns
    if empty or LEVEL2 not in plan.tables or (at_ns + 1) % HOUR_NS == 0:
        return []
    found: list[LevelChanges] = []
    for product_id in (None,) if plan.products is None else plan.products:
        told = intervals(view, product_id, CHANNELS[LEVEL2.name], at_ns - 2000, at_ns + 1000)
        for of, lines in lines_at(told, at_ns).items():
            for line in lines:
                held = None if of is None or line is None else held_by(view, of, line, at_ns)
                if held is not None:
                    found.append(_as_event(str(of), held, plan.start_ns))
    found.sort(key=attrgetter("ingest_seq"))
    return [
        (np.array([book.ingest_seq]), np.array([plan.start_ns]), iter([book]))
        for book in found
        if book.ingest_seq < plan.until
    ]


def _as_event(product_id: str, held: Held, at_ns: int) -> LevelChanges:
    levels = held.levels
    texts = [levels.column(name).to_pylist() for name in ("price_text", "size_text")]
    return LevelChanges(
        held.ingest_seq,
        at_ns,
        product_id,
        "checkpoint",
        levels.column("side").to_pylist(),
        levels.column("price").to_pylist(),
        levels.column("size").to_pylist(),
        None,
        None,
        held.epoch,
        None,
        held.connection_id,
        *(each if any(each) else None for each in texts),
    )


def _streams(view: View, plan: Plan, hour: int, after: int) -> list[Stream]:
    """The files of an hour, those that follow each other as one."""
    lists: list[tuple[Table, tuple[str, ...] | None, list[File]]] = []
    for table in plan.tables:
        if hour >= view.switched:
            parts = view.parts(table.name, hour, hour, plan.start_ns, plan.end_ns)
            lists.append((table, plan.products, [part.path for part in parts]))
        elif table.per_product and plan.products is not None:
            for product_id in plan.products:
                paths = view.of_hour(table.name, hour, product_id)
                lists.append((table, (product_id,), paths))
        else:
            paths = view.of_hour(table.name, hour)
            lists += [(table, plan.products, [path]) for path in paths]
    lists = [each for each in lists if each[2]]
    least, most = _ROWS_AT_ONCE
    live = hour >= view.switched
    at_once = None if live else min(max(ROWS_HELD // max(len(lists), 1), least), most)
    streams = []
    for table, products, paths in lists:
        pieces = _rows(plan, table, products, paths, at_once)
        made = making(table, pieces, _EVENTS_AT_ONCE[len(lists) > 1], cut=not live)
        streams.append(Stream(made, after, plan.until))
    return streams


def _rows(
    plan: Plan,
    table: Table,
    products: tuple[str, ...] | None,
    paths: Sequence[File],
    at_once: int | None,
) -> Iterator[pa.Table]:
    """The rows of files in pieces; of parts, which have one product behind the other, each as one.

    Parts are small: ``at_once`` is None for them.
    """
    wanted = (pc.field("recv_ns") >= plan.start_ns) & (pc.field("recv_ns") < plan.end_ns)
    if products is not None:
        of = pc.field("product_id")
        mine = of.isin(list(products))
        wanted &= mine if table.per_product else mine | of.is_null()
    mine_only = products if table.per_product else None
    span = Span(mine_only, plan.start_ns, plan.end_ns, whole=table.per_product or products is None)
    for path in paths:
        columns = columns_of(table)
        if at_once is None:
            rows = read_span(path, table, span, wanted, columns)
            if rows.num_rows:
                yield rows.unify_dictionaries().combine_chunks()
        else:
            pieces = stream_span(path, table, span, wanted, columns, at_once)
            yield from (piece for piece in pieces if piece.num_rows)


def _with_gaps(every: Iterable[Made], gaps: Sequence[Gap]) -> Iterator[Made]:
    """Put each gap behind what was received up to its begin."""
    waiting = sorted(gaps, key=attrgetter("start_ns"))
    for made in every:
        numbers, received, events = made
        # A gap begins with the microsecond of the last frame before it.
        while waiting and waiting[0].start_ns + 999 < received[-1]:
            end = int(np.searchsorted(received, waiting[0].start_ns + 999, side="right"))
            if end:
                yield numbers[:end], received[:end], islice(events, end)
            yield _of_gap(waiting.pop(0))
            numbers, received = numbers[end:], received[end:]
        if len(numbers):
            yield numbers, received, events
    yield from map(_of_gap, waiting)


def _of_gap(gap: Gap) -> Made:
    at = np.array([np.iinfo(np.int64).max])  # books are to look at it by itself
    return at, at, iter([gap])


def tables_of(channels: Iterable[str]) -> tuple[Table, ...]:
    """The tables of channels, which go by either name; each once."""
    chosen = texts(channels, f"channels: some of {', '.join(REPLAYED)}")
    for each in chosen:
        if not isinstance(each, str) or TABLE_OF.get(each) not in REPLAYED:
            raise UsageError(f"{each!r} cannot be replayed. Choose of {', '.join(REPLAYED)}.")
    return tuple(TABLES[name] for name in dict.fromkeys(TABLE_OF[each] for each in chosen))


def replay_in(
    files: Files,
    chosen: tuple[str, ...] | None,
    span: tuple[int | None, int | None],
    tables: tuple[Table, ...],
    *,
    books: bool,
    live: bool,
    allow_gaps: bool,
) -> Replay:
    """A run through a range. Raises IncompleteData where it has gaps that are not allowed."""
    if chosen == () or not tables:
        raise UsageError(f"No {'product' if tables else 'channel'} to replay. Name at least one.")

    def plan(view: View) -> Plan:
        of_all = chosen if chosen is not None else (None,)
        found = [examine(view, table, of, *span) for table in tables for of in of_all]
        if not allow_gaps:
            for each in found:
                require(view, _as_received(each))
        starts = [each.start_ns for each in found if each.start_ns is not None]
        ends = [each.end_ns for each in found if each.end_ns is not None]
        gaps = dict.fromkeys(gap for each in found for gap in _as_received(each).gaps)
        start_ns, end_ns = min(starts, default=0), max(ends, default=0)
        # Intervals end with the microsecond of their last frame.
        end_ns += 1000 if span[1] is None and ends else 0
        told = [one for each in found if each.table is LEVEL2 for one in each.told]
        closed = tuple(ends_of(spans_of(told))) if books else ()
        until = view.until_seq()
        return Plan(tables, chosen, start_ns, end_ns, tuple(gaps), until, closed, live)

    return Replay(files, files.consistently(plan, live=live), books=books)


def _as_received(found: Range) -> Range:
    """Trades that came behind the end of a range do not fill its gaps: a run has none of them."""
    if found.end_ns is None:
        return found
    open_ones = [gap for gap, last_ns in found.filled if last_ns >= found.end_ns]
    return replace(found, gaps=(*found.gaps, *open_ones))
