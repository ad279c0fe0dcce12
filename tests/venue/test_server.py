"""The venue over a real socket on loopback."""

import asyncio
import json
import time
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Frame
from websockets.uri import parse_uri

from recorder.errors import UsageError
from recorder.venue import Limits, Venue, run
from recorder.venue.server import SESSIONS

SMALL: dict[str, Any] = {"seed": 1, "depth": 0.01}


def dial(venue: Venue) -> connect:
    """A client with room for a whole book."""
    return connect(venue.url, max_size=None, compression=None)


async def ask(client: ClientConnection, channel: str, *products: str) -> None:
    """Subscribe."""
    request: dict[str, Any] = {"type": "subscribe", "channel": channel}
    if products:
        request["product_ids"] = list(products)
    await client.send(json.dumps(request))


async def take(client: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next frames, decoded."""
    async with asyncio.timeout(10):
        return [json.loads(await client.recv()) for _ in range(count)]


async def take_rest(client: ClientConnection) -> list[dict[str, Any]]:
    """Everything sent until now, after the market was frozen."""
    frames: list[dict[str, Any]] = []
    await ask(client, "status", "BTC-USD")
    async with asyncio.timeout(10):
        while not frames or frames[-1]["channel"] != "status":
            frames.append(json.loads(await client.recv()))
    return frames


def build(frames: list[dict[str, Any]], product: str) -> tuple[dict[str, str], dict[str, str]]:
    """The book that a client has after these frames, texts as they came."""
    sides: dict[str, dict[str, str]] = {"bid": {}, "offer": {}}
    for frame in frames:
        event = frame["events"][0]
        if event.get("product_id") != product:
            continue
        if event["type"] == "snapshot":
            sides = {"bid": {}, "offer": {}}
        for update in event["updates"]:
            side = sides[update["side"]]
            side.pop(update["price_level"], None)
            if update["new_quantity"] != "0":
                side[update["price_level"]] = update["new_quantity"]
    return sides["bid"], sides["offer"]


async def test_the_clients_book_and_trades_are_the_truth() -> None:
    """After a freeze, what was received rebuilds the venue's books and trades to the digit."""
    async with Venue(rate=50, **SMALL) as venue, dial(venue) as client:
        for channel in ("heartbeats", "level2", "market_trades", "ticker"):
            await ask(client, channel, *(() if channel == "heartbeats" else ("BTC-USD", "ETH-USD")))
        frames = await take(client, 600)
        venue.freeze()
        frames += await take_rest(client)
        assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))
        for product in ("BTC-USD", "ETH-USD"):
            bids, asks = venue.book(product)
            assert build(frames, product) == (dict(bids), dict(asks))
            ids = {
                int(trade["trade_id"])
                for frame in frames if frame["channel"] == "market_trades"
                for trade in frame["events"][0]["trades"] if trade["product_id"] == product
            }  # fmt: skip
            truth = [trade.trade_id for trade in venue.trades(product)]
            assert sorted(ids) == [number for number in truth if number >= min(ids)]


async def test_freeze_stops_the_market_and_heartbeats_go_on() -> None:
    """Frozen, only beats come, counters one apart; thawed, the market goes on."""
    async with Venue(rate=20, **SMALL) as venue, dial(venue) as client:
        await ask(client, "heartbeats")
        await ask(client, "level2", "BTC-USD")
        await take(client, 20)
        venue.freeze()
        await take_rest(client)
        truth = venue.book("BTC-USD")
        beats = [f for f in await take(client, 3) if f["channel"] == "heartbeats"]
        assert len(beats) >= 2
        counts = [beat["events"][0]["heartbeat_counter"] for beat in beats]
        assert counts == list(range(counts[0], counts[0] + len(counts)))
        assert venue.book("BTC-USD") == truth
        venue.thaw()
        assert (await take(client, 1))[0]["channel"] in ("l2_data", "heartbeats")


async def test_two_clients_have_numbers_of_their_own() -> None:
    """Each connection counts from 0, and both see the same market."""
    async with Venue(rate=20, **SMALL) as venue, dial(venue) as one, dial(venue) as two:
        await ask(one, "heartbeats")
        await take(one, 1)
        await ask(one, "level2", "BTC-USD")
        await ask(two, "level2", "BTC-USD")
        first, second = await take(one, 30), await take(two, 30)
        assert [frame["sequence_num"] for frame in first] == list(range(1, 31))
        assert [frame["sequence_num"] for frame in second] == list(range(30))
        assert len(venue.connections) == 2


async def test_a_client_that_does_not_subscribe_is_closed() -> None:
    """The deadline of the first subscription."""
    async with Venue(limits=Limits(subscribe_s=0.05), **SMALL) as venue, dial(venue) as client:
        with pytest.raises(ConnectionClosedError, match="no subscription in time"):
            await take(client, 1)


async def test_a_client_that_does_is_not() -> None:
    """A subscription ends the deadline."""
    async with Venue(limits=Limits(subscribe_s=0.2), **SMALL) as venue, dial(venue) as client:
        await ask(client, "heartbeats")
        frames = await take(client, 2)
        assert [frame["channel"] for frame in frames] == ["subscriptions", "heartbeats"]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
async def test_drop_closes_every_connection_in_that_way(code: int) -> None:
    """A client sees the code; 1006 is a connection that just ends. The next one is served."""
    async with Venue(**SMALL) as venue:
        async with dial(venue) as client:
            await ask(client, "heartbeats")
            await take(client, 1)
            await venue.drop(code)
            with pytest.raises(ConnectionClosed):
                await take(client, 10)
            assert client.close_code == code
        async with dial(venue) as client:
            await ask(client, "heartbeats")
            assert (await take(client, 1))[0]["sequence_num"] == 0


async def test_skip_makes_a_gap() -> None:
    """Two numbers are missing, once."""
    async with Venue(rate=20, keep_sent=True, **SMALL) as venue, dial(venue) as client:
        await ask(client, "level2", "BTC-USD")
        frames = await take(client, 10)
        venue.skip(2)
        frames += await take(client, 20)
        numbers = [frame["sequence_num"] for frame in frames]
        steps = [after - before for before, after in pairwise(numbers)]
        assert sorted(steps) == [1] * 28 + [3]
        sent = [json.loads(frame) for frame in venue.sent()]
        assert sent[:30] == frames


async def test_a_slow_client_is_closed() -> None:
    """What a client does not read is bounded; beyond that it is closed."""
    async with (
        Venue(rate=500, backlog_bytes_max=100_000, **SMALL) as venue,
        connect(
            venue.url, max_size=None, compression=None, max_queue=1, close_timeout=0.1
        ) as client,
    ):
        await ask(client, "level2", "BTC-USD", "ETH-USD")
        async with asyncio.timeout(10):
            while venue.connections:
                assert all(each.backlog_bytes < 2_000_000 for each in venue.connections)
                await asyncio.sleep(0.01)


async def test_the_whole_book_of_bitcoin_in_one_frame() -> None:
    """At full depth the snapshot is above 4 MB, as on the live venue."""
    async with Venue(products=("BTC-USD",)) as venue, dial(venue) as client:
        await ask(client, "level2", "BTC-USD")
        async with asyncio.timeout(10):
            assert len(await client.recv(decode=False)) > 4_000_000


async def test_compression_only_when_asked() -> None:
    """permessage-deflate is off unless the venue offers it, and then a book still arrives."""
    for compression in (False, True):
        async with (
            Venue(compression=compression, **SMALL) as venue,
            connect(venue.url, max_size=None) as client,
        ):
            assert bool(client.protocol.extensions) is compression
            await ask(client, "level2", "BTC-USD")
            assert (await take(client, 1))[0]["events"][0]["type"] == "snapshot"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_run_refuses_other_addresses(host: str) -> None:
    """The venue is for this machine."""
    with pytest.raises(UsageError, match="loopback"):
        run(host=host)


@pytest.mark.parametrize("wrong", [{"products": ()}, {"rate": 0}, {"depth": -1}, {"speed": "no"}])
def test_run_refuses_what_cannot_mean_anything(wrong: dict[str, Any]) -> None:
    """Before anything is opened."""
    with pytest.raises(UsageError):
        run(**wrong)


class InMemory(asyncio.Transport):
    """A transport to a client that lives in the test."""

    def __init__(self, client: ClientProtocol) -> None:
        super().__init__()
        self.client = client
        self.closing = False

    def write(self, data: Any) -> None:
        self.client.receive_data(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.client.receive_eof()
            asyncio.get_running_loop().call_soon(self.get_protocol().connection_lost, None)

    abort = write_eof = close

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: Any = None, low: Any = None) -> None:
        """There are none."""

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol


async def test_a_server_in_memory_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket is asked for: only what the loop's `create_server` gives, and its protocols."""
    loop = asyncio.get_running_loop()
    listening: list[Any] = []

    class Listener:
        sockets = ()

        def close(self) -> None:
            listening.clear()

        async def wait_closed(self) -> None:
            """It is closed."""

        def is_serving(self) -> bool:
            return bool(listening)

        def get_loop(self) -> asyncio.AbstractEventLoop:
            return loop

    async def create_server(factory: Any, *where: Any, **_: Any) -> Listener:
        listening.append((factory, where))
        return Listener()

    monkeypatch.setattr(loop, "create_server", create_server)
    async with Venue(rate=20, port=4711, keep_sent=True, **SMALL) as venue:
        assert venue.url == "ws://127.0.0.1:4711"
        factory, where = listening[0]
        assert where == ("127.0.0.1", 4711)
        client = ClientProtocol(parse_uri(venue.url), max_size=None)
        transport, server = InMemory(client), factory()
        transport.set_protocol(server)
        server.connection_made(transport)
        client.send_request(client.connect())
        server.data_received(b"".join(client.data_to_send()))
        await asyncio.sleep(0.01)
        client.send_text(b'{"type":"subscribe","channel":"level2","product_ids":["BTC-USD"]}')
        server.data_received(b"".join(client.data_to_send()))
        await asyncio.sleep(0.3)
        frames = [frame.data for frame in client.events_received() if isinstance(frame, Frame)]
        assert frames == venue.sent()[: len(frames)]
        assert json.loads(frames[0])["events"][0]["type"] == "snapshot"
        assert len(frames) > 3
        venue.fault("refuse", seconds=0.05)
        await asyncio.sleep(0.01)
        assert not listening
        await asyncio.sleep(0.2)
        assert listening[0][1] == ("127.0.0.1", 4711)
        transport.close()


async def test_a_mistake_in_the_venue_does_not_look_like_the_network() -> None:
    """What breaks while a client is served is raised when the venue stops."""
    with pytest.raises(ZeroDivisionError):
        await talk_to_a_broken_venue()


async def talk_to_a_broken_venue() -> None:
    """Dial a venue that cannot serve anybody."""
    async with Venue(**SMALL) as venue:
        SESSIONS["broken"] = lambda *_, **__: 1 // 0
        venue.protocol = "broken"
        try:
            async with dial(venue) as client:
                await client.wait_closed()
        finally:
            del SESSIONS["broken"]


async def test_small_frames_are_cheap() -> None:
    """A market to simulate with starts in milliseconds."""
    begun_s = time.process_time()
    async with Venue(depth=0.002, rate=0.1):
        assert time.process_time() - begun_s < 0.1
