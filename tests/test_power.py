"""Power cuts of the real writer: a dozen of them, and that what a cut loses is noticed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.core.frames import hour_base
from recorder.store.paths import Root
from tests.frames_made import HOUR, HOUR_START_NS, WANTED, Made
from tests.power import disk, judge
from tests.power.promises import Promised, Promises, told_file
from tests.power.writer import recover_all

REPOSITORY = Path(__file__).resolve().parents[1]


def cut(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the harness in a process of its own: it forks, which one with threads must not."""
    command = [sys.executable, "-m", "tests.power", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_nothing_acknowledged_is_lost_with_the_power(kind):
    """Every synced frame, published part and commit is there, whole, and recovery is exact."""
    if reason := disk.why_not(kind):
        pytest.skip(f"{kind}: {reason}")
    done = cut("--cuts", "12" if kind == "ext4" else "4", "--fs", kind)
    if "skipped:" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "acknowledged and lost                            0" in done.stdout
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if "power-" in line]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can mount")
def test_without_root_it_says_why_not():
    """No harness fails where it cannot run."""
    done = cut("--cuts", "1")
    assert done.returncode == 0
    assert "needs root" in done.stdout


# --- the judge sees what it is there for ----------------------------------------------------------


@pytest.fixture
def recorded(tmp_path):
    """A small recording with its promises, of which nothing is broken."""
    from recorder.recording import Recording  # noqa: PLC0415

    root, made, told = Root(tmp_path / "data"), Made(1, HOUR_START_NS), tmp_path / "told"
    told.mkdir()
    promises = Promises(told, 0)
    recording = Recording(root, made.now_ns, WANTED)
    for arrival in [*made.open("c1"), *made.run(0.3)]:
        recording.take(arrival)
    recording.cut()
    recording.capture.flush()
    [pending] = recording.take_ready()
    rows = pending.publish(root)
    promises.tell("part", hour=HOUR, first=pending.first, end=pending.end, rows=rows)
    for line, offset in lines_of(root):
        promises.appended(hour_base(HOUR) + offset, line)
    promises.synced(recording.capture.synced)
    promised = Promised()
    promised.add(told, 0)
    assert judge.check_survived(root.path, promised) == []
    return root, promised


def lines_of(root: Root):
    """The lines of the capture and their offsets."""
    from recorder.store.capture import read_blocks  # noqa: PLC0415

    for segment in root.segments(HOUR):
        for block in read_blocks(segment.path):
            offset = block.first
            for line in block.payload.splitlines(keepends=True):
                yield line, offset
                offset += len(line)


def kinds(problems: list[judge.Problem]) -> set[str]:
    return {kind for kind, _ in problems}


def test_what_is_told_while_the_power_goes_is_no_promise(tmp_path):
    """The kernel answers for some milliseconds more; an intention holds all the same."""
    promises, promised = Promises(tmp_path, 0), Promised()
    promises.appended(hour_base(HOUR) + 1, b"one\n")
    promises.synced(hour_base(HOUR) + 2)
    promises.tell("switching", to=HOUR)
    told_bytes = told_file(tmp_path, 0).stat().st_size
    promises.appended(hour_base(HOUR) + 2, b"two\n")
    promises.synced(hour_base(HOUR) + 3)
    promises.tell("part", hour=HOUR, first=1, end=3, rows={})
    promises.tell("switched", to=HOUR)
    promises.tell("retiring", before=HOUR, capture=True)
    promised.add(tmp_path, 0, told_bytes)
    assert promised.lines == {HOUR: {1: b"one\n"}}
    assert (promised.parts, promised.switches) == ({}, {None, HOUR})
    assert promised.capture_retired_before == HOUR
    assert promised.counts["late"] == 3


def test_a_torn_capture_is_lost(recorded):
    """Its synced lines are gone, and its parts hold rows of frames that are nowhere."""
    root, promised = recorded
    [segment] = root.segments(HOUR)
    os.truncate(segment.path, segment.path.stat().st_size - 1)
    what = [text for _, text in judge.check_survived(root.path, promised)]
    assert "synced lines" in what[0]
    assert "the capture ends at" in what[1]


def test_a_part_that_is_gone_or_torn_is_seen(recorded):
    """Promised, so lost; there, so it must be readable."""
    root, promised = recorded
    [part] = root.parts("level2")
    part.path.chmod(0o644)
    os.truncate(part.path, part.path.stat().st_size // 2)
    assert kinds(judge.check_survived(root.path, promised)) == {judge.UNREADABLE, judge.LOST}
    part.path.unlink()
    assert kinds(judge.check_survived(root.path, promised)) == {judge.LOST}


def test_a_sealed_file_that_is_another_is_seen(recorded):
    """Not what the commit record says, and not what a rebuild gives."""
    root, promised = recorded
    recover_all(root.path)
    assert judge.check_whole(root.path, promised) == []
    one, other = sorted(root.path.glob("ticker/*/*/*/*.parquet"))
    one.chmod(0o644)
    one.write_bytes(other.read_bytes())
    what = "\n".join(text for _, text in judge.check_whole(root.path, promised))
    assert "not what its commit record says" in what
    assert "not that of a rebuild" in what
