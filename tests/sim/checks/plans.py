"""(5) What is recorded is what was asked for, and everything asked for is told until the end."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from recorder.core.frames import Ended, Sent
from recorder.feed.plan import CANONICAL
from tests.sim.checks.frames import span
from tests.sim.evidence import Evidence

Key = tuple[str, str | None]
Time = int  # microseconds, as in coverage

# The Exchange's names, as a request has them.
_NAMES = {"matches": "market_trades", "heartbeat": "heartbeats", **CANONICAL}


class _Channel(msgspec.Struct):
    name: str
    product_ids: list[str] = []


class _Request(msgspec.Struct):
    type: str
    channel: str = ""
    channels: list[_Channel | str] = []
    product_ids: list[str] = []


_read = msgspec.json.Decoder(_Request).decode


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
            for kind, key in _keys_of(arrival.raw):
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


def _keys_of(raw: bytes) -> Iterator[tuple[str, Key]]:
    """What a request of either protocol is about."""
    request = _read(raw)
    for each in request.channels or [request.channel]:
        name, products = (
            (each, request.product_ids)
            if isinstance(each, str)
            else (each.name, each.product_ids or request.product_ids)
        )
        for product_id in products or (None,):
            yield request.type, (_NAMES.get(name, name), product_id)


def _check_recorded(evidence: Evidence, asked: dict[tuple[str, Key], _Asked]) -> Iterator[str]:
    strangers = {
        (row["connection_id"], row["detail"].partition(" came, ")[0])
        for row in evidence.faults_of("unexpected_product")
    }
    for row in evidence.coverage:
        channel, product_id, connection_id = row["channel"], row["product_id"], row["connection_id"]
        if row["state"] == "gap":
            continue
        times = asked.get((connection_id, (channel, product_id)))
        if times is None:
            if (connection_id, f"{channel} of {product_id}") not in strangers:
                yield f"{span(row)} was never asked for on {connection_id}"
        elif not times.is_asked_at(row["start_us"]):
            yield f"{span(row)} begins after it was unsubscribed on {connection_id}"
        elif within := [each for each in times.left if row["start_us"] < each < row["end_us"]]:
            yield f"{span(row)} goes on after it was unsubscribed at {within[0]}"
