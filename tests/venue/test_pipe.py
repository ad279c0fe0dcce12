"""Bytes that are kept back, on a transport in memory."""

import asyncio

from recorder.venue.pipe import Pipe, bomb, giant
from tests.recorders import wait_for


class Memory:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.done: list[str] = []
        self.unread = 0
        self.link = 7

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def is_closing(self) -> bool:
        return bool(self.done)

    def get_write_buffer_size(self) -> int:
        return self.unread


async def test_undisturbed_it_is_the_transport() -> None:
    """Writes go through at once, and what the pipe does not know the transport does."""
    memory = Memory()
    pipe = Pipe(memory)
    pipe.write(b"abc")
    pipe.write_eof()
    assert (memory.written, memory.done, pipe.link) == ([b"abc"], ["eof"], 7)


async def test_a_drip_keeps_the_order_and_the_end_for_last() -> None:
    """Bytes trickle; when it heals all of them come, and the close after them."""
    memory = Memory()
    pipe = Pipe(memory)
    pipe.drip(100)
    pipe.write(b"0123456789")
    pipe.write(b"abcdefghij")
    pipe.close()
    await asyncio.sleep(0.12)
    assert b"".join(memory.written) in (b"01234", b"0123456789")
    assert pipe.get_write_buffer_size() >= 10
    assert memory.done == []
    pipe.undrip()
    await asyncio.sleep(0.12)
    assert b"".join(memory.written) == b"0123456789abcdefghij"
    assert memory.done == ["close"]


async def test_what_vanishes_is_not_kept() -> None:
    """Neither bytes nor the end of them; a close is the operating system's."""
    memory = Memory()
    pipe = Pipe(memory)
    pipe.vanishing = True
    pipe.write(b"abc")
    pipe.write_eof()
    assert (memory.written, memory.done) == ([], [])
    pipe.close()
    assert memory.done == ["close"]


async def test_pouring_waits_for_the_client_and_others_wait_for_it() -> None:
    """Nothing is made before it is wanted; what was written meanwhile comes after it."""
    memory = Memory()
    made = []

    def source():
        for piece in (b"a", b"b", b"c"):
            made.append(piece)
            yield piece

    pipe = Pipe(memory)
    memory.unread = 1 << 30
    pipe.pour(source())
    pipe.write(b"after")
    await asyncio.sleep(0.02)
    assert made == []
    assert pipe.pouring
    memory.unread = 0
    await wait_for(lambda: b"".join(memory.written) == b"abcafter", "what was written meanwhile")
    assert not pipe.pouring


async def test_pouring_ends_with_the_connection() -> None:
    """An end of any kind does not wait for a frame without end."""
    for end in ("close", "abort", "write_eof"):
        memory = Memory()
        pipe = Pipe(memory)
        pipe.pour(iter(lambda: b"x", None))
        getattr(pipe, end)()
        assert len(memory.done) == 1
        written = len(memory.written)
        await asyncio.sleep(0.01)
        assert len(memory.written) == written


def test_a_giant_is_made_in_pieces_and_a_bomb_is_small() -> None:
    """The first piece says how long it will be; eighty megabytes fit into a hundred kilobytes."""
    pieces = giant(1 << 40)
    head = next(pieces)
    assert int.from_bytes(head[2:10], "big") == 1 << 40
    assert all(len(next(pieces)) == 65536 for _ in range(10))
    assert sum(map(len, giant(1_000_000))) == 1_000_000 + 10
    assert len(bomb(80 << 20)) < 100_000
