"""The harnesses, each set on a planted bug until it notices or its budget is used up."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.order import trace
from tests.order.__main__ import judge_session
from tests.planted.plants import PLANTS
from tests.planted.readers import read_meanwhile, seal_hours
from tests.power.disk import fast_folder, why_not
from tests.power.forked import Child, call
from tests.power.trial import Found, try_seed


@dataclass(frozen=True, slots=True)
class Catch:
    """Whether a hunt caught a bug, after how many tries, and by what."""

    caught: bool
    tries: int
    by: str = ""


Hunt = Callable[[str | None, int], Catch]
"""(name of the plant, or None for the product as it is; tries allowed)"""


@contextmanager
def _folder() -> Iterator[Path]:
    """An empty folder."""
    with tempfile.TemporaryDirectory(prefix="planted-", dir=fast_folder()) as name:
        yield Path(name)


def _trials(kind: str, plant: str | None, budget: int) -> Catch:
    cuts = 0
    for seed in count():
        with _folder() as folder:
            found: Found = try_seed(seed, kind, folder, PLANTS[plant].apply if plant else None)
        cuts += found.cuts
        if found.problems:
            return Catch(True, cuts, ": ".join(found.problems[0]))
        if cuts >= budget:
            break
    return Catch(False, cuts)


def power(plant: str | None, budget: int) -> Catch:
    """Power cuts on ext4; a try is a cut."""
    return _trials("ext4", plant, budget)


def kill(plant: str | None, budget: int) -> Catch:
    """Kill -9 and recovery; a try is a kill."""
    return _trials("kill", plant, budget)


def order(plant: str | None, _budget: int) -> Catch:
    """The order of system calls; a try is a session."""
    judge, output = judge_session(plant)
    if judge.breaches:
        return Catch(True, 1, ": ".join(judge.breaches[0]))
    assert not output, output
    return Catch(False, 1)


def readers(plant: str | None, budget: int) -> Catch:
    """Readers beside the sealing of so many hours; a try is a query."""
    return call(_readers, plant, budget, timeout_s=120.0)


def _readers(plant: str | None, hours: int) -> Catch:
    with _folder() as folder:
        child = Child(seal_hours, folder, hours, PLANTS[plant].apply if plant else None)
        try:
            queries = 0
            for wrong in read_meanwhile(folder, lambda: child.ended):
                queries += 1
                if wrong:
                    return Catch(True, queries, wrong)
            child.result()
        finally:
            child.kill()
    return Catch(False, queries)


HUNTS: dict[str, Hunt] = {"order": order, "power": power, "kill": kill, "readers": readers}


def why_no_hunt(name: str) -> str | None:
    """Why a harness cannot run here; None where it can."""
    return {"power": lambda: why_not("ext4"), "order": trace.why_not}.get(name, lambda: None)()
