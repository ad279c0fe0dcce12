"""The reference session, and what it must have left."""

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from recorder import recovery
from recorder.core.frames import HOUR_NS, Arrival, Frame
from recorder.errors import RecorderError
from recorder.finishing import seal
from recorder.recording import Recording
from recorder.store.capture import read_arrivals
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from tests.frames_made import HOUR_START_NS, WANTED, Made
from tests.roots import Rows, check_coverage, check_order, sealed_bytes, sealed_rows

TRIES_MAX = 40
SET_ASIDE = {"part_set_aside", "record_set_aside"}
T = TypeVar("T")


@dataclass(slots=True)
class Trial:
    """One session: what was handed over, and how often something had to be tried again."""

    frames: list[bytes] = field(default_factory=list)
    retries: int = 0


def script() -> Iterator[list[Arrival]]:
    """Half-second stretches of input: two connections, a lost one, and an hour in between."""
    made = Made(5, HOUR_START_NS + HOUR_NS - 2_000_000_000, rate=1.0)
    yield list(made.open("ws1-a"))
    for _ in range(3):
        yield list(made.run(0.5))
    yield list(made.close("ws1-a"))
    yield list(made.open("ws1-b"))
    for _ in range(3):
        yield list(made.run(0.5))


def play(path: Path, begun: Callable[[], None] = lambda: None) -> Trial:
    """Record the script, trying again what the disk refuses, as the daemon does.

    ``begun`` is called once the recording has begun: a start that is refused ends the process.
    """
    trial, root = Trial(), Root(path)
    stretches = [list(stretch) for stretch in script()]
    begin_ns = stretches[0][0].recv_ns

    write_empty_parts(root)
    recording = Recording(root, begin_ns, WANTED)
    begun()
    for number, stretch in enumerate(stretches):
        for arrival in stretch:
            recording.take(arrival)
            if isinstance(arrival, Frame):
                trial.frames.append(arrival.raw)
        _try(lambda: recording.capture.write(recording.capture.cut()), trial)
        if number % 2:
            _try(recording.capture.sync, trial)
            recording.cut()
            _publish(recording, trial)
    last_ns = recording.last_ns
    recording.stop(last_ns)
    _until_done(recording.flush, trial)
    _until_done(recording.capture.close, trial)
    _until_done(lambda: recovery.publish_missing(path), trial)
    _until_done(lambda: seal(path, include_current=True), trial)
    return trial


def _publish(recording: Recording, trial: Trial) -> None:
    """Publish what is ready and durable; what is refused stays ready."""
    while recording.ready and recording.ready[0].reached <= recording.capture.synced:
        if not _try(lambda: recording.ready[0].publish(recording.root), trial):
            return
        recording.ready.pop(0)


def _try(job: Callable[[], object], trial: Trial) -> bool:
    try:
        job()
    except OSError:
        trial.retries += 1
        return False
    return True


def _until_done(job: Callable[[], T], trial: Trial) -> T:
    """Try again until it is done; what never ends is a hang."""
    for _ in range(TRIES_MAX):
        try:
            return job()
        except (OSError, RecorderError):  # told, and tried again as the daemon does
            trial.retries += 1
    raise AssertionError(f"not done after {TRIES_MAX} tries")


@dataclass(frozen=True, slots=True)
class Left:
    """What a session leaves: the digests of its sealed files, and the rows in them."""

    files: dict[str, str]
    rows: Rows


def left(path: Path) -> Left:
    """Read what a session left."""
    return Left(sealed_bytes(path), sealed_rows(path))


def check(path: Path, trial: Trial, wanted: Left, code: int = 0) -> None:
    """Everything is there once, in order, and the files are as if nothing had failed.

    A file that the disk could not read (EIO) may be set aside, and its rows be made again; that is
    told then.
    """
    arrivals = (arrival for _, arrival in read_arrivals([path / "capture"]))
    assert [each.raw for each in arrivals if isinstance(each, Frame)] == trial.frames
    found = left(path)
    check_order(found.rows)
    check_coverage(found.rows)
    told = found.rows["faults"]
    if told:
        assert code == errno.EIO, told
        assert {row["kind"] for row in told} <= SET_ASIDE, told
        assert any((path / "quarantine").rglob("*.*")), told
        assert {**found.rows, "faults": []} == wanted.rows
        return
    assert found.files == wanted.files, sorted(set(found.files.items()) ^ set(wanted.files.items()))
