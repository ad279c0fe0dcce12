"""What a connection is owed and told when the venue is wrong, over a real socket."""

import asyncio
import json
from typing import Any

import pytest

from recorder.venue import Venue
from recorder.venue.exchange_session import ExchangeSession
from recorder.venue.faults import Faults
from recorder.venue.kinds import Fault
from recorder.venue.market import Market
from recorder.venue.session import Session
from recorder.venue.subscriptions import Beat
from tests.venue.dialling import (
    SMALL,
    ask,
    book_of,
    dial,
    hits,
    is_book,
    listen,
    numbers,
    take,
    take_for,
    take_rest,
    take_until,
    truth_of,
)

NOW_NS = 1_786_309_548_000_000_000
SECOND_NS = 1_000_000_000


# --- answers -------------------------------------------------------------------------------------


async def test_answers_that_are_late() -> None:
    """By time, or behind some data; the snapshot is there first, and the numbers have no gap."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        venue.fault("late_ack", value=0.2)
        await ask(client, "level2", "BTC-USD")
        frames = await take_until(client, lambda frame: frame["channel"] == "subscriptions")
        assert is_book(frames[0], "BTC-USD", "snapshot")
        assert len(frames) > 3
        venue.fault("data_before_ack", value=6)
        await ask(client, "ticker", "BTC-USD")
        more = await take_until(client, lambda frame: frame["channel"] == "subscriptions")
        assert len(more) >= 6
        assert numbers(frames + more) == list(range(len(frames + more)))


async def test_updates_before_the_snapshot() -> None:
    """They come, and the snapshot contains them."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        venue.fault("update_before_snapshot", product="BTC-USD", value=0.2)
        await ask(client, "level2", "BTC-USD")
        frames = await take_until(client, lambda frame: is_book(frame, "BTC-USD", "snapshot"))
        assert sum(is_book(frame, "BTC-USD", "update") for frame in frames) > 3
        venue.freeze()
        frames += await take_rest(client)
        assert book_of(frames, "BTC-USD") == truth_of(venue, "BTC-USD")


async def test_a_snapshot_that_never_comes() -> None:
    """Updates do; asking again helps."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        venue.fault("missing_snapshot", channel="level2")
        await ask(client, "level2", "BTC-USD")
        frames = await take(client, 10)
        assert not any(is_book(frame, "BTC-USD", "snapshot") for frame in frames)
        assert any(is_book(frame, "BTC-USD", "update") for frame in frames)
        await ask(client, "level2", "BTC-USD", kind="unsubscribe")
        await ask(client, "level2", "BTC-USD")
        await take_until(client, lambda frame: is_book(frame, "BTC-USD", "snapshot"))


async def test_the_book_of_another_product() -> None:
    """Its snapshot comes for ours, whose own never does."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        venue.fault("wrong_snapshot", product="BTC-USD")
        await ask(client, "level2", "BTC-USD")
        frames = await take(client, 10)
        assert is_book(frames[0], "ETH-USD", "snapshot")
        assert not any(is_book(frame, "BTC-USD", "snapshot") for frame in frames)
        assert any(is_book(frame, "BTC-USD", "update") for frame in frames)


async def answer_of(client: Any) -> tuple[list[str], set[str]]:
    """What an answer lists for books, and which books come."""
    frames = await take_for(client, 0.12)
    answers = [frame["events"][0] for frame in frames if frame["channel"] == "subscriptions"]
    books = {frame["events"][0].get("product_id") for frame in frames} - {None}
    return sorted(answers[-1]["subscriptions"].get("level2", [])), books


@pytest.mark.parametrize(
    ("kind", "listed", "served"),
    [
        ("unserved", ["BTC-USD", "ETH-USD"], {"ETH-USD"}),
        ("unlisted", ["ETH-USD"], {"BTC-USD", "ETH-USD"}),
        ("partial", ["ETH-USD"], {"ETH-USD"}),
    ],
)
async def test_a_subscription_served_in_part(
    kind: str, listed: list[str], served: set[str]
) -> None:
    """In the answer and not served, served and not in the answer, neither; all without an error."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        venue.fault(kind, product="BTC-USD")
        await ask(client, "level2", "BTC-USD", "ETH-USD")
        assert await answer_of(client) == (listed, served)
        await ask(client, "level2", "BTC-USD", "ETH-USD", kind="unsubscribe")
        await ask(client, "level2", "BTC-USD", "ETH-USD")
        assert await answer_of(client) == (["BTC-USD", "ETH-USD"], {"BTC-USD", "ETH-USD"})


async def test_requests_that_are_refused_or_not_heard() -> None:
    """Two error frames, one silence, then service."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        venue.fault("rate_limited", channel="level2")
        await ask(client, "level2", "BTC-USD")
        assert (await take(client, 1))[0]["message"] == "rate limit exceeded"
        venue.fault("over_cap")
        await ask(client, "level2", "BTC-USD")
        assert "too many L2 streams" in (await take(client, 1))[0]["message"]
        venue.fault("ignored")
        await ask(client, "level2", "BTC-USD")
        assert await take_for(client, 0.1) == []
        await ask(client, "level2", "BTC-USD")
        assert is_book((await take(client, 1))[0], "BTC-USD", "snapshot")
        assert [len(hits(venue, kind)) for kind in ("rate_limited", "over_cap", "ignored")] == [
            1
        ] * 3


async def test_a_new_connection_has_the_faults_of_the_whole_venue() -> None:
    """Faults of answers wait for who comes; those of one connection do not go over to others."""
    async with Venue(**SMALL) as venue:
        fault = venue.fault("partial", product="BTC-USD")
        for _ in range(2):
            async with dial(venue) as client:
                await ask(client, "level2", "BTC-USD")
                assert (await answer_of(client))[0] == []
        venue.end(fault)
        async with dial(venue) as client:
            await ask(client, "level2", "BTC-USD")
            assert (await answer_of(client))[0] == ["BTC-USD"]
            venue.fault("partial", connection=client_number(venue), product="ETH-USD")
            async with dial(venue) as other:
                await ask(other, "level2", "ETH-USD")
                assert (await answer_of(other))[0] == ["ETH-USD"]


def client_number(venue: Venue) -> int:
    """The number of the newest connection."""
    return venue.connections[-1].number


# --- what is told --------------------------------------------------------------------------------


async def test_a_silent_product_catches_up() -> None:
    """Others flow meanwhile, no number is missing, and then one update has all that changed."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await ask(client, "level2", "BTC-USD", "ETH-USD")
        frames = await take_until(client, lambda frame: frame["channel"] == "subscriptions")
        silent = venue.fault("silent", product="BTC-USD")
        frames += await take_for(client, 0.1)
        during = await take_for(client, 0.3)
        assert {frame["events"][0]["product_id"] for frame in during} == {"ETH-USD"}
        frames += during
        venue.freeze()
        venue.end(silent)
        frames += await take_until(client, lambda frame: is_book(frame, "BTC-USD", "update"))
        frames += await take_rest(client)
        assert numbers(frames) == list(range(len(frames)))
        for product in ("BTC-USD", "ETH-USD"):
            assert book_of(frames, product) == truth_of(venue, product)


async def test_a_silence_that_a_new_subscription_ends() -> None:
    """Until then the product stays silent."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2")
        venue.fault("silent", product="BTC-USD", channel="level2", value="resubscribe")
        await take_for(client, 0.1)
        assert await take_for(client, 0.1) == []
        await ask(client, "level2", "BTC-USD", kind="unsubscribe")
        await ask(client, "level2", "BTC-USD")
        frames = await take_until(client, lambda frame: is_book(frame, "BTC-USD", "snapshot"))
        frames += await take(client, 10)
        venue.freeze()
        frames += await take_rest(client)
        assert book_of(frames, "BTC-USD") == truth_of(venue, "BTC-USD")


async def test_heartbeats_only() -> None:
    """They go on, their numbers have no gap, and books are true again afterwards."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "heartbeats", "level2", "ticker", "market_trades")
        only = venue.fault("heartbeats_only")
        frames += await take_for(client, 0.05)
        during = await take_for(client, 1.1)
        assert {frame["channel"] for frame in during} == {"heartbeats"}
        venue.freeze()
        venue.end(only)
        frames += during + await take_rest(client)
        assert numbers(frames) == list(range(len(frames)))
        assert book_of(frames, "BTC-USD") == truth_of(venue, "BTC-USD")


def beat_of(session: Session, number: int) -> list[dict[str, Any]]:
    """What a connection hears in one second of the venue."""
    now_ns = NOW_NS + number * SECOND_NS
    beat = Beat(number, now_ns, 41_000 * SECOND_NS + number * SECOND_NS, [], None)
    return [json.loads(frame) for frame in session.beat(beat, {})]


def test_no_heartbeats_a_jump_of_their_counter_and_of_the_clock() -> None:
    """Each in its time; the counter stays off, stamps come back when the fault ends."""
    faults = Faults()
    session = Session(Market(1, ("BTC-USD",), NOW_NS, depth=0.002), faults=faults)
    assert session.receive('{"type":"subscribe","channel":"heartbeats"}', NOW_NS) == []
    session.turn(NOW_NS)
    silent = Fault("silent", channel="heartbeats")
    faults.add(silent)
    assert beat_of(session, 1) == []
    faults.remove(silent)
    faults.add(Fault("heartbeat_jump", value=60))
    beats = [beat_of(session, number)[0] for number in (2, 3)]
    counters = [beat["events"][0]["heartbeat_counter"] for beat in beats]
    assert counters == [41_062, 41_063]
    assert beats[0]["events"][0]["current_time"].endswith("m=+41002.000000000")
    jump = Fault("clock_jump", value=-7200)
    faults.add(jump)
    (early,) = beat_of(session, 4)
    faults.remove(jump)
    (right,) = beat_of(session, 5)
    assert [early["timestamp"], right["timestamp"]] == [
        "2026-08-09T19:05:52Z",
        "2026-08-09T21:05:53Z",
    ]
    assert early["events"][0]["current_time"].startswith("2026-08-09 19:05:52 ")
    assert numbers([*beats, early, right]) == [1, 2, 3, 4]


@pytest.mark.parametrize("value", [None, "transient"])
async def test_a_crossed_book(value: str | None) -> None:
    """A bid above the best offer that is not the venue's; taken back at once, or never."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2")
        venue.fault("crossed", product="BTC-USD", value=value)
        async with asyncio.timeout(10):
            while not hits(venue, "crossed"):
                frames += await take(client, 1)
        frames += await take(client, 2)
        crossed = [
            number
            for number in range(1, len(frames) + 1)
            if (book := book_of(frames[:number], "BTC-USD"))[0]
            and max(map(float, book[0])) >= min(map(float, book[1]))
        ]
        assert crossed
        if value:
            assert len(crossed) == 1
            venue.freeze()
            frames += await take_rest(client)
            assert book_of(frames, "BTC-USD") == truth_of(venue, "BTC-USD")


async def test_tickers_that_do_not_agree_with_the_book() -> None:
    """Off by a share of the price; late by a time, and then they tell what was."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "ticker")
        right = float((await take(client, 1))[0]["events"][0]["tickers"][0]["best_bid"])
        wrong = venue.fault("ticker_wrong", product="BTC-USD", value=0.05)
        frames = await take_for(client, 0.2)
        told = float(frames[-1]["events"][0]["tickers"][0]["best_bid"])
        assert told == pytest.approx(right * 1.05, rel=0.01)
        venue.end(wrong)
        venue.fault("ticker_late", product="BTC-USD", value=60.0)
        await take_for(client, 0.1)
        frames = await take(client, 5)
        best = {frame["events"][0]["tickers"][0]["best_bid_quantity"] for frame in frames}
        assert len(best) == 1


async def test_a_trade_that_is_never_told() -> None:
    """Its id is missing, and it happened."""
    async with Venue(**SMALL | {"rate": 50}) as venue, dial(venue) as client:
        await ask(client, "market_trades", "BTC-USD")
        frames = await take(client, 2)
        venue.fault("trade_hole", product="BTC-USD", count=2)
        frames += await take(client, 8)
        told = {
            int(trade["trade_id"])
            for frame in frames if frame["channel"] == "market_trades"
            for trade in frame["events"][0]["trades"]
        }  # fmt: skip
        missing = set(range(min(told), max(told) + 1)) - told
        assert len(missing) == 2
        said = {f"trade {number}" for number in missing}
        assert {hit.detail for hit in hits(venue, "trade_hole")} == said
        assert missing <= {trade.trade_id for trade in venue.trades("BTC-USD")}
        assert numbers(frames) == list(range(len(frames)))


async def test_an_update_that_is_never_made() -> None:
    """The numbers have no gap; only the book is wrong."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2")
        venue.fault("omit", count=5)
        frames += await take(client, 10)
        assert numbers(frames) == list(range(len(frames)))
        assert len(hits(venue, "omit")) == 5


async def test_a_product_ends_and_another_rests() -> None:
    """Said in the status; then silence. One comes back, the other cannot be asked for any more."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await ask(client, "status")
        await ask(client, "level2", "BTC-USD", "ETH-USD")
        await take_until(client, lambda f: "level2" in str(f) and f["channel"] == "subscriptions")
        venue.fault("delist", product="BTC-USD")
        rest = venue.fault("offline", product="ETH-USD")
        frames = await take_for(client, 0.1)
        said = [
            (product["id"], product["status"])
            for frame in frames if frame["channel"] == "status"
            for product in frame["events"][0]["products"]
        ]  # fmt: skip
        assert said == [("BTC-USD", "delisted"), ("ETH-USD", "offline")]
        assert await take_for(client, 0.1) == []
        assert venue.book("BTC-USD")
        venue.end(rest)
        frames = await take(client, 4)
        assert frames[0]["events"][0]["products"][0]["status"] == "online"
        assert is_book(frames[1], "ETH-USD", "update")
        async with dial(venue) as other:
            await ask(other, "level2", "BTC-USD", "ETH-USD")
            assert (await answer_of(other))[0] == ["ETH-USD"]


# --- the same again ------------------------------------------------------------------------------


def played(kind: type[Session] | type[ExchangeSession], seed: int) -> list[bytes]:
    """Ten minutes of a connection with faults, without a clock or a socket."""
    faults = Faults()
    session = kind(Market(seed, ("BTC-USD", "ETH-USD"), NOW_NS, depth=0.002), faults=faults)
    channels = ["level2_batch", "ticker", "matches", "heartbeat"]
    asked = [{"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": channels}]
    if kind is Session:
        names = ("level2", "ticker", "market_trades", "heartbeats")
        asked = [{"type": "subscribe", "channel": name} for name in names]
    for fault in ("wrong_snapshot", "late_ack", "crossed", "trade_hole", "omit", "reorder", "drop"):
        faults.add(Fault(fault, count=2))
    frames: list[bytes] = []
    market, now_ns = session._market, NOW_NS
    for request in asked:
        frames += session.receive(json.dumps(request), now_ns)
    for number in range(1, 2000):
        now_ns = market.due_ns
        made = session.tell(market.step(), now_ns, {}) + session.turn(now_ns)
        if number % 20 == 0:
            made += session.beat(Beat(number, now_ns, number * SECOND_NS, ["BTC-USD"], None), {})
        frames += faults.apply(made)
    return frames


@pytest.mark.parametrize("kind", [Session, ExchangeSession])
def test_the_same_seed_and_times_give_the_same_bytes(
    kind: type[Session] | type[ExchangeSession],
) -> None:
    """Faults included; another seed gives others."""
    frames = played(kind, 5)
    assert len(frames) > 2000
    assert frames == played(kind, 5)
    assert frames != played(kind, 6)
