"""What `recorder.latency` promises: every frame and every turn of the loop is measured."""

import asyncio
import time

from recorder import latency
from recorder.http.metrics import Values
from recorder.latency import APPLIED_NS, LAG_NS, Latency


def test_bounds_go_up_and_are_whole_nanoseconds():
    """Around the goals they are close: 50 us, 300 us, 2 ms, 25 ms are bounds themselves."""
    for bounds in (APPLIED_NS, LAG_NS):
        assert list(bounds) == sorted(set(bounds))
        assert all(type(bound) is int for bound in bounds)
    assert {50_000, 300_000, 2_000_000, 25_000_000} <= set(APPLIED_NS)


async def test_a_loop_that_stands_still_is_seen(monkeypatch):
    monkeypatch.setattr(latency, "LAG_EVERY_S", 0.001)
    found = Latency()
    watching = asyncio.create_task(found.watch())
    await asyncio.sleep(0.01)
    assert sum(found.lag.counts) > 0
    before = sum(found.lag.counts[list(LAG_NS).index(50_000_000) + 1 :])
    time.sleep(0.06)  # noqa: ASYNC251  that is the point
    await asyncio.sleep(0.01)
    watching.cancel()
    assert sum(found.lag.counts[list(LAG_NS).index(50_000_000) + 1 :]) > before


def test_it_is_shown_in_seconds():
    """Counted in nanoseconds, as whole numbers; Prometheus has seconds."""
    found, values = Latency(), Values()
    for took_ns in (40_000, 250_000, 26_000_000):
        found.applied.observe(took_ns)
    assert type(found.applied.sum) is int
    values.observed("receive_to_applied_seconds", [found.applied])
    buckets, total = values.found["receive_to_applied_seconds"][()]
    assert dict(buckets)["4e-05"] == 1.0
    assert dict(buckets)["0.0003"] == 2.0
    assert dict(buckets)["+Inf"] == 3.0
    assert total == 0.02629
    assert found.applied.quantile(0.5) == 0.0003
