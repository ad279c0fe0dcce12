"""The list of products: asked for, kept, and chosen from."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from recorder import config as settings
from recorder import listing as listings
from recorder.core.tables import STATUS_TEXTS
from recorder.errors import ConfigError, UnavailableError, VenueUnavailableError
from recorder.feed.rest import Rest
from recorder.feed.selection import Listed
from recorder.listing import Listing, choose, fetch_from, plan_of, rest_services, why_not_asked
from recorder.store.paths import Root
from recorder.venue.market import Market
from recorder.venue.rest import Failure, RestRules, RestVenue

PRODUCTS = (Listed("BTC-USD", volume=9e8), Listed("ETH-USD", volume=5e8), Listed("ETH-EUR"))
NOW_NS = 1_795_299_928_015_675_844


def giving(*products: Listed):
    """A venue that answers with these."""

    async def fetch():
        return products

    return fetch


def failing(error: Exception):
    """A venue that does not."""

    async def fetch():
        raise error

    return fetch


def feed(products, exclude=(), venue="advanced"):
    text = (
        f"feed.venue = '{venue}'\nfeed.products = {list(products)}\nfeed.exclude = {list(exclude)}"
    )
    return settings.parse(text, None).feed


async def test_a_list_that_came_is_kept_for_the_next_start(tmp_path):
    """The next process begins with it, and knows that it is old."""
    root = Root(tmp_path)
    first = Listing(root, "advanced", giving(*PRODUCTS))
    assert (first.products, first.fresh) == (None, False)
    assert await first.refresh()
    assert (first.products, first.fresh, first.error) == (PRODUCTS, True, "")
    first.keep(NOW_NS)
    second = Listing(root, "advanced", failing(VenueUnavailableError("it is down")))
    assert (second.products, second.fresh) == (PRODUCTS, False)
    assert not await second.refresh()
    assert (second.products, second.error) == (PRODUCTS, "it is down")
    assert Listing(root, "exchange", None).products is None


async def test_a_venue_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch):
    """An empty list is no answer either."""
    monkeypatch.setattr(listings, "FETCH_S_MAX", 0.05)

    async def never():
        await asyncio.sleep(60)

    for fetch, words in ((never, "no answer within 0.05 s"), (giving(), "list is empty")):
        listing = Listing(Root(tmp_path), "advanced", fetch)
        assert not await listing.refresh()
        assert words in listing.error
        assert listing.products is None


def test_ids_need_no_list_and_patterns_do(tmp_path):
    """What to do about it is in the message."""
    listing = Listing(Root(tmp_path), "advanced", None)
    assert choose(feed(["BTC-USDC"]), listing).products == ("BTC-USD",)
    with pytest.raises(UnavailableError, match="name products by their ids") as caught:
        choose(feed(["BTC-USD", "*-EUR"]), listing)
    assert "(*-EUR)" in str(caught.value)
    assert caught.value.exit_code == 69


async def test_nothing_to_record_names_what_was_asked_for(tmp_path):
    """Each with what became of it."""
    listing = Listing(Root(tmp_path), "advanced", giving(*PRODUCTS, Listed("OLD-USD", "delisted")))
    await listing.refresh()
    with pytest.raises(ConfigError) as caught:
        choose(feed(["*-JPY", "NOPE-USD", "OLD-USD", "ETH-*"], ["ETH-*"]), listing)
    assert str(caught.value) == (
        "feed.products names nothing that can be recorded: *-JPY match no product of the venue; "
        "NOPE-USD are not products of the venue; OLD-USD are delisted; "
        "ETH-EUR, ETH-USD are left out by feed.exclude"
    )


async def test_a_list_with_a_hole_does_not_end_a_recording(tmp_path):
    """What the venue does send is recorded on, whatever the list lacks."""
    listing = Listing(Root(tmp_path), "advanced", giving(*PRODUCTS[:1]))
    await listing.refresh()
    asked = feed(["*-USD", "ABC-EUR"])
    assert choose(asked, listing).products == ("BTC-USD",)
    found = choose(asked, listing, {"ETH-USD", "ABC-EUR", "ETH-JPY"})
    assert found.products == ("BTC-USD", "ABC-EUR", "ETH-USD")


@pytest.mark.parametrize("venue", ["advanced", "exchange"])
async def test_the_venue_s_own_list(tmp_path, venue):
    """Over HTTP: aliases, the delisted and the offline, in the order of turnover."""
    market = Market(7, ("BTC-USD", "ETH-USD"), time.time_ns(), depth=0.01)
    rules = RestRules(a_second=1000.0, burst=1000)
    async with RestVenue(market, rules) as service, Rest(venue, service.url) as rest:
        listing = Listing(Root(tmp_path), venue, fetch_from(rest))
        assert await listing.refresh()
        found = choose(feed(["*-USD", "RNDR-USD", "BTC-USDC"], venue=venue), listing)
    assert sorted(found.products) == ["BTC-USD", "ETH-USD", "GYEN-USD"]
    told = {each.product_id: each.rules for each in listing.products}
    assert told["BTC-USD"]["price_increment"] == "0.01"
    assert told["BTC-USD"]["aliases"] == ("BTC-USDC" if venue == "advanced" else None)
    assert (told["GYEN-USD"]["status"], told["GYEN-USD"]["post_only"]) == ("offline", "false")
    assert set(told["BTC-USD"]) <= {name for name, _ in STATUS_TEXTS}
    assert found.products[2] == "GYEN-USD"  # nothing of it was traded
    assert found.offline == ("GYEN-USD",)
    assert found.delisted == ("RNDR-USD",)
    if venue == "advanced":
        assert found.aliases == {"BTC-USDC": "BTC-USD"}
    else:
        assert found.unknown == ("BTC-USDC",)


async def test_what_a_configuration_would_record(tmp_path):
    """From the venue's list; from the one that was kept, where the venue does not answer."""
    market = Market(7, ("BTC-USD", "ETH-USD"), time.time_ns(), depth=0.01)
    async with RestVenue(market, RestRules(a_second=1000.0, burst=1000)) as service:
        text = f"data = '{tmp_path}'\n[feed]\nproducts = ['all']\nexclude = ['*-CDE']\n"
        config = settings.parse(f"{text}rest_url = '{service.url}'", None)
        planned = await asyncio.to_thread(plan_of, config)
        volume = {each.product_id: each.volume or -1.0 for each in planned.verdicts}
        assert sorted(planned.selection.products) == ["BTC-USD", "ETH-USD", "GYEN-USD"]
        turnovers = [volume[name] for name in planned.selection.products]
        assert turnovers == sorted(turnovers, reverse=True)
        assert turnovers[1] > 0
        assert [line.products for line in planned.lines] == [planned.selection.products]
        assert (planned.error, planned.fetched) == ("", None)
        assert {each.why for each in planned.verdicts if each.product_id == "BIT-24APR26-CDE"} == {
            "excluded by *-CDE"
        }
        assert not any(tmp_path.iterdir())
        listing = Listing(Root(tmp_path), "advanced", giving(*PRODUCTS))
        await listing.refresh()
        listing.keep(NOW_NS)
        service.fail(1, Failure(404, b"{}"))
        planned = await asyncio.to_thread(plan_of, config)
        assert planned.selection.products == ("BTC-USD", "ETH-USD", "ETH-EUR")
        assert planned.error
        assert planned.fetched.year == 2026


LOOPBACK = "ws://127.0.0.1:8765"
REAL = "https://api.exchange.coinbase.com"
THERE = "http://127.0.0.1:8766"


@pytest.mark.parametrize(
    ("text", "asked", "said"),
    [
        ("", ("https://api.coinbase.com", REAL), None),
        ("trades_url = ''", ("https://api.coinbase.com", None), None),
        ("venue = 'exchange'", (REAL, REAL), None),
        (f"url = '{LOOPBACK}'", (None, None), ["feed.rest_url", "feed.trades_url"]),
        ("url = 'wss://localhost:1/x'", (None, None), ["feed.rest_url", "feed.trades_url"]),
        (f"url = '{LOOPBACK}'\ntrades_url = ''", (None, None), ["feed.rest_url"]),
        (f"url = '{LOOPBACK}'\nrest_url = '{THERE}'", (THERE, None), ["feed.trades_url"]),
        (f"url = '{LOOPBACK}'\ntrades_url = '{REAL}'\nrest_url = '{THERE}'", (THERE, None),
         ["feed.trades_url"]),
        (f"url = '{LOOPBACK}'\nrest_url = '{THERE}'\ntrades_url = '{THERE}'", (THERE, THERE),
         None),
    ],
)  # fmt: skip
async def test_a_market_on_this_machine_is_no_matter_of_the_real_services(
    monkeypatch, text, asked, said
):
    """Neither their products nor their trades are asked for, and the log says so once."""
    opened = []

    class Service:
        def __init__(self, venue, url):
            self.venue, self.url = venue, url
            opened.append(url)

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            pass

    monkeypatch.setattr(listings, "Rest", Service)
    with capture_logs() as logged:
        async with rest_services(settings.parse(f"[feed]\n{text}", None).feed) as services:
            assert tuple(each and each.url for each in services) == asked
    assert set(opened) == {url for url in asked if url}
    assert [each["keys"] for each in logged] == ([said] if said else [])
    assert all(each["event"] == "rest_not_asked" for each in logged)


async def test_patterns_of_a_market_on_this_machine_want_its_own_list(tmp_path):
    """The message says which key to set; ids are recorded without."""
    text = f"data = '{tmp_path}'\n[feed]\nurl = '{LOOPBACK}'\n"
    config = settings.parse(f"{text}products = ['*-USD']", None)
    assert "set feed.rest_url to it" in why_not_asked(config.feed)
    with pytest.raises(UnavailableError, match=r"feed\.url is on this machine and feed\.rest"):
        await asyncio.to_thread(plan_of, config)
    planned = await asyncio.to_thread(plan_of, settings.parse(text, None))
    assert planned.selection.products == ("BTC-USD", "ETH-USD")
    assert planned.error == why_not_asked(config.feed)
