"""What a writer believes to be durable, told on a disk whose power is not cut.

A promise is one line, written after the fact that it tells; an intention (what may be the case from
here on) is one line before. Lines handed to the capture are kept in a file beside, so that what
must be there can be compared byte for byte.

A promise counts if it was told before the power began to go. The ioctl that cuts it takes a few
milliseconds, in which the kernel has stopped its journal and still answers: of a bare loop that
writes and calls fdatasync on ext4, 38 of 300 cuts lost a line whose fdatasync had succeeded, all of
them after the ioctl had begun and none before. A machine without power tells nobody anything.
"""

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder.core.frames import hour_of_seq, offset_of_seq

PROMISED = frozenset({"synced", "part", "sealed", "switched", "imported"})
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def told_file(folder: Path, life: int) -> Path:
    """Where a life's promises and intentions are."""
    return folder / f"promises-{life}"


class Promises:
    """The writing side, in the child."""

    def __init__(self, folder: Path, life: int) -> None:
        self._told = os.open(told_file(folder, life), _FLAGS, 0o640)
        self._lines = os.open(folder / f"lines-{life}", _FLAGS, 0o640)
        self._appended = bytearray()

    def tell(self, what: str, **fields: Any) -> None:
        """Promise, or tell an intention."""
        os.write(self._told, json.dumps({"what": what, **fields}).encode() + b"\n")

    def appended(self, ingest_seq: int, line: bytes) -> None:
        """A line was handed to the capture; nothing is promised of it yet."""
        self._appended += b"%d %s" % (ingest_seq, line)

    def synced(self, ingest_seq: int) -> None:
        """Promise every line before this."""
        content, self._appended = self._appended, bytearray()
        os.write(self._lines, content)
        self.tell("synced", upto=ingest_seq)


@dataclass(slots=True)
class Promised:
    """What was promised in all lives of a trial so far."""

    lines: dict[int, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    parts: dict[tuple[int, int, int], dict[str, int]] = field(default_factory=dict)
    sealed: dict[int, tuple[int, int]] = field(default_factory=dict)
    switches: set[int | None] = field(default_factory=lambda: {None})
    retired_before: int = 0
    capture_retired_before: int = 0
    imported: int | None = None
    importing: int | None = None
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, folder: Path, life: int, told_bytes: int | None = None) -> None:
        """Take in what a life told, of which so many bytes were there when the power began to go.

        What came later was intended, but is not promised. None: everything counts.
        """
        synced, position = None, 0
        for line in told_file(folder, life).read_bytes().splitlines(keepends=True):
            position += len(line)
            told = json.loads(line)
            what = told["what"]
            if what in PROMISED and told_bytes is not None and position > told_bytes:
                self.counts["late"] += 1
                if what == "switched":
                    self.switches.add(told["to"])
                continue
            self.counts[what] += 1
            if what == "synced":
                synced = told["upto"]
            self._take(what, told)
        if synced is not None:
            self._take_lines(folder / f"lines-{life}", synced)

    def _take(self, what: str, told: dict[str, Any]) -> None:
        match what:
            case "part":
                self.parts[told["hour"], told["first"], told["end"]] = told["rows"]
            case "sealed":
                self.sealed[told["hour"]] = told["end"], told["rows"]
            case "switching":
                self.switches.add(told["to"])
            case "switched":
                self.switches = {told["to"]}
            case "retiring":
                self.retired_before = told["before"]
                if told["capture"]:
                    self.capture_retired_before = told["before"]
            case "importing":
                self.importing = told["frames"]
            case "imported":
                self.imported = told["frames"]

    def _take_lines(self, path: Path, synced: int) -> None:
        for line in path.read_bytes().splitlines(keepends=True):
            number, _, text = line.partition(b" ")
            if int(number) < synced:
                self.lines[hour_of_seq(int(number))][offset_of_seq(int(number))] = text
                self.counts["lines"] += 1

    def kept_lines(self) -> dict[int, dict[int, bytes]]:
        """The promised lines by hour and offset, without the hours whose capture may go."""
        before = self.capture_retired_before
        return {hour: lines for hour, lines in self.lines.items() if hour >= before}
