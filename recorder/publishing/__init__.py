"""Publishing sealed hours to a bucket: `recorder publish`.

The bucket gets the layout of the data directory: files of an hour, then its commit record, then
`current.json`. Nothing in it is overwritten but records, each only in the place of the one that was
read before; a file that was made again gets another name. So readers need no lock there either.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder.bucket import open_bucket
from recorder.bucket.address import parse
from recorder.errors import NoInputError, UnavailableError
from recorder.publishing.course import Course, Done
from recorder.publishing.plan import NEW, PACKED, REPLACED, Left, Plan, Planner
from recorder.publishing.superseded import superseded
from recorder.publishing.there import There, name_publisher, publisher_of
from recorder.store.lock import PublishLock
from recorder.store.paths import Root
from recorder.store.seal import sealed_before

__all__ = ["NEW", "PACKED", "REPLACED", "Done", "Left", "Options", "PublishReport", "publish"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How it is published.

    ``private``: the account's own orders, too. ``adopt``: go on with what another directory has
    published there. ``check``: look whether all objects are there, and send what is missing.
    ``remove_superseded``: remove objects that no record has named for over an hour. ``jobs``:
    files at once. Hours in [first, last) only, where these are named.
    """

    endpoint: str | None = None
    allow_http: bool = False
    private: bool = False
    adopt: bool = False
    check: bool = False
    remove_superseded: bool = False
    dry_run: bool = False
    jobs: int = 8
    first: int | None = None
    last: int | None = None


@dataclass(slots=True)
class PublishReport:
    """What was published (or would be), and what was left alone.

    ``there``: hours that were published before. ``conditional``: the store itself refuses to
    overwrite; otherwise it was asked before each write. None where nothing was written.
    """

    path: str
    to: str
    endpoint: str
    dry_run: bool
    whole: bool = True
    conditional: bool | None = None
    there: int = 0
    published: list[Done] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def publish(
    path: Path,
    to: str,
    options: Options | None = None,
    progress: Progress | None = None,
) -> PublishReport:
    """Publish what a bucket lacks of the hours that readers take from sealed files.

    Whoever records need not stop. ``progress`` is told (bytes done, bytes in all).

    Raises:
        NoInputError: it is no data directory, or there is no such bucket.
        LockedError: another process publishes it.
        UsageError: the address is none, or another directory is published there.
        PermissionRefusedError, ConfigError: the key is refused, or there is none.
        UnavailableError: the store fails or cannot be reached.
    """
    how = options or Options()
    if not path.is_dir():
        raise NoInputError(f"{path}: no such directory. Name one that was recorded into.")
    root, address = Root(path), parse(to)
    bucket = open_bucket(
        address, endpoint=how.endpoint, allow_http=how.allow_http, connections=how.jobs
    )
    report = PublishReport(str(path), str(address), bucket.endpoint, how.dry_run)
    with ExitStack() as held:
        if not how.dry_run:
            held.enter_context(PublishLock(root))
        there = There(bucket)
        there.check_mark(publisher_of(root), adopt=how.adopt)
        if not how.dry_run:
            there.put_mark(name_publisher(root))
            report.conditional = bucket.conditions.whole
        plan = _plan(root, there, how)
        report.there, report.left = plan.there, plan.left
        if how.dry_run:
            report.published = [
                Done(task.name, task.how, task.record.rows, len(task.files), task.bytes)
                for task in plan.tasks
            ]
        else:
            _carry_out(root, there, plan, report, how, progress)
        if how.remove_superseded:
            report.removed = superseded(There(bucket), dry_run=how.dry_run)
    report.whole = not any(each.wrong for each in report.left)
    return report


def _plan(root: Root, there: There, how: Options) -> Plan:
    switched = sealed_before(root) or 0
    hours = [
        hour
        for hour in root.committed_hours()
        if hour < switched
        and (how.first is None or hour >= how.first)
        and (how.last is None or hour < how.last)
    ]
    objects: Any = None
    if how.check:
        objects = {each.path: each for each in there.bucket.entries("")}
    return Planner(root, there, private=how.private, objects=objects).plan(hours)


def _carry_out(
    root: Root,
    there: There,
    plan: Plan,
    report: PublishReport,
    how: Options,
    progress: Progress | None,
) -> None:
    course = Course(root, there, jobs=how.jobs, progress=progress)
    try:
        course.run(plan, report.published, report.left)
        done = {task.hour for task in plan.tasks if task.hour is not None}
        newest = max(set(there.hours) - done, default=None)
        if newest is not None:
            there.switch_to(newest + 1)  # whoever published it last may have been killed before
        if root.products.is_file():
            there.keep_products(root.products.read_bytes())
    except UnavailableError as error:
        done_so_far = len(report.published)
        raise UnavailableError(
            f"{error} Published before that: {done_so_far} of {len(plan.tasks)} hours and days."
        ) from error
