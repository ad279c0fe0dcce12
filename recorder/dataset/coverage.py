"""What was recorded and what was not, with the intervals that are still going on."""

from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.coverage import GAP
from recorder.core.frames import HOUR_NS, hour_of_seq
from recorder.core.tables import COVERAGE
from recorder.dataset.files import View
from recorder.dataset.reading import join, read_file
from recorder.store.parts import SCHEMAS
from recorder.store.paths import File

_TIMES = ("start_time", "end_time")
GOING_ON = "still going on at the newest part"


def coverage_rows(
    view: View,
    product_id: str | None,
    channel: str | None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    *,
    or_none: bool = False,
) -> pa.Table:
    """The rows of `coverage`, by channel, product and time; of one product or channel, or all.

    With a range, the intervals that touch [start, end), as they are. ``or_none``: with those of
    channels that have no products.
    """
    going_on = [
        track
        for track in _going_on(view)
        if product_id in (None, track["product_id"]) or (or_none and track["product_id"] is None)
        if channel in (None, track["channel"])
    ]
    hours = view.hours(start_ns, end_ns)
    if end_ns is not None:
        # A gap that shows only after the turn of an hour, or at the next start, is told there.
        after = view.hour_after((end_ns - 1) // HOUR_NS)
        hours += [after] if after is not None else []
    paths = [path for hour in hours for path in view.of_hour(COVERAGE.name, hour)]
    rows = join(COVERAGE, [_of(view, each, product_id, channel, or_none) for each in paths], None)
    rows = _taken_back(rows)
    rows = pa.concat_tables([rows, _table(_not_ended(going_on, rows))]).unify_dictionaries()
    rows = rows.filter(_touches(rows, start_ns, end_ns))
    keys = [("channel", "ascending"), ("product_id", "ascending"), ("start_time", "ascending")]
    plain = {name: rows.column(name) for name, _ in keys}
    for name in ("channel", "product_id"):
        plain[name] = plain[name].cast(pa.string())
    return rows.take(pc.sort_indices(pa.table(plain), sort_keys=keys))


def _of(
    view: View, path: File, product_id: str | None, channel: str | None, or_none: bool
) -> pa.Table:
    """The rows of one file; one answer looks at them several times."""
    key = (path, product_id, channel, or_none)
    if key not in view.memo:
        terms = []
        if product_id is not None:
            of = pc.field("product_id")
            terms.append((of == product_id) | of.is_null() if or_none else of == product_id)
        if channel is not None:
            terms.append(pc.field("channel") == channel)
        view.memo[key] = read_file(path, COVERAGE, reduce(and_, terms) if terms else None)
    return view.memo[key]


def _touches(rows: pa.Table, start_ns: int | None, end_ns: int | None) -> pa.Array:
    """Whether intervals touch a range; those without length count at their moment."""
    starts, ends = (rows.column(name).cast(pa.int64()).to_numpy() for name in _TIMES)
    found = starts <= ends
    if start_ns is not None and start_ns == end_ns:
        found[:] = False
    if start_ns is not None:
        found &= (ends > start_ns // 1000) | ((starts == ends) & (starts >= start_ns // 1000))
    if end_ns is not None:
        found &= starts < -(-end_ns // 1000)
    return pa.array(found)


def _taken_back(rows: pa.Table) -> pa.Table:
    """Shorten what an hour told as recorded, where a later one found that it was not.

    Such a gap's row begins before the hour in which it was noted.
    """
    names = ("channel", "product_id", "state")
    if not _may_take_back(rows):
        return rows
    words = [rows.column(name).cast(pa.string()).to_pylist() for name in names]
    starts, ends = (rows.column(name).cast(pa.int64()).to_pylist() for name in _TIMES)
    hours = [hour_of_seq(noted) for noted in rows.column("noted_seq").to_pylist()]
    *lines, states = words
    gaps: dict[Any, list[tuple[int, int, int]]] = {}
    for *line, state, start, end, hour in zip(*lines, states, starts, ends, hours, strict=True):
        if state == "gap" and start < hour * HOUR_NS // 1000:
            gaps.setdefault(tuple(line), []).append((start, end, hour))
    if not gaps:
        return rows
    kept = []
    told_ends = list(ends)
    for index, key in enumerate(zip(*lines, strict=True)):
        for start, end, hour in gaps.get(key, ()):
            mine = states[index] != "gap" and hours[index] < hour
            if mine and starts[index] < end and ends[index] > start:
                ends[index] = max(start, starts[index])
        if ends[index] == told_ends[index] or ends[index] > starts[index]:
            kept.append(index)
    place = rows.schema.get_field_index("end_time")
    told = pa.array(ends, pa.int64()).cast(rows.schema.field(place).type)
    return rows.set_column(place, rows.schema.field(place), told).take(kept)


def _may_take_back(rows: pa.Table) -> bool:
    """Whether any row is such a gap; there are few, and looking at every row is slow."""
    begun = rows.column("start_time").cast(pa.int64()).to_numpy()
    noted = rows.column("noted_seq").to_numpy()
    # As `hour_of_seq` has it, for a whole column.
    early = np.flatnonzero(begun < hour_of_seq(noted) * (HOUR_NS // 1000))
    states = rows.column("state").take(early).cast(pa.string())
    return bool(pc.any(pc.equal(states, GAP)).as_py())


def _going_on(view: View) -> list[dict[str, Any]]:
    return [
        {
            "channel": track["channel"],
            "product_id": track["product_id"],
            "start_time": track["start_ns"] // 1000,
            "end_time": view.last_ns // 1000,
            "state": track["state"],
            "reason": track["reason"],
            "connection_id": track["connection_id"],
            "detail": GOING_ON,
            "noted_seq": 2**63 - 1,
        }
        for track in view.tracks
        if track["start_ns"] < view.last_ns
    ]


def _not_ended(going_on: list[dict[str, Any]], rows: pa.Table) -> list[dict[str, Any]]:
    """Leave out intervals whose own row has come since."""
    names = ("channel", "product_id", "connection_id", "state")
    starts = rows.column("start_time").cast(pa.int64()).to_pylist()
    columns = [rows.column(name).cast(pa.string()).to_pylist() for name in names]
    ended = set(zip(*columns, starts, strict=True))
    return [
        each
        for each in going_on
        if (*(each[name] for name in names), each["start_time"]) not in ended
    ]


def _table(going_on: list[dict[str, Any]]) -> pa.Table:
    schema = SCHEMAS[COVERAGE.name]
    plain = pa.schema(
        [
            pa.field(field.name, pa.int64() if pa.types.is_timestamp(field.type) else field.type)
            for field in schema
        ]
    )
    rows = [{name: each.get(name) for name in schema.names} for each in going_on]
    return pa.Table.from_pylist(rows, schema=plain).cast(schema)
