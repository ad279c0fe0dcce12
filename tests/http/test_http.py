"""The table of what may come over HTTP, asked of a real server over real sockets."""

import asyncio
import base64
import json
import os
import ssl
from contextlib import suppress

import pytest

from recorder.config import HttpConfig
from recorder.config.listening import Address
from recorder.http import guard, place, server, site, views
from recorder.http.pages import PAGES
from tests.authorities import Authority
from tests.http.served import HANG_S, parse, served
from tests.recorders import all_recorded, wait_for

TOKEN = "0123456789abcdef-a-token"


@pytest.fixture
async def there(tmp_path):
    async with served(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("target", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/dashboard.css", "text/css; charset=utf-8"),
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/endpoints", "text/html; charset=utf-8"),
        ("/livez", "application/json"),
        ("/v1/status", "application/json"),
        ("/v1/products", "application/json"),
        ("/v1/history", "application/json"),
        ("/v1/books/BTC-USD", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
async def test_what_there_is(there, target, content_type):
    """Each has its type and every header that keeps browsers from misusing it; HEAD has no body."""
    found = await there.get(target)
    assert (found.status, found.headers["content-type"]) == (200, content_type)
    for name, value in guard.HEADERS.items():
        if name != "Cache-Control" or target not in PAGES:  # tests/http/test_pages.py
            assert found.headers[name.lower()] == value.lower()
    head = await there.get(target, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 0


REFUSED = [
    ("another name", ["Host: rebind.example"], "/v1/status", 421),
    ("another name with our port", ["Host: rebind.example:9464"], "/", 421),
    ("a name that ends as ours", ["Host: localhost.example"], "/metrics", 421),
    ("a name before an address", ["Host: 127.0.0.1@rebind.example"], "/metrics", 421),
    ("another address", ["Host: 10.0.0.1"], "/metrics", 421),
    ("no name", ["Host:"], "/metrics", 421),
    ("two names", ["Host: localhost", "Host: rebind.example"], "/metrics", 400),
    ("a port that is none", ["Host: localhost:no"], "/metrics", 421),
    ("another site", ["Origin: http://evil.example"], "/v1/products", 403),
    ("an opaque site", ["Origin: null"], "/v1/products", 403),
    ("our name, another port", ["Host: localhost:1", "Origin: http://localhost:2"], "/", 403),
    ("TLS on the other side", ["Host: localhost", "Origin: https://localhost"], "/", 403),
    ("a browser says cross-site", ["Sec-Fetch-Site: cross-site"], "/v1/stream", 403),
    ("a browser says same-site", ["Sec-Fetch-Site: same-site"], "/v1/products", 403),
    ("a page in a frame", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
     "/v1/status", 403),
    ("a body", ["Content-Length: 5"], "/v1/status", 413),
    ("a body in pieces", ["Transfer-Encoding: chunked"], "/v1/status", 413),
    ("up, and up", [], "/../../etc/passwd", 404),
    ("up, written otherwise", [], "/%2e%2e/%2e%2e/etc/passwd", 404),
    ("up from a book", [], "/v1/books/..%2f..%2fetc%2fpasswd", 404),
    ("a file of the package", [], "/recorder/http/site.py", 404),
    ("nothing", [], "/nothing", 404),
    ("a product that is not recorded", [], "/v1/books/SOL-USD", 404),
    ("a product that is none", [], "/v1/books/btc-usd", 404),
    ("a product with a NUL", [], "/v1/books/BTC-USD%00", 404),
    ("a product of 300 letters", [], "/v1/books/" + "A" * 300, 404),
    ("no product", [], "/v1/books/", 404),
    ("no depth", [], "/v1/books/BTC-USD?depth=0", 400),
    ("too deep", [], "/v1/books/BTC-USD?depth=501", 400),
    ("far too deep", [], "/v1/books/BTC-USD?depth=99999999999999999999", 400),
    ("a depth that is none", [], "/v1/books/BTC-USD?depth=-1", 400),
    ("a depth of other digits", [], "/v1/books/BTC-USD?depth=%D9%A3", 400),
    ("two depths", [], "/v1/books/BTC-USD?depth=1&depth=2", 400),
    ("what nobody knows", [], "/v1/products?callback=x", 400),
    ("a stream of what is not recorded", [], "/v1/stream?product=SOL-USD", 404),
    ("a stream of nothing", [], "/v1/stream?events=orders", 400),
    ("a stream of all books", [], "/v1/stream?events=book", 400),
    ("a stream too deep", [], "/v1/stream?events=book&product=BTC-USD&depth=201", 400),
    ("gaps of nobody", [], "/v1/stream?gaps=some", 400),
    ("hours of no product", [], "/v1/coverage/hours?product=../x", 404),
    ("a history after what is no time", [], "/v1/history?after=1e9", 400),
    ("a file beside the pages", [], "/vendor/uPlot.min.css", 404),
    ("a time that is none", [], "/v1/coverage?start=yesterday", 400),
    ("a range backwards", [], "/v1/coverage?start=2026-01-02&end=2026-01-01", 400),
    ("a range of years", [], "/v1/coverage?start=2020-01-01", 400),
    ("a channel that is none", [], "/v1/coverage?channel=../x", 400),
    ("a channel that nobody has", [], "/v1/coverage?channel=levle2&gaps=true", 400),
    ("hours of a channel that nobody has", [], "/v1/coverage/hours?channel=levle2", 400),
    ("a long target", [], "/" + "a" * 3000, 414),
    ("a huge target", [], "/" + "a" * 9000, 400),
    ("a huge header", ["X-Huge: " + "a" * 9000], "/", 400),
    ("a thousand headers", [f"X-{number}: 1" for number in range(1000)], "/", 400),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "target", "status"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
async def test_what_is_refused(there, headers, target, status):
    """With a code and a reason as JSON, which repeats nothing of what was asked."""
    found = await there.get(target, *headers)
    assert found.status == status
    assert set(found.json) == {"error", "detail"}
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    for part in ("rebind", "evil", "passwd", "aaaa"):
        assert part not in found.body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"])
async def test_nothing_can_be_changed(there, method):
    found = await there.get("/v1/status", method=method)
    assert (found.status, found.headers["allow"]) == (405, "get, head")
    assert (await there.get("/v1/status", "Content-Length: 0")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ["Host: localhost"],
        ["Host: LOCALHOST.:80"],
        ["Host: [::1]:9464"],
        ["Host: localhost:8080", "Origin: http://localhost:8080"],
        ["Sec-Fetch-Site: same-origin"],
        ["Sec-Fetch-Site: none"],
    ],
)
async def test_names_and_pages_of_ours_are_answered(there, headers):
    assert (await there.get("/v1/status", *headers)).status == 200


async def test_a_link_from_elsewhere_may_be_followed_to_the_first_page(there):
    headers = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"]
    assert (await there.get("/", *headers)).status == 200


@pytest.mark.parametrize(
    "content",
    [b"no http at all\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" * 20,
     b"GET / HTTP/1.1\r\nHost: localhost\r\nBad\x00Name: secret-of-mine\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"],
)  # fmt: skip
async def test_what_is_no_request_is_answered_without_repeating_it(there, content):
    answer = await there.raw(content + b"\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"secret-of-mine" not in answer
    assert b"aiohttp" not in answer
    assert (await there.get("/livez")).status == 200


async def test_an_absolute_target_is_not_ours(there):
    answer = await there.raw(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert parse(answer).status == 400


async def test_who_sends_its_request_slowly_is_cut_off(tmp_path, monkeypatch):
    """Whether nothing comes at all, or a header now and then; others are answered meanwhile."""
    monkeypatch.setattr(server, "REQUEST_S_MAX", 0.5)
    async with served(tmp_path) as there:
        silent = asyncio.create_task(there.raw(b""))
        reader, writer = await there.open()
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")

        async def drip():
            while True:
                await asyncio.sleep(0.1)
                writer.write(b"X-Slow: 1\r\n")

        dripping = asyncio.create_task(drip())
        assert (await there.get("/livez")).status == 200
        assert await silent == b""
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), HANG_S) == b""
        dripping.cancel()
        writer.close()


async def test_connections_have_a_bound(tmp_path, monkeypatch):
    """One more is told so and closed; when others have gone, it is answered."""
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 3)
    async with served(tmp_path) as there:
        held = [await there.open() for _ in range(3)]
        await wait_for(lambda: len(there.server._open) == 3, "three connections")
        refused = await there.raw(b"")
        assert refused.startswith(b"HTTP/1.1 503 ")
        for _, writer in held:
            writer.close()
        await wait_for(lambda: not there.server._open, "their end")
        assert b"http_connections_refused_total 1.0" in (await there.get("/metrics")).body


async def test_a_connection_is_used_again(there):
    reader, writer = await there.open()
    for _ in range(3):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(int(parse(head).headers["content-length"]))
    writer.close()


async def test_who_does_not_take_an_answer_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "WRITE_S_MAX", 0.3)
    monkeypatch.setattr(server, "SEND_BYTES", 4096)
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        reader, writer = await there.open(limit=1024)
        reader._transport.pause_reading()
        writer.write(b"GET /v1/books/BTC-USD?depth=500 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300)
        await wait_for(lambda: not there.server._open, "the end of that connection")
        writer.close()


# --- books, products, status ----------------------------------------------------------------------


async def test_a_book_is_that_of_the_core(there):
    await wait_for(lambda: all_recorded(there.recorder), "every channel")
    there.venue.freeze()
    await asyncio.sleep(0.5)
    found = (await there.get("/v1/books/BTC-USD?depth=3")).json
    pipeline = there.recorder.inside().recording.pipeline
    (book,) = [book for (_, name), book in pipeline.books.items() if name == "BTC-USD"]
    assert (found["valid"], found["state"], found["epoch"]) == (True, "live", book.epoch)
    assert [[float(price), float(size)] for price, size in found["bids"]] == [
        list(level) for level in book.levels("bid", 3)
    ]
    assert len(found["asks"]) == 3
    assert found["age_s"] >= 0
    assert len((await there.get("/v1/books/BTC-USD?depth=500")).json["bids"]) <= 500


async def test_a_book_that_cannot_be_trusted_is_marked(there):
    """With the reason of its gap; nowhere does it look like a good one."""
    await wait_for(lambda: all_recorded(there.recorder), "every channel")
    recorder = there.recorder
    recorder._feeds.obey = lambda _: None  # nobody mends it
    there.venue.skip(3)
    await wait_for(lambda: recorder.progress().books_live == 0, "the gap")
    found = (await there.get("/v1/books/BTC-USD")).json
    assert (found["valid"], found["state"], found["epoch"]) == (False, "stale", None)
    assert found["reason"] == "sequence_gap"
    (product, _) = (await there.get("/v1/products")).json["products"]
    assert (product["book"], product["reason"], product["bid"]) == ("stale", "sequence_gap", None)
    assert product["gaps_today"] >= 1
    assert not product["channels"]["level2"]["recorded"]
    assert b'recorder_book_live{product="BTC-USD"} 0.0' in (await there.get("/metrics")).body


async def test_products_and_status_tell_what_is_going_on(there):
    await wait_for(lambda: all_recorded(there.recorder), "every channel")
    await wait_for(lambda: there.recorder.progress().frames > 50, "frames")
    products = (await there.get("/v1/products")).json["products"]
    assert [each["product_id"] for each in products] == ["BTC-USD", "ETH-USD"]
    btc = products[0]
    assert float(btc["bid"][0]) < float(btc["ask"][0])
    assert btc["spread"] > 0
    assert set(btc["channels"]) == {"level2", "ticker", "market_trades", "status"}
    assert all(each["recorded"] for each in btc["channels"].values())
    status = (await there.get("/v1/status")).json
    assert (status["ready"], status["reasons"], status["venue"]) == (True, [], "advanced")
    (connection,) = status["connections"]
    assert connection["up"]
    assert connection["frames"] > 50
    assert connection["bytes"] > connection["frames"]


async def test_coverage_is_read_beside_the_recording(there):
    """The rows of the data directory; asked again at once, it is the same answer."""
    await wait_for(lambda: all_recorded(there.recorder), "every channel")
    root = there.recorder.inside().recording.root
    await wait_for(lambda: root.parts("level2"), "parts")
    await wait_for(root.open.exists, "the open intervals")
    query = "product=BTC-USD&channel=level2"
    found = await there.coverage(query)
    assert [each["state"] for each in found["intervals"]] == ["recorded"]
    assert not found["truncated"]
    assert (await there.coverage(f"{query}&gaps=true"))["intervals"] == []


# --- health ---------------------------------------------------------------------------------------


async def test_readyz_really_fails_and_recovers(tmp_path):
    """Before anything is recorded, without connections, while the disk refuses; then not."""
    async with served(tmp_path) as there:
        found = await there.get("/readyz")
        assert found.status == 503
        assert {"nothing_recorded", "disconnected"} == {
            each["reason"] for each in found.json["reasons"]
        }
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        assert (await there.get("/readyz")).json == {"status": "ok"}
        disk = there.recorder.inside().disk
        disk._refuse("capture", OSError(28, "No space left on device"))
        found = await there.get("/readyz")
        assert found.status == 503
        assert [each["reason"] for each in found.json["reasons"]] == ["disk_refused"]
        body = (await there.get("/metrics")).body
        assert b'recorder_write_errors_total{errno="ENOSPC"} 1.0' in body
        assert b"recorder_ready 0.0" in body
        disk._accept("capture")
        assert (await there.get("/readyz")).status == 200
        for each in there.recorder.inside().feeds.connections:
            each._jitter = lambda: 12.0  # 3 s
        await there.venue.drop(code=1006)
        await wait_for(lambda: there.recorder.progress().connections_up == 0, "the close")
        found = await there.get("/readyz")
        assert found.status == 503
        assert [each["reason"] for each in found.json["reasons"]] == ["disconnected"]
        assert (await there.get("/livez")).status == 200
        await wait_for(lambda: there.recorder.progress().connections_up == 1, "the next session")
        assert (await there.get("/readyz")).status == 200


async def test_probes_tell_strangers_only_whether(tmp_path):
    """A kubelet calls a pod by its address and has no token; why is for those who may read."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    http = HttpConfig(listen=Address("127.0.0.1", 0), token_file=token)
    async with served(tmp_path / "data", http) as there:
        found = await there.get("/readyz", "Host: 10.1.2.3:9464")
        assert (found.status, found.json) == (503, {"status": "not ready"})
        assert (await there.get("/livez", "Host: 10.1.2.3:9464")).status == 200
        mine = await there.get("/readyz", f"Authorization: Bearer {TOKEN}")
        assert mine.json["reasons"]


# --- token and TLS --------------------------------------------------------------------------------


def basic(password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("X-Nothing: 1", 401),
        (f"Authorization: Bearer {TOKEN}", 200),
        (f"Authorization: bearer {TOKEN}", 200),
        (basic(TOKEN), 200),
        (f"Authorization: Bearer {TOKEN}x", 401),
        (f"Authorization: Bearer {TOKEN[:-1]}", 401),
        ("Authorization: Bearer", 401),
        (f"Authorization: {TOKEN}", 401),
        (basic("wrong"), 401),
        ("Authorization: Basic ????", 401),
        (f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}", 401),
        (f"Cookie: token={TOKEN}", 401),
    ],
)
async def test_a_token_must_be_shown(tmp_path, header, status):
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    http = HttpConfig(listen=Address("127.0.0.1", 0), token_file=token)
    async with served(tmp_path / "data", http) as there:
        for target in ("/v1/status", "/metrics", "/v1/stream", "/"):
            found = await there.get(target, header, method="HEAD")
            assert found.status == status
            if status == 401:
                assert found.headers["www-authenticate"].startswith("basic ")


async def test_tls_is_served_from_1_2_on(tmp_path):
    authority = Authority(tmp_path)
    file = authority.issue()
    http = HttpConfig(listen=Address("127.0.0.1", 0), tls_cert=file, tls_key=file)
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    async with served(tmp_path / "data", http, tls=trusting) as there:
        assert there.server.url.startswith("https://127.0.0.1:")
        assert (await there.get("/livez")).status == 200
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="TLS"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await there._replace(tls=old).raw(b"GET /livez HTTP/1.1\r\n\r\n")
        asked = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert b"200" not in await there._replace(tls=None).raw(asked)
        assert (await there.get("/livez")).status == 200


# --- beside the recording -------------------------------------------------------------------------


async def test_the_place_is_noted_while_it_is_served(tmp_path):
    async with served(tmp_path) as there:
        found = place.read(tmp_path)
        assert (found.url, found.pid, found.token) == (there.server.url, os.getpid(), False)
        assert json.loads((tmp_path / place.NAME).read_text())["url"] == there.server.url
    assert place.read(tmp_path) is None


async def test_an_address_that_is_taken_does_not_keep_from_recording(tmp_path, monkeypatch):
    """It is tried again, and served once it is free."""
    monkeypatch.setattr(server, "RETRY_S", 0.1)
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    http = HttpConfig(listen=Address("127.0.0.1", port))
    with pytest.raises(AssertionError, match="not served"):
        async with served(tmp_path / "a", http):
            pass
    listener.close()
    await listener.wait_closed()
    async with served(tmp_path / "b", http) as there:
        assert there.port == port


async def test_our_own_failure_is_an_answer_and_a_line_in_the_log(there, monkeypatch, capsys):
    """The recording goes on, whatever a reader meets."""
    monkeypatch.setattr(site, "status_view", lambda _: 1 / 0)
    found = await there.get("/v1/status")
    assert (found.status, found.json["error"]) == (500, "failed")
    assert "division" not in found.body.decode()
    assert (await there.get("/livez")).status == 200
    assert there.recorder.meter is not None


async def test_without_a_reader_nothing_is_measured(tmp_path):
    async with served(tmp_path) as there:
        assert there.recorder.meter is not None
    assert there.recorder.meter is None


async def test_gaps_of_a_lost_connection_count_as_everywhere(tmp_path):
    """As many as there were channels of products; no number is missing."""
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        recorded = len(there.recorder.inside().recording.pipeline.coverage.tracks)
        await there.venue.drop(code=1006)
        await wait_for(lambda: there.recorder.progress().gaps > 0, "the gap")
        await wait_for(lambda: all_recorded(there.recorder), "every channel again")
        there.venue.freeze()
        status = (await there.get("/v1/status")).json
        metrics = (await there.get("/metrics")).body.decode().splitlines()
        told = sum(
            float(line.rpartition(" ")[2])
            for line in metrics
            if line.startswith("recorder_gaps_total{")
        )
        assert (status["gaps"], status["sequence_gaps"]) == (told, 0)
        assert 2 < told <= recorded


@pytest.mark.parametrize(
    ("bid", "ask", "spread", "bps"),
    [
        (("0.1", "1"), ("0.3", "1"), 0.2, 10_000.0),  # floats would leave 0.19999999999999998
        (("64213.07", "1"), ("64213.08", "1"), 0.01, 0.0016),
        (("0.00000001", "1"), ("0.00000003", "1"), 2e-08, 10_000.0),
        (None, ("1", "1"), None, None),
    ],
)
def test_a_spread_is_that_of_the_prices_as_written(bid, ask, spread, bps):
    assert views._spread(bid, ask) == {"spread": spread, "spread_bps": bps}
