"""Whether a recording gets on: what the watchdog of the service manager is fed with.

A process that is alive may record nothing. So signs are taken of what must move while it records,
and what has not moved for too long is stuck:

    each connection   a frame, an opening, a close, or another try while the venue is away
    the capture       a sync, or a refusal of the disk that is tried again, while anything waits
    the parts         one that was published, or refused, while any waits

An outage of the venue, a full disk and silence of the products are no reason for a restart, which
would mend none of them. That the event loop turns is shown by being asked at all.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

LOOK_S_MAX = 5.0  # of the time between two looks; more of it was somebody else's: we were stopped
FEED_S_MAX = 150.0  # a wait of 60 s after refused signatures, a dial, and turns to take
PARTS_S_MAX = 300.0  # of an hour with many products, on a disk that is slow


@dataclass(frozen=True, slots=True)
class Signs:
    """What moves, at one moment: each value is another one once it has moved.

    ``lines`` by their labels; ``unread``: why nothing is read now, empty where it is.
    ``capture`` and ``parts`` are None while nothing waits for the disk.
    """

    lines: Mapping[str, Hashable]
    unread: str = ""
    capture: Hashable = None
    parts: Hashable = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """For how many seconds nothing has moved; 0 where nothing has to."""

    lines: Mapping[str, float] = field(default_factory=dict)
    capture: float = 0.0
    parts: float = 0.0


def stuck(vitals: Vitals, patience_s: float) -> str:
    """Say what does not get on, empty where all does; ``patience_s`` is what the disk may take."""
    if vitals.capture > patience_s:
        return f"the capture waits for the disk since {vitals.capture:.0f} s"
    if vitals.parts > max(PARTS_S_MAX, patience_s):
        return f"a part waits for the disk since {vitals.parts:.0f} s"
    still = {label: s for label, s in vitals.lines.items() if s > max(FEED_S_MAX, patience_s)}
    if still:
        label = max(still, key=lambda each: still[each])
        return f"{label} neither receives nor connects since {still[label]:.0f} s"
    return ""


class Pulse:
    """Takes signs as they come, and tells for how long each has not moved."""

    def __init__(self) -> None:
        self._seen: dict[str, Hashable] = {}
        self._still_s: dict[str, float] = {}
        self._taken_s: float | None = None

    def take(self, signs: Signs, now_s: float) -> Vitals:
        """Compare with what was seen before. ``now_s``: any clock that does not go back.

        Time in which nobody looked counts for little: what was stopped, all of it, was not stuck.
        """
        passed_s = 0.0 if self._taken_s is None else min(now_s - self._taken_s, LOOK_S_MAX)
        self._taken_s = now_s
        due = {f"line {label}": sign for label, sign in signs.lines.items() if not signs.unread}
        due |= {"capture": signs.capture} if signs.capture is not None else {}
        due |= {"parts": signs.parts} if signs.parts is not None else {}
        self._still_s = {
            name: self._still_s[name] + passed_s if self._seen.get(name) == sign else 0.0
            for name, sign in due.items()
        }
        self._seen = due
        return Vitals(
            {label: self._still_s.get(f"line {label}", 0.0) for label in signs.lines},
            self._still_s.get("capture", 0.0),
            self._still_s.get("parts", 0.0),
        )
