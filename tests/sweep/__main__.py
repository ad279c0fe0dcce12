"""The whole sweep, with its figures."""

import argparse
import errno
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.sweep import daemon
from tests.sweep.faults import CODES, LASTING, READ_CODES, READS, Faults, planted
from tests.sweep.session import Left, check, left, play

HANG_S = 120
PROBLEMS_SHOWN = 4
PROGRESS_EVERY = 100
MEMORY = Path("/dev/shm")


class Hang(BaseException):
    """A trial does not end. Nothing that handles errors takes it."""


@dataclass(slots=True)
class Tally:
    """What came of a sweep."""

    calls: int
    trials: int = 0
    lost: int = 0
    failed: Counter[str] = field(default_factory=Counter)


def reference(folder: Path) -> tuple[list[str], Left]:
    """A session in which nothing fails: the names of its calls, and what it leaves."""
    faults = Faults()
    with planted(faults):
        trial = play(folder, faults.arm)
    wanted = left(folder)
    check(folder, trial, wanted)
    assert not wanted.rows["faults"], wanted.rows["faults"]
    return faults.names, wanted


def trial(folder: Path, first: int, lasting: bool, code: int, wanted: Left) -> Faults:
    """A session in which calls fail from one on; raises AssertionError where anything is lost."""
    faults = Faults(first, first + (LASTING if lasting else 1), code)
    with planted(faults):
        done = play(folder, faults.arm)
    check(folder, done, wanted, code)
    return faults


class Trial(NamedTuple):
    """One call to fail, with one errno, once or for a while."""

    number: int
    code: int
    lasting: bool

    @property
    def name(self) -> str:
        """Its folder, and how it is told."""
        lasts = "lasting" if self.lasting else "once"
        return f"{self.number}-{errno.errorcode[self.code]}-{lasts}"


def _trials(calls: Sequence[str], every: int) -> Iterator[Trial]:
    """Each call to fail, with each errno that it can have, once and for a while."""
    for number in range(0, len(calls), every):
        for code in READ_CODES if calls[number] in READS else CODES:
            for lasting in (False, True):
                yield Trial(number, code, lasting)


def sweep_session(folder: Path, every: int, jobs: int) -> Tally:
    """The store's session: what it leaves is what it leaves when nothing fails, to the byte."""
    calls, wanted = reference(folder / "reference")

    def play_one(place: Path, faults: Faults) -> list[str]:
        try:
            done = play(place, faults.arm)
            faults.disarm()
            check(place, done, wanted, faults.code)
        except Exception as error:  # noqa: BLE001  each is told, and the sweep goes on
            return [f"{type(error).__name__}: {error}"]
        return []

    return _sweep(folder, calls, every, play_one, jobs)


def sweep_daemon(folder: Path, every: int, jobs: int) -> Tally:
    """The daemon: everything is recorded or told, the hour is sealed and switched to."""
    faults = Faults()
    with planted(faults):
        problems = daemon.play(folder / "reference", faults)
    assert not problems, problems
    return _sweep(folder, faults.names, every, daemon.play, jobs)


Play = Callable[[Path, Faults], list[str]]
_plays: dict[str, tuple[Path, Play]] = {}  # what a forked process is to play, and where


def _sweep(folder: Path, calls: list[str], every: int, play_one: Play, jobs: int = 1) -> Tally:
    trials, tally = list(_trials(calls, every)), Tally(calls=len(calls))
    _plays["now"] = folder, play_one
    for each, (failed, problems) in zip(trials, _played(trials, jobs), strict=True):
        tally.trials += 1
        tally.failed.update(failed)
        tally.lost += bool(problems)
        for problem in problems[:PROBLEMS_SHOWN]:
            print(f"{each.name} {calls[each.number]}: {problem[:300]}", flush=True)
        if tally.trials % PROGRESS_EVERY == 0:
            print(f"{tally.trials} of {len(trials)} trials, {tally.lost} lost", flush=True)
    return tally


def _played(trials: Sequence[Trial], jobs: int) -> Iterator[tuple[list[str], list[str]]]:
    """What failed in each trial and what was wrong with it, in their order."""
    if jobs == 1:
        yield from map(_try, trials)
        return
    # Forked, so that each has the reference and its calls as they were found.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(_try, trials)


def _try(each: Trial) -> tuple[list[str], list[str]]:
    folder, play_one = _plays["now"]
    faults = Faults(each.number, each.number + (LASTING if each.lasting else 1), each.code)
    try:
        with planted(faults), bounded(HANG_S):
            problems = play_one(folder / each.name, faults)
    except Hang:
        problems = [f"it hangs: not done after {HANG_S} s"]
    shutil.rmtree(folder / each.name, ignore_errors=True)
    return faults.failed, problems


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """Raise Hang in what takes longer, also in a call that blocks (main thread only)."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    """Run the sweep; 1 where a trial lost something or did not end."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="try each Nth call only")
    parser.add_argument("--of", choices=SWEEPS, help="only this one of the two")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    asked = parser.parse_args()
    lost = 0
    for name, sweep in SWEEPS.items():
        if asked.of not in {None, name}:
            continue
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            tally = sweep(Path(folder), asked.every, asked.jobs)
        lost += tally.lost
        print(f"calls of the {name:14} {tally.calls}")
        print(f"trials                      {tally.trials}")
        print(f"calls that failed, by name  {dict(tally.failed)}")
        print(f"trials that lost something  {tally.lost}")
        print(f"seconds                     {time.monotonic() - began_s:.0f}", flush=True)
    return 1 if lost else 0


SWEEPS = {"session": sweep_session, "daemon": sweep_daemon}

if __name__ == "__main__":
    sys.exit(main())
