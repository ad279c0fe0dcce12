"""A book at a moment, built from recorded rows."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.numbers import plain
from recorder.core.tables import LEVEL2
from recorder.dataset.files import HOUR_MAX, HOUR_NS, View
from recorder.dataset.gaps import CHANNELS, Interval, intervals
from recorder.dataset.inventory import known_products, refuse_unknown
from recorder.dataset.lines import lines_at, spans_of
from recorder.dataset.reading import Span, join, read_span
from recorder.errors import NoInputError, UsageError
from recorder.times import to_datetime, to_text

COLUMNS = (
    "side", "price", "size", "book_epoch", "ingest_seq", "connection_id", "recv_ns", "price_text",
    "size_text",
)  # fmt: skip
NEWEST_NS = 2**63 - 1
_LEVELS_MAX = 2**40  # more than there can be
# Gaps that say nothing about the book before them.
ENDINGS = ("connection_closed", "recorder_down", "connecting", "unsubscribed")


@dataclass(frozen=True, slots=True)
class BookView:
    """A book at a moment; levels are (price, size) in plain notation, best first.

    ``valid`` is False where the recorder did not trust the book then; ``reason`` says why.
    ``as_of`` is the time of the last row that it is built from.
    """

    product_id: str
    valid: bool
    as_of: datetime
    reason: str | None
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Held:
    """The levels of a book at a moment, as rows of `COLUMNS` in the order of their last change.

    ``epoch`` is what it builds on; ``ingest_seq`` and ``recv_ns`` are those of the last row that it
    is built from. ``reason`` says why it is not to be trusted, None where it is.
    """

    levels: pa.Table
    epoch: int
    ingest_seq: int
    recv_ns: int
    connection_id: str
    reason: str | None


def levels_of(depth: object) -> int | None:
    """How many levels of each side are wanted; None for all. Raises UsageError for no number."""
    if depth is None:
        return None
    if isinstance(depth, int | np.integer) and not isinstance(depth, bool) and depth >= 1:
        return min(int(depth), _LEVELS_MAX)
    raise UsageError(f"depth is {depth!r}; give a number from 1 on, or None for every level")


def book_in(view: View, product_id: str, at_ns: int, depth: int | None) -> BookView:
    """The book after everything received up to a time.

    Raises NoInputError where no whole book is recorded up to then.
    """
    found = book_at(view, product_id, at_ns, depth)
    if found is not None:
        return found
    refuse_unknown(view, product_id)
    upto = "" if at_ns == NEWEST_NS else f" up to {to_text(at_ns)}"
    some = ", ".join(sorted(known_products(view))[:20])
    raise NoInputError(
        f"No book of {product_id} is recorded{upto}. Recorded: {some}. `gaps()` tells from when "
        "on, and what is missing."
    )


def book_at(view: View, product_id: str, at_ns: int, depth: int | None) -> BookView | None:
    """The book after everything received up to a time; None where no whole book is recorded."""
    held = held_at(view, product_id, at_ns)
    if held is None:
        return None
    return BookView(
        product_id,
        held.reason is None,
        to_datetime(held.recv_ns),
        held.reason,
        _side(held.levels, "bid", depth),
        _side(held.levels, "ask", depth),
    )


def held_at(view: View, product_id: str, at_ns: int) -> Held | None:
    """The levels held after everything received up to a time; None where none ever were.

    Of several connections that have a book, and record it then, the one with the newest counts.
    """
    stale = False
    last_ns: int | None = None
    for hour in view.hours_back(min(at_ns // HOUR_NS, HOUR_MAX - 1)):
        rows = _rows(view, product_id, hour, at_ns)
        if not rows.num_rows:
            continue
        if last_ns is None:
            last_ns = int(rows.column("recv_ns")[-1].as_py())
        epoch, live = _epoch(rows, _lines(view, product_id, last_ns, at_ns))
        stale = stale or not live
        if epoch is None:
            continue
        reason = "the newest changes came while the book was not valid" if stale else None
        return _held(rows, epoch, reason or _doubt(view, product_id, last_ns, at_ns))
    return None


def held_by(view: View, product_id: str, line: str, at_ns: int) -> Held | None:
    """The levels that a connection held then; None where it had no book to be trusted.

    It must have recorded the product at that time.
    """
    for hour in view.hours_back(min(at_ns // HOUR_NS, HOUR_MAX - 1)):
        rows = _rows(view, product_id, hour, at_ns)
        if not rows.num_rows:
            continue
        mine = rows.filter(pc.equal(rows.column("connection_id").cast(pa.string()), line))
        epoch = mine.column("book_epoch")[-1].as_py() if mine.num_rows else None
        return None if epoch is None else _held(mine, epoch, None)
    return None


def _held(rows: pa.Table, epoch: int, reason: str | None) -> Held:
    same = pc.equal(rows.column("book_epoch"), epoch)
    built = rows if pc.all(same, skip_nulls=False).as_py() else rows.filter(same)
    return Held(
        _last_of_each(built),
        epoch,
        built.column("ingest_seq")[-1].as_py(),
        built.column("recv_ns")[-1].as_py(),
        str(built.column("connection_id")[-1].as_py()),
        reason,
    )


def _rows(view: View, product_id: str, hour: int, at_ns: int) -> pa.Table:
    """The rows of a product in an hour up to a time."""
    end_ns = None if at_ns >= NEWEST_NS else at_ns + 1
    wanted = pc.field("product_id") == product_id
    if end_ns is not None and end_ns // HOUR_NS <= hour:
        wanted &= pc.field("recv_ns") < end_ns
    span = Span((product_id,), None, end_ns, whole=True)
    if hour < view.switched:
        paths = view.of_hour(LEVEL2.name, hour, product_id)
    else:
        paths = [part.path for part in view.parts(LEVEL2.name, hour, hour, None, end_ns)]
    return join(LEVEL2, [read_span(path, LEVEL2, span, wanted, COLUMNS) for path in paths], COLUMNS)


def _lines(view: View, product_id: str, last_ns: int, at_ns: int) -> set[str | None]:
    """The connections that recorded a product at a time, or were the last that did."""
    if at_ns == NEWEST_NS:
        told = intervals(view, product_id, CHANNELS["level2"], last_ns)
        ends = [end_ns for spans in spans_of(told).values() for _, end_ns in spans]
        at_ns = max(ends, default=last_ns + 1) - 1
    else:
        told = intervals(view, product_id, CHANNELS["level2"], at_ns - 2000, at_ns + 1000)
    return set().union(*lines_at(told, at_ns).values())


def _epoch(rows: pa.Table, recording: set[str | None]) -> tuple[int | None, bool]:
    """What the book builds on at the end of rows, and whether it is trusted there.

    Of those connections that record, the one with the newest counts; where none does, or none has a
    book, it is the last one there was.
    """
    epochs = rows.column("book_epoch")
    lines = rows.column("connection_id").combine_chunks()
    codes, words = lines.indices.to_numpy(), lines.dictionary.to_pylist()
    last = {int(code): int(np.flatnonzero(codes == code)[-1]) for code in np.unique(codes)}
    ends = {words[code]: epochs[at].as_py() for code, at in last.items()}
    some = {line: epoch for line, epoch in ends.items() if line in recording} or ends
    live = [epoch for epoch in some.values() if epoch is not None]
    if live:
        return max(live), True
    newest: int | None = pc.max(epochs).as_py()
    return newest, False


def _last_of_each(built: pa.Table) -> pa.Table:
    """The last row of each (side, price), where it has a size; in their order."""
    numbered = built.append_column("row", pa.array(np.arange(len(built))))
    last = numbered.group_by(["side", "price"]).aggregate([("row", "max")]).column("row_max")
    held = built.take(pa.array(np.sort(last.to_numpy())))
    return held.filter(pc.greater(held.column("size"), 0.0))


def _side(held: pa.Table, side: str, depth: int | None) -> list[tuple[str, str]]:
    mine = held.filter(pc.equal(held.column("side").cast(pa.string()), side))
    order = "descending" if side == "bid" else "ascending"
    best = mine.sort_by([("price", order)]).slice(0, depth)
    columns = ("price", "price_text", "size", "size_text")
    values = (best.column(name).to_pylist() for name in columns)
    return [
        (plain(price, price_text), plain(size, size_text))
        for price, price_text, size, size_text in zip(*values, strict=True)
    ]


def _doubt(view: View, product_id: str, last_ns: int, at_ns: int) -> str | None:
    """Why a book that was trusted at its last row is not to be trusted then; None where it is."""
    if at_ns == NEWEST_NS:
        # The newest book was right when it was the newest, if only the recording ended then.
        told = intervals(view, product_id, CHANNELS["level2"], last_ns)
        gaps = [each for each in told if each.state == "gap"]
        doubts = [each for each in gaps if each.end_ns > last_ns and each.reason not in ENDINGS]
        return _not_recorded(doubts[0]) if doubts else None
    # Intervals are in microseconds: the last one is meant to its end.
    told = intervals(view, product_id, CHANNELS["level2"], at_ns - 2000, at_ns + 1000)
    around = [each for each in told if each.start_ns <= at_ns <= each.end_ns + 999]
    if any(each.state != "gap" for each in around):
        return None
    if around:
        return _not_recorded(around[0])
    return "nothing is recorded of that time" + ("" if at_ns < last_ns else " yet")


def _not_recorded(gap: Interval) -> str:
    return f"not recorded since {to_text(gap.start_ns)[:19]}Z: {gap.reason}"
