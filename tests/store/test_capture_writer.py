"""The capture on a disk that refuses: nothing acknowledged is lost, and it goes on by itself."""

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from recorder.core.frames import FIRST_OFFSET, Frame
from recorder.store import capture_writer
from recorder.store.capture import read_arrivals, read_hour
from recorder.store.capture_writer import CaptureWriter
from recorder.store.paths import Root

HOUR = 498_427


class Refusing:
    """Stands before calls of `os` and lets those fail that the test names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuse = lambda name: None
        for name in ("open", "write", "fdatasync", "fsync"):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name, real):
        def call(*arguments, **named):
            number = self.refuse(name)
            if number is not None:
                raise OSError(number, os.strerror(number))
            return real(*arguments, **named)

        return call


def frames(first: int, count: int) -> list[Frame]:
    return [Frame(HOUR * 3600 * 10**9 + n, "ws1", b'{"n":%d}' % n) for n in range(first, count)]


def numbers(root: Root) -> list[bytes]:
    return [arrival.raw for _, arrival in read_arrivals([root.capture])]


def test_a_segment_is_closed_to_others_before_what_is_private_is_in_it(tmp_path, monkeypatch):
    """The one that is being written, and all later ones, those of a refusing disk among them."""
    root = Root(tmp_path)
    writer = CaptureWriter(root, HOUR)
    writer.append(frames(0, 1)[0])
    writer.flush()
    (segment,) = tmp_path.glob("capture/*/*.cap")
    assert segment.stat().st_mode & 0o777 == 0o640
    modes = []
    write, sync_folder = os.write, capture_writer.sync_folder

    def noted(handle, view):
        modes.append(os.fstat(handle).st_mode)
        return write(handle, view)

    def created(folder):
        modes.extend(path.stat().st_mode for path in folder.glob("*.cap"))
        sync_folder(folder)

    monkeypatch.setattr(os, "write", noted)
    monkeypatch.setattr(capture_writer, "sync_folder", created)
    writer.append(frames(1, 2)[0])
    writer.private = True
    writer.flush()
    writer.turn(HOUR + 1)
    writer.append(Frame((HOUR + 1) * 3600 * 10**9, "ws1", b"{}"))
    writer.flush()
    assert {mode & 0o777 for mode in modes} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("capture/*/*.cap")} == {0o600}
    writer.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE])
@pytest.mark.parametrize("call", ["open", "write", "fdatasync"])
def test_what_was_refused_is_written_once_the_disk_takes_it(tmp_path, monkeypatch, call, code):
    """After any refusal the next tries write everything, each frame once and in order."""
    root = Root(tmp_path)
    writer = CaptureWriter(root, HOUR)
    for frame in frames(0, 5):
        writer.append(frame)
    writer.flush()
    refusing = Refusing(monkeypatch)
    refusing.refuse = lambda name: code if name == call else None
    for first in (5, 10, 15):
        for frame in frames(first, first + 5):
            writer.append(frame)
        if call == "open":
            writer.turn(HOUR, writer.offset)  # the next block needs a new file
        else:
            with pytest.raises(OSError, match=os.strerror(code)):
                writer.flush()
    refusing.refuse = lambda _name: None
    writer.flush()
    writer.close()
    assert writer.synced == writer.reached
    assert numbers(root) == [frame.raw for frame in frames(0, 20)]
    offsets = [ingest_seq for ingest_seq, _ in read_hour(root.segments(HOUR))]
    assert offsets == sorted(set(offsets))


@pytest.mark.parametrize("seed", range(60))
def test_seeded_refusals(tmp_path, monkeypatch, seed):
    """Whatever fails, whenever: what is acknowledged is there, and all is there in the end."""
    random = Random(seed)
    root = Root(tmp_path)
    refusing = Refusing(monkeypatch)
    share = random.choice([0.05, 0.3, 0.6])
    codes = [errno.ENOSPC, errno.EIO, errno.EROFS]
    writer = CaptureWriter(root, HOUR)
    told: list[tuple[int, bytes]] = []
    count = 0
    for _ in range(30):
        for frame in frames(count, count + random.randint(0, 6)):
            told.append((writer.append(frame), frame.raw))
            count += 1
        if random.random() < 0.1:
            writer.turn(HOUR, writer.offset)  # a new segment in the same hour
        refusing.refuse = lambda _name: random.choice(codes) if random.random() < share else None
        for job in (lambda: writer.write(writer.cut()), writer.sync):
            with suppress(OSError):
                job()
        refusing.refuse = lambda _name: None
        kept = dict(read_hour(root.segments(HOUR)))
        for ingest_seq, raw in told:
            if ingest_seq < writer.synced:
                assert kept[ingest_seq].raw == raw
    writer.close()
    found = [(ingest_seq, arrival.raw) for ingest_seq, arrival in read_hour(root.segments(HOUR))]
    assert found == told
    assert writer.buffered == 0


def test_writes_go_on_while_a_sync_is_slow(tmp_path, monkeypatch):
    """A disk that is slow to sync does not widen what a kill can lose: blocks are written on."""
    root = Root(tmp_path)
    writer = CaptureWriter(root, HOUR)
    for frame in frames(0, 5):
        writer.append(frame)
    writer.write(writer.cut())
    entered, leave = threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(handle):
        entered.set()
        assert leave.wait(10)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", slow)
    syncing = threading.Thread(target=writer.sync)
    syncing.start()
    assert entered.wait(10)
    for frame in frames(5, 10):
        writer.append(frame)
    writer.write(writer.cut())
    assert numbers(root) == [frame.raw for frame in frames(0, 10)]
    assert writer.synced == CaptureWriter(root, HOUR, FIRST_OFFSET).reached
    leave.set()
    syncing.join()
    assert writer.synced < writer.reached
    writer.close()
    assert writer.synced == writer.reached


def test_a_sync_under_way_does_not_close_over_the_last_block(tmp_path, monkeypatch):
    """An hour that turns while its segment is synced: its last block is synced too."""
    root = Root(tmp_path)
    writer = CaptureWriter(root, HOUR)
    covered: dict[str, int] = {}
    real = os.fdatasync
    turned: list[threading.Thread] = []

    def meanwhile(handle):
        path, size = str(Path(f"/proc/self/fd/{handle}").readlink()), os.fstat(handle).st_size
        if not turned:
            writer.append(frames(1, 2)[0])
            writer.turn(HOUR + 1)
            turned.append(threading.Thread(target=lambda: writer.write(writer.cut())))
            turned[0].start()
            turned[0].join(0.2)
        real(handle)
        covered[path] = size

    monkeypatch.setattr(os, "fdatasync", meanwhile)
    writer.append(frames(0, 1)[0])
    writer.write(writer.cut())
    writer.sync()
    turned[0].join()
    writer.append(frames(2, 3)[0])
    writer.flush()
    assert writer.synced == writer.reached
    assert {path: Path(path).stat().st_size for path in covered} == covered


@pytest.mark.parametrize("seed", range(8))
def test_writing_and_syncing_in_two_threads(tmp_path, monkeypatch, seed):
    """With refusals at any moment in either thread, everything is there once, in order."""
    random = Random(seed)
    root = Root(tmp_path)
    refusing = Refusing(monkeypatch)
    writer = CaptureWriter(root, HOUR)
    done, looking = threading.Event(), threading.Lock()

    def sync() -> None:
        while not done.wait(0.001):
            with looking, suppress(OSError):
                writer.sync()

    refusing.refuse = lambda _name: errno.EIO if random.random() < 0.1 else None
    syncing = threading.Thread(target=sync)
    syncing.start()
    told = []
    for number in range(200):
        told.append((writer.append(frames(number, number + 1)[0]), b'{"n":%d}' % number))
        if number % 60 == 59:
            writer.turn(HOUR, writer.offset)
        with suppress(OSError):
            writer.write(writer.cut())
        if number % 20 == 0:
            # Not beside a sync: one that is refused takes a file away that is being read.
            with looking:
                kept = dict(read_hour(root.segments(HOUR)))
                assert all(kept[seq].raw == raw for seq, raw in told if seq < writer.synced)
    refusing.refuse = lambda _name: None
    done.set()
    syncing.join()
    writer.close()
    found = [(ingest_seq, arrival.raw) for ingest_seq, arrival in read_hour(root.segments(HOUR))]
    assert found == told
    assert writer.synced == writer.reached
