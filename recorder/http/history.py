"""How it went lately: rates and delays every few seconds of the last half hour, for curves.

Delays are read off histograms that go on counting: of two looks at one the counts between them
are known, and within a bucket values are taken to lie evenly. So they are estimates, the finer the
finer the buckets are, and none where nothing came.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from recorder.core.messages import LEVEL2
from recorder.histogram import Histogram
from recorder.http.views import unsynced_s
from recorder.http.watch import Watch

EVERY_S = 5.0
KEPT = 360
SHARES = {"p50": 0.5, "p99": 0.99}
DELAYS: dict[str, Callable[[Watch], Histogram]] = {
    "travel": lambda watch: watch.meter.travel[LEVEL2],
    "applied": lambda watch: watch.recorder.latency.applied,
    "loop": lambda watch: watch.recorder.latency.lag,
}
"""Venue to receipt (of level2, by both clocks), receipt to book, and how late the loop turned."""
COLUMNS = (
    "at_s", "frames_s", "changes_s", "books_live", "unsynced_s",
    *(f"{delay}_{share}_s" for delay in DELAYS for share in SHARES),
)  # fmt: skip
Sample = tuple[float | None, ...]


class History:
    """Samples of a recorder, the oldest first; each is a value for each of `COLUMNS`."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._counts = {name: list(of(watch).counts) for name, of in DELAYS.items()}
        self._at_s = time.monotonic()
        self._frames, self._changes = self._counted()

    async def run(self) -> None:
        """Sample; until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.sample()

    def _counted(self) -> tuple[int, int]:
        """Frames and changes of books so far."""
        inside = self._watch.recorder.inside()
        return inside.frames, inside.rows[LEVEL2]

    def sample(self) -> None:
        """Take a sample of the time since the one before."""
        inside, now_s = self._watch.recorder.inside(), time.monotonic()
        since_s = max(1e-3, now_s - self._at_s)
        frames, changes = self._counted()
        books = inside.recording.pipeline.books
        found: list[float | None] = [
            round(self._watch.recorder.now_ns() / 1e9, 3),
            round((frames - self._frames) / since_s, 3),
            round((changes - self._changes) / since_s, 3),
            sum(book.epoch is not None for book in books.values()),
            round(unsynced_s(inside), 3),
        ]
        for name, of in DELAYS.items():
            histogram = of(self._watch)
            lately = [now - then for now, then in zip(
                histogram.counts, self._counts[name], strict=True)]  # fmt: skip
            found += [estimated(histogram.shown_bounds, lately, share) for share in SHARES.values()]
            self._counts[name] = list(histogram.counts)
        self._at_s, self._frames, self._changes = now_s, frames, changes
        self._samples.append(tuple(found))

    def view(self, after_s: float = 0.0) -> dict[str, Any]:
        """The samples after a moment (seconds since 1970), as columns."""
        samples = [each for each in self._samples if (each[0] or 0.0) > after_s]
        columns = {name: [each[at] for each in samples] for at, name in enumerate(COLUMNS)}
        return {"every_s": EVERY_S, "samples": len(samples), "columns": columns}


def estimated(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value below which a share of those counted lies; None where nothing is counted.

    ``counts`` are as those of a `Histogram`. Of values above the last bound that bound is given.
    """
    wanted, seen, low = share * sum(counts), 0, 0.0
    if not wanted:
        return None
    for bound, count in zip(bounds, counts, strict=False):
        if count and seen + count >= wanted:
            return float(f"{low + (bound - low) * (wanted - seen) / count:.4g}")
        seen, low = seen + count, bound
    return bounds[-1]
