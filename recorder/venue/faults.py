"""What goes wrong between the venue and one client, after the frames were numbered.

Every frame to a client passes through `Faults.apply` once, in order. A fault is a counter here
and two lines there; a test sets it through a method of the venue.
"""

ERROR_START = b'{"type":"error"'


class Faults:
    """The faults of one connection."""

    __slots__ = ("skip",)

    def __init__(self) -> None:
        """Start without any."""
        self.skip = 0

    def apply(self, frames: list[bytes]) -> list[bytes]:
        """What reaches the client of these frames.

        ``skip`` numbered frames are lost: the client sees a gap in ``sequence_num``.
        """
        if not self.skip:
            return frames
        passed = []
        for frame in frames:
            if self.skip and not frame.startswith(ERROR_START):
                self.skip -= 1
            else:
                passed.append(frame)
        return passed
