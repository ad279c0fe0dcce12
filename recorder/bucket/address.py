"""Addresses of published data: ``s3://BUCKET/PREFIX``."""

import os
import re
from dataclasses import dataclass
from os import PathLike

from recorder.errors import UsageError
from recorder.masking import shown_address

_ADDRESS = re.compile(r"s3://(?P<bucket>[^/]*)(?:/(?P<prefix>.*))?", re.DOTALL)
# S3 has 3 to 63 lower-case letters, digits, dots and hyphens; other stores take a little more.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
_PREFIX_MAX = 512  # of the 1,024 bytes that a key may have


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, and the prefix below which the data lies; "" or without slashes at its ends."""

    bucket: str
    prefix: str = ""

    def key(self, path: str) -> str:
        """The key of an object by its path in the data directory."""
        return f"{self.prefix}/{path}" if self.prefix else path

    def path(self, key: str) -> str:
        """The inverse of `key`."""
        return key[len(self.key("")) :]

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def is_address(path: str | PathLike[str]) -> bool:
    """Whether that is an address, and no path of the file system."""
    return os.fspath(path).startswith("s3:/")


def as_written(text: str | PathLike[str]) -> str:
    """An address as a person wrote it: a path that was made of it has lost a slash."""
    return re.sub("^s3:/(?!/)", "s3://", os.fspath(text))


def parse(text: str | PathLike[str]) -> Address:
    """An address from its text. Raises UsageError where it is none."""
    told = as_written(text)
    shown = shown_address(told)[:80]
    found = _ADDRESS.fullmatch(told)
    if found is None or not _BUCKET.fullmatch(found["bucket"]):
        raise UsageError(
            f"{shown!r} is no address of a bucket; write s3://BUCKET/PREFIX, such as "
            "s3://market-data/coinbase"
        )
    prefix = (found["prefix"] or "").strip("/")
    if re.search("[?#]", prefix):
        # Not shown: what stands behind them may be a secret.
        raise UsageError(f'{shown!r} with a "?" or a "#" is no address')
    parts = prefix.split("/") if prefix else []
    if any(part in {"", ".", ".."} or not part.isprintable() for part in parts):
        raise UsageError(f"{shown!r}: the prefix has an empty part, '.', '..' or worse in it")
    if len(prefix.encode()) > _PREFIX_MAX:
        raise UsageError(f"{shown!r}…: the prefix has more than {_PREFIX_MAX} bytes")
    return Address(found["bucket"], prefix)
