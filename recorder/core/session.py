"""One connection's promises: the order of its frames, what it was asked for, whether it is alive.

Advanced Trade numbers every frame of a connection with one counter, ``sequence_num``: all
channels and products, answers and heartbeats included, from 0, step 1 (`coinbase.md` §1.4). The
number is checked before a frame is routed anywhere:

    number == expected   in order
    number  > expected   a gap: the frames between were lost; every book of it is in doubt
    number  < expected   late or a duplicate: not applied

A frame that arrived and whose number cannot be read is not lost: a gap after such frames counts
that many fewer. A long run of late numbers, or some in a long time, means that the numbering began
anew, or that one number was wrong; nothing of the connection can be trusted then.

What was asked of the venue and did not come is remembered too: a book whose snapshot was lost would
stay without one for ever, because nothing repeats it.
"""

from dataclasses import dataclass
from enum import Enum

from recorder.core.messages import LEVEL2

SILENCE_NS_MAX = 5_000_000_000  # heartbeats come every second (`coinbase.md` §1.6.3)
SNAPSHOT_NS_MAX = 30_000_000_000  # 20 books took 17 s to come (`coinbase.md` §1.5)
RESYNC_NS_MIN = 10_000_000_000  # a BTC-USD snapshot is 5 MB: not more often than this
LATE_RUN_MAX = 100  # frames, about two seconds of one busy product
LATE_RUN_MIN = 3  # frames, where none came in order for as long as this:
LATE_NS_MAX = 5_000_000_000
STRANGERS_MAX = 100  # products that were not asked for, a session


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers ``expected`` … ``got - 1`` were not read.

    ``unreadable`` frames without a number came in their place.
    """

    expected: int
    got: int
    unreadable: int = 0

    @property
    def missing(self) -> int:
        """How many frames were lost."""
        return max(0, self.got - self.expected - self.unreadable)


@dataclass(frozen=True, slots=True)
class Late:
    """A number below the expected one: reordered or sent twice."""

    expected: int
    got: int


class Kinship(Enum):
    """What a product's data is to a session."""

    OWN = "asked for, or nothing is known of what was asked for"
    NEW = "a stranger, met for the first time"
    MET = "a stranger met before"
    REFUSED = "one stranger too many"


class Session:
    """What is known of one connection between its opening and its end.

    ``next_sequence`` is the number that the next frame must carry, None where the first one is
    taken as found; ``ordered_ns`` is when the last frame in order came, and ``late_run`` how many
    came late since (``distrusted``: too many); ``unreadable`` counts the frames since then that
    have no number and cannot be read. ``asked`` holds what we subscribed to: channel (subscribe
    name) → product ids; ``former`` what we unsubscribed from, of which frames may still be on
    their way.
    ``snapshots_due`` says when a product's snapshot that was asked for is overdue, ``resynced_ns``
    when we last asked for another, ``resyncs_due`` when to ask for one that was put off.
    """

    __slots__ = (
        "asked", "connection_id", "distrusted", "former", "last_ns", "late_run", "next_sequence",
        "opened_ns", "ordered_ns", "resynced_ns", "resyncs_due", "snapshots_due", "strangers",
        "unreadable",
    )  # fmt: skip

    def __init__(self, connection_id: str, opened_ns: int, first_sequence: int | None) -> None:
        self.connection_id = connection_id
        self.opened_ns = opened_ns
        self.last_ns = opened_ns
        self.ordered_ns = opened_ns
        self.next_sequence = first_sequence
        self.late_run = 0
        self.distrusted = False
        self.unreadable = 0
        self.asked: dict[str, set[str]] = {}
        self.former: set[tuple[str, str]] = set()
        self.strangers: set[tuple[str, str]] = set()
        self.snapshots_due: dict[str, int] = {}
        self.resynced_ns: dict[str, int] = {}
        self.resyncs_due: dict[str, int] = {}

    # --- order --------------------------------------------------------------------------------

    def check(self, sequence: int) -> Gap | Late | None:
        """Take a frame's number; None where it is the expected one."""
        expected = self.next_sequence
        if expected is not None and sequence < expected:
            self.late_run += 1
            return Late(expected, sequence)
        self.next_sequence = sequence + 1
        self.late_run = 0
        self.distrusted = False
        unreadable, self.unreadable = self.unreadable, 0
        if expected is None or sequence == expected:
            return None
        return Gap(expected, sequence, unreadable)

    def distrust(self, now_ns: int) -> bool:
        """Whether a late frame is one too many; once for each run of them."""
        slow = self.late_run >= LATE_RUN_MIN and now_ns >= self.ordered_ns + LATE_NS_MAX
        if self.distrusted or not (slow or self.late_run >= LATE_RUN_MAX):
            return False
        self.distrusted = True
        return True

    # --- what was asked for and what came -------------------------------------------------------

    def ask(self, kind: str, channel: str, product_ids: tuple[str, ...], at_ns: int) -> None:
        """Note a request of ours. Unsubscribing without products drops the channel."""
        asked = self.asked.setdefault(channel, set())
        if kind == "subscribe":
            asked.update(product_ids)
            if channel == LEVEL2:
                due_ns = at_ns + SNAPSHOT_NS_MAX
                self.snapshots_due.update(dict.fromkeys(product_ids, due_ns))
            return
        dropped = product_ids or tuple(asked)
        self.former.update((channel, product_id) for product_id in asked.intersection(dropped))
        asked.difference_update(dropped)
        if not product_ids:
            del self.asked[channel]
        if channel == LEVEL2:
            for product_id in dropped:
                self.snapshot_came(product_id)

    def knows(self, channel: str, product_id: str) -> bool:
        """Whether a product was asked for, by this name or by its alias.

        ``-USDC`` ids come back as ``-USD`` (`coinbase.md` §1.7). Where nothing is known of the
        channel's subscriptions (a record that begins in the middle), every product is known.
        """
        asked = self.asked.get(channel)
        if not asked or product_id in asked or f"{product_id}C" in asked:
            return True
        return not self.former.isdisjoint({(channel, product_id), (channel, f"{product_id}C")})

    def kinship(self, channel: str, product_id: str) -> Kinship:
        """Say what a product is to this session; a stranger is new once.

        Their number has an end, because each costs a book, a track of coverage and files.
        """
        if self.knows(channel, product_id):
            return Kinship.OWN
        if (channel, product_id) in self.strangers:
            return Kinship.MET
        if len(self.strangers) >= STRANGERS_MAX:
            return Kinship.REFUSED
        self.strangers.add((channel, product_id))
        return Kinship.NEW

    # --- snapshots ----------------------------------------------------------------------------

    def snapshot_came(self, product_id: str) -> None:
        """Note a product's snapshot, or that none is wanted; it is due no more."""
        self.snapshots_due.pop(product_id, None)
        self.resyncs_due.pop(product_id, None)

    def resync(self, product_id: str, now_ns: int) -> bool:
        """Whether to ask for another snapshot now; if it is too soon, it is put off."""
        last_ns = self.resynced_ns.get(product_id)
        if last_ns is not None and now_ns < last_ns + RESYNC_NS_MIN:
            self.resyncs_due[product_id] = last_ns + RESYNC_NS_MIN
            return False
        self.resynced_ns[product_id] = now_ns
        return True

    def overdue(self, now_ns: int) -> list[str]:
        """Products whose snapshot did not come in time, by name; each is said once."""
        return self._take_due(self.snapshots_due, now_ns)

    def put_off(self, now_ns: int) -> list[str]:
        """Products whose snapshot was put off until now, by name; each is said once."""
        return self._take_due(self.resyncs_due, now_ns)

    def _take_due(self, times: dict[str, int], now_ns: int) -> list[str]:
        due = sorted(each for each, due_ns in times.items() if due_ns <= now_ns)
        for product_id in due:
            self.snapshot_came(product_id)  # due for neither cause any more
            self.resynced_ns[product_id] = now_ns
        return due

    # --- liveness -----------------------------------------------------------------------------

    def deadline_ns(self) -> int | None:
        """When silence becomes a fault; None while no heartbeats are asked for."""
        if "heartbeats" not in self.asked:
            return None
        return self.last_ns + SILENCE_NS_MAX
