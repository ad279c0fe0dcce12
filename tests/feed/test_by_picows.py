"""What is ours in the transport by picows: the handshake's answers, and what is unpacked."""

import asyncio
import base64
import hashlib
import zlib

import pytest

pytest.importorskip("picows")

from picows import WSProtocolError

from recorder.feed.by_picows import _Unpacking
from recorder.feed.dial import PICOWS, describe, dial
from recorder.feed.sockets import OpeningError
from tests.recorders import wait_for

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@pytest.mark.parametrize(
    "answer",
    [
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; unheard_of",
        "permessage-deflate, permessage-deflate",
        "x-webkit-deflate-frame",
    ],
)
def test_an_answer_that_cannot_be_is_refused(answer):
    """What it means is not known, so nothing that follows could be unpacked for certain."""
    with pytest.raises(OpeningError, match="the venue"):
        _Unpacking(answer)


@pytest.mark.parametrize("bytes_max", [0, 999, 1000, 1001])
def test_nothing_is_unpacked_beyond_the_bound(bytes_max):
    """At the bound all of it is there; beyond it is an error, also where nothing more may come."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(bytes(1000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    unpacking = _Unpacking("permessage-deflate")
    if bytes_max < 1000:
        with pytest.raises(WSProtocolError):
            unpacking.unpack(packed[:-4], bytes_max, last=True)
    else:
        assert unpacking.unpack(packed[:-4], bytes_max, last=True) == bytes(1000)


def test_compressed_nonsense_and_an_early_end_are_breaches():
    """A stream that has ended gives nothing more, and would do so in silence."""
    with pytest.raises(WSProtocolError, match="decompression"):
        _Unpacking("permessage-deflate").unpack(b"\xff\xff\xff", 100, last=True)
    ended = zlib.compress(b"all", wbits=-15)
    with pytest.raises(WSProtocolError, match="too early"):
        _Unpacking("permessage-deflate").unpack(ended, 100, last=False)
    unpacking = _Unpacking("permessage-deflate")
    for _ in range(2):  # allowed at the end of a frame (RFC 7692 §7.2.3.4)
        assert unpacking.unpack(ended, 100, last=True) == b"all"


@pytest.mark.parametrize("early", ["", "\r\n"])
async def test_a_venue_that_compresses_unasked_is_refused(early):
    """With whatever it sends: an answer that fits no offer is none."""
    gone = asyncio.Event()

    async def handler(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            each[18:].strip()
            for each in head.split("\r\n")
            if each[:17].lower() == "sec-websocket-key"
        )
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n"
            f"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n{early}".encode()
        )
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OpeningError) as caught:
        await dial(f"ws://127.0.0.1:{port}", compression=False, transport=PICOWS)
    assert describe(caught.value) == "the venue compresses, which was not asked for"
    await wait_for(gone.is_set, "the end of the connection", 5)
    server.close()
    await server.wait_closed()


async def test_a_dial_that_nobody_waits_for_is_cut_off():
    """Stopping while the venue says nothing leaves no connection behind."""
    came, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader, writer):
        came.set()
        while await reader.read(1000):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    dialling = asyncio.create_task(
        dial(f"ws://127.0.0.1:{port}", compression=True, transport=PICOWS)
    )
    await asyncio.wait_for(came.wait(), 5)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    await wait_for(gone.is_set, "the end of the connection", 2)
    server.close()
    await server.wait_closed()
