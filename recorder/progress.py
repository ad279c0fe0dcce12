"""What a recording tells of itself: while it runs, and at its end."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Progress:
    """The recorder at one moment; counts are since the start.

    ``gaps`` are those of coverage, for each channel of each product, ended or going on;
    ``sequence_gaps`` are the holes in the numbering that were found.
    """

    products: int
    frames: int
    changes: int
    gaps: int
    sequence_gaps: int
    capture_bytes: int
    connections_up: int
    connections: int
    books_live: int
    next_seal_s: float
    elapsed_s: float


@dataclass(slots=True)
class Summary:
    """What a run recorded. ``sealed`` names hours (``2026112119``).

    ``gaps`` and ``sequence_gaps`` are those of `Progress`.
    """

    data: Path
    frames: int = 0
    gaps: int = 0
    sequence_gaps: int = 0
    faults: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    sealed: list[str] = field(default_factory=list)
