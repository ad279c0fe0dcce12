"""The REST client against the venue's REST, over real HTTP."""

import gzip
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from recorder.errors import UsageError, VenueRefusedError, VenueUnavailableError
from recorder.feed.rest import Rest
from recorder.venue.market import Market
from recorder.venue.rest import Failure, RestRules, RestVenue
from tests.captures import CAPTURES, needs_captures

MARKET = Market(7, ("BTC-USD", "ETH-USD", "TIA-USD"), time.time_ns(), depth=0.01)
VENUES = pytest.mark.parametrize("venue", ["advanced", "exchange"])


def client(service: RestVenue, venue: Any, **options: Any) -> Rest:
    """A client that does not wait between attempts."""
    return Rest(venue, service.url, **{"jitter": lambda: 0.0, "a_second": 1000.0} | options)


def answers(market: Market = MARKET, **rules: Any) -> RestVenue:
    """The service, fast enough for a test."""
    return RestVenue(market, RestRules(**{"a_second": 1000.0, "burst": 1000} | rules))


def only(body: bytes, **headers: str) -> Failure:
    """A good answer with this body."""
    return Failure(200, body, tuple(headers.items()))


async def test_products_of_advanced_trade_have_aliases_and_what_is_not_traded():
    """Aliases point to the canonical id and back; delisted, offline and futures are listed."""
    async with answers() as service, client(service, "advanced") as rest:
        products = {each.product_id: each for each in await rest.products()}
    bitcoin, alias = products["BTC-USD"], products["BTC-USDC"]
    assert (bitcoin.alias, bitcoin.aliases, bitcoin.canonical_id) == (
        None,
        ("BTC-USDC",),
        "BTC-USD",
    )
    assert (alias.alias, alias.aliases, alias.canonical_id) == ("BTC-USD", (), "BTC-USD")
    assert (bitcoin.base, bitcoin.quote, bitcoin.product_type) == ("BTC", "USD", "SPOT")
    assert (bitcoin.price_increment, bitcoin.base_increment) == ("0.01", "0.00000001")
    assert bitcoin.volume_24h is not None
    assert bitcoin.volume_24h > 0
    assert not products["RNDR-USD"].tradable
    assert products["RNDR-USD"].status == "delisted"
    assert products["RNDR-USD"].volume_24h is None
    assert products["GYEN-USD"].status == "offline"
    assert products["BIT-24APR26-CDE"].product_type == "FUTURE"
    assert products["BIT-24APR26-CDE"].base == ""
    assert sum(each.tradable for each in products.values()) == 7
    assert not rest.problems


async def test_products_of_exchange():
    """The same record, without aliases and volumes; those have a request of their own."""
    async with answers() as service, client(service, "exchange") as rest:
        products = {each.product_id: each for each in await rest.products()}
        volumes = await rest.volumes()
    assert products["ETH-USD"].tradable
    assert products["ETH-USD"].volume_24h is None
    assert products["RNDR-USD"].status == "delisted"
    assert set(volumes) == {"BTC-USD", "ETH-USD", "TIA-USD"}
    assert all(volumes.values())


async def test_volumes_of_advanced_trade_are_those_of_the_list():
    async with answers() as service, client(service, "advanced") as rest:
        assert set(await rest.volumes()) > {"BTC-USD", "BTC-USDC"}


@needs_captures
@pytest.mark.parametrize(
    ("venue", "path", "file", "count", "not_traded"),
    [
        (
            "advanced",
            "/api/v3/brokerage/market/products",
            "coinbase-advanced-trade/20260809T210548Z-rest-products.json.gz",
            920,
            8,
        ),
        (
            "exchange",
            "/products",
            "coinbase-exchange/20210417T164336Z-rest-products.json.gz",
            162,
            0,
        ),
    ],
)
async def test_real_lists_of_products(venue, path, file, count, not_traded):
    """Everything that Coinbase really listed is read, with its increments."""
    with gzip.open(CAPTURES / file) as packed:
        content = packed.read()
    async with answers() as service, client(service, venue) as rest:
        service.fail(1, only(content))
        products = await rest.products()
        assert service.asked[0].target == path
    assert len(products) == count
    assert not rest.problems
    assert all(each.price_increment and each.base_increment for each in products)
    assert sum(not each.tradable for each in products) == not_traded
    by_id = {each.product_id: each for each in products}
    for each in products:
        if each.alias:
            assert each.product_id in by_id[each.alias].aliases


async def test_products_on_many_pages_are_joined():
    """The cursor of one page asks for the next."""

    def page(*names: str, cursor: str = "") -> Failure:
        rows = [{"product_id": name, "status": "online"} for name in names]
        pages = {"next_cursor": cursor, "has_next": bool(cursor)}
        return only(json.dumps({"products": rows, "pagination": pages}).encode())

    async with answers() as service, client(service, "advanced") as rest:
        service.failures.extend([page("A-USD", "B-USD", cursor="x y"), page("C-USD")])
        products = await rest.products()
        assert [each.target.partition("?")[2] for each in service.asked] == ["", "cursor=x%20y"]
    assert [each.product_id for each in products] == ["A-USD", "B-USD", "C-USD"]


async def test_rows_that_cannot_be_read_are_named_and_the_others_kept():
    """Bad input never kills and never vanishes."""
    rows = [
        {"product_id": "A-USD"},
        {"product_id": "../../etc"},
        7,
        {"product_id": "B-USD", "alias_to": 3},
    ]
    async with answers() as service, client(service, "advanced") as rest:
        service.fail(1, only(json.dumps({"products": rows}).encode()))
        assert [each.product_id for each in await rest.products()] == ["A-USD"]
    assert len(rest.problems) == 3
    assert "../../etc" in rest.problems[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"products":[]}',
        b"<html>",
        b"\xff",
        b'{"a":' * 9000,
        b'{"error":"oops"}',
        b'{"products":[1e999]}',
    ],
)
@VENUES
async def test_an_answer_of_another_shape_is_an_error_of_the_venue(venue, body):
    """A 200 that is none is told of, whatever it holds."""
    async with answers() as service, client(service, venue) as rest:
        service.fail(1, only(body))
        with pytest.raises(VenueUnavailableError, match=r"^127\.0\.0\.1:\d+ answered GET /"):
            await rest.products()


@VENUES
@pytest.mark.parametrize("skew_s", [0.0, 47.0, -3600.0])
async def test_the_clocks_are_compared(venue, skew_s):
    """The venue's clock gives by how much ours is ahead, within the time on the way."""
    async with answers(skew_s=skew_s) as service, client(service, venue) as rest:
        clock = await rest.time()
    assert abs(clock.ahead_s + skew_s) <= clock.uncertain_s + (1.0 if venue == "advanced" else 0.01)
    assert 0 <= clock.uncertain_s < 5


@VENUES
async def test_a_book_is_the_market_s(venue):
    """All levels of both sides in the venue's texts, best first; a limit cuts it."""
    async with answers() as service, client(service, venue) as rest:
        book = await rest.product_book("BTC-USD")
        short = await rest.product_book("BTC-USD", limit=5)
    product = MARKET.products["BTC-USD"]
    for levels, ladder in ((book.bids, product.bids), (book.asks, product.offers)):
        assert [(round(float(p) * 100), round(float(s) * 1e8)) for p, s in levels] == (
            ladder.best_first()
        )
    assert short.bids == book.bids[:5]
    assert short.asks == book.asks[:5]
    assert (book.sequence is None) == (venue == "advanced")
    assert book.time is not None


async def test_trades_page_downwards_without_a_hole():
    """Every id between two is there once, whatever the size of the pages."""
    ids = [trade.trade_id for trade in MARKET.products["BTC-USD"].tape.trades]
    async with answers() as service, client(service, "exchange") as rest:
        pages = [page async for page in rest.trades_between("BTC-USD", ids[-1], ids[3])]
        found = [trade.trade_id for page in pages for trade in page.trades]
        first = await rest.trades("BTC-USD", limit=10)
        next_page = await rest.trades("BTC-USD", after=first.after, limit=10)
    assert found == ids[4:-1][::-1]
    assert [trade.trade_id for trade in first.trades + next_page.trades] == ids[-20:][::-1]
    trade = MARKET.products["BTC-USD"].tape.trades[-1]
    assert float(first.trades[0].price) == trade.price / 100
    assert first.trades[0].side == ("buy" if trade.bid else "sell")


async def test_trades_are_paged_in_many_requests(monkeypatch):
    """A long hole is filled page by page, each asked for once."""
    monkeypatch.setattr("recorder.feed.rest.TRADES_MAX", 7)
    ids = [trade.trade_id for trade in MARKET.products["ETH-USD"].tape.trades]
    async with answers() as service, client(service, "exchange") as rest:
        pages = [page async for page in rest.trades_between("ETH-USD", ids[30], ids[8])]
        assert [len(page.trades) for page in pages] == [7, 7, 7]
        assert len(service.asked) == 3


async def test_trades_that_the_venue_has_not_end_the_paging():
    """Ids from before the venue's first trade are not asked for for ever."""
    ids = [trade.trade_id for trade in MARKET.products["ETH-USD"].tape.trades]
    async with answers() as service, client(service, "exchange") as rest:
        pages = [page async for page in rest.trades_between("ETH-USD", ids[2], ids[0] - 50)]
    assert [trade.trade_id for page in pages for trade in page.trades] == [ids[1], ids[0]]


def unreadable(name: str, ids: Sequence[int]) -> Failure:
    """A page of trades of which one member is wrong in each."""
    good = {"price": "1", "size": "1", "time": "2026-01-01T00:00:00Z", "side": "buy"}
    rows = [{"trade_id": each} | good | {name: "bad"} for each in reversed(ids)]
    return Failure(200, json.dumps(rows).encode())


@pytest.mark.parametrize("name", ["price", "trade_id"])
async def test_a_page_of_which_nothing_can_be_read_does_not_end_the_paging(name, monkeypatch):
    """What lies below is asked for; each page says down to which id it has been."""
    monkeypatch.setattr("recorder.feed.rest.TRADES_MAX", 7)
    ids = [trade.trade_id for trade in MARKET.products["ETH-USD"].tape.trades]
    assert ids[30] - ids[8] == 22
    async with answers() as service, client(service, "exchange") as rest:
        service.failures.append(unreadable(name, ids[23:30]))
        pages = [page async for page in rest.trades_between("ETH-USD", ids[30], ids[8])]
        assert len(service.asked) == 3
    assert [len(page.trades) for page in pages] == [0, 7, 7]
    assert [page.after for page in pages] == [ids[23], ids[16], None]
    assert pages[0].problems


async def test_a_short_page_of_which_nothing_can_be_read_is_passed_by_as_far_as_it_goes(
    monkeypatch,
):
    """A venue that gives fewer than were asked for has not been asked for the others."""
    monkeypatch.setattr("recorder.feed.rest.TRADES_MAX", 7)
    ids = [trade.trade_id for trade in MARKET.products["ETH-USD"].tape.trades]
    async with answers() as service, client(service, "exchange") as rest:
        service.failures.append(unreadable("price", ids[28:30]))
        pages = [page async for page in rest.trades_between("ETH-USD", ids[30], ids[22])]
    assert [each.trade_id for page in pages for each in page.trades] == ids[23:28][::-1]


async def test_what_cannot_be_read_at_the_end_of_a_page_is_not_asked_for_again(monkeypatch):
    monkeypatch.setattr("recorder.feed.rest.TRADES_MAX", 7)
    ids = [trade.trade_id for trade in MARKET.products["ETH-USD"].tape.trades]
    async with answers() as service, client(service, "exchange") as rest:
        bad = json.loads(unreadable("price", ids[23:27]).body)
        good = json.loads(unreadable("price", ids[27:30]).body)
        rows = [row | {"price": "1"} for row in good] + bad
        service.failures.append(Failure(200, json.dumps(rows).encode()))
        pages = [page async for page in rest.trades_between("ETH-USD", ids[30], ids[8])]
    assert [len(page.trades) for page in pages] == [3, 7, 7]
    assert pages[0].after == ids[23]


async def test_trades_of_advanced_trade_have_no_cursor():
    async with answers() as service, client(service, "advanced") as rest:
        page = await rest.trades("BTC-USDC")
        assert len(page.trades) == 100
        assert page.after is None
        with pytest.raises(UsageError, match="no cursor"):
            await rest.trades("BTC-USD", after=5)


async def test_trades_that_cannot_be_read_are_named():
    """One bad row of a page does not take the others along."""
    good = {
        "trade_id": 5,
        "price": "1.5",
        "size": "2",
        "side": "buy",
        "time": "2026-01-01T00:00:00Z",
    }
    rows = [good, good | {"price": "1e5"}, good | {"trade_id": "x"}, good | {"side": "up"}, 3, {}]
    async with answers() as service, client(service, "exchange") as rest:
        service.fail(1, only(json.dumps(rows).encode()))
        page = await rest.trades("BTC-USD")
    assert [trade.trade_id for trade in page.trades] == [5]
    assert len(page.problems) == 5
    assert list(rest.problems) == page.problems


@VENUES
@pytest.mark.parametrize("granularity_s", [60, 300, 3600])
async def test_candles_come_oldest_first_and_from_as_many_requests_as_it_takes(
    venue, granularity_s
):
    now_s = int(time.time()) // 86400 * 86400
    start_s, end_s = now_s - 800 * granularity_s, now_s + 86400
    async with answers() as service, client(service, venue) as rest:
        candles = await rest.candles("BTC-USD", granularity_s, start_s, end_s)
        assert len(service.asked) >= 3
        assert all(each.status == 200 for each in service.asked)
    starts = [candle.start_s for candle in candles]
    assert starts == sorted(set(starts))
    assert starts
    assert all(start_s <= at < end_s for at in starts)
    assert all(float(each.low) <= float(each.open) <= float(each.high) for each in candles)


async def test_candles_that_do_not_exist_are_refused_before_they_are_asked_for():
    async with answers() as service, client(service, "exchange") as rest:
        with pytest.raises(UsageError, match="candles of 7200 s do not exist; there are 60, 300"):
            await rest.candles("BTC-USD", 7200, 0, 10)
        with pytest.raises(UsageError, match="cannot be a product id"):
            await rest.trades("btc/../usd")
        assert not service.asked


@VENUES
async def test_a_product_that_does_not_exist_is_a_mistake_of_the_caller(venue):
    async with answers() as service, client(service, venue) as rest:
        with pytest.raises(VenueRefusedError, match=r"404 Not Found.*in capitals"):
            await rest.product_book("NOPE-USD")


async def test_public_data_is_asked_for_without_a_signature():
    """A wrong key cannot break what works without one."""

    class Never:
        scheme = "jwt"

        def headers(self, *_: object) -> Any:
            raise AssertionError

    async with answers() as service, client(service, "advanced", signer=Never()) as rest:
        assert await rest.products()
        assert "Authorization" not in service.asked[0].headers
        assert service.asked[0].headers["User-Agent"].startswith("recorder/")
