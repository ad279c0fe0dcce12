"""Market-data recorder and order-book daemon for Coinbase."""

from os import PathLike
from typing import TYPE_CHECKING

from recorder.errors import IncompleteData

__all__ = ["IncompleteData", "__version__", "open"]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from recorder.dataset import Dataset


def open(  # noqa: A001  what a reader types
    path: str | PathLike[str], *, endpoint: str | None = None, allow_http: bool = False
) -> "Dataset":
    """Open a data directory for reading: `recorder.dataset.Dataset` has what can be asked.

    >>> db = recorder.open("data")
    >>> db.product_ids()
    ['BTC-USD']

    What `recorder publish` put into a bucket opens by its address, ``s3://BUCKET/PREFIX``:
    ``endpoint`` is that of a store that is not Amazon's, in place of the environment's, and
    ``allow_http`` lets it be plain http elsewhere than on this machine.

    Raises `recorder.errors.NoInputError` where there is none.
    """
    from recorder.dataset import Dataset  # noqa: PLC0415  pyarrow is slow to import

    return Dataset(path, endpoint=endpoint, allow_http=allow_http)
