"""The lists of products, in the shapes of both venues.

Keys, their order and the texts are those of Advanced Trade's answer of 9 August 2026 and of
Exchange's documentation. Beside what the market trades there is what a real list has and a reader
must cope with: aliases, a delisted product with its alias, one that is offline, and a future.
"""

from collections.abc import Iterable
from typing import Any

from recorder.venue.market import Market, Product
from recorder.venue.session import OWN_USDC_BOOKS
from recorder.venue.wire import decimal, percent

DELISTED, OFFLINE, FUTURE = "RNDR-USD", "GYEN-USD", "BIT-24APR26-CDE"
_OTHERS = ((DELISTED, "delisted"), (OFFLINE, "offline"))


def alias_of(product_id: str) -> str | None:
    """The other name of a product's book: its base against USDC."""
    base, _, quote = product_id.rpartition("-")
    return f"{base}-USDC" if quote == "USD" and base not in OWN_USDC_BOOKS else None


def advanced(market: Market) -> list[dict[str, Any]]:
    """All products as Advanced Trade lists them, aliases beside their canonical ones."""
    rows: list[dict[str, Any]] = []
    for product_id, product in market.products.items():
        rows += _with_alias(product_id, _figures(product))
    for product_id, status in _OTHERS:
        figures = {
            "status": status,
            "trading_disabled": True,
            "base_increment": "0.01",
            "quote_increment": "0.0001",
            "price_increment": "0.0001",
        }
        rows += _with_alias(product_id, figures)
    future = _row(FUTURE, "", [])
    future |= {
        "product_type": "FUTURE", "base_currency_id": "", "quote_currency_id": "USD",
        "product_venue": "FCM", "base_increment": "1", "quote_increment": "5",
        "price_increment": "5", "status": "", "display_name": "BTC 24 APR 26",
    }  # fmt: skip
    return [*rows, future]


def _with_alias(product_id: str, figures: dict[str, Any]) -> Iterable[dict[str, Any]]:
    other = alias_of(product_id)
    yield _row(product_id, "", [other] if other else []) | figures
    if other:
        yield _row(other, product_id, []) | figures


def _figures(product: Product) -> dict[str, Any]:
    spec, touch = product.spec, product.touch()
    digits, lots, day = spec.price_digits, spec.size_digits, touch.day
    return {
        "price": decimal(touch.last, digits),
        "price_percentage_change_24h": percent(touch.last, day.open),
        "volume_24h": decimal(day.volume, lots),
        "base_increment": decimal(1, lots),
        "quote_increment": decimal(1, digits),
        "price_increment": decimal(1, digits),
        "base_min_size": decimal(1, lots),
        "approximate_quote_24h_volume": decimal(day.volume * touch.last, digits + lots),
        "high_24h": decimal(day.high, digits),
        "low_24h": decimal(day.low, digits),
    }


def _row(product_id: str, alias: str, alias_to: list[str]) -> dict[str, Any]:
    """A product of Advanced Trade with nothing traded."""
    base, _, quote = product_id.partition("-")
    return {
        "product_id": product_id, "price": "", "price_percentage_change_24h": "", "volume_24h": "",
        "volume_percentage_change_24h": "", "base_increment": "0.00000001",
        "quote_increment": "0.01", "quote_min_size": "1", "quote_max_size": "150000000",
        "base_min_size": "0.00000001", "base_max_size": "3400", "base_name": base,
        "quote_name": quote, "watched": False, "is_disabled": False, "new": False,
        "status": "online", "cancel_only": False, "limit_only": False, "post_only": False,
        "trading_disabled": False, "auction_mode": False, "product_type": "SPOT",
        "quote_currency_id": quote, "base_currency_id": base, "fcm_trading_session_details": None,
        "mid_market_price": "", "alias": alias, "alias_to": alias_to, "base_display_symbol": base,
        "quote_display_symbol": "USD" if quote == "USDC" else quote, "view_only": False,
        "price_increment": "0.01", "display_name": product_id, "product_venue": "CBE",
        "approximate_quote_24h_volume": "", "new_at": "2023-01-01T00:00:00Z", "market_cap": "",
        "base_cbrn": "", "quote_cbrn": "", "product_cbrn": "", "icon_color": "", "icon_url": "",
        "display_name_overwrite": "", "is_alpha_testing": False, "about_description": "",
        "best_bid_price": "", "best_ask_price": "", "high_24h": "", "low_24h": "",
    }  # fmt: skip


def exchange(market: Market) -> list[dict[str, Any]]:
    """All products as Exchange lists them: no aliases, no futures."""
    rows = [
        _exchange_row(
            product_id,
            "online",
            decimal(1, product.spec.size_digits),
            decimal(1, product.spec.price_digits),
        )
        for product_id, product in market.products.items()
    ]
    return rows + [_exchange_row(name, status, "0.01", "0.0001") for name, status in _OTHERS]


def exchange_stats(market: Market) -> dict[str, Any]:
    """The figures of the day of all products, by their ids."""
    made = {}
    for product_id, product in market.products.items():
        spec, touch = product.spec, product.touch()
        day = touch.day
        made[product_id] = {
            "stats_30day": {
                "volume": decimal(day.volume * 30, spec.size_digits),
                "rfq_volume": "0",
            },
            "stats_24hour": {
                "open": decimal(day.open, spec.price_digits),
                "high": decimal(day.high, spec.price_digits),
                "low": decimal(day.low, spec.price_digits),
                "last": decimal(touch.last, spec.price_digits),
                "volume": decimal(day.volume, spec.size_digits),
                "rfq_volume": "0",
            },
        }
    return made


def _exchange_row(product_id: str, status: str, base_step: str, price_step: str) -> dict[str, Any]:
    base, _, quote = product_id.partition("-")
    return {
        "id": product_id, "base_currency": base, "quote_currency": quote,
        "quote_increment": price_step, "base_increment": base_step,
        "display_name": f"{base}/{quote}", "min_market_funds": "1", "margin_enabled": False,
        "post_only": False, "limit_only": False, "cancel_only": False, "status": status,
        "status_message": "", "trading_disabled": status != "online", "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000", "auction_mode": False,
        "high_bid_limit_percentage": "",
    }  # fmt: skip
