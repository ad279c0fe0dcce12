"""The way to a venue on loopback: well, and in each way not."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recorder.doctor import network
from recorder.venue import Venue
from recorder.venue.rest import Failure, RestRules
from tests.authorities import DAY, NOW, Authority
from tests.doctor.cases import case
from tests.rest_service import FAST, serving

NOBODY = "127.0.0.1:9"


@contextmanager
def socket_of_a_venue() -> Iterator[str]:
    """A venue on a thread, for checks that have an event loop of their own."""
    told: list[str] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with Venue(seed=1, products=("BTC-USD",), depth=0.01) as venue:
            told.append(venue.url)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield told[0]
    finally:
        over.set()
        thread.join()


def feed(**settings: str) -> str:
    usual = {"url": f"ws://{NOBODY}", "rest_url": f"http://{NOBODY}"}
    usual |= {"trades_url": f"http://{NOBODY}"} | settings
    return "[feed]\n" + "".join(f'{name} = "{value}"\n' for name, value in usual.items())


def test_offline_nothing_is_asked(tmp_path):
    checks = (network.names, network.tls, network.web_socket, network.rest, network.clock)
    assert {check(case(tmp_path, offline=True)).state for check in checks} == {"skip"}


def test_addresses_are_those_that_are_used(tmp_path):
    """A market on this machine has nothing to do with services elsewhere."""
    found = dict(network.addresses(case(tmp_path, "[feed]\nuser = true\n")))
    assert set(found) == {"feed.url", "feed.user_url", "feed.rest_url", "feed.trades_url"}
    here = dict(network.addresses(case(tmp_path, f'[feed]\nurl = "ws://{NOBODY}"\n')))
    assert set(here) == {"feed.url"}


def test_names(tmp_path, monkeypatch):
    assert network.names(case(tmp_path, feed())).state == "ok"
    monkeypatch.setattr(network, "resolve", lambda _: "Name or service not known")
    found = network.names(case(tmp_path, feed()))
    assert (found.state, "127.0.0.1: Name or" in found.found) == ("fail", True)


def test_a_name_is_not_waited_for_long(monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(network, "WAIT_S_MAX", 0.01)
    monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_, **__: [held.wait()][:0])
    assert network.resolve("x") == "no answer within 0.01 s"
    held.set()


def test_a_name_that_is_none_is_said():
    assert network.resolve("127.0.0.1") == ["127.0.0.1"]
    assert isinstance(network.resolve("a" * 300), str)


def test_web_sockets(tmp_path):
    """One that opens, one where nobody listens."""
    with socket_of_a_venue() as url:
        found = network.web_socket(case(tmp_path, feed(url=url)))
        assert found.state == "ok"
        assert "opened in" in found.found
    found = network.web_socket(case(tmp_path, feed()))
    assert found.state == "fail"
    assert "nobody listens" in found.found


@pytest.mark.parametrize(
    ("certificate", "state", "why"),
    [
        ({"end": NOW + 9 * DAY}, "ok", "TLSv1.3"),
        ({}, "warn", "for 1 more days"),
        ({"host": "ws-feed.exchange.coinbase.com"}, "fail", "for another"),
        ({"begin": NOW - 3 * DAY, "end": NOW - DAY}, "fail", "has expired"),
        (None, "fail", "of an authority that this machine does not trust"),
    ],
)
def test_certificates(certificate, state, why, tmp_path, monkeypatch):
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    monkeypatch.setenv("SSL_CERT_FILE", ours.ca_file)
    tls = theirs.server() if certificate is None else ours.server(**certificate)
    with serving(tls=tls) as service:
        found = network.tls(case(tmp_path, feed(rest_url=service.url)))
    # Of the two plain addresses nothing is said.
    assert (found.state, why in found.found) == (state, True), found
    assert bool(found.fix) is (state != "ok")


def test_tls_that_is_none(tmp_path):
    assert network.tls(case(tmp_path, feed())).state == "skip"
    assert network.tls(case(tmp_path, feed(rest_url=f"https://{NOBODY}"))).state == "fail"
    with serving() as service:
        plain = service.url.replace("http:", "https:")
        found = network.tls(case(tmp_path, feed(rest_url=plain)))
    assert (found.state, "does not speak TLS" in found.found) == ("fail", True)


def test_rest_services(tmp_path, monkeypatch):
    """What does not answer is doubtful: recording goes on without it."""
    monkeypatch.setattr(network, "WAIT_S_MAX", 5.0)
    with serving() as service:
        here = case(tmp_path, feed(rest_url=service.url, trades_url=service.url))
        assert network.rest(here).state == "ok"
        assert network.trades(here).state == "ok"
        service.fail(50, Failure(403, b"{}"))
        assert network.rest(here).state == "warn"
    assert network.rest(case(tmp_path, f'[feed]\nurl = "ws://{NOBODY}"\n')).state == "skip"
    assert network.trades(case(tmp_path, feed(trades_url=""))).state == "skip"


def test_a_service_that_does_not_answer_is_not_waited_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "WAIT_S_MAX", 0.05)
    with serving() as service:
        service.fail(9, Failure(200, b"{}", wait_s=30.0))
        found = network.rest(case(tmp_path, feed(rest_url=service.url)))
        assert (found.state, "did not answer" in found.found) == ("warn", True)
        assert network.clock(case(tmp_path, feed(rest_url=service.url))).state == "skip"


@pytest.mark.parametrize(("skew_s", "state"), [(0.0, "ok"), (-9.0, "warn"), (90.0, "fail")])
def test_the_clocks_are_compared(skew_s, state, tmp_path):
    with serving(RestRules(**FAST, skew_s=skew_s)) as service:
        found = network.clock(case(tmp_path, feed(rest_url=service.url)))
    assert found.state == state, found
