"""The time of receipt: the system's clock, but never going back.

Forward steps are followed. After a backward one time goes on at half its pace until the system's
clock has caught up, so that the order of the capture stays the order of receipt.
"""

import time
from collections.abc import Callable

SLEW = 2  # how many times slower time goes while it is ahead of the clock
STEP_NS_MIN = 500_000_000  # smaller differences are the ordinary work of NTP


class Clock:
    """Nanoseconds since 1970 UTC, not decreasing. ``step_ns`` is the last step seen, then 0."""

    __slots__ = ("_last_ns", "_mono", "_mono_ns", "_wall", "_wall_ns", "step_ns")

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        mono: Callable[[], int] = time.monotonic_ns,
        after_ns: int = 0,
    ) -> None:
        self._wall = wall
        self._mono = mono
        self._wall_ns = wall()
        self._mono_ns = mono()
        self._last_ns = max(self._wall_ns, after_ns)
        self.step_ns = 0

    def now_ns(self) -> int:
        """The time now."""
        wall_ns, mono_ns = self._wall(), self._mono()
        elapsed_ns = mono_ns - self._mono_ns
        step_ns = wall_ns - self._wall_ns - elapsed_ns
        if abs(step_ns) >= STEP_NS_MIN:
            self.step_ns = step_ns
        self._wall_ns, self._mono_ns = wall_ns, mono_ns
        slewed_ns = self._last_ns + max(elapsed_ns, 0) // SLEW if wall_ns < self._last_ns else 0
        self._last_ns = max(wall_ns, slewed_ns)
        return self._last_ns

    def take_step(self) -> int:
        """The step of the system's clock since the last call, 0 where there was none."""
        step_ns, self.step_ns = self.step_ns, 0
        return step_ns
