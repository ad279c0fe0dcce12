"""How a connection is dialled, and what is said of a dial or a close that went wrong."""

import asyncio
import socket
import sys
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import serve

from recorder.errors import ConfigError
from recorder.feed.dial import PICOWS, TRANSPORTS, describe, dial, opener
from tests.authorities import DAY, NOW, Authority


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport(request, monkeypatch):
    """Every test with both transports, where the extra is installed."""
    if request.param == PICOWS:
        pytest.importorskip("picows")
    monkeypatch.setitem(USUAL, "transport", request.param)
    return request.param


USUAL: dict = {}


async def failure(url: str) -> str:
    """Why a dial fails."""
    with pytest.raises(Exception) as caught:
        await dial(url, compression=True, **USUAL)
    return describe(caught.value)


@asynccontextmanager
async def listening(handler):
    """A TCP server on loopback; gives its port."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (HTTPStatus.TOO_MANY_REQUESTS, "HTTP status 429: too many connections from this address"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "HTTP status 503: the venue is down or in maintenance"),
        (HTTPStatus.FOUND, "HTTP status 302"),
    ],
)
async def test_a_refusal_in_http_is_told_with_its_status(status, words):
    """What the venue answers before the WebSocket says the most."""

    def refuse(connection, _request):
        return connection.respond(status, "no\n")

    async with serve(lambda each: each.wait_closed(), "127.0.0.1", 0, process_request=refuse) as it:
        port = it.sockets[0].getsockname()[1]
        assert await failure(f"ws://127.0.0.1:{port}") == words


async def test_nobody_listens():
    """A port where nothing is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert await failure(f"ws://127.0.0.1:{port}") == (
        "refused: nobody listens at this address and port"
    )


async def test_a_peer_that_closes_at_once():
    """No answer to the handshake, only an end."""

    async def handler(_reader, writer):
        writer.close()

    async with listening(handler) as port:
        assert await failure(f"ws://127.0.0.1:{port}") == "closed before the WebSocket was open"


async def test_a_peer_that_does_not_speak_tls():
    """A plain server behind a wss address."""

    async def handler(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with listening(handler) as port:
        assert (await failure(f"wss://127.0.0.1:{port}")).startswith("TLS: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer within 5 s"),
        (socket.gaierror(-2, "Name or service not known"), "the name cannot be resolved: Name or"),
        (OSError("x" * 1000), "OSError: xxx"),
    ],
)
def test_other_failures_have_words_too(error, words):
    """One short line for each."""
    assert describe(error).startswith(words)
    assert len(describe(error)) <= 300


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ({"host": "ws-feed.exchange.coinbase.com"}, "its certificate is for another"),
        ({"begin": NOW - 3 * DAY, "end": NOW - DAY}, "its certificate has expired: check this"),
        ({"begin": NOW + DAY, "end": NOW + 3 * DAY}, "its certificate is not valid yet: check"),
        (None, "its certificate is of an authority that this machine does not trust"),
    ],
)
async def test_a_wrong_certificate_is_refused_with_the_reason(
    tmp_path, monkeypatch, certificate, why
):
    """For another host, expired, not valid yet, foreign: nothing is said to whoever has it."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    monkeypatch.setenv("SSL_CERT_FILE", ours.ca_file)
    tls = theirs.server() if certificate is None else ours.server(**certificate)
    asked = []

    def heard(_connection, request):
        asked.append(request)

    async with serve(
        lambda each: each.wait_closed(), "127.0.0.1", 0, ssl=tls, process_request=heard
    ) as it:
        said = await failure(f"wss://127.0.0.1:{it.sockets[0].getsockname()[1]}")
    assert said.startswith(f"TLS: {why}")
    assert asked == []


async def test_a_certificate_that_is_vouched_for_is_taken(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca_file)
    async with serve(lambda each: each.wait_closed(), "127.0.0.1", 0, ssl=authority.server()) as it:
        port = it.sockets[0].getsockname()[1]
        socket = await dial(f"wss://127.0.0.1:{port}", compression=True, **USUAL)
        await socket.close(1000, "")


@pytest.mark.parametrize("compression", [True, False])
async def test_compression_is_offered_or_not(compression):
    """As configured."""
    offered = []

    async def handler(socket):
        offered.append(socket.request.headers.get("Sec-WebSocket-Extensions", ""))
        await socket.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        socket = await dial(f"ws://127.0.0.1:{port}", compression=compression, **USUAL)
        await socket.close(1000, "")
    assert ("permessage-deflate" in offered[0]) is compression


def test_a_transport_that_does_not_load_is_told_with_what_to_do(monkeypatch):
    """A package that is there and does not fit is as good as none."""
    monkeypatch.setitem(sys.modules, "recorder.feed.by_picows", None)
    with pytest.raises(ConfigError, match=r"pip install 'recorder\[picows\]'"):
        opener(PICOWS)
