"""Digests of books and trades, by which what was exported is held against what was recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

_ODD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_MASK = 2**64 - 1


def digest_of(bids: Mapping[float, float], asks: Mapping[float, float]) -> bytes:
    """A digest of a book: of every price and size of both sides, as float64."""
    hashed = blake2b(digest_size=16)
    for levels in (bids, asks):
        found = np.array(sorted(levels.items()), np.float64)
        hashed.update(len(levels).to_bytes(8, "little"))
        hashed.update(found.tobytes())
    return hashed.digest()


@dataclass(slots=True)
class Sum:
    """Rows without an order: how many, and a digest that is the same in whatever order they come.

    >>> one, other = Sum(), Sum()
    >>> one.add(np.array([1, 2]), np.array([0.5, 0.25]))
    >>> other.add(np.array([2]), np.array([0.25]))
    >>> one == other
    False
    >>> other.add(np.array([1]), np.array([0.5]))
    >>> one == other
    True
    """

    rows: int = 0
    digest: int = 0

    def add(self, *columns: npt.NDArray[np.generic]) -> None:
        """Take rows, given as columns of int64 or float64 of one length."""
        mixed = np.zeros(len(columns[0]), np.uint64)
        for column in columns:
            mixed = (mixed ^ np.ascontiguousarray(column).view(np.uint64)) * _ODD
            mixed ^= mixed >> _HALF
        self.rows += len(mixed)
        self.digest = (self.digest + int(mixed.sum(dtype=np.uint64))) & _MASK
