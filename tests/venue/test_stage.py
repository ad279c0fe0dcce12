"""Faults over a real socket: each does what it says, and the log and the record tell the truth."""

import asyncio
import json
from itertools import pairwise

import pytest
from websockets.exceptions import (
    ConnectionClosed,
    WebSocketException,
)

from recorder.errors import UsageError
from recorder.venue import KINDS, Fault, FaultPlan, Venue
from recorder.venue.faults import Binary
from tests.venue.dialling import (
    SMALL,
    ask,
    dial,
    dial_at_last,
    hits,
    listen,
    numbers,
    take,
    take_for,
    take_until,
)

# --- after the numbering -------------------------------------------------------------------------


async def test_dropped_frames_are_a_gap_that_the_record_knows() -> None:
    """What is missing at the client is in ``lost``; together they are every number."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2", "market_trades")
        venue.fault("drop", channel="level2", count=3)
        frames += await take(client, 40)
        record = venue.records[0]
        lost = [json.loads(each.frame) for each in record.lost]
        assert [each["channel"] for each in lost] == ["l2_data"] * 3
        assert sorted(numbers(frames) + numbers(lost)) == list(range(len(frames) + 3))
        assert [json.loads(frame) for frame in record.sent[: len(frames)]] == frames
        assert [hit.number for hit in hits(venue, "drop")] == numbers(lost)
        assert [each.position + at for at, each in enumerate(record.lost)] == numbers(lost)


async def test_duplicates_and_late_frames() -> None:
    """A frame twice; a frame after the two that followed it."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "level2")
        venue.fault("duplicate")
        first, second = numbers(await take(client, 2))
        assert first == second
        venue.fault("reorder", value=2)
        got = numbers(await take_until(client, lambda f: len(hits(venue, "reorder")) == 1))
        got = [*got, *numbers(await take(client, 3))][-4:]
        assert sorted(got) == list(range(min(got), min(got) + 4))
        assert got != sorted(got)


async def test_a_late_frame_comes_even_if_nothing_follows() -> None:
    """What others should pass is not kept for ever."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "heartbeats")
        venue.freeze()
        venue.fault("reorder", value=4)
        await ask(client, "ticker", "BTC-USD")
        frames = await take(client, 2)
        assert sorted(numbers(frames)) == list(
            range(min(numbers(frames)), min(numbers(frames)) + 2)
        )


@pytest.mark.parametrize("kind", ["truncated", "wrong_types", "not_a_number"])
async def test_spoilt_text(kind: str) -> None:
    """What comes is not what was made; the record has both, and the client all the rest."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "level2", "ticker")
        venue.fault(kind, count=5)
        before = len(venue.records[0].sent)
        async with asyncio.timeout(10):
            while len(venue.records[0].sent) < before + 8:
                await client.recv()
        record = venue.records[0]
        assert len(record.lost) == len(hits(venue, kind)) == 5
        for lost in record.lost:
            assert json.loads(lost.frame)["sequence_num"] == lost.position
            assert record.sent[lost.position] != lost.frame
        if kind == "truncated":
            assert all(lost.frame.startswith(record.sent[lost.position]) for lost in record.lost)


async def test_spoilt_text_besides() -> None:
    """As an extra, it takes no frame's place."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2")
        venue.fault("truncated", value="extra")
        async with asyncio.timeout(10):
            texts = [await client.recv() for _ in range(6)]
        good = numbers(frames)
        for text in texts:
            try:
                good.append(json.loads(text)["sequence_num"])
            except ValueError:
                continue
        assert good == list(range(len(frames) + 5))
        assert venue.records[0].lost == []


async def test_a_text_that_is_no_utf8_closes_a_strict_client() -> None:
    """The client's own 1007; raw bytes can be read as they are."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "level2")
        venue.fault("not_utf8")
        with pytest.raises((ConnectionClosed, UnicodeDecodeError)):
            await take(client, 50)


async def test_a_binary_frame() -> None:
    """The same bytes in a frame of the other kind."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "level2")
        venue.fault("binary")
        async with asyncio.timeout(10):
            while not isinstance(raw := await client.recv(), bytes):
                pass
        assert raw in [frame for frame in venue.records[0].sent if isinstance(frame, Binary)]


async def test_an_error_frame_that_nobody_caused() -> None:
    """No number, and the numbering goes on."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2")
        venue.fault("error_frame", value="slow down")
        frames += await take_until(client, lambda frame: frame.get("type") == "error")
        assert frames.pop() == {"type": "error", "message": "slow down"}
        frames += await take(client, 3)
        assert numbers(frames) == list(range(len(frames)))


async def test_silence_then_a_gap() -> None:
    """Nothing at all, heartbeats included, while the socket answers pings; then a gap."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "heartbeats", "level2")
        silence = venue.fault("silence", seconds=0.3)
        frames += await take_for(client, 0.2)
        assert await take_for(client, 0.05) == []
        await (await client.ping())
        frames += await take(client, 3)
        lost = [json.loads(each.frame)["sequence_num"] for each in venue.records[0].lost]
        assert sorted(numbers(frames) + lost) == list(range(len(frames) + len(lost)))
        ends = [each for each in venue.happenings if each.what == "ends"]
        assert [each.fault for each in ends] == [silence]


async def test_a_stall_loses_nothing() -> None:
    """Frames are kept and come all at once, in order."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        frames = await listen(client, "level2")
        stall = venue.fault("stall")
        frames += await take_for(client, 0.2)
        assert await take_for(client, 0.1) == []
        venue.end(stall)
        frames += await take(client, 30)
        assert numbers(frames) == list(range(len(frames)))
        assert venue.records[0].lost == []


# --- orders, the log, the plan -------------------------------------------------------------------


def test_orders_that_cannot_be_played() -> None:
    """A kind that does not exist, or that cannot be aimed like this, says so."""
    for wrong in (
        {"kind": "earthquake"},
        {"kind": "half_open", "count": 2},
        {"kind": "refuse", "product": "BTC-USD"},
        {"kind": "delist"},
    ):
        with pytest.raises(UsageError):
            Fault(**wrong)
    with pytest.raises(UsageError, match="protocol"):
        Venue(protocol="fix")


def test_every_kind_says_what_it_is() -> None:
    """Its stage is known, and its fields exist."""
    for name, kind in KINDS.items():
        assert kind.what, name
        assert set(kind.aims.split()) <= set(Fault.__dataclass_fields__), name


async def test_a_fault_with_nobody_to_hit_is_a_miss() -> None:
    """The log says so, and nothing lasts."""
    async with Venue(**SMALL) as venue:
        venue.fault("drop")
        venue.fault("close", connection=7)
        assert [each.what for each in venue.happenings] == ["begins", "misses"] * 2


async def test_healing_ends_everything() -> None:
    """Whatever was on, afterwards a new client is served as ever."""
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await listen(client, "level2")
        for kind in ("refuse", "mute", "http", "silence", "stall", "drip", "heartbeats_only"):
            venue.fault(kind)
        for kind in ("drop", "reorder", "ignored", "partial", "late_ack", "crossed", "omit"):
            venue.fault(kind, count=1000)
        venue.fault("offline", product="ETH-USD")
        await asyncio.sleep(0.1)
        venue.heal()
        assert venue.healed.is_set()
        await asyncio.sleep(0.1)
        async with dial(venue) as other:
            await ask(other, "level2", "BTC-USD", "ETH-USD")
            frames = await take(other, 20)
            assert numbers(frames) == list(range(20))
            assert {frame["channel"] for frame in frames} == {"l2_data", "subscriptions"}
        await ask(client, "level2", "BTC-USD", kind="unsubscribe")
        await ask(client, "level2", "BTC-USD")
        steps = [b - a for a, b in pairwise(numbers(await take(client, 10)))]
        assert set(steps) == {1}


async def test_a_plan_is_played_and_heals() -> None:
    """What was drawn is what begins, in order, and then nothing is wrong any more."""
    plan = FaultPlan(3, seconds=0.6, every_s=0.05, start_s=0.1)
    async with Venue(plan=plan, **SMALL) as venue:
        dialling = asyncio.create_task(dial_again_and_again(venue))
        async with asyncio.timeout(10):
            await venue.healed.wait()
        dialling.cancel()
        await asyncio.wait([dialling])
        begun = [each.kind for each in venue.happenings if each.what == "begins"]
        planned = plan.schedule("advanced", ("BTC-USD", "ETH-USD"))
        assert begun == [each.fault.kind for each in planned]
        assert venue.happenings[-1].what == "heals"
        async with await dial_at_last(venue) as client:
            await listen(client, "level2")


async def dial_again_and_again(venue: Venue) -> None:
    """A client that listens to BTC-USD and comes back whatever happens to it."""
    while True:
        try:
            async with dial(venue, open_timeout=0.2) as client:
                await ask(client, "level2", "BTC-USD")
                async for _ in client:
                    pass
        except (OSError, TimeoutError, EOFError, WebSocketException):
            await asyncio.sleep(0.01)
