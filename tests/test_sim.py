"""The simulation in short: some seeds, the same seed twice, and bugs that it has to notice."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.core.frames import ADVANCED, EXCHANGE
from tests.sim import plan as plans
from tests.sim.plants import BUDGET, PLANTS

REPOSITORY = Path(__file__).resolve().parents[1]
SEEDS = 60
QUICK = ("forgotten-row", "wrong-line", "resync-always", "double-trades", "1000-final")


def run(module: str, *arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


def test_whatever_goes_wrong_every_promise_holds():
    """A minute of faults, then healing: nothing is lost, invented, or claimed."""
    done = run("tests.sim", "--seeds", str(SEEDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seeds                             {SEEDS} (" in done.stdout


def test_the_same_seed_is_the_same_run_in_every_process():
    """Files, rows and log events of a seed are equal byte for byte, however Python hashes."""
    first, second = (
        run("tests.sim", "--seeds", "8", "--jobs", "1", "--digests", hash_seed=seed)
        for seed in ("1", "2")
    )
    digests = [line for line in first.stdout.splitlines() if line.startswith("seed ")]
    assert len(digests) == 8, first.stdout + first.stderr
    assert digests == [line for line in second.stdout.splitlines() if line.startswith("seed ")]


def test_planted_bugs_are_noticed():
    """Those that take a moment; all of them by `make planted-sim`."""
    done = run("tests.sim.planted", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nobody" not in done.stdout


def test_a_bug_that_nobody_notices_fails_the_hunt():
    """A survivor is told, and the exit code says so."""
    done = run("tests.sim.planted", "half-checkpoint", "--seeds", "1")
    assert done.returncode == 1
    assert "FAILED: half-checkpoint survives 1 seeds" in done.stdout


def test_there_are_enough_bugs():
    assert len(PLANTS) >= 12
    assert BUDGET <= 200


@pytest.mark.parametrize("protocol", [ADVANCED, EXCHANGE])
def test_a_seed_is_one_plan(protocol):
    """A seed decides everything, and seeds differ."""
    made = [plans.make(seed, protocol) for seed in range(40)]
    again = [plans.make(seed, protocol) for seed in range(40)]
    assert [_plain(plan) for plan in made] == [_plain(plan) for plan in again]
    assert len({repr(_plain(plan)) for plan in made}) == 40
    assert {plan.protocol for plan in made} == {protocol}


def _plain(plan: plans.Plan) -> tuple[object, str]:
    """A plan to compare: faults of the venue are not equal by themselves."""
    return replace(plan, venue_faults=()), repr(plan.venue_faults)


def test_together_the_seeds_play_every_fault():
    """No kind of fault is in the list and never comes."""
    made = [plans.make(seed) for seed in range(400)]
    network = {fault.kind for plan in made for fault in plan.faults}
    venue = {planned.fault.kind for plan in made for planned in plan.venue_faults}
    assert network == set(plans.NETWORK)
    assert venue == set(plans.KINDS) - set(plans.NAMED_ONLY)
    assert any(plan.stops for plan in made)
    assert any(plan.clock_steps for plan in made)
    assert {plan.protocol for plan in made} == {ADVANCED, EXCHANGE}
