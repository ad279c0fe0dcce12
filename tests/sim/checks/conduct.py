"""(3) Silence is noticed, (6) limits are kept, (7) everything is bounded, (10) nothing fails."""

from collections.abc import Iterator, Sequence

import msgspec

from tests.sim.evidence import Evidence

PER_SECOND_MAX = 8  # of connects, and of messages, from one address (`coinbase.md` §1.9)
# Refused dials of a line in 10 s: the pauses are up to 0.25 s, 0.5 s, 1 s … at random, so it takes
# about six of them.
REFUSED_MAX = 14
REFUSED_S = 10.0
# Sessions of a line that did not last: the pauses between them are up to 0.25 s, 0.5 s … 30 s, at
# random, so that about nine are opened in that time, and never so many.
SHORT_S = 29.0
CHURN_S = 50.0
CHURN_MAX = 18
RESYNC_S = 9.0  # less than `RESYNC_NS_MIN`, because requests wait for their turn
RESYNCS_MAX = 2  # what was not served, and then a gap
# Nothing for 4 s (`SILENCE_NS_MAX`), and two looks half a second apart.
QUIET_S_MAX = 5.1
ROWS_MAX = 100_000
BUFFERED_BYTES_MAX = 4 * 2**20


class _Asked(msgspec.Struct):
    type: str
    channel: str = ""
    product_ids: list[str] = []


_asked = msgspec.json.Decoder(_Asked).decode


def check_limits(evidence: Evidence) -> Iterator[str]:
    """In no second more connects or messages than the venue allows; refused ones come slower."""
    run = evidence.run
    requests_s = [at_s for at_s, _, _ in run.witness.requests]
    refused_max = REFUSED_MAX * -(-len(run.plan.products) // run.plan.products_max)
    for what, times_s, most, within_s in (
        ("connects", run.network.dials_s, PER_SECOND_MAX, 1.0),
        ("messages", requests_s, PER_SECOND_MAX, 1.0),
        ("refused connects", run.network.refused_s, refused_max, REFUSED_S),
    ):
        for at_s, count in _too_many(times_s, most, within_s):
            yield f"{count} {what} within {within_s:g} s from {at_s:.3f} s on"


def check_growing_pauses(evidence: Evidence) -> Iterator[str]:
    """Sessions that do not last are opened ever more slowly, though frames came on each."""
    plan = evidence.run.plan
    if plan.clock_steps or plan.stops or len(plan.wanted) > 1:
        return  # times, or lines, begin anew
    runs: dict[str, list[float]] = {}
    for line in evidence.lines.values():
        label, opened_s = line.connection_id.partition("-")[0], line.opened_ns / 1e9
        opened = runs.setdefault(label, [])
        if line.closed is None or line.closed.recv_ns / 1e9 - opened_s > SHORT_S:
            opened.clear()
            continue
        opened.append(opened_s)
        lately = [each for each in opened if each > opened_s - CHURN_S]
        if len(lately) > CHURN_MAX:
            yield f"{label} was opened {len(lately)} times within {CHURN_S:g} s, each time in vain"
            opened.clear()


def check_patience(evidence: Evidence) -> Iterator[str]:
    """A book is not asked for anew again and again within ten seconds, and only by its name."""
    run = evidence.run
    times_s: dict[tuple[str, str], list[float]] = {}
    for at_s, connection_id, raw in run.witness.requests:
        asked = _asked(raw)
        if asked.type != "unsubscribe" or asked.channel != "level2":
            continue
        if not asked.product_ids:
            yield f"at {at_s:.3f} s all books of {connection_id} were unsubscribed at once"
        for product_id in asked.product_ids:
            times_s.setdefault((connection_id, product_id), []).append(at_s)
    if run.plan.clock_steps:
        return
    for (connection_id, product_id), asked_s in times_s.items():
        for at_s, count in _too_many(asked_s, RESYNCS_MAX, RESYNC_S):
            yield f"{product_id} was asked for {count} times from {at_s:.3f} s on, {connection_id}"


def _too_many(times_s: Sequence[float], most: int, within_s: float) -> Iterator[tuple[float, int]]:
    first = 0
    for last, at_s in enumerate(times_s):
        while times_s[first] <= at_s - within_s:
            first += 1
        if last - first + 1 > most:
            yield times_s[first], last - first + 1
            return


def check_silence(evidence: Evidence) -> Iterator[str]:
    """A session of which nothing comes is closed within five seconds."""
    if evidence.run.plan.clock_steps:
        return  # its deadlines are told by a clock that was set
    for heard in evidence.run.witness.heard.values():
        if heard.quiet_s_max > QUIET_S_MAX:
            yield f"{heard.connection_id} was kept open for {heard.quiet_s_max:.1f} s of silence"


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
