"""The Exchange protocol of one connection: without a socket, and over one."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from recorder.venue import Limits, Venue
from recorder.venue.exchange_session import ExchangeSession
from recorder.venue.market import Market
from tests.venue.dialling import SMALL, ask_exchange, dial, hits, take, take_for, take_until

NOW_NS = 1_786_309_548_000_000_000
FREE = Limits(requests_a_second_max=1000)
BOTH = ("BTC-USD", "ETH-USD")
EXCHANGE: dict[str, Any] = {**SMALL, "protocol": "exchange"}


def session(seed: int = 0) -> ExchangeSession:
    """A new connection to a small market."""
    market = Market(1, ("BTC-USD", "ETH-USD", "SOL-USD"), NOW_NS, depth=0.002)
    return ExchangeSession(market, seed=seed, limits=FREE)


def ask(to: ExchangeSession, kind: str, channels: Any, *products: str) -> list[dict[str, Any]]:
    """Send a request and take everything that comes of it."""
    request: dict[str, Any] = {"type": kind}
    if channels is not None:
        request["channels"] = channels
    if products:
        request["product_ids"] = list(products)
    frames = to.receive(json.dumps(request), NOW_NS)
    while to.owes():
        frames += to.turn(NOW_NS)
    return [json.loads(frame) for frame in frames]


def listed(frames: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What the last answer lists, products in order."""
    answer = [frame for frame in frames if frame["type"] == "subscriptions"][-1]
    return {each["name"]: sorted(each["product_ids"]) for each in answer["channels"]}


def types(frames: list[dict[str, Any]]) -> list[str]:
    """The types of frames, in no order."""
    return sorted(frame["type"] for frame in frames)


def test_one_request_many_channels_and_names_of_their_own() -> None:
    """Products of the request and of a channel add up; the answer has the echo names."""
    to = session()
    channels = [
        "level2_batch",
        "matches",
        {"name": "ticker_batch", "product_ids": ["SOL-USD"]},
        "heartbeat",
    ]
    frames = ask(to, "subscribe", channels, *BOTH)
    assert listed(frames) == {
        "level2_50": ["BTC-USD", "ETH-USD"],
        "matches": ["BTC-USD", "ETH-USD"],
        "ticker_1000": ["BTC-USD", "ETH-USD", "SOL-USD"],
        "heartbeat": ["BTC-USD", "ETH-USD"],
    }
    assert types(frames) == [
        *["last_match"] * 2, *["snapshot"] * 2, "subscriptions", *["ticker"] * 3
    ]  # fmt: skip
    assert all(each["account_ids"] is None for each in _answer(frames)["channels"])


def _answer(frames: list[dict[str, Any]]) -> dict[str, Any]:
    return next(frame for frame in frames if frame["type"] == "subscriptions")


def test_both_names_of_a_channel_are_one() -> None:
    """A repeated subscription gets no snapshot, by whichever name."""
    to = session()
    ask(to, "subscribe", ["level2_batch"], "BTC-USD")
    assert types(ask(to, "subscribe", ["level2_50"], "BTC-USD")) == ["subscriptions"]
    assert types(ask(to, "unsubscribe", ["level2_batch"], "BTC-USD")) == ["subscriptions"]
    assert types(ask(to, "subscribe", ["level2_50"], "BTC-USD")) == ["snapshot", "subscriptions"]


def test_the_answer_comes_before_between_or_after_its_data() -> None:
    """In no fixed order, and products in none either."""
    places, orders = set(), set()
    for seed in range(30):
        frames = ask(session(seed), "subscribe", ["level2_batch", "ticker"], *BOTH)
        places.add(frames.index(_answer(frames)))
        orders.add(tuple(_answer(frames)["channels"][0]["product_ids"]))
    assert places == {0, 1, 2, 3, 4}
    assert len(orders) == 2


def test_books_want_a_signature_and_the_rest_is_served() -> None:
    """The real text; a request of nothing else is not answered otherwise."""
    for name in ("level2", "level3", "full"):
        to = session()
        frames = ask(to, "subscribe", [name], "BTC-USD")
        assert frames == [{
            "type": "error", "message": "Failed to subscribe",
            "reason": "level2, level3, and full channels now require authentication. "
            "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth",
        }]  # fmt: skip
        assert not to.subscribed
        frames = ask(to, "subscribe", [name, "heartbeat"], "BTC-USD")
        assert types(frames) == ["error", "subscriptions"]
        assert listed(frames) == {"heartbeat": ["BTC-USD"]}


def test_what_does_not_exist_is_refused_and_the_rest_is_served() -> None:
    """A product, once however many channels want it; a channel; none at all."""
    to = session()
    frames = ask(to, "subscribe", ["matches", "ticker"], "NOPE-USD", "ETH-USD")
    reasons = [frame["reason"] for frame in frames if frame["type"] == "error"]
    assert reasons == ["NOPE-USD is not a valid product"]
    assert listed(frames) == {"matches": ["ETH-USD"], "ticker": ["ETH-USD"]}
    assert (
        ask(to, "subscribe", ["l2_data"], "BTC-USD")[0]["reason"]
        == "l2_data is not a valid channel"
    )
    assert "at least one product" in ask(to, "subscribe", ["matches"])[0]["reason"]
    assert ask(to, "subscribe", None, "BTC-USD")[0]["reason"] == "No channels provided"
    assert ask(to, "subscribe", ["user"], "BTC-USD")[0]["reason"].endswith("authentication")
    assert ask(to, "hello", ["matches"], "BTC-USD")[0]["message"].startswith("Type has to be")
    assert [json.loads(each) for each in to.receive("{", NOW_NS)] == [
        {"type": "error", "message": "Malformed JSON"}
    ]


def test_unsubscribing() -> None:
    """A channel of a product, a channel, a product of all channels; what is left is answered."""
    to = session()
    ask(to, "subscribe", ["matches", "ticker", "heartbeat"], *BOTH)
    frames = ask(to, "unsubscribe", ["ticker"], "ETH-USD")
    assert listed(frames)["ticker"] == ["BTC-USD"]
    assert "heartbeat" not in listed(ask(to, "unsubscribe", ["heartbeat"]))
    assert listed(ask(to, "unsubscribe", None, "BTC-USD")) == {"matches": ["ETH-USD"]}
    assert listed(ask(to, "unsubscribe", ["matches"], "ETH-USD")) == {}


def test_the_status_is_of_all_products_and_asked_for_once() -> None:
    """It knows no products to choose from."""
    to = session()
    frames = ask(to, "subscribe", ["status"])
    assert types(frames) == ["status", "subscriptions"]
    assert listed(frames) == {"status": []}
    assert types(ask(to, "subscribe", ["status"])) == ["subscriptions"]


def test_the_engines_numbers_rise_with_jumps_and_go_on_for_another_connection() -> None:
    """In matches, tickers and heartbeats of a product; books have none."""
    to = session()
    ask(to, "subscribe", ["level2_batch", "matches", "ticker"], *BOTH)
    market = to._market
    numbers: dict[str, list[int]] = {name: [] for name in BOTH}
    kinds = set()
    for _ in range(3000):
        for raw in to.tell(market.step(), NOW_NS, {}):
            frame = json.loads(raw)
            kinds.add((frame["type"], "sequence" in frame))
            if frame["type"] == "match":
                numbers[frame["product_id"]].append(frame["sequence"])
    assert kinds == {("l2update", False), ("match", True), ("ticker", True)}
    for name, rising in numbers.items():
        assert rising == sorted(set(rising))
        assert any(after - before > 50 for before, after in pairwise(rising))
        other = ExchangeSession(market, limits=FREE)
        last = next(
            f for f in ask(other, "subscribe", ["matches"], name) if f["type"] == "last_match"
        )
        assert last["sequence"] == rising[-1]


# --- over a socket -------------------------------------------------------------------------------


async def test_the_clients_book_and_trades_are_the_truth() -> None:
    """What was received rebuilds the books to the digit, and misses no trade."""
    async with Venue(**EXCHANGE | {"rate": 50}) as venue, dial(venue) as client:
        await ask_exchange(client, ["level2_batch", "matches", "ticker", "heartbeat"], *BOTH)
        frames = await take(client, 400)
        venue.freeze()
        await ask_exchange(client, ["status"])
        frames += await take_until(client, lambda frame: frame["type"] == "status")
        for product in BOTH:
            own = [frame for frame in frames if frame.get("product_id") == product]
            bids, asks = venue.book(product)
            assert build(own) == (numbers_of(bids), numbers_of(asks))
            ids = [f["trade_id"] for f in own if f["type"] in ("match", "last_match")]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            assert ids[-1] == venue.trades(product)[-1].trade_id


def numbers_of(levels: list[Any]) -> dict[float, float]:
    """Levels by price."""
    return {float(price): float(size) for price, size in levels}


def build(frames: list[dict[str, Any]]) -> tuple[dict[float, float], dict[float, float]]:
    """The book that a client has after these frames."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    for frame in frames:
        if frame["type"] == "snapshot":
            bids, asks = numbers_of(frame["bids"]), numbers_of(frame["asks"])
        elif frame["type"] == "l2update":
            for side, price, size in frame["changes"]:
                levels = bids if side == "buy" else asks
                levels.pop(float(price), None)
                if float(size):
                    levels[float(price)] = float(size)
    return bids, asks


async def test_a_heartbeat_a_product_a_second() -> None:
    """With the newest trade and a number that only rises."""
    async with Venue(**EXCHANGE) as venue, dial(venue) as client:
        await ask_exchange(client, ["heartbeat"], *BOTH)
        frames = [f for f in await take(client, 5) if f["type"] == "heartbeat"]
        assert [f["product_id"] for f in frames] == [*BOTH, *BOTH]
        assert frames[2]["sequence"] > frames[0]["sequence"]
        assert frames[2]["last_trade_id"] <= venue.trades("BTC-USD")[-1].trade_id


async def test_a_client_that_asks_for_what_it_may_not_have_is_closed() -> None:
    """A refusal is no subscription."""
    limits = Limits(subscribe_s=0.1)
    async with Venue(limits=limits, **EXCHANGE) as venue, dial(venue) as client:
        await ask_exchange(client, ["level2"], "BTC-USD")
        with pytest.raises(ConnectionClosedError, match="no subscription in time"):
            await take(client, 2)


async def test_a_hundred_requests_a_second() -> None:
    """What Exchange documents; beyond it an error frame."""
    async with Venue(**EXCHANGE) as venue, dial(venue) as client:
        for _ in range(101):
            await ask_exchange(client, ["heartbeat"], "BTC-USD")
        frames = await take_until(client, lambda frame: frame["type"] == "error")
        assert frames[-1]["message"] == "ErrSlowRead"


async def test_faults_are_the_same_in_this_protocol() -> None:
    """A silent product, a book that others' updates beat, a lost trade, a late answer, a lie."""
    async with Venue(**EXCHANGE | {"rate": 50}) as venue, dial(venue) as client:
        venue.fault("update_before_snapshot", product="BTC-USD", value=0.1)
        venue.fault("late_ack", value=0.2)
        await ask_exchange(client, ["level2_batch", "matches"], *BOTH)
        frames = await take_until(client, lambda frame: frame["type"] == "subscriptions")
        own = [f["type"] for f in frames if f.get("product_id") == "BTC-USD"]
        assert own.index("l2update") < own.index("snapshot")
        silent = venue.fault("silent", product="BTC-USD", channel="level2_50")
        frames += await take_for(client, 0.05)
        during = await take_for(client, 0.2)
        assert {f["product_id"] for f in during if f["type"] == "l2update"} == {"ETH-USD"}
        venue.freeze()
        venue.end(silent)
        await ask_exchange(client, ["status"])
        frames += during + await take_until(client, lambda frame: frame["type"] == "status")
        for product in BOTH:
            own = [frame for frame in frames if frame.get("product_id") == product]
            bids, asks = venue.book(product)
            assert build(own) == (numbers_of(bids), numbers_of(asks))
        venue.thaw()
        venue.fault("drop", channel="matches", count=2)
        venue.fault("crossed", product="ETH-USD")
        async with asyncio.timeout(10):
            while len(hits(venue, "drop")) < 2 or not hits(venue, "crossed"):
                await take(client, 1)
        lost = [json.loads(each.frame) for each in venue.records[0].lost]
        assert [each["type"] for each in lost] == ["match", "match"]
        assert [hit.number for hit in hits(venue, "drop")] == [each["sequence"] for each in lost]


async def test_a_delisted_product_is_no_valid_product() -> None:
    """The status says so, and it cannot be asked for again."""
    async with Venue(**EXCHANGE) as venue, dial(venue) as client:
        await ask_exchange(client, ["status"])
        await take(client, 2)
        venue.fault("delist", product="BTC-USD")
        (status,) = await take(client, 1)
        assert [p["status"] for p in status["products"]] == ["delisted", "online"]
        await ask_exchange(client, ["ticker"], *BOTH)
        frames = await take_until(client, lambda frame: frame["type"] == "error")
        assert frames[-1]["reason"] == "BTC-USD is not a valid product"
