"""The command line: plays seeds, prints a line for each and a table of figures at the end."""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.simulate import plan as plans
from tests.simulate.verdict import Verdict, try_plan

PROBLEMS_SHOWN = 12
LOSS_S_MEDIAN_MAX = 0.3  # 0.25 s and the write
KILLS_MIN = 20  # fewer have no median worth the name


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the seeds asked for; the exit code is 1 if anything did not hold."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # ends the daemons too
    seeds = [asked.seed] if asked.seed is not None else range(asked.seeds)
    parent = Path(tempfile.mkdtemp(prefix="simulate-"))
    verdicts = []
    for seed in seeds:
        plan = plans.make(seed, asked.rate)
        folder = parent / f"seed-{seed}"
        folder.mkdir()
        verdict = try_plan(plan, folder)
        verdicts.append(verdict)
        print(_line(verdict), flush=True)
        if verdict.problems:
            _complain(verdict, folder, asked.rate)
        else:
            shutil.rmtree(folder)
    failed = [verdict.plan.seed for verdict in verdicts if verdict.problems]
    if not failed:
        shutil.rmtree(parent)
    print(_table(verdicts))
    if failed:
        print(f"FAILED: seeds {', '.join(map(str, failed))}")
    wide = _window_is_wide(verdicts)
    if wide:
        print(f"FAILED: (a) the median kill lost frames older than {LOSS_S_MEDIAN_MAX} s")
    return 1 if failed or wide else 0


def _window_is_wide(verdicts: Sequence[Verdict]) -> bool:
    """Whether kills lose more than the promised window, on the whole."""
    ages_s = [age_s for verdict in verdicts for _, age_s in verdict.lost]
    return len(ages_s) >= KILLS_MIN and median(ages_s) > LOSS_S_MEDIAN_MAX


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="play seeds 0 … N-1 (20)")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--rate", type=float, help="frames a second, instead of the seed's own")
    return parser


def _line(verdict: Verdict) -> str:
    plan = verdict.plan
    ends = " ".join(f"{'k' if run.kill else 't'}:{run.moment}" for run in plan.runs)
    return (
        f"seed {plan.seed:5}  {'FAILED' if verdict.problems else 'ok':6} {verdict.seconds:5.1f} s"
        f"{verdict.frames:8} frames  {plan.frames_a_second:4.0f}/s  "
        f"part {plan.part_seconds} s  {ends}"
    )


def _complain(verdict: Verdict, folder: Path, rate: float | None) -> None:
    """Say what did not hold, where it lies, and how to play it again."""
    for problem in verdict.problems[:PROBLEMS_SHOWN]:
        print(f"    {problem}")
    more = len(verdict.problems) - PROBLEMS_SHOWN
    if more > 0:
        print(f"    … and {more} more")
    again = f"python -m tests.simulate --seed {verdict.plan.seed}"
    print(f"    data: {folder}\n    again: {again}{'' if rate is None else f' --rate {rate:g}'}")
    sys.stdout.flush()


def _table(verdicts: Sequence[Verdict]) -> str:
    lost = [each for verdict in verdicts for each in verdict.lost]
    rows = [
        ("seeds", str(len(verdicts))),
        ("starts", str(sum(len(verdict.plan.runs) for verdict in verdicts))),
        ("kills", str(sum(verdict.kills for verdict in verdicts))),
        ("frames recorded", str(sum(verdict.frames for verdict in verdicts))),
        ("rows sealed", str(sum(verdict.rows for verdict in verdicts))),
        ("frames lost at a kill", _spread([float(frames) for frames, _ in lost], "")),
        ("age of the oldest one lost (design: <= 250 ms + write)",
         _spread([age_s * 1000 for _, age_s in lost], " ms")),
        ("recording again (design: <= 3 s at p99)",
         _spread([each for verdict in verdicts for each in verdict.again_s], " s", 2)),
        ("recovery beside it, worker start included",
         _spread([each for verdict in verdicts for each in verdict.recovery_ms], " ms")),
        ("processes that outlived a kill", str(sum(verdict.orphans for verdict in verdicts))),
        ("seconds", f"{sum(verdict.seconds for verdict in verdicts):.0f}"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {figure}" for name, figure in rows)


def _spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """``p50 / p99 / max``."""
    if not values:
        return "none"
    ordered = sorted(values)
    picked = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99)]
    figures = " / ".join(f"{each:.{digits}f}" for each in (*picked, ordered[-1]))
    return f"p50 / p99 / max: {figures}{unit} ({len(ordered)})"


if __name__ == "__main__":
    sys.exit(main())
