"""A client of the venue for the tests of this folder, in either protocol."""

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from recorder.venue import Venue

SMALL: dict[str, Any] = {"seed": 1, "depth": 0.002, "rate": 20, "keep_sent": True}


def dial(venue: Venue, **options: Any) -> connect:
    """A client with room for a whole book that answers at once when it is closed."""
    return connect(
        venue.url, **{"max_size": None, "compression": None, "close_timeout": 0.2} | options
    )


async def ask(
    client: ClientConnection, channel: str, *products: str, kind: str = "subscribe"
) -> None:
    """Ask Advanced Trade for a channel."""
    request: dict[str, Any] = {"type": kind, "channel": channel}
    if products:
        request["product_ids"] = list(products)
    await client.send(json.dumps(request))


async def ask_exchange(
    client: ClientConnection, channels: list[Any], *products: str, kind: str = "subscribe"
) -> None:
    """Ask Exchange for channels."""
    request = {"type": kind, "product_ids": list(products), "channels": channels}
    await client.send(json.dumps(request))


async def take(client: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next frames, decoded."""
    async with asyncio.timeout(10):
        return [json.loads(await client.recv()) for _ in range(count)]


async def take_until(
    client: ClientConnection, what: Any, seconds: float = 10
) -> list[dict[str, Any]]:
    """Frames up to the first for which ``what`` holds."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(seconds):
        while not frames or not what(frames[-1]):
            frames.append(json.loads(await client.recv()))
    return frames


async def listen(client: ClientConnection, *channels: str) -> list[dict[str, Any]]:
    """Subscribe BTC-USD and wait until all is served."""
    for channel in channels:
        await ask(client, channel, *(() if channel == "heartbeats" else ("BTC-USD",)))
    return await take_until(
        client,
        lambda frame: len(frame.get("events", [{}])[0].get("subscriptions", ())) == len(channels),
    )


async def take_for(client: ClientConnection, seconds: float) -> list[dict[str, Any]]:
    """Whatever comes within some time."""
    frames: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                frames.append(json.loads(await client.recv()))
    except TimeoutError:
        return frames


async def take_rest(client: ClientConnection) -> list[dict[str, Any]]:
    """Everything sent until now, after the market was frozen (Advanced Trade)."""
    await ask(client, "status", "BTC-USD")
    return await take_until(client, lambda frame: frame["channel"] == "status")


def is_book(frame: dict[str, Any], product: str, kind: str) -> bool:
    """Whether a frame is this product's ``snapshot`` or ``update`` (Advanced Trade)."""
    event = frame["events"][0] if "events" in frame else {}
    return (event.get("product_id"), event.get("type")) == (product, kind)


def book_of(frames: list[dict[str, Any]], product: str) -> tuple[dict[str, str], dict[str, str]]:
    """Bids and offers that a client has after these frames of Advanced Trade, as texts."""
    sides: dict[str, dict[str, str]] = {"bid": {}, "offer": {}}
    for frame in frames:
        event = frame["events"][0] if "events" in frame else {}
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


def truth_of(venue: Venue, product: str) -> tuple[dict[str, str], dict[str, str]]:
    """The same of the venue itself."""
    bids, asks = venue.book(product)
    return dict(bids), dict(asks)


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    """The numbers of frames of Advanced Trade."""
    return [frame["sequence_num"] for frame in frames if "sequence_num" in frame]


def hits(venue: Venue, kind: str) -> list[Any]:
    """What the log says that a kind of fault did."""
    return [each for each in venue.happenings if (each.what, each.kind) == ("hits", kind)]


async def dial_at_last(venue: Venue) -> ClientConnection:
    """Dial until somebody listens."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await dial(venue)
            except OSError:
                await asyncio.sleep(0.01)
