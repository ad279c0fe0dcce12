"""Which faults a seed draws."""

from collections import Counter

import pytest

from recorder.errors import UsageError
from recorder.venue.kinds import KINDS
from recorder.venue.plan import ADVANCED_ONLY, NAMED_ONLY, FaultPlan

PRODUCTS = ("BTC-USD", "ETH-USD")


def drawn(seed: int, protocol: str = "advanced", **options: object) -> list[tuple[object, ...]]:
    """A schedule as plain values; faults themselves are equal to nothing but themselves."""
    return [
        (
            each.at_s, each.pick, each.fault.kind, each.fault.product, each.fault.channel,
            each.fault.count, each.fault.seconds, each.fault.value,
        )
        for each in FaultPlan(seed, **options).schedule(protocol, PRODUCTS)
    ]  # fmt: skip


def test_the_same_seed_draws_the_same() -> None:
    """Another seed, another plan."""
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


@pytest.mark.parametrize("protocol", ["advanced", "exchange"])
def test_plans_have_every_kind_within_their_time(protocol: str) -> None:
    """All that may be drawn is, some for one connection and some for all."""
    planned = [each for seed in range(150) for each in FaultPlan(seed).schedule(protocol, PRODUCTS)]
    kinds = Counter(each.fault.kind for each in planned)
    absent = {*NAMED_ONLY, *(ADVANCED_ONLY if protocol == "exchange" else ())}
    assert set(kinds) == KINDS.keys() - absent
    assert all(2.0 < each.at_s < 60.0 for each in planned)
    assert 15 < len(planned) / 150 < 24
    assert 0.1 < sum(each.pick is None for each in planned) / len(planned) < 0.5


def test_faults_are_aimed_when_their_time_has_come() -> None:
    """At one of the connections that are there, or at all."""
    for each in FaultPlan(1).schedule("advanced", PRODUCTS):
        assert each.aimed([]) is each.fault
        if each.pick is not None:
            assert each.aimed([4, 9]).connection in (4, 9)
            assert each.aimed([4, 9]).kind == each.fault.kind


def test_only_the_kinds_that_are_named() -> None:
    """Those too that are not drawn by themselves."""
    assert {each[2] for each in drawn(1, kinds=("omit", "delist"))} == {"omit", "delist"}


def test_plans_that_cannot_mean_anything() -> None:
    """A kind that is none; no time for faults."""
    with pytest.raises(UsageError, match="earthquake"):
        FaultPlan(1, kinds=("drop", "earthquake"))
    for wrong in ({"every_s": 0.0}, {"seconds": 2.0, "start_s": 2.0}, {"start_s": -1.0}):
        with pytest.raises(UsageError):
            FaultPlan(1, **wrong)
