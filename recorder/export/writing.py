"""What the formats have in common: a writer of one product, whose files can be read back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from recorder.core.numbers import plain
from recorder.export.check import Levels
from recorder.export.course import Item

TRADE_COLUMNS: tuple[str, ...] = ("trade_id", "time_us", "side", "price", "size")
"""What trades are compared by; ``side`` is 1 where the taker bought, -1 sold, 0 unknown."""

Columns = tuple[npt.NDArray[np.generic], ...]


class Writer(Protocol):
    """Writes one product in one format.

    ``rows`` is how many rows of the book were written so far, as `levels` gives them again;
    ``trade_columns`` are those of `TRADE_COLUMNS` that the format keeps, in that order. Counts and
    facts that whoever uses the files should know are ``notes``.
    """

    rows: int
    trade_columns: tuple[str, ...]
    notes: dict[str, Any]

    def take(self, item: Item) -> None:
        """Write one item of the course."""

    def finish(self) -> list[Path]:
        """Complete the files, and give them in the order of time."""

    def levels(self) -> Iterator[Levels]:
        """The rows of the book, read from the files as whoever uses them reads them."""

    def trades(self) -> Iterator[Columns]:
        """The trades in the files, as ``trade_columns``."""


def file_part(product_id: str) -> str:
    """A product's name as a part of a file's name; Coinbase's names stay as they are."""
    return quote(product_id, safe="")


def written(value: float, text: str | None = None) -> str:
    """A number in plain digits; quicker than `plain` where nothing is special."""
    if text is None:
        found = repr(value)
        if found.endswith(".0"):
            return found[:-2]
        if "e" not in found:
            return found
    return plain(value, text)
