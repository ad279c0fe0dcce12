"""Ours, all of it: capture, core, book, rows, and Parquet parts that are on disk at the end.

As the recorder lives, without its loop: a block every 200 ms, a sync every second, parts every
ten, by the clock.
"""

import shutil
import sys
import time
from itertools import count
from pathlib import Path

from turns import serve

from recorder.core.frames import Frame, Opened, Sent
from recorder.core.wire import advanced
from recorder.live import settle
from recorder.recording import Recording
from recorder.store.paths import Root

LINE = "bench-1"
CHANNELS = ("heartbeats", "level2", "market_trades", "ticker")
PRODUCTS = ("BTC-USD", "ETH-USD")
BLOCK_NS, SYNC_NS, PART_NS = 200_000_000, 1_000_000_000, 10_000_000_000
_folder = Path(sys.argv[1] + "-kept")  # beside the frames, where whoever made them clears up
_numbers = count()


def prepare(snapshots):
    """A recording with its books, in a new folder; those of earlier turns go."""
    shutil.rmtree(_folder, ignore_errors=True)
    root = Root(_folder / str(next(_numbers)))
    root.path.mkdir(parents=True)
    now_ns = time.time_ns()
    recording = Recording(root, now_ns)
    recording.take(Opened(recording.last_ns, LINE, "bench"))
    for channel in CHANNELS:
        asked = () if channel == "heartbeats" else PRODUCTS
        request = advanced.request("subscribe", channel, asked)
        recording.take(Sent(recording.last_ns, LINE, request))
    for raw in snapshots:
        recording.take(Frame(recording.last_ns, LINE, raw))
    recording.flush()
    settle()
    return recording


def run(recording, updates):
    """Take them as they come; at the end everything is on disk."""
    block_ns = sync_ns = part_ns = recording.last_ns
    for raw in updates:
        now_ns = max(time.time_ns(), recording.last_ns)
        recording.take(Frame(now_ns, LINE, raw))
        if now_ns > block_ns + BLOCK_NS:
            block_ns = now_ns
            recording.capture.write(recording.capture.cut())
        if now_ns > sync_ns + SYNC_NS:
            sync_ns = now_ns
            recording.capture.flush()
        if now_ns > part_ns + PART_NS:
            part_ns = now_ns
            recording.flush()
    recording.flush()


def tops(recording):
    """The best prices."""
    books = recording.pipeline.books
    return {name: [book.best_bid(), book.best_ask()] for (_, name), book in books.items()}


if __name__ == "__main__":
    serve(prepare, run, tops)
