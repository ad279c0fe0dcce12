"""Market-data recorder and order-book daemon for Coinbase."""

from os import PathLike
from typing import TYPE_CHECKING

from recorder.errors import IncompleteData

__all__ = ["IncompleteData", "__version__", "open"]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from recorder.dataset import Dataset


def open(path: str | PathLike[str]) -> "Dataset":  # noqa: A001  what a reader types
    """Open a data directory for reading: `recorder.dataset.Dataset` has what can be asked.

    >>> db = recorder.open("data")
    >>> db.product_ids()
    ['BTC-USD']

    Raises `recorder.errors.NoInputError` where there is none.
    """
    from recorder.dataset import Dataset  # noqa: PLC0415  pyarrow is slow to import

    return Dataset(path)
