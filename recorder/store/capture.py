"""The raw record: every arrival, append-only, written before it is understood.

A segment is a row of blocks. A block is a zstd *skippable* frame that holds a 32-byte header, and
one zstd frame with lines (`recorder.store.lines`), so that ``zstdcat`` shows them.

Header, little-endian: magic ``RCB1``, first offset (8), lines (4), length of the lines (4), length
of the zstd frame (4), CRC-32 of the zstd frame (4), CRC-32 of the 28 bytes before (4). Offsets
count bytes of lines in the hour, from `FIRST_OFFSET`.

A torn tail is found by length and CRC; a restart never appends to an old segment. Offsets that no
whole block holds are `Lost`: the reader is told, and goes on behind them.
"""

import errno
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from recorder.core.frames import FIRST_OFFSET, HOUR_NS, Arrival, Ended, hour_base, hour_of
from recorder.store.lines import from_line
from recorder.store.paths import Segment, hour_from_text

_SKIPPABLE = struct.Struct("<II")
_HEADER = struct.Struct("<4sQIIIII")
_SKIPPABLE_MAGIC = 0x184D2A52
_MAGIC = b"RCB1"
_PREFIX = _SKIPPABLE.pack(_SKIPPABLE_MAGIC, _HEADER.size)
_BLOCK_HEAD = len(_PREFIX) + _HEADER.size
_LEVEL = 1
_PAGE = 4096
_PIECE = 1 << 20


def pack(first: int, lines: int, payload: bytes) -> bytes:
    """One block: ``lines`` lines that begin at offset ``first``."""
    packed = pa.Codec("zstd", compression_level=_LEVEL).compress(payload, asbytes=True)
    head = _HEADER.pack(_MAGIC, first, lines, len(payload), len(packed), zlib.crc32(packed), 0)[:-4]
    return b"".join((_PREFIX, head, struct.pack("<I", zlib.crc32(head)), packed))


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
    with path.open("rb") as file:
        yield from _blocks_in(_Content(file.fileno()), path, found, start)


class _Content:
    """A segment's bytes, as many as it had at first, read as they are asked for.

    What the disk refuses to read (EIO) counts as zeros, page by page, so that the blocks around it
    are used; ``refused`` says so until it is set back. A mapping would end the process there.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.size = os.fstat(handle).st_size
        self.refused = False

    def read(self, position: int, size: int) -> bytes:
        """The bytes at a position, fewer at the end."""
        size = max(min(size, self.size - position), 0)
        try:
            return os.pread(self._handle, size, position)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        pages = []
        while size:
            taken = min(size, _PAGE - position % _PAGE)
            pages.append(self._page(position, taken))
            position, size = position + taken, size - taken
        return b"".join(pages)

    def _page(self, position: int, size: int) -> bytes:
        try:
            return os.pread(self._handle, size, position)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.refused = True
            return bytes(size)

    def find(self, pattern: bytes, position: int) -> int:
        """Where a pattern next begins, at or behind a position; -1 where it does not."""
        while position < self.size:
            piece = self.read(position, _PIECE)
            if (at := piece.find(pattern)) >= 0:
                return position + at
            if position + len(piece) >= self.size or len(piece) < len(pattern):
                break
            position += len(piece) - len(pattern) + 1
        return -1


def _blocks_in(
    content: _Content, path: Path, found: list[Damage], start: int = 0
) -> Iterator[Block]:
    position = 0
    expected: int | None = None
    while position < content.size:
        taken = _length_before(content, position, start) if start else 0
        if taken:
            position += taken
            continue
        content.refused = False
        block, taken, reason = _read_block(content, position)
        if content.refused:
            reason = "the disk cannot read it"
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


def _length_before(content: _Content, position: int, start: int) -> int:
    """The bytes of the block at a position if it ends at or before an offset, otherwise 0."""
    head = content.read(position + len(_PREFIX), _HEADER.size)
    if len(head) < _HEADER.size:
        return 0
    magic, first, _, length, packed_length, _, head_crc = _HEADER.unpack(head)
    if magic != _MAGIC or zlib.crc32(head[:-4]) != head_crc or first + length > start:
        return 0
    return int(_BLOCK_HEAD + packed_length)


def _read_block(content: _Content, position: int) -> tuple[Block | None, int, str]:
    """One block at a position: (block or None, bytes it takes, what is wrong)."""
    head = content.read(position, _BLOCK_HEAD)
    if len(head) < _BLOCK_HEAD:
        return None, 0, "torn in a block's header"
    fields = _HEADER.unpack_from(head, len(_PREFIX))
    magic, first, lines, length, packed_length, crc, head_crc = fields
    if not head.startswith(_PREFIX) or magic != _MAGIC:
        return None, 0, "no block begins here"
    if zlib.crc32(head[len(_PREFIX) : -4]) != head_crc:
        return None, 0, "a block's header is damaged"
    packed = content.read(position + _BLOCK_HEAD, packed_length)
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


def nothing_whole(path: Path) -> str | None:
    """What to say of a segment that a start puts aside, since not one block of it is whole.

    None where there is none, or it has no byte: a process died before it wrote the first block.
    """
    size = path.stat().st_size if path.exists() else 0
    detail = f"nothing of {path.name} can be read ({size} bytes), and no part has its rows"
    return detail if size else None


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
        with segment.path.open("rb") as file:
            last = _last_block(_Content(file.fileno()), segment.path)
        if last is not None:
            return End(last.end, _last_arrival(last))
    return End(FIRST_OFFSET, None)


def _last_arrival(block: Block) -> Arrival | None:
    for line in reversed(block.payload.split(b"\n")[:-1]):
        with suppress(ValueError):
            return from_line(line)
    return None


def _last_block(content: _Content, path: Path) -> Block | None:
    """The last whole block: from header to header, and in full only where one is damaged."""
    positions = []
    position = 0
    while position + _BLOCK_HEAD <= content.size:
        head = content.read(position + len(_PREFIX), _HEADER.size)
        if len(head) < _HEADER.size:
            break
        packed_length = _HEADER.unpack(head)[4]
        if head[:4] != _MAGIC or zlib.crc32(head[:-4]) != _HEADER.unpack(head)[6]:
            break
        positions.append(position)
        position += _BLOCK_HEAD + packed_length
    if position != content.size:
        whole = deque(_blocks_in(content, path, []), maxlen=1)
        return whole[0] if whole else None
    for each in reversed(positions):
        block, _, _ = _read_block(content, each)
        if block is not None:
            return block
    return None


def covers(segments: Sequence[Segment], end: int) -> bool:
    """Whether whole blocks hold every line of an hour up to an offset."""
    reached = FIRST_OFFSET
    for segment in segments:
        for block in read_blocks(segment.path):
            if block.first > reached or reached >= end:
                break
            reached = max(reached, block.end)
    return reached >= end
