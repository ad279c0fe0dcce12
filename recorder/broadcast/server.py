"""`Broadcast`: a recording told to everybody who listens, by one clock.

The clock starts when as many clients as were waited for have subscribed and said nothing more for
`SETTLE_S`, and stands while nobody listens. A stretch of more than `SILENCE_NS` in which nothing
was recorded is skipped. A client that reads too slowly is closed with 1008: at a given speed once
it is `BACKLOG_BYTES_MAX` behind; at full speed, where everybody waits for the slowest, once it has
read nothing for `STALL_S`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed

from recorder.broadcast.known import Known
from recorder.broadcast.listener import Listener
from recorder.broadcast.tape import Tape
from recorder.broadcast.told import Hole, Item, Told, Whole
from recorder.core.messages import Heartbeat
from recorder.venue.door import BACKLOG_BYTES_MAX, POLICY, SLOW_REASON, Connection, Door

SECOND_NS = 1_000_000_000
SETTLE_S = 1.0
SILENCE_NS = 10 * SECOND_NS
STALL_S = 30.0
# Coinbase's own Python client throws away what it has not looked at yet when the socket closes.
LINGER_S = 2.0
# Beats of our own keep clients from taking a silence of the recording for a dead connection.
BEAT_S = 3.0
BATCH = 256
FRAMES_AT_ONCE = 256
BYTES_AT_ONCE = 1 << 20
SLEEP_S_MIN = 0.001
SLEEP_S_MAX = 0.25
NORMAL = 1000
ENDS = "the recording ends"


@dataclass(slots=True)
class Summary:
    """What was told, to whom, and what was not."""

    start_ns: int = 0
    now_ns: int = 0
    finished: bool = False
    frames: int = 0
    bytes: int = 0
    clients: int = 0
    slow_clients: int = 0
    holes: int = 0
    hours_captured: int = 0
    hours_tabled: int = 0
    left_out: int = 0


class Broadcast(Door):
    """Tells a tape to clients. ``ended`` is set once all of it is told, or it cannot be read."""

    def __init__(
        self,
        tape: Tape,
        speed: float | None = 1.0,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clients: int = 1,
        settle_s: float = SETTLE_S,
        stall_s: float = STALL_S,
        linger_s: float = LINGER_S,
        keep_sent: bool = False,
        backlog_bytes_max: int = BACKLOG_BYTES_MAX,
        watch: Callable[[Summary], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is read before ``async with``.

        Args:
            tape: what is told.
            speed: 2.0 is twice as fast as it was recorded, None as fast as everybody reads.
            host: the address to listen on.
            port: 0 takes a free one.
            clients: how many must have subscribed before the clock starts.
            settle_s: how long they must have said nothing more then.
            stall_s: how long a client may read nothing at full speed.
            linger_s: how long connections stay open behind the last frame.
            keep_sent: remember every frame, for `sent`.
            backlog_bytes_max: how far a client may be behind at a given speed.
            watch: told of the state after every batch.
        """
        super().__init__(
            host=host, port=port, compression=False, keep_sent=keep_sent,
            backlog_bytes_max=backlog_bytes_max,
        )  # fmt: skip
        self.summary = Summary()
        self.ended = asyncio.Event()
        self.error: Exception | None = None
        self._tape = tape
        self._speed = speed
        self._clients = clients
        self._settle_s = settle_s
        self._stall_s = stall_s
        self._linger_s = linger_s
        self._backlog_max = backlog_bytes_max
        self._watch = watch
        self._known = Known()
        self._ready = asyncio.Event()
        self._stirred = asyncio.Event()
        self._heard_s = 0.0
        self._anchor = 0.0, 0  # a time of the loop, and the recorded time that it stands for
        self._counter = 0
        self._listeners: dict[Connection, Listener] = {}
        self._outbox: dict[Connection, list[bytes]] = {}
        self._waiting = 0, 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Listen, and begin to read."""
        await super().__aenter__()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._beats())]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop telling, then the sockets."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await super().__aexit__(kind, error, trace)

    def book(self, product_id: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Bids and asks of the book at this moment, best first; empty where none is known."""
        book = self._known.book(product_id)
        return (book.levels("bid"), book.levels("ask")) if book is not None else ([], [])

    # --- clients -----------------------------------------------------------------------------

    async def _talk(self, connection: Connection) -> None:
        listener = Listener(self._known, self._tape.product_ids)
        self.summary.clients += 1
        try:
            async for text in connection.socket:
                connection.heard(text)
                await self._ready.wait()
                self._heard_s = listener.beat_s = asyncio.get_running_loop().time()
                self._flush()
                self._post(connection, listener.receive(text, self.summary.now_ns))
                self._flush()
                self._listeners[connection] = listener
                self._stirred.set()
        finally:
            self.summary.holes += listener.holes
            self._listeners.pop(connection, None)
            self._outbox.pop(connection, None)
            self._stirred.set()

    def _heard_by(self) -> int:
        return sum(1 for each in self._listeners.values() if each.channels)

    async def _gather(self, clients: int) -> None:
        """Wait until so many listen and have said what they want."""
        while True:
            self._stirred.clear()
            wait_s = None
            if self._heard_by() >= clients:
                wait_s = self._heard_s + self._settle_s - asyncio.get_running_loop().time()
                if wait_s <= 0:
                    return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stirred.wait()

    # --- the run -----------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._play(iter(self._tape))
        except Exception as error:  # noqa: BLE001  whoever waits for the end raises it
            self.error = error
        finally:
            self._ready.set()  # nobody waits for what does not come
            self.ended.set()

    async def _play(self, items: Iterator[Item]) -> None:
        clients, start_ns = self._clients, self._tape.start_ns
        reading = asyncio.create_task(_read(items))
        while batch := await reading:
            reading = asyncio.create_task(_read(items))
            for item in batch:
                if not self._ready.is_set():
                    if item.recv_ns < start_ns or isinstance(item, Whole):
                        self._know(item)
                        continue
                    self._begin(item.recv_ns)
                if clients:
                    await self._gather(clients)
                    self._anchor_at(item.recv_ns)
                    clients = 0
                await self._wait_until(item.recv_ns)
                self._take(item)
            await self._breathe()
        if not self._ready.is_set():
            self._begin(start_ns)
        if clients:
            await self._gather(clients)  # all that there is, is what they are told at once
        await self._finish()

    def _begin(self, at_ns: int) -> None:
        self.summary.start_ns = self.summary.now_ns = at_ns
        self._ready.set()

    async def _finish(self) -> None:
        """Let everybody read to the end, and say that it is one."""
        await self._breathe()
        for connection in list(self._listeners):
            await self._let_read(connection)
        self.summary.finished = True
        await asyncio.sleep(self._linger_s)
        closing = [each.close(NORMAL, ENDS) for each in list(self.connections)]
        await asyncio.gather(*closing)

    async def _wait_until(self, at_ns: int) -> None:
        """Wait until an item is due; let clients be heard now and then where it is overdue."""
        if self._speed is not None and at_ns - self.summary.now_ns > SILENCE_NS:
            self._anchor_at(at_ns - SECOND_NS)
        while True:
            if not self._heard_by():
                self._flush()
                await self._gather(1)
                self._anchor_at(at_ns)
            wait_s = self._due_s(at_ns)
            if wait_s <= SLEEP_S_MIN:
                break
            self._flush()
            await asyncio.sleep(min(wait_s, SLEEP_S_MAX))
        frames, size = self._waiting
        if frames >= FRAMES_AT_ONCE or size >= BYTES_AT_ONCE:
            await self._breathe()
        self.summary.now_ns = max(self.summary.now_ns, at_ns)

    def _anchor_at(self, at_ns: int) -> None:
        self._anchor = asyncio.get_running_loop().time(), at_ns

    def _due_s(self, at_ns: int) -> float:
        if self._speed is None:
            return 0.0
        begun_s, begun_ns = self._anchor
        due_s = begun_s + (at_ns - begun_ns) / SECOND_NS / self._speed
        return due_s - asyncio.get_running_loop().time()

    # --- telling -----------------------------------------------------------------------------

    def _know(self, item: Item) -> None:
        match item:
            case Told():
                self._known.take(item)
            case Whole():
                self._known.learn_book(item)
            case Hole():
                self._known.lose(item)

    def _take(self, item: Item) -> None:
        """Tell an item to everybody whom it concerns, in the same breath."""
        match item:
            case Told():
                led = self._known.take(item)
                if led:
                    self._tell(item, led)
            case Whole(_, _, book):
                if self._known.learn_book(item):
                    for connection, listener in self._listeners.items():
                        frame = listener.tell_book(book.product_id, self.summary.now_ns)
                        self._post(connection, [] if frame is None else [frame])
            case Hole():
                tracks = self._known.lose(item)
                for listener in self._listeners.values():
                    listener.lose(tracks, item.missing)

    def _tell(self, told: Told, led: list[str]) -> None:
        is_beat = led == [""]
        if is_beat and isinstance(beat := told.messages[0], Heartbeat):
            self._counter = beat.heartbeat_counter or self._counter
        for connection, listener in self._listeners.items():
            frame = listener.tell(told, led)
            if frame is not None:
                self._post(connection, [frame])
                if is_beat:
                    listener.beat_s = asyncio.get_running_loop().time()

    def _post(self, connection: Connection, frames: list[bytes]) -> None:
        """Have frames sent with the next flush."""
        if frames:
            self._outbox.setdefault(connection, []).extend(frames)
            count, size = self._waiting
            self._waiting = count + len(frames), size + sum(map(len, frames))

    def _flush(self) -> None:
        """Send what waits, one write a client."""
        outbox, self._outbox, self._waiting = self._outbox, {}, (0, 0)
        for connection, frames in outbox.items():
            if connection.open and connection.backlog_bytes > self._backlog_max:
                self.summary.slow_clients += 1
                self._listeners.pop(connection, None)
            connection.send(frames)  # this closes who is too far behind
            self.summary.frames += len(frames)
            self.summary.bytes += sum(map(len, frames))

    async def _breathe(self) -> None:
        """Send what waits, and let clients be heard; at full speed wait for the slowest."""
        self._flush()
        self.summary.hours_captured = self._tape.captured
        self.summary.hours_tabled = self._tape.tabled
        self.summary.left_out = self._tape.left_out
        self._watch(self.summary)
        if self._speed is None:
            for connection in list(self._listeners):
                await self._let_read(connection)
        await asyncio.sleep(0)

    async def _let_read(self, connection: Connection) -> None:
        if not connection.open:
            return
        try:
            async with asyncio.timeout(self._stall_s):
                await connection.wait_sent()
        except TimeoutError:
            self.summary.slow_clients += 1
            self._listeners.pop(connection, None)
            connection.close_soon(POLICY, SLOW_REASON)
        except (ConnectionClosed, OSError):
            pass  # it has gone by itself

    async def _beats(self) -> None:
        """Beats of our own where the recording has none for a while, or stands."""
        while True:
            await asyncio.sleep(BEAT_S / 3)
            now_s = asyncio.get_running_loop().time()
            due = [
                (connection, listener)
                for connection, listener in self._listeners.items()
                if "heartbeats" in listener.channels and now_s - listener.beat_s >= BEAT_S
            ]
            self._counter += bool(due)
            for connection, listener in due:
                listener.beat_s = now_s
                self._flush()
                self._post(connection, [listener.beat(self._counter, self.summary.now_ns)])
            if due:
                self._flush()


async def _read(items: Iterator[Item]) -> list[Item]:
    return await asyncio.to_thread(lambda: list(islice(items, BATCH)))
