"""A disk that stands still, a venue that does not wait: bounds of bytes, nothing in silence.

The real recorder against the real venue on loopback. The disk's writes block, as they do on a
stalled device; the bounds are small, so that a moment of market reaches them.
"""

import asyncio
import socket
import threading
import tracemalloc

import pytest

from recorder import daemon, disk, verify
from recorder.core import many
from recorder.core.frames import Closed, Frame
from recorder.core.pipeline import Pipeline
from recorder.feed import sockets
from recorder.recording import Pending
from recorder.store import capture_writer
from recorder.store.capture import read_arrivals
from recorder.venue import Venue
from tests.frames_made import HOUR_START_NS, Made
from tests.recorders import all_recorded, config_for, live_rows, recording, wait_for

HELD_MAX, WAITING_MAX = 512 * 1024, 32 * 1024
READ_MAX = 2 * 256 * 1024  # what comes with the read that reaches a bound


@pytest.fixture
def stalled(monkeypatch):
    """A disk that can be made to stand still: writes wait for the event."""
    goes = threading.Event()
    goes.set()
    write = capture_writer._write_all

    def waiting(handle, content):
        goes.wait()
        write(handle, content)

    monkeypatch.setattr(capture_writer, "_write_all", waiting)
    monkeypatch.setattr(disk, "SYNC_S", 0.05)
    monkeypatch.setattr(disk, "BUFFERED_BYTES_MAX", HELD_MAX)
    monkeypatch.setattr(sockets, "WAITING_BYTES_MAX", WAITING_MAX)
    yield goes
    goes.set()


async def test_a_stalled_disk_is_bounded_told_and_survived(tmp_path, stalled):
    """Frames wait in the socket until the venue closes; it goes on, and the ledger is whole."""
    async with Venue(
        seed=5, depth=0.01, rate=60.0, keep_sent=True, backlog_bytes_max=256 * 1024
    ) as venue:
        config = config_for(tmp_path, venue.url)
        async with recording(config) as running:
            await wait_for(lambda: all_recorded(running), "every channel")
            capture, held, waiting = running._recording.capture, [], []
            stalled.clear()
            try:
                await wait_for(lambda: running._disk.behind, "the bound")
                stopped_at, ended = running._frames, _ended(venue)
                for each in running._connections:  # or the kernel takes megabytes more
                    tcp = each._socket.transport.get_extra_info("socket")
                    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                while _ended(venue) == ended:
                    held.append(capture.held)
                    waiting.append(sum(each.waiting_bytes for each in running._connections))
                    await asyncio.sleep(0.02)
                assert running._frames - stopped_at <= 1
            finally:
                stalled.set()
            await wait_for(lambda: not running._disk.behind, "the disk")
            await wait_for(lambda: len(_closes(tmp_path)) > 0, "the end of the session")
            await wait_for(lambda: all_recorded(running), "a new session")
    longest = max(len(frame.raw) for frame in _arrivals(tmp_path, Frame))
    assert max(held) <= HELD_MAX + longest + 1024
    assert max(waiting) <= WAITING_MAX + longest + READ_MAX
    assert _closes(tmp_path)[0].code in {1006, 1008}
    kinds = [kind for (kind,) in live_rows(tmp_path, "faults", "kind")]
    told = [each for each in kinds if each.startswith("disk")]
    assert told[:2] == ["disk_behind", "disk_recovered"]
    assert told == told[:2] * (len(told) // 2)  # a slow machine may be behind again
    assert ("slow_consumer" in kinds) == (_closes(tmp_path)[0].code == 1008)
    gaps = live_rows(tmp_path, "coverage", "channel, state")
    assert ("level2", "gap") in gaps
    report = verify.verify(tmp_path, deep=True)
    assert (report.whole, report.findings) == (True, [])


def _ended(venue):
    return sum(bool(each.ended) for each in venue.records)


def _arrivals(root, kind):
    return [each for _, each in read_arrivals([root / "capture"]) if isinstance(each, kind)]


def _closes(root):
    return [each for each in _arrivals(root, Closed) if each.reason != "recorder stopped"]


@pytest.mark.parametrize("at_once", [1, 2, 3, 96])
def test_rows_that_wait_take_no_more_than_is_counted(at_once):
    """The count is what bounds them: it must not be below what they take, however few a block."""
    pipeline, made, pending = Pipeline(), Made(3, HOUR_START_NS), Pending(0, 0)
    placed = [(1 << 30, each) for each in [*made.open("ws1-a"), *made.run(15)]]
    half = len(placed) // 2
    for arrival in placed[:half]:  # what is made once
        many.take(pipeline, [arrival])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "AT_ONCE", at_once)
        gathered = list(many.gathered(placed[half:]))
    many.take(pipeline, gathered.pop(0))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        steps = [many.take(pipeline, some).rows for some in gathered]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    for rows in steps:
        pending.add(rows)
    assert pending.count > 100
    assert 0.2 * pending.held_bytes < taken < pending.held_bytes


async def test_a_connection_that_we_are_behind_with_is_not_silent(tmp_path, monkeypatch):
    """What came and waits for us, or is being decoded, is no silence of the venue."""
    monkeypatch.setattr(daemon, "SILENCE_CHECK_S", 0.02)
    async with (
        Venue(seed=5, depth=0.01) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "every channel")
        (connection,) = running._connections
        inbox = connection._socket.inbox
        inbox.decoding = True
        assert connection.is_behind
        overdue = lambda _self, _leaving=(): {connection.connection_id: 0}  # noqa: E731  always
        monkeypatch.setattr(Pipeline, "deadlines_ns", overdue)
        await asyncio.sleep(0.3)
        assert _closes(tmp_path) == []
        assert connection._socket is not None
        assert connection._socket.inbox is inbox
        inbox.decoding = False
        await wait_for(lambda: connection.tally.closes.total() == 1, "the close")


async def test_frames_that_wait_for_space_do_not_keep_a_connection(tmp_path, monkeypatch):
    """While too little is free nothing is read: what came waits for good, and it is closed."""
    monkeypatch.setattr(daemon, "SILENCE_CHECK_S", 0.02)
    async with (
        Venue(seed=5, depth=0.01) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "every channel")
        (connection,) = running._connections
        monkeypatch.setattr(disk, "free_bytes", lambda _path: 1000)
        await running._disk._look()
        await wait_for(lambda: connection.is_behind, "a frame that waits")
        overdue = lambda _self, _leaving=(): {connection.connection_id: 0}  # noqa: E731  always
        monkeypatch.setattr(Pipeline, "deadlines_ns", overdue)
        await wait_for(lambda: connection.tally.closes.total() == 1, "the close", 5)


def test_frames_that_wait_are_no_silence():
    inbox = sockets.Inbox()
    assert inbox.count == 0
    inbox.put(b"")  # an empty one has no bytes, and waits all the same
    assert (inbox.count, inbox.bytes) == (1, 0)
