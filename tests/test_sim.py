"""The simulation in short: some seeds, the same seed twice, and bugs that it has to notice."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from recorder.core.frames import ADVANCED, EXCHANGE
from tests.sim import plan as plans
from tests.sim import planted
from tests.sim.loop import DeadlockError, SimLoop
from tests.sim.network import Network, Weather
from tests.sim.plants import BUDGET, PLANTS

REPOSITORY = Path(__file__).resolve().parents[1]
SEEDS = 60
QUICK = ("forgotten-row", "wrong-line", "double-trades", "book-stays-live", "1000-final")


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
    """Those that take a moment; all of them by `make bugs`."""
    done = run("tests.sim.planted", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nobody" not in done.stdout


def test_a_bug_that_nobody_notices_fails_the_hunt(monkeypatch, capsys):
    """A survivor is told, and the exit code says so."""
    survivor = planted.Catch("hammer", caught=False, seeds=200, by="")
    monkeypatch.setattr(planted, "hunt_all", lambda *_: [survivor])
    assert planted.main(["hammer"]) == 1
    assert "FAILED: hammer survives 200 seeds" in capsys.readouterr().out


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
    assert network == {*plans.NETWORK, "churn"}
    assert venue == set(plans.KINDS) - set(plans.NAMED_ONLY)
    assert any(plan.stops for plan in made)
    assert any(plan.clock_steps for plan in made)
    assert {plan.protocol for plan in made} == {ADVANCED, EXCHANGE}


# --- the world itself -----------------------------------------------------------------------------


def play(scene, pieces: bool = True):
    """Run a scene with a network on simulated time; gives what it gives and the seconds it took."""
    network = Network(Random(7), Weather((0.01, 0.2), pieces=pieces))
    loop = SimLoop(network)
    try:
        return loop.run_until_complete(scene(network)), loop.now_s
    finally:
        loop.close()


class Ear(asyncio.Protocol):
    """An end that remembers."""

    def __init__(self):
        self.heard = b""
        self.lost = None
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard += data

    def connection_lost(self, exc):
        self.lost = exc or "closed"


async def dialled(network: Network) -> tuple[Ear, Ear]:
    served = Ear()
    network.listen(lambda: served)
    _, client = await network.connect(Ear)
    return client, served


def test_time_passes_only_while_everybody_waits():
    """An hour is over at once, and who waits for nothing is told."""

    async def scene(_network):
        await asyncio.sleep(3600)

    async def stuck(_network):
        await asyncio.Event().wait()

    assert play(scene)[1] == pytest.approx(3600)
    with pytest.raises(DeadlockError):
        play(stuck)


def test_bytes_arrive_in_order_whatever_happens_on_the_way():
    """In pieces, late, dripping, stuck and let go again: TCP keeps its promise."""
    sent = bytes(range(256)) * 20

    async def scene(network):
        client, served = await dialled(network)
        link = network.links[0]
        for begin in range(0, len(sent), 40):
            served.transport.write(sent[begin : begin + 40])
            await asyncio.sleep(0.05)
            match begin:
                case 400:
                    link.block()
                case 1600:
                    link.free()
                case 2400:
                    link.drip(300)
                case 4000:
                    link.free()
        await asyncio.sleep(1)
        return client.heard

    heard, _ = play(scene)
    assert heard == sent


@pytest.mark.parametrize("orderly", [True, False])
def test_the_other_end_learns_of_an_end(orderly):
    """A close comes after the data before it; a reset at once, and both see it."""

    async def scene(network):
        client, served = await dialled(network)
        served.transport.write(b"last words")
        if orderly:
            served.transport.close()
        else:
            network.links[0].reset()
        await asyncio.sleep(1)
        return client.heard, client.lost

    (heard, lost), _ = play(scene)
    assert heard == (b"last words" if orderly else b"")
    assert lost == "closed" if orderly else isinstance(lost, ConnectionResetError)


def test_who_writes_to_one_that_is_gone_is_told():
    """A half-open connection ends with the first bytes that get through."""

    async def scene(network):
        _, served = await dialled(network)
        network.links[0].client.lose(ConnectionResetError())
        await asyncio.sleep(5)
        before = served.lost
        served.transport.write(b"?")
        await asyncio.sleep(1)
        return before, served.lost

    (before, after), _ = play(scene)
    assert before is None
    assert isinstance(after, ConnectionResetError)
