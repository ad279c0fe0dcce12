"""One line kept connected, against servers that misbehave."""

import asyncio
import json
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import serve

from recorder.core.frames import Closed, Frame, Opened, Sent
from recorder.feed.connection import Connection, session_name
from recorder.feed.plan import Pace, spread
from tests.recorders import wait_for


class Ear:
    """A shell that keeps what it is given."""

    def __init__(self) -> None:
        self.arrivals: list = []
        self.told: list[tuple[str, dict]] = []
        self.clock = 1_795_299_928_000_000_000

    def now_ns(self) -> int:
        self.clock += 1_000_000
        return self.clock

    def deliver(self, arrival) -> None:
        self.arrivals.append(arrival)

    def has_room(self) -> bool:
        return True

    async def wait_room(self) -> None:
        """There always is room."""

    def tell(self, event: str, **fields) -> None:
        self.told.append((event, fields))

    def count(self, kind: type) -> int:
        return sum(isinstance(arrival, kind) for arrival in self.arrivals)


@asynccontextmanager
async def connected(url: str):
    """A connection that runs inside of the block."""
    (line,) = spread(["BTC-USD", "ETH-USD"], ("level2", "heartbeats"))
    ear = Ear()
    connection = Connection(line, url, ear, Pace(50), Pace(50), jitter=lambda: 0.01)
    running = asyncio.create_task(connection.run())
    try:
        yield connection, ear
    finally:
        await connection.stop("the test ends")
        await asyncio.wait_for(running, 5)


@asynccontextmanager
async def server(handler, **options):
    """A WebSocket server on loopback; gives its URL."""
    async with serve(handler, "127.0.0.1", 0, **options) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


async def test_it_subscribes_at_once_with_heartbeats_first():
    """The first request is there well within 5 s, one channel a request."""
    requests: list[dict] = []

    async def handler(socket):
        async for text in socket:
            requests.append(json.loads(text))  # noqa: PERF401  it grows while it is read

    async with server(handler) as url, connected(url) as (_, ear):
        await wait_for(lambda: len(requests) == 2, "two requests", 2)
    assert requests[0] == {"type": "subscribe", "channel": "heartbeats"}
    assert requests[1]["product_ids"] == ["BTC-USD", "ETH-USD"]
    assert isinstance(ear.arrivals[0], Opened)
    assert ear.count(Sent) == 2
    closed = ear.arrivals[-1]
    assert isinstance(closed, Closed)
    assert (closed.code, closed.reason, closed.orderly) == (1000, "the test ends", True)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000])
async def test_it_connects_again_after_every_close(code):
    """A clean close is a reason to reconnect like any other."""
    connects = 0

    async def handler(socket):
        nonlocal connects
        connects += 1
        await socket.close(code, "so it is")

    async with server(handler) as url, connected(url) as (_, ear):
        await wait_for(lambda: connects >= 3, "three connections", 10)
    codes = {arrival.code for arrival in ear.arrivals if isinstance(arrival, Closed)}
    assert codes == {code}
    names = [arrival.connection_id for arrival in ear.arrivals if isinstance(arrival, Opened)]
    assert len(set(names)) == len(names)


async def test_a_connection_that_breaks_is_1006_and_not_orderly():
    """Without a close frame something may be missing, and the record says so."""
    connects = 0

    async def handler(socket):
        nonlocal connects
        connects += 1
        await socket.send("{}")
        socket.transport.abort()

    async with server(handler) as url, connected(url) as (_, ear):
        await wait_for(lambda: connects >= 2, "two connections", 10)
    closed = next(arrival for arrival in ear.arrivals if isinstance(arrival, Closed))
    assert (closed.code, closed.orderly) == (1006, False)


async def test_a_frame_of_20_mb_is_taken_whole():
    """A snapshot is one frame; a BTC-USD one is 5 MB, and there is room above."""
    big = b"[" + b"1," * 10_000_000 + b"1]"

    async def handler(socket):
        await socket.send(big.decode())
        await socket.wait_closed()

    async with server(handler, compression=None) as url, connected(url) as (_, ear):
        await wait_for(lambda: ear.count(Frame) == 1, "the frame", 20)
    frame = next(arrival for arrival in ear.arrivals if isinstance(arrival, Frame))
    assert frame.raw == big


async def test_a_refused_dial_is_told_and_tried_again():
    """An address where nobody listens is logged, each try with its reason."""
    async with server(lambda socket: socket.wait_closed()) as url:
        pass  # it is closed again: the port is free now
    async with connected(url) as (_, ear):
        await wait_for(lambda: len(ear.told) >= 4, "two tries", 5)
    assert [event for event, _ in ear.told[:2]] == ["connect_failed", "reconnect_waiting"]
    assert ear.arrivals == []


async def test_a_redirect_to_another_host_is_not_followed():
    """We go where we were told to go, and nowhere else."""
    reached = False

    async def elsewhere(socket):
        nonlocal reached
        reached = True
        await socket.wait_closed()

    async with server(elsewhere) as other:

        def redirect(connection, _request):
            response = connection.respond(HTTPStatus.FOUND, "elsewhere\n")
            response.headers["Location"] = other
            return response

        async with (
            server(elsewhere, process_request=redirect) as url,
            connected(url) as (_, ear),
        ):
            await wait_for(lambda: ear.told, "the refusal", 5)
            assert ear.told[0] == ("connect_failed", {"line": "ws1", "error": "HTTP status 302"})
    assert not reached


async def test_a_resubscription_unsubscribes_first():
    """A plain re-subscribe sends no snapshot; unsubscribing first does."""
    requests: list[dict] = []

    async def handler(socket):
        async for text in socket:
            requests.append(json.loads(text))  # noqa: PERF401  it grows while it is read

    async with server(handler) as url, connected(url) as (connection, _):
        await wait_for(lambda: len(requests) == 2, "the subscriptions", 2)
        connection.resubscribe("level2", ("ETH-USD",))
        await wait_for(lambda: len(requests) == 4, "the resubscription", 2)
    assert [request["type"] for request in requests[2:]] == ["unsubscribe", "subscribe"]
    assert {tuple(request["product_ids"]) for request in requests[2:]} == {("ETH-USD",)}


async def test_stopping_while_dialling_ends_soon():
    """A stop does not wait for a server that never answers."""

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    (line,) = spread(["BTC-USD"], ("heartbeats",))
    connection = Connection(line, f"ws://127.0.0.1:{port}", Ear(), Pace(50), Pace(50))
    running = asyncio.create_task(connection.run())
    await asyncio.sleep(0.05)
    await connection.stop("the test ends")
    await asyncio.wait_for(running, 2)
    listening.close()
    await listening.wait_closed()


def test_a_session_is_named_by_its_line_and_time():
    """Names of sessions are words, unique in time, and readable."""
    assert session_name("ws2", 1_795_299_928_015_675_844) == "ws2-20261121T222528.015Z"
