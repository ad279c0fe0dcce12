"""What is recorded changes while recording, and everything else goes on undisturbed."""

import asyncio
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
import structlog

from recorder import config as settings
from recorder import finishing, lineup, recovery
from recorder.core import frames
from recorder.core.frames import Closed, Frame, Noted, Opened, Sent
from recorder.errors import ConfigError, UnavailableError, VenueUnavailableError
from recorder.feed import plan
from recorder.feed.rest import Rest
from recorder.feed.selection import Listed
from recorder.listing import Listing, fetch_from
from recorder.store.capture import read_arrivals
from recorder.store.paths import Root
from recorder.venue import Venue
from recorder.venue.rest import RestRules, RestVenue
from tests.recorders import config_for, live_rows, recording, wait_for
from tests.roots import sealed_bytes
from tests.simulate.daemon import Daemon

CHANNELS = ("level2", "heartbeats")
MANY = tuple(f"P{number:02d}-USD" for number in range(30))


class Listings:
    """A list of products that a test changes."""

    def __init__(self, *product_ids: str) -> None:
        self.products = {each: Listed(each) for each in product_ids}
        self.asked = 0
        self.error: Exception | None = None

    async def fetch(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return tuple(self.products.values())


class File:
    """A configuration that a test changes, as a file would."""

    def __init__(self, config: settings.Config) -> None:
        self.config = config
        self.error: Exception | None = None

    def read(self) -> settings.Config:
        if self.error is not None:
            raise self.error
        return self.config

    def set(self, **feed) -> None:
        self.config = replace(self.config, feed=replace(self.config.feed, **feed))


@pytest.fixture
def logged():
    """What is logged."""
    with structlog.testing.capture_logs() as logs:
        yield logs


@asynccontextmanager
async def followed(root, venue, listings, *products, **options):
    """A recorder with a configuration and a list that can change; gives both with it."""
    file = File(config_for(root, venue.url, products, CHANNELS))
    file.set(**options)
    listing = Listing(Root(root), "advanced", listings.fetch)
    if any("*" in each or each == "all" for each in products) and listing.products is None:
        assert await listing.refresh()
    async with recording(file.config, listing=listing, read=file.read) as running:
        yield running, file


def arrivals(root, *kinds):
    return [each for _, each in read_arrivals([root / "capture"]) if isinstance(each, kinds)]


def books(running) -> set[str]:
    """The products whose books are live."""
    found = running._recording.pipeline.books.values()
    return {book.product_id for book in found if book.epoch is not None}


def count(logs, event: str) -> int:
    return sum(each["event"] == event for each in logs)


async def test_what_is_added_and_removed_does_not_touch_the_other_connection(
    tmp_path, monkeypatch, logged
):
    """The session of the other line goes on, its numbers unbroken; the product is written down."""
    monkeypatch.setattr(plan, "PRODUCTS_MAX", 2)
    async with (
        Venue(seed=1, products=MANY[:8], depth=0.02, rate=3, keep_sent=True) as venue,
        followed(tmp_path, venue, Listings(*MANY[:8]), *MANY[:4]) as (running, file),
    ):
        await wait_for(lambda: books(running) == {*MANY[:4]}, "four books")
        names = [each.connection_id for each in running._connections]
        assert [line.products for line in running._lines] == [MANY[0:4:2], MANY[1:4:2]]
        file.set(products=(MANY[1], MANY[2], MANY[3], MANY[5]))
        running.lineup.ask_again()
        await wait_for(lambda: books(running) == {*MANY[1:4], MANY[5]}, "the new book")
        frames = running.progress().frames
        await wait_for(lambda: running.progress().frames > frames + 50, "more frames")
        assert [each.connection_id for each in running._connections] == names
        asked = [[r.text for r in kept.requests] for kept in venue.records]
    assert [len(each) for each in asked] == [4, 2]
    assert [b"unsubscribe" in each for each in asked[0]] == [False, False, True, False]
    (event,) = [each for each in logged if each["event"] == "plan_changed"]
    assert (event["added"], event["removed"]) == ([MANY[5]], [MANY[0]])
    assert len(arrivals(tmp_path, Opened)) == len(arrivals(tmp_path, Closed)) == 2
    assert count(logged, "gap_found") == 0
    gaps = {row[:2] for row in live_rows(tmp_path, "coverage", "product_id, reason") if row[1]}
    assert (MANY[0], "unsubscribed") in gaps
    # At the stop, one of the two connections closes before the other.
    assert {reason for _, reason in gaps} <= {"unsubscribed", "connection_closed"}
    sent = [bytes(frame) for frame in venue.sent(1)]
    got = [each.raw for each in arrivals(tmp_path, Frame) if each.connection_id == names[1]]
    assert got == sent[: len(got)]


async def test_patterns_follow_the_list(tmp_path, logged, monkeypatch):
    """What is listed later is recorded later; a list with a hole takes nothing away."""
    listings = Listings("BTC-USD", "ETH-USD", "ETH-EUR")
    async with (
        Venue(seed=1, products=("BTC-USD", "ETH-USD", "SOL-USD"), depth=0.02) as venue,
        followed(tmp_path, venue, listings, "*-USD") as (running, _),
    ):
        await wait_for(lambda: books(running) == {"BTC-USD", "ETH-USD"}, "both books")
        listings.products |= {"SOL-USD": Listed("SOL-USD", volume=9.0)}
        del listings.products["ETH-USD"]
        running.lineup.ask_again()
        await wait_for(lambda: "SOL-USD" in books(running), "the new book")
        assert running.lineup.products == ("SOL-USD", "BTC-USD", "ETH-USD")
        listings.products["BTC-USD"] = Listed("BTC-USD", "delisted")
        running.lineup.ask_again()
        await wait_for(lambda: running.lineup.products == ("SOL-USD", "ETH-USD"), "the change")
    assert len(arrivals(tmp_path, Opened)) == 1
    assert [each["event"] for each in logged if each["event"] == "plan_changed"] == [
        "plan_changed", "plan_changed",
    ]  # fmt: skip


async def test_the_list_is_asked_for_anew_by_itself(tmp_path, monkeypatch):
    """Daily; sooner while it was not had."""
    monkeypatch.setattr(lineup, "RETRY_S", 0.05)
    monkeypatch.setattr(lineup, "REFRESH_S", 0.1)
    listings = Listings("BTC-USD")
    listings.error = VenueUnavailableError("it is down")
    async with (
        Venue(seed=1, products=("BTC-USD",), depth=0.02) as venue,
        followed(tmp_path, venue, listings, "BTC-USD") as (running, _),
    ):
        await wait_for(lambda: listings.asked >= 3, "three tries")
        listings.error = None
        await wait_for(lambda: running.lineup._listing.fresh, "the list")
        asked = listings.asked
        await wait_for(lambda: listings.asked >= asked + 2, "two more")
    assert Listing(Root(tmp_path), "advanced", None).products == (Listed("BTC-USD"),)


def lists_in(root):
    """What the capture holds of lists; it may not be there yet."""
    return arrivals(root, frames.Listed) if (root / "capture").is_dir() else []


async def test_what_the_list_says_becomes_rows_of_status(tmp_path, monkeypatch):
    """Of the products of the plan alone, once for each list, and again when it is made again."""
    monkeypatch.setattr(lineup, "REFRESH_S", 0.1)
    rules = RestRules(a_second=1000.0, burst=1000)
    async with (
        Venue(seed=1, products=("BTC-USD", "ETH-USD"), depth=0.02) as venue,
        RestVenue(venue.market, rules) as service,
        Rest("advanced", service.url, a_second=1000) as rest,
    ):
        listing = Listing(Root(tmp_path / "data"), "advanced", fetch_from(rest))
        config = config_for(tmp_path / "data", venue.url, ("BTC-USDC", "ETH-USD"), CHANNELS)
        async with recording(config, listing=listing):
            await wait_for(lambda: len(lists_in(tmp_path / "data")) >= 2, "two lists")
    names = "product_id, kind, price_increment, trading_disabled, aliases, alias, connection_id"
    rows = live_rows(tmp_path / "data", "status", names)
    assert set(rows) == {
        ("BTC-USD", "rest", "0.01", "false", "BTC-USDC", None, "rest"),
        ("ETH-USD", "rest", "0.01", "false", "ETH-USDC", None, "rest"),
    }
    assert len(rows) == 2 * len(lists_in(tmp_path / "data"))
    finishing.seal(tmp_path / "data", include_current=True)
    recovery.rebuild(Root(tmp_path / "data"), Root(tmp_path / "again"))
    assert sealed_bytes(tmp_path / "again") == sealed_bytes(tmp_path / "data")


async def test_a_start_without_rest(tmp_path, logged):
    """By ids at once; by patterns from the list that was kept; without any list it says so."""
    listings = Listings("BTC-USD", "ETH-USD")
    down = Listings()
    down.error = VenueUnavailableError("it is down")
    async with Venue(seed=1, depth=0.02) as venue:
        with pytest.raises(UnavailableError, match="which need the venue's list"):
            async with recording(config_for(tmp_path / "none", venue.url, ("*-USD",), CHANNELS)):
                pass
        async with followed(tmp_path, venue, down, "BTC-USD") as (running, _):
            await wait_for(lambda: books(running) == {"BTC-USD"}, "the book")
        assert [e["log_level"] for e in logged if e["event"] == "products_not_listed"] == ["info"]
        async with followed(tmp_path, venue, listings, "*-USD") as (running, _):
            await wait_for((tmp_path / "products.json").exists, "the list on disk")
            assert listings.asked == 1  # not again what was waited for before the start
        logged.clear()
        async with followed(tmp_path, venue, down, "*-USD") as (running, _):
            await wait_for(lambda: books(running) == {"BTC-USD", "ETH-USD"}, "both books")
        assert [e["log_level"] for e in logged if e["event"] == "products_not_listed"] == [
            "warning"
        ]


async def test_what_is_not_recorded_as_asked_is_written_down_once(tmp_path, logged):
    """Unknown, delisted and offline products are rows of faults; aliases a line of the log."""
    listings = Listings("BTC-USD")
    listings.products |= {
        "GONE-USD": Listed("GONE-USD", "delisted"),
        "ETH-USD": Listed("ETH-USD", "offline"),
        "BTC-USDC": Listed("BTC-USDC", alias="BTC-USD"),
    }
    asked = ("BTC-USDC", "ETH-USD", "GONE-USD", "NOPE-USD")
    async with (
        Venue(seed=1, depth=0.02) as venue,
        followed(tmp_path, venue, listings, *asked) as (running, _),
    ):
        wanted = ("BTC-USD", "ETH-USD")
        await wait_for(lambda: running.lineup.products == wanted, "the list")
        running.lineup.ask_again()
        await wait_for(lambda: listings.asked == 2, "the list again")
        await wait_for(lambda: books(running) == {*wanted}, "both books")
    kinds = [(each.kind, each.detail.split(":")[0]) for each in arrivals(tmp_path, Noted)]
    assert sorted(kinds) == [
        ("product_delisted", "GONE-USD"),
        ("product_offline", "ETH-USD"),
        ("product_unknown", "NOPE-USD"),
    ]
    (selected,) = [each for each in logged if each["event"] == "products_selected"]
    assert selected["aliases"] == {"BTC-USDC": "BTC-USD"}


async def test_a_configuration_that_is_wrong_is_refused(tmp_path, logged):
    """One line names the mistakes, recording goes on with the old one; so does one for nothing."""
    async with (
        Venue(seed=1, depth=0.02) as venue,
        followed(tmp_path, venue, Listings("BTC-USD"), "BTC-USD") as (running, file),
    ):
        await wait_for(lambda: books(running) == {"BTC-USD"}, "the book")
        name = running._connections[0].connection_id
        file.error = ConfigError("recorder.toml:3: feed.products: is an empty list")
        running.lineup.ask_again()
        await wait_for(lambda: count(logged, "config_refused") == 1, "the refusal")
        file.error = None
        file.set(products=("*-JPY",))
        running.lineup.ask_again()
        await wait_for(lambda: count(logged, "config_refused") == 2, "the second refusal")
        assert running.lineup.products == ("BTC-USD",)
        assert running._connections[0].connection_id == name
    texts = [each["error"] for each in logged if each["event"] == "config_refused"]
    assert texts[0].startswith("recorder.toml:3: ")
    assert "*-JPY match no product" in texts[1]
    assert len(arrivals(tmp_path, Opened)) == 1


async def test_what_needs_a_restart_is_named_and_the_rest_taken_over(tmp_path, logged):
    """Where to and where from stay as they are; how long to keep, how often to publish do not."""
    async with (
        Venue(seed=1, depth=0.02) as venue,
        followed(tmp_path, venue, Listings("BTC-USD", "ETH-USD"), "BTC-USD") as (running, file),
    ):
        await wait_for(lambda: books(running) == {"BTC-USD"}, "the book")
        file.set(url="ws://127.0.0.1:9", products=("ETH-USD",), channels=(*CHANNELS, "ticker"))
        store = replace(file.config.store, part_seconds=7, keep_capture_s=None)
        file.config = replace(file.config, data=tmp_path / "x", store=store)
        running.lineup.ask_again()
        await wait_for(lambda: books(running) == {"ETH-USD"}, "the other book")
        assert running._disk._part_seconds == 7
        assert running._hours._keep_capture_s is None
        assert running.lineup.config.data == tmp_path
        await wait_for(lambda: live_rows(tmp_path, "ticker"), "tickers")
        logged_keys = [each["keys"] for each in logged if each["event"] == "restart_needed"]
        assert logged_keys == [["data", "feed.url"]]
        file.set(venue="exchange", products=("BTC-USD",))
        running.lineup.ask_again()
        await wait_for(lambda: count(logged, "restart_needed") == 2, "the second")
        await asyncio.sleep(0.1)
        assert running.lineup.products == ("ETH-USD",)
    assert len(arrivals(tmp_path, Opened)) == 1


async def test_a_product_that_the_venue_delists_is_not_asked_for_any_more(tmp_path, logged):
    """The status channel says it; its line unsubscribes it, and nothing is retried."""
    file_channels = (*CHANNELS, "status")
    async with (
        Venue(seed=1, depth=0.02, keep_sent=True) as venue,
        followed(
            tmp_path, venue, Listings("BTC-USD", "ETH-USD"), "BTC-USD", "ETH-USD",
            channels=file_channels,
        ) as (running, _),
    ):  # fmt: skip
        await wait_for(lambda: books(running) == {"BTC-USD", "ETH-USD"}, "both books")
        venue.fault("delist", product="ETH-USD")
        await wait_for(lambda: running.lineup.products == ("BTC-USD",), "the change")
        await wait_for(lambda: books(running) == {"BTC-USD"}, "the end of the book")
        (kept,) = venue.records
        await wait_for(lambda: len(kept.requests) >= 5, "the requests")
        texts = [request.text for request in kept.requests]
    assert all(b"ETH-USD" in text for text in texts if b"unsubscribe" in text)
    sent = arrivals(tmp_path, Sent)
    last = max(number for number, each in enumerate(sent) if b"ETH-USD" in each.raw)
    assert b"unsubscribe" in sent[last].raw
    assert count(logged, "plan_changed") == 1


async def test_thirty_products_within_the_limits_of_the_address(tmp_path):
    """Over two connections; never more than 8 requests or connects in a second."""
    async with (
        Venue(seed=1, products=MANY, depth=0.02, keep_sent=True) as venue,
        followed(tmp_path, venue, Listings(*MANY), "all") as (running, file),
    ):
        assert [len(line.products) for line in running._lines] == [15, 15]
        await wait_for(lambda: books(running) == set(MANY), "all books", 60)
        file.set(exclude=MANY[10:20])
        running.lineup.ask_again()
        await wait_for(lambda: books(running) == {*MANY[:10], *MANY[20:]}, "the change")
        times_s = sorted(r.loop_s for kept in venue.records for r in kept.requests)
        connects_s = [connect.loop_s for connect in venue.connects]
    for times, allowed in ((times_s, 8), (connects_s, 8)):
        assert all(
            after - before >= 1.0 for before, after in zip(times, times[allowed:], strict=False)
        )
    assert len(connects_s) == 2
    assert all(before <= after for before, after in pairwise(times_s))
    assert not any(b'"type":"error"' in frame for kept in venue.records for frame in kept.sent)


async def test_the_exchange_is_recorded(tmp_path):
    """Its own channels and requests; the books are the venue's."""
    async with Venue(seed=1, depth=0.02, rate=3, protocol="exchange", keep_sent=True) as venue:
        text = f'data = "{tmp_path}"\n[feed]\nvenue = "exchange"\nurl = "{venue.url}"\n'
        config = settings.parse(f"{text}[store]\npart_seconds = 1\nfree_space_min = '1MB'", None)
        async with recording(config) as running:
            await wait_for(lambda: books(running) == {"BTC-USD", "ETH-USD"}, "both books")
            await wait_for(lambda: live_rows(tmp_path, "heartbeats"), "heartbeats")
            await wait_for(lambda: live_rows(tmp_path, "trades"), "trades")
        (opened,) = arrivals(tmp_path, Opened)
        assert (opened.venue, opened.first_sequence) == ("exchange", None)
        (kept,) = venue.records
    got = [each.raw for each in arrivals(tmp_path, Frame)]
    assert got == kept.sent[: len(got)]
    assert live_rows(tmp_path, "faults") == []


async def test_sighup_of_the_daemon(tmp_path):
    """The real process reads its file and the venue's list again, and does not reconnect."""
    products = ("BTC-USD", "ETH-USD", "SOL-USD")
    async with Venue(seed=1, products=products, depth=0.02, keep_sent=True) as venue:
        rules = RestRules(a_second=1000.0, burst=1000)
        async with RestVenue(venue.market, rules) as service:
            file, log = tmp_path / "recorder.toml", tmp_path / "log"

            def write(wanted: list[str], more: str = "") -> None:
                file.write_text(
                    f'data = "{tmp_path / "data"}"\n[feed]\nurl = "{venue.url}"\n'
                    f'rest_url = "{service.url}"\nproducts = {wanted}\n{more}'.replace("'", '"')
                )

            write(["*-USD"], 'exclude = ["SOL-*"]\n')
            daemon = Daemon(file, log)
            try:
                live = b'"event":"book_live"'
                assert await daemon.wait(lambda: log.read_bytes().count(live) >= 2, 20)
                write(["SOL-USD", "BTC-USDC"])
                daemon.process.send_signal(signal.SIGHUP)
                assert await daemon.wait(lambda: daemon.logged("plan_changed"), 20)
                assert await daemon.wait(lambda: log.read_bytes().count(live) >= 3, 20)
                write(["btc-usd"])
                daemon.process.send_signal(signal.SIGHUP)
                assert await daemon.wait(lambda: daemon.logged("config_refused"), 20)
                *_, code = await daemon.end(signal.SIGTERM)
                assert code == 0
            finally:
                daemon.clear()
    assert len(venue.connects) == 1
    assert (tmp_path / "data/products.json").exists()
    opened = arrivals(tmp_path / "data", Opened)
    assert len(opened) == 1
