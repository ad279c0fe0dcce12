"""Plays a plan: a venue, a recorder, a minute of faults, and the healing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from recorder import config as settings
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
from recorder.venue.server import LIMITS
from tests.sim import plan as plans
from tests.sim.archive import Archive
from tests.sim.asked import keys_of
from tests.sim.lacks import lacks
from tests.sim.loop import DeadlockError, SimLoop
from tests.sim.nemesis import Nemesis
from tests.sim.network import Network
from tests.sim.plan import Plan, Wanted
from tests.sim.stage import Logged, stage
from tests.sim.watchdog import Watchdog
from tests.sim.wirebook import digest_of_levels
from tests.sim.witness import WatchedRecorder, WatchedVenue, Witness, watch

# When everything is recorded again after the last fault, in the worst case one after the other:
# a dial that nobody answers is given up after 5 s (`OPEN_S_MAX`) and the longest pause before the
# next is 30 s (`BACKOFF_S_MAX`); a session that is silent since the healing is closed after 5 s
# (`SILENCE_NS_MAX`) and two looks; its snapshots come within seconds. A snapshot that was lost just
# before is asked for again after 30 s (`SNAPSHOT_NS_MAX`), and after twice that where it was asked
# for in vain before. Who was asked for often waits longer, too (`RESYNC_NS_MIN`, doubled). Both are
# reckoned for each run, from what it asked for.
AGAIN_S_MAX = 45.0
SNAPSHOT_S = 30.0
SNAPSHOT_DOUBLINGS = 4
STRICT = {"connects_a_second_max": 8, "per_address": True}
PUT_OFF_S = 10.0  # a book that is asked for again and again waits twice as long each time
LOOK_S = 0.5
WATCH_S = 3.0
CALM_S = 6.0  # a silence is noticed within 5 s, a gap with the next beat
DRAIN_S = 2.0
STOP_S_MAX = 20.0
RUN_S_MAX = 900.0
TASKS = 16  # of the recorder itself
TASKS_A_LINE = 8
NOT_OURS = ("Nemesis.", "_World.", "Venue.", "Door.", "Connection.close", "serve.")


@dataclass(slots=True)
class Run:
    """One seed, played: what the judges look at.

    ``again_s``: how long after the healing everything was recorded again and stayed so; None: not
    in time.
    ``rows_max`` and ``buffered_max`` are the most that were seen waiting; ``tasks_over`` are tasks
    beyond what there may be, ``tasks_left`` those that outlived the end; ``held`` tells what a
    recorder still held when it had stopped.
    """

    plan: Plan
    root: Path
    witness: Witness
    network: Network
    logged: Logged | None = None
    healed_s: float = 0.0
    again_s: float | None = None
    ended_s: float = 0.0
    tasks_over: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    rows_max: int = 0
    buffered_max: int = 0
    tasks_left: list[str] = field(default_factory=list)
    trades_made: dict[str, list[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    turns: int = 0
    unlock: Callable[[], None] = lambda: None


def play(plan: Plan, root: Path) -> Run:
    """Play a plan into an empty folder."""
    random = Random(f"sim/chance/{plan.protocol}/{plan.seed}")
    network = Network(random, plan.weather)
    disk_s_max = plan.disk_s_max
    loop = SimLoop(network, lambda: random.uniform(0, disk_s_max) if disk_s_max else 0.0)
    run = Run(plan, root, Witness(plan.protocol, loop.time), network)
    asyncio.set_event_loop(loop)
    try:
        with stage(loop, plan.seed, plan.begin_ns, plan.products_max) as run.logged:
            try:
                loop.run_until_complete(asyncio.wait_for(_World(run).live(), RUN_S_MAX))
            except DeadlockError as error:
                run.witness.complain("10", f"the simulation stands still: {error}")
            except Exception as error:  # noqa: BLE001  our own failure is what is looked for
                run.witness.complain("10", f"it died: {_deepest(error)!r}")
            run.tasks_left = [_name(task) for task in asyncio.all_tasks(loop)]
            run.ended_s = loop.now_s
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
    finally:
        run.unlock()
        run.failures, run.turns = loop.failures, loop.turns
        asyncio.set_event_loop(None)
        loop.close()
    return run


def _config(root: Root, plan: Plan, wanted: Wanted, url: str) -> settings.Config:
    """The settings of a recording."""
    text = (
        f"data = '{root.path}'\n[feed]\nvenue = '{plan.protocol}'\nurl = '{url}'\n"
        f"products = {list(wanted.products)}\nchannels = {list(wanted.channels)}\n"
        f"[store]\npart_seconds = {plan.part_seconds}\nfree_space_min = '1MB'\n"
    )
    return settings.parse(text, None)


def _deepest(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "") or repr(task)


class _World:
    """A run while it goes on."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._plan = run.plan
        self._witness = run.witness
        self._network = run.network
        self._random = Random(f"sim/archive/{run.plan.protocol}/{run.plan.seed}")
        self._clock_ns = 0
        self._wanted = run.plan.wanted[0]
        self._delisted: set[str] = set()
        self._recorder: WatchedRecorder | None = None
        self._stopping = False
        self._running: asyncio.Task[Any] | None = None

    async def live(self) -> None:
        """From the opening of the market to the end."""
        plan = self._plan
        venue = WatchedVenue(
            self._witness, plan.seed, plan.products, plan.rate, plan.depth,
            protocol=plan.protocol, compression=plan.compression,
            limits=replace(LIMITS[plan.protocol], **STRICT) if plan.strict else None,
        )  # fmt: skip
        with watch(venue):
            async with venue:
                await self._record(venue)

    async def _record(self, venue: WatchedVenue) -> None:
        nemesis = Nemesis(self._network, venue, self._witness)
        nemesis.start(self._plan)
        watching = asyncio.create_task(self._watch())
        changes = [
            asyncio.create_task(each)
            for each in (
                self._set_clock(),
                self._read_again(),
                self._refuse_disk(),
                self._delist(venue),
            )
        ]
        await self._stop_and_start(venue)
        await nemesis.heal()
        self._run.healed_s = self._witness.now_s()
        await self._wait_again(venue)
        self._compare(venue)
        watching.cancel()
        for task in changes:
            task.cancel()
        for done in await asyncio.gather(*changes, return_exceptions=True):
            assert done is None or isinstance(done, asyncio.CancelledError), done
        await self._end()
        self._run.trades_made = {
            name: [trade.trade_id for trade in venue.trades(name)] for name in self._plan.products
        }

    # --- the recorder -----------------------------------------------------------------------------

    def _start(self, venue: WatchedVenue) -> None:
        plan, root = self._plan, Root(self._run.root)

        def read() -> settings.Config:
            return _config(root, plan, self._wanted, venue.url)

        self._witness.refusing = False
        lock = WriterLock(root)
        lock.__enter__()
        self._run.unlock = partial(lock.__exit__, None, None, None)
        archive = Archive(venue, self._network, self._random) if plan.archive else None
        self._recorder = WatchedRecorder(
            self._witness, root, read(), wall=self._now_ns, read=read, trades=archive
        )
        self._running = asyncio.create_task(self._recorder.run())

    def _now_ns(self) -> int:
        return time.time_ns() + self._clock_ns

    async def _end(self) -> None:
        """Stop the recorder in order."""
        assert self._recorder is not None
        assert self._running is not None
        self._witness.refusing = False  # a disk that refuses then ends the process, as it should
        self._stopping = True
        self._recorder.stop()
        began_s = self._witness.now_s()
        await self._running
        self._stopping = False
        took_s = self._witness.now_s() - began_s
        if took_s > STOP_S_MAX:
            self._witness.complain("3", f"a stop took {took_s:.1f} s")
        self._run.unlock()
        self._run.unlock = lambda: None
        recording = self._recorder._recording
        left = recording.pending_rows, recording.capture.buffered, len(recording.pipeline.sessions)
        if any(left):
            text = f"after a stop it held {left[0]} rows, {left[1]} bytes and {left[2]} sessions"
            self._run.held.append(text)

    async def _stop_and_start(self, venue: WatchedVenue) -> None:
        """The minute of the faults; the recorder is stopped and started in it as planned."""
        end_s = self._witness.now_s() + plans.FAULTS_S
        self._start(venue)
        for stop_s, down_s in self._plan.stops:
            await self._sleep_until(stop_s)
            self._witness.note(f"the recorder is stopped for {down_s:.1f} s")
            await self._end()
            await asyncio.sleep(down_s)
            self._start(venue)
        await self._sleep_until(end_s)

    async def _sleep_until(self, at_s: float) -> None:
        """Wait for a time, or for the end of a recorder that should run."""
        assert self._running is not None
        wait_s = at_s - self._witness.now_s()
        if wait_s > 0:
            await asyncio.wait({self._running}, timeout=wait_s)
        if self._running.done():
            await self._running
            raise AssertionError("the recorder ended by itself")

    async def _read_again(self) -> None:
        """Change what is to be recorded, as planned."""
        for wanted in self._plan.wanted[1:]:
            await asyncio.sleep(max(0.0, wanted.at_s - self._witness.now_s()))
            self._witness.note(f"wanted now: {wanted.products} of {wanted.channels}")
            self._wanted = wanted
            if self._recorder is not None:
                self._recorder.lineup.ask_again()

    async def _refuse_disk(self) -> None:
        """Let the disk refuse, as planned."""
        for at_s, seconds in self._plan.refusals:
            await asyncio.sleep(max(0.0, at_s - self._witness.now_s()))
            if self._stopping:
                continue  # it would end the process with an error, as it should
            self._witness.note(f"the disk refuses for {seconds:.1f} s")
            self._witness.refusing = True
            await asyncio.sleep(seconds)
            self._witness.refusing = False

    async def _delist(self, venue: WatchedVenue) -> None:
        """End products, as planned."""
        for at_s, product_id in self._plan.delisted:
            await asyncio.sleep(max(0.0, at_s - self._witness.now_s()))
            self._witness.note(f"{product_id} is delisted")
            self._delisted.add(product_id)
            venue.fault("delist", product=product_id)

    async def _set_clock(self) -> None:
        for at_s, step_s in sorted(self._plan.clock_steps):
            await asyncio.sleep(max(0.0, at_s - self._witness.now_s()))
            self._witness.note(f"the recorder's clock is set by {step_s:+g} s")
            self._clock_ns += int(step_s * plans.SECOND_NS)

    # --- what is looked at meanwhile --------------------------------------------------------------

    async def _watch(self) -> None:
        """Note the most of what must be bounded, and feel the recorder's pulse."""
        watchdog = Watchdog()
        while True:
            await asyncio.sleep(WATCH_S)
            run, recorder = self._run, self._recorder
            if recorder is not None:
                still = watchdog.look(recorder, self._witness.now_s())
                if still and not self._stopping:
                    self._witness.complain("11", f"it would be taken for stuck: {still}")
                names = sorted(_name(task) for task in asyncio.all_tasks())
                ours = [name for name in names if not name.startswith(NOT_OURS)]
                if len(ours) > TASKS + TASKS_A_LINE * len(recorder._connections):
                    run.tasks_over = ours
                recording = recorder._recording
                run.rows_max = max(run.rows_max, recording.pending_rows)
                run.buffered_max = max(run.buffered_max, recording.capture.buffered)

    async def _wait_again(self, venue: WatchedVenue) -> None:
        """Wait until everything is recorded again, stays so, and the market's last word has come.

        Losses are noticed late, and some are mended by a connection that is opened anew.
        """
        began_s = calm_s = self._witness.now_s()
        bound_s = began_s + AGAIN_S_MAX
        while calm_s <= bound_s:
            now_s = self._witness.now_s()
            missing = lacks(self._recorder, venue, self._wanted, self._delisted)
            bound_s = max(bound_s, self._put_off_s(), self._in_vain_s())
            if missing:
                venue.thaw()
                calm_s = now_s
            elif now_s >= calm_s + CALM_S + DRAIN_S:
                self._run.again_s = calm_s - began_s
                self._witness.note("everything is recorded again")
                return
            elif now_s >= calm_s + CALM_S:
                venue.freeze()
            await self._sleep_until(now_s + LOOK_S)
        text = f"{calm_s - began_s:g} s after the healing: {'; '.join(missing)}"
        self._witness.complain("3", text)

    def _put_off_s(self) -> float:
        """Until when the last of the books may be put off that were asked for again and again."""
        assert self._recorder is not None
        lines = {each.connection_id for each in self._recorder._connections}
        asked: dict[tuple[str, bytes], list[float]] = {}
        for at_s, connection_id, raw in self._witness.requests:
            if connection_id in lines and b"unsubscribe" in raw and b"level2" in raw:
                asked.setdefault((connection_id, raw), []).append(at_s)
        waits = [
            times_s[-1] + PUT_OFF_S * 2 ** min(len(times_s) - 1, 5) for times_s in asked.values()
        ]
        return max(waits, default=0.0) + CALM_S

    def _in_vain_s(self) -> float:
        """Until when is waited for what was asked for in vain while there were faults.

        Of what is asked for behind the healing, the first try must do.
        """
        assert self._recorder is not None
        lines = {each.connection_id for each in self._recorder._connections}
        waits = [0.0]
        for (connection_id, channel, product_id), times_s in self._asked_in_faults().items():
            if connection_id not in lines:
                continue
            whole_s = self._witness.heard[connection_id].whole_s.get(product_id, 0.0)
            vain = [each for each in times_s if channel != "level2" or each > whole_s]
            if len(vain) > (channel != "level2"):  # of others the first may have been served
                doublings = min(len(vain) - 1, SNAPSHOT_DOUBLINGS)
                waits.append(vain[-1] + SNAPSHOT_S * 2**doublings + CALM_S)
        return max(waits)

    def _asked_in_faults(self) -> dict[tuple[str, str, str], list[float]]:
        """When each channel of a product was asked for, by session, before the healing."""
        asked: dict[tuple[str, str, str], list[float]] = {}
        for at_s, connection_id, raw in self._witness.requests:
            if at_s > self._run.healed_s:
                break
            for kind, (channel, product_id) in keys_of(raw):
                if kind == "subscribe" and product_id is not None:
                    asked.setdefault((connection_id, channel, product_id), []).append(at_s)
        return asked

    def _traded(self) -> list[str]:
        """The products that are wanted and can be had."""
        return [each for each in self._wanted.products if each not in self._delisted]

    def _compare(self, venue: WatchedVenue) -> None:
        """The market rests and all has arrived: books in memory are the venue's."""
        assert self._recorder is not None
        if self._run.again_s is None:
            return
        for name in self._traded():
            truth = digest_of_levels(*venue.book(name))
            for connection in self._recorder._connections:
                if name in connection.line.products and connection.connection_id is not None:
                    self._compare_book(connection.connection_id, name, truth)

    def _compare_book(self, connection_id: str, product_id: str, truth: int) -> None:
        """A book of the line that carries it."""
        assert self._recorder is not None
        for text in self._recorder.wrong_books(connection_id, product_id):
            self._witness.complain("2", f"in the end {text}")
        heard = self._witness.heard[connection_id]
        if not self._witness.numbered and heard.link in self._witness.hurt:
            return  # nobody can tell that something is missing
        if product_id not in heard.books or heard.books[product_id].digest != truth:
            self._witness.complain("2", f"in the end {product_id} is not what the market is")
