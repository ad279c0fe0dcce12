"""The daemon on loopback: what the venue sent is on disk, exactly once, in order."""

import hashlib
import time
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

import recorder
from recorder import finishing, hours, live, recovery, replay
from recorder.core.frames import Closed, Frame, Opened
from recorder.core.messages import BID, Level2
from recorder.core.numbers import plain
from recorder.errors import LockedError
from recorder.feed import reading
from recorder.store.capture import read_arrivals
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
from recorder.venue import Playback, Venue
from tests.captures import ADVANCED, expected, needs_captures
from tests.recorders import (
    all_recorded,
    config_for,
    live_rows,
    recorded_parts,
    recording,
    wait_for,
)

HOUR_S = 3600


def received(root: Path) -> list[bytes]:
    """Every frame of the capture, in order."""
    arrivals = (arrival for _, arrival in read_arrivals([root / "capture"]))
    return [arrival.raw for arrival in arrivals if isinstance(arrival, Frame)]


def digest_of(levels: list[tuple[str, str]], side: str, into) -> None:
    for price, size in levels:
        into.update(f"{side} {price} {size}\n".encode())


def book_digest(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    digest_of(bids, "bid", digest)
    digest_of(asks, "ask", digest)
    return digest.hexdigest()


def plainly(levels) -> list[tuple[str, str]]:
    return [(plain(0.0, price), plain(0.0, size)) for price, size in levels]


async def test_everything_the_venue_sent_is_in_the_capture_in_order(tmp_path):
    """After a clean stop every frame is on disk, byte for byte, and the book is the venue's."""
    async with Venue(seed=3, rate=5, depth=0.02, keep_sent=True) as venue:
        async with recording(config_for(tmp_path, venue.url)) as running:
            await wait_for(lambda: running.progress().frames > 400, "400 frames")
            venue.freeze()
            frames = len(venue.sent(-1))
            await wait_for(lambda: running.progress().frames >= frames, "all frames")
        sent = [bytes(frame) for frame in venue.sent(-1)]
        got = received(tmp_path)
        assert got == sent[: len(got)]
        assert len(sent) - len(got) <= 1  # a heartbeat may follow the close
        book = recorder.open(tmp_path).book("BTC-USD")
        bids, asks = venue.book("BTC-USD")
        assert book.valid
        assert (book.bids, book.asks) == (plainly(bids), plainly(asks))
        assert live_rows(tmp_path, "faults") == []
        gaps = [row for row in live_rows(tmp_path, "coverage", "state") if row[0] == "gap"]
        assert (gaps, running._summary.gaps) == ([], 0)


@pytest.mark.parametrize("many_min", [reading.MANY_MIN, 1])
async def test_replaying_the_capture_gives_the_same_files(tmp_path, monkeypatch, many_min):
    """Live and replayed rows of one run are byte-identical files, taken together or one by one."""
    monkeypatch.setattr(reading, "MANY_MIN", many_min)
    origin, again = tmp_path / "live", tmp_path / "again"
    async with (
        Venue(seed=4, rate=5, depth=0.02) as venue,
        recording(config_for(origin, venue.url)) as running,
    ):
        await wait_for(lambda: running.progress().frames > 300, "300 frames")
        venue.skip(2)
        await wait_for(lambda: running.progress().sequence_gaps == 1, "a gap")
        await wait_for(lambda: running.progress().books_live == 2, "both books again")
    finishing.seal(origin, include_current=True)
    recovery.rebuild(Root(origin), Root(again))
    files = sorted(path.relative_to(origin) for path in origin.glob("*/**/hour=*/*.parquet"))
    assert len(files) >= 9
    assert files == sorted(path.relative_to(again) for path in again.glob("*/**/hour=*/*.parquet"))
    for file in files:
        assert (origin / file).read_bytes() == (again / file).read_bytes(), file


async def test_five_restarts_within_an_hour(tmp_path):
    """Five stops and starts leave one duplicate-free data set and the times it was down."""
    async with Venue(seed=5, rate=4, depth=0.02, keep_sent=True) as venue:
        venue.freeze()  # until the first snapshots, which have the last 100 trades only
        for number in range(6):
            async with recording(config_for(tmp_path, venue.url)) as running:
                await wait_for(lambda: all_recorded(running), "every channel")
                if number == 0:
                    beats = running._rows
                    await wait_for(lambda: beats["heartbeats"], "a beat")  # noqa: B023
                venue.thaw()
                seen = running.progress().frames
                await wait_for(
                    lambda: running.progress().frames > seen + 40,  # noqa: B023
                    "40 frames",
                )
        truth = {each: venue.trades(each) for each in ("BTC-USD", "ETH-USD")}
    finishing.seal(tmp_path, include_current=True)
    con = duckdb.connect()
    for product, trades in truth.items():
        glob = tmp_path / "trades" / f"product={product}" / "*/*/*.parquet"
        ids = [
            row[0]
            for row in con.sql(
                f"SELECT trade_id FROM read_parquet('{glob}') ORDER BY trade_id"
            ).fetchall()
        ]
        assert ids == list(range(ids[0], ids[-1] + 1))  # none missing, none twice
        assert ids[0] == trades[0].trade_id
    for table in ("level2", "trades", "ticker", "heartbeats"):
        glob = tmp_path / table / "**/*.parquet"
        rows, distinct = con.sql(
            f"SELECT count(*), count(DISTINCT ingest_seq) FROM read_parquet('{glob}')"
        ).fetchall()[0]
        assert rows == distinct > 0
    check_coverage(tmp_path, down=5)


def check_coverage(root: Path, down: int) -> None:
    """Intervals neither overlap nor leave a hole, and the down times are there."""
    rows = recorder.open(root).coverage().to_pylist()
    by_track: dict = {}
    for row in rows:
        by_track.setdefault((row["channel"], row["product_id"]), []).append(row)
    assert len(by_track) == 9
    for track, intervals in by_track.items():
        for before, after in pairwise(intervals):
            assert before["end_time"] == after["start_time"], track
        reasons = [row["reason"] for row in intervals if row["state"] == "gap"]
        assert reasons.count("recorder_down") == down, track


@pytest.mark.parametrize("many_min", [reading.MANY_MIN, 1])
async def test_the_hour_turns_while_recording(tmp_path, monkeypatch, many_min):
    """At the full hour the old one is sealed, and the new one begins with the book."""
    monkeypatch.setattr(reading, "MANY_MIN", many_min)
    monkeypatch.setattr(hours, "SWITCH_DELAY_S", 0.1)
    now_ns = time.time_ns()
    offset_ns = HOUR_S * 10**9 - now_ns % (HOUR_S * 10**9) - 4 * 10**9  # 4 s before the hour
    async with (
        Venue(seed=6, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url), lambda: time.time_ns() + offset_ns) as running,
    ):
        await wait_for(lambda: running.progress().books_live == 2, "both books")
        await wait_for((tmp_path / "current.json").exists, "the switch")
        root = Root(tmp_path)
        old, new = root.captured_hours()
        assert root.committed_hours() == [old]
        await wait_for(partial(root.parts, "level2", new), "parts of the new hour")
        db = recorder.open(tmp_path)
        begin_ns = new * HOUR_S * 10**9
        before = db.book("BTC-USD", at=begin_ns - 1)
        at_hour = db.book("BTC-USD", at=begin_ns)
        assert before.valid
        assert at_hour.valid
        assert (before.bids, before.asks) == (at_hour.bids, at_hour.asks)
    kinds = {row[1] for row in live_rows(tmp_path, "level2", "recv_ns, kind") if row[0] == begin_ns}
    assert kinds == {"checkpoint"}


async def test_a_book_in_memory_that_its_rows_do_not_give_is_told_loudly(tmp_path, monkeypatch):
    """What the sealed hour comes to is held against the book that the next hour begins with."""
    monkeypatch.setattr(hours, "SWITCH_DELAY_S", 0.1)
    hour_ns = HOUR_S * 10**9
    offset_ns = hour_ns - time.time_ns() % hour_ns - 4 * 10**9  # 4 s before the hour
    async with (
        Venue(seed=16, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url), lambda: time.time_ns() + offset_ns) as running,
    ):
        await wait_for(lambda: running.progress().books_live == 2, "both books")
        books = running._recording.pipeline.books
        wrong = next(book for (_, product), book in books.items() if product == "ETH-USD")
        wrong.apply(Level2("ETH-USD", False, [BID], [min(wrong.bids) / 2], [1.0], None))
        await wait_for(
            lambda: live_rows(tmp_path, "faults", "kind, detail"), "the fault in the data"
        )
    (fault,) = live_rows(tmp_path, "faults", "kind, detail")
    assert fault[0] == "checkpoint_differs"
    assert fault[1].startswith("the book of ETH-USD at ")
    assert "differs in 1 levels" in fault[1]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
async def test_every_close_is_a_reconnect(tmp_path, code):
    """Whatever the close code, recording goes on in a new session and the hole is written down."""
    async with (
        Venue(seed=7, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: running.progress().books_live == 2, "both books")
        await venue.drop(code=code)
        await wait_for(lambda: running.progress().books_live == 0, "the close")
        await wait_for(lambda: running.progress().books_live == 2, "both books again")
    arrivals = [arrival for _, arrival in read_arrivals([tmp_path / "capture"])]
    assert sum(isinstance(arrival, Opened) for arrival in arrivals) == 2
    closed = [arrival for arrival in arrivals if isinstance(arrival, Closed)]
    assert closed[0].code == code
    rows = live_rows(tmp_path, "coverage", "channel, product_id, reason")
    assert ("level2", "BTC-USD", "connection_closed") in rows


async def test_lost_frames_are_a_gap_and_the_books_come_back(tmp_path):
    """A break in the numbers is written down, the books are stale until their new snapshots."""
    async with (
        Venue(seed=8, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "every channel")
        venue.skip(3)
        await wait_for(lambda: running.progress().sequence_gaps == 1, "the gap")
        await wait_for(lambda: running.progress().books_live == 2, "both books again")
        venue.freeze()
    gaps = live_rows(
        tmp_path, "coverage", "channel, product_id, reason, sequence_before, sequence_after"
    )
    found = [row for row in gaps if row[2] == "sequence_gap"]
    assert {row[:2] for row in found} >= {("level2", "BTC-USD"), ("market_trades", "ETH-USD")}
    assert {row[4] - row[3] for row in found} == {4}
    kinds = live_rows(tmp_path, "level2", "kind, book_epoch IS NULL")
    assert {row[1] for row in kinds if row[0] == "snapshot"} == {False}
    faults = live_rows(tmp_path, "faults", "kind")
    assert ("sequence_gap",) in faults


def test_a_second_recorder_is_refused(tmp_path):
    """One writer: the second one is told the first one's pid."""
    with WriterLock(Root(tmp_path)), pytest.raises(LockedError, match=r"process \d+ writes to it"):
        live.record(config_for(tmp_path, "ws://127.0.0.1:9"), seal_on_exit=False, stop_after_s=0.1)


async def test_the_open_hour_is_read_like_the_sealed_one(tmp_path):
    """DuckDB, pandas and polars read the hour that is still open."""
    async with (
        Venue(seed=9, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: running.progress().frames > 100, "100 frames")
        await wait_for(lambda: ("BTC-USD",) in live_rows(tmp_path, "trades", "product_id"), "parts")
        await recorded_parts(tmp_path)
        selection = recorder.open(tmp_path).trades("BTC-USD")
        frame = selection.to_pandas()
        assert list(frame.columns) == selection.to_polars().columns
        assert len(frame) > 0
        assert frame["trade_id"].is_unique
        relation = selection.to_duckdb()
        assert relation.columns == list(frame.columns)
        assert str(frame["recv_time"].dtype) == "datetime64[us, UTC]"


async def test_coverage_shows_what_is_going_on(tmp_path):
    """While it records, every track is recorded up to the newest part, and no further."""
    async with (
        Venue(seed=10, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "every channel")
        db = recorder.open(tmp_path)
        await wait_for(lambda: db.coverage().num_rows == 9, "the open intervals")
        rows = db.coverage().to_pylist()
        assert {(row["state"], row["detail"]) for row in rows} == {
            ("recorded", "still going on at the newest part")
        }
        newest = next(row["end_time"] for row in rows if row["channel"] == "level2")
        assert db.book("BTC-USD", at=newest).valid
        later = db.book("BTC-USD", at=newest + timedelta(hours=1))
        assert (later.valid, later.reason) == (False, "nothing is recorded of that time yet")
    rows = db.coverage().to_pylist()
    assert len(rows) == 9
    assert {row["detail"] for row in rows} == {None}
    check_coverage(tmp_path, down=0)


@needs_captures
async def test_the_real_capture_over_the_socket_gives_the_rows_of_the_import(tmp_path, capsys):
    """Real traffic, played over the socket, gives `expected.json` and the rows of the import."""
    played, imported = tmp_path / "played", tmp_path / "imported"
    want = expected(ADVANCED)
    async with Playback([ADVANCED], speed=None) as venue:
        config = config_for(
            played,
            venue.url,
            channels=("level2", "ticker", "market_trades", "heartbeats", "candles"),
        )
        async with recording(config) as running:
            await wait_for(lambda: running.progress().frames >= want["frames"]["in"], "every frame")
    report = replay.import_captures([ADVANCED], imported)
    assert (report.sequence_gaps, report.faults) == (0, 0)
    assert live_rows(played, "faults") == []
    assert all(row[0] == "recorded" for row in live_rows(played, "coverage", "state"))
    for product, final in want["final_books"].items():
        for root in (played, imported):
            book = recorder.open(root).book(product)
            assert book.valid
            assert (len(book.bids), len(book.asks)) == (final["bids"], final["asks"])
            assert list(book.bids[0]) == final["best_bid"]
            assert list(book.asks[0]) == final["best_ask"]
            assert book_digest(book.bids, book.asks) == final["sha256"]
    same = {
        "level2": "product_id, kind, side, price, size, event_time, sequence, exchange_ns",
        "trades": "product_id, kind, trade_id, side, taker_side, price, size, trade_time, sequence",
        "ticker": "* EXCLUDE (recv_time, ingest_seq, connection_id, recv_ns)",
        "heartbeats": "heartbeat_counter, sequence, exchange_ns",
        "candles": "* EXCLUDE (recv_time, ingest_seq, connection_id, recv_ns)",
    }
    for table, columns in same.items():
        assert live_rows(played, table, columns) == live_rows(imported, table, columns), table


async def test_frames_of_two_hours_are_not_taken_together(tmp_path, monkeypatch):
    """What waited together over the turn of the hour is taken one by one."""
    async with (
        Venue(seed=4, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        taken = []
        begin_ns = (running.inside().recording.hour + 1) * HOUR_S * 10**9
        given = [Frame(begin_ns + by_ns, "ws1", b"{}") for by_ns in (-2, -1, 0, 1)]
        with monkeypatch.context() as patched:
            patched.setattr(running, "deliver", lambda *each: taken.append(each))
            running.deliver_frames(given, [1, 2, 3, 4])
        assert taken == list(zip(given, [1, 2, 3, 4], strict=True))
