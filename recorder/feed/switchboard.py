"""All connections of the plan, and how the plan changes while they run.

A change touches only the lines whose products change: those ask for more or for less on their open
connection. All of them share the limits of the address.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recorder.core.frames import ADVANCED
from recorder.core.messages import Reconnect, Request, Resubscribe, SlowDown, Unsubscribe
from recorder.core.wire.venues import wire_of
from recorder.feed.connection import Connection
from recorder.feed.dial import WEBSOCKETS
from recorder.feed.plan import (
    CONNECTS_A_SECOND,
    MESSAGES_A_SECOND,
    Line,
    Pace,
    replan,
)
from recorder.feed.shell import Shell
from recorder.feed.signing import Signing

USER_LINE = Line("user1", (), ("heartbeats", "user"), frozenset({"heartbeats", "user"}))


@dataclass(frozen=True, slots=True)
class UserFeed:
    """Where the account's own orders come from, and with which key."""

    url: str
    signing: Signing


class Switchboard:
    """The connections. ``connections`` are those that are there, ``lines`` what they are to carry.

    A connection whose line has gone is among the first until it is closed. The connection of the
    account's own orders is among them as well, and no change of the plan concerns it.
    """

    def __init__(
        self,
        shell: Shell,
        url: str,
        *,
        venue: str = ADVANCED,
        compression: bool = True,
        jitter: Callable[[], float] = random.random,
        signing: Signing | None = None,
        user: UserFeed | None = None,
        transport: str = WEBSOCKETS,
    ) -> None:
        """``signing`` signs what is asked for of market data; ``user``: record own orders, too."""
        self.connections: list[Connection] = []
        self.lines: list[Line] = []
        self._shell = shell
        self._url = url
        self._venue = venue
        self._compression = compression
        self._transport = transport
        self._jitter = jitter
        self._unfiltered = wire_of(venue).UNFILTERED
        self._connects = Pace(CONNECTS_A_SECOND)
        self._messages = Pace(MESSAGES_A_SECOND)
        self._tasks: asyncio.TaskGroup | None = None
        self._stopped = asyncio.Event()
        self._signing = signing
        self._user = None
        if user is not None:
            self._user = self._open(USER_LINE, user.url, user.signing)

    @property
    def every_line(self) -> list[Line]:
        """The lines, and that of the account's own orders."""
        return self.lines if self._user is None else [*self.lines, self._user.line]

    async def run(self) -> None:
        """Keep the lines connected until `stop`."""
        async with asyncio.TaskGroup() as self._tasks:
            for connection in self.connections:
                self._tasks.create_task(self._keep(connection))
            await self._stopped.wait()

    async def stop(self, reason: str) -> None:
        """Close all connections; `run` returns soon after."""
        self._stopped.set()
        await asyncio.gather(*(each.stop(reason) for each in self.connections))

    def of(self, connection_id: str | None) -> Connection | None:
        """The connection whose open session has this name."""
        for connection in self.connections:
            if connection_id is not None and connection.connection_id == connection_id:
                return connection
        return None

    def obey(self, request: Request) -> None:
        """Do what the core wants done; the session that it is about may be over already."""
        connection = self.of(request.connection_id)
        if connection is None:
            return
        match request:
            case Resubscribe(channel=channel, product_ids=product_ids):
                connection.resubscribe(channel, product_ids)
            case Unsubscribe(channel=channel, product_ids=product_ids):
                connection.unsubscribe(channel, product_ids)
            case Reconnect(reason=reason):
                connection.reconnect(reason)
            case SlowDown():
                connection.slow_down()

    def heard_error(self, connection_id: str | None, text: str) -> None:
        """The venue sent an error on a connection."""
        connection = self.of(connection_id)
        if connection is not None:
            connection.heard_error(text)

    def carry(self, products: Sequence[str], channels: Sequence[str]) -> None:
        """Carry these products, the most traded first, over these channels; returns at once."""
        if self._stopped.is_set():
            return
        before = {line.label: line for line in self.lines}
        self.lines = replan(self.lines, products, channels, self._unfiltered)
        serving = {
            each.line.label: each
            for each in self.connections
            if not each.retiring and each is not self._user
        }
        opened = 0
        for line in self.lines:
            if line.label not in serving:
                self._open(line, self._url, self._signing, opened)
                opened += 1
            elif line != before[line.label]:
                serving[line.label].change(line)
        kept = {line.label for line in self.lines}
        for label, connection in serving.items():
            if label not in kept:
                self._retire(connection)

    def _open(self, line: Line, url: str, signing: Signing | None, number: int = 0) -> Connection:
        """Begin a line; each of many a little after the one before, at random."""
        connection = Connection(
            line,
            url,
            self._shell,
            self._connects,
            self._messages,
            self._jitter,
            venue=self._venue,
            compression=self._compression,
            delay_s=self._jitter() * number / CONNECTS_A_SECOND,
            signing=signing,
            transport=self._transport,
        )
        self.connections.append(connection)
        if self._tasks is not None:
            self._tasks.create_task(self._keep(connection))
        return connection

    def _retire(self, connection: Connection) -> None:
        if self._tasks is None:  # not begun yet
            self.connections.remove(connection)
        else:
            connection.retiring = True
            self._tasks.create_task(connection.retire("no product is left on this line"))

    async def _keep(self, connection: Connection) -> None:
        await connection.run()
        self.connections.remove(connection)
