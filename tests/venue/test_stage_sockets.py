"""Faults of sockets: bytes that trickle or vanish, ends, doors that do not open."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    InvalidStatus,
)

from recorder.venue import Limits, Venue
from tests.venue.dialling import (
    SMALL,
    ask,
    book_of,
    dial,
    dial_at_last,
    listen,
    numbers,
    take,
    take_for,
    take_rest,
    take_until,
    truth_of,
)

CODES = (1000, 1001, 1006, 1009, 1011)


async def test_half_open() -> None:
    """Nothing is heard or said, pings included, and healing aborts it."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "level2")
        venue.fault("half_open")
        await take_for(client, 0.1)
        waiter = await client.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiter), 0.1)
        assert await take_for(client, 0.1) == []
        assert {each.kind for each in venue.records[0].lost} == {"half_open"}
        await ask(client, "ticker", "BTC-USD")
        venue.heal()
        with pytest.raises(ConnectionClosed):
            await take(client, 1)
        assert len(venue.records[0].requests) == 1
        with pytest.raises(ConnectionClosed):
            await waiter


async def test_a_drip_is_slow_and_loses_nothing() -> None:
    """Two thousand bytes a second are two frames or so."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2")
        drip = venue.fault("drip", value=4_000)
        came = await take_for(client, 0.5)
        assert len(came) < 12
        venue.end(drip)
        venue.freeze()
        frames += came + await take_rest(client)
        assert numbers(frames) == list(range(len(frames)))
        assert book_of(frames, "BTC-USD") == truth_of(venue, "BTC-USD")


async def test_a_giant_is_refused_by_the_client_before_it_is_made() -> None:
    """Its length alone ends the connection with the client's 1009."""
    async with Venue(**SMALL) as venue, dial(venue, max_size=64 * 1024 * 1024) as client:
        await listen(client, "level2")
        venue.fault("giant", value=1 << 40)
        with pytest.raises(ConnectionClosed) as closed:
            await take(client, 1000)
        assert closed.value.sent is not None
        assert closed.value.sent.code == 1009


async def test_a_giant_arrives_where_there_is_room() -> None:
    """It is one frame of the size that was asked for, and the rest comes after it."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "heartbeats")
        venue.fault("giant", value=3_000_000)
        async with asyncio.timeout(10):
            text = await client.recv(decode=False)
        assert len(text) == 3_000_000
        assert json.loads(text)["channel"] == "l2_data"
        frames += await take(client, 1)
        assert numbers(frames) == list(range(len(frames)))


async def test_a_bomb_inflates_only_as_far_as_the_client_lets_it() -> None:
    """A hundred kilobytes that would be eighty megabytes."""
    async with (
        Venue(compression=True, **SMALL) as venue,
        connect(venue.url, max_size=64 * 1024 * 1024, close_timeout=0.2) as client,
    ):
        await listen(client, "level2")
        venue.fault("bomb")
        with pytest.raises(ConnectionClosed) as closed:
            await take(client, 1000)
        assert closed.value.sent is not None
        assert closed.value.sent.code == 1009


async def test_a_bomb_is_one_frame_for_who_has_room() -> None:
    """It inflates to about what was asked for, and is JSON."""
    async with (
        Venue(compression=True, **SMALL) as venue,
        connect(venue.url, max_size=None, close_timeout=0.2) as client,
    ):
        await listen(client, "heartbeats")
        venue.fault("bomb", value=2 << 20)
        async with asyncio.timeout(10):
            text = await client.recv()
        assert len(json.loads(text)["padding"]) == 2 << 20


@pytest.mark.parametrize("code", CODES)
async def test_a_close_of_one_connection(code: int) -> None:
    """The one is closed with the code, the other goes on."""
    async with Venue(**SMALL) as venue, dial(venue) as one, dial(venue) as two:
        await listen(one, "level2")
        await listen(two, "level2")
        venue.fault("close", connection=0, value=code)
        with pytest.raises(ConnectionClosed):
            await take(one, 1000)
        assert one.close_code == code
        assert len(await take(two, 3)) == 3
        await one.wait_closed()
        assert len(await take(two, 20)) == 20
        assert venue.records[0].ended.startswith(str(code))
        assert venue.records[0].closed_ns is not None


async def test_nothing_listens_for_a_while() -> None:
    """Refused at the network, those that are in stay in, and later it listens again."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "level2")
        refuse = venue.fault("refuse")
        await asyncio.sleep(0.05)
        with pytest.raises(OSError):
            await dial(venue)
        assert len(await take(client, 3)) == 3
        venue.end(refuse)
        other = await dial_at_last(venue)
        await listen(other, "level2")
        await other.close()
        assert [each.outcome for each in venue.connects] == ["open", "open"]


async def test_handshakes_that_go_wrong() -> None:
    """Reset before an answer; answered with a status; never answered. Each counted and written."""
    async with Venue(**SMALL) as venue:
        venue.fault("reset", count=1)
        with pytest.raises((OSError, InvalidMessage, EOFError)):
            await dial(venue)
        for status in (503, 429):
            venue.fault("http", count=1, value=status)
            with pytest.raises(InvalidStatus, match=str(status)) as refused:
                await dial(venue)
            assert refused.value.response.headers["Retry-After"] == "1"
        mute = venue.fault("mute")
        with pytest.raises(TimeoutError):
            await dial(venue, open_timeout=0.1)
        venue.end(mute)
        async with dial(venue) as client:
            await listen(client, "heartbeats")
        outcomes = ["reset", "http 503", "http 429", "mute", "open"]
        assert [each.outcome for each in venue.connects] == outcomes
        assert [each.number for each in venue.connects] == [None] * 4 + [0]
        assert {each.address for each in venue.connects} == {"127.0.0.1"}


async def test_a_mute_door_lets_go_when_it_ends() -> None:
    """Who waits for an answer is reset."""
    async with Venue(**SMALL) as venue:
        venue.fault("mute", seconds=0.1)
        with pytest.raises((OSError, InvalidMessage, EOFError)):
            await dial(venue)


async def test_the_venue_holds_its_limits_by_address() -> None:
    """Connects and messages of all connections count together if it is told so."""
    limits = Limits(connects_a_second_max=2, per_address=True)
    async with Venue(limits=limits, **SMALL) as venue, dial(venue) as one, dial(venue) as two:
        with pytest.raises(InvalidStatus, match="429"):
            await dial(venue)
        for _ in range(4):
            await ask(one, "heartbeats")
            await ask(two, "heartbeats")
        await take(one, 4)
        await take(two, 4)
        await ask(two, "heartbeats")
        frames = await take_until(two, lambda frame: frame.get("type") == "error")
        assert frames[-1]["message"] == "rate limit exceeded"
        asked = [request.text for record in venue.records for request in record.requests]
        assert asked == [b'{"type": "subscribe", "channel": "heartbeats"}'] * 9
