"""Maps and descriptions to draw."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from recorder.dataset import (
    CoverageMap,
    DayCondition,
    Distribution,
    HourCoverage,
    ProductCoverage,
    Share,
)

NOON = datetime(2026, 11, 21, tzinfo=UTC)
SHARES = (
    Share(3600),
    Share(0, 3600),
    Share(3590, 0, 10, gaps=1),
    Share(3000, 0, 600, gaps=1),
    Share(60, 0, 3540, gaps=1),
    Share(0, 0, 0, 3600),
    Share(ahead_s=3600),
    Share(900, 0, 0, 2700),
)
PNG = b"\x89PNG\r\n\x1a\n"


def coverage(products: int = 2, days: int = 3) -> CoverageMap:
    """Every state in every day."""
    made = []
    for number in range(products):
        name = f"P{number}-USD"
        hours = tuple(
            HourCoverage(NOON + timedelta(hours=at), share.state, share, {"level2": share})
            for at, share in ((at, SHARES[(at + number) % len(SHARES)]) for at in range(24 * days))
        )
        words = ("available", "degraded", "missing", "pending")
        conditions = tuple(
            DayCondition(
                name, (NOON + timedelta(days=day)).date(), words[day % 4], SHARES[3], {}, {}
            )
            for day in range(days)
        )
        made.append(ProductCoverage(name, hours, conditions))
    beats = tuple(
        HourCoverage(NOON + timedelta(hours=at), "recorded", SHARES[0], {"heartbeats": SHARES[0]})
        for at in range(24)
    )
    made.append(ProductCoverage(None, beats, ()))
    return CoverageMap(NOON, NOON + timedelta(days=days), tuple(made))


def distribution(*values: float) -> Distribution:
    """One of a few amounts."""
    some = sorted(values)
    return Distribution(
        "ms", len(some), sum(some) / len(some), some[0], some[0], some[len(some) // 2], some[-1],
        some[-1], some[-1], some[-1], tuple((each, each, 1.0) for each in some),
    )  # fmt: skip


def is_picture(path: Path, kind: str) -> bool:
    """Whether a file is a whole picture of its kind."""
    drawn = path.read_bytes()
    if kind == "png":
        return drawn.startswith(PNG) and drawn.rstrip().endswith(b"IEND\xaeB`\x82")
    return drawn.startswith(b"<?xml") and drawn.rstrip().endswith(b"</svg>")
