"""Everything that was recorded, once more, in order: several products and channels as one run.

Of every file the next rows are held, never more; what is before the earliest end of these is made
into events, put in order, and given out. So memory does not grow with the length of a run, and no
event is sorted by itself.
"""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter

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
    maker_of,
    message_ends,
)
from recorder.dataset.files import HOUR_NS, Files, View
from recorder.dataset.following import Books, End, ends_of
from recorder.dataset.gaps import CHANNELS, Gap, intervals
from recorder.dataset.inventory import texts
from recorder.dataset.lines import lines_at, spans_of
from recorder.dataset.ranges import TABLE_OF, Range, examine, require
from recorder.dataset.reading import Span, read_span, stream_span
from recorder.errors import DataError, UsageError
from recorder.store.paths import File

ROWS_HELD = 1_000_000
_ROWS_AT_ONCE = (4_096, 65_536)
# Of one stream alone so few that they are gone before Python's garbage collection looks at them,
# which costs a third as much as to make them; of several, which take turns, more.
_EVENTS_AT_ONCE = (100, 1_000)


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
            return chain.from_iterable(events)
        return self._kept(events)

    def _kept(self, events: Iterable[Sequence[Event]]) -> Iterator[Event]:
        books = self._books
        for batch in events:
            for event in batch:
                if event.recv_ns >= books.next_end.at_ns:
                    books.reach(event.recv_ns)
                if type(event) is LevelChanges or type(event) is Gap:
                    books.take(event)
                yield event


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Make many objects at once, of which none is garbage: to look for some costs as much again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


# --- rows in order -------------------------------------------------------------------------------


class _Stream:
    """The events of some files that follow each other, with those that were made and not given."""

    def __init__(self, making: Iterator[Made], after: int, until: int) -> None:
        self._making = making  # wanted of it are the numbers between the two
        self._after, self._until = after, until
        self.made: Made | None = None

    def fill(self) -> bool:
        """Have events to give; False where there are none any more."""
        while self.made is None or not len(self.made[0]):
            with _without_collecting():
                made = next(self._making, None)
            if made is None:
                return False
            self.made = self._wanted(made)
        return True

    def _wanted(self, made: Made) -> Made:
        numbers, received, events = made
        if self._after < numbers[0] and numbers[-1] < self._until:
            return made
        to = slice(*np.searchsorted(numbers, [self._after + 1, self._until]).tolist())
        return numbers[to], received[to], events[to]

    def last(self) -> int:
        """The number of the last event that is made."""
        assert self.made is not None
        return int(self.made[0][-1])

    def take(self, to: int) -> Made:
        """Give the events up to a number."""
        assert self.made is not None
        numbers, received, events = made = self.made
        if numbers[-1] <= to:
            self.made = None
            return made
        end = int(np.searchsorted(numbers, to, side="right"))
        self.made = numbers[end:], received[end:], events[end:]
        return numbers[:end], received[:end], events[:end]


def _in_messages(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Rows of `level2` up to the end of a message: the next piece may go on with what is left."""
    rest: list[pa.Table] = []
    for piece in pieces:
        rows = pa.concat_tables([*rest, piece], promote_options="permissive")
        rows = rows.unify_dictionaries().combine_chunks()
        ends = message_ends(rows)
        last = int(ends[-2]) if len(ends) > 1 else 0
        rest = [rows.slice(last)]
        if last:
            yield rows.slice(0, last)
    yield from rest


def _in_order(rows: pa.Table) -> pa.Table:
    """Rows of several products, one behind the other, by their numbers."""
    numbers = rows.column("ingest_seq").to_numpy()
    in_order = (numbers[1:] >= numbers[:-1]).all()
    return rows if in_order else rows.take(pa.array(np.argsort(numbers, kind="stable")))


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
            for made in _merged(_streams(view, plan, hours[0], after)):
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
        (np.array([book.ingest_seq]), np.array([plan.start_ns]), [book])
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


def _merged(streams: list[_Stream]) -> Iterator[Made]:
    while streams := [stream for stream in streams if stream.fill()]:
        to = min(stream.last() for stream in streams)
        taken = [made for stream in streams if len((made := stream.take(to))[0])]
        if len(taken) == 1:
            yield taken[0]
            continue
        numbers = np.concatenate([made[0] for made in taken])
        received = np.concatenate([made[1] for made in taken])
        every = [event for made in taken for event in made[2]]
        order = np.argsort(numbers, kind="stable")
        yield numbers[order], received[order], [every[at] for at in order.tolist()]


def _streams(view: View, plan: Plan, hour: int, after: int) -> list[_Stream]:
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
        if table is LEVEL2 and not live:
            pieces = _in_messages(pieces)
        making = _making(table, pieces, _EVENTS_AT_ONCE[len(lists) > 1])
        streams.append(_Stream(making, after, plan.until))
    return streams


def _making(table: Table, pieces: Iterable[pa.Table], at_once: int) -> Iterator[Made]:
    make = maker_of(table)
    return (made for rows in pieces for made in make(_in_order(rows), at_once))


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


def _with_gaps(events: Iterable[Made], gaps: Sequence[Gap]) -> Iterator[Sequence[Event]]:
    """Put each gap behind what was received up to its begin."""
    waiting = sorted(gaps, key=attrgetter("start_ns"))
    for _, received, batch in events:
        begin = 0
        # A gap begins with the microsecond of the last frame before it.
        while waiting and waiting[0].start_ns + 999 < received[-1]:
            end = int(np.searchsorted(received, waiting[0].start_ns + 999, side="right"))
            yield batch[begin:end]
            yield [waiting.pop(0)]
            begin = end
        yield batch[begin:] if begin else batch
    if waiting:
        yield waiting


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
        gaps = {gap for each in found for gap in _as_received(each).gaps}
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
