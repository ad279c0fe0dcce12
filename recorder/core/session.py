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

What was asked of the venue and did not come is remembered too (`asking`): a book whose snapshot was
lost would stay without one for ever, because nothing repeats it.
"""

from dataclasses import dataclass
from enum import Enum

from recorder.core.asking import Asking, Key
from recorder.core.frames import ADVANCED
from recorder.core.lag import Lag
from recorder.core.messages import TICKER, TICKER_BATCH

SILENCE_NS_MAX = 4_000_000_000  # heartbeats come every second (`coinbase.md` §1.6.3)
LOOK_NS = 1_000_000_000  # between two looks at what is overdue
GAPS_MAX = 5  # so many gaps
STORM_NS = 60_000_000_000  # in this time: the connection is not worth mending
BEAT_STEP_MAX = 2  # the venue's seconds of uptime, told once a second (`coinbase.md` §1.6.3)
LATE_RUN_MAX = 100  # frames, about two seconds of one busy product
LATE_RUN_MIN = 3  # frames, where none came in order for as long as this:
LATE_NS_MAX = 5_000_000_000
TRADED_NS = 600_000_000_000
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


class Session(Asking):
    """What is known of one connection between its opening and its end.

    ``venue`` is whose protocol it speaks. ``next_sequence`` is the number that the next frame must
    carry, None where the first one is taken as found; ``ordered_ns`` is when the last frame in
    order came, and ``late_run`` how many came late since (``distrusted``: too many);
    ``unreadable`` counts the frames since then that have no number and cannot be read.
    ``begun_ns`` is when we first asked for anything, None before: no silence begins earlier.
    ``gaps_ns`` are the newest gaps, ``looked_ns`` is when overdue things were last looked for,
    ``beat`` the last heartbeat's counter, and ``numbers`` the last number of each channel of a
    product that has its own count (Exchange). ``lags`` says of products whether their trades lag
    behind what heartbeats name (Exchange). ``traded`` counts the trades of each product, the older
    ones less: halved every `TRADED_NS`, last at ``traded_ns``.
    """

    __slots__ = (
        "beat", "begun_ns", "connection_id", "distrusted", "gaps_ns", "lags", "last_ns",
        "late_run", "looked_ns", "next_sequence", "numbers", "opened_ns", "ordered_ns", "strangers",
        "traded", "traded_ns", "unreadable", "venue",
    )  # fmt: skip

    def __init__(
        self,
        connection_id: str,
        opened_ns: int,
        first_sequence: int | None,
        venue: str = ADVANCED,
    ) -> None:
        super().__init__()
        self.connection_id = connection_id
        self.opened_ns = opened_ns
        self.begun_ns: int | None = None
        self.venue = venue
        self.last_ns = opened_ns
        self.ordered_ns = opened_ns
        self.looked_ns = opened_ns
        self.next_sequence = first_sequence
        self.late_run = 0
        self.distrusted = False
        self.unreadable = 0
        self.beat: int | None = None
        self.gaps_ns: list[int] = []
        self.numbers: dict[Key, int] = {}
        self.strangers: set[tuple[str, str]] = set()
        self.lags: dict[str, Lag] = {}
        self.traded: dict[str, int] = {}
        self.traded_ns = opened_ns

    def ask(self, kind: str, channel: str, product_ids: tuple[str, ...], at_ns: int) -> None:
        """As `Asking.ask`; nothing is owed before the first request, which may wait for long."""
        if self.begun_ns is None:
            self.begun_ns = at_ns
        super().ask(kind, channel, product_ids, at_ns)

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

    def storms(self, now_ns: int) -> bool:
        """Note a gap; whether there were so many lately that mending is in vain."""
        self.gaps_ns = [each for each in self.gaps_ns if each > now_ns - STORM_NS]
        self.gaps_ns = [*self.gaps_ns, now_ns][-GAPS_MAX:]
        self.beat = None  # beats may have been lost with the frames
        return len(self.gaps_ns) >= GAPS_MAX

    def jumped(self, counter: int) -> int | None:
        """Take a heartbeat's counter; the one before where this one does not follow on it."""
        before, self.beat = self.beat, counter
        return None if before is None or 0 <= counter - before <= BEAT_STEP_MAX else before

    def went_back(self, key: Key, number: int) -> int | None:
        """Take a product's own number on a channel; the highest before where it is below that."""
        before = self.numbers.get(key)
        if before is not None and number < before:
            return before
        self.numbers[key] = number
        return None

    def trades(self, product_id: str, count: int, now_ns: int) -> None:
        """Count new trades: what trades most now has its book mended first."""
        if now_ns >= self.traded_ns + TRADED_NS:
            halvings = min(64, (now_ns - self.traded_ns) // TRADED_NS)
            self.traded = {each: n >> halvings for each, n in self.traded.items() if n >> halvings}
            self.traded_ns = now_ns
        self.traded[product_id] = self.traded.get(product_id, 0) + count

    def meant(self, channel: str) -> str:
        """The channel that a frame is of: Exchange labels those of two channels alike.

        A ticker may be of ``ticker_batch`` (`coinbase.md` §2.3); where both were asked for they
        cannot be told apart.
        """
        is_batch = channel == TICKER and channel not in self.asked and TICKER_BATCH in self.asked
        return TICKER_BATCH if is_batch else channel

    def applied_ns(self, orderly_ns: int | None = None) -> int:
        """Until when what came was applied; an orderly end adds that nothing came since.

        What came late or cannot be read since the last frame in order was not.
        """
        in_doubt = self.late_run or self.unreadable
        return self.ordered_ns if orderly_ns is None or in_doubt else orderly_ns

    # --- strangers ------------------------------------------------------------------------------

    def kinship(self, channel: str, product_id: str) -> Kinship:
        """Say what a product is to this session; a stranger is new once.

        Their number has an end, because each costs rows and files of its own.
        """
        if self.knows(channel, product_id):
            return Kinship.OWN
        if (channel, product_id) in self.strangers:
            return Kinship.MET
        if len(self.strangers) >= STRANGERS_MAX:
            return Kinship.REFUSED
        self.strangers.add((channel, product_id))
        return Kinship.NEW

    # --- liveness -------------------------------------------------------------------------------

    def is_time_to_look(self, now_ns: int) -> bool:
        """Whether to look for what is overdue: about once a second, as frames come."""
        if now_ns < self.looked_ns + LOOK_NS:
            return False
        self.looked_ns = now_ns
        return True

    def deadline_ns(self, leaving: bool = False) -> int | None:
        """When silence becomes a fault; None while no heartbeats are asked for.

        One that is ``leaving`` unsubscribes them, and is as dead as others when nothing comes.
        """
        if "heartbeats" not in self.asked and not leaving:
            return None
        return max(self.last_ns, self.begun_ns or 0) + SILENCE_NS_MAX
