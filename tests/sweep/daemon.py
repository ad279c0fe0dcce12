"""The daemon itself under the sweep: the simulation's recorder, market and network in one process.

A run of it lies over a full hour, so that it records, publishes parts, seals, switches readers and
writes `recorder.sql` while the calls fail. Its judges are those of `tests.sim`.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from recorder import hours
from recorder.core.frames import ADVANCED, HOUR_NS
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.seal import sealed_before
from recorder.verify import verify
from tests.sim import evidence as evidences
from tests.sim import plan as plans
from tests.sim import stage, world
from tests.sim.checks.conduct import check_failures
from tests.sim.network import Weather
from tests.sim.verdict import CHECKS
from tests.sim.witness import WatchedRecorder
from tests.sweep.faults import Faults

SECONDS = 9.0  # of the market before it is left in peace
BEFORE_S = 4.0  # of them before the full hour
SWITCH_DELAY_S = 1.5
RETRY_S = 2.0
HOUR = plans.FIRST_HOUR
PLAN = replace(
    plans.make(0, ADVANCED),
    products=plans.NAMES[:2],
    wanted=(plans.Wanted(0.0, plans.NAMES[:2], plans.CHANNELS[ADVANCED]),),
    products_max=2, rate=0.3, depth=0.005, part_seconds=1,
    begin_ns=(HOUR + 1) * HOUR_NS - int(BEFORE_S * plans.SECOND_NS),
    weather=Weather((0.001, 0.001), pieces=False),
    compression=False, disk_s_max=0.0, faults=(), venue_faults=(), stops=(), clock_steps=(),
    refusals=(), delisted=(), archive=False, strict=False,
)  # fmt: skip


@contextmanager
def _hurried(faults: Faults) -> Iterator[None]:
    """Arm the faults while a recorder runs; what waits a minute waits a second or two."""

    class Recorder(WatchedRecorder):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            faults.arm()

        def stop(self) -> None:
            faults.disarm()  # a disk that refuses at a stop ends the process, as it should
            super().stop()

    with (
        patch.object(world, "WatchedRecorder", Recorder),
        patch.object(stage, "_nothing", lambda *_: faults.call("os.fsync")),
        patch.object(plans, "FAULTS_S", SECONDS),
        patch.object(hours, "SWITCH_DELAY_S", SWITCH_DELAY_S),
        patch.object(hours, "RETRY_S", RETRY_S),
    ):
        yield


def play(folder: Path, faults: Faults) -> list[str]:
    """Record while the calls fail that are to; what does not hold afterwards."""
    write_empty_parts(Root(folder))
    with _hurried(faults):
        run = world.play(PLAN, folder)
    gc.collect(0)
    seen = evidences.read(run)
    problems = [f"({each.promise}) {each.text}" for each in run.witness.problems]
    for promise, check in CHECKS:
        if check is not check_failures:  # that something failed is what was asked for
            problems += [f"({promise}) {text}" for text in check(seen)]
    problems += [f"(10) {each}" for each in run.failures]
    if sealed_before(Root(folder)) != HOUR + 1:
        problems.append("the hour was not sealed and switched")
    report = verify(folder, deep=True)
    problems += [f"verify: {each}" for each in report.findings]
    told = sum(event in {"fault_recorded", "work_failed"} for _, event, _ in run.logged.events)
    if faults.failed and not told:
        problems.append(f"{faults.failed} failed, and nothing tells of it")
    return problems
