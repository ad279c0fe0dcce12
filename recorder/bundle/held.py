"""What a data directory holds, lacks and doubts: sizes, faults, coverage. No market data."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recorder import dataset
from recorder.bundle.shown import Shown
from recorder.core.tables import TABLES
from recorder.errors import RecorderError
from recorder.store.paths import Root
from recorder.verify import quick

ROWS_MAX = 2_000
_DAY_NS = 86_400 * 10**9
# Columns that are words of ours, names of products, times and numbers; and texts, which are sieved.
_FAULTS = ("recv_time", "kind", "product_id", "channel", "connection_id", "ingest_seq", "detail")
_FOLDERS = ("capture", "live", "staging", "commits", "packed", "packing", "quarantine")


@dataclass(frozen=True, slots=True)
class Held:
    """Looks at a data directory, back to so many days ago."""

    data: Path
    days: int
    shown: Shown

    @property
    def _since_ns(self) -> int:
        return time.time_ns() - self.days * _DAY_NS

    def sizes(self) -> dict[str, Any]:
        """Files and bytes below each folder that is known; of others only how many there are."""
        known = {*_FOLDERS, *TABLES}
        found: dict[str, Any] = {}
        other = 0
        for path in self.data.iterdir():
            if path.is_dir() and path.name in known:
                found[path.name] = _size(path)
            else:
                other += path.is_dir()
        return {"folders": dict(sorted(found.items())), "other_folders": other}

    def hours(self) -> list[dict[str, Any]]:
        """The hours: state, rows by table and product, bytes."""
        hours = dataset.open_dataset(self.data).hours(self._since_ns)
        return [
            {
                "hour": f"{each.start:%Y%m%d%H}",
                "state": each.state,
                "bytes": each.bytes,
                "rows": each.rows,
                "products": {self.shown.text(name): rows for name, rows in each.products.items()},
            }
            for each in hours
        ]

    def faults(self) -> list[dict[str, Any]]:
        """The newest faults, oldest first; their frames stay here."""
        rows = (
            dataset.open_dataset(self.data)
            .faults(start=self._since_ns, columns=_FAULTS, allow_gaps=True)
            .to_arrow()
        )
        return [self._row(row) for row in rows.slice(max(0, rows.num_rows - ROWS_MAX)).to_pylist()]

    def coverage(self) -> dict[str, Any]:
        """The condition of each product's days, and the newest gaps, oldest first."""
        opened, start = dataset.open_dataset(self.data), self._since_ns
        gaps = opened.gaps(start=start)
        return {
            "days": [
                {
                    "product_id": self.shown.text(each.product_id),
                    "day": str(each.day),
                    "condition": each.condition,
                    "reasons": each.reasons,
                }
                for each in opened.conditions(start=start)
            ],
            "gaps": len(gaps),
            "newest_gaps": [self.shown.text(str(each)) for each in gaps[-ROWS_MAX:]],
        }

    def whole(self) -> dict[str, Any]:
        """Whether everything is there that is named: a look, not `verify`."""
        found = quick.look(Root(self.data), self.days * 24)
        return {"there": found.there, **asdict(found)}

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        moment = row.pop("recv_time")
        return {"recv_time": moment.isoformat(), **self.shown.value(row)}


def known_products(data: Path) -> list[str]:
    """The products of a data directory, whose names are no secret; none where it cannot be read."""
    try:
        return dataset.open_dataset(data).product_ids()
    except (RecorderError, OSError):
        return []


def _size(folder: Path) -> dict[str, int]:
    files = size = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                files, size = files + 1, size + path.stat().st_size
        except OSError:  # it went while we looked
            continue
    return {"files": files, "bytes": size}
