"""The core, fed from memory: decode, book, snapshot, pipeline.

What counts is processor time: nothing here waits, and other programs may have the machine too.
"""

import json
import time
import tracemalloc
from functools import partial
from itertools import chain
from statistics import median

import msgspec
from sortedcontainers import SortedDict

from recorder.core.book import Book
from recorder.core.frames import Frame, Opened, Sent
from recorder.core.messages import Level2
from recorder.core.pipeline import Pipeline
from recorder.core.wire import advanced
from tests.bench.figures import Figure
from tests.bench.timing import race, timed
from tests.bench.traffic import CHANNELS, PRODUCTS, Stamped, Traffic, changes_in

FIRST_SEQ = 1 << 24
LINE = "bench-1"


def measure(traffic: Traffic, rounds: int) -> list[Figure]:
    """Every figure of the core on some traffic."""
    return [
        *_decode(traffic, rounds),
        _book(traffic, rounds),
        _snapshot(traffic, rounds),
        _memory(traffic),
        _pipeline(traffic, rounds),
    ]


def _decode(traffic: Traffic, rounds: int) -> list[Figure]:
    raws = [raw for _, raw in traffic.updates()]
    untyped = msgspec.json.Decoder().decode
    seconds = race(
        {
            "ours": lambda: [advanced.decode(raw) for raw in raws],
            "msgspec untyped": lambda: [untyped(raw) for raw in raws],
            "json": lambda: [json.loads(raw) for raw in raws],
        },
        rounds,
        time.process_time,
    )
    micro = {name: each / len(raws) * 1e6 for name, each in seconds.items()}
    changes = changes_in(traffic.updates()) / len(raws)
    what = f"decode one l2_data frame, {changes:.1f} changes, {traffic.source}"
    design = "json 5.6, msgspec typed 1.1 us at 2.8 changes, without numbers and times"
    return [
        Figure(what, micro["ours"], "us", ("msgspec untyped", micro["msgspec untyped"]), design),
        Figure("  the same, beside json", micro["ours"], "us", ("json", micro["json"])),
    ]


def _level2(frames: list[Stamped]) -> list[Level2]:
    decoded = chain.from_iterable(advanced.decode(raw).messages for _, raw in frames)
    return [message for message in decoded if isinstance(message, Level2)]


def _books(traffic: Traffic) -> dict[str, Book]:
    books = {}
    for snapshot in _level2(traffic.snapshots()):
        books[snapshot.product_id] = Book(snapshot.product_id)
        books[snapshot.product_id].load(snapshot, FIRST_SEQ)
    return books


def _book(traffic: Traffic, rounds: int) -> Figure:
    """Changes of full books, the best of both sides read after each message."""
    updates = _level2(traffic.updates())
    changes = sum(len(update.prices) for update in updates)
    books = _books(traffic)
    bare = {(name, side): SortedDict(getattr(book, side).items())
            for name, book in books.items() for side in ("bids", "asks")}  # fmt: skip

    def ours() -> None:
        for update in updates:
            book = books[update.product_id]
            book.apply(update)
            book.crossed()

    def floor() -> None:
        for update in updates:
            bids, asks = bare[update.product_id, "bids"], bare[update.product_id, "asks"]
            for side, price, size in zip(update.sides, update.prices, update.sizes, strict=True):
                levels = bids if side == "bid" else asks
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)
            bids.peekitem(-1)
            asks.peekitem(0)

    seconds = race({"ours": ours, "SortedDict alone": floor}, rounds, time.process_time)
    micro = {name: each / changes * 1e6 for name, each in seconds.items()}
    levels = sum(len(book.bids) + len(book.asks) for book in books.values())
    what = f"book change, {levels:,} levels in {len(books)} books, {traffic.source}"
    beside = ("SortedDict alone", micro["SortedDict alone"])
    return Figure(what, micro["ours"], "us", beside, "SortedDict 1.63, window 0.72 us")


def _snapshot(traffic: Traffic, rounds: int) -> Figure:
    snapshots = _level2(traffic.snapshots())
    levels = sum(len(each.prices) for each in snapshots)
    book = Book("BTC-USD")
    runner = {"ours": lambda: [book.load(each, FIRST_SEQ) for each in snapshots]}
    seconds = race(runner, rounds, time.process_time)
    micro = seconds["ours"] / levels * 1e6
    return Figure("load a level of a snapshot", micro, "us", ("design", 0.2), "0.2 us")


def _memory(traffic: Traffic) -> Figure:
    """Bytes a level, after some changes; what was allocated and not freed."""
    snapshots, updates = _level2(traffic.snapshots()), _level2(traffic.updates())
    books = {each.product_id: Book(each.product_id) for each in snapshots}
    tracemalloc.start()
    for each in snapshots:
        books[each.product_id].load(each, FIRST_SEQ)
    for update in updates[:2000]:
        books[update.product_id].apply(update)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    levels = sum(len(book.bids) + len(book.asks) for book in books.values())
    what = f"memory of a level, {levels:,} levels in {len(books)} books"
    return Figure(what, held / levels, "bytes", ("goal", 48.0), "SortedDict 112, window 42")


def _pipeline(traffic: Traffic, rounds: int) -> Figure:
    """Frames in, rows out, without a disk, after the snapshots."""
    last = traffic.frames.index(traffic.snapshots()[-1]) + 1
    before, after = traffic.frames[:last], traffic.frames[last:]
    taken = []
    for _ in range(rounds):
        pipeline = Pipeline()
        began_ns = traffic.frames[0][0]
        pipeline.step(Opened(began_ns, LINE, "bench"), FIRST_SEQ)
        for channel in CHANNELS:
            request = advanced.request("subscribe", channel, PRODUCTS)
            pipeline.step(Sent(began_ns, LINE, request), FIRST_SEQ + 1)
        at = _feed(pipeline, before, FIRST_SEQ + 100)
        taken.append(timed(partial(_feed, pipeline, after, at), time.process_time))
    rate = changes_in(after) / median(taken)
    what = f"pipeline, memory-fed, no files, {traffic.source}"
    return Figure(what, rate, "changes/s", ("design, to Parquet", 0.26e6),
                  "0.26 M plain, 0.45 M window, 0.70 M batch, to Parquet")  # fmt: skip


def _feed(pipeline: Pipeline, frames: list[Stamped], at: int) -> int:
    """Step frames through a pipeline, the first at `ingest_seq` ``at``; returns where they end."""
    for recv_ns, raw in frames:
        pipeline.step(Frame(recv_ns, LINE, raw), at)
        at += len(raw) + 40
    return at
