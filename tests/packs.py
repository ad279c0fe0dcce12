"""Some days to pack: hours that turn into each other, a recorder that was down, and a newest hour.

day 0    21h 22h 23h    one connection through all of them; a gap in 22h
day 1    00h 01h        it goes on, and the recorder stops in 01h
         02h            nobody recorded
         03h            another start
day 2    02h            another start, and the newest hour
"""

import os
from pathlib import Path

from recorder.recording import Recording
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.retire import retire
from recorder.store.seal import seal_hour, switch
from recorder.store.views import publish_views
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made

FIRST_HOUR = HOUR + 2
DAY = FIRST_HOUR // 24
HOURS = [FIRST_HOUR, FIRST_HOUR + 1, FIRST_HOUR + 2, *(24 * (DAY + 1) + at for at in (0, 1, 3))]
NEWEST = 24 * (DAY + 2) + 2
LATER_S = 4e9  # when everything is old enough


def record_packable(path: Path, *, keep_capture: bool = True) -> Root:
    """Record, seal and switch to everything; parts are gone."""
    root = Root(path)
    write_empty_parts(root)
    made = Made(8, HOUR_START_NS + 3 * 3600 * SECOND_NS - SECOND_NS, rate=3)
    recording = Recording(root, made.now_ns, WANTED)
    _take(recording, [*made.open("c1"), *made.run(1.3)])
    for hour in range(3):
        made.wait(3598)
        _take(recording, made.run(1.9))
        if hour == 0:
            made.skip("c1", 2)
            _take(recording, made.run(0.4))
    _stop(recording)
    for number, seconds in enumerate((3 * 3600, 23 * 3600)):
        made.cut_off()
        made.wait(seconds - 600)
        recording = Recording(root, made.now_ns, WANTED)
        _take(recording, [*made.open(f"d{number}"), *made.run(0.6)])
        _stop(recording)
    hours = root.captured_hours()
    assert hours == [*HOURS, NEWEST], [hour - FIRST_HOUR for hour in hours]
    for hour in hours:
        seal_hour(root, hour)
    switch(root, NEWEST + 1)
    retire(root, LATER_S, None if keep_capture else 0)
    publish_views(root)
    return root


def _take(recording: Recording, arrivals) -> None:
    for arrival in arrivals:
        recording.take(arrival)
    recording.flush()


def _stop(recording: Recording) -> None:
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()


def not_waiting_for_the_disk(patch) -> None:
    """What a power cut takes is proven elsewhere."""
    patch.setattr(os, "fsync", lambda _handle: None)
    patch.setattr(os, "fdatasync", lambda _handle: None)
