"""The command line: plants each bug, sets the harnesses on it, exits 1 if one survives.

A harness that cannot run here is left out, with the reason; a bug that no harness was left for has
not survived, and is told as not tried. First of all, nothing may be found where nothing is planted.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from tests.planted.hunts import HUNTS, Catch, why_no_hunt
from tests.planted.plants import PLANTS
from tests.power.disk import private_mounts
from tests.power.forked import leave_in_order
from tests.power.writer import warm_up

CONTROL = {"order": 1, "power": 12, "kill": 12, "readers": 10}
BY_MAX = 90


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt; the exit code is 1 if a bug survives, or something is found where there is none."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, leave_in_order)
    began_s = time.monotonic()
    able = _able(asked.only or list(HUNTS))
    warm_up()
    print(f"{'planted':38} {'harness':8} {'tries':>9}  caught by")
    wrong = []
    for name in () if asked.plants else able:
        caught = HUNTS[name](None, CONTROL[name])
        _tell("nothing", name, CONTROL[name], caught)
        wrong += [f"{name} found something where nothing is planted"] if caught.caught else []
    for plant in asked.plants or PLANTS:
        what, budget = PLANTS[plant].what, PLANTS[plant].budget
        for name in [each for each in budget if each in able]:
            caught = HUNTS[name](plant, budget[name])
            _tell(what, name, budget[name], caught)
            wrong += [] if caught.caught else [f"{plant} survives {name}"]
        if not any(each in able for each in budget):
            print(f"{what:38} not tried")
    print(f"seconds {time.monotonic() - began_s:.0f}")
    for each in wrong:
        print(f"FAILED: {each}")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.planted", description=__doc__)
    parser.add_argument("plants", nargs="*", metavar="PLANT", help=f"of {', '.join(PLANTS)}")
    parser.add_argument("--only", action="append", choices=HUNTS, help="with these harnesses only")
    return parser


def _able(wanted: Sequence[str]) -> list[str]:
    """The harnesses that can run here."""
    reasons = {name: why_no_hunt(name) for name in wanted}
    if "power" in reasons and reasons["power"] is None:
        reasons["power"] = private_mounts()
    for name, reason in reasons.items():
        if reason is not None:
            print(f"skipped: {name}: {reason}")
    return [name for name, reason in reasons.items() if reason is None]


def _tell(what: str, harness: str, budget: int, caught: Catch) -> None:
    by = caught.by.splitlines()[0][:BY_MAX] if caught.caught else "-"
    tries = f"{caught.tries} of {budget}" if harness != "readers" else f"{caught.tries}"
    print(f"{what:38} {harness:8} {tries:>9}  {by}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
