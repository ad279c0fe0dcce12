"""Market-data recorder and order-book daemon for Coinbase."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from recorder.dataset import Dataset


def open(path: str) -> "Dataset":  # noqa: A001  `recorder.open(root)` is what a reader types
    """Open a data directory for reading.

    Raises `recorder.errors.NoInputError` where there is none.
    """
    from recorder.dataset import Dataset  # noqa: PLC0415  pyarrow is slow to import

    return Dataset(path)
