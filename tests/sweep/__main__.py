"""The whole sweep, with its figures."""

import argparse
import errno
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.roots import sealed_bytes
from tests.sweep.faults import CODES, LASTING, READ_CODES, READS, Faults, planted
from tests.sweep.session import check, play


def reference(folder: Path) -> tuple[list[str], dict[str, str]]:
    """A session in which nothing fails: the names of its calls, and the files that it leaves."""
    faults = Faults()
    with planted(faults):
        trial = play(folder, faults.arm)
    check(folder, trial, sealed_bytes(folder))
    return faults.names, sealed_bytes(folder)


def trial(folder: Path, first: int, lasting: bool, code: int, wanted: dict[str, str]) -> Faults:
    """A session in which calls fail from one on; raises AssertionError where anything is lost."""
    faults = Faults(first, first + (LASTING if lasting else 1), code)
    with planted(faults):
        done = play(folder, faults.arm)
    check(folder, done, wanted)
    return faults


def _trials(calls: Sequence[str], every: int) -> Iterator[tuple[int, int, bool]]:
    """Each call to fail, with each errno that it can have, once and for a while."""
    for number in range(0, len(calls), every):
        for code in READ_CODES if calls[number] in READS else CODES:
            for lasting in (False, True):
                yield number, code, lasting


def main() -> int:
    """Run the sweep; 1 where a trial lost something or did not end."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="try each Nth call only")
    every = parser.parse_args().every
    began_s = time.monotonic()
    failures, tried = 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        calls, wanted = reference(Path(folder) / "reference")
        trials = list(_trials(calls, every))
        for number, code, lasting in trials:
            name = f"{number}-{errno.errorcode[code]}-{'lasting' if lasting else 'once'}"
            try:
                faults = trial(Path(folder) / name, number, lasting, code, wanted)
                tried.update(faults.failed)
            except Exception as error:  # noqa: BLE001  each is told, and the sweep goes on
                failures += 1
                print(f"{name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            shutil.rmtree(Path(folder) / name, ignore_errors=True)
    print(f"calls of the session        {len(calls)}")
    print(f"trials                      {len(trials)}")
    print(f"calls that failed, by name  {dict(tried)}")
    print(f"trials that lost something  {failures}")
    print(f"seconds                     {time.monotonic() - began_s:.0f}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
