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


def fixed_ms() -> float:
    """What a fixed piece of work takes of the processor, in milliseconds; median of nine.

    What the machine gives differs by half and more from hour to hour; this tells how much it was.
    """
    taken: list[float] = []
    for _ in range(9):
        began_s = time.process_time()
        found = {str(number): number * 1.5 for number in range(100_000)}
        assert len(found) == 100_000
        taken.append((time.process_time() - began_s) * 1e3)
    return median(taken)
