"""The bugs. Each breaks the product in the process that it is applied in, and only there."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder import recording, recovery
from recorder.core.tables import TABLES
from recorder.recording import Pending
from recorder.store import capture_writer, pack, parts, publish, retire, seal
from recorder.store.paths import CUTS, Root

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug: what it breaks, and who must catch it within how many tries."""

    what: str
    apply: Callable[[], None]
    budget: dict[str, int]
    """By hunt: tries allowed. The harnesses named here must each catch it.

    The order of system calls shows a missing sync at once. A power cut shows it only where it falls
    between what was acknowledged and the next sync of anything, whose journal takes it along: in
    about one of 20 cuts for folders and commits, one of 4 for parts, three of 4 for frames. The
    budgets are such that one run in some thousands would miss it.
    """


def _without_folder_sync() -> None:
    for module in (publish, capture_writer, retire):
        module.sync_folder = lambda _folder: None


def _without_file_sync() -> None:
    publish.sync_file = lambda _path: None


def _acknowledge_early() -> None:
    """The capture is said to be durable when it is only written."""
    capture_writer.os = _Without("fdatasync")


class _Without:
    """The module `os` with one function that does nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return (lambda *_: None) if name == self._name else getattr(os, name)


def _part_early() -> None:
    """Parts do not wait for the capture of their frames."""
    Pending.reached = property(lambda _pending: -(1 << 62))


def _commit_early() -> None:
    """The commit record is published before the files that it names."""
    waiting: list[tuple[Path, Path, int]] = []
    publish_commit = seal.publish_commit

    def commit_first(root: Root, commit: seal.Commit) -> None:
        publish_commit(root, commit)
        for staged, final, mode in waiting:
            publish.publish(staged, final, mode=mode)
        waiting.clear()

    seal.publish = lambda staged, final, *, mode: waiting.append((staged, final, mode))
    seal.publish_commit = commit_first


def _day_early() -> None:
    """The record of a packed day is published before its files."""
    waiting: list[tuple[Path, Path, int]] = []
    publish_day = pack.publish_day

    def day_first(root: Root, day: int, record: Any) -> None:
        publish_day(root, day, record)
        for staged, final, mode in waiting:
            publish.publish(staged, final, mode=mode)
        waiting.clear()

    pack.publish = lambda staged, final, *, mode: waiting.append((staged, final, mode))
    pack.publish_day = day_first


def _cut_early() -> None:
    """The record of a cut is published before its parts.

    What a kill leaves then, a seal makes again from the capture: only the order shows it.
    """

    def publish_backwards(self: Pending, root: Root, _: object = None) -> dict[str, int]:
        rows = {name: sum(block.count for block in blocks) for name, blocks in self.rows.items()}
        where = self.hour, self.first, self.end
        parts.write_cut(root, *where, rows, self.trades, self.last_ns)
        for name, blocks in sorted(self.rows.items()):
            recording.write_part(root, TABLES[name], parts.to_arrow(TABLES[name], blocks), *where)
        return rows

    Pending.publish = publish_backwards


def _double_rows() -> None:
    """Recovery publishes the rows of parts whose cut has no record a second time."""
    done = recovery._done
    recovery._done = lambda root, _table, hour: done(root, CUTS, hour)


def _forget_tail() -> None:
    """Recovery takes the last missing stretch of an hour for published."""
    missing = recovery._missing

    def all_but_last(ranges: Sequence[Range], first: int, end: int) -> list[Range]:
        return missing(ranges, first, end)[:-1]

    recovery._missing = all_but_last


def _remove_before_switch() -> None:
    """Parts go as soon as the hour is committed: readers are not switched yet."""
    publish_commit = seal.publish_commit

    def commit_and_remove(root: Root, commit: seal.Commit) -> None:
        publish_commit(root, commit)
        for table in (*TABLES, CUTS):
            for part in root.parts(table, commit.hour):
                part.path.unlink()

    seal.publish_commit = commit_and_remove


def _remove_at_switch() -> None:
    """Parts go with the switch: readers that listed them a moment ago have not finished."""
    retire.GRACE_S = 0


PLANTS = {
    "no-folder-sync": Plant(
        "no fsync of a folder", _without_folder_sync, {"order": 1, "power": 200}
    ),
    "no-file-sync": Plant("no fsync of a file", _without_file_sync, {"order": 1, "power": 20}),
    "acknowledge-early": Plant(
        "acknowledged before fsync", _acknowledge_early, {"order": 1, "power": 30}
    ),
    "part-early": Plant(
        "a part before its capture is synced", _part_early, {"order": 1, "power": 60}
    ),
    "commit-early": Plant("a commit before its files", _commit_early, {"order": 1, "power": 200}),
    "day-early": Plant("a packed day's record before its files", _day_early, {"order": 1}),
    "cut-early": Plant("a cut's record before its parts", _cut_early, {"order": 1}),
    "double-rows": Plant("double rows on recovery", _double_rows, {"kill": 60}),
    "forgotten-tail": Plant("recovery forgets the tail", _forget_tail, {"kill": 20}),
    "removed-before-switch": Plant(
        "parts are deleted before the switch", _remove_before_switch, {"order": 1, "readers": 10}
    ),
    "removed-at-switch": Plant(
        "switch at once, parts are deleted", _remove_at_switch, {"readers": 40}
    ),
}
