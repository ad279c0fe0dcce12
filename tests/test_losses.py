"""Whatever becomes of a segment of capture: what is left is used, and what is lost is told.

Every kind of damage, at every place, of an hour that begins with a start, one that goes on from the
hour before and into the next, and the newest; with all of its parts, some, or none; and then the
next start, or sealing by hand.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from recorder import recovery, replay, sealing
from recorder.core.frames import FIRST_OFFSET
from recorder.core.tables import TABLES
from recorder.recording import Recording, look_before
from recorder.store.capture import read_hour
from recorder.store.parts import write_empty_parts
from recorder.store.paths import CUTS, Root
from recorder.store.seal import seal_hour, switch
from recorder.verify import findings, verify
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.roots import Rows, check_coverage, check_order, live_rows, sealed_rows

BEGUN, AMID, NEWEST = HOUR, HOUR + 1, HOUR + 2
DATA = ("level2", "trades", "ticker", "heartbeats")
CHANNELS = {"trades": "market_trades"}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)


@pytest.fixture(scope="module", params=["stopped", "killed"])
def source(request, tmp_path_factory) -> Path:
    """Three hours that one connection lives through, a second one at the end; nothing is sealed."""
    path = tmp_path_factory.mktemp(request.param)
    root = Root(path)
    write_empty_parts(root)
    made = Made(4, HOUR_START_NS + 3600 * SECOND_NS - SECOND_NS, rate=4, depth=0.0005)
    recording = Recording(root, made.now_ns, WANTED)

    def take(arrivals):
        for number, arrival in enumerate(arrivals):
            recording.take(arrival)
            if number % 12 == 0:
                recording.capture.flush()
            if number % 50 == 49:
                recording.flush()

    take([*made.open("c1"), *made.run(1.4)])
    made.wait(3598)
    take(made.run(1.8))
    take([*made.close("c1"), *made.open("c2"), *made.run(0.5)])
    if request.param == "stopped":
        recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    return path


# --- what can be done to a segment ------------------------------------------------------------------


def block_begins(content: bytes) -> list[int]:
    found, at = [], 0
    while (at := content.find(b"RCB1", at)) >= 0:
        found.append(at - 8)
        at += 4
    return [*found, len(content)]


def in_block(number: float, within: Callable[[int, int], int]):
    """One bit of the block at a share of the segment."""

    def change(content: bytes, _random: Random) -> bytes:
        begins = block_begins(content)
        at = min(int(number * (len(begins) - 1)), len(begins) - 2)
        where = within(begins[at], begins[at + 1])
        return content[:where] + bytes([content[where] ^ 0x10]) + content[where + 1 :]

    return change


def header(begin: int, _end: int) -> int:
    return begin + 20


def body(begin: int, end: int) -> int:
    return (begin + 40 + end) // 2


def zeros_from(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content))
    return content[:at] + bytes(len(content) - at)


def zeros_amid(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content))
    return content[:at] + bytes(len(content[at : at + 3000])) + content[at + 3000 :]


def zeros_to(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content))
    return bytes(at) + content[at:]


DAMAGES = {
    "first header": in_block(0, header),
    "first block": in_block(0, body),
    "second block": in_block(0.05, body),
    "middle header": in_block(0.5, header),
    "middle block": in_block(0.5, body),
    "last header": in_block(1, header),
    "last block": in_block(1, body),
    "cut off": lambda content, random: content[: random.randrange(len(content))],
    "zeros from": zeros_from,
    "zeros amid": zeros_amid,
    "zeros to": zeros_to,
    "zeros": lambda content, _random: bytes(len(content)),
    "garbage": lambda content, random: random.randbytes(len(content)),
    "a tail of garbage": lambda content, random: content + random.randbytes(777),
    "a tail of zeros": lambda content, _random: content + bytes(4096),
    "empty": lambda _content, _random: b"",
    "missing": lambda _content, _random: None,
    "no folder": lambda _content, _random: None,
}


class Case(NamedTuple):
    damage: str
    hour: int
    parts: str  # all, some, none, or all and the hours before are sealed
    then: str


def plant(root: Root, case: Case, random: Random) -> None:
    if case.parts == "sealed before":
        for hour in range(BEGUN, case.hour):
            seal_hour(root, hour)
        switch(root, case.hour)
    segment = root.segments(case.hour)[0].path
    content = DAMAGES[case.damage](segment.read_bytes(), random)
    if content is None:
        segment.unlink()
        if case.damage == "no folder":
            segment.parent.rmdir()
    else:
        segment.write_bytes(content)
    cuts = root.parts(CUTS, case.hour)
    kept = {"all": len(cuts), "none": 0}.get(case.parts, random.randrange(1, len(cuts)))
    until = cuts[kept - 1].end if kept else 0
    for table in (*TABLES, CUTS):
        for part in root.parts(table, case.hour):
            if part.end > until:
                part.path.unlink()


def go_on(root: Root, then: str) -> None:
    """What happens next: a start (in the hour, or hours later), or sealing by hand."""
    if then == "seal":
        replay.seal(root.path, include_current=True)
        return
    later_ns = 5 * SECOND_NS if then == "start" else 7200 * SECOND_NS
    last_ns = look_before(root).last_ns or HOUR_START_NS + 2 * 3600 * SECOND_NS
    made = Made(8, max(last_ns, HOUR_START_NS + 2 * 3600 * SECOND_NS) + later_ns)
    recording = Recording(root, made.now_ns, WANTED)
    until = recovery.Until(recording.begin_hour, recording.begin_offset)
    for arrival in [*made.open("c9"), *made.run(0.1)]:
        recording.take(arrival)
    recording.flush()
    sealing.recover(root.path, until)
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    replay.seal(root.path, include_current=True)


# --- what must hold ---------------------------------------------------------------------------------


def readable(root: Root) -> set[int]:
    return {
        ingest_seq
        for hour in root.captured_hours()
        for ingest_seq, _ in read_hour(root.segments(hour))
    }


def frame_of(ingest_seq: int, begins: list[int]) -> int:
    from bisect import bisect_right

    return begins[bisect_right(begins, ingest_seq) - 1]


def key_of(table: str, row: dict) -> tuple:
    return CHANNELS.get(table, table), None if table == "heartbeats" else row["product_id"]


def check(path: Path, before: Rows, all_rows: Rows, begins: list[int], held: set[int]) -> None:
    rows = sealed_rows(path)
    check_order(rows)
    tracks = check_coverage(rows)
    for table, found in before.items():
        had = {tuple(row.items()) for row in rows[table]}
        assert {tuple(row.items()) for row in found} <= had, table
    lost = []
    for table in DATA:
        numbers = {row["ingest_seq"] for row in rows[table]}
        trades = {(row["product_id"], row["trade_id"]) for row in rows["trades"]}
        for row in all_rows[table]:
            number = row["ingest_seq"]
            if number in numbers or number & ((1 << 35) - 1) < FIRST_OFFSET:
                continue
            if table == "trades" and (row["product_id"], row["trade_id"]) in trades:
                continue
            assert frame_of(number, begins) not in held, (table, row)
            lost.append((table, row))
    report = verify(path, deep=True)
    capture = [each for each in report.findings if each.kind == findings.CAPTURE]
    assert report.findings == capture, report.findings
    if lost:
        told = [row for row in rows["coverage"] if row["reason"] == "capture_damaged"]
        told += [row for row in rows["coverage"] if row["reason"] == "recorder_down"]
        assert told or [row for row in rows["faults"] if row["kind"] == "capture_damaged"]
        assert report.whole, report.findings
    for table, row in lost:
        at = row["recv_time"]
        track = tracks.get(key_of(table, row), [])
        if not track:
            assert False, ("no coverage", table, key_of(table, row))
        gaps = [each for each in track if each["state"] == "gap"]
        gapped = any(each["start_time"] <= at <= each["end_time"] for each in gaps)
        outside = at < track[0]["start_time"] or at > track[-1]["end_time"]
        assert gapped or outside, (table, at, track)
    again = recovery.publish_missing(path)
    assert (again.rows, again.hours) == (0, [])


def cases() -> list[Case]:
    every = [
        Case(damage, hour, parts, then)
        for damage in DAMAGES
        for hour in (BEGUN, AMID, NEWEST)
        for parts in ("all", "some", "none", "sealed before")
        for then in ("start", "later", "seal")
    ]
    return every


CASES = cases()


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=lambda n: "-".join(map(str, CASES[n])).replace(" ", "_")
)
def test_case(source, tmp_path, number):
    case = CASES[number]
    begins, all_rows = whole(source)
    path = tmp_path / "a"
    shutil.copytree(source, path)
    root = Root(path)
    plant(root, case, Random(number))
    before, held = live_rows(path), readable(root)
    go_on(root, case.then)
    check(path, before, all_rows, begins, held)


_WHOLE: dict[Path, tuple] = {}


def whole(source: Path) -> tuple:
    if source not in _WHOLE:
        _WHOLE[source] = sorted(readable(Root(source))), live_rows(source)
    return _WHOLE[source]
