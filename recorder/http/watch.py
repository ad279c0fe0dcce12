"""What is sampled while HTTP is served: garbage, rates, free space, whether it is ready.

All of it costs some microseconds ten times a second.
"""

import asyncio
import gc
import time
from collections import Counter, deque
from typing import Any

from recorder.daemon import Recorder
from recorder.inside import Inside
from recorder.meter import Meter
from recorder.store.verified import Outcome, last

LOOK_EVERY_S = 0.1  # until something is known
RATES_EVERY_S = 2.0
RATES_OVER = 6  # samples: the rates are those of the last 10 s
SPACE_EVERY_S = 10.0
SPACE_OVER = 181  # samples: half an hour
SPACE_S_MIN = 60.0


class Watch:
    """Samples a recorder; ``meter`` is what it measures into.

    ``verified`` is the note of the last check of the directory, as it was some seconds ago;
    ``certificate_s`` until when the certificate of HTTP holds, None without one.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.meter = Meter()
        self.started_s = time.time()
        self.verified: Outcome | None = None
        self.certificate_s: float | None = None
        self._began_s = time.monotonic()
        self._rates: deque[tuple[float, Counter[tuple[str, str | None]]]] = deque(maxlen=RATES_OVER)
        self._space: deque[tuple[float, int]] = deque(maxlen=SPACE_OVER)
        self._recorded = False
        self._pause_began_s = 0.0

    @property
    def uptime_s(self) -> float:
        """Seconds since HTTP is served, which is since the start."""
        return time.monotonic() - self._began_s

    # --- services -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sample; until cancelled."""
        self.recorder.meter = self.meter
        gc.callbacks.append(self._collected)
        try:
            async with asyncio.TaskGroup() as tasks:
                for service in (self._watch_rates, self._watch_space):
                    tasks.create_task(service())
        finally:
            gc.callbacks.remove(self._collected)
            self.recorder.meter = None

    async def _watch_rates(self) -> None:
        while True:
            self._rates.append((time.monotonic(), self.meter.messages.copy()))
            await asyncio.sleep(RATES_EVERY_S)

    async def _watch_space(self) -> None:
        while True:
            inside = self.recorder.inside()
            self.verified = await asyncio.to_thread(last, inside.recording.root)
            free = inside.disk.free
            if free is not None:
                self._space.append((time.monotonic(), free))
            await asyncio.sleep(SPACE_EVERY_S if free is not None else LOOK_EVERY_S)

    def _collected(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._pause_began_s = time.perf_counter()
        else:
            self.meter.pauses.observe(time.perf_counter() - self._pause_began_s)

    # --- what is known of it --------------------------------------------------------------------

    def rate(self, key: tuple[str, str | None]) -> float | None:
        """Messages a second of a channel and product lately; None while too little is known."""
        if not self._rates:
            return None
        began_s, before = self._rates[0]
        lasted_s = time.monotonic() - began_s
        if lasted_s < 1.0:
            return None
        return round((self.meter.messages[key] - before[key]) / lasted_s, 3)

    def seconds_to_full(self) -> float | None:
        """When nothing more may be written, as it goes lately.

        None while too little is known, and where free space does not shrink.
        """
        if len(self._space) < 2:
            return None
        (began_s, before), (now_s, free) = self._space[0], self._space[-1]
        if now_s - began_s < SPACE_S_MIN or free >= before:
            return None
        floor = self.recorder.inside().disk.floor
        return max(0.0, (free - floor) * (now_s - began_s) / (before - free))

    def not_ready(self) -> list[dict[str, str]]:
        """Why it does not record as it should, each with its name and a text; empty where it does.

        Nothing of a single product counts: one that is offline must not take all out of service.
        """
        inside = self.recorder.inside()
        reasons: list[dict[str, str]] = []

        def add(kind: str, detail: str) -> None:
            reasons.append({"reason": kind, "detail": detail})

        if inside.stopping:
            add("stopping", "the recorder was asked to stop")
        if not self._has_recorded(inside):
            add("nothing_recorded", "no subscription has brought anything yet")
        disk = inside.disk
        if disk.refused:
            add("disk_refused", f"not written, and tried again: {', '.join(disk.refused)}")
        if disk.stopped:
            lacking = disk.lacking
            add("not_reading", f"{disk.stopped}: {lacking}" if lacking else disk.stopped)
        connections = inside.feeds.connections
        if not any(each.connection_id for each in connections):
            add("disconnected", f"none of {len(connections)} connections is open")
        return reasons

    def _has_recorded(self, inside: Inside) -> bool:
        tracks = inside.recording.pipeline.coverage.tracks
        self._recorded = self._recorded or any(each.recordings for each in tracks.values())
        return self._recorded
