"""Taking turns: things to compare are timed round by round, each once a round; medians count."""

import gc
import time
from collections.abc import Callable
from statistics import median


def race(
    runners: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of a call of each runner, after one call of each that does not count."""
    for run in runners.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            taken[name].append(timed(run, clock))
    return {name: median(seconds) for name, seconds in taken.items()}


def timed(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that one call takes."""
    gc.collect()
    began_s = clock()
    run()
    return clock() - began_s
