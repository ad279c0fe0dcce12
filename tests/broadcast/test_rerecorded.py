"""A recording of a replay is the recording: our own recorder listens to what is served."""

import asyncio
import shutil

import pytest

import recorder
from recorder import config as settings
from recorder.broadcast.server import Broadcast
from recorder.broadcast.tape import Tape
from recorder.replay import import_captures
from recorder.venue import Venue
from tests.broadcast.made import Client, dial
from tests.captures import ADVANCED, EXCHANGE, needs_captures
from tests.recorders import all_recorded, config_for, live_rows, recording, wait_for

PRODUCTS = ("BTC-USD", "ETH-USD")
# What is said, without our own numbers and times.
COLUMNS = {
    "level2": "product_id, kind, side, price, size, exchange_ns, event_time, "
    "book_epoch IS NULL AS unknown, price_text, size_text",
    "trades": "product_id, kind, trade_id, side, taker_side, price, size, trade_time, exchange_ns, "
    "price_text, size_text",
    "ticker": "product_id, kind, price, best_bid, best_bid_size, best_ask, best_ask_size, "
    "volume_24h, low_24h, high_24h, low_52w, high_52w, price_percent_chg_24h, exchange_ns, "
    "inexact_text",
    "status": "product_id, kind, base_increment, quote_increment, status, min_market_funds",
}


async def recorded(root):
    async with (
        Venue(seed=4, rate=3, depth=0.02) as venue,
        recording(config_for(root, venue.url)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "every channel")
        await asyncio.sleep(2.5)


@pytest.mark.parametrize("source", ["capture", "tables"])
async def test_the_recording_of_a_replay_has_the_same_rows(tmp_path, source):
    """Rows of every channel, from frames that were kept and from the tables alone."""
    first, again = tmp_path / "first", tmp_path / "again"
    await recorded(first)
    if source == "tables":
        (first / "capture").rename(tmp_path / "capture")
    async with Broadcast(Tape(first), None) as door:
        async with recording(config_for(again, door.url)):
            await asyncio.wait_for(door.ended.wait(), 60)
        assert door.error is None
    for table, columns in COLUMNS.items():
        want, got = (sorted(map(repr, live_rows(root, table, columns))) for root in (first, again))
        assert got == want, table
    db, made = recorder.open(first), recorder.open(again)
    for product in PRODUCTS:
        one, other = db.book(product), made.book(product)
        assert (other.bids, other.asks) == (one.bids, one.asks)
    assert {row[0] for row in live_rows(again, "faults", "kind")} <= {"connection_closed"}


async def test_what_came_from_the_exchange_feed_is_served_as_well(tmp_path):
    """From the tables, in the words of Advanced Trade, with the same books and trades."""
    first, again = tmp_path / "first", tmp_path / "again"
    text = f'data = "{first}"\n[feed]\nvenue = "exchange"\nurl = "URL"\nproducts = ["BTC-USD"]\n'
    text += 'channels = ["level2_batch", "ticker", "market_trades", "heartbeats"]\n'
    text += '[store]\npart_seconds = 1\nfree_space_min = "1MB"\n'
    async with Venue(seed=4, rate=3, depth=0.02, protocol="exchange") as venue:
        config = settings.parse(text.replace("URL", venue.url), None)
        async with recording(config) as running:
            await wait_for(lambda: all_recorded(running), "every channel")
            await asyncio.sleep(2)
    async with Broadcast(Tape(first), None) as door:
        async with recording(config_for(again, door.url, ("BTC-USD",))):
            await asyncio.wait_for(door.ended.wait(), 60)
        assert door.error is None
    assert (door.summary.hours_captured, door.summary.hours_tabled) == (0, 1)
    for table, columns in {
        "level2": "kind, side, price, size",
        "trades": "trade_id, side, taker_side, price, size, trade_time",
        "ticker": "price, best_bid, best_bid_size, best_ask, best_ask_size",
    }.items():
        want, got = (sorted(map(repr, live_rows(root, table, columns))) for root in (first, again))
        assert got == want, table


@needs_captures
@pytest.mark.parametrize("capture", [ADVANCED, EXCHANGE[2]], ids=["advanced", "exchange"])
async def test_recorded_traffic_of_coinbase_gives_its_books(capture, tmp_path):
    """From the capture and from the tables, every level of every product at the end."""
    path = tmp_path / "data"
    files = sorted(capture.glob("*.gz")) if capture.is_dir() else [capture]
    import_captures(files, path)
    db = recorder.open(path)
    for source in ("capture", "tables"):
        async with Broadcast(Tape(path), None, settle_s=0.2, linger_s=0) as door:
            async with dial(door.url) as socket:
                client = Client(socket)
                await client.subscribe("level2")
                await client.read()
            assert door.error is None
        assert client.numbers() == list(range(len(client.frames)))
        for product in client.books:
            book = db.book(product)
            want = [
                [(float(price), float(size)) for price, size in side]
                for side in (book.bids, book.asks)
            ]
            assert [*map(list, client.sides(product))] == want
        assert set(client.books) == set(db.product_ids())
        if source == "capture":
            shutil.rmtree(path / "capture")
