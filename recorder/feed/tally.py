"""What one line did since it is there, counted for whoever looks on."""

from collections import Counter
from dataclasses import dataclass, field

from recorder.histogram import Histogram

RECONNECT_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


@dataclass(slots=True)
class Tally:
    """Counts of one line over all its sessions.

    ``frames`` and ``bytes`` came; ``connects`` has dials by outcome (``opened``, ``failed``),
    ``closes`` the ends of sessions by close code; ``reconnects`` how long it took from an end to
    the next session.
    """

    frames: int = 0
    bytes: int = 0
    connects: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    reconnects: Histogram = field(default_factory=lambda: Histogram(RECONNECT_S))
    closed_s: float | None = None

    def opened(self, now_s: float) -> None:
        """A session begins."""
        self.connects["opened"] += 1
        if self.closed_s is not None:
            self.reconnects.observe(now_s - self.closed_s)

    def closed(self, code: int, now_s: float) -> None:
        """A session ended."""
        self.closes[code] += 1
        self.closed_s = now_s
