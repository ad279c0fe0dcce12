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


def check_gaps(rows: Sequence[Mapping[str, Any]], captured: Captured) -> Iterator[str]:
    """A gap's numbers were not recorded, those around it were, and each missing one is in a gap."""
    numbers = {
        name: [each for each in map(sequence_of, line.raws()) if each is not None]
        for name, line in captured.lines.items()
    }
    told: dict[str, set[tuple[int, int]]] = {}
    for row in rows:
        before, after = row["sequence_before"], row["sequence_after"]
        if row["state"] != "gap" or before is None:
            continue
        held = set(numbers.get(row["connection_id"], ()))
        claimed = [each for each in held if each > before and (after is None or each < after)]
        if claimed:
            yield f"(f) {_span(row)} claims {len(claimed)} recorded frames from {min(claimed)} on"
        if before not in held or (after is not None and after not in held):
            yield f"(f) {_span(row)}: {before} or {after}, its neighbours, are not recorded"
        if after is not None:
            told.setdefault(row["connection_id"], set()).add((before, after))
            if row["messages_missing"] != after - before - 1:
                yield f"(f) {_span(row)}: {row['messages_missing']} of {after - before - 1} missing"
    for name, held_in_order in numbers.items():
        for before, after in pairwise([-1, *held_in_order]):
            if after > before + 1 and before >= 0 and (before, after) not in told.get(name, ()):
                yield f"(f) {name}: numbers {before + 1} … {after - 1} are missing and in no gap"
