"""What is known around capture that is lost: who was recorded and up to when, and which trades.

The capture tells it itself where it can be read. Where it cannot, the tables do: the parts of the
hour, and what was published of the hour before. So a stretch that is lost gets gaps that begin
where the tables end, and no trade behind it is stored a second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from recorder.checkpoints import first_mark
from recorder.core import state as states
from recorder.core.frames import HOUR_NS, Carried, Ended, hour_base
from recorder.core.pipeline import Pipeline
from recorder.core.rows import Rows
from recorder.core.tables import COVERAGE
from recorder.store.capture import end_of
from recorder.store.days import files_of
from recorder.store.parts import read_cut, read_parts
from recorder.store.paths import CUTS, Root
from recorder.store.seal import read_commit, taken_to

Range = tuple[int, int]  # of offsets of an hour, the end exclusive
DAMAGED = "capture_damaged"  # the kind of the fault, and the reason of the gaps

Key = tuple[str, str | None]
Ends = dict[Key, int]
Trades = dict[str, states.TradeState]


# --- what the tables say ------------------------------------------------------------------------


def ledger(root: Root, hour: int, before_seq: int) -> Ends:
    """Up to when the published intervals of each channel and product reach, in microseconds."""
    commit = read_commit(root, hour)
    files = files_of(root, hour, commit.files if commit is not None else (), COVERAGE.name)
    rows = read_parts(COVERAGE, files + [part.path for part in root.parts(COVERAGE.name, hour)])
    rows = rows.filter(pc.less(rows.column("noted_seq"), before_seq))
    ends: Ends = {}
    times = rows.column("end_time").cast(pa.int64()).to_pylist()
    channels, product_ids = (rows.column(name).to_pylist() for name in ("channel", "product_id"))
    for channel, product_id, end_us in zip(channels, product_ids, times, strict=True):
        ends[channel, product_id] = max(end_us, ends.get((channel, product_id), end_us))
    return ends


def trades_at(root: Root, hour: int, offset: int) -> Trades | None:
    """The recorded trade ids where a cut or a seal ended; None where none ended there."""
    commit = read_commit(root, hour)
    content = commit.trades if commit is not None and commit.capture_end == offset else None
    for cut in root.parts(CUTS, hour):
        if cut.end == offset:
            content = read_cut(cut.path).trades
    return None if content is None else msgspec.convert(content, Trades)


def told_before(root: Root, hour: int) -> tuple[Ends, Trades]:
    """Where the newest hour before one ended, for what was recorded to its end, and its trades."""
    held = {*root.committed_hours(), *(cut.hour for cut in root.parts(CUTS))}
    for each in sorted((each for each in held if each < hour), reverse=True):
        commit, cuts = read_commit(root, each), root.parts(CUTS, each)
        trades = commit.trades if commit is not None else {}
        done = commit.capture_end if commit is not None else 0
        newest = max(cuts, key=lambda cut: cut.end) if cuts else None
        if newest is not None and newest.end >= done:
            trades = read_cut(newest.path).trades
        ends = ledger(root, each, hour_base(each + 1))
        last_us = max(ends.values(), default=0)
        to_the_end = {key: end_us for key, end_us in ends.items() if end_us == last_us}
        if to_the_end or trades:
            return to_the_end, msgspec.convert(trades, Trades)
    return {}, {}


# --- what follows from it -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Around:
    """What is known where rows are made again behind a loss, and where the tables of each end."""

    state: states.State
    ends: Ends


def around(
    root: Root, hour: int, resume: int, pipeline: Pipeline, last_ns: int, *, begun: bool
) -> Around:
    """What is known at an offset from which on rows are missing, behind a loss.

    ``begun``: the pipeline has read the hour up to the loss, whose last arrival was at ``last_ns``;
    otherwise the hour's own begin is lost.
    """
    ends = ledger(root, hour, hour_base(hour) + resume)
    trades = trades_at(root, hour, resume)
    if begun:
        known = dict.fromkeys(pipeline.coverage.tracks)
        known |= {key: None for key, end_us in ends.items() if end_us * 1000 > last_ns}
        trades = states.trades_to_state(pipeline.trades) if trades is None else trades
        return Around(states.State(last_ns, list(known), trades), ends)
    before, trades_before = told_before(root, hour)
    ends = before | ends
    ended_ns = min(ends.values()) * 1000 if ends else None
    wanted = sorted(ends, key=lambda key: (key[0], key[1] or ""))
    return Around(states.State(ended_ns, wanted, trades_before if trades is None else trades), ends)


def after(block: Rows, ends: Ends) -> Rows:
    """What is left of intervals after what the ledger holds, with the damage as the gaps' cause."""
    if block.table != COVERAGE.name:
        return block
    lists = [value if isinstance(value, list) else [value] * block.count for value in block.values]
    kept = []
    for values in zip(*lists, strict=True):
        row = dict(zip(COVERAGE.stored(), values, strict=True))
        end_us = ends.get((row["channel"], row["product_id"]))
        if end_us is not None and row["start_time"] < end_us:
            row["start_time"] = end_us
        if row["reason"] == "recorder_down":
            row["reason"] = DAMAGED
        if row["start_time"] < row["end_time"] or end_us is None:
            kept.append(tuple(row.values()))
    return Rows(block.table, len(kept), tuple(map(list, zip(*kept, strict=True))))


# --- an end that is lost ------------------------------------------------------------------------


def lost_end(root: Root, hour: int, before: int | None) -> Ended | None:
    """The end that an hour's capture lacks, though recording went on after it; None: it has one.

    Whoever begins to record gives a recording that died its end; so it is there, or was lost. The
    begin of the next hour's capture says up to when this one was recorded. ``before`` is an hour
    that is being recorded; None: nobody records.
    """
    later = [each for each in root.captured_hours() if each > hour]
    if not later or (before is not None and hour >= before):
        return None
    end, taken = end_of(root.segments(hour)), taken_to(root, hour)
    commit = read_commit(root, hour)
    if commit is not None and commit.capture_end >= taken:
        return None
    if isinstance(end.arrival, Ended) and end.offset >= taken:
        return None
    boundary_ns = (hour + 1) * HOUR_NS
    mark = first_mark(root, later[0])
    if mark is None or mark.cause == "hour":
        return Ended(boundary_ns - 1, "hour")
    return Ended(_told_to(mark, hour * HOUR_NS, boundary_ns - 1), "lost")


def _told_to(start: Carried, first_ns: int, last_ns: int) -> int:
    """When a start says that the recording before it ended, within an hour."""
    ended_ns = states.decode(start.state).ended_ns
    return min(max(ended_ns or first_ns, first_ns), last_ns)


def missing(ranges: Sequence[Range], first: int, end: int) -> list[Range]:
    """The ranges of [first, end) that no range covers."""
    lacking = []
    for begin, stop in sorted(ranges):
        if begin > first:
            lacking.append((first, min(begin, end)))
        first = max(first, stop)
        if first >= end:
            return lacking
    return [*lacking, (first, end)] if first < end else lacking
