"""What it costs the recording that somebody may look on: HTTP on, and no client."""

import itertools
from functools import partial
from pathlib import Path
from statistics import median

from recorder import config
from recorder.core.frames import Frame, Opened
from recorder.daemon import Recorder
from recorder.meter import Meter
from recorder.store.paths import Root
from tests.bench.figures import Figure
from tests.bench.timing import timed
from tests.bench.traffic import Stamped, Traffic

LINE = "bench-1"


def measure_meter(traffic: Traffic, folder: Path, rounds: int) -> list[Figure]:
    """Deliver the same frames with a meter and without one, turn by turn."""
    last = traffic.frames.index(traffic.snapshots()[-1]) + 1
    before, after = traffic.frames[:last], traffic.frames[last:]
    taken: dict[bool, list[float]] = {True: [], False: []}
    numbers = itertools.count()
    for _ in range(rounds + 1):
        for metered in (False, True):
            recorder = _recorder(folder / f"meter-{next(numbers)}", before[0][0])
            recorder.meter = Meter() if metered else None
            recorder.deliver(Opened(before[0][0], LINE, "bench"))
            _deliver(recorder, before)
            taken[metered].append(timed(partial(_deliver, recorder, after)))
    micro = {each: median(times[1:]) / len(after) * 1e6 for each, times in taken.items()}
    return [
        Figure(f"deliver a frame, HTTP on, no client, {traffic.source}", micro[True], "us",
               ("HTTP off", micro[False])),
    ]  # fmt: skip


def _recorder(root: Path, begin_ns: int) -> Recorder:
    settings = config.parse(f'data = "{root}"\n[http]\nlisten = "off"\n', None)
    root.mkdir()
    return Recorder(Root(root), settings, wall=lambda: begin_ns)


def _deliver(recorder: Recorder, frames: list[Stamped]) -> None:
    for recv_ns, raw in frames:
        recorder.deliver(Frame(recv_ns, LINE, raw))
