"""Import and sealing by hand: all or nothing, in any order, the same rows as live."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recorder import finishing, recovery, replay
from recorder.core.frames import (
    Arrival,
    Closed,
    Frame,
    Opened,
    Sent,
    hour_of_seq,
)
from recorder.errors import DataError, LockedError, NoInputError, StorageError
from recorder.recording import Recording
from recorder.store.capture import read_arrivals
from recorder.store.lock import WriterLock
from recorder.store.ndjson import read_lines
from recorder.store.paths import Root
from recorder.store.seal import sealed_before
from tests.captures import ADVANCED, EXCHANGE, expected, needs_captures
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.roots import (
    check_coverage,
    check_order,
    gaps_of,
    live_rows,
    sealed_bytes,
    sealed_rows,
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """What a power cut takes is not in question here."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)


# --- files ----------------------------------------------------------------------------------------


def lines_of(arrivals: list[Arrival], *, timed: bool = True) -> list[str]:
    """Arrivals as another recorder would have kept them."""
    lines = []
    for arrival in arrivals:
        if isinstance(arrival, Frame | Sent):
            seconds, rest = divmod(arrival.recv_ns, SECOND_NS)
            t = f"{seconds}.{rest:09d}" if timed else "null"
            direction = "in" if isinstance(arrival, Frame) else "out"
            raw = json.dumps(arrival.raw.decode())
            conn = json.dumps(arrival.connection_id)
            lines.append(f'{{"t":{t},"conn":{conn},"dir":"{direction}","raw":{raw}}}\n')
    return lines


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(lines)
    return path


def one_connection(seconds: float = 3, seed: int = 1, start_s: float = 10) -> list[Arrival]:
    made = Made(seed, HOUR_START_NS + int(start_s * SECOND_NS))
    return [*made.open("ws1"), *made.run(seconds)]


def frames_in(path: Path) -> list[bytes]:
    arrivals = (arrival for _, arrival in read_arrivals([path / "capture"]))
    return [arrival.raw for arrival in arrivals if isinstance(arrival, Frame)]


def in_root(path: Path) -> set[str]:
    """Every file of a data directory but the locks and the empty ones."""
    return {
        str(each.relative_to(path))
        for each in path.rglob("*")
        if each.is_file() and each.name not in (".lock", ".pack-lock", "0-empty.parquet")
    }


# --- the real recording ---------------------------------------------------------------------------


@needs_captures
def test_the_real_recording_gives_what_is_expected_of_it(tmp_path):
    """694 frames of Coinbase: counts, trades, both books to the digest; no gap and no fault."""
    report = replay.import_captures([ADVANCED], tmp_path)
    wanted = expected()
    assert (report.frames_in, report.frames_out) == (
        wanted["frames"]["in"],
        wanted["frames"]["out"],
    )
    assert report.messages == wanted["types"]
    assert (report.connections, report.sequence_gaps, report.faults) == (1, 0, 0)
    for product_id, book in wanted["final_books"].items():
        got = report.books[product_id]
        assert got.valid
        assert (got.bids, got.asks, got.sha256) == (book["bids"], book["asks"], book["sha256"])
        assert [list(got.best_bid), list(got.best_ask)] == [book["best_bid"], book["best_ask"]]
    for product_id, seen in wanted["market_trades"].items():
        got = report.trades[product_id]
        assert {name: getattr(got, name) for name in seen} == seen
    rows = sealed_rows(tmp_path)
    check_order(rows)
    check_coverage(rows)
    assert gaps_of(rows, "level2", "BTC-USD") == []
    assert {name: len(found) for name, found in rows.items() if found} == report.rows
    assert frames_in(tmp_path) == [line.raw for line in read_lines(ADVANCED) if not line.outgoing]


@needs_captures
def test_the_real_recording_in_parts_and_without_times(tmp_path):
    """Cut in three, in any order, it is one connection; without `t` it has the frames' times."""
    with gzip.open(ADVANCED, "rt") as file:
        lines = file.readlines()
    cuts = [lines[:100], lines[100:333], lines[333:]]
    files = [write(tmp_path / f"{n}.gz", cut) for n, cut in enumerate(cuts)]
    whole = replay.import_captures([ADVANCED], tmp_path / "whole")
    parts = replay.import_captures([files[2], files[0], files[1]], tmp_path / "parts")
    assert parts.files == 3
    parts.files = 1
    assert parts == whole
    assert sealed_bytes(tmp_path / "parts") == sealed_bytes(tmp_path / "whole")
    untimed = [json.dumps({**json.loads(line), "t": None}) + "\n" for line in lines]
    again = replay.import_captures([write(tmp_path / "n.gz", untimed)], tmp_path / "untimed")
    assert (again.books, again.trades, again.rows) == (whole.books, whole.trades, whole.rows)
    assert (again.sequence_gaps, again.faults) == (0, 0)


def recordings(coverage: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of coverage by recording: an import begins another after an hour of nothing."""
    by_hour: dict[int, list[dict[str, Any]]] = {}
    for row in coverage:
        by_hour.setdefault(hour_of_seq(row["noted_seq"]), []).append(row)
    found: list[list[dict[str, Any]]] = []
    for hour in sorted(by_hour):
        if hour - 1 in by_hour:
            found[-1] += by_hour[hour]
        else:
            found.append(by_hour[hour])
    return found


@needs_captures
@pytest.mark.parametrize("capture", EXCHANGE, ids=lambda path: path.name[:8])
def test_the_real_recordings_of_the_exchange(tmp_path, capture):
    """2018, 2021 and 2025: counts, books to the digest, trades; books cannot be verified there."""
    report = replay.import_captures([capture], tmp_path)
    wanted = expected(capture)
    assert report.frames_in == wanted["frames"]["in"]
    assert report.messages == wanted["types"]
    assert report.sequence_gaps == 0
    for product_id, book in wanted.get("final_books", {}).items():
        got = report.books[product_id]
        assert got.valid
        assert (got.bids, got.asks, got.sha256) == (book["bids"], book["asks"], book["sha256"])
    rows = sealed_rows(tmp_path)
    check_order(rows)
    for told in recordings(rows["coverage"]):
        check_coverage({"coverage": told})
    states = {(row["channel"], row["state"]) for row in rows["coverage"] if row["state"] != "gap"}
    assert states <= {
        ("level2", "unverified"),
        ("ticker", "unverified"),
        ("market_trades", "recorded"),
    }
    kinds = {row["kind"] for row in rows["faults"]}
    assert kinds <= {"venue_error"}  # in band, in 2018
    ids = [(row["product_id"], row["trade_id"]) for row in rows["trades"]]
    assert len(ids) == len(set(ids))
    assert len(ids) == sum(wanted["types"].get(each, 0) for each in ("match", "last_match"))
    assert frames_in(tmp_path) == [line.raw for line in read_lines(capture) if not line.outgoing]


# --- made recordings ------------------------------------------------------------------------------


def test_imported_rows_are_the_rows_of_the_same_frames_live(tmp_path):
    """The same core, the same rows: only names of connections and places differ."""
    arrivals = one_connection()
    live = Recording(Root(tmp_path / "live"), arrivals[0].recv_ns, WANTED)
    for arrival in arrivals:
        live.take(arrival)
    live.stop(live.last_ns)
    live.flush()
    live.capture.close()
    replay.import_captures([write(tmp_path / "a.gz", lines_of(arrivals))], tmp_path / "b")
    place = {"ingest_seq", "connection_id", "book_epoch"}
    for table in ("level2", "trades", "ticker", "heartbeats", "status", "faults"):
        one, other = (
            [
                {name: value for name, value in row.items() if name not in place}
                for row in rows[table]
            ]
            for rows in (live_rows(tmp_path / "live"), sealed_rows(tmp_path / "b"))
        )
        assert one == other, table


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("whole_seconds", [False, True])
def test_part_files_in_any_order_are_one_connection(tmp_path, order, whole_seconds):
    """Also where times are to the second, so that the last of one is the first of the next."""
    arrivals = one_connection(5)
    lines = lines_of(arrivals)
    if whole_seconds:
        lines = [line.replace(line[4:25], line[4:16] + "0" * 9, 1) for line in lines]
        assert json.loads(lines[0])["t"] == HOUR_START_NS / 1e9 + 10
    third = len(lines) // 3
    cuts = [lines[:third], lines[third : 2 * third], lines[2 * third :]]
    files = [write(tmp_path / f"{n}.gz", cut) for n, cut in enumerate(cuts)]
    report = replay.import_captures([files[n] for n in order], tmp_path / "data")
    assert (report.connections, report.sequence_gaps) == (1, 0)
    wanted = [arrival.raw for arrival in arrivals if isinstance(arrival, Frame)]
    assert frames_in(tmp_path / "data") == wanted


def test_a_part_in_the_middle_that_is_missing(tmp_path):
    """The connection ends with the record; the next one is another, which begins in the middle."""
    lines = lines_of(one_connection(5))
    third = len(lines) // 3
    files = [write(tmp_path / "0.gz", lines[:third]), write(tmp_path / "2.gz", lines[2 * third :])]
    report = replay.import_captures(files, tmp_path / "data")
    assert (report.connections, report.sequence_gaps) == (2, 0)
    rows = sealed_rows(tmp_path / "data")
    check_coverage(rows)
    [gap] = gaps_of(rows, "ticker", "BTC-USD")
    assert gap[2] == "connection_closed"
    assert report.books["BTC-USD"].valid is False


def test_two_recorders_that_call_their_connections_the_same(tmp_path):
    """At the same time, in two files: two sessions, each in order."""
    first, second = one_connection(seed=1), one_connection(seed=2, start_s=10.0005)
    files = [write(tmp_path / "a.gz", lines_of(first)), write(tmp_path / "b.gz", lines_of(second))]
    report = replay.import_captures(files, tmp_path / "data")
    assert (report.connections, report.sequence_gaps) == (2, 0)
    opened = [
        arrival
        for _, arrival in read_arrivals([tmp_path / "data" / "capture"])
        if isinstance(arrival, Opened)
    ]
    assert len({arrival.connection_id for arrival in opened}) == len(opened) == 2
    assert not any(row["kind"] == "late_frame" for row in sealed_rows(tmp_path / "data")["faults"])


def test_connections_one_after_the_other_leave_the_time_between_as_a_gap(tmp_path):
    """A connection's end is where its last line stands, not where the file ends."""
    made = Made(3, HOUR_START_NS)
    lines = lines_of([*made.open("ws1"), *made.run(1)])
    left_ns = made.now_ns
    made.cut_off()
    made.wait(20)
    lines += lines_of([*made.open("ws2"), *made.run(1)])
    report = replay.import_captures([write(tmp_path / "a.gz", lines)], tmp_path / "data")
    assert report.connections == 2
    rows = sealed_rows(tmp_path / "data")
    check_order(rows)
    check_coverage(rows)
    for name in ("BTC-USD", "ETH-USD"):
        [(begin, end, reason)] = gaps_of(rows, "level2", name)
        assert reason == "connection_closed"
        assert left_ns / 1e9 - 0.2 < begin.timestamp() <= left_ns / 1e9
        assert end.timestamp() > left_ns / 1e9 + 20
    closed = [
        arrival
        for _, arrival in read_arrivals([tmp_path / "data" / "capture"])
        if isinstance(arrival, Closed)
    ]
    assert [arrival.code for arrival in closed] == [1005, 1005]


def test_connections_hours_apart_in_one_file(tmp_path):
    """Only the hours that hold something are made; no trade comes twice."""
    lines = []
    made = Made(4, HOUR_START_NS + 100 * SECOND_NS)
    for number, hours in enumerate((5, 0.001, 30)):
        lines += lines_of([*made.open(f"ws{number}"), *made.run(1)])
        made.cut_off()
        made.wait(hours * 3600)
    report = replay.import_captures([write(tmp_path / "a.gz", lines)], tmp_path / "data")
    assert report.connections == 3
    assert len(report.hours) == 2
    assert Root(tmp_path / "data").captured_hours() == [HOUR, HOUR + 5]
    rows = sealed_rows(tmp_path / "data")
    check_order(rows)
    assert {name: len(found) for name, found in rows.items() if found} == report.rows


def test_an_import_across_an_hour_is_rebuilt_the_same(tmp_path):
    """The second hour begins with the book; sealed files are those of a rebuild."""
    lines = lines_of(one_connection(4, start_s=3598))
    report = replay.import_captures([write(tmp_path / "a.gz", lines)], tmp_path / "data")
    assert report.hours == ["2026111019", "2026111020"]
    recovery.rebuild(Root(tmp_path / "data"), Root(tmp_path / "again"))
    assert sealed_bytes(tmp_path / "data") == sealed_bytes(tmp_path / "again")


def test_frames_that_are_not_understood_are_kept_and_doubted(tmp_path):
    """What the core does not understand is no reason to refuse a file that has more."""
    line = '{"t":1794337200.5,"conn":"x y/ü","dir":"in","raw":"{\\"type\\":\\"l2update\\"}"}\n'
    lines = [*[line] * 9, *lines_of(one_connection(1))]
    report = replay.import_captures([write(tmp_path / "a.gz", lines)], tmp_path / "data")
    assert (report.connections, report.faults) == (2, 9)
    assert len(frames_in(tmp_path / "data")) == report.frames_in


def test_a_file_of_another_feed_is_refused(tmp_path):
    """It would be faults only."""
    line = '{"t":1794337200.5,"conn":"ws1","dir":"in","raw":"{\\"type\\":\\"l2update\\"}"}\n'
    with pytest.raises(DataError, match=r"holds no frames of Coinbase.*Nothing was imported"):
        replay.import_captures([write(tmp_path / "a.gz", [line] * 9)], tmp_path / "data")
    assert not (tmp_path / "data").exists()


def thirds(path: Path, arrivals: list[Arrival]) -> list[Path]:
    """A recording in three part files."""
    lines = lines_of(arrivals)
    third = len(lines) // 3
    cuts = (lines[:third], lines[third : 2 * third], lines[2 * third :])
    return [write(path / f"{number}.gz", cut) for number, cut in enumerate(cuts)]


@pytest.mark.parametrize("start_s", [10, 3598])
def test_part_files_in_one_import_each_are_refused(tmp_path, start_s):
    """The second would go on without its books: a clear message, nothing written."""
    first, second, third = thirds(tmp_path, one_connection(5, start_s=start_s))
    replay.import_captures([first], tmp_path / "data")
    before = in_root(tmp_path / "data"), sealed_bytes(tmp_path / "data")
    for files in ([second], [third, second]):
        with pytest.raises(DataError, match=r"1\.gz: connection 'ws1' goes on .*in one command"):
            replay.import_captures(files, tmp_path / "data")
        assert (in_root(tmp_path / "data"), sealed_bytes(tmp_path / "data")) == before


def test_a_connection_that_begins_in_the_middle_has_no_books(tmp_path):
    """Coverage says so, from the first frame to the last; and of what was not recorded before."""
    arrivals = one_connection(5)
    _, _, last = thirds(tmp_path, arrivals)
    report = replay.import_captures([last], tmp_path / "data")
    rows = sealed_rows(tmp_path / "data")
    check_coverage(rows)
    begin_s, end_s = next(read_lines(last)).t_ns / 1e9, arrivals[-1].recv_ns / 1e9
    for name in ("BTC-USD", "ETH-USD"):
        assert not report.books[name].valid
        [(begin, end, reason)] = gaps_of(rows, "level2", name)
        assert reason == "joined_late"
        assert (begin.timestamp(), end.timestamp()) == pytest.approx((begin_s, end_s), abs=0.5)
    recovery.rebuild(Root(tmp_path / "data"), Root(tmp_path / "again"))
    assert sealed_bytes(tmp_path / "data") == sealed_bytes(tmp_path / "again")


def test_the_same_file_twice_is_refused(tmp_path):
    """By its path, a copy, and packed anew."""
    lines = lines_of(one_connection(1))
    one = write(tmp_path / "one.gz", lines)
    plain = tmp_path / "plain.ndjson"
    plain.write_text("".join(lines))
    for other in (one, plain):
        with pytest.raises(DataError, match=f"{one} and {other} hold the same"):
            replay.import_captures([one, other], tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_empty_file_imports_nothing(tmp_path):
    """And an empty report says so."""
    report = replay.import_captures([write(tmp_path / "a.gz", [])], tmp_path / "data")
    assert (report.frames_in, report.hours) == (0, [])


# --- all or nothing -------------------------------------------------------------------------------


def test_a_torn_file_leaves_nothing(tmp_path):
    """Torn anywhere, alone or beside a good one: a clear message, and not a row."""
    good = write(tmp_path / "good.gz", lines_of(one_connection(seed=2, start_s=5)))
    content = write(tmp_path / "a.gz", lines_of(one_connection())).read_bytes()
    torn = tmp_path / "torn.gz"
    for size in (len(content) - 1, len(content) // 2, 30):
        torn.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"torn\.gz.*Nothing was imported"):
            replay.import_captures([good, torn], tmp_path / "data")
        assert not (tmp_path / "data").exists() or in_root(tmp_path / "data") == set()
    assert replay.import_captures([good], tmp_path / "data").hours == ["2026111019"]


def test_a_bad_line_leaves_nothing(tmp_path):
    """The line is named; when it is put right, the file is imported."""
    lines = lines_of(one_connection())
    bad = write(tmp_path / "a.gz", [*lines[:50], "{}\n", *lines[50:]])
    with pytest.raises(DataError, match=r"a\.gz, line 51"):
        replay.import_captures([bad], tmp_path / "data")
    assert not (tmp_path / "data").exists()
    write(bad, lines)
    assert replay.import_captures([bad], tmp_path / "data").sequence_gaps == 0


def test_an_hour_is_imported_once(tmp_path):
    """The same file again is refused, with what to do, and changes nothing; also a part of it."""
    lines = lines_of(one_connection(4, start_s=3598))
    file = write(tmp_path / "a.gz", lines)
    replay.import_captures([file], tmp_path / "data")
    before = in_root(tmp_path / "data"), sealed_bytes(tmp_path / "data")
    later = write(tmp_path / "b.gz", lines[-30:])
    earlier = write(tmp_path / "c.gz", lines_of(one_connection(20, start_s=3590, seed=5)))
    for again in (file, later, earlier):
        with pytest.raises(DataError, match=r"is recorded already, up to \d\d:\d\d.*begin at"):
            replay.import_captures([again], tmp_path / "data")
        assert (in_root(tmp_path / "data"), sealed_bytes(tmp_path / "data")) == before


def test_what_goes_on_in_an_hour_is_imported_behind_what_is_there(tmp_path):
    """Two imports, one after the other, of an hour's first and second half."""
    first, second = one_connection(2, start_s=10), one_connection(2, start_s=20, seed=2)
    for number, arrivals in enumerate((first, second)):
        file = write(tmp_path / f"{number}.gz", lines_of(arrivals))
        replay.import_captures([file], tmp_path / "data")
    rows = sealed_rows(tmp_path / "data")
    check_order({**rows, "trades": []})
    assert len(frames_in(tmp_path / "data")) == sum(isinstance(a, Frame) for a in first + second)
    recovery.rebuild(Root(tmp_path / "data"), Root(tmp_path / "again"))
    assert sealed_bytes(tmp_path / "data") == sealed_bytes(tmp_path / "again")


def test_hours_older_than_what_is_there(tmp_path):
    """They are put where they belong, and what is there stays as it is."""
    for number, start_s in enumerate((7300, 10, 3700)):
        file = write(
            tmp_path / f"{number}.gz", lines_of(one_connection(1, start_s=start_s, seed=number))
        )
        before = sealed_bytes(tmp_path / "data") if number else {}
        replay.import_captures([file], tmp_path / "data")
        assert before.items() <= sealed_bytes(tmp_path / "data").items()
    root = Root(tmp_path / "data")
    *hours, last = root.committed_hours()
    assert hours == [HOUR, HOUR + 1, HOUR + 2]
    assert sealed_before(root) == last + 1  # the present one: it tells of what came before others


def test_an_hour_between_that_begins_in_time_and_ends_in_what_is_there(tmp_path):
    """The next hour is recorded already, and the file has something for its end: both are kept."""
    there = write(tmp_path / "there.gz", lines_of(one_connection(1, start_s=3605, seed=2)))
    replay.import_captures([there], tmp_path / "data")
    made = Made(3, HOUR_START_NS + 3598 * SECOND_NS)
    lines = lines_of([*made.open("ws1"), *made.run(1)])
    made.wait(30)
    lines += lines_of(list(made.run(1)))
    report = replay.import_captures([write(tmp_path / "around.gz", lines)], tmp_path / "data")
    assert report.hours == ["2026111019", "2026111020"]
    count = sum(1 for line in lines if '"dir":"in"' in line)
    assert report.frames_in == count
    held = frames_in(tmp_path / "data")
    assert len(held) == count + sum(not line.outgoing for line in read_lines(there))


CRASH = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from recorder import finishing, recording, replay
from recorder.store import seal, parts
sys.path.insert(0, "")
where, count = sys.argv[3], int(sys.argv[4])
module, name = {"part": (recording, "write_part"), "file": (seal, "_write"),
                "append": (recording.CaptureWriter, "append")}[where]
whole = getattr(module, name)
def dying(*arguments):
    global count
    count -= 1
    if count < 0:
        os._exit(9)
    return whole(*arguments)
setattr(module, name, dying)
replay.FLUSH_ROWS = 500
replay.import_captures([Path(sys.argv[1])], Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("where", "count"), [("append", 3), ("append", 200), ("part", 0), ("part", 7), ("part", 11)]
)
def test_an_import_that_was_killed_is_just_done_again(tmp_path, where, count):
    """Nothing is to be removed by hand: the second run gives what one run gives."""
    file = write(tmp_path / "a.gz", lines_of(one_connection(6, start_s=3597)))
    whole = replay.import_captures([file], tmp_path / "whole")
    killed = subprocess.run(
        [sys.executable, "-c", CRASH, file, tmp_path / "data", where, str(count)],
        check=False, cwd=Path(__file__).parents[1], capture_output=True, timeout=60,
    )  # fmt: skip
    assert killed.returncode == 9, killed.stderr
    assert replay.import_captures([file], tmp_path / "data") == whole
    assert sealed_bytes(tmp_path / "data") == sealed_bytes(tmp_path / "whole")


def test_an_import_that_was_killed_while_it_sealed_is_sealed_by_the_next(tmp_path):
    """All of it was taken: the next import seals it, and says that it is there."""
    file = write(tmp_path / "a.gz", lines_of(one_connection(6, start_s=3597)))
    replay.import_captures([file], tmp_path / "whole")
    killed = subprocess.run(
        [sys.executable, "-c", CRASH, file, tmp_path / "data", "file", "3"],
        check=False, cwd=Path(__file__).parents[1], capture_output=True, timeout=60,
    )  # fmt: skip
    assert killed.returncode == 9, killed.stderr
    with pytest.raises(DataError, match="If they were imported before, nothing is missing"):
        replay.import_captures([file], tmp_path / "data")
    assert sealed_bytes(tmp_path / "data") == sealed_bytes(tmp_path / "whole")


def test_half_an_import_is_taken_back_before_sealing(tmp_path):
    """`seal` does not make it look finished."""
    file = write(tmp_path / "a.gz", lines_of(one_connection(6, start_s=3597)))
    subprocess.run(
        [sys.executable, "-c", CRASH, file, tmp_path / "data", "part", "9"],
        check=False, cwd=Path(__file__).parents[1], capture_output=True, timeout=60,
    )  # fmt: skip
    assert Root(tmp_path / "data").captured_hours()[0] == HOUR
    assert finishing.seal(tmp_path / "data", include_current=True).hours == []
    assert in_root(tmp_path / "data") == set()


def test_a_disk_that_refuses_is_told_as_such(tmp_path, monkeypatch):
    """ENOSPC in the middle: a message that says what to do; and nothing is left."""
    file = write(tmp_path / "a.gz", lines_of(one_connection(6, start_s=3597)))
    monkeypatch.setattr(replay, "FLUSH_ROWS", 500)
    real, left = os.rename, 12

    def full(*arguments, **keywords):
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(28, "No space left on device")
        return real(*arguments, **keywords)

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(StorageError, match=r"No space left.*do the same again"):
        replay.import_captures([file], tmp_path / "data")
    assert Root(tmp_path / "data").captured_hours() == []
    assert Root(tmp_path / "data").part_hours() == []
    assert replay.import_captures([file], tmp_path / "data").sequence_gaps == 0


def test_the_progress_ends_at_the_size_of_the_files(tmp_path):
    """Bytes read of bytes in all."""
    file = write(tmp_path / "a.gz", lines_of(one_connection(6)))
    told = []
    replay.import_captures([file], tmp_path / "data", lambda *each: told.append(each))
    size = file.stat().st_size
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_files_and_directories_that_are_not_there(tmp_path):
    """Are named; nothing is made for them."""
    with pytest.raises(NoInputError, match="none"):
        replay.import_captures([tmp_path / "none"], tmp_path / "data")
    with pytest.raises(NoInputError, match="recorded into"):
        finishing.seal(tmp_path / "data", include_current=True)
    assert not (tmp_path / "data").exists()


def test_nobody_imports_or_seals_where_somebody_records(tmp_path):
    """Exit code 75."""
    file = write(tmp_path / "a.gz", lines_of(one_connection(1)))
    with WriterLock(Root(tmp_path)):
        with pytest.raises(LockedError):
            replay.import_captures([file], tmp_path)
        with pytest.raises(LockedError):
            finishing.seal(tmp_path, include_current=False)


def recorded(path: Path, start_ns: int, seed: int, *, dies: bool = False) -> None:
    """A life of a recorder, of a second."""
    made = Made(seed, start_ns)
    recording = Recording(Root(path), start_ns, WANTED)
    for arrival in [*made.open(f"c{seed}"), *made.run(1)]:
        recording.take(arrival)
    if dies:
        recording.capture.flush()
        os.close(recording.capture._segment.handle)
        return
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()


def test_importing_beside_an_open_hour_does_not_hide_it(tmp_path):
    """Readers switch to sealed files only for hours that are sealed."""
    now_ns = int(datetime.now(UTC).timestamp()) // 3600 * 3600 * SECOND_NS
    recorded(tmp_path / "data", now_ns, 1)
    file = write(tmp_path / "a.gz", lines_of(one_connection()))
    replay.import_captures([file], tmp_path / "data")
    root = Root(tmp_path / "data")
    assert root.committed_hours() == [HOUR]
    assert sealed_before(root) == HOUR + 1
    assert finishing.seal(tmp_path / "data", include_current=True).hours
    assert len(root.committed_hours()) == 2
