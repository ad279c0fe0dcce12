"""Many seeds at once, in processes of their own."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.sim.verdict import Verdict, judge_seed

CHUNK = 4


def play_many(seeds: Sequence[int], protocol: str | None, jobs: int) -> Iterator[Verdict]:
    """Play seeds, and give the verdicts in the order of the seeds."""
    play = partial(judge_seed, protocol=protocol)
    if jobs == 1:
        yield from map(play, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(play, seeds, chunksize=CHUNK)
