"""Plays a seed and judges it."""

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from tests.sim import evidence as evidences
from tests.sim import plan as plans
from tests.sim.checks.again import check_again
from tests.sim.checks.books import check_checkpoints, check_epochs
from tests.sim.checks.conduct import (
    check_bounds,
    check_failures,
    check_growing_pauses,
    check_limits,
    check_patience,
    check_silence,
)
from tests.sim.checks.frames import check_gaps, check_ledger, check_sent
from tests.sim.checks.intervals import check_intervals
from tests.sim.checks.plans import check_plans
from tests.sim.checks.rows import check_built, check_rows, check_trade_rows
from tests.sim.checks.trades import check_holes, check_trades
from tests.sim.evidence import Evidence
from tests.sim.witness import Problem
from tests.sim.world import play

AGAIN_EVERY = 8  # seeds: replaying costs as much as recording
MEMORY = Path("/dev/shm")

Check = Callable[[Evidence], Iterator[str]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("1", check_sent),
    ("1", check_ledger),
    ("1", check_gaps),
    ("1", check_rows),
    ("1", check_trade_rows),
    ("2", check_built),
    ("2", check_checkpoints),
    ("2", check_epochs),
    ("3", check_silence),
    ("4", check_trades),
    ("4", check_holes),
    ("5", check_intervals),
    ("5", check_plans),
    ("6", check_limits),
    ("6", check_growing_pauses),
    ("6", check_patience),
    ("7", check_bounds),
    ("10", check_failures),
)


@dataclass(slots=True)
class Verdict:
    """One seed, judged."""

    seed: int
    protocol: str
    problems: list[Problem]
    digest: str
    frames: int
    together: int
    sessions: int
    gaps: int
    faults: int
    again_s: float | None
    cpu_s: float
    simulated_s: float
    notes: list[tuple[float, str]] = field(default_factory=list)


@cache
def _empty_root() -> Path:
    """A data directory with the empty parts, which cost more to write than to link."""
    folder = Path(tempfile.mkdtemp(prefix="sim-empty-", dir=_parent()))
    # A worker of a pool ends without what `atexit` holds.
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=0)
    write_empty_parts(Root(folder))
    return folder


def _parent() -> Path | None:
    return MEMORY if MEMORY.is_dir() else None


@contextmanager
def _own_garbage() -> Iterator[None]:
    """Collect garbage between seeds only: a fifth of the time went there.

    What a seed makes is then in the youngest generation, and is all that a collection looks at.
    """
    gc.collect(0)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def judge_seed(
    seed: int, protocol: str | None = None, *, again: bool | None = None, keep: Path | None = None
) -> Verdict:
    """Play a seed and hold it against the promises.

    ``again``: replay the capture, too; by default every eighth seed does. ``keep``: leave the data
    directory there.
    """
    began_s = time.process_time()
    plan = plans.make(seed, protocol)
    with _own_garbage(), tempfile.TemporaryDirectory(prefix="sim-", dir=_parent()) as folder:
        root = Path(folder) / "data"
        shutil.copytree(_empty_root(), root, copy_function=os.link)
        run = play(plan, root)
        gc.collect(0)  # tells of tasks whose failure nobody took
        problems = list(run.witness.problems)
        seen = evidences.read(run)
        digest = evidences.digest(run)
        for promise, check in CHECKS:
            problems += [Problem(promise, text) for text in check(seen)]
        if seed % AGAIN_EVERY == 0 if again is None else again:
            problems += [Problem("9", text) for text in evidences.check_written(run)]
            problems += [Problem("9", text) for text in check_again(seen)]
        if keep is not None:
            shutil.copytree(root, keep)
    return Verdict(
        seed=seed,
        protocol=plan.protocol,
        problems=problems,
        digest=digest,
        frames=sum(len(line.frames) for line in seen.lines.values()),
        together=run.witness.together,
        sessions=len(seen.lines),
        gaps=sum(len(line.breaks) for line in seen.lines.values()),
        faults=len(plan.faults) + len(plan.venue_faults),
        again_s=run.again_s,
        cpu_s=time.process_time() - began_s,
        simulated_s=run.ended_s,
        notes=run.witness.notes,
    )
