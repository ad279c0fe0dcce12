"""The live parts of an hour: readable, in order, apart from each other, and all of a cut there."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from recorder.core.frames import FIRST_OFFSET, hour_base
from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.store.parts import read_cut
from recorder.store.paths import CUTS, Part, Root
from recorder.store.sound import is_as_written
from recorder.verify.findings import CUT, PART, Report
from recorder.verify.reading import (
    NotWholeError,
    Numbers,
    Read,
    read_through,
    repeated,
)


@dataclass(slots=True)
class Live:
    """The live side of an hour, as it was listed: cuts first, so that each has its parts.

    ``numbers`` are those of the parts that could be read.
    """

    cuts: list[Part] = field(default_factory=list)
    parts: dict[str, list[Part]] = field(default_factory=dict)
    numbers: dict[Path, Numbers] = field(default_factory=dict)

    def told_to(self, done: int) -> int:
        """The offset up to which every row is published; ``done`` is up to where it is sealed."""
        reached = max(done, FIRST_OFFSET)
        for cut in sorted(self.cuts):
            if cut.first > reached:
                break
            reached = max(reached, cut.end)
        return reached

    @property
    def published(self) -> int:
        """The offset up to which parts or records of cuts reach; 0 where there are none."""
        every = [part.end for parts in (self.cuts, *self.parts.values()) for part in parts]
        return max(every, default=0)


def list_live(root: Root, hour: int) -> Live:
    """What is there of an hour's parts."""
    cuts = root.parts(CUTS, hour)
    return Live(cuts, {name: root.parts(name, hour) for name in TABLES})


def check_parts(hour: int, live: Live, report: Report, remedy: str) -> None:
    """Every part by itself and beside the others of its table.

    Raises FileNotFoundError where one is taken away meanwhile.
    """
    for name, parts in live.parts.items():
        for before, after in pairwise(parts):
            if after.first < before.end:
                problem = f"overlaps {before.path.name}: rows would be there twice"
                report.find(PART, after.path, hour, problem, remedy)
        for part in parts:
            report.files += 1
            try:
                read = read_through(part.path, TABLES[name])
                as_written = is_as_written(part.path, TABLES[name])
            except NotWholeError as error:
                report.find(PART, part.path, hour, str(error), remedy)
                continue
            report.rows += read.rows
            live.numbers[part.path] = read.numbers
            wrong = _wrong(name, part, read)
            if wrong is None and not as_written:
                wrong = "has other bytes than its rows are written as: its footer is damaged"
            if wrong is not None:
                report.find(PART, part.path, hour, wrong, remedy)


def _wrong(table: str, part: Part, read: Read) -> str | None:
    if read.footer.get("recorder.channel") != table:
        return f"its footer says channel {read.footer.get('recorder.channel')}, not {table}"
    if read.footer.get("recorder.rows") != str(read.rows):
        return f"its footer says {read.footer.get('recorder.rows')} rows; it has {read.rows}"
    base = hour_base(part.hour)
    if len(read.numbers):
        first, last = int(read.numbers.min()), int(read.numbers.max())
        if first < base + part.first or last >= base + part.end:
            return "has rows of other offsets than its name says"
    if TABLES[table].order == "ingest_seq" and len(again := repeated(read.numbers)):
        return f"ingest_seq {again[0]} is there twice"
    return None


def check_cuts(
    root: Root, hour: int, live: Live, done: int, report: Report, remedy: str, *, counted: bool
) -> None:
    """The records of the cuts, and where ``counted``, that the rows are there of which they tell.

    Below the offset ``done`` it is sealed, and parts may be on their way out.
    """
    base = hour_base(hour)
    numbers = {
        name: np.sort(np.concatenate([live.numbers[part.path] for part in readable]))
        for name, parts in live.parts.items()
        if (readable := [part for part in parts if part.path in live.numbers])
    }
    hurt = [part for parts in live.parts.values() for part in parts]
    hurt = [part for part in hurt if part.path not in live.numbers]
    for cut in live.cuts:
        try:
            read_cut(cut.path)
            rows: dict[str, int] = json.loads(cut.path.read_text(encoding="utf-8"))["rows"]
        except FileNotFoundError:
            raise
        except (DataError, ValueError, KeyError) as error:
            problem = (
                "it is not the record of a cut" if isinstance(error, DataError) else str(error)
            )
            report.find(CUT, cut.path, hour, problem, remedy)
            continue
        if (
            not counted
            or cut.first < done
            or any(p.first < cut.end and cut.first < p.end for p in hurt)
        ):
            continue
        for name in TABLES:
            held = numbers.get(name, np.empty(0, np.int64))
            first, end = np.searchsorted(held, (base + cut.first, base + cut.end))
            if end - first == rows.get(name, 0):
                continue
            inside = [p for p in live.parts[name] if p.first < cut.end and cut.first < p.end]
            paths = [each.path for each in inside] or [root.part(name, hour, cut.first, cut.end)]
            problem = f"{end - first} rows are there; {cut.path.name} tells of {rows.get(name, 0)}"
            for path in paths:
                report.find(PART, path, hour, problem, remedy)
