"""(d) Coverage is without overlaps and holes; (f) a gap row never claims a recorded frame."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.simulate.evidence import Captured, sequence_of
from tests.simulate.trial import Life

Track = tuple[str, str | None]


def check_coverage(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Intervals of a track neither overlap nor leave a hole, and gaps have reasons."""
    tracks: dict[Track, list[Mapping[str, Any]]] = {}
    for row in rows:
        tracks.setdefault((row["channel"], row["product_id"]), []).append(row)
        if (row["state"] == "gap") != bool(row["reason"]):
            yield f"(d) {_span(row)}: state {row['state']}, reason {row['reason']}"
        if row["end_us"] < row["start_us"]:
            yield f"(d) {_span(row)}: ends before it begins"
    for intervals in tracks.values():
        intervals.sort(key=lambda row: (row["start_us"], row["end_us"]))
        for before, after in pairwise(intervals):
            if before["end_us"] > after["start_us"]:
                yield f"(d) {_span(before)} overlaps {_span(after)}"
            elif before["end_us"] < after["start_us"]:
                yield f"(d) a hole between {_span(before)} and {_span(after)}"


def check_down(
    rows: Sequence[Mapping[str, Any]],
    captured: Captured,
    lives: Sequence[Life],
    tracks: Sequence[Track],
) -> Iterator[str]:
    """Every time between the end of a run and the start of the next is a gap `recorder_down`.

    Runs that were ended before they recorded are a part of it.
    """
    for before, after in pairwise(life for life in lives if life.begun(captured.starts_ns)):
        start_us, end_us = before.ended_ns // 1000, after.spawned_ns // 1000
        for track in tracks:
            if not any(
                (row["channel"], row["product_id"]) == track
                and row["reason"] == "recorder_down"
                and row["start_us"] <= start_us
                and row["end_us"] >= end_us
                for row in rows
            ):
                yield f"(d) {track}: no gap recorder_down from {start_us} to {end_us} us"


def _span(row: Mapping[str, Any]) -> str:
    track = f"{row['channel']} {row['product_id'] or ''}".strip()
    return f"{track} {row['state']} {row['reason'] or ''} [{row['start_us']}, {row['end_us']})"


Numbers = dict[str, list[tuple[int, int]]]


def check_gaps(
    rows: Sequence[Mapping[str, Any]],
    faults: Sequence[Mapping[str, Any]],
    captured: Captured,
) -> Iterator[str]:
    """A gap's numbers were not recorded, those around it were, and each missing one is told.

    It is a fault, and where the connection recorded a product by then, in a gap of that; before, it
    lies in the gap that its first data ends.
    """
    numbers: Numbers = {
        name: [
            (recv_ns, each)
            for recv_ns, raw in line.frames
            if (each := sequence_of(raw)) is not None
        ]
        for name, line in captured.lines.items()
    }
    gaps = [row for row in rows if row["state"] == "gap" and row["sequence_before"] is not None]
    for row in gaps:
        yield from _check_numbers(row, {each for _, each in numbers.get(row["connection_id"], ())})
    told = {(row["connection_id"], row["sequence_before"], row["sequence_after"]) for row in gaps}
    details = {(row["connection_id"], row["detail"].partition(" missing")[0]) for row in faults}
    for name, held_in_order in numbers.items():
        for (heard_ns, before), (_, after) in pairwise(held_in_order):
            if after <= before + 1:
                continue
            span = f"{before + 1} … {after - 1}"
            if (name, f"sequence {span}") not in details:
                yield f"(f) {name}: numbers {span} are missing and no fault"
            if (name, before, after) not in told and _recorded(rows, name, heard_ns):
                yield f"(f) {name}: numbers {span} are missing and in no gap"


def _check_numbers(row: Mapping[str, Any], held: set[int]) -> Iterator[str]:
    before, after = row["sequence_before"], row["sequence_after"]
    claimed = [each for each in held if each > before and (after is None or each < after)]
    if claimed:
        yield f"(f) {_span(row)} claims {len(claimed)} recorded frames from {min(claimed)} on"
    if before not in held or (after is not None and after not in held):
        yield f"(f) {_span(row)}: {before} or {after}, its neighbours, are not recorded"
    if after is not None and row["messages_missing"] != after - before - 1:
        yield f"(f) {_span(row)}: {row['messages_missing']} of {after - before - 1} missing"


def _recorded(rows: Sequence[Mapping[str, Any]], connection_id: str, at_ns: int) -> bool:
    """Whether a connection recorded a product up to a time, or over it."""
    return any(
        row["connection_id"] == connection_id
        and row["state"] != "gap"
        and row["product_id"]
        and row["start_us"] < at_ns // 1000 <= row["end_us"]
        for row in rows
    )
