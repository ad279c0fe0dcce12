"""The kill -9 harness: a few seeds of it, and that its checks see what they are there for."""

import asyncio
import json
import shutil
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recorder import recovery
from recorder.core.frames import Closed, Frame
from recorder.store.capture import read_arrivals
from recorder.store.capture_writer import CaptureWriter
from recorder.store.paths import Root
from tests.simulate import __main__ as command
from tests.simulate import evidence, plan
from tests.simulate.__main__ import _seeds, _wide_share
from tests.simulate.checks import books, frames, ledger, rows, runs
from tests.simulate.trial import Truth, play
from tests.simulate.verdict import LOSS_S_MAX, Verdict, judge

SEEDS = (6, 17, 31)  # killed while a part is published, while the one before is recovered
TAMPERED = 17


class Played(NamedTuple):
    """A seed that was played: what came of it, and all that is known of it."""

    verdict: Verdict
    truth: Truth
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "data"


def play_seed(seed: int, folder: Path) -> Played:
    began_s = time.monotonic()
    chosen = plan.make(seed)
    truth = asyncio.run(play(chosen, folder))
    return Played(judge(chosen, truth, folder, began_s), truth, folder)


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> dict[int, Played]:
    """Each seed, played once."""
    return {seed: play_seed(seed, tmp_path_factory.mktemp(f"seed-{seed}")) for seed in SEEDS}


@pytest.fixture
def sealed(played, tmp_path) -> Played:
    """A copy of what a seed left, to be tampered with; its checks find nothing."""
    one = played[TAMPERED]
    shutil.copytree(one.folder, tmp_path / "copy")
    return one._replace(folder=tmp_path / "copy")


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_restarted_it_holds_every_promise(played, seed):
    """Exactly once, in order, every hole written down, whatever the moment of the kill."""
    verdict = played[seed].verdict
    assert verdict.problems == []
    assert verdict.frames > 0
    assert verdict.again_s


def test_so_many_kills_as_asked_for_are_played():
    """Seeds from the first on until there are enough of them."""
    asked, verdicts = Namespace(seed=None, kills=3, seeds=1, first=5), list[Verdict]()
    played = []
    for seed in _seeds(asked, verdicts):
        played.append(seed)
        verdicts.append(Verdict(plan.make(seed), kills=2))
    assert played == [5, 6]


def test_kills_that_lose_more_than_promised_are_seen():
    """The median of twenty, the 99th percentile of a hundred."""
    assert _wide_share([0.3] * 19, 0.25) is None
    assert _wide_share([0.3] * 38, 0.25) == 0.5
    assert _wide_share([*[0.1] * 98, 0.26, 0.26], 0.25) == 0.99
    assert _wide_share([*[0.1] * 98, 0.25, 0.25], 0.25) is None


@pytest.mark.parametrize(
    ("figures", "told"),
    [({"lost": [frames.Loss(1, 0.34, 0.05)] * 20}, "(a)"), ({"again_s": [3.1] * 20}, "(h)")],
    ids=["lost", "late"],
)
def test_a_run_that_breaks_a_promise_fails(monkeypatch, capsys, figures, told):
    monkeypatch.setattr(
        command, "try_plan", lambda each, _folder: Verdict(each, kills=20, **figures)
    )
    assert command.main(["--kills", "20"]) == 1
    assert f"FAILED: {told}" in capsys.readouterr().out


def test_a_seed_is_one_plan():
    """The same seed is the same plan, and plans differ."""
    assert plan.make(3) == plan.make(3)
    assert len({plan.make(seed) for seed in range(50)}) == 50
    assert all(
        not each.runs[-1].kill and each.runs[-1].freeze for each in map(plan.make, range(50))
    )


# --- the checks see what they are there for -------------------------------------------------------


def rewrite(path: Path, change) -> None:
    """Write a sealed file again with other rows."""
    with path.open("rb") as file:
        table = pq.read_table(file)
    path.chmod(0o644)
    pq.write_table(change(table), path)


def first_file(root: Path, table: str) -> Path:
    return min((root / table).rglob("*.parquet"))


def without_frame(root: Path, number: int) -> None:
    """Write the capture again without one of its frames."""
    arrivals = list(read_arrivals([root / "capture"]))
    shutil.rmtree(root / "capture")
    received = [seq for seq, arrival in arrivals if isinstance(arrival, Frame)]
    hour = arrivals[0][1].recv_ns // 3_600_000_000_000
    writer = CaptureWriter(Root(root), hour)
    for seq, arrival in arrivals:
        if seq != received[number]:
            writer.append(arrival)
    writer.close()


def first_problem(problems: Iterator[str], letter: str) -> str:
    """The first thing that a check found; it must say which promise is broken."""
    found = next(problems, "nothing was found")
    assert found.startswith(f"({letter})")
    return found


def test_a_duplicated_row_is_seen(sealed):
    """Twice the same row, in any table."""
    for table in ("level2", "trades", "ticker", "status"):
        rewrite(first_file(sealed.root, table), lambda each: pa.concat_tables([each, each[:1]]))
        assert table in first_problem(rows.check_rows(sealed.root), "b")
        shutil.rmtree(sealed.root / table)
    assert list(rows.check_rows(sealed.root)) == []


def test_a_missing_or_doubled_change_or_trade_is_seen(sealed):
    """What was delivered is there, once."""
    captured = evidence.read_capture(sealed.root)
    assert list(rows.check_changes(sealed.root, captured)) == []
    rewrite(first_file(sealed.root, "level2"), lambda each: each[:-1])
    first_problem(rows.check_changes(sealed.root, captured), "b")
    assert list(rows.check_trades(sealed.root, captured)) == []
    rewrite(first_file(sealed.root, "trades"), lambda each: each[1:])
    assert "delivered" in first_problem(rows.check_trades(sealed.root, captured), "b")


@pytest.mark.parametrize("number", [3, -1])
def test_a_missing_frame_is_seen(sealed, number):
    """One frame less in the capture, in the middle or at an orderly end: several checks notice."""
    coverage = evidence.read_coverage(sealed.root)
    without_frame(sealed.root, number)
    captured = evidence.read_capture(sealed.root)
    found = frames.check_sent(captured, sealed.truth.sent, sealed.truth.lives, LOSS_S_MAX)
    first_problem(found, "a")
    if number > 0:
        found = list(ledger.check_gaps(coverage, [], captured))
        assert found[0].endswith("and no fault")  # a gap, too, if its connection recorded by then
    shutil.rmtree(sealed.folder / "again")
    recovery.rebuild(Root(sealed.root), Root(sealed.folder / "again"))
    first_problem(rows.check_rebuilt(sealed.root, sealed.folder / "again"), "c")


def test_a_loss_that_is_no_gap_is_seen(sealed):
    """In the middle of a connection that recorded."""
    coverage = evidence.read_coverage(sealed.root)
    captured = evidence.read_capture(sealed.root)
    line = max(captured.lines.values(), key=lambda each: len(each.frames))
    del line.frames[len(line.frames) // 2]
    faults = evidence.read_sequence_gaps(sealed.root)
    found = list(ledger.check_gaps(coverage, faults, captured))
    assert {text.rpartition(" ")[2] for text in found} >= {"fault", "gap"}


def test_what_a_kill_loses_is_counted_from_the_last_frame_on_disk(sealed):
    """Frames that waited in the sockets of a busy machine were not received yet."""
    frame = '{"timestamp":"1970-01-01T00:00:%02d.5Z","sequence_num":%d}'
    sent = [[(frame % (second, second)).encode() for second in range(10)]]
    line = evidence.Line("c", 0, [(at * 10**9, raw) for at, raw in enumerate(sent[0][:5], 3)])
    captured = evidence.Captured({"c": line}, [], [])
    life = replace(
        sealed.truth.lives[0], spawned_ns=0, ended_ns=20 * 10**9, killed=True, aborted_ns=[],
        signalled_ns=int(7.25 * 10**9), waits=[(5 * 10**9, 10**8), (7 * 10**9, 10**9)],
    )  # fmt: skip
    [loss] = frames.lost_in_window(captured, sent, [life])
    assert loss == frames.Loss(2, 0.25, 0.0)
    assert list(frames.check_sent(captured, sent, [life], 0.25)) == []
    del line.frames[-1]
    [loss] = frames.lost_in_window(captured, sent, [life])
    assert loss == frames.Loss(3, 1.25, 0.9)
    assert loss.own_s == pytest.approx(0.35)
    assert "outside" in first_problem(frames.check_sent(captured, sent, [life], 1.2), "a")


def test_a_changed_frame_is_seen(sealed):
    """One other byte in a frame."""
    captured = evidence.read_capture(sealed.root)
    line = next(line for line in captured.lines.values() if len(line.frames) > 10)
    recv_ns, raw = line.frames[5]
    line.frames[5] = (recv_ns, raw.replace(b"1", b"2", 1))
    found = frames.check_sent(captured, sealed.truth.sent, sealed.truth.lives, LOSS_S_MAX)
    assert "frame 5" in first_problem(found, "a")


def test_a_changed_byte_of_a_sealed_file_is_seen(sealed):
    """One other bit anywhere in any file, or a file more or less."""
    path = first_file(sealed.root, "ticker")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    again = sealed.folder / "again"
    assert path.name in first_problem(rows.check_rebuilt(sealed.root, again), "c")
    path.unlink()
    assert "only" in first_problem(rows.check_rebuilt(sealed.root, again), "c")


def test_an_interval_that_overlaps_or_leaves_a_hole_is_seen(sealed):
    """One microsecond is enough; a gap without a reason is none."""
    intervals = evidence.read_coverage(sealed.root)
    assert list(ledger.check_coverage(intervals)) == []
    early = min(intervals, key=lambda row: (row["channel"], row["start_us"]))
    for by_us, word in ((1, "overlaps"), (-1, "hole")):
        wrong = [{**row, "end_us": row["end_us"] + by_us * (row is early)} for row in intervals]
        assert word in first_problem(ledger.check_coverage(wrong), "d")
    silent = [{**row, "reason": None} for row in intervals]
    first_problem(ledger.check_coverage(silent), "d")


def test_a_down_time_that_is_not_written_down_is_seen(sealed):
    """Every time between two runs is a gap of every track."""
    intervals = evidence.read_coverage(sealed.root)
    captured = evidence.read_capture(sealed.root)
    tracks, lives = sealed.verdict.plan.tracks, sealed.truth.lives
    assert list(ledger.check_down(intervals, captured, lives, tracks)) == []
    others = [row for row in intervals if row["reason"] != "recorder_down"]
    assert len(list(ledger.check_down(others, captured, lives, tracks))) >= len(tracks)


def test_a_gap_that_claims_a_recorded_frame_is_seen(sealed):
    """A gap row's numbers are checked against the capture."""
    captured = evidence.read_capture(sealed.root)
    row = evidence.read_coverage(sealed.root)[0]
    line = next(line for line in captured.lines.values() if len(line.frames) > 10)
    claim = {
        "state": "gap", "reason": "sequence_gap", "connection_id": line.connection_id,
        "sequence_before": 3, "sequence_after": 6, "messages_missing": 2,
    }  # fmt: skip
    assert "claims 2" in first_problem(ledger.check_gaps([{**row, **claim}], [], captured), "f")


def test_a_book_that_is_not_the_venues_is_seen(sealed):
    """One level of another size."""
    captured = evidence.read_capture(sealed.root)
    life = sealed.truth.lives[-1]
    assert list(books.check_books(sealed.root, captured, [life])) == []
    truth = {name: ([(bids[0][0], "77"), *bids[1:]], asks)
             for name, (bids, asks) in life.books.items()}  # fmt: skip
    found = books.check_books(sealed.root, captured, [replace(life, books=truth)])
    first_problem(found, "e")


@pytest.mark.parametrize("closed", [Closed(1, "", 1006, "no close frame"), Closed(1, "", 1000, "")])
def test_a_book_is_not_compared_after_the_venue_hung_up(sealed, closed):
    """The market went on without us; our own close at the end came after it was frozen."""
    captured = evidence.read_capture(sealed.root)
    life = sealed.truth.lives[-1]
    segment = [each for _, each in captured.arrivals if each.recv_ns >= life.spawned_ns]
    product = next(iter(life.books))
    assert isinstance(segment[-2], Closed)
    assert books.live_at_end(segment, product)
    assert not books.live_at_end([*segment[:-2], closed, segment[-1]], product)
    assert len(list(books.comparable(captured, sealed.truth.lives))) >= len(life.books)


def test_a_log_that_is_not_what_it_should_be_is_seen(sealed, tmp_path):
    """A line that is no JSON, an event nobody knows, an error, a traceback, a staged file."""
    life = sealed.truth.lives[-1]
    assert list(runs.check_life(life)) == []
    for line in (
        "Traceback (most recent call last):",
        json.dumps({"event": "something_else", "level": "info"}),
        json.dumps({"event": "recorder_started", "level": "error"}),
    ):
        log = tmp_path / "run.log"
        log.write_text(f"{line}\n")
        first_problem(runs.check_life(replace(life, log=log)), "g")
    assert "staging" in first_problem(runs.check_life(replace(life, left=["x"])), "g")
