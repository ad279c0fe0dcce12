"""Recording, stopping, dying and starting again: one dataset, and every hole written down."""

import os
from itertools import pairwise
from random import Random

import pytest

from recorder import finishing, recovery, sealing
from recorder.core.book import BookState
from recorder.core.frames import FIRST_OFFSET, HOUR_NS, Carried, Ended, Frame, hour_of
from recorder.core.messages import Reconnect
from recorder.meter import Meter
from recorder.recording import Recording
from recorder.store.capture import read_arrivals, read_hour
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.verify import verify
from tests.core.scripts import Player
from tests.core.sessions import RandomSessions, mutated
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


@pytest.mark.parametrize("by", ["arrivals", "turn"])
def test_a_clock_that_was_wrong_by_years_costs_no_hour_between(root, by):
    """The recording ends where it was, and begins where the clock is: nothing is known between."""
    made = Made(3, HOUR_START_NS)
    recording = start(root, made)
    for arrival in [*made.open("c1"), *made.run(2)]:
        recording.take(arrival)
    ended_ns = recording.last_ns
    made.wait(10 * 365 * 24 * 3600)
    if by == "turn":
        requests = recording.turn(made.now_ns)
        begun_ns = made.now_ns
    else:
        first, *more = made.run(1.5)
        requests, begun_ns = recording.take(first).requests, first.recv_ns
        for arrival in more:
            recording.take(arrival)
    assert [each.connection_id for each in requests if isinstance(each, Reconnect)] == ["c1"]
    for arrival in [*made.close("c1"), *made.open("c2"), *made.run(2)]:
        recording.take(arrival)
    assert recording.pipeline.books["c2", "BTC-USD"].state is BookState.LIVE
    stop(recording)
    assert root.captured_hours() == [HOUR, hour_of(begun_ns)]
    rows = live_rows(root.path)
    check_order(rows)
    tracks = check_coverage(rows)
    for track in WANTED:
        (down,) = [row for row in tracks[track] if row["reason"] == "recorder_down"]
        assert (micros(down["start_time"]), micros(down["end_time"])) == (
            us(ended_ns), us(begun_ns)
        )  # fmt: skip
    trades = [row["trade_id"] for row in rows["trades"] if row["product_id"] == "BTC-USD"]
    assert len(trades) == len(set(trades))
    finishing.seal(root.path, include_current=True)
    report = verify(root.path, deep=True)
    assert report.findings == []


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
    finishing.seal(root.path, include_current=True)
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


@pytest.mark.parametrize("seed", range(6))
def test_frames_taken_together_are_recorded_as_one_by_one(tmp_path, seed):
    """Whatever happens, over the turn of an hour too: every file, request, fact and count."""
    random, player = Random(seed), Player(at_ns=END_NS - 5 * SECOND_NS)
    sessions = RandomSessions(seed, player)
    for _ in range(300):
        sessions.happen()
        if sessions.numbers and random.random() < 0.03:
            line = random.choice(sorted(sessions.numbers))
            player.say(mutated(random, sessions.raw(sessions.numbers[line])), line)
    groups: list[list] = []
    for _, arrival, _ in player.steps:
        if groups and _may_follow(groups[-1], arrival) and len(groups[-1]) < random.choice([3, 60]):
            groups[-1].append(arrival)
        else:
            groups.append([arrival])
    one = _kept(tmp_path / "one", [[arrival] for group in groups for arrival in group])
    assert _kept(tmp_path / "together", groups) == one


def _may_follow(group, arrival):
    """Only frames of one connection and hour are taken together."""
    first = group[0]
    return (
        type(first) is type(arrival) is Frame
        and first.connection_id == arrival.connection_id
        and hour_of(first.recv_ns) == hour_of(arrival.recv_ns)
    )


def _kept(path, groups):
    path.mkdir()
    recording, meter = Recording(Root(path), groups[0][0].recv_ns, WANTED), Meter()
    requests, facts = [], []
    for group in groups:
        if len(group) == 1:
            step = recording.take(group[0])
            meter.took(group[0], step)
        else:
            step = recording.take_frames(group)
            meter.took_frames(step)
        requests += step.requests
        facts += step.facts
    stop(recording)
    files = {
        each.relative_to(path): each.read_bytes() for each in path.rglob("*") if each.is_file()
    }
    travel = {name: each.counts for name, each in meter.travel.items()}
    return files, requests, facts, (meter.messages, meter.heard_ns, travel, meter.resyncs)
