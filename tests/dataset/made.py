"""Data directories for readers: hours of a made market, with the gaps that a test asks for."""

from collections.abc import Iterable
from pathlib import Path

from recorder.core.frames import HOUR_NS, Arrival
from recorder.recording import Recording
from recorder.recovery import seal_and_switch
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made

__all__ = ["HOUR", "HOUR_NS", "HOUR_START_NS", "SECOND_NS", "Recorded"]


class Recorded:
    """A data directory that is being recorded by a script; time passes as the script says."""

    def __init__(
        self, path: Path, seed: int = 1, *, start_ns: int = HOUR_START_NS, rate: float = 4
    ):
        self.path = path
        self.root = Root(path)
        write_empty_parts(self.root)
        self.made = Made(seed, start_ns, rate=rate)
        self.recording = Recording(self.root, self.made.now_ns, WANTED)
        self.open_ones: list[str] = []
        self.over: list[int] = []
        self._opened = 0

    @property
    def now_ns(self) -> int:
        """The time of the script."""
        return self.made.now_ns

    @property
    def hour(self) -> int:
        """The hour that is recorded."""
        return self.recording.hour

    def take(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            self.recording.take(arrival)

    def connect(self) -> str:
        name = f"c{self._opened}"
        self._opened += 1
        self.open_ones.append(name)
        self.take(self.made.open(name))
        return name

    def lose(self) -> None:
        """Lose the connection that is open longest."""
        self.take(self.made.close(self.open_ones.pop(0)))

    def skip(self) -> None:
        """Lose a frame of the connection that is open longest; its books are lost by it."""
        self.made.skip(self.open_ones[0])

    def run(self, seconds: float) -> None:
        self.take(self.made.run(seconds))
        self.publish()

    def publish(self) -> None:
        """Cut: what has come is in parts."""
        self.recording.flush()

    def turn(self, seconds: float = 0.2, *, seal: bool = True) -> None:
        """Let nothing happen until the next hour, go on in it, and seal the one before."""
        hour = self.hour
        if not self.open_ones:
            self.connect()
        self.publish()
        self.made.wait((hour + 1) * 3600 - self.now_ns / SECOND_NS - seconds / 2)
        self.run(seconds)
        assert self.hour == hour + 1
        self.over.append(hour)
        if seal:
            self.seal()

    def seal(self) -> None:
        """Seal all hours that are over."""
        seal_and_switch(self.root, self.over)
        self.over.clear()

    def stop(self) -> None:
        self.recording.stop(self.recording.last_ns)
        self.publish()
        self.recording.capture.close()
