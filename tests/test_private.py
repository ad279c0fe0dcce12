"""Signed subscriptions end to end: own orders, the Exchange's books, keys that are refused."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

import recorder
from recorder import config as settings
from recorder import live, recovery, verify
from recorder.core.frames import Sent
from recorder.errors import ConfigError
from recorder.feed import connection
from recorder.feed.signing import VenueClock
from recorder.keycheck import Signings, signings_for
from recorder.store.capture import read_arrivals
from recorder.store.paths import Root
from recorder.venue import Access, Venue
from recorder.venue.rest import RestRules, RestVenue
from recorder.venue.rest_keys import KnownKey, new_key
from tests.recorders import config_for, live_rows, recording, wait_for
from tests.rest_service import FAST

CHANNELS = ("heartbeats", "market_trades")


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch):
    for name in ("CREDENTIALS_DIRECTORY", "COINBASE_API_KEY", "COINBASE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "SIGN_AGAIN_S", 0.1)


class Account(NamedTuple):
    """A key as the venue knows it, and where its owner keeps it."""

    known: KnownKey
    secret: str
    file: Path | None


def account(folder: Path, kind: Any = "ES256", **may: bool) -> Account:
    """A new key of Advanced Trade in a file, or one of the Exchange."""
    known, secret = new_key(kind, **may)
    if kind == "exchange":
        return Account(known, secret, None)
    file = folder / f"{kind}-{known.name[-6:]}.json"
    file.write_text(json.dumps({"name": known.name, "privateKey": secret}))
    file.chmod(0o600)
    return Account(known, secret, file)


def to_environment(monkeypatch, held: Account) -> None:
    monkeypatch.setenv("COINBASE_API_KEY", held.known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", held.secret)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", held.known.passphrase)


def with_user(root: Path, venue: Venue, rest_url: str, file: Path | None, **more: Any):
    """Settings that record own orders beside a little market data."""
    config = config_for(root, venue.url, ("BTC-USD",), CHANNELS)
    feed = replace(
        config.feed, user=True, user_url=venue.url, rest_url=rest_url, key_file=file, trades_url=""
    )
    return replace(config, feed=replace(feed, **more))


@asynccontextmanager
async def rest_of(venue: Venue, *keys: KnownKey, skew_s: float = 0.0) -> AsyncIterator[RestVenue]:
    rules = RestRules(keys=keys, skew_s=skew_s, **FAST)
    async with RestVenue(lambda: venue.market, rules) as service:
        yield service


async def signings(config: settings.Config) -> Signings:
    """As `live.record` has them, which is not in the loop of the recording."""
    return await asyncio.to_thread(signings_for, config.feed)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def arrivals(root: Path, kind: type) -> list[Any]:
    return [each for _, each in read_arrivals([root / "capture"]) if isinstance(each, kind)]


def requests(venue: Venue, channel: str) -> list[dict[str, Any]]:
    """What was asked of a channel of Advanced Trade, as it came."""
    asked = [json.loads(each.text) for kept in venue.records for each in kept.requests]
    return [each for each in asked if each["channel"] == channel]


def orders_in_snapshots(venue: Venue) -> int:
    """How many orders the venue sent as those that were open."""
    frames = [frame for kept in venue.records for frame in kept.sent if b'"user"' in frame]
    events = [event for frame in frames for event in json.loads(frame)["events"]]
    return sum(len(each["orders"]) for each in events if each.get("type") == "snapshot")


def errors_sent(venue: Venue) -> int:
    return sum(b'"type":"error"' in frame for kept in venue.records for frame in kept.sent)


@pytest.mark.parametrize("kind", ["ES256", "EdDSA"])
async def test_own_orders_are_recorded_and_nobody_else_may_read_them(tmp_path, kind):
    """Every order as the venue has it; parts, sealed files and capture are for their owner."""
    root, held = tmp_path / "data", account(tmp_path, kind)
    os.umask(0o022)
    async with (
        Venue(seed=5, depth=0.01, keep_sent=True, access=Access((held.known,))) as venue,
        rest_of(venue, held.known) as rest,
    ):
        config = with_user(root, venue, rest.url, held.file)
        async with recording(config, signings=await signings(config)) as running:
            await wait_for(lambda: running._rows["user_orders"] >= 56, "orders that changed")
            tracks = running._recording.pipeline.coverage.tracks
            assert [name[:5] for name in tracks["user", None].recordings] == ["user1"]
            assert len(tracks["heartbeats", None].recordings) == 2
        assert errors_sent(venue) == 0
        truth = venue.orders.every
        asked = requests(venue, "user")
    assert len(asked) == 1
    assert all(each["jwt"].startswith("ey") for each in asked)
    assert not any(b"jwt" in each.raw for each in arrivals(root, Sent))
    assert any(b'"channel":"user"' in each.raw for each in arrivals(root, Sent))
    rows = live_rows(root, "user_orders", "kind, order_id, status, cumulative_quantity")
    assert [row[0] for row in rows].count("snapshot") == orders_in_snapshots(venue) > 40
    by_id = {order_id: (status, float(filled)) for _, order_id, status, filled in rows}
    same = [
        order_id
        for order_id, found in by_id.items()
        if found
        == (truth[order_id].status, truth[order_id].filled / 10 ** truth[order_id].spec.size_digits)
    ]
    assert len(same) >= len(by_id) - 1  # one may have changed after the stop
    # --- who may read it
    parts = [path for path in (root / "live/user_orders").iterdir() if path.name[0] != "0"]
    assert {mode(path) for path in parts} == {0o600}
    assert {mode(path) for path in root.glob("capture/*/*.cap")} == {0o600}
    assert {mode(path) for path in root.glob("live/market_trades/*.parquet")} <= {0o444}
    recovery.seal_and_switch(Root(root), Root(root).captured_hours())
    (sealed,) = root.glob("user_orders/date=*/hour=*/*.parquet")
    assert mode(sealed) == 0o600
    assert {mode(path) for path in root.glob("trades/**/*.parquet")} == {0o444}
    assert duckdb.sql(f"SELECT count(*) FROM '{sealed}'").fetchall() == [(len(rows),)]
    report = verify.verify(root, deep=True)
    assert (report.whole, report.findings) == (True, [])
    covered = recorder.open(root).coverage("BTC-USD").to_pylist()
    assert covered


async def test_a_gap_on_own_orders_is_answered_by_a_new_connection(tmp_path):
    """What changed in the gap is told by the orders that are open then."""
    held = account(tmp_path)
    async with (
        Venue(seed=5, depth=0.01, access=Access((held.known,))) as venue,
        rest_of(venue, held.known) as rest,
    ):
        config = with_user(tmp_path / "data", venue, rest.url, held.file)
        async with recording(config, signings=await signings(config)) as running:
            await wait_for(lambda: running._rows["user_orders"] >= 54, "orders")
            (line,) = (each for each, to in venue._sessions.items() if "user" in to.channels)
            line.faults.skip = 1
            await wait_for(lambda: running._rows["user_orders"] >= 54 + 40, "the orders again")
            assert running.progress().sequence_gaps == 1
    rows = live_rows(tmp_path / "data", "user_orders", "connection_id, kind")
    assert len({row[0] for row in rows if row[1] == "snapshot"}) == 2
    gaps = live_rows(tmp_path / "data", "coverage", "channel, state, reason")
    assert ("user", "gap", "sequence_gap") in gaps


async def test_what_the_venue_refuses_is_signed_again_once_and_told(tmp_path):
    """The socket does not know the key: market data is recorded all the same, the gap is told."""
    root, held = tmp_path / "data", account(tmp_path)
    async with (
        Venue(seed=5, depth=0.01, keep_sent=True) as venue,
        rest_of(venue, held.known) as rest,
    ):
        config = with_user(root, venue, rest.url, held.file)
        async with recording(config, signings=await signings(config)) as running:
            await wait_for(lambda: len(requests(venue, "user")) >= 2, "the second request")
            await wait_for(lambda: running._recording.pipeline.faults >= 5, "what is told of it")
            await wait_for(lambda: running._rows["trades"], "trades")
        asked = requests(venue, "user")
    assert len({each["jwt"] for each in asked}) == len(asked) == 2
    faults = live_rows(root, "faults", "kind, detail, raw")
    (told,) = [row for row in faults if row[0] == "subscription_refused"]
    assert "authentication failure: the key organizations/" in told[1]
    assert "this machine's clock is right. `recorder auth check` says more" in told[1]
    assert {row[2] for row in faults} == {None}  # of a private connection nothing is repeated
    assert live_rows(root, "user_orders") == []


@pytest.mark.parametrize("skew_s", [300.0, -300.0])
async def test_a_clock_that_is_wrong_is_reckoned_with(tmp_path, skew_s):
    """The venue's clock is minutes from ours: known from the start, every signature is taken."""
    held = account(tmp_path)
    access = Access((held.known,), everything=True, skew_s=skew_s)
    async with (
        Venue(seed=5, depth=0.01, keep_sent=True, access=access) as venue,
        rest_of(venue, held.known, skew_s=skew_s) as rest,
    ):
        config = with_user(tmp_path / "data", venue, rest.url, held.file, sign_all=True)
        async with recording(config, signings=await signings(config)) as running:
            await wait_for(lambda: running._rows["user_orders"] >= 53, "orders")
            await wait_for(lambda: running._rows["trades"], "trades")
        assert errors_sent(venue) == 0


async def _nothing(_self):
    """Watch nothing."""


async def test_a_clock_that_goes_wrong_is_measured_before_signing_again(tmp_path, monkeypatch):
    """What was refused for the time of its token is taken with the venue's."""
    monkeypatch.setattr(VenueClock, "watch", _nothing)  # it would be measured before anything
    held = account(tmp_path)
    access = Access((held.known,), skew_s=-300.0)
    async with (
        Venue(seed=5, depth=0.01, keep_sent=True, access=access) as venue,
        rest_of(venue, held.known) as rest,
    ):
        config = with_user(tmp_path / "data", venue, rest.url, held.file)
        signs = await signings(config)
        rest.rules = replace(rest.rules, skew_s=-300.0)
        async with live.rest_services(config.feed) as (service, _):
            signs.clock.ask = service.time
            async with recording(config, signings=signs) as running:
                await wait_for(lambda: running._rows["user_orders"] >= 53, "orders")
        assert signs.clock.ahead_s == pytest.approx(300.0, abs=2.0)
        assert errors_sent(venue) == 2  # heartbeats and orders, once each


async def test_market_data_of_a_strict_venue_wants_a_signature(tmp_path):
    """Unsigned requests are refused and told as such; nothing is asked for in a circle."""
    held = account(tmp_path)
    async with Venue(
        seed=5, keep_sent=True, access=Access((held.known,), everything=True)
    ) as venue:
        config = config_for(tmp_path / "data", venue.url, ("BTC-USD",), CHANNELS)
        async with recording(config) as running:
            await wait_for(lambda: running._recording.pipeline.faults >= 3, "what is told of it")
            await wait_for(lambda: live_rows(tmp_path / "data", "faults"), "the rows")
    faults = live_rows(tmp_path / "data", "faults", "kind, detail")
    (told,) = [detail for kind, detail in faults if kind == "subscription_refused"]
    assert "so it is no key that is refused" in told


# --- the Exchange --------------------------------------------------------------------------------


def on_exchange(root: Path, venue: Venue, rest_url: str, *channels: str) -> settings.Config:
    names = json.dumps([*channels, "heartbeats", "market_trades"])
    return settings.parse(
        f'data = "{root}"\n[feed]\nvenue = "exchange"\nurl = "{venue.url}"\n'
        f'rest_url = "{rest_url}"\ntrades_url = ""\nproducts = ["BTC-USD", "ETH-USD"]\n'
        f"channels = {names}\n[store]\npart_seconds = 1\n",
        None,
    )


@pytest.mark.parametrize("skew_s", [0.0, 400.0])
async def test_books_of_the_exchange_at_the_full_rate_with_a_key(tmp_path, monkeypatch, skew_s):
    """Everything is signed, also what would not have to be, and nothing of it is written down."""
    held = account(tmp_path, "exchange")
    to_environment(monkeypatch, held)
    access = Access((held.known,), everything=True, skew_s=skew_s)
    async with (
        Venue(
            seed=6, depth=0.01, rate=5, protocol="exchange", keep_sent=True, access=access
        ) as venue,
        rest_of(venue, held.known, skew_s=skew_s) as rest,
    ):
        config = on_exchange(tmp_path / "data", venue, rest.url, "level2")
        async with recording(config, signings=await signings(config)) as running:
            await wait_for(lambda: running.progress().books_live == 2, "both books")
            await wait_for(lambda: running._rows["level2"] > 1000, "changes")
            running._feeds.connections[0].resubscribe("level2", ("BTC-USD",))
            asked = venue.records[0].requests
            await wait_for(lambda: len(asked) == 5, "it is asked for again")
            await wait_for(lambda: running.progress().books_live == 2, "both books again")
            venue.freeze()
        book = recorder.open(tmp_path / "data").book("ETH-USD")
        asked = [json.loads(each.text) for each in venue.records[0].requests]
        assert errors_sent(venue) == 0
    assert book.bids
    names = {"signature", "key", "passphrase", "timestamp"}
    assert [each["channels"] for each in asked].count(["level2"]) == 3
    assert all(names <= each.keys() for each in asked)
    sent = [json.loads(each.raw) for each in arrivals(tmp_path / "data", Sent)]
    assert [{**each, **dict.fromkeys(names)} for each in sent] == [
        {**each, **dict.fromkeys(names)} for each in asked
    ]
    assert not any(names & each.keys() for each in sent)
    assert live_rows(tmp_path / "data", "faults") == []


async def test_a_secret_that_is_another_one_s_is_refused_by_the_socket_too(tmp_path, monkeypatch):
    """REST could not be asked, so it shows on the socket: told, with what to do."""
    held, other = account(tmp_path, "exchange"), account(tmp_path, "exchange")
    to_environment(monkeypatch, held._replace(secret=other.secret))
    access = Access((held.known,), everything=True)
    async with Venue(seed=6, protocol="exchange", keep_sent=True, access=access) as venue:
        config = on_exchange(tmp_path / "data", venue, "http://127.0.0.1:9", "level2")
        async with recording(config, signings=await signings(config)) as running:
            await wait_for(
                lambda: venue.records and len(venue.records[0].requests) >= 6, "all of it twice"
            )
            await wait_for(lambda: running._recording.pipeline.faults >= 7, "what is told of it")
    faults = live_rows(tmp_path / "data", "faults", "kind, detail")
    (told,) = [detail for kind, detail in faults if kind == "subscription_refused"]
    assert "authentication failed: invalid signature: the key" in told
    assert "how far this machine's clock is from the venue's is not known" in told


def test_a_recording_that_needs_a_key_does_not_begin_without(tmp_path):
    """Told before anything is connected to or written."""
    for text in ('venue = "exchange"\nchannels = ["heartbeats", "level2"]', "user = true"):
        config = settings.parse(f'data = "{tmp_path}/data"\n[feed]\n{text}\n', None)
        with pytest.raises(ConfigError, match=r"needs a key, and there is no key\. Name a CDP"):
            live.record(config, seal_on_exit=False)
    assert not (tmp_path / "data" / "capture").exists()
