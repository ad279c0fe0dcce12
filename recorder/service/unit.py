"""This process as a unit of systemd: ready, alive, reloading, stopping, and how it goes.

    start ── recording, and what was before is recovered, or after 30 s ──▶ READY=1
    once a second: how it goes ──▶ STATUS=, WATCHDOG=1 while everything gets on
    SIGHUP ──▶ RELOADING=1 … READY=1        SIGTERM ──▶ STOPPING=1, more time while it gets on;
                                            another one ──▶ STATUS=stopping at once

What does not get on is not waited out: the manager is asked to do at once what it does when it
hears nothing (WATCHDOG=trigger), which is to end this process and start another.
"""

from dataclasses import dataclass

from recorder import logs
from recorder.progress import Progress
from recorder.service.notifier import Notifier
from recorder.service.vitals import Pulse, Signs, stuck

READY_S_MAX = 30.0  # then it is ready all the same: whoever waits for us waits no longer
STATUS_S = 5.0
PINGS = 3  # so often within the time in which one must be heard


@dataclass(frozen=True, slots=True)
class State:
    """How it goes. ``recording``: something is; ``recovered``: what was before us is finished.

    ``doubts`` are sentences about what is not as it should be, the most important first.
    """

    progress: Progress
    recording: bool
    recovered: bool
    doubts: tuple[str, ...] = ()


class Unit:
    """Tells the manager; without one, nothing happens. Times are of one clock, in seconds.

    ``pings`` counts how often the watchdog was fed.
    """

    def __init__(self, notifier: Notifier | None = None) -> None:
        self._notifier = notifier or Notifier(lambda _: None)
        self._log = logs.log()
        self.pings = 0
        self._pulse = Pulse()
        self._began_s: float | None = None
        self._ready = False
        self._reloading = False
        self._stopping = False
        self._stuck = False
        self._pinged_s = float("-inf")
        self._told_s = float("-inf")
        self._counted: tuple[float, int] | None = None  # when, and how many frames there were

    @property
    def active(self) -> bool:
        """Whether there is anybody to tell."""
        return self._notifier.active

    def look(self, state: State, signs: Signs, now_s: float) -> None:
        """Tell what has changed; to be called about once a second, by the loop that records."""
        if not self.active:
            return
        if self._began_s is None:
            self._began_s = now_s
        self._feed(signs, now_s)
        if self._stopping or self._stuck:
            return  # that is said, and nothing else counts
        waited = now_s - self._began_s >= READY_S_MAX
        if not self._ready and ((state.recording and state.recovered) or waited):
            self._ready = True
            self._notifier.send(READY=1, STATUS=self._status(state, now_s))
        elif now_s - self._told_s >= STATUS_S:
            self._notifier.send(STATUS=self._status(state, now_s))

    def reloading(self) -> None:
        """The configuration is being read again, until `reloaded`."""
        if self._ready:
            self._reloading = True
            self._notifier.reloading()

    def reloaded(self) -> None:
        """It was read, whatever came of it."""
        if self._reloading:
            self._reloading = False
            self._told_s = float("-inf")
            self._notifier.send(READY=1)

    def stopping(self) -> None:
        """A stop was asked for; the first thing that is told of it."""
        if not self._stopping:
            self._stopping = True
            self._notifier.send(STOPPING=1, STATUS="stopping: what was received is being written")

    def flushing(self) -> None:
        """What is left is being written, and gets on; from any thread."""
        self._notifier.extend()

    def hurrying(self) -> None:
        """A stop was asked for again: nothing is waited for any more."""
        self._notifier.send(STATUS="stopping at once: the next start publishes what is left")

    # --- the watchdog ----------------------------------------------------------------------------

    def _feed(self, signs: Signs, now_s: float) -> None:
        """Feed the watchdog while all gets on; while stopping, ask for time to do it in."""
        watchdog_s = self._notifier.watchdog_s
        problem = stuck(self._pulse.take(signs, now_s), watchdog_s)
        if not watchdog_s:
            return
        if problem:
            self._give_up(problem)
        elif now_s - self._pinged_s >= watchdog_s / PINGS:
            self._pinged_s, self._stuck = now_s, False
            self.pings += self._notifier.send(WATCHDOG=1)
            if self._stopping:
                self._notifier.extend()

    def _give_up(self, problem: str) -> None:
        """Ask to be replaced, once; a stop has its own time."""
        if self._stuck or self._stopping:
            return
        self._stuck = True
        self._log.error("watchdog_triggered", problem=problem)
        self._notifier.send(STATUS=f"stuck: {problem}", WATCHDOG="trigger")

    # --- one line for people ---------------------------------------------------------------------

    def _status(self, state: State, now_s: float) -> str:
        """How it goes; the rate is since the last line."""
        frames, rate = state.progress.frames, None
        if self._counted is not None and now_s > self._counted[0]:
            rate = (frames - self._counted[1]) / (now_s - self._counted[0])
        self._told_s, self._counted = now_s, (now_s, frames)
        doubts = state.doubts if state.recovered else (*state.doubts, "recovery is going on")
        return status_line(state.progress, rate, doubts)


def status_line(progress: Progress, rate: float | None, doubts: tuple[str, ...] = ()) -> str:
    """One line: what is recorded, how fast (frames a second), what is missing, what is wrong."""
    parts = [f"{_count(progress.products, 'product')}"]
    if rate is not None:
        parts.append(f"{rate:,.0f} frames/s" if rate >= 10 else f"{rate:.1f} frames/s")
    parts.append(f"{progress.connections_up} of {_count(progress.connections, 'connection')} up")
    parts.append(f"{_count(progress.books_live, 'book')} live")
    parts.append(_count(progress.gaps, "gap"))
    line = ", ".join(parts)
    return f"degraded: {'; '.join(doubts)} ({line})" if doubts else line


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
