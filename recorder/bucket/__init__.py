"""Object stores that speak S3: how published data is written and read there.

`open_bucket` gives a `Bucket`: objects below one prefix, by paths as a data directory has them. The
library that speaks to the store comes with the extra ``s3`` and is imported only here.
"""

from typing import TYPE_CHECKING

from recorder.bucket.address import Address, is_address
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.bucket.objects import Bucket

__all__ = ["Address", "is_address", "open_bucket"]


def open_bucket(
    address: Address,
    *,
    endpoint: str | None = None,
    allow_http: bool = False,
    connections: int = 8,
) -> "Bucket":
    """A bucket by its address; nothing is asked of it yet.

    ``endpoint`` is the address of a store that is not Amazon's, in place of the environment's
    (``AWS_ENDPOINT_URL_S3``) or the profile's. Plain http is refused but on this machine, unless
    ``allow_http``. Keys come from the environment, a profile or the instance, and from nowhere
    else.

    Raises UsageError where that cannot be, ConfigError where a profile is not there.
    """
    try:
        from recorder.bucket.connecting import connect  # noqa: PLC0415  not everybody has it
    except ImportError as error:
        raise UsageError(
            f"{address}: the library for S3 is not installed here ({error.name}). Install "
            "the extra: pip install 'recorder[s3]'."
        ) from error
    return connect(address, endpoint, allow_http=allow_http, connections=connections)
