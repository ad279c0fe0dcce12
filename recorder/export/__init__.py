"""Recorded data in the formats of others, for backtests.

Tardis' CSV files, hftbacktest's arrays, NautilusTrader's catalog: docs/backtests.md.

What is written is read back and compared with what was recorded: the book at every checkpoint,
which is every snapshot, the begin of every hour, a moment of every minute, and both ends of a gap;
and all trades.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from recorder.dataset import Dataset, Gap, open_dataset
from recorder.dataset.published import open_files
from recorder.errors import UsageError
from recorder.export import hftbacktest, nautilus, tardis
from recorder.export.check import Checked, Expected, check_books, check_trades
from recorder.export.course import Checkpoint, Course
from recorder.export.digests import Sum
from recorder.export.increments import Increments, increments_of, step_of
from recorder.export.place import placed
from recorder.export.scope import Scope, scope_of, trades_in
from recorder.export.writing import Writer
from recorder.times import Time, bounds, to_text

__all__ = ["FORMATS", "NAME", "Exported", "File", "Product", "export"]

FORMATS = ("tardis", "hftbacktest", "nautilus")
NAME = "export.json"
"""The file in which an export describes itself."""
_ITEMS_A_REPORT = 4_096
_PIECE = 1 << 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class File:
    """A file that was written, by its path in the export."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Product:
    """What was exported of a product, and what came of the comparison.

    ``checkpoints`` are moments at which the book built from the files was compared with ours;
    ``first_difference`` says where it was another. Steps are texts, None where no rules are
    recorded. ``notes`` are facts of the format (docs/backtests.md).
    """

    product_id: str
    start: str
    end: str
    price_increment: str | None
    size_increment: str | None
    book_rows: int
    snapshots: int
    losses: int
    trades: int
    late_trades: int
    gaps: list[str]
    checkpoints: int
    checkpoints_differing: int
    trades_same: bool
    first_difference: str | None
    same: bool
    notes: dict[str, Any]
    files: list[File]


@dataclass(slots=True)
class Exported:
    """An export; ``same`` says that the books and trades read back from it are ours."""

    format: str
    source: str
    out: str
    same: bool = True
    products: list[Product] = field(default_factory=list)


def export(
    path: str | PathLike[str],
    kind: str,
    products: Sequence[str],
    out: str | PathLike[str],
    *,
    start: Time | None = None,
    end: Time | None = None,
    allow_gaps: bool = False,
    price_increment: str | None = None,
    size_increment: str | None = None,
    progress: Progress | None = None,
    endpoint: str | None = None,
    allow_http: bool = False,
) -> Exported:
    """Write [start, end) of products in a format of `FORMATS` into the new directory ``out``.

    It is there when all of it is, and not before. Without a start a range begins with the first
    thing recorded of a product, without an end it goes to the newest. The increments replace those
    of the recorded rules. ``progress`` is called with (done, total) seconds of recorded time.
    ``path`` may be the address of published data; ``endpoint`` and ``allow_http`` are as of
    `recorder.open`.

    Raises:
        UsageError: no such format, no product, times or steps that are none; what `placed` raises.
        NoInputError: no such data directory, or nothing of a product in it.
        IncompleteData: a range has gaps that are not allowed.
        LockedError, StorageError: what `placed` raises.
    """
    if kind not in FORMATS:
        raise UsageError(f"{kind!r} is no format. The formats are {', '.join(FORMATS)}.")
    chosen = list(dict.fromkeys([products] if isinstance(products, str) else products))
    out = Path(out)
    if not chosen:
        raise UsageError("No product to export. Name at least one with --product.")
    steps = Increments(
        None if price_increment is None else step_of(price_increment, "--price-increment"),
        None if size_increment is None else step_of(size_increment, "--size-increment"),
    )
    span = bounds(start, end)
    files = open_files(path, endpoint, allow_http=allow_http)
    db = open_dataset(path, endpoint=endpoint, allow_http=allow_http)
    scopes = [scope_of(files, each, *span, allow_gaps=allow_gaps) for each in chosen]
    report = _Progress(progress, scopes)
    made = Exported(kind, str(files.path), str(out))
    with placed(out, files.path if isinstance(files.path, Path) else None) as folder:
        for scope in scopes:
            made.products.append(_export_one(db, kind, scope, steps, folder, report))
        made.same = all(each.same for each in made.products)
        content = json.dumps(asdict(made), indent=1)
        (folder / NAME).write_text(f"{content}\n", encoding="utf-8")
    return made


class _Progress:
    """How much of the recorded time is done; writing and reading back count alike."""

    def __init__(self, tell: Progress | None, scopes: Iterable[Scope]) -> None:
        self._tell = tell
        self._total = 2 * sum(each.end_ns - each.start_ns for each in scopes)
        self._before = 0

    def at(self, done_ns: int) -> None:
        if self._tell is not None:
            done = self._before + done_ns
            self._tell(done // 1_000_000_000, self._total // 1_000_000_000 + 1)

    def done(self, span_ns: int) -> None:
        self._before += span_ns
        self.at(0)


def _export_one(
    db: Dataset, kind: str, scope: Scope, steps: Increments, folder: Path, report: _Progress
) -> Product:
    known = increments_of(db, scope.product_id, scope.start_ns, scope.end_ns)
    steps = Increments(steps.price or known.price, steps.size or known.size)
    writer = _writer(kind, folder, scope.product_id, steps)
    ours = Sum()
    late = trades_in(db, scope, ours, writer.trade_columns)
    course = Course(db, scope.product_id, scope.start_ns, scope.end_ns, late)
    expected: list[Expected] = []
    for count, item in enumerate(course):
        if isinstance(item, Checkpoint):
            expected.append(Expected(writer.rows, item.at_ns, item.digest))
        writer.take(item)
        if not count % _ITEMS_A_REPORT:
            report.at(course.counts.now_ns - scope.start_ns)
    files = writer.finish()
    span_ns = scope.end_ns - scope.start_ns
    report.done(span_ns)
    found = Checked()
    check_books(writer.levels(), expected, found, lambda at_ns: report.at(at_ns - scope.start_ns))
    check_trades(writer.trades(), ours, found)
    report.done(span_ns)
    counts = course.counts
    return Product(
        product_id=scope.product_id,
        start=to_text(scope.start_ns),
        end=to_text(scope.end_ns),
        price_increment=steps.price,
        size_increment=steps.size,
        book_rows=writer.rows,
        snapshots=counts.snapshots,
        losses=counts.losses,
        trades=counts.trades,
        late_trades=counts.late_trades,
        gaps=[_gap_text(gap) for gap in scope.gaps],
        checkpoints=found.checkpoints,
        checkpoints_differing=found.differing,
        trades_same=found.trades_same,
        first_difference=found.first_difference,
        same=found.same,
        notes=writer.notes,
        files=[_described(each, folder) for each in files],
    )


def _writer(kind: str, folder: Path, product_id: str, steps: Increments) -> Writer:
    match kind:
        case "tardis":
            return tardis.Writer(folder, product_id)
        case "hftbacktest":
            return hftbacktest.Writer(folder, product_id)
    return nautilus.Writer(folder, product_id, steps)


def _gap_text(gap: Gap) -> str:
    return " ".join(str(gap).split())


def _described(path: Path, folder: Path) -> File:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
    name = path.relative_to(folder).as_posix()
    return File(name, path.stat().st_size, hashed.hexdigest())
