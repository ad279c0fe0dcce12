"""The venue's list of products as it was last known, so that a start needs no answer of the venue.

``products.json`` in the data directory: what a selection needs of each product, and when it was
asked for.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from recorder.errors import DataError
from recorder.store.paths import Root
from recorder.store.publish import publish_json

VERSION = 1


class KeptProduct(msgspec.Struct, frozen=True):
    """One product; ``volume`` is that of 24 hours in quote currency, None where not known."""

    product_id: str
    status: str
    alias: str = ""
    trading_disabled: bool = False
    volume: float | None = None


class _Kept(msgspec.Struct, frozen=True):
    version: int
    venue: str
    fetched: datetime
    products: list[KeptProduct]


@dataclass(frozen=True, slots=True)
class KeptProducts:
    """A list as it was kept. ``fetched`` is when the venue gave it, in UTC."""

    venue: str
    fetched: datetime
    products: list[KeptProduct]


def keep_products(root: Root, venue: str, fetched_ns: int, products: list[KeptProduct]) -> None:
    """Keep a list (blocking); the one before is replaced.

    Raises:
        OSError: the disk refused.
    """
    kept = _Kept(VERSION, venue, datetime.fromtimestamp(fetched_ns // 10**9, UTC), products)
    publish_json(root.staging, root.products, json.loads(msgspec.json.encode(kept)))


def kept_products(root: Root, venue: str) -> KeptProducts | None:
    """The list that was kept last; None where there is none of this venue.

    Raises:
        DataError: there is one, and it cannot be read.
    """
    try:
        kept = msgspec.json.decode(root.products.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise DataError(
            f"{root.products} cannot be read ({error}). It only saves asking the venue at a start: "
            "start the recorder, which puts it aside, or remove it"
        ) from None
    if kept.version > VERSION or kept.venue != venue:
        return None
    return KeptProducts(kept.venue, kept.fetched, kept.products)
