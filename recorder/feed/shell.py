"""The feed's side of its wall: what connections are given to deliver to, and nothing behind it."""

from collections.abc import Sequence
from typing import Any, Protocol

from recorder.core.frames import Arrival, Frame
from recorder.core.messages import Decoded


class Shell(Protocol):
    """What the feed needs of the process around it."""

    def now_ns(self) -> int:
        """The time of receipt, never going back."""

    def deliver(self, arrival: Arrival, came_ns: int | None = None) -> None:
        """Take an arrival; must not wait.

        ``came_ns`` is when a frame came out of its socket, by `time.perf_counter_ns`: it may have
        waited for its turn since.
        """

    def deliver_frames(self, frames: Sequence[Frame], came_ns: Sequence[int]) -> None:
        """Take frames that waited together, as if one was delivered after the other."""

    def decoded(self, raw: bytes, decoded: Decoded) -> None:
        """Take what a long frame says, which is delivered next."""

    def has_room(self) -> bool:
        """Whether more may be read now."""

    async def wait_room(self) -> None:
        """Wait until more may be read."""

    def tell(self, event: str, **fields: Any) -> None:
        """Log an event that is no arrival."""
