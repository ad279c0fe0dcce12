"""Playing recorded frames over a real socket."""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from recorder.core.frames import Closed, Frame, Opened, Sent, hour_of
from recorder.errors import DataError
from recorder.store.capture_writer import CaptureWriter
from recorder.store.ndjson import read_lines
from recorder.store.paths import Root
from recorder.venue import Playback

NOW_NS = 1_786_309_548_000_000_000
SHARED = Path(__file__).parents[3] / "shared"


def record(path: Path, lines: list[tuple[float | None, str, str, str]]) -> Path:
    """Write a capture file of (t, conn, dir, raw)."""
    with gzip.open(path, "wt") as file:
        for t, conn, direction, raw in lines:
            file.write(json.dumps({"t": t, "conn": conn, "dir": direction, "raw": raw}) + "\n")
    return path


async def listen(playback: Playback, count: int) -> list[bytes]:
    """Connect, say something, take frames."""
    async with connect(playback.url, max_size=None, compression=None) as client:
        await client.send('{"type":"subscribe","channel":"heartbeats"}')
        async with asyncio.timeout(20):
            return [await client.recv(decode=False) for _ in range(count)]


async def test_each_client_gets_the_next_recorded_connection(tmp_path: Path) -> None:
    """What came in is played byte for byte, what went out is not, and the end is told."""
    path = record(tmp_path / "a.ndjson.gz", [
        (1.0, "ws1", "out", "subscribe"), (1.1, "ws1", "in", "a £"), (1.2, "ws2", "in", "b"),
        (1.3, "ws1", "in", "c"), (None, "ws2", "in", "d"),
    ])  # fmt: skip
    async with Playback(path, speed=None, keep_sent=True) as playback:
        assert await listen(playback, 2) == ["a £".encode(), b"c"]
        assert not playback.ended.is_set()
        assert await listen(playback, 2) == [b"b", b"d"]
        await asyncio.wait_for(playback.ended.wait(), 5)
        assert playback.sent(0) == ["a £".encode(), b"c"]


async def test_speed_divides_the_recorded_times(tmp_path: Path) -> None:
    """A recorded second takes a tenth at speed 10."""
    path = record(tmp_path / "a.ndjson", [(5.0, "x", "in", "a"), (6.0, "x", "in", "b")])
    async with Playback([path], speed=10) as playback:
        begun = time.monotonic()
        await listen(playback, 2)
        assert 0.08 < time.monotonic() - begun < 0.6


async def test_the_socket_stays_open_or_closes_with_1000(tmp_path: Path) -> None:
    """After the last frame, as asked."""
    path = record(tmp_path / "a.ndjson", [(5.0, "x", "in", "a")])
    async with Playback(path, close=True) as playback:
        with pytest.raises(ConnectionClosedOK):
            await listen(playback, 2)
    async with Playback(path) as playback, connect(playback.url) as client:
        await client.send("{}")
        assert await client.recv() == "a"
        await asyncio.wait_for(playback.ended.wait(), 5)
        await asyncio.wait_for(await client.ping(), 5)


async def test_a_frame_of_five_megabytes(tmp_path: Path) -> None:
    """The size of a Bitcoin snapshot, among small ones, as fast as the client reads."""
    texts = ["a", "b" * 5_000_000, "c", "d" * 5_000_000, *"efg"]
    path = record(tmp_path / "a.ndjson", [(5.0, "x", "in", text) for text in texts])
    async with Playback(path, speed=None) as playback:
        assert await listen(playback, 7) == [text.encode() for text in texts]


async def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """The error is kept, and the end comes."""
    path = tmp_path / "a.ndjson"
    path.write_text("not json\n")
    async with Playback(path) as playback, connect(playback.url) as client:
        await client.send("{}")
        await asyncio.wait_for(playback.ended.wait(), 5)
        assert isinstance(playback.error, DataError)


async def test_a_capture_of_our_own(tmp_path: Path) -> None:
    """A folder of segments, or one segment, plays its frames and nothing else."""
    writer = CaptureWriter(Root(tmp_path), hour_of(NOW_NS))
    for arrival in (
        Opened(NOW_NS, "c1", "ws://somewhere"),
        Sent(NOW_NS + 1, "c1", b"subscribe"),
        Frame(NOW_NS + 2, "c1", b"one"),
        Frame(NOW_NS + 3, "c1", b"two\nlines"),
        Closed(NOW_NS + 4, "c1", 1000, ""),
    ):
        writer.append(arrival)
    writer.close()
    for path in (tmp_path, *tmp_path.rglob("*.cap")):  # noqa: ASYNC240
        async with Playback(path, speed=None) as playback:
            assert await listen(playback, 2) == [b"one", b"two\nlines"]


async def test_a_real_recording_byte_for_byte() -> None:
    """694 frames of Coinbase, two of them of megabytes, at forty times their pace."""
    found = sorted(SHARED.glob("captures/coinbase-advanced-trade/*.part1.ndjson.gz"))
    if not found:
        pytest.skip("no recordings: ../shared/captures is not beside the checkout")
    expected = [line.raw for line in read_lines(found[0]) if not line.outgoing]
    async with Playback(found, speed=40) as playback:
        assert await listen(playback, len(expected)) == expected


SERVE = """
from recorder.venue import run
run(depth=0.01, on_ready=lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """The URL is told, and a signal ends the process in order."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ws://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(10) == 0
