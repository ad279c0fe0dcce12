"""The raw record: every arrival, append-only, written before it is understood.

A segment is a row of blocks. A block is a zstd *skippable* frame that holds a 32-byte header, and
one zstd frame with lines (`recorder.store.lines`), so that ``zstdcat`` shows them.

Header, little-endian: magic ``RCB1``, first offset (8), lines (4), length of the lines (4), length
of the zstd frame (4), CRC-32 of the zstd frame (4), CRC-32 of the 28 bytes before (4). Offsets
count bytes of lines in the hour, from `FIRST_OFFSET`.

A torn tail is found by length and CRC; a restart never appends to an old segment. Offsets that no
whole block holds are `Lost`: the reader is told, and goes on behind them.
"""

import mmap
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from recorder.core.frames import FIRST_OFFSET, HOUR_NS, Arrival, Ended, hour_base, hour_of
from recorder.store.lines import from_line, to_line
from recorder.store.paths import Root, Segment, hour_from_text
from recorder.store.publish import make_folder, sync_folder

_SKIPPABLE = struct.Struct("<II")
_HEADER = struct.Struct("<4sQIIIII")
_SKIPPABLE_MAGIC = 0x184D2A52
_MAGIC = b"RCB1"
_PREFIX = _SKIPPABLE.pack(_SKIPPABLE_MAGIC, _HEADER.size)
_BLOCK_HEAD = len(_PREFIX) + _HEADER.size
_LEVEL = 1

# --- writing ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A segment being written: its file is made at the first block."""

    path: Path
    handle: int | None = None
    dirty: bool = False


@dataclass(slots=True)
class Cut:
    """What was buffered at one moment, on its way to the disk."""

    segment: _Open
    first: int
    lines: int
    payload: bytearray
    last: bool = False
    reached: int = field(default=0)


class CaptureWriter:
    """Appends arrivals to the capture of one data directory.

    `append` only buffers and belongs to the recording loop; `cut` hands the buffer over; `write`
    and `sync` block and may run in one other thread, in that order. ``reached`` is the
    ``ingest_seq`` after the last line appended, ``synced`` the one up to which all is durable.
    """

    def __init__(self, root: Root, hour: int, offset: int = FIRST_OFFSET) -> None:
        self._root = root
        self._buffer = bytearray()
        self._lines = 0
        self._cuts: list[Cut] = []
        self._written: list[_Open] = []
        self._pending = 0
        self.hour = hour
        self.offset = offset
        self.synced = self.reached
        self.bytes_written = 0
        self._segment = _Open(root.segment(hour, offset))
        self._first = offset

    @property
    def reached(self) -> int:
        """The ``ingest_seq`` that the next line gets."""
        return hour_base(self.hour) + self.offset

    @property
    def buffered(self) -> int:
        """Bytes appended and not yet written."""
        return len(self._buffer) + self._pending

    def append(self, arrival: Arrival) -> int:
        """Buffer an arrival; returns its ``ingest_seq``."""
        line = to_line(arrival)
        at = hour_base(self.hour) + self.offset
        self._buffer += line
        self._lines += 1
        self.offset += len(line)
        return at

    def turn(self, hour: int, offset: int = FIRST_OFFSET) -> None:
        """Go on in another segment: of the next hour, or at an offset of the same."""
        self._hand_over(last=True)
        self.hour, self.offset, self._first = hour, offset, offset
        self._segment = _Open(self._root.segment(hour, offset))

    def _hand_over(self, *, last: bool) -> None:
        if self._buffer or last:
            payload, self._buffer = self._buffer, bytearray()
            self._pending += len(payload)
            cut = Cut(self._segment, self._first, self._lines, payload, last, self.reached)
            self._cuts.append(cut)
            self._lines, self._first = 0, self.offset

    def cut(self, *, last: bool = False) -> list[Cut]:
        """Take everything that is buffered, to be given to `write`; ``last`` ends the segment."""
        self._hand_over(last=last)
        cuts, self._cuts = self._cuts, []
        return cuts

    def write(self, cuts: Sequence[Cut]) -> None:
        """Write blocks to their segments (blocking). Raises OSError."""
        for cut in cuts:
            if cut.payload:
                if cut.segment.handle is None:
                    cut.segment.handle = _create(cut.segment.path)
                    self._written.append(cut.segment)
                block = _block(cut.first, cut.lines, bytes(cut.payload))
                _write_all(cut.segment.handle, block)
                cut.segment.dirty = True
                self.bytes_written += len(block)
                self._pending -= len(cut.payload)
            if cut.last and cut.segment.handle is not None:
                os.fdatasync(cut.segment.handle)
                os.close(cut.segment.handle)
                cut.segment.handle = None
                self._written.remove(cut.segment)

    def sync(self, reached: int) -> None:
        """Make what was written durable (blocking); ``reached`` is where the last cut ended."""
        for segment in self._written:
            if segment.dirty and segment.handle is not None:
                segment.dirty = False
                os.fdatasync(segment.handle)
        self.synced = max(self.synced, reached)

    def flush(self) -> None:
        """Write and sync everything here and now."""
        reached = self.reached
        self.write(self.cut())
        self.sync(reached)

    def close(self) -> None:
        """Write and sync everything and close the segment."""
        reached = self.reached
        self.write(self.cut(last=True))
        self.sync(reached)


def _create(path: Path) -> int:
    make_folder(path.parent)
    if path.exists():
        # Only a segment without one whole block can have this name: the next would begin later.
        assert next(read_blocks(path), None) is None, f"{path} is recorded already"
        path.rename(path.with_name(f"{path.name}.torn-{os.getpid()}-{path.stat().st_mtime_ns}"))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
    sync_folder(path.parent)
    return handle


def _block(first: int, lines: int, payload: bytes) -> bytes:
    packed = pa.Codec("zstd", compression_level=_LEVEL).compress(payload, asbytes=True)
    head = _HEADER.pack(_MAGIC, first, lines, len(payload), len(packed), zlib.crc32(packed), 0)[:-4]
    return b"".join((_PREFIX, head, struct.pack("<I", zlib.crc32(head)), packed))


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


# --- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a segment that is not whole."""

    path: Path
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Offsets [first, end) of an hour that no whole block holds: its capture was damaged."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """One whole block: its lines, from offset ``first`` to before ``end``."""

    first: int
    end: int
    lines: int
    payload: bytes


def read_blocks(path: Path, damage: list[Damage] | None = None, start: int = 0) -> Iterator[Block]:
    """The whole blocks of a segment; what is torn or wrong is skipped and told in ``damage``.

    Blocks that end at or before offset ``start`` are passed over.
    """
    found = damage if damage is not None else []
    with _mapped(path) as content:
        yield from _blocks_in(content, path, found, start)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """A file's bytes without reading them all at once."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""  # an empty file cannot be mapped
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


def _blocks_in(
    content: mmap.mmap | bytes, path: Path, found: list[Damage], start: int = 0
) -> Iterator[Block]:
    position = 0
    expected: int | None = None
    while position < len(content):
        taken = _length_before(content, position, start)
        if taken:
            position += taken
            continue
        block, taken, reason = _read_block(content, position)
        if block is not None and expected is not None and block.first < expected:
            block, reason = None, "a block repeats offsets of the one before"
        if block is None:
            found.append(Damage(path, position, reason))
            following = content.find(_PREFIX, position + max(taken, 1))
            if following < 0:
                return
            position = following
            continue
        yield block
        expected = block.end
        position += taken


def _length_before(content: mmap.mmap | bytes, position: int, start: int) -> int:
    """The bytes of the block at a position if it ends at or before an offset, otherwise 0."""
    head = content[position + len(_PREFIX) : position + _BLOCK_HEAD]
    if len(head) < _HEADER.size:
        return 0
    magic, first, _, length, packed_length, _, head_crc = _HEADER.unpack(head)
    if magic != _MAGIC or zlib.crc32(head[:-4]) != head_crc or first + length > start:
        return 0
    return int(_BLOCK_HEAD + packed_length)


def _read_block(content: mmap.mmap | bytes, position: int) -> tuple[Block | None, int, str]:
    """One block at a position: (block or None, bytes it takes, what is wrong)."""
    head_at = position + len(_PREFIX)
    body_at = position + _BLOCK_HEAD
    if body_at > len(content):
        return None, 0, "torn in a block's header"
    fields = _HEADER.unpack_from(content, head_at)
    magic, first, lines, length, packed_length, crc, head_crc = fields
    if content[position:head_at] != _PREFIX or magic != _MAGIC:
        return None, 0, "no block begins here"
    if zlib.crc32(content[head_at : body_at - 4]) != head_crc:
        return None, 0, "a block's header is damaged"
    packed = content[body_at : body_at + packed_length]
    if len(packed) < packed_length:
        return None, 0, "torn in a block"
    if zlib.crc32(packed) != crc:
        return None, _BLOCK_HEAD, "a block is damaged"
    payload = pa.Codec("zstd").decompress(packed, length, asbytes=True)
    block = Block(first, first + length, lines, payload)
    return block, _BLOCK_HEAD + packed_length, ""


def read_stretches(
    segments: Sequence[Segment], damage: list[Damage] | None = None, start: int = FIRST_OFFSET
) -> Iterator[tuple[int, Arrival | Lost]]:
    """What an hour's capture holds from offset ``start`` on, each with its ``ingest_seq``.

    Where blocks are not whole, `Lost` stands in the place of their lines. A torn end is none: the
    next segment goes on at the offset where the last whole block ended.
    """
    found = damage if damage is not None else []
    expected = start
    for segment in segments:
        base = hour_base(segment.hour)
        for block in read_blocks(segment.path, found, start):
            if block.first > expected:
                yield base + expected, Lost(expected, block.first)
            offset = block.first
            for line in block.payload.split(b"\n")[:-1]:
                if offset >= expected:
                    try:
                        yield base + offset, from_line(line)
                    except ValueError as error:
                        found.append(Damage(segment.path, offset, f"a line is not one: {error}"))
                        yield base + offset, Lost(offset, offset + len(line) + 1)
                offset += len(line) + 1
            expected = max(expected, offset)


def read_hour(
    segments: Sequence[Segment], damage: list[Damage] | None = None, start: int = FIRST_OFFSET
) -> Iterator[tuple[int, Arrival]]:
    """The arrivals of an hour from offset ``start`` on, in order, each with its ``ingest_seq``."""
    for ingest_seq, arrival in read_stretches(segments, damage, start):
        if not isinstance(arrival, Lost):
            yield ingest_seq, arrival


def read_arrivals(paths: Sequence[Path]) -> Iterator[tuple[int, Arrival]]:
    """The arrivals of capture segments, or of folders of them, each with its ``ingest_seq``."""
    segments: list[Segment] = []
    for path in paths:
        files = sorted(path.rglob("*.cap")) if path.is_dir() else [path]
        segments += [
            Segment(hour_from_text(file.parent.name), int(file.stem), file) for file in files
        ]
    for _, of_hour in groupby(sorted(segments), key=lambda segment: segment.hour):
        yield from read_hour(list(of_hour))


@dataclass(frozen=True, slots=True)
class End:
    """Where the capture of an hour ends."""

    offset: int
    arrival: Arrival | None

    @property
    def ended_ns(self) -> int | None:
        """The time up to which it was recorded; None where no block is whole."""
        if isinstance(self.arrival, Ended) and self.arrival.cause == "hour":
            return (hour_of(self.arrival.recv_ns) + 1) * HOUR_NS
        return self.arrival.recv_ns if self.arrival is not None else None


def end_of(segments: Sequence[Segment]) -> End:
    """The end of an hour's capture and its last arrival; only headers and one block are read."""
    for segment in reversed(segments):
        with _mapped(segment.path) as content:
            last = _last_block(content, segment.path)
        if last is not None:
            return End(last.end, from_line(last.payload.split(b"\n")[-2]))
    return End(FIRST_OFFSET, None)


def _last_block(content: mmap.mmap | bytes, path: Path) -> Block | None:
    """The last whole block: from header to header, and in full only where one is damaged."""
    positions = []
    position = 0
    while position + _BLOCK_HEAD <= len(content):
        head = content[position + len(_PREFIX) : position + _BLOCK_HEAD]
        packed_length = _HEADER.unpack(head)[4]
        if head[:4] != _MAGIC or zlib.crc32(head[:-4]) != _HEADER.unpack(head)[6]:
            break
        positions.append(position)
        position += _BLOCK_HEAD + packed_length
    if position != len(content):
        whole = deque(_blocks_in(content, path, []), maxlen=1)
        return whole[0] if whole else None
    for each in reversed(positions):
        block, _, _ = _read_block(content, each)
        if block is not None:
            return block
    return None
