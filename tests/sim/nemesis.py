"""Makes things go wrong at their times, and heals the world in the end."""

import asyncio
import errno
from collections.abc import Sequence
from typing import TypeVar

from recorder.venue.plan import Planned
from tests.sim.network import Link, Network
from tests.sim.plan import Fault, Plan
from tests.sim.witness import WatchedVenue, Witness

T = TypeVar("T")
CHURN_S = (0.7, 2.0)  # a life of a connection that is cut off: something is heard on each
CHURN_LOOK_S = 0.1
DRIP_BYTES_A_SECOND = (60, 600, 3000)


class Nemesis:
    """Applies the faults of a plan."""

    def __init__(self, network: Network, venue: WatchedVenue, witness: Witness) -> None:
        self._network = network
        self._venue = venue
        self._witness = witness
        self._told = 0
        self._coming: asyncio.Task[None] | None = None
        self._lasting: set[asyncio.Task[None]] = set()

    def start(self, plan: Plan) -> None:
        """Let them come, counted from now."""
        self._coming = asyncio.create_task(self._follow(plan))

    async def heal(self) -> None:
        """End every fault that lasts; none comes any more."""
        tasks = [*self._lasting, *([self._coming] if self._coming is not None else [])]
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, Exception):
                raise done
        self._network.refuse = self._network.hang = False
        for link in self._network.links:
            link.free()
        self._venue.heal()
        self._tell_venue()
        self._witness.note("healed")

    async def _follow(self, plan: Plan) -> None:
        both: list[Fault | Planned] = [*plan.faults, *plan.venue_faults]
        for each in sorted(both, key=lambda each: each.at_s):
            await asyncio.sleep(max(0.0, each.at_s - self._witness.now_s()))
            if isinstance(each, Fault):
                self._strike(each)
            else:
                open_now = [one.number for one in self._venue.connections if one.open]
                self._venue.play(each.aimed(open_now))
            self._tell_venue()

    def _strike(self, fault: Fault) -> None:
        done = getattr(self, f"_{fault.kind}")(fault)
        if asyncio.iscoroutine(done):
            task = asyncio.create_task(done)
            self._lasting.add(task)
            task.add_done_callback(self._lasting.discard)

    def _tell_venue(self) -> None:
        """Take the venue's own log of what it did into ours."""
        log = self._venue.happenings
        for each in log[self._told :]:
            where = "" if each.connection is None else f" connection {each.connection}"
            about = " ".join(
                str(part) for part in (each.product, each.channel, each.number) if part
            )
            text = f"venue: {each.kind} {each.what}{where} {about} {each.detail}"
            self._witness.notes.append((each.loop_s, text.strip()))
        self._told = len(log)

    def _pick(self, among: Sequence[T], fault: Fault) -> T | None:
        return among[int(fault.share * len(among))] if among else None

    def _note(self, fault: Fault, where: object = "", *, lasts: bool = False) -> None:
        lasting = f" for {fault.seconds:.1f} s" if lasts else ""
        self._witness.note(f"{fault.kind} {where}{lasting}")

    # --- the network ----------------------------------------------------------------------------

    def _link(self, fault: Fault) -> Link | None:
        return self._pick(self._network.open_links(), fault)

    def _reset(self, fault: Fault) -> None:
        if link := self._link(fault):
            self._note(fault, f"link {link.number}")
            link.reset()

    def _reset_client(self, fault: Fault) -> None:
        """The venue does not hear of it until it sends."""
        if link := self._link(fault):
            self._note(fault, f"link {link.number}")
            link.client.lose(ConnectionResetError(errno.ECONNRESET, "simulated: reset"))

    def _end(self, fault: Fault) -> None:
        """The venue's socket is closed without a close frame."""
        if link := self._link(fault):
            self._note(fault, f"link {link.number}")
            link.server.close()

    async def _churn(self, fault: Fault) -> None:
        """Every connection is cut off so soon after it was first seen."""
        self._note(fault, lasts=True)
        shortest_s, longest_s = CHURN_S
        life_s = shortest_s + fault.share * (longest_s - shortest_s)
        seen_s: dict[int, float] = {}
        while True:
            now_s = self._witness.now_s()
            for link in self._network.open_links():
                if now_s >= seen_s.setdefault(link.number, now_s) + life_s:
                    link.reset()
            await asyncio.sleep(CHURN_LOOK_S)

    async def _refuse(self, fault: Fault) -> None:
        self._note(fault, lasts=True)
        self._network.refuse = True
        await asyncio.sleep(fault.seconds)
        self._network.refuse = False

    async def _hang(self, fault: Fault) -> None:
        self._note(fault, lasts=True)
        self._network.hang = True
        await asyncio.sleep(fault.seconds)
        self._network.hang = False

    async def _stick(self, fault: Fault, links: Sequence[Link], *, up: bool, down: bool) -> None:
        self._note(fault, f"links {[link.number for link in links]}", lasts=True)
        for link in links:
            link.block(up=up, down=down)
        await asyncio.sleep(fault.seconds)
        for link in links:
            link.free()

    async def _stall(self, fault: Fault) -> None:
        """Short enough that it may not be noticed."""
        links = self._network.open_links()
        fault = Fault(fault.at_s, fault.kind, fault.seconds % 4.5, fault.share, fault.amount)
        await self._stick(fault, links, up=True, down=True)

    async def _blackhole(self, fault: Fault) -> None:
        if link := self._link(fault):
            await self._stick(fault, [link], up=True, down=True)

    async def _blackhole_all(self, fault: Fault) -> None:
        """Nothing gets through, new connections included."""
        self._network.hang = True
        await self._stick(fault, self._network.open_links(), up=True, down=True)
        self._network.hang = False

    async def _deaf(self, fault: Fault) -> None:
        """What the recorder sends is lost in between."""
        if link := self._link(fault):
            await self._stick(fault, [link], up=True, down=False)

    async def _mute(self, fault: Fault) -> None:
        """What the venue sends is lost in between."""
        if link := self._link(fault):
            await self._stick(fault, [link], up=False, down=True)

    async def _drip(self, fault: Fault) -> None:
        """What the venue sends comes in drops."""
        if link := self._link(fault):
            bytes_a_second = DRIP_BYTES_A_SECOND[fault.amount % len(DRIP_BYTES_A_SECOND)]
            self._note(fault, f"link {link.number}, {bytes_a_second} bytes/s", lasts=True)
            link.drip(bytes_a_second)
            await asyncio.sleep(fault.seconds)
            link.free()
