"""Delivering in turns, and waiting for room."""

import asyncio
import json
from collections import deque

import pytest

from recorder import credentials
from recorder.core.frames import Frame, Noted
from recorder.core.wire.venues import wire_of
from recorder.credentials import Secret, note_in_use
from recorder.feed import reading
from recorder.feed.reading import read
from recorder.feed.sockets import Ended, Socket
from recorder.feed.tally import Tally


@pytest.fixture(autouse=True)
def _nothing_in_use(monkeypatch):
    """What a test notes as a secret is none to the others."""
    monkeypatch.setattr(credentials, "_IN_USE", {"name": [], "key": []})
    monkeypatch.setattr(credentials, "_IN_FRAMES", [])
    monkeypatch.setattr(credentials, "_OF_SIGNATURES", deque())


END = Ended(1000, "over", ours=False)


class Held(Socket):
    """A socket without a network."""

    transport = None

    async def send(self, text):
        raise NotImplementedError

    def ping(self):
        raise NotImplementedError

    async def close(self, code, reason):
        self.finish(Ended(code, reason, ours=True))


class Shell:
    """Keeps what it is given; ``room`` can be taken away."""

    def __init__(self) -> None:
        self.arrivals: list[Frame] = []
        self.came: list[int] = []
        self.room = asyncio.Event()
        self.room.set()
        self.now = 0
        self.known: list[tuple] = []
        self.together: list[int] = []

    def now_ns(self) -> int:
        self.now += 1
        return self.now

    def deliver(self, arrival, came_ns=None) -> None:
        self.arrivals.append(arrival)
        self.came.append(came_ns)

    def deliver_frames(self, frames, came_ns) -> None:
        self.together.append(len(frames))
        for frame, each_ns in zip(frames, came_ns, strict=True):
            self.deliver(frame, each_ns)

    def decoded(self, raw, decoded) -> None:
        self.known.append((raw, decoded))

    def has_room(self) -> bool:
        return self.room.is_set()

    async def wait_room(self) -> None:
        await self.room.wait()


def filled(count: int) -> Held:
    socket = Held()
    for number in range(count):
        socket.inbox.put(b"%d" % number)
    return socket


async def test_every_frame_is_delivered_once_and_in_order():
    """Those that wait at the end, too; with when they came, and counted."""
    socket, shell, tally = filled(100), Shell(), Tally()
    socket.finish(END)
    assert await read(socket, "ws1", shell, tally) == END
    assert [each.raw for each in shell.arrivals] == [b"%d" % number for number in range(100)]
    assert [each.recv_ns for each in shell.arrivals] == list(range(1, 101))
    assert shell.came == sorted(shell.came)
    assert (tally.frames, tally.bytes) == (100, 190)


async def test_what_waits_in_great_number_is_delivered_together():
    """Until little is left; a long frame is decoded alone, in its place."""
    long = b"x" * reading.LONG_BYTES
    count = 3 * reading.MANY_MAX
    frames = [b"%d" % number for number in range(count)]
    frames.insert(reading.MANY_MAX + 20, long)
    socket, shell, tally = Held(), Shell(), Tally()
    for frame in frames:
        socket.inbox.put(frame)
    socket.finish(END)
    await read(socket, "ws1", shell, tally)
    assert [each.raw for each in shell.arrivals] == frames
    assert [each.recv_ns for each in shell.arrivals] == sorted(
        each.recv_ns for each in shell.arrivals
    )
    assert shell.together[:2] == [reading.MANY_MAX, 20]
    assert count - reading.MANY_MIN < sum(shell.together) < count
    assert (tally.frames, tally.bytes) == (len(frames), sum(map(len, frames)))


async def test_together_are_no_more_than_so_many_bytes():
    socket, shell = Held(), Shell()
    for _ in range(reading.MANY_MIN):
        socket.inbox.put(b"x" * (reading.LONG_BYTES - 1))
    socket.finish(END)
    await read(socket, "ws1", shell, Tally())
    most = -(-reading.MANY_BYTES_MAX // (reading.LONG_BYTES - 1))
    assert shell.together == [most]
    assert len(shell.arrivals) == reading.MANY_MIN


async def test_exchange_is_read_one_by_one():
    """Its frames have no numbering that the fast way knows."""
    socket, shell = filled(2 * reading.MANY_MIN), Shell()
    socket.finish(END)
    await read(socket, "ws1", shell, Tally(), "exchange")
    assert (shell.together, len(shell.arrivals)) == ([], 2 * reading.MANY_MIN)


async def test_together_frames_wait_for_room_too():
    socket, shell = filled(2 * reading.MANY_MAX), Shell()
    shell.room.clear()
    task = asyncio.create_task(read(socket, "ws1", shell, Tally()))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(shell.arrivals) == reading.MANY_MAX
    shell.room.set()
    socket.finish(END)
    assert await asyncio.wait_for(task, 5) == END
    assert len(shell.arrivals) == 2 * reading.MANY_MAX


@pytest.mark.parametrize(
    ("venue", "run"), [("exchange", "FRAMES_AT_ONCE"), ("advanced", "MANY_MAX")]
)
async def test_connections_take_turns(venue, run):
    """One that has much waiting does not keep another from being heard."""
    turns, length = [], getattr(reading, run)
    for name in ("busy", "other"):
        shell = Shell()
        shell.deliver = lambda arrival, came_ns=None: turns.append(arrival.connection_id)
        socket = filled(5 * length)
        socket.finish(END)
        turns.append(asyncio.create_task(read(socket, name, shell, Tally(), venue)))
    tasks, turns[:] = turns[:], []
    await asyncio.gather(*tasks)
    runs = [turns[at : at + length] for at in range(0, len(turns), length)]
    assert [run[0] for run in runs] == ["busy", "other"] * 5
    assert all(len(set(run)) == 1 for run in runs)


async def test_without_room_frames_wait_in_the_socket():
    """Until there is room again."""
    socket, shell = filled(3), Shell()
    shell.room.clear()
    task = asyncio.create_task(read(socket, "ws1", shell, Tally()))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(shell.arrivals) == 1
    shell.room.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(shell.arrivals) == 3
    socket.finish(END)
    assert await asyncio.wait_for(task, 5) == END


async def test_what_came_before_the_end_is_kept_without_room_too():
    """It is bounded, and it is here: the session that ended brings no more."""
    socket, shell = filled(3), Shell()
    shell.room.clear()
    task = asyncio.create_task(read(socket, "ws1", shell, Tally()))
    await asyncio.sleep(0)
    socket.finish(END)
    assert await asyncio.wait_for(task, 5) == END
    assert len(shell.arrivals) == 3


async def test_a_long_frame_is_decoded_while_others_are_heard():
    """Between two of its slices every other connection has a turn."""
    level = {"side": "bid", "event_time": "2026-11-21T19:00:00Z",
             "price_level": "1.5", "new_quantity": "2"}  # fmt: skip
    event = {"type": "snapshot", "product_id": "BTC-USD", "updates": [level] * 5000}
    frame = {"channel": "l2_data", "timestamp": "2026-11-21T19:00:00Z", "sequence_num": 7,
             "events": [event]}  # fmt: skip
    raw = json.dumps(frame, separators=(",", ":")).encode()
    long, other, shell, turns = Held(), Held(), Shell(), []
    long.inbox.put(raw)
    long.inbox.put(b"after")
    shell.deliver = lambda arrival, came_ns=None: turns.append(arrival.raw)
    tasks = [asyncio.create_task(read(each, "ws1", shell, Tally())) for each in (long, other)]
    for number in range(20):
        other.inbox.put(b"%d" % number)
        await asyncio.sleep(0)
    for each in (long, other):
        each.finish(END)
    await asyncio.gather(*tasks)
    assert turns.index(raw) > 5
    assert turns.index(b"after") > turns.index(raw)
    assert shell.known == [(raw, wire_of("advanced").decode(raw))]


async def test_a_bug_of_ours_in_a_transport_is_no_close_of_the_venue():
    socket = filled(1)
    socket.failure = KeyError("ours")
    socket.finish(END)
    with pytest.raises(KeyError):
        await read(socket, "ws1", Shell(), Tally())


@pytest.mark.parametrize("many_min", [1, 96])
@pytest.mark.parametrize("signs", [True, False])
async def test_what_is_repeated_of_a_key_is_not_kept(signs, many_min, monkeypatch):
    """In an error, and in a frame that nobody knows; the frame is there, and a note says so."""
    monkeypatch.setattr(reading, "MANY_MIN", many_min)
    note_in_use(Secret(("Hunter2-Zw+eLf/Q",)), "key")
    frames = [
        b'{"type":"error","message":"no","reason":"Hunter2-Zw+eLf/Q"}',
        b'{"type":"weird_Hunter2-Zw+eLf/Q"}',
        b'{"type":"error","message":"\xff Hunter2-Zw%2beLf%2fQ"}',
        b'{"type":"error","message":"\xff unknown"}',
        b'{"type":"heartbeat"}',
    ]
    socket, shell = Held(), Shell()
    for frame in frames:
        socket.inbox.put(frame)
    socket.finish(END)
    await read(socket, "ws1", shell, Tally(), signs=signs)
    kept = [each.raw for each in shell.arrivals if isinstance(each, Frame)]
    notes = [each for each in shell.arrivals if isinstance(each, Noted)]
    assert len(kept) == len(frames)
    assert kept[3:] == frames[3:]
    if not signs:
        assert kept == frames
        assert notes == []
        return
    assert [each.kind for each in notes] == ["secret_repeated"] * 3
    assert not any(b"Hunter2" in each for each in kept)
    assert kept[0] == b'{"type":"error","message":"no","reason":"[redacted]"}'
