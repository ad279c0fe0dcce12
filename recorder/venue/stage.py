"""`Stage`: a door at which faults are played, one by one or as a plan draws them."""

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from recorder.venue.door import ABNORMAL, Connection, Door
from recorder.venue.kinds import INHERITED, Fault, Happening, Value
from recorder.venue.pipe import Socket, bomb, giant
from recorder.venue.plan import FaultPlan, Planned

TOO_MANY_CONNECTS = 429
# Kinds that are over when they have begun.
AT_ONCE = ("close", "error_frame", "bomb")
REASONS = {1000: "deprecated hostname", 1001: "going away", 1009: "message too big", 1011: "error"}
RETRY_AFTER = {"Retry-After": "1"}


class Stage(Door):
    """Plays faults on its connections and writes down what it did.

    ``happenings`` is the log, in the order of time. ``healed`` is set when nothing is or will be
    wrong any more: from the start without a plan, after the plan's time with one.
    """

    def __init__(self, plan: FaultPlan | None, **door: Any) -> None:
        """``plan`` is followed from the start of the venue on."""
        super().__init__(**door)
        self.plan = plan
        self.happenings: list[Happening] = []
        self.healed = asyncio.Event()
        self._playing: dict[Fault, asyncio.TimerHandle | None] = {}
        self._gates: dict[Fault, int | None] = {}
        self._following: asyncio.Task[None] | None = None

    # --- what a test calls -------------------------------------------------------------------

    def fault(
        self,
        kind: str,
        *,
        connection: Connection | int | None = None,
        product: str | None = None,
        channel: str | None = None,
        count: int | None = None,
        seconds: float | None = None,
        value: Value = None,
    ) -> Fault:
        """Play a fault from now on; see `Fault` and `KINDS`. What is returned can be ended.

        Raises:
            UsageError: there is no such fault, or it cannot be aimed like this.
        """
        number = connection.number if isinstance(connection, Connection) else connection
        fault = Fault(kind, number, product, channel, count, seconds, value)
        self.play(fault)
        return fault

    def play(self, fault: Fault) -> None:
        """Play a fault that was made before."""
        self._note("begins", fault, detail=f"value {fault.value}" if fault.value else "")
        loop = asyncio.get_running_loop()
        timer = None if fault.seconds is None else loop.call_later(fault.seconds, self.end, fault)
        self._playing[fault] = timer
        if fault.stage == "door":
            self._shut_door(fault)
        elif fault.stage == "market":
            self._halt(fault)
        else:
            self._play_on(self._targets(fault), fault)
        self._stir()

    def _play_on(self, targets: list[Connection], fault: Fault) -> None:
        """Begin a fault on connections, or say that there were none."""
        inherited = fault.connection is None and fault.stage in INHERITED
        if not targets and not inherited:
            self._note("misses", fault)
            self._forget(fault)
        for each in targets:
            if fault.stage == "bytes":
                self._disturb(each, fault)
            elif fault.stage == "end":
                self._hit(fault, each.number)
                each.close_soon(int(fault.number), REASONS.get(int(fault.number), ""))
            elif fault.kind == "error_frame":
                self._hit(fault, each.number)
                each.send([self._error_frame(str(fault.value))])
            else:
                each.faults.add(fault)
        if fault.kind in AT_ONCE:
            self._forget(fault)

    def end(self, fault: Fault) -> None:
        """End a fault that lasts. One that has ended stays so."""
        if fault not in self._playing:
            return
        self._forget(fault)
        self._note("ends", fault)
        if fault.stage == "door":
            self._open_door(fault)
        elif fault.stage == "market":
            self._resume(fault)
        elif fault.stage == "bytes":
            for each in self._targets(fault):
                self._soothe(each, fault)
        else:
            for each in list(self.connections):
                if each.faults.remove(fault) and fault.kind in ("stall", "reorder"):
                    each.flush()
        self._stir()

    def heal(self) -> None:
        """End everything that is wrong. What was delisted stays so."""
        for fault in list(self._playing):
            self.end(fault)
        for each in list(self.connections):
            each.flush()
        now_s = asyncio.get_running_loop().time()
        self.happenings.append(Happening(time.time_ns(), now_s, "heals", ""))
        self.healed.set()

    # --- the plan ----------------------------------------------------------------------------

    async def _follow(self, planned: Iterable[Planned], seconds: float) -> None:
        """Play what was drawn, each at its time, and heal at the end."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        for each in planned:
            await asyncio.sleep(max(0.0, begun_s + each.at_s - loop.time()))
            numbers = [connection.number for connection in self.connections if connection.open]
            self.play(each.aimed(numbers))
        await asyncio.sleep(max(0.0, begun_s + seconds - loop.time()))
        self.heal()

    def _start_plan(self, protocol: str, products: tuple[str, ...]) -> None:
        if self.plan is None:
            self.healed.set()
            return
        planned = self.plan.schedule(protocol, products)
        self._following = asyncio.create_task(self._follow(planned, self.plan.seconds))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the plan and what lasts, then close."""
        died = self._following is not None and self._following.done()
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        for fault in list(self._playing):
            self._forget(fault)
        await super().__aexit__(kind, error, trace)
        if self._following is not None and died:
            self._following.result()

    # --- playing -----------------------------------------------------------------------------

    def _targets(self, fault: Fault) -> list[Connection]:
        return [
            each
            for each in self.connections
            if fault.connection in (None, each.number) and each.open
        ]

    def _forget(self, fault: Fault) -> None:
        timer = self._playing.pop(fault, None)
        if timer is not None:
            timer.cancel()

    def _greet(self, connection: Connection) -> None:
        """Give a new connection the faults that the whole venue has."""
        connection.faults.note = partial(self._hit_of, connection.number)
        for fault in self._playing:
            if fault.connection is None and fault.stage in INHERITED:
                connection.faults.add(fault)

    def _hit_of(
        self,
        connection: int,
        fault: Fault,
        product: str | None,
        channel: str | None,
        number: int | None,
        detail: str,
    ) -> None:
        self._hit(fault, connection, product, channel, number, detail)

    def _hit(
        self,
        fault: Fault,
        connection: int | None,
        product: str | None = None,
        channel: str | None = None,
        number: int | None = None,
        detail: str = "",
    ) -> None:
        self.happenings.append(Happening(
            time.time_ns(), asyncio.get_running_loop().time(), "hits", fault.kind, connection,
            product, channel, number, detail, fault,
        ))  # fmt: skip

    def _note(self, what: str, fault: Fault, detail: str = "") -> None:
        self.happenings.append(Happening(
            time.time_ns(), asyncio.get_running_loop().time(), what, fault.kind, fault.connection,
            fault.product, fault.channel, None, detail, fault,
        ))  # fmt: skip

    def _disturb(self, connection: Connection, fault: Fault) -> None:
        """Begin a fault of the bytes."""
        self._hit(fault, connection.number)
        pipe = connection.socket.pipe
        match fault.kind:
            case "half_open":
                pipe.vanishing = True
            case "drip":
                pipe.drip(fault.number)
            case "giant":
                pipe.pour(giant(int(fault.number)))
            case _:
                pipe.write(bomb(int(fault.number)))

    def _soothe(self, connection: Connection, fault: Fault) -> None:
        """End it: what cannot go on from where it was is aborted."""
        pipe = connection.socket.pipe
        if fault.kind == "drip":
            pipe.undrip()
        elif pipe.vanishing or pipe.pouring:
            connection.close_soon(ABNORMAL)

    # --- the door ----------------------------------------------------------------------------

    @property
    def _refusing(self) -> bool:
        return any(fault.kind == "refuse" for fault in self._gates)

    def _shut_door(self, fault: Fault) -> None:
        if fault.kind == "refuse" and not self._refusing:
            self.shut()
        self._gates[fault] = fault.count

    def _open_door(self, fault: Fault) -> None:
        del self._gates[fault]
        if fault.kind == "refuse" and not self._refusing:
            self.reopen()
        if fault.kind == "mute":
            for socket, connect in list(self._dialled.items()):
                if connect.outcome == "mute":
                    socket.transport.abort()

    def _gate(self, *kinds: str) -> Fault | None:
        """The fault that meets this client, used once."""
        for fault, left in list(self._gates.items()):
            if fault.kind in kinds:
                if left is not None:
                    self._gates[fault] = left - 1
                    if left <= 1:
                        self.end(fault)
                return fault
        return None

    def _meet(self, socket: Socket) -> None:
        super()._meet(socket)
        if fault := self._gate("reset"):
            self._dialled[socket].outcome = "reset"
            self._hit(fault, None)
            socket.transport.abort()

    async def _admit(self, socket: ServerConnection, request: HttpRequest) -> Response | None:
        """Let a client in, or answer it as a fault wants."""
        connect = self._dialled[socket]
        if self._too_many_connects(connect.address, connect.loop_s):
            connect.outcome = f"http {TOO_MANY_CONNECTS}"
            return self._refusal(socket, TOO_MANY_CONNECTS)
        fault = self._gate("http", "mute")
        if fault is None:
            return await super()._admit(socket, request)
        self._hit(fault, None)
        if fault.kind == "http":
            connect.outcome = f"http {int(fault.number)}"
            return self._refusal(socket, int(fault.number))
        connect.outcome = "mute"
        await socket.wait_closed()
        return None

    def _refusal(self, socket: ServerConnection, status: int) -> Response:
        response = socket.respond(status, "try again later\n")
        response.headers.update(RETRY_AFTER)
        return response

    # --- what the venue fills in -------------------------------------------------------------

    def _too_many_connects(self, address: str, now_s: float) -> bool:  # noqa: ARG002
        """Whether this address dials too often."""
        return False

    def _error_frame(self, message: str) -> bytes:
        raise NotImplementedError

    def _halt(self, fault: Fault) -> None:
        raise NotImplementedError

    def _resume(self, fault: Fault) -> None:
        raise NotImplementedError

    def _stir(self) -> None:
        """Look again at what is due: a fault began or ended."""
        raise NotImplementedError
