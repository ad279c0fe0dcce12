"""One seed from plan to verdict: play it, seal it, rebuild it, check it."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from recorder import finishing, recovery
from recorder.store.paths import Root
from tests.simulate import evidence
from tests.simulate.checks import books, frames, ledger, rows, runs
from tests.simulate.checks.frames import Loss
from tests.simulate.plan import Plan
from tests.simulate.trial import START_S_MAX, Truth, play

# One kill: 0.2 s of block, and the time that a busy machine takes to read, write and sync it. The
# run as a whole is held to the promise itself (`__main__`).
LOSS_S_MAX = 1.5


@dataclass(slots=True)
class Verdict:
    """What came of a seed; ``problems`` is empty where everything holds."""

    plan: Plan
    problems: list[str] = field(default_factory=list)
    kills: int = 0
    frames: int = 0
    rows: int = 0
    lost: list[Loss] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)
    recovery_ms: list[float] = field(default_factory=list)
    orphans: int = 0
    books: int = 0
    seconds: float = 0.0


def try_plan(plan: Plan, folder: Path) -> Verdict:
    """Play a plan below ``folder`` (which is left as it is) and check everything."""
    began_s = time.monotonic()
    truth = asyncio.run(play(plan, folder))
    return judge(plan, truth, folder, began_s)


def judge(plan: Plan, truth: Truth, folder: Path, began_s: float) -> Verdict:
    """Seal what was recorded, rebuild it beside, and check."""
    root, again = folder / "data", folder / "again"
    verdict = Verdict(plan, kills=sum(life.killed for life in truth.lives))
    for life in truth.lives:
        verdict.problems += runs.check_life(life)
    verdict.rows = finishing.seal(root, include_current=True).rows
    recovery.rebuild(Root(root), Root(again))
    captured = evidence.read_capture(root)
    coverage = evidence.read_coverage(root)
    verdict.problems += [
        *frames.check_sent(captured, truth.sent, truth.lives, LOSS_S_MAX),
        *rows.check_rows(root),
        *rows.check_trades(root, captured),
        *rows.check_changes(root, captured),
        *rows.check_faults(root),
        *rows.check_rebuilt(root, again),
        *ledger.check_coverage(coverage),
        *ledger.check_down(coverage, captured, truth.lives, plan.tracks),
        *books.check_books(root, captured, truth.lives),
        *ledger.check_gaps(coverage, evidence.read_sequence_gaps(root), captured),
    ]
    verdict.frames = captured.frames
    verdict.books = sum(1 for _ in books.comparable(captured, truth.lives))
    verdict.orphans = sum(life.orphans for life in truth.lives)
    verdict.lost = frames.lost_in_window(captured, truth.sent, truth.lives)
    verdict.again_s = runs.recording_again(captured, truth.lives)
    verdict.recovery_ms = runs.recovery_ms(truth.lives)
    verdict.problems += [
        f"(h) {life.log.stem}: did not record within {START_S_MAX:g} s"
        for life in truth.lives
        if not life.reached
    ]
    verdict.seconds = time.monotonic() - began_s
    return verdict
