"""The venue's REST as a client sees it that shares nothing with the recorder: urllib."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from recorder.credentials import Credentials, Secret
from recorder.feed.auth import signer_for
from recorder.venue import Venue
from recorder.venue.rest import Failure, RestRules, RestVenue
from recorder.venue.rest_keys import new_key
from tests.recorders import wait_for
from tests.rest_service import FAST, serving

ADVANCED = "/api/v3/brokerage"


def get(service: Any, target: str, **headers: str) -> tuple[int, Any, Any]:
    """Status, decoded body, headers."""
    request = urllib.request.Request(service.url + target, headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            status, body, found = response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            status, body, found = error.code, error.read(), error.headers
    try:
        return status, json.loads(body), found
    except ValueError:
        return status, body.decode(), found


@pytest.fixture
def service():
    with serving() as made:
        yield made


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        (f"{ADVANCED}/time", {"iso", "epochSeconds", "epochMillis"}),
        ("/time", {"iso", "epoch"}),
        (f"{ADVANCED}/market/products", {"products", "num_products", "pagination"}),
        (
            f"{ADVANCED}/market/product_book?product_id=BTC-USD&limit=3",
            {"pricebook", "last", "mid_market", "spread_bps", "spread_absolute"},
        ),
        (f"{ADVANCED}/market/products/BTC-USDC/ticker", {"trades", "best_bid", "best_ask"}),
        (
            "/products/BTC-USD/book?level=2",
            {"bids", "asks", "sequence", "auction_mode", "auction", "time"},
        ),
    ],
)
def test_answers_have_the_documented_keys(target, keys, service):
    status, body, _ = get(service, target)
    assert status == 200
    assert set(body) == keys


def test_a_product_by_itself_is_the_row_of_the_list(service):
    _, listed, _ = get(service, f"{ADVANCED}/market/products")
    assert listed["num_products"] == len(listed["products"])
    for row in listed["products"]:
        assert get(service, f"{ADVANCED}/market/products/{row['product_id']}")[1] == row
    _, rows, _ = get(service, "/products")
    assert {row["id"] for row in rows} == {"BTC-USD", "TIA-USD", "RNDR-USD", "GYEN-USD"}


def test_the_alias_keeps_its_name_and_has_the_same_trades(service):
    one, other = (
        get(service, f"{ADVANCED}/market/products/{name}/ticker?limit=5")[1]["trades"]
        for name in ("BTC-USD", "BTC-USDC")
    )
    assert [trade["trade_id"] for trade in one] == [trade["trade_id"] for trade in other]
    assert {trade["product_id"] for trade in other} == {"BTC-USDC"}


def test_cursors_of_trades(service):
    """After goes down page by page; before gives the newest page, and not the adjacent one."""
    _, page, headers = get(service, "/products/BTC-USD/trades?limit=10")
    ids = [trade["trade_id"] for trade in page]
    assert ids == list(range(ids[0], ids[0] - 10, -1))
    assert (headers["CB-BEFORE"], headers["CB-AFTER"]) == (str(ids[0]), str(ids[-1]))
    _, older, _ = get(service, f"/products/BTC-USD/trades?limit=10&after={ids[-1]}")
    assert [trade["trade_id"] for trade in older] == [each - 10 for each in ids]
    _, newest, _ = get(service, f"/products/BTC-USD/trades?limit=10&before={ids[-1] - 50}")
    assert [trade["trade_id"] for trade in newest] == ids
    _, none, headers = get(service, "/products/BTC-USD/trades?after=5")
    assert none == []
    assert "CB-AFTER" not in headers


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        (f"{ADVANCED}/market/products/NOPE-USD", 404, "Product NOPE-USD not supported"),
        (f"{ADVANCED}/market/products/BTC-USD/ticker?limit=1001", 500, "INTERNAL"),
        (f"{ADVANCED}/market/products/BTC-USD/candles", 400, "INVALID_ARGUMENT"),
        (
            f"{ADVANCED}/market/products/BTC-USD/candles?start=0&end=21000&granularity=ONE_MINUTE",
            400,
            "less than 350",
        ),
        (f"{ADVANCED}/market/nothing", 404, "NOT_FOUND"),
        (f"{ADVANCED}/accounts", 401, "Unauthorized"),
        (f"{ADVANCED}/products", 401, "Unauthorized"),
        ("/products/NOPE-USD/trades", 404, "NotFound"),
        ("/products/BTC-USDC/trades", 404, "NotFound"),
        ("/products/BTC-USD/book?level=4", 400, "unexpected level: 4"),
        ("/products/BTC-USD/candles?granularity=61", 400, "Unsupported granularity"),
        ("/products/BTC-USD/candles?granularity=60&start=0&end=18000", 400, "exceeds 300"),
        ("/products/BTC-USD/candles?granularity=60&start=x", 400, "invalid time"),
        ("/accounts", 401, "CB-ACCESS-KEY header is required"),
        ("/nothing", 401, "CB-ACCESS-KEY header is required"),
    ],
)
def test_refusals_are_coinbase_s(target, status, words, service):
    found, body, _ = get(service, target)
    assert found == status
    assert words in (body if isinstance(body, str) else json.dumps(body))


def test_over_the_limit_there_is_a_429_with_a_time_to_wait():
    with serving(RestRules(a_second=0.001, burst=3, retry_after_s=7)) as service:
        answers = [get(service, "/time") for _ in range(5)]
        assert [status for status, *_ in answers] == [200, 200, 200, 429, 429]
        assert answers[-1][2]["Retry-After"] == "7"
        assert answers[-1][1] == {"message": "Public rate limit exceeded"}
        assert get(service, f"{ADVANCED}/time")[1]["errors"][0]["id"] == "rate_limit_exceeded"


def test_a_skewed_clock_shows_everywhere():
    with serving(RestRules(skew_s=1000.0, **FAST)) as service:
        _, body, headers = get(service, "/time")
        assert abs(body["epoch"] - time.time() - 1000) < 5
        assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time() - 1000) < 5


def test_failures_come_in_their_order_and_are_over(service):
    service.fail(1, Failure(503, b"x", (("A", "b"),)))
    assert get(service, "/time")[:2] == (503, "x")
    assert get(service, "/time")[0] == 200
    assert [each.status for each in service.asked] == [503, 200]


async def test_the_orders_of_its_account_are_those_of_the_socket():
    """All of them, in pages; by status; one by its id. For a key that may view."""
    known, secret = new_key("ES256")
    folder = f"{ADVANCED}/orders/historical"
    async with Venue(seed=3, depth=0.01) as venue:
        rules = RestRules(keys=(known,), **FAST)
        async with RestVenue(venue.market, rules, orders=lambda: venue.orders) as service:
            signer = signer_for(Credentials(known.name, Secret(secret), None, ""), "advanced")

            async def ask(target: str) -> Any:
                host = service.url.partition("//")[2]
                headers = signer.headers("GET", host, target, b"").reveal()
                return await asyncio.to_thread(lambda: get(service, target, **headers))

            assert (await asyncio.to_thread(get, service, f"{folder}/batch"))[0] == 401
            ids, cursor = [], ""
            while True:
                status, body, _ = await ask(f"{folder}/batch?limit=20&cursor={cursor}")
                assert status == 200
                ids += [each["order_id"] for each in body["orders"]]
                cursor = body["cursor"]
                if not body["has_next"]:
                    break
            assert set(ids) <= set(venue.orders.every)
            assert len(ids) == len(set(ids)) >= 53
            _, body, _ = await ask(f"{folder}/batch?order_status=FILLED")
            assert {each["status"] for each in body["orders"]} <= {"FILLED"}
            _, body, _ = await ask(f"{folder}/{ids[0]}")
            assert body["order"]["order_id"] == ids[0]
            assert (await ask(f"{folder}/no"))[0] == 404


async def test_it_serves_the_market_of_a_running_venue():
    """The same trades by socket and by REST, while the market goes on."""
    async with Venue(seed=3, depth=0.01, rate=20) as venue, RestVenue(venue.market) as service:
        before = venue.trades("BTC-USD")[-1].trade_id
        await wait_for(lambda: venue.trades("BTC-USD")[-1].trade_id > before + 2, "trades")
        _, page, _ = await asyncio.to_thread(get, service, "/products/BTC-USD/trades?limit=3")
        ids = {trade.trade_id for trade in venue.trades("BTC-USD")}
        assert {trade["trade_id"] for trade in page} <= ids
        assert page[0]["trade_id"] > before
