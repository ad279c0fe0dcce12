"""What a seed comes to: the market, the network, and what goes wrong at which time."""

from dataclasses import dataclass, replace
from random import Random

from recorder.core.frames import ADVANCED, EXCHANGE, HOUR_NS
from recorder.venue import KINDS, FaultPlan
from recorder.venue.plan import ADVANCED_ONLY, NAMED_ONLY, Planned
from tests.sim.network import Weather

FAULTS_S = 60.0
FIRST_FAULT_S = 2.0
FIRST_HOUR = 499_000  # hours since 1970: in December 2026
EXCHANGE_EVERY = 4  # seeds: one of so many speaks the other protocol
CHANNELS = {
    ADVANCED: ("level2", "ticker", "market_trades", "heartbeats", "status"),
    EXCHANGE: ("level2_batch", "ticker", "market_trades", "heartbeats", "status"),
}
MORE_CHANNELS = {ADVANCED: ("candles", "ticker_batch"), EXCHANGE: ()}
FORGOABLE = ("ticker", "status", "candles", "ticker_batch")
NAMES = ("AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD", "EEE-USD", "FFF-USD")
SECOND_NS = 1_000_000_000

# What goes wrong between the two; what the venue does wrong has its list in `recorder.venue.kinds`.
NETWORK = (
    "reset", "reset_client", "end", "refuse", "hang", "stall", "blackhole", "blackhole_all",
    "deaf", "mute", "drip",
)  # fmt: skip
CHURNS = 1 / 20  # of the runs have connections that live for a moment only, from then on
# Larger than what the recorder takes here (`stage`), and no larger than that needs.
BIG_BYTES = {"giant": 300_000, "bomb": 2_000_000}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong in the network: where (``share`` of what there is), how long."""

    at_s: float
    kind: str
    seconds: float
    share: float
    amount: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be recorded from a time on: the configuration is read again then."""

    at_s: float
    products: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One seed's run.

    ``products`` are those of the market; ``wanted`` says what of it is recorded, the first from the
    start on. ``products_max`` go on a connection. ``stops``: (when the recorder is stopped, for how
    long). ``clock_steps``: (when, by how much) its wall clock is set. ``refusals``: (when, for how
    long) its disk refuses. ``delisted``: (when, which product) is traded no more. ``archive``:
    missing trades are asked of the venue's archive. ``strict``: the venue enforces its limits by
    address, and counts what arrives at once after a stall.
    """

    seed: int
    protocol: str
    products: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    products_max: int
    rate: float
    depth: float
    part_seconds: int
    begin_ns: int
    weather: Weather
    compression: bool
    disk_s_max: float
    faults: tuple[Fault, ...]
    venue_faults: tuple[Planned, ...]
    stops: tuple[tuple[float, float], ...]
    clock_steps: tuple[tuple[float, float], ...]
    refusals: tuple[tuple[float, float], ...]
    delisted: tuple[tuple[float, str], ...]
    archive: bool
    strict: bool


def make(seed: int, protocol: str | None = None) -> Plan:
    """The plan of a seed; the same in every process."""
    if protocol is None:
        protocol = EXCHANGE if seed % EXCHANGE_EVERY == EXCHANGE_EVERY - 1 else ADVANCED
    random = Random(f"sim/{protocol}/{seed}")
    products = tuple(random.sample(NAMES, random.choice((2, 2, 3, 4))))
    return Plan(
        seed=seed,
        protocol=protocol,
        products=products,
        wanted=_wanted(random, protocol, products),
        products_max=random.choice((1, 2, 2, 4)),
        rate=random.uniform(0.15, 0.4),
        depth=random.choice((0.005, 0.01, 0.02)),
        part_seconds=random.choice((30, 60, 100)),
        begin_ns=_begin_ns(random),
        weather=_weather(random),
        compression=random.random() < 0.1,
        disk_s_max=random.choice((0.0, 0.0, 0.0, 0.05, 1.5)),
        faults=(*_faults(random), *_churn(seed, protocol)),
        venue_faults=_venue_faults(seed, random, protocol, products),
        stops=_stops(random),
        clock_steps=_clock_steps(random),
        refusals=_refusals(random),
        delisted=_delisted(random, products),
        archive=random.random() < 0.5,
        strict=random.random() < 0.5,
    )


def _wanted(random: Random, protocol: str, products: tuple[str, ...]) -> tuple[Wanted, ...]:
    """All of the market, in most runs; in a sixth another part of it again and again."""
    more = tuple(each for each in MORE_CHANNELS[protocol] if random.random() < 0.15)
    channels = (*CHANNELS[protocol], *more)
    if random.random() > 1 / 6:
        return (Wanted(0.0, products, channels),)
    times_s = sorted(random.uniform(1, FAULTS_S) for _ in range(random.randrange(1, 5)))
    return tuple(
        Wanted(
            at_s,
            tuple(random.sample(products, random.randint(1, len(products)))),
            tuple(each for each in channels if each not in FORGOABLE or random.random() < 0.7),
        )
        for at_s in (0.0, *times_s)
    )


def _begin_ns(random: Random) -> int:
    """When the run begins; a fifth of them so that the full hour lies in it."""
    into_s = 3600 - random.uniform(3, 75) if random.random() < 0.2 else random.uniform(1, 3400)
    return (FIRST_HOUR + random.randrange(5000)) * HOUR_NS + int(into_s * SECOND_NS)


def _weather(random: Random) -> Weather:
    low_s = random.choice((0.001, 0.005, 0.03))
    high_s = low_s + random.choice((0.0, 0.01, 0.15))
    return Weather((low_s, high_s), pieces=random.random() < 0.4)


def _faults(random: Random) -> tuple[Fault, ...]:
    """Some kinds only, so that each has runs in which nothing hides it."""
    kinds = random.sample(NETWORK, random.choice((0, 0, 1, 2, 3)))
    if not kinds:
        return ()
    apart_s = random.choice((2.0, 5.0, 12.0))
    faults = []
    at_s = FIRST_FAULT_S + random.expovariate(1 / apart_s)
    while at_s < FAULTS_S:
        kind = random.choice(kinds)
        faults.append(
            Fault(
                at_s=at_s,
                kind=kind,
                seconds=random.choice((0.3, 2.0, 4.0, 8.0, 20.0)) * random.uniform(0.5, 1.0),
                share=random.random(),
                amount=random.choice((1, 1, 2, 5, 20, 200)),
            )
        )
        at_s += random.expovariate(1 / apart_s)
    return tuple(faults)


def _churn(seed: int, protocol: str) -> tuple[Fault, ...]:
    """Drawn by itself: in some runs every connection is cut off soon after it opened."""
    random = Random(f"sim/churn/{protocol}/{seed}")
    if random.random() > CHURNS:
        return ()
    return (Fault(FIRST_FAULT_S, "churn", FAULTS_S, random.random(), 0),)


def _venue_faults(
    seed: int, random: Random, protocol: str, products: tuple[str, ...]
) -> tuple[Planned, ...]:
    """The same of what the venue does wrong, drawn by its own plan."""
    left_out = (*NAMED_ONLY, *(ADVANCED_ONLY if protocol == EXCHANGE else ()))
    kinds = [kind for kind in KINDS if kind not in left_out]
    chosen = tuple(random.sample(kinds, random.choice((0, 1, 1, 2, 3, 5, 9))))
    if not chosen:
        return ()
    every_s = random.choice((2.0, 4.0, 10.0))
    plan = FaultPlan(seed, FAULTS_S, every_s, random.choice((0.0, 2.0)), chosen)
    return tuple(
        replace(each, fault=replace(each.fault, value=BIG_BYTES[each.fault.kind]))
        if each.fault.kind in BIG_BYTES
        else each
        for each in plan.schedule(protocol, products)
    )


def _stops(random: Random) -> tuple[tuple[float, float], ...]:
    """A sixth of the runs has one, or two."""
    if random.random() > 1 / 6:
        return ()
    first_s = random.uniform(1, 30)
    stops = [(first_s, random.uniform(1.2, 8))]
    if random.random() < 0.3:
        stops.append((first_s + random.uniform(1, 20), random.uniform(1.2, 8)))
    return tuple(stops)


def _clock_steps(random: Random) -> tuple[tuple[float, float], ...]:
    """A tenth of the runs has some. Time goes at half its pace after one back, so they are few."""
    if random.random() > 0.1:
        return ()
    return tuple(
        (random.uniform(1, FAULTS_S), random.choice((-2.0, -0.6, 0.7, 3.0, 30.0)))
        for _ in range(random.randrange(1, 4))
    )


def _refusals(random: Random) -> tuple[tuple[float, float], ...]:
    """A twelfth of the runs has some."""
    if random.random() > 1 / 12:
        return ()
    times_s = sorted(random.uniform(1, FAULTS_S) for _ in range(random.randrange(1, 4)))
    return tuple((at_s, random.uniform(0.3, 8.0)) for at_s in times_s)


def _delisted(random: Random, products: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
    """In a twentieth of the runs a product ends; there is always another."""
    if random.random() > 1 / 20:
        return ()
    return ((random.uniform(1, FAULTS_S), random.choice(products)),)
