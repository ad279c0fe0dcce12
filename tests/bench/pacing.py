"""A venue of recorded frames in a process of its own, that sends them at a steady rate.

Frames that come in lumps wait for each other, and that is none of the recorder's time: so each is
sent when it is due, by a thread for each connection that sleeps until then, and what was really
sent is told. What a connection is owed is not let go: who was held up sends the rest at once.
"""

import ctypes
import json
import multiprocessing
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, cycle
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from recorder.venue import wire
from tests.bench.crowd import Halves, numbered, split
from tests.bench.traffic import SECOND_NS, Traffic

LATE_S = 0.001
LONG_BYTES = 1_000_000
TRADES = b'"channel":"market_trades"'
_PR_SET_TIMERSLACK = 29
_SLACK_NS = 1000  # a sleep is 50 us too long otherwise


class Pace:
    """A steady rate: when the next frame is due, and what of that was kept.

    ``sent`` are the frames so far, ``late`` those of them sent more than `LATE_S` after they were
    due, ``latest_s`` is how late one was at most.
    """

    def __init__(self, a_second: float, begin_s: float) -> None:
        self._step_s = 1 / a_second
        self._begin_s = begin_s
        self.sent = 0
        self.late = 0
        self.latest_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next frame is due; 0 or less: it is."""
        return self._begin_s + self.sent * self._step_s - now_s

    def took(self, now_s: float) -> None:
        """The next frame was sent."""
        late_s = -self.wait_s(now_s)
        self.sent += 1
        self.late += late_s > LATE_S
        self.latest_s = max(self.latest_s, late_s)


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent on one connection, and in which time."""

    frames: int
    seconds: float
    late: int
    latest_s: float


class Venue:
    """The process: one connection a product; see `send`."""

    def __init__(self, traffic: Traffic, products: tuple[str, ...], rate: float, s: float) -> None:
        """``rate`` frames a second for ``s`` seconds, all products together."""
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        arguments = (there, traffic, products, rate, s)
        self._process = context.Process(target=_run, args=arguments, daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._process.start()
        self.port: int = self._pipe.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()

    def send(self) -> list[Sent]:
        """Send everything, the first product's book again in the middle; blocks until it is."""
        self._pipe.send("go")
        told: list[Sent] = self._pipe.recv()
        return told


def streams_of(
    traffic: Traffic, products: tuple[str, ...]
) -> dict[str, tuple[Halves, list[Halves]]]:
    """Each product's book and the frames after it, each without its number."""
    found = {}
    for product_id in products:
        name = f'"product_id":"{product_id}"'.encode()
        mine = [raw for _, raw in traffic.frames if name in raw]
        book = next(raw for _, raw in traffic.snapshots() if name in raw[:400])
        after = mine[mine.index(book) + 1 :]
        found[product_id] = split(book), [split(raw) for raw in after if len(raw) < LONG_BYTES]
    return found


def rounds_of(frames: list[Halves]) -> Iterator[Halves]:
    """The frames, and again without end; trades come once, for the same again would be faults."""
    return chain(frames, cycle([each for each in frames if TRADES not in each[0]]))


# --- the process ----------------------------------------------------------------------------------


def _run(
    pipe: Connection, traffic: Traffic, products: tuple[str, ...], rate: float, s: float
) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _SLACK_NS)  # threads inherit it
    venue = _Venue(streams_of(traffic, products), rate, s)
    with (
        suppress(KeyboardInterrupt),
        serve(venue.talk, "127.0.0.1", 0, compression=None, ping_interval=None) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipe.send(server.socket.getsockname()[1])
        pipe.recv()
        pipe.send(venue.send())
        pipe.recv()


class _Line:
    """One connection: the next number, and what is subscribed on it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.channels: dict[str, list[str]] = {}
        self._number = 0
        self._lock = threading.Lock()

    def send(self, halves: Halves) -> None:
        with self._lock:
            self.socket.send(numbered(halves, self._number), text=True)
            self._number += 1

    def beat(self, second: int) -> None:
        now_ns = time.time_ns()
        event = wire.heartbeat(now_ns, second * SECOND_NS)
        self.send(split(wire.frame("heartbeats", now_ns, 0, event)))


class _Venue:
    def __init__(
        self, streams: Mapping[str, tuple[Halves, list[Halves]]], rate: float, s: float
    ) -> None:
        self._streams = streams
        self._rate = rate / len(streams)
        self._frames = int(rate / len(streams) * s)
        self._begin_s = 0.0
        self._go = threading.Event()
        self._carried: dict[str, threading.Thread] = {}
        self._sent: dict[str, Sent] = {}

    def talk(self, socket: ServerConnection) -> None:
        """Acknowledge what is asked for, and send the book; the rest is a thread's."""
        line = _Line(socket)
        with suppress(ConnectionClosed):
            for text in socket:
                self._answer(line, json.loads(text))

    def _answer(self, line: _Line, message: Any) -> None:
        channel, products = message["channel"], message.get("product_ids") or ["heartbeats"]
        line.channels[channel] = products
        if channel == "level2":
            line.send(self._streams[products[0]][0])
        event = wire.subscriptions(line.channels)
        line.send(split(wire.frame("subscriptions", time.time_ns(), 0, event)))
        if channel == "level2" and products[0] not in self._carried:
            arguments = (line, products[0])
            thread = threading.Thread(target=self._stream, args=arguments, daemon=True)
            self._carried[products[0]] = thread
            thread.start()

    def send(self) -> list[Sent]:
        self._begin_s = time.perf_counter() + 0.1
        self._go.set()
        for thread in list(self._carried.values()):
            thread.join()
        return [self._sent[each] for each in sorted(self._sent)]

    def _stream(self, line: _Line, product_id: str) -> None:
        second = 0
        with suppress(ConnectionClosed):
            while not self._go.wait(1.0):
                second += 1
                line.beat(second)
            self._pour(line, product_id, second)

    def _pour(self, line: _Line, product_id: str, second: int) -> None:
        """The frames at the rate, one product's between another's; the book in the middle."""
        book, frames = self._streams[product_id]
        names = list(self._streams)
        at = names.index(product_id)
        coming = rounds_of(frames)
        pace = Pace(self._rate, self._begin_s + at / len(names) / self._rate)
        beat_s = self._begin_s
        for number in range(self._frames):
            wait_s = pace.wait_s(time.perf_counter())
            if wait_s > 0:
                time.sleep(wait_s)
            now_s = time.perf_counter()
            pace.took(now_s)
            line.send(next(coming))
            if now_s >= beat_s:
                second, beat_s = second + 1, beat_s + 1.0
                line.beat(second)
            if not at and number == self._frames // 2:
                line.send(book)
        seconds = time.perf_counter() - self._begin_s
        self._sent[product_id] = Sent(pace.sent, seconds, pace.late, pace.latest_s)
