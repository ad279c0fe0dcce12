"""(6) The recorder keeps to the venue's limits, (7) in bounds, and (10) does not fail."""

from collections.abc import Iterator, Sequence

from tests.sim.evidence import Evidence

PER_SECOND_MAX = 8  # of connects, and of messages, from one address (`coinbase.md` §1.9)
ROWS_MAX = 100_000
BUFFERED_BYTES_MAX = 4 * 2**20


def check_limits(evidence: Evidence) -> Iterator[str]:
    """In no second more connects or messages than the venue allows."""
    run = evidence.run
    for what, times_s in (("connects", run.network.dials_s), ("messages", run.witness.requests_s)):
        for at_s, count in _too_many(times_s):
            yield f"{count} {what} within a second from {at_s:.3f} s on"


def _too_many(times_s: Sequence[float]) -> Iterator[tuple[float, int]]:
    first = 0
    for last, at_s in enumerate(times_s):
        while times_s[first] <= at_s - 1.0:
            first += 1
        if last - first + 1 > PER_SECOND_MAX:
            yield times_s[first], last - first + 1
            return


def check_bounds(evidence: Evidence) -> Iterator[str]:
    """Tasks and buffers are bounded, and nothing outlives the end."""
    run = evidence.run
    if run.tasks_over:
        yield f"too many tasks: {run.tasks_over}"
    if run.rows_max > ROWS_MAX or run.buffered_max > BUFFERED_BYTES_MAX:
        yield f"{run.rows_max} rows and {run.buffered_max} bytes were waiting"
    if run.tasks_left:
        yield f"tasks that outlived the end: {run.tasks_left}"
    yield from run.held


def check_failures(evidence: Evidence) -> Iterator[str]:
    """Nothing failed that is ours."""
    run = evidence.run
    assert run.logged is not None
    yield from run.failures
    yield from run.logged.errors
    for name, line in evidence.lines.items():
        if line.closed is not None and "our own" in line.closed.reason:
            yield f"{name} was closed for a failure of ours"
