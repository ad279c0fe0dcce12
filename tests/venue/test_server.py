"""The venue over a real socket on loopback."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from recorder.errors import UsageError
from recorder.venue import Limits, Venue, run

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
