"""A recording on a socket: the frames that came, in step, each client with its own numbers."""

import asyncio
import json
import re
import shutil
from itertools import pairwise

import pytest

import recorder
from recorder.broadcast import server
from recorder.broadcast.server import Broadcast
from recorder.broadcast.tape import Tape
from recorder.core.frames import Frame
from recorder.errors import DataError
from recorder.store.capture import read_arrivals
from tests.broadcast.made import Client, acknowledged, dial
from tests.dataset.made import Recorded
from tests.frames_made import CHANNELS, HOUR_START_NS, PRODUCTS, SECOND_NS
from tests.recorders import wait_for

UNNUMBERED = re.compile(rb'"sequence_num":\d+')
pytestmark = pytest.mark.usefixtures("_quick")


@pytest.fixture
def _quick(monkeypatch):
    monkeypatch.setattr(server, "BEAT_S", 60.0)


def broadcast(path, speed=None, **options):
    tape = Tape(path, **{name: options.pop(name) for name in ("products", "start_ns", "end_ns")
                         if name in options})  # fmt: skip
    return Broadcast(tape, speed, settle_s=0.1, linger_s=0, **options)


async def listen(url, channels=CHANNELS, products=PRODUCTS):
    """Subscribe as one asks, and read to the end."""
    async with dial(url) as socket:
        client = Client(socket)
        for channel in channels:
            await client.subscribe(channel, None if channel == "heartbeats" else products)
        await client.read()
        assert socket.close_code == 1000
    return client


def told(client):
    """The frames without numbers, and without answers."""
    return [
        UNNUMBERED.sub(b"", raw)
        for raw, frame in zip(client.raw, client.frames, strict=True)
        if frame["channel"] != "subscriptions"
    ]


def captured(path):
    frames = [each.raw for _, each in read_arrivals([path / "capture"]) if isinstance(each, Frame)]
    return [UNNUMBERED.sub(b"", raw) for raw in frames if b'"subscriptions"' not in raw[:40]]


def assert_last_book(client, path):
    db = recorder.open(path)
    for product in PRODUCTS:
        book = db.book(product)
        ours = [[(float(price), float(size)) for price, size in side]
                for side in (book.bids, book.asks)]  # fmt: skip
        assert [*map(list, client.sides(product))] == ours


async def test_the_very_frames_with_numbers_of_their_own(whole):
    """From the capture every byte but the number is what came; numbers have no hole."""
    async with broadcast(whole) as door:
        client = await listen(door.url)
        assert door.error is None
    assert told(client) == captured(whole)
    assert client.numbers() == list(range(len(client.frames)))
    assert_last_book(client, whole)
    assert (door.summary.hours_captured, door.summary.hours_tabled) == (2, 0)
    assert door.summary.finished
    assert door.summary.holes == 0


async def test_tables_give_the_same_when_the_capture_is_gone(whole, uncaptured):
    """The same frames in the same order, with the same values, and the same books."""
    async with broadcast(whole) as door:
        want = await listen(door.url)
    async with broadcast(uncaptured) as door:
        got = await listen(door.url)
        assert door.error is None
        assert (door.summary.hours_captured, door.summary.hours_tabled) == (0, 2)
    assert everything_said(got) == everything_said(want)
    assert_last_book(got, uncaptured)


def everything_said(client):
    return [said(each) for each in client.frames if each["channel"] != "subscriptions"]


def said(frame):
    """What a frame says, numbers as numbers; a beat's time is that of its frame in the tables."""
    if frame["channel"] == "heartbeats":
        return frame["timestamp"], frame["events"][0]["heartbeat_counter"]
    return json.loads(json.dumps(frame), object_hook=_said)


def _said(item):
    numbers = {"price_level", "new_quantity", "price", "size"}
    return {
        key: float(value) if key in numbers else value
        for key, value in item.items()
        if key != "sequence_num"
    }


async def test_only_what_is_subscribed(whole):
    """By channel and product; `-USDC` is the book of `-USD`, unknown products are not listed."""
    async with broadcast(whole) as door, dial(door.url) as socket:
        client = Client(socket)
        await client.subscribe("level2", ["ETH-USDC", "NO-SUCH"])
        answer = await client.read(acknowledged)
        assert answer["events"] == [{"subscriptions": {"level2": ["ETH-USD"]}}]
        await client.read()
    assert client.numbers() == list(range(len(client.frames)))
    assert {frame["channel"] for frame in client.frames} == {"subscriptions", "l2_data"}
    assert set(client.books) == {"ETH-USD"}
    assert client.frames[1]["events"][0]["type"] == "snapshot"


async def test_what_cannot_be_subscribed_is_an_error(whole):
    """In the venue's words, without a number, and the connection goes on."""
    async with broadcast(whole, clients=2) as door, dial(door.url) as socket:
        client = Client(socket)
        for text in ("{", '{"type":"subscribe"}', "[]", b"\xff"):
            await socket.send(text)
            frame = await client.read(lambda _: True)
            assert frame == {"type": "error", "message": "failure to subscribe"}
        for channel in ("user", "futures_balance_summary", "level3"):
            await client.subscribe(channel, ["BTC-USD"])
            frame = await client.read(lambda _: True)
            assert frame == {"type": "error", "message": "authentication failure"}
        await client.subscribe("level2", ["BTC-USD"])
        assert (await client.read(acknowledged))["sequence_num"] == 0


async def test_several_clients_are_in_step(whole):
    """Each gets all of it, with numbers of its own; they wait for each other at the begin."""
    async with broadcast(whole, clients=3) as door:
        one, other, third = await asyncio.gather(
            listen(door.url), listen(door.url), listen(door.url, ("market_trades",), ["BTC-USD"])
        )
    assert told(one) == told(other) == captured(whole)
    assert third.numbers() == list(range(len(third.frames)))
    assert door.summary.clients == 3


async def test_who_comes_late_is_told_the_present(whole):
    """A snapshot of the book as it is now, of the last trades, of the ticker; then what comes."""
    start_ns = HOUR_START_NS
    async with broadcast(whole, 3.0, start_ns=start_ns) as door, dial(door.url) as socket:
        first = Client(socket)
        await first.subscribe("level2", PRODUCTS)
        await first.read(lambda _: door.summary.now_ns > start_ns + SECOND_NS)
        async with dial(door.url) as another:
            late = Client(another)
            for channel in ("level2", "market_trades", "ticker", "status"):
                await late.subscribe(channel, ["BTC-USD"])
            seen = set()
            while len(seen) < 4:
                frame = await late.read(lambda frame: frame["channel"] != "subscriptions")
                if frame["events"][0]["type"] == "snapshot":
                    seen.add(frame["channel"])
            assert seen == {"l2_data", "market_trades", "ticker", "status"}
            _ = await asyncio.gather(late.read(), first.read())
    assert late.sides("BTC-USD") == first.sides("BTC-USD")
    assert late.numbers() == list(range(len(late.frames)))


async def test_a_repeated_subscription_gets_no_snapshot(whole):
    """It is answered; after an unsubscription there is one."""
    start_ns = HOUR_START_NS + 2 * SECOND_NS
    async with broadcast(whole, 1.0, start_ns=start_ns) as door, dial(door.url) as socket:
        client = Client(socket)
        await client.subscribe("level2", ["BTC-USD"])
        await client.read(acknowledged)
        kinds = [each["events"][0].get("type") for each in client.frames]
        assert kinds == ["snapshot", None]
        await client.subscribe("level2", ["BTC-USD"])
        await client.read(acknowledged)
        assert len(client.frames) == 3
        await client.subscribe("level2", ["BTC-USD"], "unsubscribe")
        answer = await client.read(acknowledged)
        assert answer["events"] == [{"subscriptions": {}}]
        await client.subscribe("level2", ["BTC-USD"])
        await client.read(acknowledged)
        assert client.frames[4]["events"][0]["type"] == "snapshot"


@pytest.mark.parametrize("source", ["whole", "uncaptured"])
async def test_a_range_begins_with_the_books_as_they_stood(source, request):
    """From a moment on, up to another: the book then, and only what came between."""
    path = request.getfixturevalue(source)
    begin, end = HOUR_START_NS + 1_500_000_000, HOUR_START_NS + 2_500_000_000
    async with broadcast(path, start_ns=begin, end_ns=end, products=["BTC-USD"]) as door:
        client = await listen(door.url, ("level2",))
    db = recorder.open(path)
    run = db.replay("BTC-USD", begin, end, "level2", allow_gaps=True)
    want = [each for each in run if each.kind == "update"]
    assert len(told(client)) == 1 + len(want) > 3
    book = db.book("BTC-USD", at=end - 1)
    assert book.valid
    assert client.sides("BTC-USD") == (
        [(float(price), float(size)) for price, size in book.bids],
        [(float(price), float(size)) for price, size in book.asks],
    )


def holes(client):
    """By how much the numbers step where it is not by one."""
    steps = [after - before for before, after in pairwise(client.numbers())]
    return [each for each in steps if each != 1]


async def test_a_gap_is_a_hole_in_the_numbers(broken):
    """As many frames as were lost, or one where nobody knows; the books come anew after it."""
    async with broadcast(broken) as door:
        client = await listen(door.url)
    assert sorted(holes(client)) == [2, 3]
    assert door.summary.holes == 2


async def test_a_gap_told_by_tables_is_a_hole_too(broken, tmp_path):
    """From coverage: the frames that were lost, and the connection."""
    path = tmp_path / "data"
    shutil.copytree(broken, path)
    shutil.rmtree(path / "capture")
    async with broadcast(path) as door:
        client = await listen(door.url)
        assert door.error is None
    assert sorted(holes(client)) == [2, 3]


async def test_a_speed_is_kept(whole):
    """Twice as fast takes half of the time; long silences are skipped."""
    loop = asyncio.get_running_loop()
    async with broadcast(whole, 2.0, end_ns=HOUR_START_NS + 2 * SECOND_NS) as door:
        begin_s = loop.time()
        await listen(door.url, ("level2",))
        took_s = loop.time() - begin_s
    assert 0.9 < took_s < 3


async def test_who_does_not_read_is_closed(whole, monkeypatch):
    """At full speed the others wait for it, and not for ever; they miss nothing by it."""
    monkeypatch.setattr(server, "BATCH", 32)
    async with broadcast(whole, stall_s=0.3, clients=2) as door, dial(door.url) as stuck:
        slow = Client(stuck)
        await slow.subscribe("level2", PRODUCTS)
        connection = await _first(door)
        monkeypatch.setattr(connection, "wait_sent", lambda: asyncio.sleep(3600))
        client, _ = await asyncio.gather(listen(door.url), slow.read())
        assert told(client) == captured(whole)
        assert (stuck.close_code, stuck.close_reason) == (1008, "slow consumer")
    assert door.summary.slow_clients == 1


async def test_who_is_too_far_behind_is_closed_at_a_given_speed(whole):
    """Nobody waits for it."""
    async with broadcast(whole, 5.0, backlog_bytes_max=-1) as door, dial(door.url) as socket:
        client = Client(socket)
        await client.subscribe("level2", PRODUCTS)
        await client.read()
        assert socket.close_code == 1008
    assert door.summary.slow_clients == 1


async def _first(door):
    await wait_for(lambda: door._listeners, "a client")
    return next(iter(door._listeners))


async def test_the_clock_stands_while_nobody_listens(whole):
    """Who comes back misses nothing of the recording."""
    async with broadcast(whole, 5.0) as door:
        async with dial(door.url) as socket:
            client = Client(socket)
            await client.subscribe("level2", PRODUCTS)
            await client.read(lambda _: door.summary.now_ns > HOUR_START_NS + SECOND_NS)
        await asyncio.sleep(0.1)
        stood_ns = door.summary.now_ns
        await asyncio.sleep(0.5)
        assert door.summary.now_ns == stood_ns
        client = await listen(door.url, ("level2",))
    assert_last_book(client, whole)


async def test_beats_of_our_own_fill_silences(whole, monkeypatch):
    """Who waits for the begin hears that the connection lives."""
    monkeypatch.setattr(server, "BEAT_S", 0.3)
    async with broadcast(whole, clients=2) as door, dial(door.url) as socket:
        client = Client(socket)
        await client.subscribe("heartbeats")
        for _ in range(2):
            frame = await client.read(lambda frame: frame["channel"] == "heartbeats")
    assert frame["sequence_num"] == 2


async def test_what_two_lines_carried_is_told_once(tmp_path, without_sync):
    """From the capture and from the tables; when one of them ends, nothing of it is a hole."""
    path = tmp_path / "data"
    recorded = Recorded(path, seed=9)
    recorded.connect()
    recorded.run(1)
    recorded.connect()
    recorded.run(1)
    recorded.lose()
    recorded.run(1)
    trades = recorder.open(path).trades("BTC-USD", allow_gaps=True).to_arrow()
    ids = trades.column("trade_id").to_pylist()
    for _ in ("capture", "tables"):
        async with broadcast(path) as door:
            client = await listen(door.url)
            assert door.error is None
        assert holes(client) == []
        assert_last_book(client, path)
        told_ids = [
            int(each["trade_id"]) for frame in client.frames if frame["channel"] == "market_trades"
            for event in frame["events"] if event["type"] == "update"
            for each in event["trades"] if each["product_id"] == "BTC-USD"
        ]  # fmt: skip
        assert len(told_ids) == len(set(told_ids))
        assert set(told_ids) == set(ids[-len(told_ids) :])
        shutil.rmtree(path / "capture", ignore_errors=True)
    recorded.recording.capture.close()


async def test_damaged_capture_is_told_from_the_tables(whole, tmp_path):
    """Up to the damage frame by frame, from there on from the rows; nothing is missing."""
    path = tmp_path / "data"
    shutil.copytree(whole, path)
    segment = min((path / "capture").rglob("*.cap"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.chmod(0o644)
    segment.write_bytes(content)
    async with broadcast(whole) as door:
        want = await listen(door.url)
    async with broadcast(path) as door:
        got = await listen(door.url)
        assert door.error is None
    assert everything_said(got) == everything_said(want)
    assert holes(got) == []
    assert_last_book(got, path)


async def test_what_cannot_be_read_is_an_error_at_the_end(uncaptured, tmp_path):
    """It is not taken for the end of the recording."""
    path = tmp_path / "data"
    shutil.copytree(uncaptured, path)
    for file in path.rglob("level2-BTC-USD-*.parquet"):
        file.chmod(0o644)
        file.write_bytes(b"PAR1 no more")
    async with broadcast(path) as door, dial(door.url) as socket:
        client = Client(socket)
        await client.subscribe("level2", PRODUCTS)
        reading = asyncio.create_task(client.read())
        await asyncio.wait_for(door.ended.wait(), 20)
        reading.cancel()
        assert isinstance(door.error, DataError)
        assert not door.summary.finished
