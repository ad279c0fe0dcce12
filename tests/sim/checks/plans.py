"""(5) What is recorded is what was asked for, and everything asked for is told until the end."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from recorder.core.frames import Ended, Sent
from tests.sim.asked import Key, keys_of
from tests.sim.checks.frames import span
from tests.sim.evidence import Evidence

Time = int  # microseconds, as in coverage


@dataclass(slots=True)
class _Asked:
    """When a key was asked for on a session, and when we unsubscribed from it."""

    begun: list[Time] = field(default_factory=list)
    left: list[Time] = field(default_factory=list)

    def is_asked_at(self, at_us: Time) -> bool:
        """Whether it was asked for last, of the requests up to a time."""
        begun = max((each for each in self.begun if each <= at_us), default=None)
        left = max((each for each in self.left if each < at_us), default=-1)
        return begun is not None and begun >= left


def check_plans(evidence: Evidence) -> Iterator[str]:
    """No interval says `recorded` where nothing was asked for; what was asked for is told on."""
    asked: dict[tuple[str, Key], _Asked] = {}
    due: set[Key] = set()  # in the run that goes on
    told_us: dict[Key, Time] = {}
    for row in evidence.coverage:
        key = (row["channel"], row["product_id"])
        told_us[key] = max(told_us.get(key, 0), row["end_us"])
    for _, arrival in evidence.arrivals:
        if isinstance(arrival, Sent):
            at_us = arrival.recv_ns // 1000
            for kind, key in keys_of(arrival.raw):
                times = asked.setdefault((arrival.connection_id, key), _Asked())
                if kind == "subscribe":
                    times.begun.append(at_us)
                    due.add(key)
                else:
                    times.left.append(at_us)
        elif isinstance(arrival, Ended) and arrival.cause == "stop":
            for key in sorted(due, key=str):
                if told_us.get(key, 0) < arrival.recv_ns // 1000:
                    yield f"{key} was asked for, and is told up to {told_us.get(key)} only"
            due.clear()
    yield from _check_recorded(evidence, asked)


def _check_recorded(evidence: Evidence, asked: dict[tuple[str, Key], _Asked]) -> Iterator[str]:
    for row in evidence.coverage:
        channel, product_id, connection_id = row["channel"], row["product_id"], row["connection_id"]
        if row["state"] == "gap":
            continue
        times = asked.get((connection_id, (channel, product_id)))
        if times is None:
            yield f"{span(row)} was never asked for on {connection_id}"
        elif not times.is_asked_at(row["start_us"]):
            yield f"{span(row)} begins after it was unsubscribed on {connection_id}"
        elif within := [each for each in times.left if row["start_us"] < each < row["end_us"]]:
            yield f"{span(row)} goes on after it was unsubscribed at {within[0]}"
