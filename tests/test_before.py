"""Where the recording before ended, and which trades it recorded, whatever is left of it."""

import pytest

from recorder.before import look_before
from recorder.core.book import BookState
from recorder.core.frames import FIRST_OFFSET, Frame
from recorder.recording import Recording
from recorder.store.paths import Root
from recorder.store.seal import seal_hour, taken_to
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.roots import check_coverage, check_order, gaps_of, live_rows, sealed_rows
from tests.test_recording import (
    END_NS,
    kill,
    micros,
    no_waiting_for_the_disk,
    root,
    start,
    stop,
    us,
)

__all__ = ["no_waiting_for_the_disk", "root"]


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
