"""The core, fed from memory: decode, book, snapshot, pipeline.

What counts is processor time: nothing here waits, and other programs may have the machine too.
"""

import json
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial
from itertools import chain
from statistics import median

import msgspec
from sortedcontainers import SortedDict

from recorder.core import many
from recorder.core.book import Book
from recorder.core.frames import Frame, Opened, Sent
from recorder.core.messages import Level2
from recorder.core.pipeline import Pipeline
from recorder.core.rows import Rows
from recorder.core.tables import TABLES
from recorder.core.wire import advanced
from recorder.store.parts import to_arrow
from tests.bench.figures import Figure
from tests.bench.timing import race, timed
from tests.bench.traffic import CHANNELS, PRODUCTS, Stamped, Traffic, changes_in

FIRST_SEQ = 1 << 24
LINE = "bench-1"
BATCH_GOAL = 1.5


def measure(traffic: Traffic, rounds: int) -> list[Figure]:
    """Every figure of the core on some traffic."""
    return [
        *_decode(traffic, rounds),
        _book(traffic, rounds),
        _snapshot(traffic, rounds),
        _memory(traffic),
        *_pipeline(traffic, rounds),
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


def _pipeline(traffic: Traffic, rounds: int) -> list[Figure]:
    """Frames in, rows as Arrow out, after the snapshots: one by one, and many at once."""
    last = traffic.frames.index(traffic.snapshots()[-1]) + 1
    before, after = traffic.frames[:last], traffic.frames[last:]
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for at_once, seconds in taken.items():
            pipeline = Pipeline()
            began_ns = traffic.frames[0][0]
            pipeline.step(Opened(began_ns, LINE, "bench"), FIRST_SEQ)
            for channel in CHANNELS:
                request = advanced.request("subscribe", channel, PRODUCTS)
                pipeline.step(Sent(began_ns, LINE, request), FIRST_SEQ + 1)
            _, at = _feed(pipeline, before, FIRST_SEQ + 100)
            run = partial(_to_arrow, pipeline, after, at, at_once=at_once)
            seconds.append(timed(run, time.process_time))
    live, many_at_once = (changes_in(after) / median(each) for each in taken.values())
    what = f"pipeline and rows as Arrow, no files, {traffic.source}"
    return [
        Figure(what, live, "changes/s", ("design, to Parquet", 0.26e6),
               "0.26 M plain, 0.45 M window, 0.70 M batch, to Parquet"),
        Figure("  the same, many frames at once", many_at_once, "changes/s",
               ("one by one", live), f"goal {BATCH_GOAL}x"),
    ]  # fmt: skip


def _to_arrow(pipeline: Pipeline, frames: list[Stamped], at: int, *, at_once: bool) -> None:
    if at_once:
        blocks = []
        for some in many.gathered(_placed(frames, at)):
            blocks += many.take(pipeline, some).rows
    else:
        blocks, _ = _feed(pipeline, frames, at)
    for name in TABLES:
        to_arrow(TABLES[name], [block for block in blocks if block.table == name])


def _placed(frames: list[Stamped], at: int) -> Iterator[tuple[int, Frame]]:
    for recv_ns, raw in frames:
        yield at, Frame(recv_ns, LINE, raw)
        at += len(raw) + 40


def _feed(pipeline: Pipeline, frames: list[Stamped], at: int) -> tuple[list[Rows], int]:
    """Step frames, the first at `ingest_seq` ``at``; their rows, and where they end."""
    rows: list[Rows] = []
    for ingest_seq, frame in _placed(frames, at):
        rows += pipeline.step(frame, ingest_seq).rows
        at = ingest_seq + len(frame.raw) + 40
    return rows, at
