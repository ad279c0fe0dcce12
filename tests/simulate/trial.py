"""Plays a plan: the venue in this process, the daemon as a child, ended again and again."""

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recorder.venue import Venue
from tests.simulate import plan as plans
from tests.simulate.daemon import Daemon, write_config
from tests.simulate.plan import CHANNELS, Nemesis, Plan

# What the two counted products send at rate 1 (`captures/statistics.md`), with a drawn third one.
FRAMES_A_SECOND = {1: 21.0, 2: 42.0, 3: 48.0}
ABNORMAL = 1006
START_S_MAX = 60.0  # no promise: a machine may be busy; how fast it is, is measured elsewhere
RECOVERY_S_MAX = 2.0  # nothing was recorded yet: there is none
PART_S_MAX = 5.0
LEAVE_S_MAX = 3.0
WAITS_S = 0.05

Book = tuple[list[tuple[str, str]], list[tuple[str, str]]]


@dataclass(slots=True)
class Life:
    """What is known of one run from outside. Times are of the wall clock.

    ``books`` is the venue's truth if the market was frozen before the end; ``left`` are files in
    staging that an earlier run left and this one, recording already, had not removed; ``orphans``
    are processes of this run that still lived when the next one recorded, or after the last.
    ``reached``: it recorded, where the plan wants that before its end.
    ``waits`` are times and how long the kernel had let it wait until then, in nanoseconds.
    """

    log: Path
    errors: Path
    spawned_ns: int
    killed: bool
    signalled_ns: int = 0
    ended_ns: int = 0
    exit_code: int = 0
    books: dict[str, Book] = field(default_factory=dict)
    aborted_ns: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    orphans: int = 0
    reached: bool = True
    waits: list[tuple[int, int]] = field(default_factory=list)

    def waited_s(self, since_ns: int) -> float:
        """How long the kernel let it wait from a time on until its end."""
        before = [waited_ns for at_ns, waited_ns in self.waits if at_ns <= since_ns]
        return (self.waits[-1][1] - before[-1]) / 1e9 if before else 0.0

    def begun(self, starts_ns: Sequence[int]) -> bool:
        """Whether one of the starts of recordings is its own."""
        return any(self.spawned_ns <= each <= self.ended_ns for each in starts_ns)

    @property
    def ended_hard(self) -> bool:
        """Whether it was killed, or ended by a signal that it did not yet listen to."""
        return self.killed or self.exit_code != 0


@dataclass(slots=True)
class Truth:
    """What the venue knows: the frames of each connection in the order they were opened."""

    sent: list[list[bytes]]
    lives: list[Life]
    seconds: float


async def play(plan: Plan, folder: Path) -> Truth:
    """Play a plan into ``folder``/data; the daemons are ended whatever happens."""
    data, config = folder / "data", folder / "recorder.toml"
    began_s = time.monotonic()
    rate = plan.frames_a_second / FRAMES_A_SECOND[len(plan.products)]
    lives: list[Life] = []
    daemons: list[Daemon] = []
    try:
        async with Venue(plan.seed, plan.products, rate, plan.depth, keep_sent=True) as venue:
            write_config(config, data, venue.url, plan.products, CHANNELS, plan.part_seconds)
            for index, run in enumerate(plan.runs):
                before = _staged(data)
                daemon = Daemon(config, folder / f"run-{index}.log")
                daemons.append(daemon)
                lives.append(await _live(run, plan, daemon, venue, data, before))
                if index and daemon.logged("recorder_started"):
                    lives[-2].orphans = len(daemons[-2].orphans())
                venue.thaw()
            for life, daemon in zip(lives, daemons, strict=True):
                await _wait_gone(daemon)
                life.orphans = max(life.orphans, len(daemon.orphans()))
            sent = [venue.sent(number) for number in range(len(venue._kept))]
    finally:
        for daemon in daemons:
            daemon.clear()
    return Truth(sent, lives, time.monotonic() - began_s)


async def _live(
    run: plans.Run, plan: Plan, daemon: Daemon, venue: Venue, data: Path, before: set[str]
) -> Life:
    """One run from its start to its end."""
    life = Life(daemon.log, daemon.errors, daemon.spawned_ns, run.kill)
    nemeses = [asyncio.create_task(_trouble(each, venue, life)) for each in run.nemeses]
    nemeses.append(asyncio.create_task(_note_waits(daemon, life)))
    try:
        life.reached = await _reach(run, daemon, venue, data)
        if daemon.logged("recorder_started"):
            life.left = sorted(before & _staged(data))
        await asyncio.sleep(run.delay_s)
    finally:
        for task in nemeses:
            task.cancel()
        await asyncio.gather(*nemeses, return_exceptions=True)
    if run.freeze:
        venue.freeze()
        life.books = {product: venue.book(product) for product in plan.products}
    life.waits.append((time.time_ns(), daemon.waited_ns()))
    number = signal.SIGKILL if run.kill else signal.SIGTERM
    life.signalled_ns, life.ended_ns, life.exit_code = await daemon.end(number)
    return life


async def _note_waits(daemon: Daemon, life: Life) -> None:
    """Look how long it has to wait for a processor, until cancelled."""
    while True:
        life.waits.append((time.time_ns(), daemon.waited_ns()))
        await asyncio.sleep(WAITS_S)


async def _reach(run: plans.Run, daemon: Daemon, venue: Venue, data: Path) -> bool:
    """Wait for the moment that the end of a run is counted from; whether it began to record."""
    seen = len(venue._kept)

    def frames(count: int) -> bool:
        return len(venue._kept) > seen and len(venue._kept[-1]) >= count

    if run.moment == "spawn":
        return True
    if run.moment == "capture":
        return await daemon.wait(lambda: daemon.logged("recorder_started"), START_S_MAX)
    if run.moment == "recovery":
        await daemon.wait(lambda: daemon.logged("recovery_started"), RECOVERY_S_MAX)
        return True
    begun = await daemon.wait(lambda: frames(1 if run.moment == "frames" else 20), START_S_MAX)
    if run.moment == "part":
        await daemon.wait(lambda: _staged(data), PART_S_MAX)
    return begun


async def _trouble(nemesis: Nemesis, venue: Venue, life: Life) -> None:
    """One fault of the venue, at its time."""
    await asyncio.sleep(nemesis.after_s)
    if nemesis.skip:
        venue.skip(nemesis.skip)
        return
    if nemesis.code == ABNORMAL:
        life.aborted_ns.append(time.time_ns())
    await venue.drop(nemesis.code, "simulated")


async def _wait_gone(daemon: Daemon) -> None:
    """Give the processes that a run leaves behind a moment to see that it is over."""
    end_s = time.monotonic() + LEAVE_S_MAX
    while daemon.orphans() and time.monotonic() < end_s:  # noqa: ASYNC110  nothing tells us
        await asyncio.sleep(0.02)


def _staged(data: Path) -> set[str]:
    """The names in staging."""
    try:
        return {path.name for path in (data / "staging").iterdir()}
    except FileNotFoundError:
        return set()
