"""What a seed stands for: the load, how each run ends, and what goes wrong in between."""

from dataclasses import dataclass
from random import Random

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
CHANNELS = ("level2", "ticker", "market_trades", "heartbeats", "status")
RATES = (200.0, 600.0, 1200.0, 2000.0)  # frames a second
RUNS_MIN, RUNS_MAX = 2, 6
CLOSE_CODES = (1000, 1001, 1006, 1011, 1012)

# What to wait for, the longest random time after it in seconds, and how often it is drawn.
MOMENTS = {
    "spawn": (0.7, 2),  # while Python, the lock, the capture or the socket is being opened
    "capture": (0.3, 1),  # the capture was just begun, nothing may be subscribed yet
    "frames": (0.15, 1),  # the first frames of a connection were sent
    "part": (0.12, 4),  # something is in staging: a part is being published
    "recovery": (0.8, 2),  # the run before is being finished, beside the recording
    "running": (1.5, 3),  # in the middle of it
}


@dataclass(frozen=True, slots=True)
class Nemesis:
    """A fault of the venue ``after_s`` into a run: ``skip`` frames, or a drop with ``code``."""

    after_s: float
    skip: int = 0
    code: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One life of the daemon, and its end ``delay_s`` after ``moment``."""

    moment: str
    delay_s: float
    kill: bool
    freeze: bool
    nemeses: tuple[Nemesis, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One trial. The last run always ends in order, with the market frozen."""

    seed: int
    products: tuple[str, ...]
    frames_a_second: float
    depth: float
    part_seconds: int
    runs: tuple[Run, ...]

    @property
    def tracks(self) -> list[tuple[str, str | None]]:
        """Every (channel, product) that is to be recorded."""
        of_connection = ("heartbeats",)
        return [
            (channel, product)
            for channel in CHANNELS
            for product in ((None,) if channel in of_connection else self.products)
        ]


def make(seed: int, frames_a_second: float | None = None) -> Plan:
    """The plan of a seed; ``frames_a_second`` overrides its load."""
    random = Random(f"simulate/{seed}")
    runs = [_run(random, index) for index in range(random.randint(RUNS_MIN, RUNS_MAX) - 1)]
    runs.append(Run("running", random.uniform(0.5, 1.5), kill=False, freeze=True))
    drawn = random.choice(RATES)
    return Plan(
        seed,
        PRODUCTS[: random.randint(1, len(PRODUCTS))],
        frames_a_second or drawn,
        random.choice((0.005, 0.01, 0.03)),
        random.choice((1, 1, 2, 3)),
        tuple(runs),
    )


def _run(random: Random, index: int) -> Run:
    moments = [each for each in MOMENTS if index or each != "recovery"]
    moment = random.choices(moments, [MOMENTS[each][1] for each in moments])[0]
    kill = random.random() < 0.8
    nemeses = [_nemesis(random) for _ in range(random.choice((0, 0, 1, 1, 2)))]
    return Run(
        moment,
        random.uniform(0.0, MOMENTS[moment][0]),
        kill,
        freeze=not kill and random.random() < 0.6,
        nemeses=tuple(sorted(nemeses, key=lambda each: each.after_s)),
    )


def _nemesis(random: Random) -> Nemesis:
    after_s = random.uniform(0.3, 2.5)
    if random.random() < 0.5:
        return Nemesis(after_s, skip=random.choice((1, 2, 5, 40)))
    return Nemesis(after_s, code=random.choice(CLOSE_CODES))
