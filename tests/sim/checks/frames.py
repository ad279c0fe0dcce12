"""(1) What the venue sent is in the capture, in order, or in an interval that says it is not."""

from collections.abc import Iterator, Sequence
from typing import Any

from recorder.core.frames import hour_of
from tests.sim.evidence import Break, Evidence, Line

Row = dict[str, Any]


def check_sent(evidence: Evidence) -> Iterator[str]:
    """A session's capture is the begin of what the venue sent on its link, byte for byte."""
    witness = evidence.run.witness
    for name in witness.heard.keys() ^ evidence.lines.keys():
        yield f"{name} is not both a session of the recorder and one of the capture"
    links = {heard.link for heard in witness.heard.values()}
    for link, sent in witness.wires.items():
        if sent and link not in links:
            yield f"{len(sent)} frames were sent on link {link}, which the recorder does not know"
    for name, line in evidence.lines.items():
        if name in witness.heard:
            link = witness.heard[name].link
            yield from _check_line(line, witness.wires.get(link, []))
            received = [each.text for each in witness.received.get(link, ())]
            if line.asked[: len(received)] != received:
                yield f"{name}: the requests that the venue got are not those of the capture"


def _check_line(line: Line, sent: Sequence[bytes]) -> Iterator[str]:
    name = line.connection_id
    for at, (mine, theirs) in enumerate(zip(line.frames, sent, strict=False)):
        if mine.raw != theirs:
            yield f"{name}: frame {at} is {mine.raw[:90]!r}, sent was {bytes(theirs)[:90]!r}"
            return
    missing = len(sent) - len(line.frames)
    if missing < 0:
        yield f"{name}: {len(line.frames)} frames captured, {len(sent)} sent"
    elif line.closed is None:
        yield f"{name}: its end is not in the capture"
    elif missing and line.closed.orderly:
        yield f"{name}: closed in order, and {missing} frames are missing at its end"


def check_ledger(evidence: Evidence) -> Iterator[str]:
    """No interval `recorded` of a session reaches over a frame that it lost."""
    recorded: dict[str, list[Row]] = {name: [] for name in evidence.lines}
    for row in evidence.coverage:
        if row["state"] != "gap":
            recorded.setdefault(row["connection_id"], []).append(row)
    for name, line in evidence.lines.items():
        yield from _check_breaks(line, recorded[name])
        yield from _check_end(line, recorded[name])


def _check_breaks(line: Line, recorded: Sequence[Row]) -> Iterator[str]:
    for each in line.breaks:
        if each.before is None:
            begun = [row for row in recorded if row["start_us"] < each.after.recv_us]
            yield from (f"{span(row)} begins before a frame came in order" for row in begun)
            continue
        for row in recorded:
            if _is_shared(row, hour_of(each.after.recv_ns)):
                continue
            first, last = row["ingest_seq_first"], row["ingest_seq_last"]
            over_time = row["start_us"] < each.since_us < row["end_us"]
            over_rows = first is not None and first <= each.before.ingest_seq < last
            if over_time or (over_rows and last >= each.after.ingest_seq):
                yield (
                    f"{span(row)} reaches over the loss of {each.before.number + 1} … "
                    f"{each.after.number - 1} on {line.connection_id}"
                )


def _check_end(line: Line, recorded: Sequence[Row]) -> Iterator[str]:
    heard_ns = line.frames[-1].recv_ns if line.frames else line.opened_ns
    if line.closed is not None and line.closed.orderly:
        heard_ns = line.closed.recv_ns
    turned = None if line.closed is None else hour_of(line.closed.recv_ns)
    for row in recorded:
        if _is_shared(row, turned):
            continue
        if row["end_us"] > max(heard_ns // 1000, row["start_us"]):
            late_s = row["end_us"] / 1e6 - heard_ns / 1e9
            yield f"{span(row)} ends {late_s:.6f} s after {line.connection_id} was last heard"


def _is_shared(row: Row, hour: int | None) -> bool:
    """Whether an earlier hour told it of what all lines record.

    That is not taken back where another line recorded the same.
    """
    return row["product_id"] is None and row["hour"] != hour


def check_gaps(evidence: Evidence) -> Iterator[str]:
    """A gap's numbers were not recorded, those around it were, and each loss is told."""
    told: dict[str, set[tuple[int, int]]] = {name: set() for name in evidence.lines}
    for row in evidence.coverage:
        before, after = row["sequence_before"], row["sequence_after"]
        line = evidence.lines.get(row["connection_id"])
        if row["state"] != "gap" or before is None or line is None:
            continue
        yield from _check_neighbours(line, row, before, after)
        if after is not None:
            told[line.connection_id].add((before, after))
    for name, line in evidence.lines.items():
        for each in line.breaks:
            yield from _check_told(evidence, line, each, told[name])


def _check_neighbours(line: Line, row: Row, before: int, after: int | None) -> Iterator[str]:
    held = {frame.number for frame in line.ordered}
    if after is not None and any(before < each < after for each in held if each is not None):
        yield f"{span(row)} names recorded frames between {before} and {after}"
    if before not in held or (after is not None and after not in held):
        yield f"{span(row)}: {before} or {after}, its neighbours, were not recorded"
    wanted = [each.missing for each in line.breaks if each.after.number == after]
    if after is not None and [row["messages_missing"]] != wanted:
        yield f"{span(row)}: {row['messages_missing']} missing, it were {wanted}"


def _check_told(
    evidence: Evidence, line: Line, each: Break, told: set[tuple[int, int]]
) -> Iterator[str]:
    """A loss is a fault, and a gap of everything that was recorded when it came."""
    faults = (*evidence.faults_of("sequence_gap"), *evidence.faults_of("unreadable_frames"))
    first, end = each.after.ingest_seq, each.after.end_seq
    if not any(first <= row["ingest_seq"] < end for row in faults):
        yield f"{line.connection_id}: the loss before {each.after.number} is no fault"
    before, after = each.before, each.after
    if before is None or not _was_recorded(evidence, line.connection_id, before.recv_us):
        return
    if (before.number, after.number) not in told:
        yield f"{line.connection_id}: {before.number} … {after.number} are around no gap"


def _was_recorded(evidence: Evidence, connection_id: str, at_us: int) -> bool:
    """Whether a session recorded a product up to a time; what has none, others may record, too."""
    return any(
        row["connection_id"] == connection_id
        and row["state"] != "gap"
        and row["product_id"]
        and row["start_us"] < at_us == row["end_us"]
        for row in evidence.coverage
    )


def span(row: Row) -> str:
    """An interval in words."""
    track = f"{row['channel']} {row['product_id'] or ''}".strip()
    return f"{track} {row['state']} {row['reason'] or ''} [{row['start_us']}, {row['end_us']})"
