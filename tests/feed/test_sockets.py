"""What a socket promises, whichever library speaks the protocol, against servers on loopback."""

import asyncio
import zlib
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from recorder.feed import sockets
from recorder.feed.dial import PICOWS, TRANSPORTS, dial
from recorder.feed.sockets import ClosedError, Ended, Inbox, ended
from tests.recorders import wait_for


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    """Each test with both transports, where the extra is installed."""
    if request.param == PICOWS:
        pytest.importorskip("picows")
    return request.param


@asynccontextmanager
async def opened(transport, handler, *, compression=False, **options):
    """A socket to a server that does as ``handler`` says."""
    if not compression:
        options["compression"] = None
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        socket = await dial(f"ws://127.0.0.1:{port}", compression=compression, transport=transport)
        try:
            yield socket
        finally:
            socket.abort()
            await asyncio.wait_for(socket.wait_closed(), 10)


async def all_of(socket) -> list[bytes]:
    """Every frame up to the end."""
    frames = []
    while await asyncio.wait_for(socket.inbox.wait(), 10):
        frames.append(socket.inbox.take()[1])
    return frames


# --- frames ---------------------------------------------------------------------------------------


async def test_frames_come_in_order_with_the_time_they_came(transport):
    """Text and binary alike, as bytes; what came before the end is taken after it."""

    async def handler(socket):
        for number in range(100):
            await socket.send(f"{number}" if number % 2 else f"{number}".encode())

    async with opened(transport, handler) as socket:
        await asyncio.wait_for(socket.wait_closed(), 10)
        times, frames = [], []
        while await socket.inbox.wait():
            came_ns, raw = socket.inbox.take()
            times.append(came_ns)
            frames.append(raw)
        assert socket.inbox.bytes == 0
    assert frames == [f"{number}".encode() for number in range(100)]
    assert times == sorted(times)
    assert socket.inbox.end == Ended(1000, "", ours=False)


@pytest.mark.parametrize("compression", [False, True])
async def test_a_frame_in_pieces_is_one(transport, compression):
    """A venue may send a snapshot in pieces, with pings and pongs between them."""

    async def handler(socket):
        async def pieces():
            for number in range(50):
                await socket.pong(b"unasked")
                yield "ab" * number

        await socket.send(pieces())
        await socket.send("next")

    async with opened(transport, handler, compression=compression) as socket:
        frames = await all_of(socket)
    assert frames == [b"".join(b"ab" * number for number in range(50)), b"next"]


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("bits", [9, 15])
async def test_compressed_frames_are_unpacked(transport, anew, bits):
    """With a window that lives on and one that is new for each frame, small and large."""
    texts = ["x" * 5, '{"channel":"l2_data"}' * 2000, "", "é" * 70_000]
    factory = ServerPerMessageDeflateFactory(
        server_no_context_takeover=anew, server_max_window_bits=bits
    )

    async def handler(socket):
        for text in texts * 3:
            await socket.send(text)

    async with opened(transport, handler, compression=True, extensions=[factory]) as socket:
        assert await all_of(socket) == [text.encode() for text in texts * 3]


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_bomb_is_not_unpacked(transport, monkeypatch, pieces):
    """What unpacks to more than a frame may be ends the session; nothing of it is kept."""
    monkeypatch.setattr(sockets, "FRAME_BYTES_MAX", 2**20)
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(64 * 2**20)) + packer.flush(zlib.Z_SYNC_FLUSH)

    async def handler(socket):
        bounds = [len(bomb) * each // pieces for each in range(pieces + 1)]
        for index in range(pieces):
            first = (0x80 if index == pieces - 1 else 0) | (0 if index else 0x42)  # packed, binary
            piece = bomb[bounds[index] : bounds[index + 1]]
            socket.transport.write(bytes([first, 126]) + len(piece).to_bytes(2, "big") + piece)
        await socket.wait_closed()

    async with opened(transport, handler, compression=True) as socket:
        assert await all_of(socket) == []
        assert socket.inbox.end.code == 1009
        assert socket.inbox.end.ours


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4999])
async def test_the_venue_s_close_is_told_with_its_code_and_reason(transport, code):
    async def handler(socket):
        await socket.send("last")
        await socket.close(code, "so it is")

    async with opened(transport, handler) as socket:
        assert await all_of(socket) == [b"last"]
        assert socket.inbox.end == Ended(code, "so it is", ours=False)
        with pytest.raises(ClosedError):
            await socket.send("too late")
        socket.ping()


async def test_a_close_frame_without_a_code(transport):
    """It is one: the close was in order, and says nothing."""

    async def handler(socket):
        socket.transport.write(Frame(Opcode.CLOSE, b"").serialize(mask=False))
        await socket.wait_closed()

    async with opened(transport, handler) as socket:
        await all_of(socket)
        assert socket.inbox.end == Ended(1005, "", ours=False)


async def test_a_connection_that_breaks_has_no_close_frame(transport):
    async def handler(socket):
        await socket.send("one")
        socket.transport.abort()

    async with opened(transport, handler) as socket:
        await all_of(socket)
        assert socket.inbox.end == Ended(1006, "no close frame", ours=True)


@pytest.mark.parametrize(
    "sent",
    [
        b"\xc1\x00",  # a compressed frame where nothing is compressed
        b"\x91\x00",  # a reserved bit
        b"\x83\x00",  # no such kind of frame
        b"\x80\x01a",  # goes on where nothing began
        b"\x01\x01a\x81\x01b",  # begins where something is to go on
        b"\x81\x81aaaaa",  # masked by a server
        b"\x88\x02\x00\x01",  # a close code that cannot be
    ],
)
async def test_a_breach_of_the_protocol_is_ours_to_close(transport, sent):
    """1002, with what it was; nothing of it is taken for a frame."""

    async def handler(socket):
        await socket.send("good")
        socket.transport.write(sent)
        await socket.wait_closed()

    async with opened(transport, handler) as socket:
        assert await all_of(socket) == [b"good"]
        assert (socket.inbox.end.code, socket.inbox.end.ours) == (1002, True)
        assert socket.inbox.end.reason.startswith("closed by us: ")


async def test_we_close_in_order(transport):
    """The venue answers; what it sent before that is taken."""

    async def handler(socket):
        await socket.send("before")
        await socket.wait_closed()

    async with opened(transport, handler) as socket:
        await wait_for(lambda: socket.inbox.bytes, "a frame", 5)
        await socket.close(1000, "")
        assert await all_of(socket) == [b"before"]
        assert socket.inbox.end == Ended(1000, "", ours=False)
        await socket.close(1000, "")  # twice does nothing


async def test_a_peer_that_does_not_answer_a_close_is_left(transport, monkeypatch):
    monkeypatch.setattr(sockets, "CLOSE_S_MAX", 0.1)

    async def handler(socket):
        socket.transport.pause_reading()
        await asyncio.sleep(2)
        socket.transport.abort()

    async with opened(transport, handler) as socket:
        await socket.close(1000, "enough")
        assert socket.inbox.end.ours


@pytest.mark.parametrize(
    ("came", "sent", "expected"),
    [
        ((1001, "deploy"), (1001, "deploy"), Ended(1001, "deploy", ours=False)),
        (None, None, Ended(1006, "no close frame", ours=True)),
        (None, (1009, ""), Ended(1009, "our limit: a frame of more than 64 MiB", ours=True)),
        (None, (1011, "keepalive"), Ended(1011, "our keepalive: no pong within 10 s", ours=True)),
        (None, (1002, "bad opcode"), Ended(1002, "closed by us: bad opcode", ours=True)),
        ((1009, "Message too big"), (1009, ""), Ended(1009, "Message too big", ours=False)),
    ],
)
def test_who_closed_and_why(came, sent, expected):
    """Ours are told from the venue's."""
    assert ended(came, sent) == expected


# --- back-pressure --------------------------------------------------------------------------------


async def test_what_waits_is_bounded_by_bytes_and_nothing_is_lost(transport, monkeypatch):
    """A reader that does not come: frames wait here, in the kernel, at the venue; in this order."""
    monkeypatch.setattr(sockets, "WAITING_BYTES_MAX", 64 * 1024)
    frame, count, sent = "x" * 10_000, 4000, 0

    async def handler(socket):
        nonlocal sent
        for number in range(count):
            await socket.send(f"{number:06}{frame}")
            sent += 1

    async with opened(transport, handler) as socket:
        await wait_for(lambda: socket.inbox.paused, "the bound", 5)
        before = None
        while before != sent:  # until the venue cannot send any more
            before = sent
            await asyncio.sleep(0.1)
        assert sent < count
        # One read brings so much beyond the bound.
        assert socket.inbox.bytes <= 64 * 1024 + 2 * 256 * 1024
        frames = await all_of(socket)
    assert [int(raw[:6]) for raw in frames] == list(range(count))
    assert socket.inbox.pauses > 1


async def test_a_pong_that_waits_behind_frames_is_no_silence(transport, monkeypatch):
    """It is we who do not read: the venue may close then, we do not."""
    monkeypatch.setattr(sockets, "WAITING_BYTES_MAX", 10_000)
    monkeypatch.setattr(sockets, "PING_S", 0.02)
    monkeypatch.setattr(sockets, "PONG_S_MAX", 0.02)

    async def handler(socket):
        for _ in range(40):
            await socket.send("x" * 1_000_000)
        await socket.wait_closed()

    async with opened(transport, handler) as socket:
        await wait_for(lambda: socket.inbox.paused, "the bound", 5)
        await asyncio.sleep(0.3)
        assert socket.inbox.end is None
        for _ in range(40):
            assert await asyncio.wait_for(socket.inbox.wait(), 10)
            assert len(socket.inbox.take()[1]) == 1_000_000


def test_an_inbox_pauses_once_and_goes_on_below_half(monkeypatch):
    monkeypatch.setattr(sockets, "WAITING_BYTES_MAX", 100)
    said, inbox = [], Inbox()
    inbox.connect(lambda: said.append("pause"), lambda: said.append("resume"))
    for _ in range(13):
        inbox.put(b"x" * 10)
    assert (said, inbox.paused, inbox.bytes) == (["pause"], True, 130)
    for _ in range(7):
        inbox.take()
    assert said == ["pause"]
    inbox.take()
    assert said == ["pause", "resume"]
    while inbox.take():
        pass
    assert (inbox.bytes, inbox.pauses, inbox.take()) == (0, 1, None)


async def test_waiting_for_a_frame_is_cancelled_without_a_trace():
    """Whoever waits next gets the frame."""
    inbox = Inbox()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(inbox.wait(), 0.001)
    inbox.put(b"one")
    assert await inbox.wait()
    inbox.close(Ended(1000, "", ours=False))
    inbox.close(Ended(1006, "", ours=True))
    assert inbox.take()[1] == b"one"
    assert not await inbox.wait()
    assert inbox.end.code == 1000
