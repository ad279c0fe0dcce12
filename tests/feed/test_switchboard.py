"""All connections of a plan, against the real venue: what changes, and what is left alone."""

import asyncio
import json
from contextlib import asynccontextmanager

from recorder.core.frames import Closed, Opened, Sent
from recorder.core.messages import Reconnect, Resubscribe, SlowDown
from recorder.credentials import Secret
from recorder.feed import plan
from recorder.feed.signing import Signing, VenueClock
from recorder.feed.switchboard import Switchboard, UserFeed
from recorder.venue import Venue
from tests.feed.test_connection import Ear, server
from tests.recorders import wait_for

CHANNELS = ("level2", "heartbeats")
PRODUCTS = tuple(f"P{number:02d}-USD" for number in range(60))


@asynccontextmanager
async def switched(venue: Venue, products, channels=CHANNELS):
    """A switchboard that runs inside of the block, connected."""
    ear = Ear()
    board = Switchboard(ear, venue.url, jitter=lambda: 0.1)
    board.carry(products, channels)
    running = asyncio.create_task(board.run())
    try:
        await wait_for(lambda: ear.count(Opened) == len(board.lines), "all connections")
        yield board, ear
    finally:
        await board.stop("the test ends")
        await asyncio.wait_for(running, 5)


def served(venue: Venue) -> list[set[str]]:
    """The products that each connection of the venue is subscribed to, in the order of opening."""
    sessions = venue._sessions.values()
    return [set(each.channels.get("level2", ())) for each in sessions]


async def test_many_products_over_several_connections_within_the_limits():
    """60 products, at most 25 on each; nothing is refused as too fast or as too many."""
    async with Venue(seed=1, products=PRODUCTS, depth=0.02, keep_sent=True) as venue:
        async with switched(venue, PRODUCTS) as (board, ear):
            assert [len(line.products) for line in board.lines] == [20, 20, 20]
            await wait_for(lambda: sum(map(len, served(venue))) == 60, "all subscriptions")
            assert set().union(*served(venue)) == set(PRODUCTS)
        assert ear.count(Closed) == 3
        for number in range(3):
            assert not any(b'"type":"error"' in frame for frame in venue.sent(number))


async def test_what_is_added_and_removed_touches_its_lines_only(monkeypatch):
    """Sessions go on; only the lines concerned ask for anything."""
    monkeypatch.setattr(plan, "PRODUCTS_MAX", 3)
    async with (
        Venue(seed=1, products=PRODUCTS, depth=0.02) as venue,
        switched(venue, PRODUCTS[:6]) as (board, ear),
    ):
        await wait_for(lambda: served(venue) == [{*PRODUCTS[:6:2]}, {*PRODUCTS[1:6:2]}], "all")
        names = [each.connection_id for each in board.connections]
        asked = len(ear.arrivals)
        board.carry([*PRODUCTS[1:6], PRODUCTS[9]], CHANNELS)
        await wait_for(lambda: PRODUCTS[9] in served(venue)[0], "the new product")
        assert served(venue) == [{PRODUCTS[2], PRODUCTS[4], PRODUCTS[9]}, {*PRODUCTS[1:6:2]}]
        sent = [each for each in ear.arrivals[asked:] if type(each).__name__ == "Sent"]
        assert {each.connection_id for each in sent} == {names[0]}
        assert [each.connection_id for each in board.connections] == names
        board.carry([*PRODUCTS[1:6], *PRODUCTS[9:12]], CHANNELS)
        await wait_for(lambda: len(served(venue)) == 3, "another connection")
        assert [each.connection_id for each in board.connections[:2]] == names


async def test_a_line_without_products_closes_and_others_do_not():
    """It unsubscribes, closes, and is gone."""
    async with (
        Venue(seed=1, products=PRODUCTS, depth=0.02) as venue,
        switched(venue, PRODUCTS[:50]) as (board, ear),
    ):
        staying = board.lines[1].products
        name = board.connections[1].connection_id
        board.carry(staying, CHANNELS)
        await wait_for(lambda: len(board.connections) == 1, "the close")
        (closed,) = ear.of(Closed)
        assert closed.reason == "no product is left on this line"
        assert closed.orderly
        assert [each.connection_id for each in board.connections] == [name]
        # Its label is free again.
        board.carry([*staying, *PRODUCTS[50:53]], CHANNELS)
        await wait_for(lambda: ear.count(Opened) == 3, "the new line")
        assert [line.label for line in board.lines] == ["ws2", "ws1"]


async def test_other_channels_on_open_connections():
    """A channel is added and another dropped without a reconnect."""
    async with (
        Venue(seed=1, products=PRODUCTS, depth=0.02) as venue,
        switched(venue, PRODUCTS[:2], ("level2", "ticker", "heartbeats")) as (board, ear),
    ):
        board.carry(PRODUCTS[:2], ("level2", "market_trades", "heartbeats"))
        (session,) = venue._sessions.values()
        await wait_for(
            lambda: set(session.channels) == {"level2", "market_trades", "heartbeats"},
            "the channels",
        )
        assert ear.count(Opened) == 1


async def test_what_the_core_wants_reaches_its_connection():
    """By the name of the session; one that is over is passed over."""
    async with (
        Venue(seed=1, products=PRODUCTS, depth=0.02) as venue,
        switched(venue, PRODUCTS[:2]) as (board, ear),
    ):
        (connection,) = board.connections
        name = connection.connection_id
        sent = ear.count(Opened)
        board.obey(Resubscribe(name, "level2", PRODUCTS[:1], "a gap"))
        board.obey(Resubscribe("ws9-over", "level2", PRODUCTS[:1], "a gap"))
        board.obey(SlowDown(name, "rate limit exceeded"))
        assert ear.told[-1][0] == "requests_held"
        board.heard_error(name, "rate limit exceeded")
        board.heard_error("ws9-over", "nobody hears it")
        board.obey(Reconnect(name, "late_frames"))
        await wait_for(lambda: ear.count(Opened) == sent + 1, "the reconnect")
        assert ear.of(Closed)[0].reason == "late_frames"
        assert board.of(None) is None


class Stamp:
    """A signer whose signatures are counted."""

    scheme = "jwt"

    def __init__(self) -> None:
        self.made = 0

    def members(self, channel, products) -> Secret:
        self.made += 1
        return Secret({"jwt": f"{channel} {self.made}"})


async def test_own_orders_have_a_connection_that_no_change_of_the_plan_concerns():
    """Another address, everything on it signed; it stays while lines come and go."""
    requests: list[tuple[str, dict]] = []

    def heard(name):
        async def handler(socket):
            async for text in socket:
                requests.append((name, json.loads(text)))  # noqa: PERF401  it grows while it is read

        return handler

    async with server(heard("market")) as url, server(heard("user")) as user_url:
        ear, signing = Ear(), Signing(Stamp(), "a key", "the test", VenueClock())
        user = UserFeed(user_url, signing)
        board = Switchboard(ear, url, jitter=lambda: 0.1, user=user)
        board.carry(PRODUCTS[:2], CHANNELS)
        assert [line.label for line in board.lines] == ["ws1"]
        assert [line.label for line in board.every_line] == ["ws1", "user1"]
        assert board.every_line[1].wanted() == [("heartbeats", None), ("user", None)]
        running = asyncio.create_task(board.run())
        await wait_for(lambda: len(requests) == 4, "all requests")
        board.carry((), ("level2",))
        await wait_for(lambda: len(board.connections) == 1, "the line has gone")
        assert board.connections[0].line.label == "user1"
        board.carry(PRODUCTS[:1], CHANNELS)
        assert [line.label for line in board.lines] == ["ws1"]
        await board.stop("the test ends")
        await asyncio.wait_for(running, 5)
    assert [each for name, each in requests if name == "user"] == [
        {"type": "subscribe", "channel": "heartbeats", "jwt": "heartbeats 1"},
        {"type": "subscribe", "channel": "user", "jwt": "user 2"},
    ]
    assert not any("jwt" in each for name, each in requests if name == "market")
    assert not any(b"jwt" in each.raw for each in ear.of(Sent))


async def test_a_change_before_it_runs_and_after_it_stopped():
    """Neither fails: the first is the plan to begin with, the second nothing."""
    ear = Ear()
    board = Switchboard(ear, "ws://127.0.0.1:9")
    board.carry(PRODUCTS, CHANNELS)
    board.carry(PRODUCTS[:5], CHANNELS)
    assert [len(each.line.products) for each in board.connections] == [2, 2, 1]
    await board.stop("the test ends")
    await asyncio.wait_for(board.run(), 5)
    assert board.connections == []
    board.carry(PRODUCTS, CHANNELS)
    assert board.connections == []
