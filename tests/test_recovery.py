"""Recovery: whatever survived of a recording, its tables are those of the capture that survived."""

import errno
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from recorder import finishing, recovery, sealing
from recorder.core import many
from recorder.core.frames import FIRST_OFFSET, HOUR_NS, Arrival, Frame
from recorder.core.pipeline import Pipeline
from recorder.core.rows import Rows
from recorder.core.tables import TABLES
from recorder.recording import Pending, Recording, end_lost
from recorder.store.capture import read_arrivals
from recorder.store.parts import read_cut, sort, to_arrow, write_part
from recorder.store.paths import CUTS, Root
from recorder.store.retire import retire
from recorder.store.seal import read_commit, seal_hour, switch
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.roots import (
    check_coverage,
    check_order,
    commits,
    gaps_of,
    live_rows,
    sealed_bytes,
    sealed_rows,
)

END_NS = HOUR_START_NS + HOUR_NS


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Hundreds of deaths in seconds: what a power cut may take is decided here, not by the disk."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)


def replayed(path: Path) -> dict[str, list]:
    """The rows that the core makes of the whole capture, uninterrupted."""
    pipeline, blocks = Pipeline(), dict[str, list[Rows]]()
    for ingest_seq, arrival in read_arrivals([path / "capture"]):
        for block in pipeline.step(arrival, ingest_seq).rows:
            blocks.setdefault(block.table, []).append(block)
    return {
        name: sort(table, to_arrow(table, blocks.get(name, []))).to_pylist()
        for name, table in TABLES.items()
    }


def files_of(path: Path) -> dict[str, int]:
    return {str(each): each.stat().st_mtime_ns for each in path.rglob("*") if each.is_file()}


# --- dying ----------------------------------------------------------------------------------------


def script(made: Made, number: int, random: Random) -> list[Arrival]:
    """What one life of a recorder is handed."""
    one, other = f"c{number}", f"b{number}"
    arrivals = [*made.open(one), *made.run(random.uniform(0, 0.3))]
    if random.random() < 0.4:
        arrivals += [*made.open(other), *made.run(0.1)]
    if random.random() < 0.4:
        made.skip(one, random.randrange(1, 4))
        arrivals += [*made.run(0.2)]
    if random.random() < 0.4:
        arrivals += [*made.close(one), *made.run(0.1), *made.open(f"a{number}")]
    return [*arrivals, *made.run(random.uniform(0.1, 0.4))]


def die(root: Root, arrivals: list[Arrival], random: Random) -> None:
    """Record, and stop to exist at some arrival.

    With blocks written and not synced, a torn one among them, with cuts published, half-published,
    and not published.
    """
    recording = Recording(root, arrivals[0].recv_ns, WANTED)
    last = random.randrange(1, len(arrivals) + 1)
    for arrival in arrivals[:last]:
        recording.take(arrival)
        if random.random() < 0.03:
            recording.capture.flush()
        if random.random() < 0.03:
            recording.cut()
    capture = recording.capture
    publish_some(root, recording, random)
    segment = capture._segment
    durable = segment.path.stat().st_size if segment.path.exists() else 0
    if capture.buffered and random.random() < 0.7:
        capture.write(capture.cut())
        if segment.path.exists() and segment.path.stat().st_size > durable:
            size = random.randrange(durable, segment.path.stat().st_size + 1)
            os.truncate(segment.path, size)
    if segment.handle is not None:
        os.close(segment.handle)


def publish_some(root: Root, recording: Recording, random: Random) -> None:
    """Some of the cuts whose capture is durable, the last of them perhaps without some tables."""
    ready = [each for each in recording.take_ready() if each.reached <= recording.capture.synced]
    for pending in ready[: random.randrange(len(ready) + 1)]:
        if random.random() < 0.3:
            publish_tables(root, pending, random)
            return
        pending.publish(root)


def publish_tables(root: Root, pending: Pending, random: Random) -> None:
    """A cut that was cut off: some tables, no record."""
    for name in random.sample(sorted(pending.rows), random.randrange(len(pending.rows) + 1)):
        arrow = to_arrow(TABLES[name], pending.rows[name])
        write_part(root, TABLES[name], arrow, pending.hour, pending.first, pending.end)


def lives(path: Path, seed: int) -> Root:
    """One to three lives of a recorder that dies, within an hour or across its end."""
    random, root = Random(seed), Root(path)
    made = Made(seed % 3, END_NS - int(random.choice([0.3, 0.6, 30]) * SECOND_NS))
    for number in range(random.choice([1, 1, 2, 3])):
        die(root, script(made, number, random), random)
        made.cut_off()
        made.wait(random.uniform(0.05, 0.4))
    return root


# --- coming back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", range(20))
def test_any_death_leaves_the_tables_of_the_capture(tmp_path, batch):
    """200 deaths: the tables equal, row for row, an uninterrupted replay of what survived.

    Doing it twice changes nothing; sealed files are those of a rebuild, byte for byte.
    """
    for seed in range(batch * 10, batch * 10 + 10):
        path = tmp_path / str(seed)
        root = lives(path, seed)
        end_lost(root)
        recovery.publish_missing(path)
        rows = live_rows(path)
        expected = replayed(path)
        for table in TABLES:
            assert rows[table] == expected[table], (seed, table)
        check_order(rows)
        check_coverage(rows)
        before = files_of(path)
        end_lost(root)
        again = recovery.publish_missing(path)
        assert (again.rows, again.hours) == (0, []), seed
        assert files_of(path) == before, seed
        if seed % 8 == 0:
            finishing.seal(path, include_current=True)
            recovery.rebuild(root, Root(path / "rebuilt"))
            assert sealed_bytes(path) == sealed_bytes(path / "rebuilt"), seed
            assert commits(path) == commits(path / "rebuilt"), seed
        shutil.rmtree(path)


@pytest.mark.parametrize("seed", range(300, 310))
def test_recovery_beside_a_recording(tmp_path, seed):
    """A new recorder records on and publishes while the old rows are made: one dataset."""
    root = lives(tmp_path, seed)
    made = Made(99, END_NS + 2 * SECOND_NS)
    recording = Recording(root, made.now_ns, WANTED)
    until = recovery.Until(recording.begin_hour, recording.begin_offset)
    arrivals = [*made.open("new"), *made.run(0.5)]
    for number, arrival in enumerate(arrivals):
        recording.take(arrival)
        if number == len(arrivals) // 2:
            recording.flush()
            done = sealing.recover(tmp_path, until)
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    assert recovery.publish_missing(tmp_path).rows == 0
    rows, expected = live_rows(tmp_path), replayed(tmp_path)
    assert rows == expected
    assert done.sealed == [f"{text}" for text in ("2026111019", "2026111020")][: len(done.sealed)]
    seal_hour(root, HOUR + 1)
    assert sealed_rows(tmp_path) == expected


@pytest.mark.parametrize("seed", range(400, 410))
def test_recovery_that_dies_is_done_again(tmp_path, monkeypatch, seed):
    """Cut off in the middle of its own publishing, it finishes the next time."""
    root = lives(tmp_path, seed)
    end_lost(root)
    left = Random(seed).randrange(4)

    def dying(*arguments):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return write_part(*arguments)

    monkeypatch.setattr(recovery, "CUT_ROWS", 50)
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "write_part", dying)
        with suppress(KeyboardInterrupt):
            recovery.publish_missing(tmp_path)
    recovery.publish_missing(tmp_path)
    assert live_rows(tmp_path) == replayed(tmp_path)


@pytest.mark.parametrize("seed", range(500, 510))
@pytest.mark.parametrize("where", ["beside", "before it"])
def test_recovery_that_fails_leaves_what_can_be_done_again(tmp_path, monkeypatch, seed, where):
    """A full disk while parts are written beside, or Ctrl-C meanwhile: no thread goes on.

    No record of a cut is there whose parts are not, and the next time finishes it.
    """
    root = lives(tmp_path, seed)
    end_lost(root)
    left = Random(seed).randrange(1, 4)

    def fails(function, error):
        def failing(*arguments):
            nonlocal left
            left -= 1
            if left < 0:
                raise error
            return function(*arguments)

        return failing

    monkeypatch.setattr(recovery, "CUT_ROWS", 50)
    monkeypatch.setattr(many, "AT_ONCE", 8)
    full = OSError(errno.ENOSPC, "no space left")
    with monkeypatch.context() as patch:
        if where == "beside":
            patch.setattr(recovery, "write_part", fails(write_part, full))
        else:
            patch.setattr(many, "take", fails(many.take, KeyboardInterrupt()))
        with suppress(OSError if where == "beside" else KeyboardInterrupt):
            recovery.publish_missing(tmp_path)
    assert not [each for each in threading.enumerate() if each.name.startswith("beside")]
    for cut in root.parts(CUTS):
        for name, rows in read_cut(cut.path).rows.items():
            held = [part for part in root.parts(name, cut.hour) if part.first < cut.end]
            assert not rows or held, (seed, name)
    recovery.publish_missing(tmp_path)
    assert live_rows(tmp_path) == replayed(tmp_path)


# --- hours ----------------------------------------------------------------------------------------


def three_hours(path: Path) -> Root:
    """One connection that lived through two full hours, everything published."""
    root = Root(path)
    made = Made(4, END_NS - SECOND_NS)
    recording = Recording(root, made.now_ns, WANTED)
    for arrival in [*made.open("c1"), *made.run(1.5)]:
        recording.take(arrival)
    made.wait(3598)
    for arrival in made.run(2):
        recording.take(arrival)
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    return root


def forget_parts(root: Root, hour: int) -> None:
    for table in (*TABLES, CUTS):
        for part in root.parts(table, hour):
            part.path.unlink()


def test_an_hour_without_parts_is_made_from_the_hour_before(tmp_path):
    """Its book at the begin is nowhere: the walk starts where it can be known."""
    root = three_hours(tmp_path)
    rows = live_rows(tmp_path)
    forget_parts(root, HOUR + 2)
    recovery.publish_missing(tmp_path)
    assert live_rows(tmp_path) == rows


def test_an_hour_in_the_middle_is_sealed_and_its_capture_gone(tmp_path):
    """The hours around it are finished all the same: the book comes from its sealed neighbour."""
    root = three_hours(tmp_path)
    rows = live_rows(tmp_path)
    seal_hour(root, HOUR)
    seal_hour(root, HOUR + 1)
    switch(root, HOUR + 2)
    retire(root, 4e9, 0)
    assert root.captured_hours() == [HOUR + 2]
    for part in root.parts("ticker", HOUR + 2) + root.parts(CUTS, HOUR + 2):
        part.path.unlink()
    recovery.publish_missing(tmp_path)
    seal_hour(root, HOUR + 2)
    assert sealed_rows(tmp_path) == rows


def test_the_first_and_last_hour_are_unfinished_around_one_that_is_retired(tmp_path):
    """Each is made from what it has of its own."""
    root = three_hours(tmp_path)
    rows = live_rows(tmp_path)
    seal_hour(root, HOUR + 1)
    shutil.rmtree(root.segments(HOUR + 1)[0].path.parent)
    forget_parts(root, HOUR)
    forget_parts(root, HOUR + 1)
    for table in set(TABLES) - {"level2"} | {CUTS}:
        for part in root.parts(table, HOUR + 2):
            part.path.unlink()
    recovery.publish_missing(tmp_path)
    finishing.seal(tmp_path, include_current=True)
    assert sealed_rows(tmp_path) == rows


def test_a_book_that_is_nowhere_is_a_fault(tmp_path):
    """Neither its rows nor the hour before are kept: said so, and not valid until a snapshot."""
    root = three_hours(tmp_path)
    shutil.rmtree(root.segments(HOUR + 1)[0].path.parent)
    forget_parts(root, HOUR + 2)
    recovery.publish_missing(tmp_path)
    rows = live_rows(tmp_path)
    base = min(row["ingest_seq"] for row in rows["faults"] if row["kind"] == "checkpoint_missing")
    after = [row for row in rows["level2"] if row["ingest_seq"] > base]
    assert after
    assert {row["book_epoch"] for row in after} == {None}


def test_rebuilding_an_hour_that_begins_with_a_book(tmp_path):
    """Two clients, one hour in which nothing is known but its begin: the same files."""
    root = three_hours(tmp_path / "a")
    finishing.seal(tmp_path / "a", include_current=True)
    assert recovery.rebuild(root, Root(tmp_path / "b"))[0] == "2026111019"
    assert sealed_bytes(tmp_path / "a") == sealed_bytes(tmp_path / "b")
    assert commits(tmp_path / "a") == commits(tmp_path / "b")
    shutil.rmtree(root.segments(HOUR)[0].path.parent)
    recovery.rebuild(root, Root(tmp_path / "c"))
    expected = {
        name: digest
        for name, digest in sealed_bytes(tmp_path / "a").items()
        if "hour=19" not in name
    }
    assert sealed_bytes(tmp_path / "c") == expected


# --- damage ---------------------------------------------------------------------------------------


def recorded_in_blocks(path: Path, random: Random, publish: float) -> Root:
    """Two connections, one after the other, in many blocks; some of it published."""
    root = Root(path)
    made = Made(random.randrange(3), HOUR_START_NS)
    recording = Recording(root, made.now_ns, WANTED)
    arrivals = [
        *made.open("c1"),
        *made.run(0.7),
        *made.close("c1"),
        *made.open("c2"),
        *made.run(0.7),
    ]
    cuts = sorted(random.sample(range(1, len(arrivals)), 3))
    for number, arrival in enumerate(arrivals):
        recording.take(arrival)
        if number % 9 == 0:
            recording.capture.flush()
        if number in cuts and random.random() < publish:
            recording.flush()
        elif number in cuts:
            break_off = random.random() < 0.1
            if break_off:
                break
    if random.random() < 0.5:
        recording.stop(recording.last_ns)
    recording.capture.close()
    return root


def spoil(root: Root, random: Random) -> None:
    """Zero a stretch in the middle of the capture."""
    [segment] = root.segments(HOUR)
    content = bytearray(segment.path.read_bytes())
    begin = random.randrange(len(content))
    length = random.choice([1, 40, 700, 9000])
    content[begin : begin + length] = bytes(len(content[begin : begin + length]))
    content[min(begin, len(content) - 1)] ^= 0x55
    segment.path.write_bytes(content)


@pytest.mark.parametrize("batch", range(5))
def test_damaged_capture_is_never_silent(tmp_path, batch):
    """50 damages: nothing published changes, no duplicate, no hole in the coverage.

    What is lost is a gap, and a fault where its rows are nowhere; again it changes nothing.
    """
    for seed in range(batch * 10, batch * 10 + 10):
        random, path = Random(seed), tmp_path / str(seed)
        root = recorded_in_blocks(path, random, publish=random.choice([0, 0.7]))
        published = live_rows(path)
        frames = held_frames(path)
        spoil(root, random)
        lost = frames - held_frames(path)
        end_lost(root)
        done = recovery.publish_missing(path)
        rows = live_rows(path)
        check_order(rows)
        check_coverage(rows)
        for table, found in published.items():
            had = {tuple(row.items()) for row in rows[table]}
            assert {tuple(row.items()) for row in found} <= had, (seed, table)
        before = files_of(path)
        assert recovery.publish_missing(path).rows == 0, seed
        assert files_of(path) == before
        if done.damage:
            reasons = {row["reason"] for row in rows["coverage"]}
            kinds = {row["kind"] for row in rows["faults"]}
            tail = not any(seq > max(lost) for seq in held_frames(path)) if lost else True
            assert tail or "capture_damaged" in reasons | kinds, seed
        if seed % 4 == 0:
            finishing.seal(path, include_current=True)
            assert sealed_rows(path) == rows
        shutil.rmtree(path)


def held_frames(path: Path) -> set[int]:
    return {
        ingest_seq
        for ingest_seq, arrival in read_arrivals([path / "capture"])
        if isinstance(arrival, Frame)
    }


def test_a_connection_that_ended_in_the_damage_is_not_taken_to_live_on(tmp_path):
    """Its end and the next one's begin are lost: both are in the gap."""
    root = Root(tmp_path)
    made = Made(2, HOUR_START_NS)
    recording = Recording(root, made.now_ns, WANTED)
    for arrival in [*made.open("c1"), *made.run(0.5)]:
        recording.take(arrival)
    recording.capture.flush()
    first = recording.last_ns
    [segment] = root.segments(HOUR)
    begin = segment.path.stat().st_size
    for arrival in [*made.run(0.2), *made.close("c1"), *made.open("c2"), *made.run(0.2)]:
        recording.take(arrival)
    recording.capture.flush()
    end = segment.path.stat().st_size
    later = list(made.run(0.5))
    for arrival in later:
        recording.take(arrival)
    recording.turn(END_NS)
    recording.capture.close()
    content = bytearray(segment.path.read_bytes())
    content[begin + 50 : end - 50] = bytes(end - begin - 100)
    segment.path.write_bytes(content)
    recovery.publish_missing(tmp_path)
    rows = live_rows(tmp_path)
    check_coverage(rows)
    gaps = [gap for gap in gaps_of(rows, "ticker", "BTC-USD") if gap[2] == "capture_damaged"]
    gap = gaps[0]  # what follows on it lasts until there is data of the channel again
    assert round(gap[0].timestamp() * 1e6) == first // 1000
    assert round(gap[1].timestamp() * 1e6) == later[0].recv_ns // 1000
    recorded = [row for row in rows["coverage"] if row["state"] == "recorded"]
    assert {row["connection_id"] for row in recorded if row["start_time"] > gap[0]} == {"c2"}
    [fault] = [row for row in rows["faults"] if row["kind"] == "capture_damaged"]
    assert "cannot be read" in fault["detail"]
    assert fault["ingest_seq"] not in held_frames(tmp_path)


def test_a_damaged_capture_rebuilds_the_same_each_time(tmp_path):
    """What is said of the damage depends on the capture alone."""
    random = Random(3)
    root = recorded_in_blocks(tmp_path / "a", random, publish=0)
    spoil(root, random)
    end_lost(root)
    for name in ("b", "c"):
        recovery.rebuild(root, Root(tmp_path / name))
    assert sealed_bytes(tmp_path / "b") == sealed_bytes(tmp_path / "c")
    finishing.seal(tmp_path / "a", include_current=True)
    assert sealed_bytes(tmp_path / "a") == sealed_bytes(tmp_path / "b")
    assert read_commit(root, HOUR).capture_end > FIRST_OFFSET
