"""Appending to the capture, and what is done when the disk refuses.

A block is kept in memory until it is durable. A segment whose file refused a write or a sync is
abandoned, because nobody can say what of it is on disk; its blocks that were not durable are
written again, in a new segment that begins at the first of them. A reader takes each offset once.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from recorder.core.frames import FIRST_OFFSET, Arrival, Frame, hour_base
from recorder.store.capture import pack, read_blocks
from recorder.store.lines import to_line, to_pieces
from recorder.store.paths import Root
from recorder.store.publish import PRIVATE_MODE, make_folder, sync_folder

LONG_BYTES = 128 * 1024  # a frame of this length is not copied before its block is written


@dataclass(slots=True, eq=False)
class _Segment:
    """A segment being written: its file is made at the first block.

    ``whole`` is set once a block of it is durable, ``closing`` once it gets no more, ``private``
    once its file is for its owner alone. ``heir`` is the segment that an abandoned one's blocks go
    to. ``lock`` keeps its handle open in a sync,
    ``writing`` in a write; they are taken in the order writing, lock, the writer's mutex.
    """

    path: Path
    handle: int | None = None
    whole: bool = False
    again: bool = False
    closing: bool = False
    private: bool = False
    heir: "_Segment | None" = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True, eq=False)
class Cut:
    """What was buffered at one moment, on its way to the disk: ``size`` bytes in some pieces."""

    segment: _Segment
    hour: int
    first: int
    lines: int
    pieces: list[bytes | bytearray]
    size: int
    last: bool
    reached: int


class CaptureWriter:
    """Appends arrivals to the capture of one data directory.

    `append` only buffers and belongs to the recording loop; `cut` hands the buffer over; `write`
    and `sync` block, and may run each in a thread of its own. ``reached`` is the ``ingest_seq``
    after the last line appended, ``synced`` the one up to which all is durable. Once ``private`` is
    set, nothing appended since the last `cut` is written where others may read it.
    """

    def __init__(self, root: Root, hour: int, offset: int = FIRST_OFFSET) -> None:
        self._root = root
        self._buffer = bytearray()
        self._before: list[bytes | bytearray] = []  # what stands before the buffer
        self._lines = 0
        self._cuts: list[Cut] = []
        self._queue: deque[Cut] = deque()
        self._unsynced: deque[Cut] = deque()
        self._mutex = threading.Lock()
        self._pending = 0
        self._written = 0
        self.hour = hour
        self.offset = offset
        self.synced = self.reached
        self.bytes_written = 0
        self.private = False
        self._segment = _Segment(root.segment(hour, offset))
        self._first = offset

    @property
    def reached(self) -> int:
        """The ``ingest_seq`` that the next line gets."""
        return hour_base(self.hour) + self.offset

    @property
    def buffered(self) -> int:
        """Bytes appended and not yet written."""
        return self.uncut + self._pending

    @property
    def held(self) -> int:
        """Bytes that are kept in memory because they are not durable yet."""
        return self.uncut + self._pending + self._written

    @property
    def uncut(self) -> int:
        """Bytes appended since the last `cut`."""
        return self.offset - self._first

    # --- the recording loop ---------------------------------------------------------------------

    def append(self, arrival: Arrival) -> int:
        """Buffer an arrival; returns its ``ingest_seq``."""
        at = hour_base(self.hour) + self.offset
        if type(arrival) is Frame and len(arrival.raw) >= LONG_BYTES:
            pieces = to_pieces(arrival)
            self._before += [self._buffer, *pieces]
            self._buffer = bytearray()
            self.offset += sum(map(len, pieces))
        else:
            line = to_line(arrival)
            self._buffer += line
            self.offset += len(line)
        self._lines += 1
        return at

    def turn(self, hour: int, offset: int = FIRST_OFFSET) -> None:
        """Go on in another segment: of the next hour, or at an offset of the same."""
        self._hand_over(last=True)
        self.hour, self.offset, self._first = hour, offset, offset
        self._segment = _Segment(self._root.segment(hour, offset))

    def _hand_over(self, *, last: bool) -> None:
        size = self.uncut
        if size or last:
            pieces = [*self._before, self._buffer]
            self._before, self._buffer = [], bytearray()
            with self._mutex:
                self._pending += size
            self._cuts.append(
                Cut(
                    self._segment, self.hour, self._first, self._lines, pieces, size, last,
                    self.reached,
                )
            )  # fmt: skip
            self._lines, self._first = 0, self.offset

    def cut(self, *, last: bool = False) -> list[Cut]:
        """Take everything that is buffered, to be given to `write`; ``last`` ends the segment."""
        self._hand_over(last=last)
        cuts, self._cuts = self._cuts, []
        return cuts

    # --- threads --------------------------------------------------------------------------------

    def write(self, cuts: Sequence[Cut] = ()) -> None:
        """Write blocks to their segments (blocking), those first that were refused before.

        Raises OSError where the disk refuses; nothing is forgotten, the next call tries again.
        """
        self._queue.extend(cuts)
        while self._queue:
            cut = self._queue[0]
            while cut.segment.heir is not None:
                cut.segment = cut.segment.heir
            try:
                self._write(cut)
            except OSError:
                self._abandon(cut.segment)
                raise
            with self._mutex:
                if cut.segment.heir is not None:
                    continue  # a sync was refused meanwhile: it is written again, after others
                self._queue.remove(cut)  # another segment's blocks may stand before it by now
                if cut.size:
                    self._unsynced.append(cut)
                    self._pending -= cut.size
                    self._written += cut.size
            if cut.last:
                cut.segment.closing = True
                self._sync(cut.segment)

    def _write(self, cut: Cut) -> None:
        segment = cut.segment
        if not cut.size:
            return
        block = pack(cut.first, cut.lines, b"".join(cut.pieces))
        with segment.writing:
            if segment.heir is not None:
                return  # abandoned meanwhile; the caller sees it
            if segment.handle is None:
                segment.handle = _create(segment.path, again=segment.again, private=self.private)
            if self.private and not segment.private:
                os.fchmod(segment.handle, PRIVATE_MODE)
                segment.private = True
            _write_all(segment.handle, block)
        self.bytes_written += len(block)

    def sync(self) -> None:
        """Make durable what was written when this is called (blocking).

        Raises OSError where the disk refuses: the segment is abandoned, `write` writes it again.
        """
        with self._mutex:
            segments = list(dict.fromkeys(cut.segment for cut in self._unsynced))
        for segment in segments:
            self._sync(segment)

    def _sync(self, segment: _Segment) -> None:
        try:
            with segment.lock:
                if segment.handle is None:
                    return
                # What is written while this goes on is not in it: it keeps the segment open.
                with self._mutex:
                    written = [cut for cut in self._unsynced if cut.segment is segment]
                if written:
                    os.fdatasync(segment.handle)
                if self._is_durable(segment, written) and segment.closing:
                    os.close(segment.handle)
                    segment.handle = None
        except OSError:
            self._abandon(segment)
            raise

    def _is_durable(self, segment: _Segment, written: Sequence[Cut]) -> bool:
        """Forget cuts that are durable; whether the segment has no others."""
        with self._mutex:
            for cut in written:
                segment.whole = True
                self._unsynced.remove(cut)
                self._written -= cut.size
            # Only what lies before everything that is not durable is acknowledged.
            held = [hour_base(cut.hour) + cut.first for cut in (*self._unsynced, *self._queue)]
            reached = max((cut.reached for cut in written), default=self.synced)
            self.synced = max(self.synced, min([reached, *held]))
            others = (*self._unsynced, *self._queue)
            return not any(cut.segment is segment and cut.size for cut in others)

    def _abandon(self, segment: _Segment) -> None:
        """Give a segment up; what of it is not durable is written again, first of all."""
        with segment.writing, segment.lock, self._mutex:
            if segment.heir is not None:
                return
            if segment.handle is not None:
                with suppress(OSError):
                    os.close(segment.handle)
                segment.handle = None
            doubtful = [cut for cut in self._unsynced if cut.segment is segment]
            again = doubtful + [cut for cut in self._queue if cut.segment is segment]
            if not again:
                return
            for cut in doubtful:
                self._unsynced.remove(cut)
                self._written -= cut.size
                self._pending += cut.size
            self._queue.extendleft(reversed(doubtful))
            if not segment.whole:
                with suppress(OSError):
                    segment.path.unlink(missing_ok=True)  # all of it is written again
            path = self._root.segment(again[0].hour, again[0].first)
            segment.heir = _Segment(path, again=True, closing=segment.closing)
            if self._segment is segment:
                self._segment = segment.heir

    # --- here and now ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Write and sync everything here and now."""
        self.write(self.cut())
        self.sync()

    def close(self) -> None:
        """Write and sync everything and close the segment."""
        self.write(self.cut(last=True))
        self.sync()


def _create(path: Path, *, again: bool, private: bool) -> int:
    """Make a segment's file; ``again``: its blocks may stand in an abandoned file of that name.

    One that is ``private`` is so from the first moment: a handle that somebody has stays one.
    """
    make_folder(path.parent)
    if path.exists():
        # Only a segment without one whole block can have this name: the next would begin later.
        assert again or next(read_blocks(path), None) is None, f"{path} is recorded already"
        path.rename(path.with_name(f"{path.name}.torn-{os.getpid()}-{path.stat().st_mtime_ns}"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    handle = os.open(path, flags, PRIVATE_MODE if private else 0o640)
    try:
        sync_folder(path.parent)
    except OSError:
        os.close(handle)
        raise
    return handle


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]
