"""The reader: an hour of BTC-USD as events, into books, as a series of tops; and short ranges.

A short range is read from a root of one hour, and from one with many products and hours more: the
ratio of the two is what the rest of the root costs. Seconds are those of the processor, so that
what else the machine does counts little.
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

import recorder
from recorder.core.book import BookState
from recorder.core.frames import Frame, Opened
from recorder.core.tables import TABLES
from recorder.recording import Recording
from recorder.recovery import seal_and_switch
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.views import publish_views
from tests.bench.figures import Figure
from tests.bench.timing import race
from tests.bench.traffic import SECOND_NS, START_NS, make

PRODUCT = "BTC-USD"
HOUR = START_NS // (3600 * SECOND_NS)
RATE = 10.0  # of the venue's market: 3 million changes of BTC-USD in an hour
FLUSH_ROWS = 500_000
MORE_PRODUCTS, MORE_HOURS = 100, 48
GOALS = {"events": 4.5e6, "books": 1.2e6, "tops": 2.5e6}  # rows a second
WINDOW_S = 10


def measure(folder: Path, rows: int, rounds: int) -> list[Figure]:
    """Everything, over an hour of so many rows."""
    small, large = Root(folder / "hour"), Root(folder / "many")
    held = make_hour(small, rows)
    grow(small, large)
    return [
        *_whole(small, held, min(rounds, 5)),
        *_moments(small, rounds),
        *_windows(small, large, rounds),
    ]


# --- roots ---------------------------------------------------------------------------------------


def make_hour(root: Root, rows: int) -> int:
    """Record and seal an hour of the venue's BTC-USD; returns its rows of level2."""
    write_empty_parts(root)
    recording = Recording(root, START_NS)
    recording.take(Opened(START_NS, "bench-1", "bench"))
    for recv_ns, raw in make(rows, 1.0, RATE, (PRODUCT,)):
        if recv_ns // (3600 * SECOND_NS) != HOUR:
            break
        recording.take(Frame(recv_ns, "bench-1", raw))
        if recording.pending_rows > FLUSH_ROWS:
            recording.flush()
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    seal_and_switch(root, [HOUR])
    return rows_in(root)


def rows_in(root: Root) -> int:
    """The rows of level2 of the hour that was made."""
    held: int = _record(root, HOUR)["rows"]["level2"]
    return held


def _record(root: Root, hour: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(root.commit(hour).read_text())
    rows: dict[str, int] = {}
    for file in content["files"]:
        rows[file["table"]] = rows.get(file["table"], 0) + file["rows"]
    return {**content, "rows": rows}


def grow(small: Root, large: Root) -> None:
    """The hour again, with many products beside it and many hours before it: the same files.

    They are links; nobody who asks for BTC-USD in its hour has a reason to open them.
    """
    content = json.loads(small.commit(HOUR).read_text())
    products = [PRODUCT, *(f"COIN{number:03d}-USD" for number in range(MORE_PRODUCTS))]
    for hour in range(HOUR - MORE_HOURS, HOUR + 1):
        files = []
        for file in content["files"]:
            table = TABLES[file["table"]]
            for product in products if table.per_product else [None]:
                path = large.sealed(table, hour, product)
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(small.path / file["path"], path)
                here = {"path": str(path.relative_to(large.path)), "product_id": product}
                files.append({**file, **here})
        large.commits.mkdir(exist_ok=True)
        large.commit(hour).write_text(json.dumps({**content, "files": files}))
    large.current.write_text(small.current.read_text())
    for root in (small, large):
        write_empty_parts(root)
        publish_views(root)


# --- an hour -------------------------------------------------------------------------------------


def _whole(root: Root, rows: int, rounds: int) -> list[Figure]:
    """An hour once through, in each of three ways, and the plain read of it beside them."""
    db = recorder.open(root.path)

    def books() -> None:
        run = db.replay(PRODUCT, channels="level2", books=True)
        deque(run, maxlen=0)
        assert run.books[PRODUCT].state is not BookState.EMPTY

    taken = race(
        {
            "arrow": lambda: db.level2(PRODUCT).to_arrow(),
            "events": lambda: deque(db.replay(PRODUCT, channels="level2"), maxlen=0),
            "books": books,
            "tops": lambda: db.top_of_book(PRODUCT).to_arrow(),
            "merged": lambda: deque(db.replay(PRODUCT), maxlen=0),
        },
        rounds,
        time.process_time,
    )
    events = sum(1 for _ in db.replay(PRODUCT, channels="level2"))
    others = sum(_record(root, HOUR)["rows"][name] for name in ("trades", "ticker"))
    rate = {name: rows / seconds for name, seconds in taken.items()}
    merged = (rows + others) / taken["merged"]
    return [
        Figure(f"read {rows:,} rows of level2, one hour, to_arrow()", rate["arrow"], "rows/s"),
        Figure(f"replay of it as typed events, {events:,} messages", rate["events"], "rows/s",
               ("goal", GOALS["events"]), "5.0 M"),
        Figure("  with trades and ticker merged in", merged, "rows/s",
               ("goal", GOALS["events"]), "5.0 M"),
        Figure("  with books kept along", rate["books"], "rows/s",
               ("goal", GOALS["books"]), "1.2-1.5 M"),
        Figure("top of book of it, vectorised", rate["tops"], "rows/s",
               ("goal", GOALS["tops"]), "2.8-3.0 M"),
    ]  # fmt: skip


def _moments(root: Root, rounds: int) -> list[Figure]:
    """A book at moments of the hour: it is built from the hour's begin on."""
    db = recorder.open(root.path)
    (product,) = (each for each in db.products() if each.product_id == PRODUCT)
    length_ns = int((product.last - product.first).total_seconds() * 1e9)
    taken = race(
        {
            name: lambda at=START_NS + int(length_ns * part): db.book(PRODUCT, at=at, depth=10)
            for name, part in (("begin", 0.05), ("middle", 0.5), ("end", 0.99))
        },
        rounds,
        time.process_time,
    )
    return [
        Figure(f"book at a moment near the {name} of the hour", seconds * 1e3, "ms",
               ("design", 163 if name == "end" else 29), "29-163 ms")
        for name, seconds in taken.items()
        if name != "middle"
    ]  # fmt: skip


# --- short ranges --------------------------------------------------------------------------------


def _windows(small: Root, large: Root, rounds: int) -> list[Figure]:
    """Ten seconds, each time others, of both roots."""
    ways = {
        "to_pandas()": _by_pandas,
        "to_duckdb()": _by_duckdb,
        "recorder.sql in DuckDB": _by_sql,
    }
    figures = []
    for name, way in ways.items():
        read = {"small": way(small), "large": way(large)}
        moving = {root: _moving(each) for root, each in read.items()}
        taken = race(moving, max(rounds, 9), time.process_time)
        what = f"{MORE_PRODUCTS} products and {MORE_HOURS} hours more"
        figures += [
            Figure(f"{WINDOW_S} s of it by {name}", taken["small"] * 1e3, "ms",
                   ("design", 6), "4-6 ms"),
            Figure(f"  from a root with {what}", taken["large"] * 1e3, "ms",
                   ("small root", taken["small"] * 1e3), "the same"),
        ]  # fmt: skip
    return figures


Read = Callable[[int, int], int]


def _moving(read: Read) -> Callable[[], None]:
    starts = count(7)

    def run() -> None:
        start_ns = START_NS + next(starts) * 3 * SECOND_NS
        assert read(start_ns, start_ns + WINDOW_S * SECOND_NS)

    return run


def _by_pandas(root: Root) -> Read:
    db = recorder.open(root.path)
    return lambda start, end: len(db.level2(PRODUCT, start, end).to_pandas())


def _by_duckdb(root: Root) -> Read:
    db = recorder.open(root.path)

    def read(start: int, end: int) -> int:
        relation = db.level2(PRODUCT, start, end).to_duckdb()
        return _first(relation.aggregate("count(*)").fetchall())

    return read


def _by_sql(root: Root) -> Read:
    con = duckdb.connect()
    con.execute((root.path / "recorder.sql").read_text())
    query = (
        f"SELECT count(*) FROM level2_of('{PRODUCT}', make_timestamptz($start), "
        "make_timestamptz($until)) WHERE price > 0 AND size >= 0"
    )

    def read(start: int, end: int) -> int:
        times = {"start": start // 1000, "until": end // 1000}
        return _first(con.execute(query, times).fetchall())

    return read


def _first(rows: Iterable[tuple[Any, ...]]) -> int:
    return next(iter(next(iter(rows))))
