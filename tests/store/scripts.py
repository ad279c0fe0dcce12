"""Short recordings for the store: made input into a root, cut into parts as asked."""

from collections.abc import Collection, Sequence
from pathlib import Path

from recorder.core.frames import Arrival
from recorder.recording import Recording
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from tests.frames_made import HOUR_START_NS, SECOND_NS, WANTED, Made

START_NS = HOUR_START_NS + 100 * SECOND_NS


def an_hour(seed: int = 1) -> list[Arrival]:
    """Two connections, a gap, a close, a reconnect: a bit of everything, in two seconds."""
    made = Made(seed, START_NS)
    arrivals = [*made.open("c1"), *made.run(0.5), *made.open("c2"), *made.run(0.3)]
    made.skip("c1", 3)
    arrivals += [*made.run(0.4), *made.close("c1"), *made.run(0.2), *made.open("a3")]
    arrivals.append(type(arrivals[-1])(made.now_ns, "a3", b'{"channel":"new","sequence_num":99}'))
    return [*arrivals, *made.run(0.8)]


def record(path: Path, arrivals: Sequence[Arrival], cuts: Collection[int] = ()) -> Recording:
    """One start to stop; parts are cut before the arrivals of these numbers."""
    root = Root(path)
    write_empty_parts(root)
    recording = Recording(root, arrivals[0].recv_ns, WANTED)
    for number, arrival in enumerate(arrivals):
        if number in cuts:
            recording.cut()
        recording.take(arrival)
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    return recording
