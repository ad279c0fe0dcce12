"""One line of the plan, kept connected: dial, subscribe, read, and again after every close.

Every close is a reason to connect again, 1000 and 1001 included (`coinbase.md` §1.11). The wait
between tries has full jitter and a cap, and starts small again only after data has come.

Requests of one session go one after the other, in the order in which they were wanted: the first
subscription, changes of the line, fresh snapshots. What a frame says is not looked at in here.
"""

import asyncio
import random
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, TypeVar

from recorder.core.frames import ADVANCED, Closed, Noted, Opened, Sent
from recorder.core.wire.venues import wire_of
from recorder.credentials import Secret, without_secrets
from recorder.feed.dial import WEBSOCKETS, describe, dial, session_name
from recorder.feed.plan import CANONICAL, Line, Pace, change
from recorder.feed.reading import read
from recorder.feed.shell import Shell
from recorder.feed.signing import Asked, Refusals, Signing
from recorder.feed.sockets import INTERNAL, TOO_BIG, ClosedError, Ended, OpeningError, Socket
from recorder.feed.tally import Tally

BACKOFF_S_FIRST = 0.25
BACKOFF_S_MAX = 30.0
GOOD_S = 30.0  # a session of less than this does not end the growing of the waits
FAILURES_NOTED = 3  # failed dials in a row, and it is written down
ERROR_S_MAX = 5.0  # an error of the venue so long before a close is taken for its cause
RETIRE_S_MAX = 5.0
SIGN_AGAIN_S = 1.0  # after a refused signature: errors about others come in this time
REFUSED_S = 60.0  # between sessions whose signatures are refused: nothing there changes by itself
REASON_CHARACTERS_MAX = 500

_SLOW = re.compile(r"slow\s?consum", re.IGNORECASE)
T = TypeVar("T")


class Connection:
    """Keeps one line connected until it is told to stop.

    ``connection_id`` is the name of the session that is open, None between two; ``retiring``: its
    line has gone; ``tally`` counts what it did. ``delay_s`` is waited for before the first dial, so
    that not all begin at once.
    """

    def __init__(
        self,
        line: Line,
        url: str,
        shell: Shell,
        connects: Pace,
        messages: Pace,
        jitter: Callable[[], float] = random.random,
        *,
        venue: str = ADVANCED,
        compression: bool = True,
        delay_s: float = 0.0,
        signing: Signing | None = None,
        transport: str = WEBSOCKETS,
    ) -> None:
        """``signing``: signs every request; None: none is signed."""
        self.line = line
        self.connection_id: str | None = None
        self.retiring = False
        self.tally = Tally()
        self._url = url
        self._venue = venue
        self._wire = wire_of(venue)
        self._compression = compression
        self._shell = shell
        self._connects = connects
        self._messages = messages
        self._jitter = jitter
        self._delay_s = delay_s
        self._signing = signing
        self._transport = transport
        self._socket: Socket | None = None
        self._reason = ""
        self._stopping = False
        self._wake = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._failures = 0
        self._begin_session()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of frames that came and are not delivered yet."""
        return 0 if self._socket is None else self._socket.inbox.bytes

    @property
    def is_behind(self) -> bool:
        """Whether something came that is not delivered yet: then silence is ours."""
        socket = self._socket
        return socket is not None and (socket.inbox.decoding or socket.inbox.count > 0)

    # --- connect, read, reconnect ----------------------------------------------------------------

    async def run(self) -> None:
        """Connect, read, reconnect; returns after `stop`."""
        wait_s = BACKOFF_S_FIRST
        if self._delay_s:
            await self._unless_stopped(asyncio.sleep(self._delay_s))
        while not self._stopping:
            await self._unless_stopped(self._shell.wait_room())
            await self._unless_stopped(self._connects.wait_turn())
            if not self._stopping and await self._connect_once():
                wait_s = BACKOFF_S_FIRST
            if self._stopping:
                return
            pause_s = REFUSED_S if self._refusals.refused else wait_s * self._jitter()
            wait_s = min(wait_s * 2, BACKOFF_S_MAX)
            self._shell.tell("reconnect_waiting", line=self.line.label, wait_s=round(pause_s, 3))
            await self._unless_stopped(asyncio.sleep(pause_s))

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, T]) -> T | None:
        """Wait for something, or for `stop`: then it is cancelled, and the answer is None."""
        task = asyncio.create_task(waiting)
        stopped = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            for each in (task, stopped):
                each.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    def _begin_session(self) -> None:
        """Forget what was asked for in the session before."""
        self._order = asyncio.Lock()
        self._carried = replace(self.line, products=(), channels=())
        self._dropped: set[str] = set()
        self._channels: set[str] = set()  # all that were ever asked for
        self._renewing: set[tuple[str, str | None]] = set()
        self._heard: tuple[float, str] | None = None
        self._refusals = Refusals()

    async def _connect_once(self) -> bool:
        """One session from dial to close; returns whether it was good: data, and for a while."""
        try:
            socket = await self._unless_stopped(
                dial(self._url, compression=self._compression, transport=self._transport)
            )
        except (OSError, OpeningError, TimeoutError) as error:
            self._dial_failed(describe(error))
            return False
        if socket is None:
            return False
        if self._stopping:
            await socket.close(1000, "")
            return False
        self._failures = 0
        self._begin_session()
        self._socket, self._reason = socket, ""
        opened_s, opened_ns = asyncio.get_running_loop().time(), self._shell.now_ns()
        self.tally.opened(opened_s)
        self.connection_id = session_name(self.line.label, opened_ns)
        first = self._wire.FIRST_SEQUENCE
        self._shell.deliver(
            Opened(opened_ns, self.connection_id, self._url, first, venue=self._venue)
        )
        self._start(self._ask(socket, self.connection_id))
        before = self.tally.frames
        try:
            self._closed(
                await read(
                    socket,
                    self.connection_id,
                    self._shell,
                    self.tally,
                    self._venue,
                    signs=self._signing is not None,
                )
            )
        finally:
            for task in self._requests:
                task.cancel()
            await asyncio.gather(*self._requests, return_exceptions=True)
            self.connection_id, self._socket = None, None
        if self._failure is not None:
            raise self._failure
        lasted_s = asyncio.get_running_loop().time() - opened_s
        return self.tally.frames - before > len(self.line.channels) * 2 and lasted_s >= GOOD_S

    def _dial_failed(self, error: str) -> None:
        self._failures += 1
        self.tally.connects["failed"] += 1
        self._shell.tell("connect_failed", line=self.line.label, error=error)
        if self._failures == FAILURES_NOTED:
            # Once: coverage says how long it lasted, this says why.
            detail = f"{self.line.label}: {FAILURES_NOTED} times in a row: {error}"
            self._shell.deliver(Noted(self._shell.now_ns(), "connect_failing", detail))

    def _closed(self, end: Ended) -> None:
        """Write down the end of a session, and whose doing it was."""
        assert self.connection_id is not None
        code, ours = end.code, end.ours
        reason = without_secrets(self._reason or end.reason)
        if not self._reason and self._heard is not None:
            heard_s, text = self._heard
            if asyncio.get_running_loop().time() - heard_s <= ERROR_S_MAX:
                reason = f"{reason}; the venue had said: {text}"
        reason = reason[:REASON_CHARACTERS_MAX]
        now_ns, said = self._shell.now_ns(), f"{self.connection_id}: {reason}"
        self.tally.closed(code, asyncio.get_running_loop().time())
        self._shell.deliver(Closed(now_ns, self.connection_id, code, reason, orderly=not ours))
        if self._reason:
            return
        if ours and code == TOO_BIG:
            self._shell.deliver(Noted(self._shell.now_ns(), "frame_too_large", said))
        elif ours and code == INTERNAL:
            self._shell.deliver(Noted(self._shell.now_ns(), "keepalive_timeout", said))
        elif _SLOW.search(reason):
            self._shell.deliver(Noted(self._shell.now_ns(), "slow_consumer", said))

    # --- what is asked for -----------------------------------------------------------------------

    def change(self, line: Line) -> None:
        """Carry another line, of the same label: on this session at once, and on all later ones."""
        assert line.label == self.line.label, "a line keeps its label"
        self.line = line
        if self._socket is not None and self.connection_id is not None:
            self._start(self._ask(self._socket, self.connection_id))

    def resubscribe(self, channel: str, products: tuple[str, ...]) -> None:
        """Unsubscribe and subscribe again, for fresh snapshots; returns at once.

        ``channel`` is the name that the data has. The products come in the order given, the most
        traded first; one that waits for its turn already is not asked for twice.
        """
        if self._socket is None or self.connection_id is None:
            return
        for asked in self.line.channels:
            if CANONICAL.get(asked, asked) != channel:
                continue
            due = [(asked, product_id) for product_id in products or (None,)]
            new = [each for each in due if each not in self._renewing]
            self._renewing.update(new)
            if new:
                self._start(self._renew(self._socket, self.connection_id, new))

    def unsubscribe(self, channel: str, products: tuple[str, ...]) -> None:
        """Unsubscribe again from what is not carried any more; returns at once.

        ``channel`` is the name that the data has.
        """
        if self._socket is not None and self.connection_id is not None:
            self._start(self._leave(self._socket, self.connection_id, channel, products))

    def heard_error(self, text: str) -> None:
        """Take note of an error that the venue sent; a close that follows tells of it.

        What was refused for its signature is signed and asked for once more.
        """
        text = without_secrets(text)
        now_s = asyncio.get_running_loop().time()
        self._heard = (now_s, text[:REASON_CHARACTERS_MAX])
        if self._socket is None or self.connection_id is None:
            return
        found = self._refusals.heard(text, self._signing, now_s)
        if isinstance(found, list):
            self._refusals.waiting = True
            self._start(self._sign_again(self._socket, self.connection_id, found))
        elif found:
            detail = f"{self.connection_id}: {text[:REASON_CHARACTERS_MAX]}: {found}"
            self._shell.deliver(Noted(self._shell.now_ns(), "subscription_refused", detail))

    def slow_down(self) -> None:
        """Ask for nothing for a while, on no connection: the venue counts by address."""
        wait_s = self._messages.back_off()
        self._shell.tell("requests_held", line=self.line.label, wait_s=round(wait_s, 3))

    async def _ask(self, socket: Socket, connection_id: str) -> None:
        """Ask for what the line has and the session does not; the first request is urgent.

        The venue closes a connection on which nothing was asked for within 5 s.
        """
        async with self._order:
            before, after = self._carried, self.line
            self._carried = after
            self._dropped |= set(before.products) - set(after.products)
            self._dropped -= set(after.products)
            self._channels |= set(after.channels)
            asked = change(before, after)
            urgent = not before.channels
            for channel, products in asked.unsubscribe:
                await self._send(socket, connection_id, "unsubscribe", channel, products)
            for channel, products in asked.subscribe:
                await self._send(
                    socket, connection_id, "subscribe", channel, products, urgent=urgent
                )
                urgent = False

    async def _renew(
        self, socket: Socket, connection_id: str, due: list[tuple[str, str | None]]
    ) -> None:
        for each in due:
            channel, product_id = each
            products = () if product_id is None else (product_id,)
            async with self._order:
                self._renewing.discard(each)
                if product_id in self._dropped or channel not in self._carried.channels:
                    continue
                await self._send(socket, connection_id, "unsubscribe", channel, products)
                await self._send(socket, connection_id, "subscribe", channel, products)

    async def _leave(
        self, socket: Socket, connection_id: str, channel: str, products: tuple[str, ...]
    ) -> None:
        async with self._order:
            for name in sorted(self._channels):
                if CANONICAL.get(name, name) != channel:
                    continue
                carried = name in self._carried.channels
                gone = tuple(each for each in products if not carried or each in self._dropped)
                if gone or not (carried or products):
                    await self._send(socket, connection_id, "unsubscribe", name, gone)

    async def _sign_again(self, socket: Socket, connection_id: str, due: list[Asked]) -> None:
        """Ask once more for what was refused, with the venue's time as it is now."""
        assert self._signing is not None
        await asyncio.sleep(SIGN_AGAIN_S)
        await self._signing.clock.compare()
        self._refusals.waiting = False
        async with self._order:
            for each in due:
                products = tuple(name for name in each.products if name not in self._dropped)
                gone = each.products and not products
                if each.channel in self._carried.channels and not gone:
                    await self._send(
                        socket, connection_id, "subscribe", each.channel, products, again=True
                    )

    async def _send(
        self,
        socket: Socket,
        connection_id: str,
        kind: Literal["subscribe", "unsubscribe"],
        channel: str,
        products: tuple[str, ...],
        *,
        urgent: bool = False,
        again: bool = False,
    ) -> None:
        text = self._wire.request(kind, channel, products)
        await self._messages.wait_turn(urgent=urgent)
        if self._signing is None:
            signed = Secret(text.decode())
        else:
            signed = self._signing.sign(text, channel, products)  # as late as can be
            if kind == "subscribe":
                now_s = asyncio.get_running_loop().time()
                self._refusals.sent(channel, products, now_s, again=again)
        with suppress(ClosedError):
            # Noted before it is sent, so that no answer can stand before it in the capture; and
            # without its signature.
            self._shell.deliver(Sent(self._shell.now_ns(), connection_id, text))
            await socket.send(signed.reveal())

    def _start(self, requests: Coroutine[Any, Any, None]) -> None:
        """Send requests beside the reading; a failure of ours ends the reading and travels up."""
        task = asyncio.create_task(requests)
        self._requests.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.reconnect("our own failure")

    # --- the end ---------------------------------------------------------------------------------

    def reconnect(self, reason: str) -> None:
        """Close this session, which is in doubt or silent; `run` opens the next."""
        if self._socket is not None:
            self._reason = reason
            # A peer that is gone does not answer a close frame: do not wait for it.
            self._socket.abort()

    async def retire(self, reason: str) -> None:
        """Unsubscribe everything, close, and do not connect again."""
        self.retiring = self._stopping = True
        self.change(replace(self.line, products=()))
        if self._requests:
            await asyncio.wait(self._requests, timeout=RETIRE_S_MAX)
        await self.stop(reason)

    async def stop(self, reason: str) -> None:
        """Close and do not connect again. `run` returns soon after."""
        self._stopping = True
        self._wake.set()
        if self._socket is not None:
            self._reason = reason
            await self._socket.close(1000, "")
