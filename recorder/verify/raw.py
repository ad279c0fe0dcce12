"""The capture of an hour: every block's checksum, no offset missing, the digest of its lines."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from recorder.core.frames import FIRST_OFFSET
from recorder.store.capture import Damage, read_blocks
from recorder.store.paths import Root, hour_text
from recorder.store.seal import Commit
from recorder.verify.findings import CAPTURE, CAPTURE_DAMAGED, COMMIT, GONE, REPAIR, Report


@dataclass(slots=True)
class Raw:
    """What is there of an hour's capture: up to which offset, and what of it is lost.

    ``damage`` are blocks that are not whole, ``wrong`` whole ones that cannot be right.
    ``sealed_sha256`` are the digests of the lines that the commit record covers, with and without
    those that were written again after the disk refused; none where the begin is not kept.
    """

    end: int = FIRST_OFFSET
    kept: bool = False
    lost: list[tuple[int, int, Path]] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    wrong: list[Damage] = field(default_factory=list)
    sealed_sha256: frozenset[str] = frozenset()

    def whole(self, end: int) -> bool:
        """Whether everything up to an offset can be read."""
        return self.kept and not self.lost and not self.wrong and self.end >= end


def read_raw(root: Root, hour: int, sealed_end: int, report: Report) -> Raw:
    """Read an hour's capture. Raises FileNotFoundError where it is taken away meanwhile."""
    segments = root.segments(hour)
    raw = Raw(kept=bool(segments) and segments[0].first == FIRST_OFFSET)
    if not segments:
        return raw
    digest, once = hashlib.sha256(), hashlib.sha256()
    raw.end = segments[0].first
    for segment in segments:
        report.segments += 1
        report.bytes += segment.path.stat().st_size
        if segment.first > raw.end:
            raw.lost.append((raw.end, segment.first, segment.path))
        raw.end = max(raw.end, segment.first)
        for block in read_blocks(segment.path, raw.damage):
            if block.first < segment.first:
                raw.wrong.append(Damage(segment.path, 0, "its blocks are not those of its name"))
                break
            if block.first > raw.end:
                raw.lost.append((raw.end, block.first, segment.path))
            if block.payload.count(b"\n") != block.lines:
                reason = f"a block has not the {block.lines} lines that its header says"
                raw.wrong.append(Damage(segment.path, block.first, reason))
            if block.first < sealed_end:
                digest.update(block.payload)
                once.update(block.payload[max(raw.end - block.first, 0) :])
            raw.end = max(raw.end, block.end)
    if raw.kept:
        raw.sealed_sha256 = frozenset((digest.hexdigest(), once.hexdigest()))
    return raw


def check_raw(
    root: Root,
    hour: int,
    raw: Raw,
    commit: Commit | None,
    published: int,
    ledgered: bool,
    report: Report,
) -> None:
    """What of the capture is missing.

    ``published`` is up to where parts say that the capture was durable, ``ledgered`` whether the
    hour's tables already say that capture was lost.
    """
    if not root.segments(hour):
        return
    told_of = "`coverage` and `faults` say so" if ledgered else None
    if commit is not None and commit.capture_sha256 is not None and raw.kept:
        same = commit.capture_sha256 in raw.sealed_sha256
        sealed_so = "it was so when the hour was sealed, from parts that had its rows"
        told_of = told_of or (sealed_so if same else None)
        if not same and not raw.lost and raw.end >= commit.capture_end:
            problem = "was sealed from another capture than the one that is there"
            report.find(COMMIT, root.commit(hour), hour, problem, REPAIR)
    lost = list(raw.lost)
    covered = max(commit.capture_end if commit is not None else 0, published)
    if raw.end < covered:
        lost.append((raw.end, covered, root.segments(hour)[-1].path))
    told = {each.path for each in raw.damage}
    for first, end, found in lost:
        # It is named where the damage is: in this segment, or at the end of one before.
        path = next((each.path for each in raw.damage if each.path == found), None)
        path = path or next(iter(told), found)
        reason = next((each.reason for each in raw.damage if each.path == path), "it is not there")
        problem = f"offsets {first} … {end - 1} cannot be read: {reason}"
        if told_of is not None:
            report.note(path, hour, f"{problem}; {told_of}")
        else:
            report.find(CAPTURE, path, hour, problem, CAPTURE_DAMAGED)
    for each in raw.wrong:
        report.find(CAPTURE, each.path, hour, each.reason, CAPTURE_DAMAGED)
    if not lost:
        for each in raw.damage:
            text = f"{each.reason} at byte {each.position}; nothing that was kept is missing"
            report.note(each.path, hour, text)


def remedy(raw: Raw, end: int) -> str:
    """What to do about a file of an hour: it can be made again, or not."""
    return REPAIR if raw.whole(end) else GONE


def torn_segments(root: Root, hour: int) -> list[Path]:
    """Segments that a start found without one whole block, and moved out of the way."""
    folder = root.capture / hour_text(hour)
    return sorted(folder.glob("*.cap.torn-*")) if folder.is_dir() else []
