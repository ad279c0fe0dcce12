"""The command line: plays seeds, prints a line for each and a table of figures at the end."""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from tests.power.forked import leave_in_order
from tests.simulate import plan as plans
from tests.simulate.verdict import Verdict, try_plan

PROBLEMS_SHOWN = 12
LOSS_S_MAX = 0.25  # the promise: 0.2 s of block, and the write
AGAIN_S_MAX = 3.0  # the promise; a machine that is busy with other things does not keep it
SHARES = {20: 0.5, 100: 0.99}  # so many kills have a median, a 99th percentile worth the name


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the seeds asked for; the exit code is 1 if anything did not hold."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, leave_in_order)  # ends the daemons too
    parent = Path(tempfile.mkdtemp(prefix="simulate-"))
    verdicts: list[Verdict] = []
    for seed in _seeds(asked, verdicts):
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
    wide = _wide_share([each.own_s for verdict in verdicts for each in verdict.lost], LOSS_S_MAX)
    if wide is not None:
        print(f"FAILED: (a) not {wide:.0%} of the kills lost at most {LOSS_S_MAX} s of frames")
    late = _wide_share([each for verdict in verdicts for each in verdict.again_s], AGAIN_S_MAX)
    if late is not None:
        print(f"FAILED: (h) not {late:.0%} of the starts recorded again within {AGAIN_S_MAX} s")
    return 1 if failed or wide is not None or late is not None else 0


def _seeds(asked: argparse.Namespace, verdicts: Sequence[Verdict]) -> Iterator[int]:
    """The seeds to play, as long as there are not enough verdicts."""
    if asked.seed is not None:
        yield asked.seed
    elif asked.kills is None:
        yield from range(asked.first, asked.first + asked.seeds)
    else:
        for seed in count(asked.first):
            if sum(verdict.kills for verdict in verdicts) >= asked.kills:
                return
            yield seed


def _wide_share(values: Sequence[float], bound: float) -> float | None:
    """The share of the values that should have kept within a bound and did not; or None."""
    ordered = sorted(values)
    for many, share in SHARES.items():
        if len(ordered) >= many and _at(ordered, share) > bound:
            return share
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="play so many seeds (20)")
    parser.add_argument("--kills", type=int, help="play seeds until there were so many kills")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--rate", type=float, help="frames a second, instead of the seed's own")
    return parser


def _line(verdict: Verdict) -> str:
    plan = verdict.plan
    ages_s = iter(each.age_s for each in verdict.lost)
    ends = " ".join(
        f"k:{run.moment} {next(ages_s, 0.0) * 1000:.0f} ms" if run.kill else f"t:{run.moment}"
        for run in plan.runs
    )
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
        ("books compared with the venue's", str(sum(verdict.books for verdict in verdicts))),
        ("frames lost at a kill", _spread([float(each.frames) for each in lost], "")),
        ("age of the oldest one lost", _spread([each.age_s * 1000 for each in lost], " ms")),
        ("  without waiting for a processor (design: <= 250 ms)",
         _spread([each.own_s * 1000 for each in lost], " ms")),
        ("recording again (design: <= 3 s at p99)",
         _spread([each for verdict in verdicts for each in verdict.again_s], " s", 2)),
        ("recovery beside it, worker start included",
         _spread([each for verdict in verdicts for each in verdict.recovery_ms], " ms")),
        ("processes that outlived a kill", str(sum(verdict.orphans for verdict in verdicts))),
        ("seconds", f"{sum(verdict.seconds for verdict in verdicts):.0f}"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {figure}" for name, figure in rows)


def _at(ordered: Sequence[float], share: float) -> float:
    """The value that a share of the others is not above."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """``p50 / p99 / max``."""
    if not values:
        return "none"
    ordered = sorted(values)
    picked = [_at(ordered, share) for share in (0.5, 0.99)]
    figures = " / ".join(f"{each:.{digits}f}" for each in (*picked, ordered[-1]))
    return f"p50 / p99 / max: {figures}{unit} ({len(ordered)})"


if __name__ == "__main__":
    sys.exit(main())
