"""What one product's subscribers are told of one merge interval, in ticks and lots."""

from dataclasses import dataclass
from typing import NamedTuple

from recorder.venue.specs import Spec
from recorder.venue.tape import Day, Trade


class Change(NamedTuple):
    """A level set to a size in lots; 0 deletes it."""

    bid: bool
    price: int
    size: int


@dataclass(frozen=True, slots=True)
class Touch:
    """What a ticker says: the best of both sides, the last price, the figures of the day."""

    bid: int
    bid_size: int
    offer: int
    offer_size: int
    last: int
    day: Day


@dataclass(frozen=True, slots=True)
class Step:
    """What one product's subscribers are told of one merge interval.

    ``changes`` has bids before offers, each side best first; ``trades`` are newest first; ``touch``
    is None when no ticker is due.
    """

    spec: Spec
    due_ns: int
    event_ns: int
    changes: list[Change]
    trades: list[Trade]
    touch: Touch | None
