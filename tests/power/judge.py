"""What must hold of a data directory after its power was cut.

`check_survived` looks before anything is repaired: what was promised is there, whole. `check_whole`
looks after recovery: the tables are those of the capture, each row once, every file as committed.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recorder import recovery
from recorder.core.frames import FIRST_OFFSET, Frame
from recorder.core.tables import TABLES
from recorder.errors import RecorderError
from recorder.store.capture import end_of, read_arrivals, read_blocks
from recorder.store.paths import Root, hour_text
from recorder.store.seal import read_commit, sealed_before
from tests.power.disk import fast_folder
from tests.power.promises import Promised
from tests.power.writer import IMPORTED
from tests.roots import check_coverage, check_order, commits, sealed_bytes, sealed_rows

LOST, UNREADABLE, WRONG = "lost", "unreadable", "wrong"
Problem = tuple[str, str]
"""What kind, and what in words."""


def check_survived(data: Path, promised: Promised) -> list[Problem]:
    """Before recovery: every promise is kept, and nothing published is unreadable."""
    root, checks = Root(data), (_lines, _parts, _parts_of_nothing, _commits, _switch)
    found = _told(_unreadable(root))
    for check in checks:
        found += _told(check(root, promised))
    return found


def _unreadable(root: Root) -> Iterator[Problem]:
    published = (path for path in sorted(root.path.rglob("*")) if path.is_file())
    for path in published:
        if path.is_relative_to(root.staging) or path.name == ".lock":
            continue
        try:
            if path.suffix == ".parquet":
                with pq.ParquetFile(path, page_checksum_verification=True) as file:
                    file.read(use_threads=False)
            elif path.suffix == ".json":
                json.loads(path.read_bytes())
        except (pa.ArrowException, OSError, ValueError) as error:
            yield UNREADABLE, f"{path.relative_to(root.path)}: {error}"


def _lines(root: Root, promised: Promised) -> Iterator[Problem]:
    for hour, lines in promised.kept_lines().items():
        held = {}
        for segment in root.segments(hour):
            for block in read_blocks(segment.path):
                offset = block.first
                for line in block.payload.splitlines(keepends=True):
                    held.setdefault(offset, line)
                    offset += len(line)
        bad = [offset for offset, line in lines.items() if held.get(offset) != line]
        if bad:
            where = f"{hour_text(hour)}, the first at {bad[0]}"
            yield LOST, f"{len(bad)} synced lines of {where}: not in the capture"


def _parts(root: Root, promised: Promised) -> Iterator[Problem]:
    for (hour, first, end), rows in promised.parts.items():
        if hour < promised.retired_before:
            continue
        for name, count in rows.items():
            path = root.part(name, hour, first, end)
            try:
                held = pq.read_metadata(path).num_rows
            except (pa.ArrowException, OSError) as error:
                yield LOST, f"a part that was published: {error}"
                continue
            if held != count:
                yield LOST, f"{path.name}: {held} of {count} rows"
        if not root.cut(hour, first, end).exists():
            yield LOST, f"the record of a cut: {root.cut(hour, first, end).name}"


def _parts_of_nothing(root: Root, promised: Promised) -> Iterator[Problem]:
    """No part holds rows of frames that the capture has lost."""
    for table in TABLES:
        for part in root.parts(table):
            if part.hour < promised.capture_retired_before:
                continue
            captured = end_of(root.segments(part.hour)).offset
            if part.end > max(captured, FIRST_OFFSET):
                yield LOST, f"{table} {part.path.name}: the capture ends at {captured}"


def _commits(root: Root, promised: Promised) -> Iterator[Problem]:
    for hour, (end, rows) in promised.sealed.items():
        commit = read_commit(root, hour)
        if commit is None or commit.capture_end < end or commit.rows < rows:
            yield LOST, f"the commit record of {hour_text(hour)}: {commit and commit.rows} rows"
    for hour in root.committed_hours():
        for file in getattr(read_commit(root, hour), "files", ()):
            if not (root.path / file.path).exists():
                yield LOST, f"{file.path}: committed, and not there"


def _switch(root: Root, promised: Promised) -> Iterator[Problem]:
    present = sealed_before(root)
    if present not in promised.switches:
        yield LOST, f"the readers' switch stands at {present}, not at {promised.switches}"
    if present is None or promised.importing is not None:
        return  # an import may be into hours before the switch
    for hour in root.captured_hours():
        if hour < present and read_commit(root, hour) is None:
            yield WRONG, f"readers are sent to {hour_text(hour)}, which is not committed"


# --- after recovery -------------------------------------------------------------------------------


def check_whole(data: Path, promised: Promised) -> list[Problem]:
    """After recovery: the tables of the capture that survived, once each."""
    root = Root(data)
    found = _told(_unreadable(root))
    found += _told(_as_committed(root))
    found += _told(_rebuilt(root))
    found += _told(_imported(root, promised))
    return found + _told(_make_sense(data))


def _told(problems: Iterator[Problem]) -> list[Problem]:
    """What a check found; that the product refuses what it reads is a find too."""
    found: list[Problem] = []
    try:
        found += problems
    except (RecorderError, OSError, ValueError, AssertionError) as error:
        found.append((WRONG, f"{type(error).__name__}: {str(error)[:300]}"))
    return found


def _make_sense(data: Path) -> Iterator[Problem]:
    """Every `ingest_seq` and every trade once; the intervals of coverage without holes."""
    rows = sealed_rows(data)
    check_order(rows)
    check_coverage(rows)
    yield from ()


def _as_committed(root: Root) -> Iterator[Problem]:
    for hour in sorted({*root.captured_hours(), *root.part_hours()}):
        if read_commit(root, hour) is None:
            yield WRONG, f"{hour_text(hour)} is not sealed"
    for hour in root.committed_hours():
        for file in getattr(read_commit(root, hour), "files", ()):
            content = (root.path / file.path).read_bytes()
            if hashlib.sha256(content).hexdigest() != file.sha256:
                yield WRONG, f"{file.path}: not what its commit record says"


def _rebuilt(root: Root) -> Iterator[Problem]:
    """The sealed hours whose capture is kept are those of a rebuild, byte for byte."""
    with tempfile.TemporaryDirectory(prefix="power-rebuilt-", dir=fast_folder()) as folder:
        again = Root(Path(folder) / "again")
        recovery.rebuild(root, again)
        hours = {hour_text(hour) for hour in root.captured_hours()}
        mine, theirs = commits(root.path), commits(again.path)
        for name in sorted(f"{hour}.json" for hour in hours):
            if mine.get(name) != theirs.get(name):
                yield WRONG, f"commits/{name}: not that of a rebuild: {_differ(mine, theirs, name)}"
        files, rebuilt = sealed_bytes(root.path), sealed_bytes(again.path)
        files = {name: each for name, each in files.items() if _hour_of(name) in hours}
        for name in sorted(files.keys() | rebuilt.keys()):
            if files.get(name) != rebuilt.get(name):
                yield WRONG, f"{name}: not that of a rebuild"


def _differ(mine: dict, theirs: dict, name: str) -> str:
    one, other = mine.get(name) or {}, theirs.get(name) or {}
    keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    return ", ".join(f"{key} {str(one.get(key))[:60]}" for key in sorted(keys))


def _hour_of(name: str) -> str:
    return name[-len("20261110T19.parquet") : -len(".parquet")].replace("T", "")


def _imported(root: Root, promised: Promised) -> Iterator[Problem]:
    """An import is there as a whole, or not at all."""
    if promised.importing is None or promised.capture_retired_before:
        return
    folders = [root.capture] if root.capture.is_dir() else []
    frames = sum(
        type(arrival) is Frame and arrival.connection_id.startswith(IMPORTED)
        for _, arrival in read_arrivals(folders)
    )
    allowed = {promised.imported} if promised.imported else {0, promised.importing}
    if frames not in allowed:
        yield LOST, f"an import: {frames} frames are there, allowed are {allowed}"
