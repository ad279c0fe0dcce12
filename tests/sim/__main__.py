"""The command line: plays seeds, prints what did not hold, and a table of figures at the end."""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from recorder.core.frames import ADVANCED, EXCHANGE
from tests.sim.many import play_many
from tests.sim.verdict import Verdict, judge_seed

PROBLEMS_SHOWN = 8
NOTES_BEFORE_S = 12.0
NOTES_AFTER_S = 1.0
PROGRESS_EVERY = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the seeds asked for; the exit code is 1 if anything did not hold."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    began_s = time.monotonic()
    if asked.seed is not None:
        verdicts = [judge_seed(asked.seed, asked.protocol, again=True, keep=asked.keep)]
    else:
        first = asked.first
        verdicts = []
        for verdict in play_many(range(first, first + asked.seeds), asked.protocol, asked.jobs):
            verdicts.append(verdict)
            if asked.digests:
                print(f"seed {verdict.seed} {verdict.digest}")
            if verdict.problems:
                complain(verdict)
            if len(verdicts) % PROGRESS_EVERY == 0:
                print(f"{len(verdicts)} seeds, {time.monotonic() - began_s:.0f} s", flush=True)
    if asked.seed is not None:
        complain(verdicts[0], verbose=asked.verbose)
    print(table(verdicts, time.monotonic() - began_s))
    failed = [verdict.seed for verdict in verdicts if verdict.problems]
    if failed:
        print(f"FAILED: seeds {', '.join(map(str, failed))}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="play so many (200)")
    parser.add_argument("--first", type=int, default=0, help="from this one on (0)")
    parser.add_argument("--seed", type=int, help="only this one, and replay its capture")
    parser.add_argument(
        "--protocol", choices=(ADVANCED, EXCHANGE), help="instead of the seed's own"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--digests", action="store_true", help="print what each seed came to")
    parser.add_argument("--verbose", action="store_true", help="tell all that was done to a seed")
    parser.add_argument("--keep", type=Path, help="leave a seed's data directory there")
    return parser


def complain(verdict: Verdict, *, verbose: bool = False) -> None:
    """Say what did not hold, what had been done to the world around it, and how to see it again."""
    if not verdict.problems and not verbose:
        return
    print(f"seed {verdict.seed} ({verdict.protocol}): {len(verdict.problems)} problems")
    for problem in verdict.problems[:PROBLEMS_SHOWN]:
        print(f"    {problem}")
    times = [problem.at_s for problem in verdict.problems if problem.at_s is not None]
    for at_s, text in sorted(verdict.notes, key=lambda note: note[0]):
        near = not times or -NOTES_BEFORE_S <= at_s - min(times) <= NOTES_AFTER_S
        if verbose or near:
            print(f"    {at_s:8.3f} s  {text}")
    print(f"    again: make sim SEED={verdict.seed}   (python -m tests.sim --seed {verdict.seed} "
          "--verbose)", flush=True)  # fmt: skip


def table(verdicts: Sequence[Verdict], wall_s: float) -> str:
    """The figures."""
    again = sorted(each.again_s for each in verdicts if each.again_s is not None)
    cpu_s = sum(each.cpu_s for each in verdicts)
    protocols = Counter(each.protocol for each in verdicts)
    rows = [
        ("seeds", f"{len(verdicts)} ({', '.join(f'{n} {name}' for name, n in protocols.items())})"),
        ("simulated", f"{sum(each.simulated_s for each in verdicts) / 3600:.1f} hours"),
        ("faults", str(sum(each.faults for each in verdicts))),
        ("sessions", str(sum(each.sessions for each in verdicts))),
        ("frames recorded", str(sum(each.frames for each in verdicts))),
        ("of them taken together", str(sum(each.together for each in verdicts))),
        ("gaps found", str(sum(each.gaps for each in verdicts))),
        ("recorded again after the healing", f"{_spread(again)} s"),
        ("seeds that broke a promise", str(sum(bool(each.problems) for each in verdicts))),
        ("seconds", f"{wall_s:.0f}"),
        ("seeds a second and core", f"{len(verdicts) / max(cpu_s, 1e-9):.1f}"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {figure}" for name, figure in rows)


def _spread(ordered: Sequence[float]) -> str:
    """``p50 / p99 / max``."""
    if not ordered:
        return "-"
    picked = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99)]
    return "p50 / p99 / max: " + " / ".join(f"{each:.1f}" for each in (*picked, ordered[-1]))


if __name__ == "__main__":
    sys.exit(main())
