"""Whatever becomes of a segment of capture: what is left is used, and what is lost is told.

Every kind of damage, at every place, of an hour that begins with a start, one that goes on from the
hour before and into the next, and the newest; with all of its parts, some, or none; and then the
next start, or sealing by hand.
"""

import os
import shutil
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from recorder import finishing, recovery, sealing
from recorder.before import look_before
from recorder.core.frames import FIRST_OFFSET, hour_of_seq
from recorder.core.tables import TABLES
from recorder.recording import Recording
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


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Callable[[str], Path]:
    """Three hours recorded, ended in order or not (``stopped``, ``killed``)."""
    made: dict[str, Path] = {}

    def source(ended: str) -> Path:
        if ended not in made:
            made[ended] = record(tmp_path_factory.mktemp(ended), stopped=ended == "stopped")
        return made[ended]

    return source


def record(path: Path, *, stopped: bool) -> Path:
    """Three hours that one connection lives through, a second one at the end; nothing is sealed."""
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
    if stopped:
        recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    return path


# --- what can be done to a segment ----------------------------------------------------------------


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
    ended: str


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
        finishing.seal(root.path, include_current=True)
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
    finishing.seal(root.path, include_current=True)


# --- what must hold -------------------------------------------------------------------------------


def readable(root: Root) -> set[int]:
    return {
        ingest_seq
        for hour in root.captured_hours()
        for ingest_seq, _ in read_hour(root.segments(hour))
    }


def frame_of(ingest_seq: int, begins: list[int]) -> int:
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
    for table, row in lost:
        at = row["recv_time"]
        track = tracks.get(key_of(table, row), [])
        assert track, ("no coverage", table, key_of(table, row))
        gaps = [each for each in track if each["state"] == "gap"]
        gapped = any(each["start_time"] <= at <= each["end_time"] for each in gaps)
        outside = at < track[0]["start_time"] or at > track[-1]["end_time"]
        assert gapped or outside, (table, at, track)
        reasons = {each["reason"] for each in rows["coverage"]}
        kinds = {each["kind"] for each in rows["faults"]}
        # The end of all, where no start comes after it, looks as after a power cut.
        assert outside or {"capture_damaged", "recorder_down"} & (reasons | kinds)
    assert report.whole or not lost, report.findings
    again = recovery.publish_missing(path)
    assert (again.rows, again.hours) == (0, [])


def cases(seed: int) -> list[Case]:
    """Each damage: of which hour, with which parts, and what then, is drawn."""
    random = Random(seed)
    drawn = [
        Case(
            damage,
            random.choice((BEGUN, AMID, NEWEST)),
            random.choice(("all", "some", "none", "sealed before")),
            random.choice(("start", "later", "seal")),
            random.choice(("stopped", "killed")),
        )
        for damage in DAMAGES
    ]
    # Of an hour of which nothing at all is left, not even its folder, nobody knows.
    return [case for case in drawn if (case.damage, case.parts) != ("no folder", "none")]


FOUND = (
    Case("zeros", NEWEST, "all", "later", "stopped"),  # was a hole in the coverage, and no fault
    Case("empty", NEWEST, "all", "start", "killed"),  # intervals overlapped
    Case("first block", NEWEST, "none", "seal", "stopped"),  # trades twice, and no gap
    Case("first block", NEWEST, "some", "seal", "stopped"),  # neither fault nor gap
    Case("last block", AMID, "none", "start", "killed"),  # the hour that went on had no end
)


def named(case: Case) -> str:
    return "-".join(map(str, case)).replace(" ", "_")


@pytest.mark.parametrize("case", [*FOUND, *cases(seed=1)], ids=named)
def test_what_is_left_is_used_and_what_is_lost_is_told(sources, tmp_path, case):
    """No row twice, no hole and no overlap in coverage, a gap over all that is gone."""
    source = sources(case.ended)
    path = tmp_path / "a"
    shutil.copytree(source, path)
    root = Root(path)
    plant(root, case, Random(named(case)))
    before, held = live_rows(path), readable(root)
    go_on(root, case.then)
    all_frames, all_rows = sorted(readable(Root(source))), live_rows(source)
    check(path, before, all_rows, all_frames, held)


def test_a_start_tells_of_a_segment_of_which_nothing_is_whole(sources, tmp_path):
    """It begins at the same offset: the file is put aside, and a fault says what it was."""
    path = tmp_path / "a"
    shutil.copytree(sources("killed"), path)
    root = Root(path)
    plant(root, Case("zeros", NEWEST, "none", "start", "killed"), Random(0))
    go_on(root, "start")
    faults = [row for row in sealed_rows(path)["faults"] if row["kind"] == "capture_damaged"]
    assert ["0000000016777216.cap can be read" in row["detail"] for row in faults] == [True]
    assert list(root.segments(NEWEST)[0].path.parent.glob("*.torn-*"))


def test_the_books_of_an_hour_whose_end_is_lost_are_nobodys(sources, tmp_path):
    """The next hour says that its books are not there, and takes none that is older."""
    path = tmp_path / "a"
    shutil.copytree(sources("stopped"), path)
    root = Root(path)
    plant(root, Case("middle block", BEGUN, "none", "seal", "stopped"), Random(0))
    plant(root, Case("a tail of zeros", AMID, "none", "seal", "stopped"), Random(0))
    go_on(root, "seal")
    rows = sealed_rows(path)
    check_order(rows)
    check_coverage(rows)
    of_hour = [row for row in rows["level2"] if hour_of_seq(row["ingest_seq"]) == AMID]
    assert of_hour
    assert {row["book_epoch"] for row in of_hour} == {None}
    assert "checkpoint_missing" in {row["kind"] for row in rows["faults"]}
