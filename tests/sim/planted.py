"""The command line: plants each bug, plays seeds until one notices, exits 1 if a bug survives."""

import argparse
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.sim.plants import BUDGET, PLANTS
from tests.sim.verdict import judge_seed

BY_MAX = 100
MISFIT = re.compile("it died: (TypeError|AttributeError|NameError)")  # a plant's own mistake


@dataclass(frozen=True, slots=True)
class Catch:
    """Whether a bug was noticed: by which seed, and by what."""

    plant: str
    caught: bool
    seeds: int
    by: str


def hunt(plant: str, budget: int = BUDGET) -> Catch:
    """Plant a bug in this process and play seeds until one notices it."""
    PLANTS[plant].apply()
    for seed in range(budget):
        verdict = judge_seed(seed)
        if verdict.problems:
            by = str(verdict.problems[0])
            assert not MISFIT.search(by), f"{plant} does not fit what it is planted in: {by}"
            return Catch(plant, caught=True, seeds=seed + 1, by=by)
    return Catch(plant, caught=False, seeds=budget, by="")


def hunt_all(plants: Sequence[str], budget: int, jobs: int) -> Iterator[Catch]:
    """Hunt each bug in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        hunts = [pool.submit(hunt, plant, budget) for plant in plants]
        for each in hunts:
            yield each.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt; the exit code is 1 if a bug survives."""
    parser = argparse.ArgumentParser("python -m tests.sim.planted", description=__doc__)
    parser.add_argument("plants", nargs="*", metavar="PLANT", help=f"of {', '.join(PLANTS)}")
    parser.add_argument("--seeds", type=int, default=BUDGET, help=f"tries ({BUDGET})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    asked = parser.parse_args(arguments)
    began_s = time.monotonic()
    print(f"{'planted':42} {'seeds':>5}  noticed by")
    survivors = []
    for catch in hunt_all(asked.plants or list(PLANTS), asked.seeds, asked.jobs):
        by = catch.by.splitlines()[0][:BY_MAX] if catch.caught else "nobody"
        print(f"{PLANTS[catch.plant].what:42} {catch.seeds:5}  {by}", flush=True)
        if not catch.caught:
            survivors.append(catch.plant)
    print(f"seconds {time.monotonic() - began_s:.0f}")
    for each in survivors:
        print(f"FAILED: {each} survives {asked.seeds} seeds")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
