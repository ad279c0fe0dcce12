"""How long one channel of one product is silent, and when its silence is too long.

A venue may stop to send one product behind a connection that is alive: heartbeats go on
(`coinbase.md` §1.6.3: a product was silent for 5.5 h that way). What is too long differs by
product: busy ones speak twenty times a second, quiet ones once in some minutes. So it is learned
from the product itself: a few times the longest silence that it had in the last hour or two.
"""

from dataclasses import dataclass

FLOOR_NS = 60_000_000_000  # no silence below this is too long
UNKNOWN_NS = 600_000_000_000  # allowed while too little is known
LEARNED_NS = 600_000_000_000  # that long listened to, and
LEARNED_MESSAGES = 20  # so many heard: then enough is known
WINDOW_NS = 3_600_000_000_000
TIMES = 3


@dataclass(slots=True)
class Flow:
    """What is known of one channel of one product, over all its connections.

    ``longest_ns`` is the longest silence in the present window of an hour, ``before_ns`` in the one
    before; ``window_ns`` is how much of the present one has been listened to.
    """

    messages: int = 0
    known_ns: int = 0
    window_ns: int = 0
    longest_ns: int = 0
    before_ns: int = 0

    def take(self, silence_ns: int) -> None:
        """Take a message that came after a silence on a connection that listened all the time."""
        self.messages += 1
        self.known_ns += silence_ns
        self.window_ns += silence_ns
        self.longest_ns = max(self.longest_ns, silence_ns)
        if self.window_ns >= WINDOW_NS:
            self.turn()

    def turn(self) -> None:
        """A window is over."""
        self.before_ns, self.longest_ns, self.window_ns = self.longest_ns, 0, 0

    def allowed_ns(self) -> int | None:
        """The longest silence that is no cause for doubt; None: too little is known to say."""
        if self.messages < LEARNED_MESSAGES:
            return None
        if self.known_ns < LEARNED_NS:
            return UNKNOWN_NS
        return max(FLOOR_NS, TIMES * self.longest_ns, TIMES * self.before_ns)
