"""One run of publishing: each hour's files, then its record, then the switch of the readers.

Whoever reads the bucket sees an hour as a whole or not at all, whenever this is killed: a file that
no record names is seen by nobody, and the next run finds it and goes on behind it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from recorder.bucket.objects import JSON, Bucket
from recorder.bucket.sending import Content, DamagedError, send
from recorder.errors import DataError, StorageError
from recorder.publishing.plan import Left, Plan, Task
from recorder.publishing.records import File, Key, again
from recorder.publishing.there import There, day_path, hour_path
from recorder.store.paths import Root

WENT = "its files went while it was published (pruned or packed); the next run looks again"


@dataclass(frozen=True, slots=True)
class Done:
    """An hour or a day that was published: ``how`` as in the plan, and what of it was sent."""

    what: str
    how: str
    rows: int
    files: int
    bytes: int


class Course:
    """Carries out a plan. ``progress`` is told (bytes done, bytes in all)."""

    def __init__(
        self,
        root: Root,
        there: There,
        *,
        jobs: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._root = root
        self._there = there
        self._bucket: Bucket = there.bucket
        self._pool = ThreadPoolExecutor(jobs, "publish")
        self._progress = progress
        self._reached = 0
        self._of = 0

    def run(self, plan: Plan, done: list[Done], left: list[Left]) -> None:
        """Do all of it, in order; what was done and left is told as it happens."""
        self._of = sum(task.bytes for task in plan.tasks)
        failed: set[int] = set()
        try:
            for task in plan.tasks:
                if task.day in failed and not task.files:
                    continue  # it may build on what is not there; the next run does it
                try:
                    done.append(self._publish(task))
                except DamagedError as error:
                    failed.add(task.day)
                    left.append(Left(task.name, str(error)))
                except FileNotFoundError:
                    failed.add(task.day)
                    left.append(Left(task.name, WENT, wrong=False))
                except OSError as error:
                    raise StorageError(
                        f"{error.filename or self._root.path}: cannot be read ({error.strerror}). "
                        "`recorder verify` tells what else is damaged."
                    ) from error
                self._reached += task.bytes
                self._tell(self._reached)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _tell(self, reached: int) -> None:
        if self._progress is not None:
            self._progress(reached, max(self._of, 1))

    def _publish(self, task: Task) -> Done:
        paths, sent, size = dict(task.kept), 0, 0
        at = self._reached
        for file, (path, new) in zip(
            task.files, self._pool.map(self._send, task.files), strict=True
        ):
            paths[file.key] = path
            sent, size = sent + new, size + new * file.bytes
            at += file.bytes
            self._tell(at)
        self._publish_record(task, paths)
        if task.hour is not None:
            self._there.switch_to(task.hour + 1)
        return Done(task.name, task.how, task.record.rows, sent, size)

    def _send(self, file: File) -> tuple[str, bool]:
        """Send a file; gives its name there, and whether it was not there before.

        Where another one lies under its name, that stays for who reads it.
        """
        content = Content(self._root.path / file.path, file.bytes, file.sha256)
        for path in (file.path, again(file.path, file.sha256)):
            new = send(self._bucket, path, content)
            if new is not None:
                return path, new
        raise DamagedError(content.source, "two other objects lie where it belongs in the bucket")

    def _publish_record(self, task: Task, paths: dict[Key, str]) -> None:
        """Put the record in its place: where none is, or instead of the one that was seen."""
        named = {file.key: file.path for file in task.record.files}
        record = task.record.placed({**named, **paths})
        path = day_path(task.day) if task.hour is None else hour_path(task.hour)
        if task.entry is None:
            written = self._bucket.put_absent(path, record.body, JSON)
        else:
            written = self._bucket.put_instead(path, record.body, JSON, task.entry.etag)
        if written:
            return
        # A write whose answer was lost is made again, and then meets itself.
        found = self._bucket.get(path)
        if found is not None and found.body == record.body:
            return
        raise DataError(
            f"{self._bucket.address}/{path}: somebody else wrote it just now. Let only one "
            "process publish there, and do the same again."
        )
