"""The best bid and ask of a product through time, from the rows of `level2`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.frames import hour_base
from recorder.core.tables import LEVEL2
from recorder.dataset.files import HOUR_NS, View
from recorder.dataset.gaps import CHANNELS, Gap, Interval, intervals
from recorder.dataset.lines import behind, spans_of
from recorder.dataset.ranges import complete_range
from recorder.dataset.reading import Span, join, read_span
from recorder.dataset.stretches import (
    NO_EPOCH,
    Changes,
    Flags,
    Tops,
    changed,
    tops_of,
)
from recorder.dataset.touch import Floats, Ints

_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("recv_time", _TIME, nullable=False),
        pa.field("product_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("best_bid", pa.float64()),
        pa.field("best_bid_size", pa.float64()),
        pa.field("best_ask", pa.float64()),
        pa.field("best_ask_size", pa.float64()),
        pa.field("reason", pa.dictionary(pa.int32(), pa.string())),
        pa.field("ingest_seq", pa.int64(), nullable=False),
        pa.field("recv_ns", pa.int64(), nullable=False),
    ]
)
_COLUMNS = ("side", "price", "size", "book_epoch", "ingest_seq", "recv_ns", "connection_id")
_NEVER_NS = 2**63 - 1
_NO_BOOK = "no_book"


@dataclass(slots=True)
class Stretch:
    """The life of one book: a connection's, from a whole book on. ``end_ns`` is exclusive."""

    line: str
    epoch: int
    tops: Tops
    end_ns: int


@dataclass(slots=True)
class Piece:
    """What is shown of a stretch: its tops from one time to another."""

    start_ns: int
    end_ns: int
    tops: Tops


def tops_in(
    view: View, product_id: str, start_ns: int | None, end_ns: int | None, *, allow_gaps: bool
) -> pa.Table:
    """The tops of a range. Raises IncompleteData where it has gaps that are not allowed."""
    found = complete_range(view, LEVEL2, product_id, start_ns, end_ns, allow_gaps=allow_gaps)
    assert found.start_ns is not None
    assert found.end_ns is not None
    start_ns, end_ns = found.start_ns, found.end_ns if end_ns is not None else behind(found.end_ns)
    if start_ns >= end_ns or found.start_ns == found.end_ns:
        return SCHEMA.empty_table()
    stretches = list(_stretches(view, product_id, start_ns, end_ns))
    since_ns = min([start_ns, *(int(each.tops.received[0]) for each in stretches)])
    told = intervals(view, product_id, CHANNELS[LEVEL2.name], since_ns, end_ns)
    _end_with_coverage(stretches, product_id, told)
    received, numbers, values, nulls = _composed(_visible(stretches), start_ns, end_ns)
    reasons = np.full(len(received), None, object)
    reasons[nulls] = [_reason(found.gaps, at_ns) for at_ns in received[nulls].tolist()]
    product = pa.array([product_id]).dictionary_encode()
    codes = pa.array(np.zeros(len(received), np.int32))
    columns = [
        pa.array(np.floor_divide(received, 1000)).cast(_TIME),
        pa.DictionaryArray.from_arrays(codes, product.dictionary),
        *(pa.array(values[:, at], mask=np.isnan(values[:, at])) for at in range(4)),
        pa.array(reasons, pa.string()).dictionary_encode(),
        pa.array(np.maximum.accumulate(np.maximum(numbers, hour_base(start_ns // HOUR_NS)))),
        pa.array(received),
    ]
    return pa.table(columns, schema=SCHEMA)


# --- books ---------------------------------------------------------------------------------------


def _stretches(view: View, product_id: str, start_ns: int, end_ns: int) -> Iterator[Stretch]:
    """The books that there are in a range, hour by hour, each with the rows from its begin on."""
    open_ones: dict[str, Stretch] = {}
    for rows in _tables(view, product_id, start_ns, end_ns):
        lines = rows.column("connection_id").combine_chunks()
        words = lines.dictionary.to_pylist()
        changes = _arrays(rows, lines)
        for begin, end in _runs(changes):
            line, first_ns = words[changes.lines[begin]], int(changes.received[begin])
            ended = open_ones.pop(line, None)
            if ended is not None:
                ended.end_ns = first_ns
                yield ended
            if changes.epochs[begin] != NO_EPOCH:
                mine = changes.take(slice(begin, end))
                open_ones[line] = Stretch(line, int(mine.epochs[0]), tops_of(mine), _NEVER_NS)
    yield from open_ones.values()


def _tables(view: View, product_id: str, start_ns: int, end_ns: int) -> Iterator[pa.Table]:
    """The rows of each hour of a range, from its begin on; before them those that say what was so.

    An hour begins with the books; up to then it is what the hour before ended with.
    """
    hours = view.hours(start_ns, end_ns)
    first = _read(view, product_id, hours[0], end_ns) if hours else None
    if first is None or not first.num_rows or first.column("recv_ns")[0].as_py() > start_ns:
        before = next(view.hours_back(start_ns // HOUR_NS - 1), None)
        earlier = None if before is None else _read(view, product_id, before, end_ns)
        if earlier is not None and earlier.num_rows:
            yield earlier
    if first is not None and first.num_rows:
        yield first
    for hour in hours[1:]:
        rows = _read(view, product_id, hour, end_ns)
        if rows.num_rows:
            yield rows


def _read(view: View, product_id: str, hour: int, end_ns: int) -> pa.Table:
    wanted = pc.field("product_id") == product_id
    if end_ns // HOUR_NS <= hour:
        wanted &= pc.field("recv_ns") < end_ns
    if hour < view.switched:
        paths = view.of_hour(LEVEL2.name, hour, product_id)
    else:
        paths = [part.path for part in view.parts(LEVEL2.name, hour, hour, None, end_ns)]
    span = Span((product_id,), None, end_ns, whole=True)
    read = [read_span(path, LEVEL2, span, wanted, _COLUMNS) for path in paths]
    return join(LEVEL2, read, _COLUMNS)


def _arrays(rows: pa.Table, lines: pa.DictionaryArray) -> Changes:
    """The rows by connection, each connection's in order."""
    sides = rows.column("side").combine_chunks()
    is_ask = np.array([word == "ask" for word in sides.dictionary.to_pylist()] or [False])
    codes = lines.indices.to_numpy().astype(np.int32)
    changes = Changes(
        is_ask[sides.indices.to_numpy()],
        rows.column("price").to_numpy(),
        rows.column("size").to_numpy(),
        pc.fill_null(rows.column("book_epoch"), NO_EPOCH).to_numpy(),
        rows.column("ingest_seq").to_numpy(),
        rows.column("recv_ns").to_numpy(),
        codes,
    )
    if len(codes) and (codes != codes[0]).any():
        return changes.take(np.argsort(codes, kind="stable"))
    return changes


def _runs(changes: Changes) -> list[tuple[int, int]]:
    """Where the connection and the epoch stay the same; in the order of time."""
    new = (np.diff(changes.lines) != 0) | (np.diff(changes.epochs) != 0)
    begins = [0, *(np.flatnonzero(new) + 1).tolist()]
    runs = list(zip(begins, [*begins[1:], len(changes.lines)], strict=True))
    return sorted(runs, key=lambda run: int(changes.numbers[run[0]]))


def _end_with_coverage(stretches: list[Stretch], product_id: str, told: list[Interval]) -> None:
    """A book ends with what its connection recorded of it; where nothing says that, it is none."""
    spans = spans_of(told)
    for stretch in stretches:
        begin_ns = int(stretch.tops.received[0])
        ends = [
            end_ns
            for since_ns, end_ns in spans.get((product_id, stretch.line), ())
            if since_ns <= begin_ns < end_ns
        ]
        stretch.end_ns = min(stretch.end_ns, ends[0]) if ends else begin_ns


# --- what is shown -------------------------------------------------------------------------------


def _visible(stretches: list[Stretch]) -> list[Piece]:
    """What is shown of each book: where there are several, the newest that is trusted."""
    pieces: list[Piece] = []
    taken: list[tuple[int, int]] = []
    for stretch in sorted(stretches, key=lambda each: each.epoch, reverse=True):
        begin_ns = int(stretch.tops.received[0])
        for start_ns, end_ns in _without(begin_ns, stretch.end_ns, taken):
            pieces.append(Piece(start_ns, end_ns, stretch.tops))
        taken.append((begin_ns, stretch.end_ns))
    return sorted(pieces, key=lambda piece: piece.start_ns)


def _without(begin_ns: int, end_ns: int, taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches of [begin, end) that nothing has taken."""
    free = []
    for start_ns, until_ns in sorted(taken):
        if begin_ns < min(start_ns, end_ns):
            free.append((begin_ns, min(start_ns, end_ns)))
        begin_ns = max(begin_ns, until_ns)
    if begin_ns < end_ns:
        free.append((begin_ns, end_ns))
    return free


def _composed(pieces: list[Piece], start_ns: int, end_ns: int) -> tuple[Ints, Ints, Floats, Flags]:
    """The rows from start to end: times, numbers, values, and which of them say "no book".

    The first stands at the start, and says what was so then.
    """
    received: list[Ints] = []
    numbers: list[Ints] = []
    values: list[Floats] = []
    at_ns = start_ns

    def nothing(until_ns: int) -> None:
        if at_ns < until_ns:
            received.append(np.array([at_ns]))
            numbers.append(np.array([NO_EPOCH]))
            values.append(np.full((1, 4), np.inf))

    for piece in pieces:
        first_ns, last_ns = max(piece.start_ns, start_ns), min(piece.end_ns, end_ns)
        if first_ns >= last_ns:
            continue
        nothing(first_ns)
        begin = int(np.searchsorted(piece.tops.received, first_ns, side="right")) - 1
        shown = piece.tops.slice(begin, int(np.searchsorted(piece.tops.received, last_ns)))
        received.append(np.maximum(shown.received, first_ns))
        numbers.append(shown.numbers)
        values.append(shown.values)
        at_ns = last_ns
    nothing(end_ns)
    if not received:
        empty = np.empty(0, np.int64)
        return empty, empty, np.empty((0, 4)), np.empty(0, np.bool_)
    times, every = np.concatenate(received), np.concatenate(values)
    # Of several at the same nanosecond the last one counts; infinity stands for "no book".
    kept = np.flatnonzero(np.append(times[1:] != times[:-1], True))
    kept = kept[changed(every[kept])]
    every = every[kept]
    nulls = np.isinf(every[:, 0])
    every[nulls] = np.nan
    return times[kept], np.concatenate(numbers)[kept], every, nulls


def _reason(gaps: tuple[Gap, ...], at_ns: int) -> str:
    """Why there is no book from a time on."""
    for gap in gaps:
        if gap.channel == CHANNELS["level2"][0] and gap.start_ns <= at_ns <= gap.end_ns:
            return gap.reason
    return _NO_BOOK
