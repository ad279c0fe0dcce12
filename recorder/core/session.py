"""One connection's promises: the order of its frames, what it was asked for, whether it is alive.

Advanced Trade numbers every frame of a connection with one counter, ``sequence_num``: all
channels and products, answers and heartbeats included, from 0, step 1 (`coinbase.md` §1.4). The
number is checked before a frame is routed anywhere:

    number == expected   in order
    number  > expected   a gap: the numbers between were lost; every book of the connection is in doubt
    number  < expected   late or a duplicate: not applied
"""

from dataclasses import dataclass

SILENCE_NS_MAX = 5_000_000_000  # heartbeats come every second (`coinbase.md` §1.6.3)


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers ``expected`` … ``got - 1`` did not arrive."""

    expected: int
    got: int

    @property
    def missing(self) -> int:
        """How many frames were lost."""
        return self.got - self.expected


@dataclass(frozen=True, slots=True)
class Late:
    """A number below the expected one: reordered or sent twice."""

    expected: int
    got: int


class Session:
    """What is known of one connection between its opening and its end.

    ``next_sequence`` is the number that the next frame must carry, None where the first one is
    taken as found. ``asked`` holds what we subscribed to, ``served`` what the venue's last answer
    listed: channel (subscribe name) → product ids.
    """

    __slots__ = (
        "asked", "connection_id", "last_ns", "next_sequence", "opened_ns", "served", "strangers",
    )  # fmt: skip

    def __init__(self, connection_id: str, opened_ns: int, first_sequence: int | None) -> None:
        self.connection_id = connection_id
        self.opened_ns = opened_ns
        self.last_ns = opened_ns
        self.next_sequence = first_sequence
        self.asked: dict[str, set[str]] = {}
        self.served: dict[str, set[str]] = {}
        self.strangers: set[tuple[str, str]] = set()

    def check(self, sequence: int) -> Gap | Late | None:
        """Take a frame's number; None where it is the expected one."""
        expected = self.next_sequence
        if expected is None or sequence == expected:
            self.next_sequence = sequence + 1
            return None
        if sequence > expected:
            self.next_sequence = sequence + 1
            return Gap(expected, sequence)
        return Late(expected, sequence)

    def ask(self, kind: str, channel: str, product_ids: tuple[str, ...]) -> None:
        """Note a request of ours. Unsubscribing without products drops the channel."""
        if kind == "subscribe":
            self.asked.setdefault(channel, set()).update(product_ids)
        elif kind == "unsubscribe":
            if product_ids:
                self.asked.get(channel, set()).difference_update(product_ids)
            else:
                self.asked.pop(channel, None)

    def serve(self, channels: dict[str, tuple[str, ...]]) -> None:
        """Note the venue's answer, which is the full set of the connection."""
        self.served = {channel: set(product_ids) for channel, product_ids in channels.items()}

    def is_stranger(self, channel: str, product_id: str) -> bool:
        """Whether data came of a product that was neither asked for nor promised; true once each.

        ``-USDC`` ids are aliases that come back as ``-USD`` (`coinbase.md` §1.7). Where nothing is
        known of the channel's subscriptions (a record that begins in the middle), nothing is strange.
        """
        asked = self.asked.get(channel)
        if not asked or product_id in asked or product_id in self.served.get(channel, ()):
            return False
        if f"{product_id}C" in asked or (channel, product_id) in self.strangers:
            return False
        self.strangers.add((channel, product_id))
        return True

    def deadline_ns(self) -> int | None:
        """When silence becomes a fault; None while no heartbeats are asked for."""
        if "heartbeats" not in self.asked:
            return None
        return self.last_ns + SILENCE_NS_MAX
