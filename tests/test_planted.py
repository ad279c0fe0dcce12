"""Each planted bug is caught by one harness; by all that should by `python -m tests.planted`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.order import trace
from tests.planted.hunts import HUNTS
from tests.planted.plants import PLANTS
from tests.power import disk

REPOSITORY = Path(__file__).resolve().parents[1]
KILLS = ("double-rows", "forgotten-tail")
CUTS = ("no-file-sync", "acknowledge-early", "part-early")
ORDERS = ("no-folder-sync", "commit-early", "cut-early", "day-early")
READERS = ("removed-before-switch", "removed-at-switch")


def hunt(harness: str, plants: tuple[str, ...]) -> str:
    """Set a harness on bugs, in a process of its own; it must catch each."""
    command = [sys.executable, "-m", "tests.planted", *plants, "--only", harness]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if "skipped:" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_kill_shows_what_recovery_gets_wrong():
    assert "survives" not in hunt("kill", KILLS)


def test_readers_see_parts_that_go_too_early():
    assert "survives" not in hunt("readers", READERS)


@pytest.mark.skipif(disk.why_not("ext4") is not None, reason=str(disk.why_not("ext4")))
def test_a_power_cut_shows_what_was_not_synced():
    assert "survives" not in hunt("power", CUTS)


def test_the_order_of_calls_shows_what_is_not_yet_durable():
    """Those that a power cut meets seldom."""
    if reason := trace.why_not():
        pytest.skip(reason)
    assert "survives" not in hunt("order", ORDERS)


def test_every_bug_has_a_harness_and_every_harness_a_bug():
    assert {*KILLS, *CUTS, *ORDERS, *READERS} == set(PLANTS)
    assert all(plant.budget.keys() <= HUNTS.keys() for plant in PLANTS.values())
    assert {name for plant in PLANTS.values() for name in plant.budget} == set(HUNTS)
    assert len(PLANTS) >= 6
