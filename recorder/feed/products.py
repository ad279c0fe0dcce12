"""Products as the venue lists them, of both venues as one record.

Advanced Trade lists them under ``GET /api/v3/brokerage/market/products``, Exchange under
``GET /products`` (`coinbase.md` §1.13.1, §2.7.1). Increments stay texts, as they were sent: their
digits are what the precision of an export is taken from.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recorder.core.numbers import number

Venue = Literal["advanced", "exchange"]

# Longer and stranger names are not trusted with anything: they become folders and file names.
PRODUCT_ID = re.compile(r"[A-Z0-9]{1,20}(?:-[A-Z0-9]{1,20}){1,3}")
_TEXT_CHARACTERS_MAX = 80


@dataclass(frozen=True, slots=True)
class Product:
    """What the venue says of one product.

    ``alias`` is the canonical id where this one is another name for it (``BTC-USDC`` is a name of
    the ``BTC-USD`` book), else None; ``aliases`` are the other names of a canonical one. Increments
    are decimal texts in quote (``price``, ``quote``) or base currency, None where the venue gives
    none that is one. ``volume_24h`` is in base currency, None where nothing was traded or said.
    ``base`` may be empty for a future.
    """

    product_id: str
    base: str
    quote: str
    price_increment: str | None
    base_increment: str | None
    quote_increment: str | None
    status: str
    trading_disabled: bool
    cancel_only: bool
    post_only: bool
    limit_only: bool
    auction_mode: bool
    view_only: bool
    alias: str | None
    aliases: tuple[str, ...]
    volume_24h: float | None
    product_type: str
    quote_volume_24h: float | None = None  # the same in quote currency, about; for an order only

    @property
    def canonical_id(self) -> str:
        """The id that frames of this product come under."""
        return self.alias or self.product_id

    @property
    def tradable(self) -> bool:
        """Whether the venue lists it as online and not disabled: whether data is to be expected."""
        return self.status == "online" and not self.trading_disabled


def advanced_product(row: Mapping[str, Any]) -> Product:
    """Read one product of Advanced Trade. Raises ValueError saying what is wrong with it."""
    alias = row.get("alias") or None
    return Product(
        product_id=_product_id(row.get("product_id")),
        base=_text(row.get("base_currency_id")),
        quote=_text(row.get("quote_currency_id")),
        # Older answers have only the quote increment, which is the same for spot.
        price_increment=_increment(row.get("price_increment") or row.get("quote_increment")),
        base_increment=_increment(row.get("base_increment")),
        quote_increment=_increment(row.get("quote_increment")),
        status=_text(row.get("status")) or "online",  # futures come with an empty one
        trading_disabled=_flag(row, "trading_disabled") or _flag(row, "is_disabled"),
        cancel_only=_flag(row, "cancel_only"),
        post_only=_flag(row, "post_only"),
        limit_only=_flag(row, "limit_only"),
        auction_mode=_flag(row, "auction_mode"),
        view_only=_flag(row, "view_only"),
        alias=None if alias is None else _product_id(alias),
        aliases=_product_ids(row.get("alias_to")),
        volume_24h=_amount(row.get("volume_24h")),
        product_type=_text(row.get("product_type")) or "SPOT",
        quote_volume_24h=_amount(row.get("approximate_quote_24h_volume")),
    )


def exchange_product(row: Mapping[str, Any]) -> Product:
    """Read one product of Exchange, which knows spot only, no aliases, and no volumes here."""
    return Product(
        product_id=_product_id(row.get("id")),
        base=_text(row.get("base_currency")),
        quote=_text(row.get("quote_currency")),
        price_increment=_increment(row.get("quote_increment")),
        base_increment=_increment(row.get("base_increment")),
        quote_increment=_increment(row.get("quote_increment")),
        status=_text(row.get("status")) or "online",
        trading_disabled=_flag(row, "trading_disabled"),
        cancel_only=_flag(row, "cancel_only"),
        post_only=_flag(row, "post_only"),
        limit_only=_flag(row, "limit_only"),
        auction_mode=_flag(row, "auction_mode"),
        view_only=False,
        alias=None,
        aliases=(),
        volume_24h=None,
        product_type="SPOT",
    )


def read_products(rows: Iterable[object], venue: Venue) -> tuple[list[Product], list[str]]:
    """Read a list of products; returns those that can be read, and a sentence for each other.

    An id that comes twice is kept once, as it came first.
    """
    read: Callable[[Mapping[str, Any]], Product]
    read = advanced_product if venue == "advanced" else exchange_product
    found: dict[str, Product] = {}
    problems = []
    for number_, row in enumerate(rows):
        try:
            product = read(_object(row))
        except ValueError as wrong:
            problems.append(f"product {number_} of the list {wrong}")
            continue
        if product.product_id in found:
            problems.append(f"product {product.product_id} is in the list twice")
        found.setdefault(product.product_id, product)
    return list(found.values()), problems


def _object(row: object) -> Mapping[str, Any]:
    if isinstance(row, dict):
        return row
    raise ValueError("is not an object")


def _product_id(value: object) -> str:
    if not isinstance(value, str) or PRODUCT_ID.fullmatch(value) is None:
        raise ValueError(f"has an id that cannot be one: {str(value)[:_TEXT_CHARACTERS_MAX]!r}")
    return value


def _product_ids(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(_product_id(each) for each in value)
    raise ValueError(f"has aliases that are no list: {str(value)[:_TEXT_CHARACTERS_MAX]!r}")


def _text(value: object) -> str:
    return value[:_TEXT_CHARACTERS_MAX] if isinstance(value, str) else ""


def _flag(row: Mapping[str, Any], name: str) -> bool:
    return row.get(name) is True


def _increment(value: object) -> str | None:
    """A positive decimal text. The documented examples have spaces in it (`coinbase.md` §2.4.2)."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    amount = _amount(text)
    return text if amount else None


def _amount(value: object) -> float | None:
    """A decimal text of 0 or more; None for the empty text, a number in the wrong grammar, none."""
    if not isinstance(value, str):
        return None
    try:
        amount = number(value.strip())
    except ValueError:
        return None
    return amount if amount >= 0 else None
