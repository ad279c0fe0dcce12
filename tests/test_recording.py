"""Recording, stopping, dying and starting again: one dataset, and every hole written down."""

import os
from itertools import pairwise
from random import Random

import pytest

from recorder import recovery, replay, sealing
from recorder.core.book import BookState
from recorder.core.frames import FIRST_OFFSET, HOUR_NS, Carried, Ended, Frame, hour_of
from recorder.recording import Recording, look_before
from recorder.store.capture import read_arrivals, read_hour
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.seal import seal_hour, taken_to
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.roots import check_coverage, check_order, gaps_of, live_rows, sealed_rows

END_NS = HOUR_START_NS + HOUR_NS


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """What a power cut takes is not in question here."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)


def start(root: Root, made: Made) -> Recording:
    """Begin to record, and recover what was before, as the daemon does."""
    write_empty_parts(root)
    recording = Recording(root, made.now_ns, WANTED)
    made.now_ns = max(made.now_ns, recording.last_ns)
    sealing.recover(root.path, recovery.Until(recording.begin_hour, recording.begin_offset))
    return recording


def stop(recording: Recording) -> None:
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()


def kill(recording: Recording) -> None:
    """The process is gone; what it had in memory too."""
    handle = recording.capture._segment.handle
    if handle is not None:
        os.close(handle)


def us(nanoseconds: int) -> int:
    return nanoseconds // 1000


def micros(moment) -> int:
    return round(moment.timestamp() * 1_000_000)


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


# --- hours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["arrivals", "turn"])
def test_every_hour_begins_with_carried_and_ends_with_ended(root, by):
    """Turned by an arrival of the next hour or by the clock: each hour's capture stands alone."""
    made = Made(3, END_NS - SECOND_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(0.9)]:
        recording.take(arrival)
    if by == "turn":
        recording.turn(END_NS + 5)
        assert recording.hour == HOUR + 1
        made.now_ns = END_NS + 5
    for arrival in made.run(1):
        recording.take(arrival)
    stop(recording)
    first, second = (
        [each for _, each in read_hour(root.segments(hour))] for hour in (HOUR, HOUR + 1)
    )
    assert first[0].cause == "start"
    assert first[-1] == Ended(END_NS - 1, "hour")
    assert isinstance(second[0], Carried)
    assert (second[0].cause, second[0].recv_ns) == ("hour", END_NS)
    assert second[-1].cause == "stop"
    assert all(hour_of(each.recv_ns) == HOUR for each in first)
    rows = live_rows(root.path)
    check_order(rows)
    check_coverage(rows)
    kinds = [
        row["kind"] for row in rows["level2"] if row["ingest_seq"] & (2**35 - 1) < FIRST_OFFSET
    ]
    assert set(kinds) == {"checkpoint"}


def test_a_silence_of_hours_is_turned_hour_by_hour(root):
    """Nothing came for three hours: each has its capture, its book, its coverage."""
    made = Made(3, END_NS - SECOND_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(0.5)]:
        recording.take(arrival)
    made.wait(3 * 3600)
    for arrival in made.run(1):
        recording.take(arrival)
    stop(recording)
    assert root.captured_hours() == [HOUR + number for number in range(5)]
    rows = live_rows(root.path)
    check_order(rows)
    tracks = check_coverage(rows)
    assert len(tracks["level2", "BTC-USD"]) >= 4
    books = recovery.read_checkpoint(root, HOUR + 2)
    assert sorted(books) == [("c1", "BTC-USD"), ("c1", "ETH-USD")]


def test_time_does_not_go_back(root):
    """An arrival before the last one is our own bug."""
    made = Made(3, HOUR_START_NS)
    recording = start(root, made)
    with pytest.raises(AssertionError, match="time went back"):
        recording.take(Frame(recording.last_ns - 1, "c1", b"x"))
    kill(recording)


def test_a_start_with_a_clock_that_went_back_goes_on_behind_what_is_there(root):
    """Times within a capture never go back, whatever the clock says."""
    made = Made(3, HOUR_START_NS + 1800 * SECOND_NS)
    recording = start(root, made)
    for arrival in made.open("c1"):
        recording.take(arrival)
    stop(recording)
    again = Recording(root, HOUR_START_NS, WANTED)
    assert again.last_ns == recording.last_ns
    assert again.begin_offset == recording.capture.offset
    kill(again)


# --- starts and deaths ----------------------------------------------------------------------------


DEATHS = ("stop", "flushed", "captured", "nothing")


def live_once(root: Root, made: Made, random: Random, number: int, how: str) -> tuple[int, int]:
    """One life of a recorder; returns when it began and the last time that its capture holds."""
    recording = start(root, made)
    began_ns = recording.last_ns
    for arrival in [*made.open(f"c{number}"), *made.run(random.uniform(0.2, 0.8))]:
        recording.take(arrival)
    recording.flush()
    for arrival in made.run(0.3):
        recording.take(arrival)
    kept_ns = recording.last_ns
    if how == "stop":
        stop(recording)
        return began_ns, kept_ns
    if how == "flushed":
        recording.flush()
    elif how == "captured":
        recording.cut()
        recording.capture.flush()
    else:
        *_, (_, last) = read_arrivals([root.capture])
        kept_ns = last.recv_ns
    kill(recording)
    made.cut_off()
    return began_ns, kept_ns


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("across", [False, True], ids=["within an hour", "across an hour"])
def test_five_starts_leave_one_dataset(root, seed, across):
    """However each life ended: no duplicate, no overlap, no hole, gaps for the times between."""
    random = Random(seed)
    begin_ns = END_NS - 8 * SECOND_NS if across else HOUR_START_NS + 60 * SECOND_NS
    made = Made(seed, begin_ns)
    lives = []
    for number in range(5):
        how = DEATHS[(seed + number) % 4] if seed < 4 else random.choice(DEATHS)
        lives.append(live_once(root, made, random, number, how))
        if how == "stop":
            made.cut_off()
        made.wait(random.uniform(0.5, 3))
    replay.seal(root.path, include_current=True)
    rows = sealed_rows(root.path)
    assert rows == {**live_rows(root.path)}
    check_order(rows)
    tracks = check_coverage(rows)
    assert set(tracks) == set(WANTED)
    for channel, product_id in WANTED:
        intervals = tracks[channel, product_id]
        assert micros(intervals[-1]["end_time"]) == us(lives[-1][1])
        down = [
            (micros(begin), micros(end))
            for begin, end, reason in gaps_of(rows, channel, product_id)
            if reason == "recorder_down"
        ]
        for (_, died_ns), (began_ns, _) in pairwise(lives):
            assert any(begin <= us(died_ns) and end == us(began_ns) for begin, end in down)
    check_every_frame(root, rows)


def check_every_frame(root: Root, rows) -> None:
    """Each captured frame with data has its rows: beats by number, and the book's by place."""
    beats = [
        ingest_seq
        for ingest_seq, arrival in read_arrivals([root.capture])
        if isinstance(arrival, Frame) and b'"channel":"heartbeats"' in arrival.raw
    ]
    assert [row["ingest_seq"] for row in rows["heartbeats"]] == beats
    changes = [
        ingest_seq
        for ingest_seq, arrival in read_arrivals([root.capture])
        if isinstance(arrival, Frame) and b'"channel":"l2_data"' in arrival.raw
    ]
    held = {row["ingest_seq"] for row in rows["level2"]}
    assert set(changes) <= held


def test_a_start_finds_the_trades_of_frames_that_no_part_holds(root):
    """A snapshot repeats the last 100 trades; those that the capture alone holds are known too."""
    made = Made(5, HOUR_START_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(20)]:
        recording.take(arrival)
    recording.capture.flush()
    kill(recording)
    known = {name: (ids.first, ids.last) for name, ids in recording.pipeline.trades.items()}
    found = {name: (ids.first, ids.last) for name, ids in look_before(root).trades.items()}
    assert found == known
    assert len(known) == 2


def test_a_trade_that_came_late_is_not_taken_for_recorded(root):
    """The pipeline does not apply a late frame; a start after it must not believe it did."""
    made = Made(5, HOUR_START_NS)
    recording = start(root, made)
    arrivals = [*made.open("c1"), *made.run(2)]
    for arrival in arrivals:
        recording.take(arrival)
    snapshot = next(each for each in arrivals if b"market_trades" in getattr(each, "raw", b"")[:30])
    text = snapshot.raw.replace(b'"trade_id":"', b'"trade_id":"9')
    recording.take(Frame(recording.last_ns, "c1", text))
    recording.capture.flush()
    kill(recording)
    known = {name: ids.last for name, ids in recording.pipeline.trades.items()}
    assert {name: ids.last for name, ids in look_before(root).trades.items()} == known


# --- what a start finds ---------------------------------------------------------------------------


def test_an_empty_directory(root):
    """Nothing was before."""
    before = look_before(root)
    assert (before.last_ns, before.hour, before.offset, before.orderly) == (
        None,
        None,
        FIRST_OFFSET,
        True,
    )


def an_hour_that_went_on(root: Root) -> Recording:
    """A recording that died just after it turned into the next hour."""
    made = Made(6, END_NS - SECOND_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(0.9)]:
        recording.take(arrival)
    recording.turn(END_NS + 1)
    recording.flush()
    kill(recording)
    return recording


@pytest.mark.parametrize("left", ["torn", "nothing", "empty folder"])
def test_the_newest_hour_has_not_one_whole_block(root, left):
    """What was before is what the older hour says: when it ended, and its trades."""
    died = an_hour_that_went_on(root)
    [segment] = root.segments(HOUR + 1)
    if left == "torn":
        segment.path.write_bytes(segment.path.read_bytes()[:-9])
    else:
        segment.path.unlink()
    if left == "nothing":
        segment.path.parent.rmdir()
    for part in root.live.rglob(f"*{segment.path.parent.name}*"):
        part.unlink()
    before = look_before(root)
    assert (before.hour, before.last_ns, before.orderly) == (HOUR, END_NS, True)
    assert set(before.trades) == set(died.pipeline.trades)
    made = Made(6, END_NS + 60 * SECOND_NS)
    recording = start(root, made)
    assert recording.begin_offset == FIRST_OFFSET
    for arrival in [*made.open("c2"), *made.run(1)]:
        recording.take(arrival)
    stop(recording)
    rows = live_rows(root.path)
    check_order(rows)
    tracks = check_coverage(rows)
    assert {intervals[0]["state"] for intervals in tracks.values()} <= {"recorded", "gap"}
    assert (gaps_of(rows, "level2", "BTC-USD")[0][2]) == "recorder_down"


def test_parts_that_reach_beyond_a_damaged_capture(root):
    """New frames never get numbers that rows have already."""
    made = Made(7, HOUR_START_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(1)]:
        recording.take(arrival)
    recording.flush()
    for arrival in made.run(1):
        recording.take(arrival)
    stop(recording)
    [segment] = root.segments(HOUR)
    segment.path.write_bytes(segment.path.read_bytes()[:-9])
    rows = live_rows(root.path)
    made.cut_off()
    made.wait(1)
    again = start(root, made)
    assert again.begin_offset > recording.capture.offset
    assert again.begin_offset == taken_to(root, HOUR) or again.begin_offset > recording.begin_offset
    for arrival in [*made.open("c2"), *made.run(1)]:
        again.take(arrival)
    stop(again)
    everything = live_rows(root.path)
    check_order(everything)
    check_coverage(everything)
    for table, found in rows.items():
        assert [row for row in everything[table] if row in found] == found


def test_nothing_but_the_commit_record_is_left(root):
    """Capture and parts are gone: the gap begins where the hour ended, and no trade comes twice."""
    made = Made(8, END_NS - 2 * SECOND_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(1)]:
        recording.take(arrival)
    stop(recording)
    died_ns = recording.last_ns
    seal_hour(root, HOUR)
    for path in [*root.capture.rglob("*.cap"), *root.live.rglob(f"*{2026111019}*")]:
        path.unlink()
    made.cut_off()
    made.wait(30)
    again = start(root, made)
    for arrival in [*made.open("c2"), *made.run(1)]:
        again.take(arrival)
    stop(again)
    new = live_rows(root.path)
    old = sealed_rows(root.path)
    rows = {table: old[table] + new[table] for table in old}
    check_order(rows)
    check_coverage(rows)
    assert micros(gaps_of(rows, "level2", "BTC-USD")[-2][0]) == us(died_ns)


def test_a_clean_stop_leaves_no_doubt(root):
    """One life, no fault: everything that was recorded is `recorded`."""
    made = Made(9, HOUR_START_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(3)]:
        recording.take(arrival)
    assert all(book.state is BookState.LIVE for book in recording.pipeline.books.values())
    stop(recording)
    rows = live_rows(root.path)
    assert {row["state"] for row in rows["coverage"]} == {"recorded"}
    assert [row for row in rows["faults"] if row["kind"] != "update_before_snapshot"] == []
    assert {(row["channel"], row["product_id"]) for row in rows["coverage"]} == set(WANTED)
