"""(5) The intervals of a track neither overlap nor leave a hole."""

from collections.abc import Iterator

from recorder.core.frames import Ended
from recorder.feed.plan import CANONICAL
from tests.sim.checks.frames import Row, span
from tests.sim.evidence import Evidence

STATES = ("recorded", "unverified", "gap")


def check_intervals(evidence: Evidence) -> Iterator[str]:
    """Every track is told without a hole from its first interval to its last.

    A gap overlaps with nothing; a line's own intervals do not overlap.
    """
    tracks: dict[tuple[str, str | None], list[Row]] = {}
    for row in evidence.coverage:
        tracks.setdefault((row["channel"], row["product_id"]), []).append(row)
        if row["state"] not in STATES or (row["state"] == "gap") != bool(row["reason"]):
            yield f"{span(row)}: the state does not fit the reason"
        if row["end_us"] < row["start_us"]:
            yield f"{span(row)}: ends before it begins"
    stops_us = {
        arrival.recv_ns // 1000
        for _, arrival in evidence.arrivals
        if isinstance(arrival, Ended) and arrival.cause == "stop"
    }
    ends = {}
    for track, rows in tracks.items():
        yield from _check_track(rows, stops_us)
        ends[track] = max(row["end_us"] for row in rows)
    wanted = evidence.run.plan.wanted[-1]
    channels = {CANONICAL.get(each, each) for each in wanted.channels}
    newest_us = max(ends.values(), default=0)
    for track, end_us in ends.items():
        # A start does not go on with what is not wanted any more.
        is_wanted = track[0] in channels and track[1] in (None, *wanted.products)
        if end_us != newest_us and (is_wanted or end_us not in stops_us):
            yield f"{track}: told up to {end_us} only, others to {newest_us}"


def _check_track(rows: list[Row], stops_us: set[int]) -> Iterator[str]:
    """One track; where a recorder stopped, the next may have begun without it."""
    rows.sort(key=lambda row: (row["start_us"], row["end_us"]))
    reached_us, before = rows[0]["start_us"], rows[0]
    lines: dict[str, Row] = {}
    gap: Row | None = None
    for row in rows:
        if row["start_us"] > reached_us and reached_us not in stops_us:
            yield f"a hole between {span(before)} and {span(row)}"
        if row["start_us"] < reached_us and row["state"] == "gap":
            yield f"{span(before)} overlaps {span(row)}"
        if gap is not None and row["start_us"] < gap["end_us"]:
            yield f"{span(gap)} overlaps {span(row)}"
        if row["state"] == "gap":
            gap = row
        else:
            mine = lines.get(row["connection_id"])
            if mine is not None and row["start_us"] < mine["end_us"]:
                yield f"{span(mine)} overlaps {span(row)} of the same session"
            lines[row["connection_id"]] = row
        if row["end_us"] >= reached_us:
            reached_us, before = row["end_us"], row
