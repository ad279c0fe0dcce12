"""Rows of one table, chosen and not read yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import TABLES, TRADES, Table
from recorder.dataset.exact import text_columns, to_decimals, to_objects
from recorder.dataset.files import HOUR_NS, Files, View
from recorder.dataset.fills import FLIGHT_NS
from recorder.dataset.gaps import CHANNELS
from recorder.dataset.inventory import refuse_unknown, texts
from recorder.dataset.ranges import examine, require
from recorder.dataset.readable import BATCH_ROWS, Readable, at_once, need
from recorder.dataset.reading import Span, join, read_span, stream_span
from recorder.errors import UsageError
from recorder.store.parts import SCHEMAS
from recorder.store.paths import File, path_of
from recorder.times import to_text

if TYPE_CHECKING:
    import pandas as pd

_HERE = ("update",)  # kinds of trades that count where they were received


class Options(TypedDict, total=False):
    """What every table takes.

    ``columns``: those wanted, in this order. ``live``: with the hour that is still open (True).
    ``exact``: prices and sizes as decimals, with the digits that the venue wrote (False).
    ``allow_gaps``: take what there is of a range that is not complete (False).
    """

    columns: Sequence[str] | None
    live: bool
    exact: bool
    allow_gaps: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted: rows of a table that belong to [start, end); None is no limit."""

    table: Table
    product_id: str | None
    start_ns: int | None
    end_ns: int | None
    columns: tuple[str, ...] | None = None
    live: bool = True
    exact: bool = False
    allow_gaps: bool = False

    def __str__(self) -> str:
        of = "" if self.product_id is None else f" of {self.product_id}"
        since = "" if self.start_ns is None else f" from {to_text(self.start_ns)}"
        until = "" if self.end_ns is None else f" to {to_text(self.end_ns)}"
        return f"{self.table.name}{of}{since}{until}"


@dataclass(frozen=True, slots=True, repr=False)
class Selection(Readable):
    """Rows of one table, not read yet; every ``to_…`` reads them, in the table's order.

    Each way out reads one consistent state: all of what was published up to one cut.
    """

    _files: Files
    _query: Query

    def __repr__(self) -> str:
        return f"<{self._query}>"

    def files(self) -> list[Path]:
        """The files that may hold the rows, sealed ones first, in the order of time.

        That of a packed day holds the rows of its other hours as well.
        """

        def listed(view: View) -> list[Path]:
            by_hour = _files_by_hour(view, self._query, ())
            return list(dict.fromkeys(path_of(file) for _, files in by_hour for file in files))

        return self._files.consistently(listed, live=self._query.live)

    def to_arrow(self) -> pa.Table:
        """As an Arrow table; with ``exact``, prices and sizes are decimal128(38, 18)."""
        rows = self._files.consistently(self._answer, live=self._query.live)
        return _shown(self._query, rows)

    def to_pandas(self) -> "pd.DataFrame":
        """As a pandas frame (needs the extra ``pandas``); with ``exact``, decimals are Python's."""
        query = self._query
        if not query.exact:
            return Readable.to_pandas(self)
        need("pandas")
        rows = self._files.consistently(self._answer, live=query.live)
        frame = rows.to_pandas()
        for name, values in to_objects(query.table, rows).items():
            frame[name] = values
            frame[name] = frame[name].astype(object)
        return frame[list(_names(query))]

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """As Arrow batches of at most ``rows`` rows, in order; memory is that of an hour at most.

        Of one product a sealed hour is read bit by bit.
        """
        query, at = self._query, at_once(rows)
        if query.table.order != "ingest_seq":  # which is not unique: nobody could go on behind it
            yield from Readable.batches(self, rows)
            return
        view, (later, end_ns) = self._files.consistently(
            lambda view: (view, check(view, query)), live=query.live
        )
        # What the first view ended with, and what was given so far.
        whole, until, done = replace(query, end_ns=end_ns), view.until_seq(), -(2**63)
        attempt = 1
        while True:
            try:
                for piece in stream(view, query, later, at):
                    order = piece.column(query.table.order).to_numpy()
                    begin, end = np.searchsorted(order, [done + 1, until]).tolist()
                    if begin < end:
                        attempt, done = 1, int(order[end - 1])
                        yield from _shown(query, piece.slice(begin, end - begin)).to_batches(at)
            except FileNotFoundError as error:
                self._files.try_again(attempt, error)
                view, (later, _) = self._files.consistently(
                    lambda view: (view, check(view, whole)), live=query.live
                )
                attempt += 1
                continue
            return

    def _answer(self, view: View) -> pa.Table:
        rows = rows_of(view, self._query, check(view, self._query)[0])
        if not rows.num_rows and self._query.product_id is not None:
            refuse_unknown(view, self._query.product_id)
        return rows


def query_of(
    table: str,
    product_id: str | None,
    span: tuple[int | None, int | None],
    options: Options,
) -> Query:
    """A query, its words checked. Raises UsageError for a table or a column that there is not."""
    if not isinstance(table, str) or table not in TABLES:
        raise UsageError(f"{table!r} is no table. The tables are {', '.join(TABLES)}.")
    query = Query(TABLES[table], product_id, *span)
    unknown = [name for name in options if name not in Options.__annotations__]
    if unknown:
        known = ", ".join(Options.__annotations__)
        raise TypeError(f"{', '.join(map(repr, unknown))} is no option. The options are {known}.")
    columns = options.get("columns")
    if columns is not None:
        columns = texts(columns, "columns: a list of their names")
        names = SCHEMAS[table].names
        wrong = [name for name in columns if name not in names]
        if wrong or not columns:
            what = f"{', '.join(map(repr, wrong))} is no column" if wrong else "No column"
            raise UsageError(f"{what} of {table}. The columns are {', '.join(names)}.")
        query = replace(query, columns=tuple(dict.fromkeys(columns)))
    return replace(
        query,
        live=options.get("live", True),
        exact=options.get("exact", False),
        allow_gaps=options.get("allow_gaps", False),
    )


def check(view: View, query: Query) -> tuple[tuple[int, ...], int | None]:
    """See that a range is complete.

    Returns the hours that hold trades of it received later, and where it ends, if that is known.

    Raises IncompleteData where there are gaps that are not allowed, NoInputError where nothing of
    the product is recorded at any time.
    """
    if query.table.name not in CHANNELS:
        return (), query.end_ns
    found = examine(view, query.table, query.product_id, query.start_ns, query.end_ns)
    if not query.allow_gaps:
        require(view, found)
    return found.later, found.end_ns


def rows_of(view: View, query: Query, later: Sequence[int]) -> pa.Table:
    """The rows of a query, and the columns that they are ordered and made exact by."""
    wanted, names, span = _wanted(query), _read(query), _span(query, later)
    pieces = [
        read_span(path, query.table, span, wanted, names)
        for _, paths in _files_by_hour(view, query, later)
        for path in paths
    ]
    return join(query.table, pieces, names)


# --- which rows ----------------------------------------------------------------------------------


def _names(query: Query) -> list[str]:
    return list(query.columns) if query.columns is not None else SCHEMAS[query.table.name].names


def _read(query: Query) -> list[str]:
    """The columns that are read: those wanted, the order, and the wire texts of exact numbers."""
    names = _names(query)
    also = [query.table.order]
    if query.exact:
        also += text_columns(query.table, names)
    return names + [name for name in also if name not in names]


def _shown(query: Query, rows: pa.Table) -> pa.Table:
    return (to_decimals(query.table, rows) if query.exact else rows).select(_names(query))


def _span(query: Query, later: Sequence[int]) -> Span:
    products = None if query.product_id is None else (query.product_id,)
    if query.table is not TRADES:
        timed = "recv_ns" in SCHEMAS[query.table.name].names
        return Span(products, query.start_ns, query.end_ns, whole=timed)
    if query.start_ns is None and query.end_ns is None:
        return Span(products, whole=True)
    # Trades that came later count at their own time, by a clock that is not ours.
    start_ns = None if query.start_ns is None else query.start_ns - FLIGHT_NS
    return Span(products, start_ns, None if later else query.end_ns)


def _files_by_hour(
    view: View, query: Query, later: Sequence[int]
) -> Iterator[tuple[int, list[File]]]:
    """The files that may hold the rows, hour by hour."""
    table, product_id = query.table.name, query.product_id
    start_ns, end_ns = query.start_ns, query.end_ns
    if query.table is TRADES and start_ns is not None:
        start_ns -= FLIGHT_NS
    hours = set(view.hours(start_ns, end_ns))
    if query.table.order != "ingest_seq" and end_ns is not None:
        after = view.hour_after((end_ns - 1) // HOUR_NS)  # what ended then may be noted later
        hours |= {after} if after is not None else set()
    for hour in sorted(hours | set(later)):
        if not view.holds(hour) and hour in later:
            continue
        if hour < view.switched:
            paths = view.of_hour(table, hour, product_id)
        else:
            until_ns = None if hour in later or query.table.order != "ingest_seq" else end_ns
            parts = view.parts(table, hour, hour, start_ns, until_ns)
            paths = [part.path for part in parts]
        if paths:
            yield hour, paths


def _wanted(query: Query) -> pc.Expression | None:
    """What a row must be like to belong to the range.

    A trade that came later than it happened, repeated by a snapshot or fetched, counts at its
    `trade_time`; everything else where it was received.
    """
    terms = []
    if query.product_id is not None:
        terms.append(pc.field("product_id") == query.product_id)
    names = SCHEMAS[query.table.name].names
    if query.start_ns is None and query.end_ns is None:
        pass
    elif query.table is TRADES:
        late = (pc.field("kind") != _HERE[0]) & pc.field("trade_time").is_valid()
        terms.append((late & _within("trade_time", query)) | (~late & _within("recv_ns", query)))
    elif "recv_ns" in names:
        terms.append(_within("recv_ns", query))
    else:
        if query.start_ns is not None:
            terms.append(pc.field("end_time") > _moment(query.start_ns))
        if query.end_ns is not None:
            terms.append(pc.field("start_time") < _moment(query.end_ns))
    return reduce(and_, terms) if terms else None


def _within(name: str, query: Query) -> pc.Expression:
    in_ns = name.endswith("_ns")
    terms = []
    if query.start_ns is not None:
        terms.append(pc.field(name) >= (query.start_ns if in_ns else _moment(query.start_ns)))
    if query.end_ns is not None:
        terms.append(pc.field(name) < (query.end_ns if in_ns else _moment(query.end_ns)))
    return reduce(and_, terms)


def _moment(nanoseconds: int) -> pa.Scalar:
    """The first whole microsecond at or behind a time."""
    return pa.scalar(-(-nanoseconds // 1000), pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def stream(view: View, query: Query, later: Sequence[int], rows_at_once: int) -> Iterator[pa.Table]:
    """The rows in order, in pieces of an hour at most."""
    wanted, names, span = _wanted(query), _read(query), _span(query, later)
    for hour, paths in _files_by_hour(view, query, later):
        if len(paths) == 1 and hour < view.switched:  # a part has one product behind the other
            pieces = stream_span(paths[0], query.table, span, wanted, names, rows_at_once)
            yield from (piece for piece in pieces if piece.num_rows)
        else:
            read = [read_span(path, query.table, span, wanted, names) for path in paths]
            rows = join(query.table, read, names)
            if rows.num_rows:
                yield rows
