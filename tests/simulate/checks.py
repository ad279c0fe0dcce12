"""The invariants. Each check takes evidence and gives a message for each thing that is wrong."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import recorder
from recorder.core.frames import Carried, Closed, Ended, Frame, Opened, Sent
from recorder.logs import EVENTS
from tests.simulate.evidence import (
    SECOND_NS,
    TABLE_NAMES,
    Captured,
    read_coverage,
    read_table,
    sealed_files,
    sent_ns,
    sequence_of,
)
from tests.simulate.trial import Book, Life

ABORT_LOSS_S = 1.0  # what an aborted connection may take with it: both sockets' buffers
SHOWN = 5
FAULTS_EXPECTED = {"sequence_gap", "trade_id_gap", "update_before_snapshot"}

Track = tuple[str, str | None]


# --- (a) the capture is what the venue sent -------------------------------------------------------


def check_sent(
    captured: Captured, sent: Sequence[Sequence[bytes]], lives: Sequence[Life], loss_s_max: float
) -> Iterator[str]:
    """Each connection's capture is a prefix of what it was sent; only a broken end may be missing."""
    unmatched = {line.connection_id for line in captured.lines.values() if line.frames}
    by_first = {bytes(frames[0]): index for index, frames in enumerate(sent) if frames}
    matched: dict[int, str] = {}
    for line in captured.lines.values():
        index = by_first.get(line.frames[0][1]) if line.frames else None
        if index is not None:
            matched[index] = line.connection_id
            unmatched.discard(line.connection_id)
    for name in sorted(unmatched):
        yield f"(a) {name}: its first frame is none that the venue sent first on a connection"
    for index, frames in enumerate(sent):
        line = captured.lines[matched[index]] if index in matched else None
        yield from _check_line(index, frames, line, lives, loss_s_max)


def _check_line(
    index: int, frames: Sequence[bytes], line: Any, lives: Sequence[Life], loss_s_max: float
) -> Iterator[str]:
    got = line.raws() if line is not None else []
    name = f"connection {index}" + (f" ({line.connection_id})" if line is not None else "")
    for at, (mine, theirs) in enumerate(zip(got, frames, strict=False)):
        if mine != theirs:
            yield f"(a) {name}: frame {at} is {mine[:90]!r}, the venue sent {bytes(theirs)[:90]!r}"
            return
    if len(got) > len(frames):
        yield f"(a) {name}: {len(got)} frames captured, {len(frames)} sent"
        return
    lost = frames[len(got) :]
    wrong = [raw for raw in lost if not _excused(raw, line, lives, loss_s_max)]
    if wrong:
        yield (
            f"(a) {name}: {len(lost)} of {len(frames)} frames are missing at its end, {len(wrong)} "
            f"of them outside of every loss window; the first: {bytes(wrong[0])[:120]!r}"
        )


def _excused(raw: bytes, line: Any, lives: Sequence[Life], loss_s_max: float) -> bool:
    """Whether a frame at the end of a connection could be lost: around a kill or an abort."""
    at_ns = sent_ns(raw)
    if at_ns is None:
        return True  # an error frame has no time
    if line is not None and line.closed is not None and line.closed.orderly:
        return False
    life = next((each for each in lives if each.spawned_ns <= at_ns < _next(each, lives)), None)
    if life is None:
        return False
    if at_ns >= life.signalled_ns - _ns(loss_s_max) and _ended_hard(life):
        return True
    return any(abs(at_ns - aborted) < _ns(ABORT_LOSS_S) for aborted in life.aborted_ns)


def _next(life: Life, lives: Sequence[Life]) -> int:
    """When the life after this one begins."""
    later = [each.spawned_ns for each in lives if each.spawned_ns > life.spawned_ns]
    return min(later, default=1 << 63)


def _ended_hard(life: Life) -> bool:
    return life.killed or life.exit_code != 0


def _ns(seconds: float) -> int:
    return int(seconds * SECOND_NS)


def lost_in_window(
    captured: Captured, sent: Sequence[Sequence[bytes]], lives: Sequence[Life]
) -> list[tuple[int, float]]:
    """For each run that was killed: (frames lost, age in seconds of the oldest one at the kill)."""
    kept = {raw for line in captured.lines.values() for _, raw in line.frames}
    found = []
    for life in lives:
        if not life.killed:
            continue
        ages = [
            (life.signalled_ns - at_ns) / SECOND_NS
            for frames in sent
            for raw in frames
            if bytes(raw) not in kept
            and (at_ns := sent_ns(raw)) is not None
            and life.spawned_ns <= at_ns <= life.signalled_ns
            and not any(abs(at_ns - each) < _ns(ABORT_LOSS_S) for each in life.aborted_ns)
        ]
        found.append((len(ages), max(ages, default=0.0)))
    return found


# --- (b) rows -------------------------------------------------------------------------------------


def check_rows(root: Path) -> Iterator[str]:
    """`ingest_seq` is unique in every table."""
    for name in TABLE_NAMES:
        if name == "coverage":
            continue  # noted_seq names the arrival, which may end many intervals
        rows = read_table(root, name, ["ingest_seq"])
        if not rows.num_rows:
            continue
        values, counts = np.unique(rows.column(0).to_numpy(), return_counts=True)
        twice = values[counts > 1]
        if len(twice):
            yield f"(b) {name}: {len(twice)} ingest_seq more than once, the first {twice[0]}"


def check_trades(root: Path, captured: Captured) -> Iterator[str]:
    """Every trade that was delivered is there, once."""
    rows = read_table(root, "trades", ["product_id", "trade_id"]).to_pylist()
    held = Counter((row["product_id"], row["trade_id"]) for row in rows)
    twice = [key for key, count in held.items() if count > 1]
    if twice:
        yield f"(b) trades: {len(twice)} are there more than once: {sorted(twice)[:SHOWN]}"
    delivered = set()
    for message in _in_order(captured):
        if message["channel"] == "market_trades":
            for event in message["events"]:
                delivered |= {(each["product_id"], int(each["trade_id"])) for each in event["trades"]}
    missing = delivered - held.keys()
    if missing:
        yield f"(b) trades: {len(missing)} were delivered and are no rows: {sorted(missing)[:SHOWN]}"
    invented = held.keys() - delivered
    if invented:
        yield f"(b) trades: {len(invented)} rows were never delivered: {sorted(invented)[:SHOWN]}"


def check_changes(root: Path, captured: Captured) -> Iterator[str]:
    """The rows of level2 are the delivered changes of each product, in their order."""
    columns = ["product_id", "kind", "side", "price", "size", "ingest_seq"]
    rows = read_table(root, "level2", columns)
    delivered: dict[str, list[tuple[str, float, float]]] = {}
    for message in _in_order(captured):
        if message["channel"] == "l2_data":
            for event in message["events"]:
                delivered.setdefault(event["product_id"], []).extend(
                    ("bid" if each["side"] == "bid" else "ask", float(each["price_level"]),
                     float(each["new_quantity"]))
                    for each in event["updates"]
                )  # fmt: skip
    held: dict[str, list[tuple[str, float, float]]] = {}
    for row in rows.sort_by("ingest_seq").to_pylist() if rows.num_rows else []:
        if row["kind"] != "checkpoint":
            change = (row["side"], row["price"], row["size"])
            held.setdefault(row["product_id"], []).append(change)
    for product in sorted(delivered.keys() | held.keys()):
        wanted, got = delivered.get(product, []), held.get(product, [])
        if wanted != got:
            pairs = enumerate(zip(wanted, got, strict=False))
            at = next((at for at, (a, b) in pairs if a != b), min(len(wanted), len(got)))
            yield (
                f"(b) level2 {product}: {len(got)} rows of {len(wanted)} delivered changes; "
                f"they differ from row {at} on"
            )


def _in_order(captured: Captured) -> Iterator[Mapping[str, Any]]:
    """Every numbered frame that came in order, decoded, in the order of the capture."""
    due: dict[str, int] = {}
    for _, arrival in captured.arrivals:
        if isinstance(arrival, Frame):
            message = json.loads(arrival.raw)
            sequence = message.get("sequence_num")
            if sequence is not None and sequence >= due.get(arrival.connection_id, 0):
                due[arrival.connection_id] = sequence + 1
                yield message


def check_faults(root: Path) -> Iterator[str]:
    """Nothing is doubted but what the venue did."""
    rows = read_table(root, "faults", ["kind", "detail"])
    for row in rows.to_pylist() if rows.num_rows else []:
        if row["kind"] not in FAULTS_EXPECTED:
            yield f"(b) faults: {row['kind']}: {row['detail'][:160]}"


# --- (c) sealed files are a function of the capture ------------------------------------------------


def check_rebuilt(root: Path, again: Path) -> Iterator[str]:
    """The sealed files of two data directories are the same, byte for byte."""
    mine, theirs = sealed_files(root), sealed_files(again)
    for name in sorted(mine.keys() ^ theirs.keys()):
        yield f"(c) {name}: is in {'the recording' if name in mine else 'the rebuilt one'} only"
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name].read_bytes() != theirs[name].read_bytes():
            yield f"(c) {name}: differs from the file rebuilt from the capture{_how(mine, theirs, name)}"


def _how(mine: Mapping[str, Path], theirs: Mapping[str, Path], name: str) -> str:
    """How two files differ, in a few words."""
    try:
        one, other = (pa.parquet.ParquetFile(each[name]) for each in (mine, theirs))
        with one, other:
            if one.metadata.num_rows != other.metadata.num_rows:
                return f": {one.metadata.num_rows} rows, rebuilt {other.metadata.num_rows}"
            rows = one.read().equals(other.read())
            return ": same rows, other bytes" if rows else ": same number of rows, other values"
    except (pa.ArrowException, OSError) as error:
        return f": {error}"


# --- (d) coverage ---------------------------------------------------------------------------------


def check_coverage(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Intervals of a channel and product neither overlap nor leave a hole, and gaps have reasons."""
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
    """Every time between the end of a run and the start of the next is a gap `recorder_down`."""
    first_ns = min(captured.starts_ns, default=None)
    for before, after in pairwise(lives):
        if first_ns is None or before.ended_ns < first_ns:
            continue  # nothing had been recorded yet
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


# --- (e) books ------------------------------------------------------------------------------------


def check_books(root: Path, captured: Captured, lives: Sequence[Life]) -> Iterator[str]:
    """After a frozen market and an orderly end, the recorded book is the venue's."""
    for life in lives:
        if _ended_hard(life) or not life.books:
            continue
        segment = [
            arrival
            for _, arrival in captured.arrivals
            if life.spawned_ns <= arrival.recv_ns <= life.ended_ns
        ]
        times = [arrival.recv_ns for arrival in segment if isinstance(arrival, Frame)]
        for product, truth in life.books.items():
            if live_at_end(segment, product):
                yield from _check_book(root, product, max(times), truth)


def _check_book(root: Path, product: str, at_ns: int, truth: Book) -> Iterator[str]:
    view = recorder.open(str(root)).book(product, at=at_ns)
    if not view.valid:
        yield f"(e) {product} at {at_ns}: the book is not valid ({view.reason}); it was whole"
    for side, mine, theirs in zip(("bid", "ask"), (view.bids, view.asks), truth, strict=True):
        got, wanted = _levels(mine), _levels(theirs)
        if got != wanted:
            yield (
                f"(e) {product} {side} at {at_ns}: {len(got)} levels, the venue has {len(wanted)}; "
                f"only here {sorted(set(got) - set(wanted))[:SHOWN]}, "
                f"only there {sorted(set(wanted) - set(got))[:SHOWN]}"
            )


def _levels(levels: Sequence[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]


def live_at_end(segment: Sequence[Any], product: str) -> bool:
    """Whether a product's book was whole at the end of a stretch, by the venue's own rules.

    It is after a snapshot, until its connection closes, a number is missing, or we unsubscribe. The
    close at the end of the stretch does not count.
    """
    live, due = False, 0
    for arrival in segment:
        match arrival:
            case Opened() | Carried():
                live, due = False, 0
            case Sent(raw=raw):
                request = json.loads(raw)
                if (request["type"], request["channel"]) == ("unsubscribe", "level2"):
                    live = live and product not in request.get("product_ids", [])
            case Frame(raw=raw):
                message = json.loads(raw)
                sequence = message.get("sequence_num")
                if sequence is None or sequence < due:
                    continue
                live = live and sequence == due
                due = sequence + 1
                if message["channel"] == "l2_data":
                    live = live or any(
                        event["type"] == "snapshot" and event["product_id"] == product
                        for event in message["events"]
                    )
            case Closed() | Ended():
                pass
    return live


# --- (f) gaps against the capture -------------------------------------------------------------------


def check_gaps(rows: Sequence[Mapping[str, Any]], captured: Captured) -> Iterator[str]:
    """A gap's numbers were not recorded, those around it were, and no missing number is unledgered."""
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
            yield f"(f) {_span(row)} claims {len(claimed)} recorded frames, the first {min(claimed)}"
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


# --- (g) the daemon itself ------------------------------------------------------------------------


def check_life(life: Life) -> Iterator[str]:
    """Its log is JSON lines of known events, it cleans up, and it ends in order when asked to."""
    name = life.log.stem
    for file in life.left:
        yield f"(g) {name}: staging still holds {file} after the start"
    errors = life.errors.read_text(encoding="utf-8", errors="replace")
    if errors:
        yield f"(g) {name}: wrote to stderr: {_last_lines(errors)}"
    lines = life.log.read_text(encoding="utf-8", errors="replace").split("\n")
    if lines[-1] and not life.killed:
        yield f"(g) {name}: the last line of the log has no end"
    for line in lines[:-1]:
        yield from _check_log_line(name, line)
    started = any('"event":"recorder_started"' in line for line in lines)
    if not life.killed and started and life.exit_code != 0:
        yield f"(g) {name}: SIGTERM after its start, exit code {life.exit_code}"
    if life.orphans:
        yield f"(g) {name}: {life.orphans} processes of it outlived it to the end of the trial"


def _check_log_line(name: str, line: str) -> Iterator[str]:
    try:
        content = json.loads(line)
    except ValueError:
        yield f"(g) {name}: not a line of JSON: {line[:160]!r}"
        return
    if content.get("event") not in EVENTS:
        yield f"(g) {name}: unknown event: {line[:160]}"
    if content.get("level") == "error" or "exception" in content:
        yield f"(g) {name}: {line[:400]}"


def _last_lines(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-3:])


# --- (h) recording again --------------------------------------------------------------------------


def recording_again(captured: Captured, lives: Sequence[Life]) -> list[float]:
    """For each run that got as far: seconds from its start to the first frame received."""
    times = sorted(recv_ns for line in captured.lines.values() for recv_ns, _ in line.frames)
    found = []
    for life in lives:
        at = next((ns for ns in times if life.spawned_ns <= ns <= life.ended_ns), None)
        if at is not None:
            found.append((at - life.spawned_ns) / SECOND_NS)
    return found


def recovery_ms(lives: Sequence[Life]) -> list[float]:
    """How long each finished recovery took, from the logs, the worker's start included."""
    found = []
    for life in lives:
        began = None
        for line in life.log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if content.get("event") == "recovery_started":
                began = _log_ns(content["ts"])
            if content.get("event") == "recovery_finished" and began is not None:
                found.append((_log_ns(content["ts"]) - began) / 1e6)
    return found


def _log_ns(text: str) -> int:
    at = sent_ns(json.dumps({"timestamp": text}).encode())
    assert at is not None
    return at


def coverage_of(root: Path) -> list[dict[str, Any]]:
    """The rows of `coverage`, for the checks."""
    return read_coverage(root)
