"""The command line: cuts the power as often as asked, prints a table, exits 1 if anything was lost.

Exits 0, with the reason, where this machine cannot cut the power of any file system asked for.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median

from tests.power.disk import fast_folder, private_mounts, unmount_below, why_not
from tests.power.forked import Child, leave_in_order
from tests.power.judge import LOST, UNREADABLE
from tests.power.trial import Found, try_seed
from tests.power.writer import warm_up

PROBLEMS_SHOWN = 8
JOBS_MAX = 2  # more would wait for the disk
CUT_S_MAX = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Cut; the exit code is 1 if anything did not hold."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, leave_in_order)
    kinds = ["ext4", "xfs"] if asked.fs == "both" else [asked.fs]
    if asked.fs != "kill":
        reasons = {kind: why_not(kind) for kind in kinds}
        kinds = [kind for kind, reason in reasons.items() if reason is None]
        refused = private_mounts() if kinds else None
        if refused:
            reasons, kinds = dict.fromkeys(kinds, refused), []
        for kind, reason in reasons.items():
            if reason is not None:
                print(f"skipped: {kind}: {reason}")
    warm_up()
    failed = False
    for kind in kinds:
        failed |= _cut(kind, -(-asked.cuts // len(kinds)), asked.seed)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.power", description=__doc__)
    parser.add_argument("--cuts", type=int, default=60, help="how many, of all kinds together (60)")
    parser.add_argument("--fs", choices=("ext4", "xfs", "both", "kill"), default="both",
                        help="the file systems; kill: kill -9 without one (both)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="the first seed (0)")
    return parser


def _cut(kind: str, cuts: int, seed: int) -> bool:
    """Play seeds until so many cuts are made; whether anything did not hold."""
    began_s = time.monotonic()
    jobs = min(os.cpu_count() or 1, cuts, JOBS_MAX)
    with tempfile.TemporaryDirectory(prefix="power-", dir=fast_folder()) as name:
        folder, workers = Path(name), list[Child]()
        try:
            for at in range(jobs):
                work = (kind, -(-cuts // jobs), count(seed + at, jobs), folder)
                workers.append(Child(_play, *work))
            results = [worker.result(cuts * CUT_S_MAX + 60) for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
            unmount_below(folder)
    all_found = [found for result in results for found in result]
    print(_table(kind, all_found, time.monotonic() - began_s), flush=True)
    return any(found.problems for found in all_found)


def _play(kind: str, cuts: int, seeds: Iterator[int], parent: Path) -> list[Found]:
    """Play seeds until so many cuts are made; runs in a child."""
    all_found: list[Found] = []
    while sum(found.cuts for found in all_found) < cuts:
        seed = next(seeds)
        folder = parent / f"seed-{seed}"
        folder.mkdir()
        found = try_seed(seed, kind, folder)
        all_found.append(found)
        for what, problem in found.problems[:PROBLEMS_SHOWN]:
            print(f"{kind} seed {seed}: {what}: {problem}")
        if found.problems:
            print(f"    again: python -m tests.power --cuts 1 --fs {kind} --seed {seed}")
        sys.stdout.flush()
    return all_found


def _table(kind: str, all_found: Sequence[Found], seconds: float) -> str:
    told = sum((found.promised for found in all_found), Counter[str]())
    what = Counter(each for found in all_found for each, _ in found.problems)
    times = [each for found in all_found for each in found.recovery_ms]
    rows = [
        (f"{kind}: cuts", sum(found.cuts for found in all_found)),
        ("frames and marks acknowledged", told["lines"]),
        ("cuts of parts / commits / switches acknowledged",
         f"{told['part']} / {told['sealed']} / {told['switched']}"),
        ("imports begun / acknowledged", f"{told['importing']} / {told['imported']}"),
        ("recoveries beside a recording / retirements", f"{told['recovered']} / {told['retired']}"),
        ("told while the power went, not held to", told["late"]),
        ("acknowledged and lost", what[LOST]),
        ("unreadable files", what[UNREADABLE]),
        ("otherwise wrong", sum(what.values()) - what[LOST] - what[UNREADABLE]),
        (f"recovery p50 / max, image {'in memory' if fast_folder() else 'on disk'}",
         f"{median(times):.0f} / {max(times):.0f} ms" if times else "none"),
        ("seconds", f"{seconds:.0f}"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {figure}" for name, figure in rows)


if __name__ == "__main__":
    sys.exit(main())
