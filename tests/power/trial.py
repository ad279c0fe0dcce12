"""One trial: some lives of the writer on one disk, each ended by a cut, and what was found."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from recorder.store.paths import Root
from recorder.store.seal import sealed_before
from tests.power.disk import Disk, make_disk
from tests.power.forked import Child, ChildError, call
from tests.power.judge import WRONG, Problem, check_survived, check_whole
from tests.power.promises import Promised, told_file
from tests.power.writer import Life, live, recover_all

LIVES_MAX = 3
BEGUN_S_MAX = 60.0
CUT_S = ((0.01, 0.5), (0.01, 0.5), (0.2, 1.0), (0.5, 2.0))  # the longer ones seal and clear up
PACES = (
    {"sync_s": 0.04, "turns": 0.2},
    {"sync_s": 0.04, "turns": 0.3},
    {"sync_s": 0.2, "turns": 0.1},
    {"sync_s": 1.0, "turns": 0.01},  # as in the daemon: parts have something to wait for
)

Plant = Callable[[], None]
"""Breaks the code of the process that it is called in: for proving that a trial notices."""


@dataclass(slots=True)
class Found:
    """What came of a trial; ``problems`` is empty where everything holds."""

    seed: int
    kind: str
    cuts: int = 0
    promised: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    recovery_ms: list[float] = field(default_factory=list)


def lives_of(seed: int) -> list[Life]:
    """What a seed stands for."""
    random = Random(f"power/{seed}")
    keep_capture = random.random() < 0.8
    return [
        Life(
            number,
            seed,
            cut_s=random.uniform(*random.choice(CUT_S)),
            early=random.random() < 0.2,
            **random.choice(PACES),
            keep_capture=keep_capture,
            imports=keep_capture and number == 0 and random.random() < 0.15,
        )
        for number in range(random.randint(1, LIVES_MAX))
    ]


def try_seed(seed: int, kind: str, folder: Path, plant: Plant | None = None) -> Found:
    """Play a seed below an empty folder, which is empty again afterwards."""
    found, promised = Found(seed, kind), Promised()
    random = Random(f"power/{seed}/between")
    told = folder / "told"
    told.mkdir()
    try:
        with make_disk(kind, folder) as disk:
            lives = lives_of(seed)
            for life in lives:
                found.cuts += 1
                problems, told_bytes = _one_life(life, disk, told, plant)
                found.problems += problems
                promised.add(told, life.number, told_bytes)
                data = disk.path / "data"
                found.problems += call(check_survived, data, promised)
                if not found.problems and (life is lives[-1] or random.random() < 0.5):
                    _recover(found, data, promised, plant)
                if found.problems:
                    break
    finally:
        shutil.rmtree(told)
    found.promised.update(promised.counts)
    return found


def _one_life(
    life: Life, disk: Disk, told: Path, plant: Plant | None
) -> tuple[list[Problem], int | None]:
    """Let the writer live, cut its power, let the disk come back.

    Returns the problems, and how much it had promised when the power began to go, in bytes.
    """
    child = Child(_broken, plant, live, life, disk.path / "data", told)
    promises = told_file(told, life.number)
    promises.touch()
    try:
        _wait_begun(life, child, promises)
        time.sleep(life.cut_s)
        early = child.ended
        told_bytes = promises.stat().st_size if disk.goes_slowly else None
        disk.cut()
    finally:
        problems = []
        if child.ended and early:
            try:
                child.result()
            except ChildError as error:
                problems.append((WRONG, f"the writer ended before its cut: {error}"))
        else:
            child.kill()
    disk.come_back()
    (disk.path / "data").mkdir(exist_ok=True)
    return problems, told_bytes


def _wait_begun(life: Life, child: Child, promises: Path) -> None:
    """Wait for the first promise, where the life is not to be cut before."""
    end_s = time.monotonic() + BEGUN_S_MAX
    while not life.early and promises.stat().st_size == 0 and not child.ended:
        if time.monotonic() > end_s:
            return
        time.sleep(0.001)


def _recover(found: Found, data: Path, promised: Promised, plant: Plant | None) -> None:
    """Finish everything with the real code, and look again."""
    try:
        found.recovery_ms.append(call(_broken, plant, recover_all, data))
    except ChildError as error:
        found.problems.append((WRONG, f"recovery: {error}"))
        return
    found.problems += call(check_whole, data, promised)
    promised.switches = {sealed_before(Root(data))}


def _broken(plant: Plant | None, function: Callable, *arguments: object) -> object:
    if plant is not None:
        plant()
    return function(*arguments)
