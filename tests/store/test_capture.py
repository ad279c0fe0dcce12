"""The capture under everything that can happen to a file."""

import errno
import os
import shutil
import subprocess
from random import Random

import pytest

from recorder.core.frames import FIRST_OFFSET, Carried, Ended, Frame, hour_base
from recorder.store import capture
from recorder.store.capture import (
    Damage,
    Lost,
    end_of,
    read_arrivals,
    read_blocks,
    read_hour,
    read_stretches,
)
from recorder.store.capture_writer import LONG_BYTES, CaptureWriter
from recorder.store.lines import to_line
from recorder.store.paths import Root

HOUR = 498_427


def frames(count: int, start: int = 0) -> list[Frame]:
    texts = [
        f'{{"n":{number},"x":"{"ab" * (number % 9)}"}}' for number in range(start, start + count)
    ]
    return [Frame(number, "c1", text.encode()) for number, text in enumerate(texts, start)]


def write(root: Root, *blocks: list[Frame], offset: int = FIRST_OFFSET) -> CaptureWriter:
    """One segment with these blocks."""
    writer = CaptureWriter(root, HOUR, offset)
    for block in blocks:
        for frame in block:
            writer.append(frame)
        writer.flush()
    writer.close()
    return writer


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


@pytest.fixture
def segment(root):
    """A segment of four blocks of three frames; and where each block begins in the file."""
    write(root, *(frames(3, begin) for begin in (0, 3, 6, 9)))
    return root.segments(HOUR)[0].path


def held(root: Root) -> list[int]:
    return [arrival.recv_ns for _, arrival in read_hour(root.segments(HOUR))]


def block_begins(path) -> list[int]:
    content, found, at = path.read_bytes(), [], 0
    while (at := content.find(b"RCB1", at)) >= 0:
        found.append(at - 8)
        at += 4
    return found


# --- what is written ------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("zstdcat") is None, reason="zstdcat is not installed")
def test_zstdcat_shows_exactly_the_lines(root, segment):
    """Any zstd tool reads a segment; the headers are skippable frames."""
    shown = subprocess.run(["zstdcat", segment], check=True, capture_output=True).stdout
    assert shown == b"".join(map(to_line, frames(12)))


def test_ingest_seq_is_the_offset_of_the_line_in_its_hour(root, segment):
    """The first frame stands at 2^24, each next one behind the line before; in every segment."""
    write(root, frames(5, 12), offset=end_of(root.segments(HOUR)).offset)
    expected = hour_base(HOUR) + FIRST_OFFSET
    for ingest_seq, arrival in read_hour(root.segments(HOUR)):
        assert ingest_seq == expected
        expected += len(to_line(arrival))
    assert len(root.segments(HOUR)) == 2
    assert held(root) == list(range(17))


def test_append_tells_the_place_that_reading_finds(root):
    """The number a frame gets live is the number it has in every replay."""
    writer = CaptureWriter(root, HOUR)
    told = [writer.append(frame) for frame in frames(4)]
    writer.turn(HOUR + 1)
    told += [writer.append(frame) for frame in frames(4, 4)]
    writer.close()
    assert [ingest_seq for ingest_seq, _ in read_arrivals([root.capture])] == told
    assert held(root) == [0, 1, 2, 3]


def test_long_frames_stand_among_short_ones_as_any(root):
    """In their places and in blocks like others; nothing is counted twice or left out."""
    long = b'{"x":"%s"}' % (b"y" * LONG_BYTES)
    sent = [Frame(1, "c1", b"{}"), Frame(2, "c1", long), Frame(3, "c1", b"[]"),
            Frame(4, "c1", long + b"\n" + long), Frame(5, "c1", long)]  # fmt: skip
    writer = CaptureWriter(root, HOUR)
    told = [writer.append(frame) for frame in sent]
    lines = b"".join(map(to_line, sent))
    assert writer.uncut == writer.held == len(lines)
    writer.flush()
    assert writer.uncut == writer.held == 0
    writer.append(Frame(6, "c1", long))
    writer.close()
    found = list(read_hour(root.segments(HOUR)))
    assert [arrival for _, arrival in found[:-1]] == sent
    assert [place for place, _ in found[:-1]] == told
    assert next(read_blocks(root.segments(HOUR)[0].path)).payload == lines


def test_a_segment_that_is_recorded_is_never_written_to(root, segment):
    """Two writers at one offset are our own bug, and it dies before it does harm."""
    before = segment.read_bytes()
    writer = CaptureWriter(root, HOUR)
    writer.append(frames(1)[0])
    with pytest.raises(AssertionError, match="recorded already"):
        writer.flush()
    assert segment.read_bytes() == before


def test_a_segment_without_a_whole_block_is_put_aside(root, segment):
    """A start after a first write that was torn uses the name again, and loses nothing of it."""
    torn = segment.read_bytes()[:60]
    segment.write_bytes(torn)
    write(root, frames(2))
    assert held(root) == [0, 1]
    [aside] = segment.parent.glob("*.torn-*")
    assert aside.read_bytes() == torn


def test_nothing_is_written_before_the_first_block(root):
    """An hour in which nothing came has no file."""
    writer = CaptureWriter(root, HOUR)
    writer.turn(HOUR + 1)
    writer.close()
    assert root.captured_hours() == []


def test_synced_follows_what_was_written_not_what_came_since(root):
    """A part may be published up to ``synced``; frames that came during the sync are not in it."""
    writer = CaptureWriter(root, HOUR)
    writer.append(frames(1)[0])
    reached, cuts = writer.reached, writer.cut()
    writer.append(frames(1, 1)[0])
    assert writer.synced < reached
    writer.write(cuts)
    writer.sync()
    assert writer.synced == reached < writer.reached
    assert writer.buffered == len(to_line(frames(1, 1)[0]))
    writer.close()
    assert writer.synced == writer.reached
    assert writer.buffered == 0


# --- what is read of what is left -----------------------------------------------------------------


def test_torn_at_every_byte(root, segment):
    """The whole blocks before the cut are used, the rest is told, and the end is read right."""
    content = segment.read_bytes()
    begins = [*block_begins(segment), len(content)]
    for size in range(len(content)):
        segment.write_bytes(content[:size])
        whole = sum(end <= size for end in begins[1:])
        damage: list[Damage] = []
        blocks = list(read_blocks(segment, damage))
        assert len(blocks) == whole, size
        assert bool(damage) == (size not in begins), size
        end = end_of(root.segments(HOUR))
        assert end.offset == (blocks[-1].end if blocks else FIRST_OFFSET), size
        assert (end.arrival.recv_ns if end.arrival else None) == (3 * whole - 1 if whole else None)
        assert held(root) == list(range(3 * whole)), size
        assert not any(isinstance(each, Lost) for _, each in read_stretches(root.segments(HOUR)))


def test_a_bit_flipped_anywhere(root, segment):
    """A block that is not whole is left out and told; those before and behind it are used."""
    content = segment.read_bytes()
    begins = [*block_begins(segment), len(content)]
    random = Random(5)
    for position in range(len(content)):
        broken = bytearray(content)
        broken[position] ^= 1 << random.randrange(8)
        segment.write_bytes(broken)
        hurt = sum(begin <= position for begin in begins) - 1
        damage: list[Damage] = []
        got = [frame.recv_ns for _, frame in read_hour(root.segments(HOUR), damage)]
        assert got == [number for number in range(12) if number // 3 != hurt], position
        assert damage, position
        end = end_of(root.segments(HOUR))
        assert end.arrival.recv_ns == (8 if hurt == 3 else 11), position
        lost = [each for _, each in read_stretches(root.segments(HOUR)) if isinstance(each, Lost)]
        assert len(lost) == (hurt < 3), position


@pytest.mark.parametrize(
    "tail", [b"\0" * 5000, os.urandom(3000), b"\x52\x2a\x4d\x18" * 99, b"RCB1"]
)
def test_a_tail_of_zeros_or_garbage(root, segment, tail):
    """What a power cut leaves behind a file's end is told and passed over."""
    whole = end_of(root.segments(HOUR))
    segment.write_bytes(segment.read_bytes() + tail)
    damage: list[Damage] = []
    assert [frame.recv_ns for _, frame in read_hour(root.segments(HOUR), damage)] == list(range(12))
    assert [each.path for each in damage] == [segment] * len(damage)
    assert damage
    assert end_of(root.segments(HOUR)) == whole


@pytest.mark.parametrize("place", ["header", "body"])
@pytest.mark.parametrize("hurt", range(4))
def test_a_sector_that_the_disk_cannot_read(root, segment, monkeypatch, hurt, place):
    """The block in it is lost and told; those around it are read, and nothing dies of it."""
    monkeypatch.setattr(capture, "_PAGE", 16)
    content = segment.read_bytes()
    begins = [*block_begins(segment), len(content)]
    begin = begins[hurt] + (16 if place == "header" else 60)
    bad = range(begin, begin + 8)
    pread = os.pread

    def failing(handle, size, position):
        if position < bad.stop and bad.start < position + size:
            raise OSError(errno.EIO, "Input/output error")
        return pread(handle, size, position)

    monkeypatch.setattr(os, "pread", failing)
    damage: list[Damage] = []
    got = [frame.recv_ns for _, frame in read_hour(root.segments(HOUR), damage)]
    assert got == [number for number in range(12) if number // 3 != hurt]
    assert "the disk cannot read it" in {each.reason for each in damage}
    assert end_of(root.segments(HOUR)).arrival.recv_ns == (8 if hurt == 3 else 11)


def test_what_else_the_disk_refuses_is_no_damage(root, segment, monkeypatch):
    """Whoever reads is told: it may be readable the next time."""

    def failing(_handle, _size, _position):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(OSError, match="Stale"):
        list(read_hour(root.segments(HOUR)))
    with pytest.raises(OSError, match="Stale"):
        end_of(root.segments(HOUR))


def test_zeros_in_the_middle(root, segment):
    """Blocks reach the disk in any order before a sync: those behind a hole are used."""
    begins = block_begins(segment)
    content = bytearray(segment.read_bytes())
    content[begins[1] : begins[2]] = bytes(begins[2] - begins[1])
    segment.write_bytes(content)
    assert held(root) == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    [(seq, lost)] = [
        each for each in read_stretches(root.segments(HOUR)) if isinstance(each[1], Lost)
    ]
    lines = [len(to_line(frame)) for frame in frames(6)]
    assert lost == Lost(FIRST_OFFSET + sum(lines[:3]), FIRST_OFFSET + sum(lines))
    assert seq == hour_base(HOUR) + lost.first


def test_a_file_without_a_byte_or_of_garbage_only(root, segment):
    """It holds nothing, and that is all."""
    for content in (b"", b"\0", os.urandom(5000)):
        segment.write_bytes(content)
        assert held(root) == []
        assert end_of(root.segments(HOUR)) == end_of([])


def test_a_segment_that_is_gone_from_between_two(root):
    """The hole has a place and a length."""
    for begin in (0, 3, 6):
        write(root, frames(3, begin), offset=end_of(root.segments(HOUR)).offset)
    _, second, third = root.segments(HOUR)
    second.path.unlink()
    found = [each for _, each in read_stretches(root.segments(HOUR))]
    assert found[3] == Lost(second.first, third.first)
    assert held(root) == [0, 1, 2, 6, 7, 8]


def test_a_whole_block_of_lines_that_are_none(root):
    """A capture of a later version, say: told, passed over, and its place is known."""
    writer = CaptureWriter(root, HOUR)
    writer.append(Frame(1, "c1", b"one"))
    writer._buffer += b"word ?new {}\n"
    writer.offset += 13
    writer.append(Frame(2, "c1", b"two"))
    writer.close()
    damage: list[Damage] = []
    found = [each for _, each in read_stretches(root.segments(HOUR), damage)]
    assert [type(each) for each in found] == [Frame, Lost, Frame]
    assert len(damage) == 1


def test_reading_from_an_offset_on(root, segment):
    """What lies before is passed over, wherever a block begins."""
    everything = list(read_hour(root.segments(HOUR)))
    for skip in range(12):
        start = everything[skip][0] - hour_base(HOUR)
        assert list(read_hour(root.segments(HOUR), start=start)) == everything[skip:]


def test_marks_of_an_hour(root):
    """An hour that went on in the next ended with it, a stop when it stopped."""
    writer = CaptureWriter(root, HOUR)
    writer.append(Carried(HOUR * 3_600_000_000_000, "start", b"{}"))
    writer.append(Ended((HOUR + 1) * 3_600_000_000_000 - 1, "hour"))
    writer.flush()
    assert end_of(root.segments(HOUR)).ended_ns == (HOUR + 1) * 3_600_000_000_000
    writer.append(Ended((HOUR + 1) * 3_600_000_000_000 - 1, "stop"))
    writer.close()
    assert end_of(root.segments(HOUR)).ended_ns == (HOUR + 1) * 3_600_000_000_000 - 1
