"""The attack: spoilt frames on sessions of both venues, and what they came to."""

import hashlib
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from recorder.core.frames import (
    ADVANCED,
    EXCHANGE,
    FIRST_OFFSET,
    HOUR_NS,
    Arrival,
    Carried,
    Closed,
    Ended,
    Frame,
    Opened,
    Sent,
    hour_base,
    hour_of,
)
from recorder.core.messages import Reconnect
from recorder.core.pipeline import Pipeline
from recorder.core.wire.venues import wire_of
from recorder.live import settle
from recorder.recording import Recording
from recorder.store.capture import read_hour
from recorder.store.paths import Root
from tests.core.sessions import mutated
from tests.frames_made import HOUR_START_NS, PRODUCTS
from tests.hostile.frames import good_frames

STALL_S_MAX = 0.05
CHUNK = 50_000
RECORDED_EVERY = 20  # one chunk of so many goes through a whole recording
GOOD_SHARE = 0.3
GIANT_SHARE = 0.0002
GAP_SHARE = 0.001
_number = re.compile(rb'"sequence_num":[0-9]+').sub
CHANNELS = ("heartbeats", "level2", "ticker", "market_trades", "status")


@dataclass(slots=True)
class Found:
    """What some frames came to."""

    frames: int = 0
    counted: int = 0
    faults: int = 0
    rows: int = 0
    kept: int = 0
    longest_s: float = 0.0
    longest: bytes = b""
    labels: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Take over another part's figures."""
        for name in ("frames", "counted", "faults", "rows", "kept"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.longest_s > self.longest_s:
            self.longest_s, self.longest = other.longest_s, other.longest
        self.labels += other.labels
        self.broken += other.broken


class Enemy:
    """Arrivals of sessions on which nearly every frame is spoilt."""

    def __init__(self, seed: int, frames: dict[str, tuple[list[bytes], list[bytes]]]) -> None:
        self.random = random.Random(seed)
        self.now_ns = HOUR_START_NS
        self._frames = frames
        self._lines: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._opened = 0

    def arrivals(self, count: int) -> Iterator[Arrival]:
        """So many frames, and the marks between them."""
        for _ in range(count):
            while len(self._lines) < 3:
                yield from self._open()
            line = self.random.choice(sorted(self._lines))
            if self.random.random() < 0.0005:
                yield self.close(line)
                continue
            raw = self._raw(line)
            self.now_ns += self.random.choice((1_000, 1_000_000, 20_000_000))
            yield Frame(self.now_ns, line, raw)

    def _raw(self, line: str) -> bytes:
        """A frame of a line, nearly always with the number that is due, nearly always spoilt."""
        common, giants = self._frames[self._lines[line]]
        is_giant = bool(giants) and self.random.random() < GIANT_SHARE
        raw = self.random.choice(giants if is_giant else common)
        number = self._numbers.get(line, 0) + (self.random.random() < GAP_SHARE)
        self._numbers[line] = number + 1
        raw = _number(b'"sequence_num":%d' % number, raw, count=1)
        return raw if self.random.random() < GOOD_SHARE else mutated(self.random, raw)

    def _open(self) -> Iterator[Arrival]:
        self._opened += 1
        line = f"ws{self._opened}"
        venue = self._lines[line] = self.random.choice((ADVANCED, EXCHANGE))
        wire = wire_of(venue)
        self.now_ns += 1
        yield Opened(self.now_ns, line, "wss://example", wire.FIRST_SEQUENCE, venue)
        for channel in CHANNELS:
            yield Sent(self.now_ns, line, wire.request("subscribe", channel, PRODUCTS))

    def close(self, line: str) -> Arrival:
        """One of the sessions ends."""
        self._lines.pop(line, None)
        return Closed(self.now_ns, line, 1006, "", orderly=False)


def through_pipeline(seed: int, count: int) -> Found:
    """Frames through the pipeline; the hour turns when a frame is in the next."""
    enemy, pipeline, found = Enemy(seed, good_frames()), Pipeline(), Found()
    place = hour_base(hour_of(enemy.now_ns)) + FIRST_OFFSET
    settle()
    for arrival in enemy.arrivals(count):
        if hour_of(arrival.recv_ns) != hour_of_place(place):
            place = _turn(pipeline, arrival.recv_ns, place)
        began_s = time.thread_time()
        step = pipeline.step(arrival, place)
        took_s = time.thread_time() - began_s
        if isinstance(arrival, Frame):
            found.frames += 1
            place += len(arrival.raw) + 40
            if took_s > found.longest_s:
                found.longest_s, found.longest = took_s, arrival.raw[:200]
        found.rows += sum(block.count for block in step.rows)
        for request in step.requests:
            if isinstance(request, Reconnect):
                pipeline.step(enemy.close(request.connection_id), place)
    for book in pipeline.books.values():
        book.check()
    found.counted = sum(pipeline.messages.values())
    found.labels = pipeline.messages
    found.faults = pipeline.faults
    return found


def hour_of_place(place: int) -> int:
    """The hour of an ``ingest_seq``."""
    return (place >> 35) + hour_of(HOUR_START_NS) - (hour_base(hour_of(HOUR_START_NS)) >> 35)


def _turn(pipeline: Pipeline, recv_ns: int, place: int) -> int:
    boundary_ns = hour_of(recv_ns) * HOUR_NS
    pipeline.step(Ended(boundary_ns - 1, "hour"), place)
    place = hour_base(hour_of(recv_ns)) + FIRST_OFFSET
    pipeline.step(Carried(boundary_ns, "hour", pipeline.state()), place)
    return place


class Digest:
    """Frames in their order, to the byte."""

    def __init__(self) -> None:
        self.frames = 0
        self._whole = hashlib.sha256()

    def take(self, frame: Frame) -> None:
        self.frames += 1
        self._whole.update(f"{frame.connection_id} {len(frame.raw)} ".encode() + frame.raw)

    @classmethod
    def of(cls, root: Root) -> "Digest":
        """Those of a capture."""
        found = cls()
        for hour in root.captured_hours():
            for _, arrival in read_hour(root.segments(hour)):
                if isinstance(arrival, Frame):
                    found.take(arrival)
        return found

    def told(self) -> tuple[int, bytes]:
        """How many there were, and what they come to."""
        return self.frames, self._whole.digest()


def through_recording(seed: int, count: int) -> Found:
    """Frames through a whole recording; every one is in the capture, byte for byte, in order."""
    enemy, found = Enemy(seed, good_frames()), Found()
    sent = Digest()  # to keep the frames themselves would make collections of garbage long
    with tempfile.TemporaryDirectory() as folder:
        root = Root(Path(folder))
        recording = Recording(root, enemy.now_ns)
        settle()
        for arrival in enemy.arrivals(count):
            if isinstance(arrival, Frame):
                sent.take(arrival)
            began_s = time.thread_time()
            step = recording.take(arrival)
            took_s = time.thread_time() - began_s
            if isinstance(arrival, Frame) and took_s > found.longest_s:
                found.longest_s, found.longest = took_s, arrival.raw[:200]
            found.rows += sum(block.count for block in step.rows)
            for request in step.requests:
                if isinstance(request, Reconnect):
                    recording.take(enemy.close(request.connection_id))
            if recording.pending_rows > 200_000:
                recording.flush()
        recording.stop(enemy.now_ns)
        recording.flush()
        recording.capture.close()
        kept = Digest.of(root)
    found.frames, found.kept = sent.frames, kept.frames
    found.counted = sum(recording.pipeline.messages.values())
    found.faults = recording.pipeline.faults
    found.labels = recording.pipeline.messages
    if kept.told() != sent.told():
        found.broken.append(f"seed {seed}: the capture does not hold what came")
    return found


def play(seed: int, count: int, *, recorded: bool) -> Found:
    """One part, in whichever process; an exception is a broken promise with its seed."""
    try:
        return (through_recording if recorded else through_pipeline)(seed, count)
    except Exception as error:  # noqa: BLE001  whatever it is, the seed must be told
        found = Found()
        found.broken.append(f"seed {seed}: {type(error).__name__}: {error}")
        return found


def run(frames: int, seed: int, processes: int) -> Found:
    """All parts, side by side."""
    found = Found()
    count = max(1, min(frames // 2, CHUNK))  # at least one part of each kind
    parts = range(seed, seed + max(2, frames // count))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(play, each, count, recorded=(each - seed) % RECORDED_EVERY == 1)
            for each in parts
        ]
        for job in jobs:
            found.add(job.result())
    if found.counted != found.frames:
        found.broken.append(f"{found.frames} frames came, {found.counted} were counted")
    if found.longest_s > STALL_S_MAX:
        found.broken.append(
            f"a frame took {found.longest_s * 1000:.0f} ms, at most {STALL_S_MAX * 1000:.0f} are "
            f"allowed: {found.longest!r}"
        )
    return found
