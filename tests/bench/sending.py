"""The venue's side of a socket, in a process of its own: frames that were made beforehand.

What it costs to make and to send them is not the recorder's, so it is nobody's who is measured.
"""

import asyncio
import json
import multiprocessing
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from recorder.venue import wire
from tests.bench.crowd import Crowd, Halves, make_crowd, numbered, split
from tests.bench.traffic import SECOND_NS

SLEEP_NS_MIN = 1_000_000
YIELD_FRAMES = 50


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: where it is served, the changes of books in it, the levels before them."""

    url: str
    changes: int
    levels: int


class Sender:
    """A process that serves a crowd on loopback, to one recorder after the other."""

    def __init__(self, products: tuple[str, ...], changes: int, a_second: float | None) -> None:
        """Start it; see `make_crowd`."""
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        arguments = (there, products, changes, a_second)
        self._process = context.Process(target=_run, args=arguments, daemon=True)

    def __enter__(self) -> Self:
        """Make the frames, and listen."""
        self._process.start()
        self.made: Made = self._pipe.recv()
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

    def subscribed(self) -> int:
        """How many books were asked for and sent to those who are connected."""
        self._pipe.send("subscribed")
        found: int = self._pipe.recv()
        return found

    def send(self) -> int:
        """Send the frames of all channels that were asked for, each when it is due; how many.

        Blocks until the last was sent. Raises RuntimeError where the recorder leaves.
        """
        self._pipe.send("send")
        told = self._pipe.recv()
        if not isinstance(told, int):
            raise RuntimeError(f"the recorder left while frames were sent: {told}")  # noqa: TRY004
        return told


@dataclass(slots=True)
class Line:
    """One connection: the next number, and what is subscribed on it."""

    socket: ServerConnection
    number: int = 0
    channels: dict[str, list[str]] = field(default_factory=dict)

    async def send(self, halves: Halves) -> None:
        """Send a frame under the next number."""
        number, self.number = self.number, self.number + 1
        await self.socket.send(numbered(halves, number), text=True)


class _Venue:
    """Answers subscriptions from what was made; beats every second."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.lines: list[Line] = []
        self.carries: dict[str, Line] = {}

    async def talk(self, socket: ServerConnection) -> None:
        line = Line(socket)
        self.lines.append(line)
        try:
            async for text in socket:
                await self._answer(line, json.loads(text))
        finally:
            self.lines.remove(line)
            self.carries = {name: on for name, on in self.carries.items() if on is not line}

    async def _answer(self, line: Line, asked: Any) -> None:
        channel = asked["channel"]
        products = asked.get("product_ids") or ["heartbeats"]
        line.channels[channel] = products
        for product_id in products:
            if opening := self.crowd.openings.get((channel, product_id)):
                await line.send(opening)
            if channel == "level2":
                self.carries[product_id] = line
        event = wire.subscriptions(line.channels)
        await line.send(split(wire.frame("subscriptions", time.time_ns(), 0, event)))

    async def beat(self) -> None:
        for second in count(1):
            await asyncio.sleep(1.0)
            now_ns = time.time_ns()
            event = wire.heartbeat(now_ns, second * SECOND_NS)
            halves = split(wire.frame("heartbeats", now_ns, 0, event))
            for line in list(self.lines):
                if "heartbeats" in line.channels:
                    with suppress(ConnectionClosed):
                        await line.send(halves)

    async def send(self) -> int | str:
        begin_ns, sent = time.monotonic_ns(), 0
        try:
            for due in self.crowd.frames:
                wait_ns = due.after_ns - (time.monotonic_ns() - begin_ns)
                if wait_ns > SLEEP_NS_MIN:
                    await asyncio.sleep(wait_ns / SECOND_NS)
                line = self.carries[due.product_id]
                if due.channel in line.channels:
                    await line.send(due.halves)
                    sent += 1
                    if not sent % YIELD_FRAMES:
                        await asyncio.sleep(0)  # heartbeats, and what the sockets have to say
        except (ConnectionClosed, KeyError) as error:
            return repr(error)
        return sent


def _run(pipe: Connection, products: tuple[str, ...], changes: int, a_second: float | None) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(pipe, make_crowd(products, changes, time.time_ns(), a_second)))


async def _serve(pipe: Connection, crowd: Crowd) -> None:
    venue = _Venue(crowd)
    async with serve(venue.talk, "127.0.0.1", 0, compression=None, max_queue=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        pipe.send(Made(f"ws://127.0.0.1:{port}", crowd.changes, crowd.levels))
        beating = asyncio.create_task(venue.beat())
        while True:
            match await asyncio.to_thread(pipe.recv):
                case "subscribed":
                    pipe.send(len(venue.carries))
                case "send":
                    pipe.send(await venue.send())
                case _:
                    beating.cancel()
                    return
