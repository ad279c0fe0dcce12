"""What a recording tells of itself: while it runs, and at its end."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Progress:
    """The recorder at one moment; counts are since the start."""

    products: int
    frames: int
    changes: int
    gaps: int
    capture_bytes: int
    connections_up: int
    connections: int
    books_live: int
    next_seal_s: float
    elapsed_s: float


@dataclass(slots=True)
class Summary:
    """What a run recorded. ``sealed`` names hours (``2026112119``)."""

    data: Path
    frames: int = 0
    gaps: int = 0
    faults: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    sealed: list[str] = field(default_factory=list)
