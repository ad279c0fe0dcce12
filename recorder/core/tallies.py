"""What was found since the process began, counted for whoever looks on.

Nothing of it is recorded or carried on: tables have the same, for good.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from recorder.core.audit import Audit
from recorder.core.coverage import GAP, Interval
from recorder.core.frames import HOUR_NS

DAY_NS = 24 * HOUR_NS

Hole = tuple[str, str | None, str]  # channel, product or None, reason


@dataclass(slots=True)
class Tallies:
    """Counts: ``faults`` by kind, ``gaps`` and ``gap_ns`` by channel, product and reason.

    ``gaps`` are those that ended; one that goes on over an hour counts when it ends.
    ``gaps_on`` counts those that ended on ``day``, by product; ``day`` is the newest one, as days
    since 1970. ``audits`` are the counts that ended, by product: [agree, lagging, disagree].
    ``frames_missing`` are holes in the numbering, ``beats_missed`` those of the venue's heartbeats.
    """

    faults: Counter[str] = field(default_factory=Counter)
    gaps: Counter[Hole] = field(default_factory=Counter)
    gap_ns: Counter[Hole] = field(default_factory=Counter)
    day: int = 0
    gaps_on: Counter[str | None] = field(default_factory=Counter)
    audits: dict[str, list[int]] = field(default_factory=dict)
    frames_missing: int = 0
    beats_missed: int = 0

    def told(self, intervals: Iterable[Interval]) -> None:
        """Count the gaps among intervals that ended."""
        for each in intervals:
            if each.state != GAP:
                continue
            hole = (each.channel, each.product_id, each.reason or "")
            self.gap_ns[hole] += each.end_ns - each.start_ns
            if each.end_ns % HOUR_NS == 0:
                continue  # cut by the hour; it goes on
            self.gaps[hole] += 1
            day = each.end_ns // DAY_NS
            if day > self.day:
                self.day = day
                self.gaps_on.clear()
            self.gaps_on[each.product_id] += 1

    def audited(self, product_id: str, audit: Audit) -> None:
        """Add a count that ended."""
        ended = self.audits.setdefault(product_id, [0, 0, 0])
        ended[0] += audit.agree
        ended[1] += audit.lagging
        ended[2] += audit.disagree
