"""The working parts of a recorder, for those who look on and change nothing."""

from collections import Counter
from dataclasses import dataclass

from recorder.disk import Disk
from recorder.feed.signing import VenueClock
from recorder.feed.switchboard import Switchboard
from recorder.hours import Hours
from recorder.lineup import Lineup
from recorder.recording import Recording


@dataclass(frozen=True, slots=True)
class Inside:
    """What a recorder consists of.

    ``rows`` counts the rows that were made, by table; ``configured_ns`` is when the configuration
    that holds was read. ``pings`` is how often the service manager's watchdog was fed;
    ``backfill_failing``: who is asked for missing trades does not answer.
    """

    recording: Recording
    feeds: Switchboard
    lineup: Lineup
    disk: Disk
    hours: Hours
    clock: VenueClock
    rows: Counter[str]
    frames: int
    configured_ns: int
    stopping: bool
    pings: int
    backfill_failing: bool
