"""One line kept connected, against servers that misbehave."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus

import pytest
from websockets.asyncio.server import serve

from recorder.core.frames import Closed, Frame, Noted, Opened, Sent
from recorder.credentials import Secret
from recorder.feed import sockets
from recorder.feed.connection import Connection, session_name
from recorder.feed.dial import PICOWS, TRANSPORTS
from recorder.feed.plan import Line, Pace, spread
from recorder.feed.rest_answers import Clock
from recorder.feed.signing import Signing, VenueClock
from tests.recorders import wait_for


@pytest.fixture(autouse=True, params=TRANSPORTS)
def transport(request, monkeypatch):
    """Every test with both transports, where the extra is installed."""
    if request.param == PICOWS:
        pytest.importorskip("picows")
    monkeypatch.setitem(USUAL, "transport", request.param)
    return request.param


USUAL: dict = {}


class Ear:
    """A shell that keeps what it is given."""

    def __init__(self) -> None:
        self.arrivals: list = []
        self.told: list[tuple[str, dict]] = []
        self.clock = 1_795_299_928_000_000_000

    def now_ns(self) -> int:
        self.clock += 1_000_000
        return self.clock

    def deliver(self, arrival, came_ns=None) -> None:
        self.arrivals.append(arrival)

    def deliver_frames(self, frames, came_ns) -> None:
        self.arrivals += frames

    def decoded(self, raw, decoded) -> None:
        self.known = raw, decoded

    def has_room(self) -> bool:
        return True

    async def wait_room(self) -> None:
        """There always is room."""

    def tell(self, event: str, **fields) -> None:
        self.told.append((event, fields))

    def of(self, kind: type) -> list:
        return [arrival for arrival in self.arrivals if isinstance(arrival, kind)]

    def count(self, kind: type) -> int:
        return sum(isinstance(arrival, kind) for arrival in self.arrivals)


@asynccontextmanager
async def connected(url: str, messages: Pace | None = None, line: Line | None = None, **options):
    """A connection that runs inside of the block."""
    (usual,) = spread(["BTC-USD", "ETH-USD"], ("level2", "heartbeats"))
    ear, messages = Ear(), messages or Pace(50)
    connection = Connection(
        line or usual, url, ear, Pace(50), messages, jitter=lambda: 0.01, **USUAL, **options
    )
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
        await wait_for(lambda: len(ear.told) >= 10, "five tries", 5)
    assert [event for event, _ in ear.told[:2]] == ["connect_failed", "reconnect_waiting"]
    assert ear.told[0][1]["error"] == "refused: nobody listens at this address and port"
    # Written down once, after the third.
    (noted,) = ear.arrivals
    assert (noted.kind, "nobody listens" in noted.detail) == ("connect_failing", True)


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


@asynccontextmanager
async def listened(connection_line: Line | None = None, **options):
    """A server that keeps the requests, and a connection to it, subscribed."""
    requests: list[dict] = []

    async def handler(socket):
        async for text in socket:
            requests.append(json.loads(text))  # noqa: PERF401  it grows while it is read

    async with (
        server(handler) as url,
        connected(url, line=connection_line, **options) as (connection, ear),
    ):
        count = len(connection.line.subscriptions())
        await wait_for(lambda: len(requests) == count, "the subscriptions", 2)
        yield connection, ear, requests


def asked(requests: list[dict]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (request["type"], request["channel"], tuple(request.get("product_ids", ())))
        for request in requests
    ]


async def test_another_line_is_carried_on_the_open_connection():
    """Unsubscribe first, subscribe second, on the same session; what stays is not touched."""
    async with listened() as (connection, ear, requests):
        connection.change(replace(connection.line, products=("ETH-USD", "SOL-USD")))
        await wait_for(lambda: len(requests) == 4, "the change", 2)
        assert asked(requests[2:]) == [
            ("unsubscribe", "level2", ("BTC-USD",)),
            ("subscribe", "level2", ("SOL-USD",)),
        ]
        connection.reconnect("the test wants it")
        await wait_for(lambda: len(requests) == 6, "the new session", 2)
        assert asked(requests[4:])[1] == ("subscribe", "level2", ("ETH-USD", "SOL-USD"))
    assert ear.count(Opened) == 2


async def test_changes_one_after_the_other_come_to_the_last():
    """A change while another is being asked for is not lost, and nothing is asked for twice."""
    async with listened(messages=Pace(4)) as (connection, _, requests):
        line = connection.line
        for product in ("A-USD", "B-USD", "C-USD"):
            connection.change(replace(line, products=(product,)))
        await wait_for(lambda: len(requests) >= 4, "the change", 5)
        await asyncio.sleep(0.2)
        held: set[str] = set()
        for kind, channel, products in asked(requests):
            if channel == "level2":
                held = held | {*products} if kind == "subscribe" else held - {*products}
        assert held == {"C-USD"}
        assert len(requests) == 4


async def test_a_product_that_was_dropped_is_not_asked_for_again():
    """A fresh snapshot that was wanted before the change does not bring it back."""
    async with listened(messages=Pace(4)) as (connection, _, requests):
        connection.change(replace(connection.line, products=("ETH-USD",)))
        connection.resubscribe("level2", ("BTC-USD", "ETH-USD"))
        await wait_for(lambda: len(requests) == 5, "the resubscription", 5)
        await asyncio.sleep(0.1)
        assert asked(requests[2:]) == [
            ("unsubscribe", "level2", ("BTC-USD",)),
            ("unsubscribe", "level2", ("ETH-USD",)),
            ("subscribe", "level2", ("ETH-USD",)),
        ]


async def test_snapshots_are_asked_for_once_and_in_the_order_given():
    """The core says what is the most traded; a second wish while one waits is the same wish."""
    async with listened(messages=Pace(4)) as (connection, _, requests):
        for _ in range(5):
            connection.resubscribe("level2", ("ETH-USD", "BTC-USD"))
        await wait_for(lambda: len(requests) == 6, "both", 5)
        await asyncio.sleep(1.3)
        assert [products for _, _, products in asked(requests[2:])] == [
            ("ETH-USD",), ("ETH-USD",), ("BTC-USD",), ("BTC-USD",),
        ]  # fmt: skip


async def test_a_channel_is_renewed_by_the_name_it_is_asked_by():
    """The core says `level2`; the Exchange's channel without a key is `level2_batch`."""
    channels = ("level2_batch", "heartbeats", "status")
    line = Line("ws1", ("BTC-USD",), channels, frozenset({"status"}))
    requests: list[dict] = []

    async def handler(socket):
        async for text in socket:
            requests.append(json.loads(text))  # noqa: PERF401  it grows while it is read

    async with (
        server(handler) as url,
        connected(url, line=line, venue="exchange") as (connection, ear),
    ):
        await wait_for(lambda: len(requests) == 3, "the subscriptions", 2)
        connection.resubscribe("level2", ("BTC-USD",))
        await wait_for(lambda: len(requests) == 5, "the resubscription", 2)
    assert [request["type"] for request in requests[3:]] == ["unsubscribe", "subscribe"]
    assert all("level2_batch" in json.dumps(request) for request in requests[3:])
    opened = ear.of(Opened)[0]
    assert (opened.venue, opened.first_sequence) == ("exchange", None)
    status = next(request for request in requests if "status" in json.dumps(request["channels"]))
    assert "product_ids" not in status


async def test_a_line_that_goes_unsubscribes_and_closes():
    """Coverage ends with our own request; nothing is dialled again."""
    requests: list[dict] = []

    async def handler(socket):
        async for text in socket:
            requests.append(json.loads(text))  # noqa: PERF401  it grows while it is read

    (line,) = spread(["BTC-USD", "ETH-USD"], ("level2", "heartbeats"))
    async with server(handler) as url:
        ear = Ear()
        connection = Connection(line, url, ear, Pace(50), Pace(50), jitter=lambda: 0.01, **USUAL)
        running = asyncio.create_task(connection.run())
        await wait_for(lambda: len(requests) == 2, "the subscriptions", 2)
        await connection.retire("no product is left")
        await asyncio.wait_for(running, 2)
    assert asked(requests[2:]) == [("unsubscribe", "level2", ("BTC-USD", "ETH-USD"))]
    closed = ear.arrivals[-1]
    assert (closed.code, closed.reason) == (1000, "no product is left")
    assert ear.count(Opened) == 1


class Stamp:
    """A signer whose signatures are counted."""

    scheme = "jwt"

    def __init__(self) -> None:
        self.made = 0

    def members(self, channel, products) -> Secret:
        self.made += 1
        return Secret({"jwt": f"signed {self.made}"})


@asynccontextmanager
async def signing_to(answers, clock: VenueClock | None = None):
    """A connection that signs, to a server that sends an error for requests of ``answers``."""
    requests: list[dict] = []

    async def handler(socket):
        async for text in socket:
            requests.append(json.loads(text))
            if answers(requests[-1]):
                await socket.send('{"type":"error","message":"authentication failure"}')

    signing = Signing(Stamp(), "a key", "the test", clock or VenueClock())
    async with server(handler) as url, connected(url, signing=signing) as (connection, ear):
        deliver = ear.deliver

        def hear(
            arrival, came_ns=None
        ):  # the core's part: an error of the venue is told to its connection
            deliver(arrival)
            if isinstance(arrival, Frame):
                connection.heard_error(json.loads(arrival.raw)["message"])

        ear.deliver = hear
        yield connection, ear, requests


async def test_every_request_is_signed_afresh_and_noted_without_its_signature():
    """Subscribe and unsubscribe, each with a signature of its own, and none of it is kept."""
    async with signing_to(lambda _: False) as (connection, ear, requests):
        await wait_for(lambda: len(requests) == 2, "the subscriptions", 2)
        connection.resubscribe("level2", ("BTC-USD",))
        await wait_for(lambda: len(requests) == 4, "both of the new ones", 2)
    assert [each.pop("jwt") for each in requests] == [f"signed {n}" for n in (1, 2, 3, 4)]
    assert [json.loads(each.raw) for each in ear.of(Sent)] == requests


async def test_a_refused_signature_is_made_anew_once(monkeypatch):
    """With the clock compared before; after that it is told, and there is a pause."""
    monkeypatch.setattr("recorder.feed.connection.SIGN_AGAIN_S", 0.05)
    monkeypatch.setattr("recorder.feed.connection.REFUSED_S", 0.2)
    clock, compared = VenueClock(), []

    async def ask():
        compared.append(len(requests))
        return Clock(1000.0, 1064.0, 1066.0)

    clock.ask = ask
    async with signing_to(lambda request: request["channel"] == "level2", clock) as (
        connection, ear, requests,
    ):  # fmt: skip
        await wait_for(lambda: len(requests) == 4, "what was asked for just before, again", 2)
        assert compared == [2]
        assert clock.ahead_s == 65.0
        await wait_for(lambda: ear.count(Noted), "what is told", 2)
        connection.reconnect("the test")
        await wait_for(lambda: ear.count(Opened) == 2, "another session", 2)
    (noted,) = [each for each in ear.of(Noted) if each.kind == "subscription_refused"][:1]
    assert "authentication failure: the key a key from the test was refused" in noted.detail
    assert "clock is 65 s ahead of the venue's" in noted.detail
    assert ("reconnect_waiting", {"line": "ws1", "wait_s": 0.2}) in ear.told


async def test_a_refusal_of_what_was_not_signed_names_no_key():
    """Advanced Trade says the same of a channel that it does not know; told once a session."""

    async def handler(socket):
        await socket.wait_closed()

    async with server(handler) as url, connected(url) as (connection, ear):
        await wait_for(lambda: ear.count(Opened), "the session", 2)
        for _ in range(3):
            connection.heard_error("authentication failure")
        connection.heard_error("rate limit exceeded")
        (noted,) = ear.of(Noted)
        assert noted.kind == "subscription_refused"
        assert "it is no key that is refused" in noted.detail


async def test_a_line_that_goes_before_it_was_connected():
    """There is nothing to say to anybody."""
    (line,) = spread(["BTC-USD"], ("heartbeats",))
    ear = Ear()
    connection = Connection(line, "ws://127.0.0.1:9", ear, Pace(9), Pace(9), delay_s=60)
    running = asyncio.create_task(connection.run())
    await asyncio.sleep(0)
    await connection.retire("no product is left")
    await asyncio.wait_for(running, 2)
    assert ear.arrivals == ear.told == []


async def test_a_frame_beyond_our_limit_is_a_fault_with_a_name(monkeypatch):
    """It is we who close then; the record says so, and that something may be missing."""
    monkeypatch.setattr(sockets, "FRAME_BYTES_MAX", 2**20)

    async def handler(socket):
        await socket.send("x" * (2**20 + 1))
        await socket.wait_closed()

    async with server(handler, compression=None) as url, connected(url) as (_, ear):
        await wait_for(lambda: ear.count(Noted), "the fault", 5)
    closed = ear.of(Closed)[0]
    assert (closed.code, closed.orderly) == (1009, False)
    assert closed.reason == "our limit: a frame of more than 1 MiB"
    assert ear.of(Noted)[0].kind == "frame_too_large"
    assert closed.connection_id in ear.of(Noted)[0].detail


async def test_pings_that_nobody_answers_are_a_fault_with_a_name(monkeypatch):
    """A peer that takes what we send and says nothing."""
    monkeypatch.setattr(sockets, "PING_S", 0.1)
    monkeypatch.setattr(sockets, "PONG_S_MAX", 0.1)

    async def handler(socket):
        socket.transport.pause_reading()
        await asyncio.sleep(1)
        socket.transport.abort()

    async with server(handler) as url, connected(url) as (_, ear):
        await wait_for(lambda: ear.count(Noted), "the fault", 5)
    closed = ear.of(Closed)[0]
    assert (closed.code, closed.orderly) == (1011, False)
    assert ear.of(Noted)[0].kind == "keepalive_timeout"


@pytest.mark.parametrize(
    ("code", "said", "heard"),
    [(1008, "slow consumer", None), (1000, "", "ErrSlowConsume"), (1006, "", "ErrSlowConsume")],
)
async def test_a_venue_that_finds_us_slow_is_a_fault_with_a_name(code, said, heard):
    """Whether it says so in the close frame, or in an error before."""
    proceed = asyncio.Event()

    async def handler(socket):
        if proceed.is_set():
            await socket.wait_closed()
            return
        await proceed.wait()
        if code == 1006:
            socket.transport.abort()
        else:
            await socket.close(code, said)

    async with server(handler) as url, connected(url) as (connection, ear):
        await wait_for(lambda: ear.count(Opened), "the session", 2)
        if heard:
            connection.heard_error(heard)
        proceed.set()
        await wait_for(lambda: ear.count(Noted), "the fault", 2)
    assert ear.of(Closed)[0].code == code
    assert (heard or said) in ear.of(Closed)[0].reason
    assert ear.of(Noted)[0].kind == "slow_consumer"


async def test_after_a_complaint_nothing_is_asked_for_a_while():
    """1 s at first, for all connections that share the pace."""
    async with listened() as (connection, ear, requests):
        connection.slow_down()
        connection.resubscribe("level2", ("BTC-USD",))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await wait_for(lambda: len(requests) == 4, "the resubscription", 5)
        assert loop.time() - began_s > 0.9
    assert ("requests_held", {"line": "ws1", "wait_s": 1.0}) in ear.told


async def test_stopping_while_dialling_ends_soon():
    """A stop does not wait for a server that never answers."""

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    (line,) = spread(["BTC-USD"], ("heartbeats",))
    connection = Connection(line, f"ws://127.0.0.1:{port}", Ear(), Pace(50), Pace(50), **USUAL)
    running = asyncio.create_task(connection.run())
    await asyncio.sleep(0.05)
    await connection.stop("the test ends")
    await asyncio.wait_for(running, 2)
    listening.close()
    await listening.wait_closed()


def test_a_session_is_named_by_its_line_and_time():
    """Names of sessions are words, unique in time, and readable."""
    assert session_name("ws2", 1_795_299_928_015_675_844) == "ws2-20261121T222528.015Z"


async def test_what_is_left_is_unsubscribed_again_and_nothing_else():
    """Only what the line does not carry any more, by the name that it was asked for."""
    requests: list[dict] = []

    async def handler(socket):
        async for text in socket:
            requests.append(json.loads(text))  # noqa: PERF401  it grows while it is read

    (line,) = spread(["BTC-USD", "ETH-USD"], ("level2", "heartbeats", "status"))
    async with server(handler) as url, connected(url, line=line) as (connection, ear):
        await wait_for(lambda: len(requests) == 3, "the subscriptions", 2)
        connection.unsubscribe("level2", ("BTC-USD", "ETH-USD"))
        connection.unsubscribe("status", ())
        connection.change(replace(line, products=("BTC-USD",), channels=("level2", "heartbeats")))
        await wait_for(lambda: len(requests) == 5, "the change", 2)
        connection.unsubscribe("level2", ("BTC-USD", "ETH-USD"))
        connection.unsubscribe("status", ("BTC-USD", "ETH-USD"))
        connection.unsubscribe("ticker", ("BTC-USD",))
        connection.unsubscribe("heartbeats", ())
        await wait_for(lambda: len(requests) == 7, "both again", 2)
        connection.resubscribe("level2", ("BTC-USD",))
        await wait_for(lambda: len(requests) == 9, "what comes after", 2)
    left = [("unsubscribe", "level2", ["ETH-USD"]),
            ("unsubscribe", "status", ["BTC-USD", "ETH-USD"])]  # fmt: skip
    told = [(each["type"], each["channel"], each.get("product_ids")) for each in requests[3:7]]
    assert sorted(told[:2]) == left
    assert told[2:] == left
    assert ear.count(Sent) == 9


@pytest.mark.parametrize(
    ("lasts_s", "frames", "grows"), [(1, 9, True), (40, 9, False), (40, 4, True)]
)
async def test_the_back_off_ends_with_a_good_session_only(monkeypatch, lasts_s, frames, grows):
    """Data for half a minute: not the dial, not the answers alone, not a moment of data."""
    monkeypatch.setattr("recorder.feed.connection.BACKOFF_S_FIRST", 0.001)
    monkeypatch.setattr("recorder.feed.connection.GOOD_S", 0.25)
    connects = 0

    async def handler(socket):
        nonlocal connects
        connects += 1
        for _ in range(frames):
            await socket.send("{}")
        await asyncio.sleep(lasts_s / 120)
        await socket.close()

    async with server(handler) as url, connected(url) as (connection, ear):
        connection._jitter = lambda: 1.0
        await wait_for(lambda: connects == 5, "five sessions", 10)
        waits = [fields["wait_s"] for event, fields in ear.told if event == "reconnect_waiting"]
    assert waits[:4] == ([0.001, 0.002, 0.004, 0.008] if grows else [0.001] * 4)
