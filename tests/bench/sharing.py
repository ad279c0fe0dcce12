"""All spot products at once: the share of a processor, and memory, of books and of the process."""

import asyncio
import gc
import shutil
import time
import tracemalloc
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from recorder.core.book import Book
from recorder.core.messages import Level2
from recorder.core.wire import advanced
from recorder.feed.dial import TRANSPORTS
from tests.bench.crowd import ALL_PRODUCTS, make_crowd, names, numbered
from tests.bench.figures import Figure
from tests.bench.living import Life, live
from tests.bench.sending import Made, Sender
from tests.bench.traffic import CHANNELS

CHANGES_A_SECOND = 15_000
FIRST_SEQ = 1 << 24
TURNS = 3
BOOKS = ("heartbeats", "level2")  # the goal's 2,000 frames a second are those of books
GOALS = {"websockets": 20.0, "picows": 12.0}  # % of a core
RSS_MB_GOAL = 600.0
BOOKS_MEASURED = 50
LEVEL_BYTES_GOAL = 48.0
LEVEL_NOTE = (
    "What tracemalloc counts of books that were loaded from their snapshots and then changed, "
    "decoded messages among it as far as the books hold on to them."
)
NOTE = (
    f"Median of {TURNS} turns for books alone, one turn for all channels. Its processor time, "
    "threads included, over the time of the clock; capture and parts on, HTTP off; frames made "
    "beforehand come from another process over loopback, uncompressed, without TLS, each when it "
    "is due. No hour is sealed meanwhile: that is in the section store."
)


def measure(folder: Path, seconds: float) -> list[Figure]:
    """Every transport that is installed, in turns, on the same frames; of each the median."""
    products = names(ALL_PRODUCTS, big=True)
    transports = [each for each in TRANSPORTS if find_spec(each) is not None]
    figures: list[Figure] = []
    with Sender(products, int(CHANGES_A_SECOND * seconds), CHANGES_A_SECOND) as sender:
        for channels, turns in ((BOOKS, TURNS), (CHANNELS, 1)):
            lives: dict[str, list[Life]] = {each: [] for each in transports}
            for turn in range(turns):
                for transport in transports:
                    data = folder / f"share-{transport}-{len(channels)}-{turn}"
                    lives[transport].append(
                        asyncio.run(live(sender, products, data, transport, channels))
                    )
                    shutil.rmtree(data)
            for transport, each in lives.items():
                figures += _told(middle(each), sender.made, transport, channels)
    return figures


def middle(lives: Sequence[Life]) -> Life:
    """The life of the median share, the lower one of two."""
    ordered = sorted(lives, key=lambda each: each.processor_s / each.seconds)
    return ordered[(len(ordered) - 1) // 2]


def _told(life: Life, made: Made, transport: str, channels: tuple[str, ...]) -> list[Figure]:
    frames = life.frames / life.seconds
    changes = made.changes / life.seconds
    rates = f"{frames:,.0f} frames/s, {changes:,.0f} changes/s"
    share = life.processor_s / life.seconds * 100
    if channels != BOOKS:
        what = f"the same with tickers and trades, {rates}, {transport}"
        return [Figure(what, share, "% of a core", note=NOTE)]
    goal = GOALS[transport]
    return [
        Figure(f"{ALL_PRODUCTS} books, {rates}, {transport}", share, "% of a core", ("goal", goal),
               f"goal <= {goal:g} %", NOTE),
        Figure("  of it with nothing but heartbeats", life.idle_share * 100, "% of a core"),
        Figure("  processor of a frame", life.processor_s / life.frames * 1e6, "us"),
        Figure(f"  memory of the process, {made.levels:,} levels", life.rss_mb, "MB",
               ("goal", RSS_MB_GOAL), f"goal <= {RSS_MB_GOAL:g} MB"),
        Figure("  the same at most, while snapshots came", life.peak_mb, "MB",
               ("goal", RSS_MB_GOAL)),
    ]  # fmt: skip


def measure_memory(changes: int) -> list[Figure]:
    """Bytes a level of 50 books, the two deepest among them."""
    crowd = make_crowd(names(BOOKS_MEASURED, big=True), changes, time.time_ns(), None)
    snapshots = [each for (channel, _), each in crowd.openings.items() if channel == "level2"]
    updates = [each.halves for each in crowd.frames if each.channel == "level2"]
    books: dict[str, Book] = {}
    gc.collect()
    tracemalloc.start()
    for number, halves in enumerate((*snapshots, *updates)):
        for message in advanced.decode(numbered(halves, number)).messages:
            assert isinstance(message, Level2)
            if message.product_id not in books:
                books[message.product_id] = Book(message.product_id)
                books[message.product_id].load(message, FIRST_SEQ)
            else:
                books[message.product_id].apply(message)
    del message
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    levels = sum(len(book.bids) + len(book.asks) for book in books.values())
    what = f"memory of a level, {levels:,} levels in {len(books)} books, {crowd.changes:,} changes"
    return [
        Figure(what, held / levels, "bytes", ("goal", LEVEL_BYTES_GOAL),
               f"goal <= {LEVEL_BYTES_GOAL:g}", LEVEL_NOTE),
    ]  # fmt: skip
