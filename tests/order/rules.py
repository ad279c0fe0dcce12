"""What must come before what in a data directory, and a judge that reads a trace once."""

import json
import re
import struct
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath as Path

from tests.order.trace import Call

FIRST_OFFSET = 1 << 24
RULES = {
    "content": "a file is synced after its last write and before it is renamed",
    "folder": "a rename is followed by a sync of its folder, before the next",
    "created": "a capture segment and its folders have durable names before its data counts",
    "part": "a part is published after the capture of its frames is synced",
    "cut": "the record of a cut comes after its parts and the sync of their folders",
    "commit": "a commit record comes after its files and the sync of their folders",
    "switch": "the readers' switch comes after the commit records of the hours before it",
    "day": "the record of a packed day comes after its files and the sync of their folders",
    "superseded": "files of an hour go after the record of its day is durable, or after its own",
    "removal": "parts and capture go after the switch is durable (or: an import is taken back)",
}
_block = struct.Struct("<8x4sQII")  # skippable frame; magic, first offset, lines, length
_part = re.compile(r"(\d{10})-(\d{12})-(\d{12})").match
_sealed = re.compile(r".*-(\d{8})T(\d{2})\.parquet").match
_packed = re.compile(r".*-(\d{8})\.parquet").match


@dataclass(slots=True)
class Judge:
    """Reads calls in their order. ``checked`` counts by rule; ``breaches`` are (rule, what)."""

    root: Path
    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    breaches: list[tuple[str, str]] = field(default_factory=list)
    _writes: dict[Path, int] = field(default_factory=lambda: defaultdict(int))
    _synced: dict[Path, int] = field(default_factory=dict)
    _names: dict[Path, set[Path]] = field(default_factory=lambda: defaultdict(set))
    _begun: dict[int, tuple[int, set[Path], int]] = field(default_factory=dict)
    _owed: dict[int, tuple[Path, Path]] = field(default_factory=dict)
    _texts: dict[Path, bytes] = field(default_factory=dict)
    _blocks: dict[Path, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    _durable: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    _cuts: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    _files: dict[str, set[Path]] = field(default_factory=lambda: defaultdict(set))
    _committed: set[str] = field(default_factory=set)
    _segments: set[Path] = field(default_factory=set)
    _switched: str = ""
    _importing: bool = False

    def take(self, ended: bool, call: Call) -> None:
        """Take the begin or the end of a call."""
        path = Path(call.path)
        if not path.is_relative_to(self.root) and path != self.root.parent:
            return
        if not ended:
            self._begin(call, path)
        elif not call.failed:
            self._end(call, path)

    def _begin(self, call: Call, path: Path) -> None:
        match call.name:
            case "fsync" | "fdatasync":
                self._begin_sync(call, path)
            case "rename" | "renameat" | "renameat2":
                self._pay(call)
                self._begin_rename(path, Path(call.other))
            case "unlink" | "unlinkat":
                self._pay(call)
                self._unlink(path)

    def _end(self, call: Call, path: Path) -> None:
        match call.name:
            case "fsync" | "fdatasync":
                self._end_sync(call, path)
            case "rename" | "renameat" | "renameat2":
                self._end_rename(call, path, Path(call.other))
            case "openat" if call.creates:
                self._writes[path] += 1
                self._create(path)
            case "mkdir" | "mkdirat":
                self._create(path)
            case "write" | "pwrite64" | "writev" | "pwritev":
                self._write(path, call.data)

    def finish(self) -> None:
        """The trace is over: what is still owed is a breach."""
        for folder, path in self._owed.values():
            self._check("folder", path not in self._names[folder], f"{path}: never", count=0)
        for hour, files in self._files.items():
            what = f"{len(files)} files of {hour} have no commit record after them"
            self._check(_rule(hour), not files, what, count=0)

    def _check(self, rule: str, holds: bool, what: str, count: int = 1) -> None:
        self.checked[rule] += count
        if not holds:
            self.breaches.append((rule, what.replace(f"{self.root}/", "")))

    def _staged(self, path: Path) -> bool:
        folders = self.root / "staging", self.root / "packing"
        return any(path.is_relative_to(folder) for folder in folders)

    # --- what was written, and is durable -------------------------------------------------------

    def _create(self, path: Path) -> None:
        self._names[path.parent].add(path)
        if path.suffix == ".cap":
            self._segments.add(path)

    def _write(self, path: Path, data: bytes) -> None:
        self._writes[path] += 1
        self._texts[path] = data
        if path.suffix == ".cap" and len(data) >= _block.size:
            magic, first, _, length = _block.unpack_from(data)
            if magic == b"RCB1":
                self._blocks[path].append((first, first + length))

    def _begin_sync(self, call: Call, path: Path) -> None:
        self._begun[call.thread] = (
            self._writes[path], set(self._names[path]), len(self._blocks[path]),
        )  # fmt: skip
        if path.suffix == ".cap":
            unnamed = [
                each for each in (path, *path.parents)
                if each.is_relative_to(self.root) and each in self._names[each.parent]
            ]  # fmt: skip
            self._check("created", not unnamed, f"{path}: the name of {unnamed[:1]} is not durable")

    def _end_sync(self, call: Call, path: Path) -> None:
        writes, names, blocks = self._begun.pop(call.thread, (0, set(), 0))
        self._synced[path] = max(self._synced.get(path, 0), writes)
        self._names[path] -= names
        if path.suffix == ".cap":
            self._durable[path.parent.name] += self._blocks[path][:blocks]
        if self.root / "current.json" in names:
            self._switched = self._hour_in(self.root / "current.json")
        if self.root / "importing.json" in names:
            self._importing = True

    def _hour_in(self, path: Path) -> str:
        try:
            return str(json.loads(self._texts[path])["hour"])
        except (KeyError, ValueError):
            return ""

    # --- renames --------------------------------------------------------------------------------

    def _pay(self, call: Call) -> None:
        """A thread goes on to the next name: its last rename must be durable."""
        folder, path = self._owed.pop(call.thread, (self.root, self.root))
        self._check("folder", path not in self._names[folder], f"{path}: not before the next", 0)

    def _begin_rename(self, path: Path, final: Path) -> None:
        if self._staged(final):
            self._remove(path)
            return
        if path.suffix != ".cap":  # a segment that is put aside is not read again
            written = self._writes[path]
            synced = written > 0 and self._synced.get(path, 0) >= written
            self._check("content", synced, f"{final}: its content is not synced")
        table, hour = final.parent.name, ""
        if found := _part(final.name):
            hour, first, end = found[1], int(found[2]), int(found[3])
            if table == "cuts":
                self._cut(hour, first, end)
            else:
                self._part(final, hour, first, end)
        elif found := _sealed(final.name):
            self._files[found[1] + found[2]].add(final)
        elif found := _packed(final.name):
            self._files[found[1]].add(final)
        elif table == "commits":
            self._commit(final.stem)
        elif final.name == "current.json":
            self._switch(self._hour_in(path))

    def _end_rename(self, call: Call, path: Path, final: Path) -> None:
        named, durable_in = (path, path.parent) if self._staged(final) else (final, final.parent)
        self._names[durable_in].add(named)
        self._names[path.parent].discard(path) if named != path else None
        self._owed[call.thread] = durable_in, named
        self.checked["folder"] += 1
        for state in (self._writes, self._synced, self._texts):
            if path in state:
                state[final] = state.pop(path)

    def _part(self, final: Path, hour: str, first: int, end: int) -> None:
        reached = max(first, FIRST_OFFSET)
        for begin, stop in sorted(self._durable[hour]):
            reached = max(reached, stop) if begin <= reached else reached
        self._check("part", reached >= end, f"{final}: the capture is durable up to {reached}")
        told = any(begin <= first and end <= stop for begin, stop in self._cuts[hour])
        self._check("cut", not told, f"{final}: comes after the record of its cut")

    def _cut(self, hour: str, first: int, end: int) -> None:
        self._cuts[hour].add((first, end))
        pending = [
            path for folder, names in self._names.items() if folder.parent.name == "live"
            for path in names if path.name.startswith(f"{hour}-") and folder.name != "cuts"
        ]  # fmt: skip
        self._check("cut", not pending, f"{hour}-{first}-{end}: before {pending[:1]} is durable")

    def _commit(self, hour: str) -> None:
        files, rule = self._files.pop(hour, set()), _rule(hour)
        count = len(files) if rule == "day" else 1
        self._check(rule, bool(files), f"{hour}: before any of its files", count=count)
        pending = [path for path in files if path in self._names[path.parent]]
        self._check(rule, not pending, f"{hour}: before {pending[:1]} is durable", count=0)
        self._committed.add(hour)

    def _switch(self, to: str) -> None:
        before = {path.parent.name for path in self._segments if path.parent.name < to}
        names = self._names[self.root / "commits"]
        durable = {hour for hour in self._committed
                   if self.root / "commits" / f"{hour}.json" not in names}  # fmt: skip
        missing = sorted(before - durable)
        self._check("switch", bool(to) and not missing, f"to {to}: before {missing} is committed")

    # --- removals -------------------------------------------------------------------------------

    def _unlink(self, path: Path) -> None:
        if path == self.root / "importing.json":
            self._importing = False
        elif not self._staged(path):
            self._remove(path)

    def _remove(self, path: Path) -> None:
        """A part, a record of a cut, a segment, or the capture of an hour goes."""
        if found := _part(path.name):
            hour = found[1]
            self._cuts[hour].discard((int(found[2]), int(found[3])))
        elif path.suffix == ".cap" or path.parent.name == "capture":
            hour = path.parent.name if path.suffix == ".cap" else path.name
            self._segments.discard(path)
        elif found := _sealed(path.name):
            self._superseded(path, found[1], found[1] + found[2])
            return
        else:
            if path.parent.name == "commits":
                self._committed.discard(path.stem)
            return
        holds = self._importing or hour < self._switched
        self._check("removal", holds, f"{path}: readers are switched to {self._switched or 'none'}")

    def _superseded(self, path: Path, day: str, hour: str) -> None:
        """A file of a sealed hour goes: its day is packed, or nobody knows of the hour any more."""
        packed = day in self._committed
        durable = self.root / "commits" / f"{day}.json" not in self._names[self.root / "commits"]
        holds = (packed and durable) or hour not in self._committed
        self._check("superseded", holds, f"{path}: before the record of {day} is durable")


def _rule(name: str) -> str:
    """The rule of a record: of an hour, or of a day."""
    return "commit" if len(name) == 10 else "day"
