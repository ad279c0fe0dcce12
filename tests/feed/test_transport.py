"""How requests go and answers come: waits, attempts, bounds, TLS. All over real sockets."""

import asyncio
import gzip
import ssl
import time
from email.utils import formatdate
from typing import Any

import pytest

from recorder.credentials import Secret
from recorder.errors import UsageError, VenueUnavailableError
from recorder.feed import transport
from recorder.feed.transport import Answer, Bucket, Transport, retry_after_s, tls_context
from recorder.venue.market import Market
from recorder.venue.rest import Failure, RestRules, RestVenue
from tests.authorities import DAY, NOW, Authority

MARKET = Market(7, ("TIA-USD",), time.time_ns(), depth=0.01)
TIME = "/time"


def served(**options: Any) -> RestVenue:
    rules = RestRules(**{"a_second": 1000.0, "burst": 1000} | options.pop("rules", {}))
    return RestVenue(MARKET, rules, **options)


def asking(url: str, **options: Any) -> Transport:
    """A transport that waits for nothing of its own."""
    return Transport(url, **{"a_second": 1000.0, "burst": 100, "jitter": lambda: 0.0} | options)


class FakeLoop:
    """Time that passes only by sleeping."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    def time(self) -> float:
        return self.now_s

    async def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s


# --- the bucket ----------------------------------------------------------------------------------


def turns(bucket: Bucket, count: int, loop: FakeLoop) -> list[float]:
    """When each of so many that ask one after the other may go, from the first ask on."""
    begin_s = loop.now_s
    found = []
    for _ in range(count):
        turn = bucket.wait_turn()
        with pytest.raises(StopIteration):
            turn.send(None)
        found.append(round(loop.now_s - begin_s, 6))
    return found


def test_a_burst_goes_at_once_and_the_rest_at_its_pace(monkeypatch):
    loop = FakeLoop(monkeypatch)
    bucket = Bucket(5, 3)
    assert turns(bucket, 6, loop) == [0, 0, 0, 0.2, 0.4, 0.6]
    loop.now_s += 60
    assert turns(bucket, 4, loop) == [0, 0, 0, 0.2]


def test_a_bucket_that_was_closed_opens_slowly(monkeypatch):
    """After a 429 there is no burst: one by one, from the time that the venue named."""
    loop = FakeLoop(monkeypatch)
    bucket = Bucket(5, 3)
    bucket.close_for(7)
    assert turns(bucket, 3, loop) == [7, 7.2, 7.4]


async def test_no_more_a_second_than_agreed_whoever_asks():
    """Many at once share the pace."""
    async with served() as service, asking(service.url, a_second=50.0, burst=5) as http:
        begin_s = time.monotonic()
        await asyncio.gather(*(http.ask("GET", TIME) for _ in range(20)))
        assert time.monotonic() - begin_s >= 15 / 50


# --- attempts ------------------------------------------------------------------------------------


async def test_what_passes_by_itself_is_tried_again():
    async with served() as service, asking(service.url) as http:
        service.failures.extend([Failure(503), Failure(0), Failure(502), Failure(429)])
        assert (await http.ask("GET", TIME)).status == 200
        assert [each.status for each in service.asked] == [503, 500, 502, 429, 200]


async def test_a_failure_that_stays_is_given_up_on_and_told():
    """The last answer is given; without an answer the last failure is raised."""
    async with served() as service, asking(service.url) as http:
        service.fail(9, Failure(503))
        assert (await http.ask("GET", TIME)).status == 503
        assert len(service.asked) == transport.ATTEMPTS_MAX
        service.failures.clear()
        service.fail(9, Failure(0))
        with pytest.raises(VenueUnavailableError, match="broke off the connection"):
            await http.ask("GET", TIME)
        assert len(service.asked) == 2 * transport.ATTEMPTS_MAX


@pytest.mark.parametrize("status", [400, 401, 403, 404, 301])
async def test_a_refusal_is_not_tried_again(status):
    async with served() as service, asking(service.url) as http:
        service.fail(1, Failure(status))
        assert (await http.ask("GET", TIME)).status == status
        assert len(service.asked) == 1


@pytest.mark.parametrize("failure", [Failure(503), Failure(429), Failure(500)])
async def test_what_may_change_something_is_sent_once(failure):
    """Nobody gets two orders from one command."""
    async with served() as service, asking(service.url) as http:
        service.fail(1, failure)
        answer = await http.ask("POST", "/orders", body=b"{}")
        assert answer.status == failure.status
        assert len(service.asked) == 1
        for method in ("POST", "PUT", "DELETE"):
            service.asked.clear()
            service.fail(1, Failure(0))
            with pytest.raises(VenueUnavailableError, match=f"Whether the {method} was carried"):
                await http.ask(method, "/orders", body=b"{}")
            assert len(service.asked) == 1


async def test_what_was_never_sent_is_told_so():
    async with served() as service:
        url = service.url
    async with asking(url) as http:
        with pytest.raises(VenueUnavailableError, match=r"cannot be reached: .*Nothing was sent"):
            await http.ask("DELETE", "/orders/1")


async def test_waits_have_full_jitter_and_grow(monkeypatch):
    """Each wait is anything between nothing and a bound that doubles."""
    slept = []

    async def sleep(wait_s: float) -> None:
        slept.append(wait_s)

    drawn = iter([0.1, 1.0, 0.5, 0.0])
    async with served() as service, asking(service.url, jitter=lambda: next(drawn, 0.0)) as http:
        service.fail(9, Failure(503))
        monkeypatch.setattr(transport.asyncio, "sleep", sleep)
        await http.ask("GET", TIME)
    assert [wait_s for wait_s in slept if wait_s > 0] == [0.1 * 0.5, 1.0, 0.5 * 2.0]


async def test_retry_after_is_honoured_by_everybody():
    """A 429 holds back what else is asked, for as long as the venue says."""
    async with served() as service, asking(service.url) as http:
        service.fail(1, Failure(429, headers=(("Retry-After", "1"),)))
        begin_s = time.monotonic()
        answers = await asyncio.gather(http.ask("GET", TIME), _later(http))
        assert time.monotonic() - begin_s >= 1.0
        assert [each.status for each in answers] == [200, 200]


async def _later(http: Transport) -> Answer:
    await asyncio.sleep(0.2)
    return await http.ask("GET", TIME)


async def test_a_long_wait_is_not_waited_for_but_told():
    async with served() as service, asking(service.url) as http:
        service.fail(1, Failure(429, headers=(("Retry-After", "3600"),)))
        answer = await http.ask("GET", TIME)
        assert answer.status == 429
        assert retry_after_s(answer.headers) == 3600


async def test_a_storm_of_429_is_survived():
    """The venue's own limit, hit by a client that is too fast, ends in answers."""
    rules = {"a_second": 40.0, "burst": 5, "retry_after_s": None}
    async with served(rules=rules) as service, asking(service.url, jitter=lambda: 0.2) as http:
        answers = await asyncio.gather(*(http.ask("GET", TIME) for _ in range(12)))
        assert {each.status for each in answers} == {200}
        assert 429 in {each.status for each in service.asked}


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("", 0.0),
        ("-3", 0.0),
        ("x", 0.0),
        ("9" * 400, 999999999.0),
        ("\u0667", 0.0),
    ],
)
def test_retry_after_in_seconds(text, wait_s):
    assert retry_after_s({"Retry-After": text}) == wait_s


def test_retry_after_as_a_date_is_compared_with_the_venue_s_own_clock():
    headers = {"Date": formatdate(1_000_000, usegmt=True)}
    assert retry_after_s(headers | {"Retry-After": formatdate(1_000_020, usegmt=True)}) == 20
    assert retry_after_s(headers | {"Retry-After": formatdate(999_000, usegmt=True)}) == 0


# --- bounds --------------------------------------------------------------------------------------


async def test_an_answer_without_an_end_is_given_up_on():
    async with served() as service, asking(service.url, answer_bytes_max=100_000) as http:
        service.fail(1, Failure(200, b"x" * 100_001))
        with pytest.raises(VenueUnavailableError, match="more than 1 MiB in one answer"):
            await http.ask("GET", TIME)
        service.fail(1, Failure(200, b"x" * 100_000))
        assert len((await http.ask("GET", TIME)).body) == 100_000


async def test_a_bomb_is_measured_after_it_is_unpacked():
    """50 kB that become 50 MB are stopped at the bound, whatever the library unpacks at once."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with served() as service, asking(service.url, answer_bytes_max=1_000_000) as http:
        service.fail(1, Failure(200, bomb, (("Content-Encoding", "gzip"),)))
        with pytest.raises(VenueUnavailableError):
            await http.ask("GET", TIME)


async def test_a_venue_that_does_not_answer_is_not_waited_for():
    async with served() as service, asking(service.url, attempt_s_max=0.2) as http:
        service.fail(9, Failure(200, wait_s=5.0))
        with pytest.raises(VenueUnavailableError, match=r"did not answer within 0\.2 s"):
            await http.ask("GET", TIME)


async def test_redirects_are_not_followed():
    """Neither the signature nor the request goes to a host that was not configured."""
    async with served() as service, served() as other, asking(service.url) as http:
        service.fail(1, Failure(302, headers=(("Location", f"{other.url}/time"),)))
        assert (await http.ask("GET", TIME)).status == 302
        assert not other.asked


async def test_cookies_and_proxies_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with served() as service, asking(service.url) as http:
        service.fail(1, Failure(200, b"{}", (("Set-Cookie", "a=b; Path=/"),)))
        await http.ask("GET", TIME)
        await http.ask("GET", TIME)
        assert all("Cookie" not in each.headers for each in service.asked)


async def test_what_is_asked_is_what_is_signed():
    """The signer sees the path and the query exactly as they are sent, for each attempt anew."""
    seen: list[tuple[str, ...]] = []

    class Seen:
        scheme = "jwt"

        def headers(self, method: str, host: str, target: str, body: bytes) -> Any:
            seen.append((method, host, target, body.decode()))
            return Secret({"X-Sign": str(len(seen))})

    async with served() as service, asking(f"{service.url}/", jitter=lambda: 0.0) as http:
        service.fail(1, Failure(503))
        query = [("q", "a b&c=d/ü"), ("q", "+"), ("product_ids", "BTC-USD")]
        await http.ask("GET", "/a b/ü/%2F", query, signer=Seen())
        targets = [each.target for each in service.asked]
        assert [each.headers["X-Sign"] for each in service.asked] == ["1", "2"]
    target = "/a%20b/%C3%BC/%2F?q=a%20b%26c%3Dd%2F%C3%BC&q=%2B&product_ids=BTC-USD"
    assert targets == [target, target]
    assert seen == [("GET", http.host, target, "")] * 2


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://API.Coinbase.com", "api.coinbase.com"),
        ("https://api.coinbase.com:443/", "api.coinbase.com"),
        ("https://api.coinbase.com:8443", "api.coinbase.com:8443"),
        ("http://[::1]:80", "[::1]"),
        ("http://[::1]:8766", "[::1]:8766"),
    ],
)
def test_a_host_is_signed_as_the_venue_knows_it(url, host):
    """A token for another spelling of it is answered with 401."""
    assert asking(url).host == host


@pytest.mark.parametrize(
    "url", ["http://api.coinbase.com", "http://127.0.0.1.evil.com", "ftp://localhost", "x"]
)
def test_nothing_is_sent_in_the_clear_to_another_machine(url):
    with pytest.raises(UsageError, match="in the clear"):
        asking(url)


@pytest.mark.parametrize(
    ("body", "decoded"),
    [
        (b'{"a":1}', {"a": 1}),
        (b"Unauthorized\n", "Unauthorized\n"),
        (b"NaN", "NaN"),
        (b"[-1e999]", "[-1e999]"),
        (b"\xff{", "\ufffd{"),
        (b"[" * 100_000, "[" * 100_000),
        (b"1" * 5_000, "1" * 5_000),
    ],
)
def test_a_body_is_json_or_text(body, decoded):
    assert Answer(200, {}, body, None).decoded() == decoded


# --- TLS -----------------------------------------------------------------------------------------


async def test_a_certificate_that_is_vouched_for_is_taken(tmp_path):
    authority = Authority(tmp_path)
    async with (
        served(tls=authority.server()) as service,
        asking(service.url, tls=tls_context(authority.ca_file)) as http,
    ):
        assert service.url.startswith("https://")
        assert (await http.ask("GET", TIME)).status == 200


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ({"host": "api.coinbase.com"}, "its certificate is for another (host|address)"),
        ({"begin": NOW - 3 * DAY, "end": NOW - DAY}, "has expired: check this machine's clock"),
        ({"begin": NOW + DAY, "end": NOW + 3 * DAY}, "not valid yet: check this machine's clock"),
    ],
)
async def test_a_wrong_certificate_is_refused_with_the_reason(tmp_path, certificate, why):
    """At once, without a second attempt, and before anything is sent."""
    authority = Authority(tmp_path)
    async with (
        served(tls=authority.server(**certificate)) as service,
        asking(service.url, tls=tls_context(authority.ca_file)) as http,
    ):
        with pytest.raises(VenueUnavailableError, match=f"not trusted: .*{why}"):
            await http.ask("GET", TIME)
        assert not service.asked


async def test_a_foreign_authority_is_refused_with_the_reason(tmp_path):
    """Neither the system's authorities nor another one vouch for it."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    for trusted in (ours.ca_file, None):
        async with (
            served(tls=theirs.server()) as service,
            asking(service.url, tls=tls_context(trusted)) as http,
        ):
            with pytest.raises(VenueUnavailableError, match="an authority that this machine does"):
                await http.ask("GET", TIME)
            assert not service.asked


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_old_tls_is_refused(tmp_path):
    authority = Authority(tmp_path)
    server = authority.server()
    server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")
    async with (
        served(tls=server) as service,
        asking(service.url, tls=tls_context(authority.ca_file)) as http,
    ):
        with pytest.raises(VenueUnavailableError, match=r"1\.2 or newer|connection at once"):
            await http.ask("GET", TIME)


async def test_something_that_speaks_no_http_is_told():
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example.com ready\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asking(f"http://127.0.0.1:{port}") as http:
        with pytest.raises(VenueUnavailableError, match="did not answer in HTTP"):
            await http.ask("GET", TIME)


async def test_a_name_that_is_none_is_told():
    async with asking("https://no-such-host.invalid") as http:
        with pytest.raises(VenueUnavailableError, match=r"no-such-host\.invalid is not found"):
            await http.ask("GET", TIME)
