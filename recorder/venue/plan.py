"""`FaultPlan`: which faults come when, drawn from a seed.

The schedule is made before anything runs, from the seed, the protocol and the products alone; only
which of the open connections is hit is settled when the time has come. So the same seed plays the
same faults at the same times whatever the client does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from recorder.errors import UsageError
from recorder.venue.kinds import KINDS, Fault, Value

# Kinds that a client can neither see nor be told of: a book may be wrong without any sign. They
# are played only where they are named.
UNSEEN = ("omit",)
# A product that was delisted does not come back, so it is played only where it is named, and so
# are faults that belong to one protocol.
NAMED_ONLY = (*UNSEEN, "delist")
ADVANCED_ONLY = ("over_cap", "heartbeat_jump")
# Shares of the kinds: what networks do more often than what Coinbase has never done.
WEIGHTS = {"drop": 5, "close": 5, "duplicate": 2, "reorder": 2, "half_open": 2, "silence": 2,
           "refuse": 2, "silent": 3, "giant": 0.3, "bomb": 0.3}  # fmt: skip
SECONDS_MIN = 0.5
SECONDS_MEAN = 6.0
WHOLE_VENUE_SHARE = 0.25
MANY_FRAMES = 12

VALUES: dict[str, Callable[[Random], Value]] = {
    "reorder": lambda random: random.randint(1, 4),
    "close": lambda random: random.choice((1000, 1001, 1006, 1006, 1009, 1011)),
    "http": lambda random: random.choice((429, 500, 503)),
    "drip": lambda random: random.choice((50, 500, 5_000)),
    "late_ack": lambda random: round(random.uniform(0.2, 15.0), 3),
    "data_before_ack": lambda random: random.randint(1, 20),
    "update_before_snapshot": lambda random: round(random.uniform(0.05, 3.0), 3),
    "error_frame": lambda random: random.choice(("internal error", "slow down", "try again")),
    "silent": lambda random: random.choice((None, None, "resubscribe")),
    "heartbeat_jump": lambda random: random.choice((-30, -1, 1, 2, 60)),
    "clock_jump": lambda random: random.choice((-7200.0, -3.0, -0.2, 0.2, 3.0, 7200.0)),
    "crossed": lambda random: random.choice((None, "transient")),
    "ticker_wrong": lambda random: random.choice((-0.02, -0.0005, 0.0005, 0.02)),
    "ticker_late": lambda random: round(random.uniform(0.5, 5.0), 3),
    **{
        kind: lambda random: random.choice((None, None, "extra"))
        for kind in ("truncated", "wrong_types", "not_a_number", "not_utf8")
    },
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault and its time, in seconds from the start of the plan.

    ``pick`` is which of the open connections it hits, of 1; None for all of them.
    """

    at_s: float
    fault: Fault
    pick: float | None

    def aimed(self, numbers: list[int]) -> Fault:
        """The fault with a connection of these, or as it is if there are none."""
        if self.pick is None or not numbers:
            return self.fault
        return replace(self.fault, connection=numbers[int(self.pick * len(numbers))])


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Faults for some time, then none.

    Args:
        seed: decides everything.
        seconds: from the start of the venue until it heals.
        every_s: how far apart faults are on average.
        start_s: no fault before this, so that a client gets going; 0 for none of that.
        kinds: only these; empty: all that the protocol can play and a client can notice.
    """

    seed: int
    seconds: float = 60.0
    every_s: float = 3.0
    start_s: float = 2.0
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything."""
        if unknown := sorted(set(self.kinds) - KINDS.keys()):
            raise UsageError(
                f"No such faults: {', '.join(unknown)}. Choose of: {', '.join(KINDS)}."
            )
        if not (self.every_s > 0 and self.seconds > self.start_s >= 0):
            raise UsageError("A plan needs every_s above 0, and seconds after start_s.")

    def schedule(self, protocol: str, products: tuple[str, ...]) -> list[Planned]:
        """All faults of the plan, in the order of their times.

        ``protocol`` is ``advanced`` or ``exchange``.
        """
        random = Random(f"{self.seed}/{protocol}/faults")
        kinds = self.kinds or tuple(
            kind for kind in KINDS
            if kind not in NAMED_ONLY and (protocol == "advanced" or kind not in ADVANCED_ONLY)
        )  # fmt: skip
        weights = [WEIGHTS.get(kind, 1) for kind in kinds]
        planned = []
        at_s = self.start_s + random.expovariate(1 / self.every_s)
        while at_s < self.seconds:
            (kind,) = random.choices(kinds, weights)
            planned.append(self._draw(random, kind, at_s, protocol, products))
            at_s += random.expovariate(1 / self.every_s)
        return planned

    def _draw(
        self, random: Random, kind: str, at_s: float, protocol: str, products: tuple[str, ...]
    ) -> Planned:
        aims = KINDS[kind].aims.split()
        stage = KINDS[kind].stage
        channels = CHANNELS[protocol]
        product = channel = count = seconds = value = None
        if "product" in aims and (stage == "market" or random.random() < 0.5):
            product = random.choice(products)
        if "channel" in aims and random.random() < 0.4:
            channel = random.choice(channels)
        if kind == "silent" and product is None:
            channel = channel or random.choice(channels)
        if "count" in aims:
            count = random.choice((1, 1, 1, 2, 3, MANY_FRAMES if stage == "frame" else 4))
        if "seconds" in aims or stage in ("answer", "told"):
            seconds = round(max(SECONDS_MIN, random.expovariate(1 / SECONDS_MEAN)), 3)
        if kind in VALUES:
            value = VALUES[kind](random)
        fault = Fault(kind, None, product, channel, count, seconds, value)
        whole = stage in ("door", "market") or random.random() < WHOLE_VENUE_SHARE
        return Planned(round(at_s, 3), fault, None if whole else random.random())


CHANNELS = {
    "advanced": (
        "heartbeats", "level2", "market_trades", "ticker", "ticker_batch", "candles", "status",
    ),
    "exchange": ("heartbeat", "level2_50", "matches", "ticker", "ticker_1000", "status"),
}  # fmt: skip
