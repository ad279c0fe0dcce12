"""The watchdog of a service, as it would look at the recorder: it must find nothing stuck."""

from recorder.service import outlook
from recorder.service.vitals import Pulse
from tests.sim.witness import WatchedRecorder

STILL_S_MAX = 45.0  # a dial that nobody answers and the longest pause; the product waits for 150 s


class Watchdog:
    """Feels the pulse of one recorder after the other."""

    def __init__(self) -> None:
        self._pulse = Pulse()
        self._felt: WatchedRecorder | None = None

    def look(self, recorder: WatchedRecorder, now_s: float) -> str:
        """Say what would be taken for stuck; empty where nothing is."""
        if recorder is not self._felt:
            self._pulse, self._felt = Pulse(), recorder
        sessions = recorder._recording.pipeline.sessions
        signs = outlook.signs(recorder._connections, sessions, recorder._tries, recorder._disk)
        vitals = self._pulse.take(signs, now_s)
        still_s = max([vitals.capture, vitals.parts, *vitals.lines.values()])
        return f"{vitals}" if still_s > STILL_S_MAX else ""
