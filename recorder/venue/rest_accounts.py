"""What needs a key: the account, its orders, and what the key may do. Nothing is ever traded.

An order is answered as if it had been taken, and forgotten. Sources: `coinbase.md` §1.13.2,
§1.13.3, §2.7.4, §2.8.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from recorder.venue.orders import OPEN, Order
from recorder.venue.rest_keys import KnownKey
from recorder.venue.rest_market import RefusedError, advanced_refusal
from recorder.venue.wire import decimal, instant

ADVANCED = "/api/v3/brokerage"
_FREE = ("/products", "/time", "/currencies")
_ACCOUNTS = ("USD", "BTC", "ETH", "SOL", "USDC")
_PAGE_MAX = 250
_ORDERS_MAX = 1000
_ACCOUNT_SPACE = uuid.UUID("5c7a3c52-6d0b-4c1c-9c52-0d5a3a1c8f10")


def needs_key(path: str) -> bool:
    """Whether a path is not market data that everybody may read."""
    if path.startswith(ADVANCED):
        rest = path.removeprefix(ADVANCED)
        return rest != "/time" and not rest.startswith("/market/")
    return not any(path == free or path.startswith(f"{free}/") for free in _FREE)


def check_permission(key: KnownKey, method: str) -> None:
    """Refuse what the key may not do: reading wants view, anything else trade."""
    if key.can_view if method == "GET" else key.can_trade:
        return
    if key.exchange:
        raise RefusedError(403, {"message": "Forbidden"})
    raise advanced_refusal(403, "PERMISSION_DENIED", "Missing required scopes")


def answer(
    key: KnownKey,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: Any,
    orders: Sequence[Order] = (),
) -> tuple[int, Any, dict[str, str]]:
    """Answer a request that is signed and permitted: status, body, headers.

    ``orders`` are all of the account, oldest first.
    """
    if key.exchange:
        return _exchange(method, path, query, body)
    match method, path.removeprefix(ADVANCED).split("/")[1:]:
        case "GET", ["key_permissions"]:
            made: Any = {
                "can_view": key.can_view,
                "can_trade": key.can_trade,
                "can_transfer": key.can_transfer,
                "portfolio_uuid": str(uuid.uuid5(_ACCOUNT_SPACE, key.name)),
                "portfolio_type": "DEFAULT",
            }
        case "GET", ["accounts"]:
            made = _accounts_page(query)
        case "GET", ["orders", "historical", "batch"]:
            made = _orders_page(orders, query)
        case "GET", ["orders", "historical", order_id]:
            found = [order for order in orders if order.order_id == order_id]
            if not found:
                raise advanced_refusal(404, "NOT_FOUND", f"order {order_id} not found")
            made = {"order": _told(found[0])}
        case "POST", ["orders"]:
            made = _order(body)
        case "POST", ["orders", "batch_cancel"]:
            wanted = body.get("order_ids", []) if isinstance(body, dict) else []
            made = {
                "results": [
                    {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": each}
                    for each in wanted
                ]
            }
        case _:
            raise advanced_refusal(404, "NOT_FOUND", "not found")
    return 200, made, {}


def _accounts_page(query: Mapping[str, str]) -> dict[str, Any]:
    """Some of the accounts, with the cursor of the rest."""
    begin = next((at for at, name in enumerate(_ACCOUNTS) if _id(name) == query.get("cursor")), 0)
    limit = query.get("limit", "")
    count = min(_PAGE_MAX, int(limit) if limit.isdigit() and limit != "0" else 49)
    page, rest = _ACCOUNTS[begin : begin + count], _ACCOUNTS[begin + count :]
    accounts = [
        {
            "uuid": _id(name), "name": f"{name} Wallet", "currency": name, "default": True,
            "available_balance": {"value": "0", "currency": name}, "active": True,
            "type": "ACCOUNT_TYPE_FIAT" if name == "USD" else "ACCOUNT_TYPE_CRYPTO", "ready": True,
            "hold": {"value": "0", "currency": name}, "platform": "ACCOUNT_PLATFORM_CONSUMER",
        }
        for name in page
    ]  # fmt: skip
    return {
        "accounts": accounts,
        "has_next": bool(rest),
        "cursor": _id(rest[0]) if rest else "",
        "size": len(accounts),
    }


def _orders_page(orders: Sequence[Order], query: Mapping[str, str]) -> dict[str, Any]:
    """Some of the orders, the newest first, with the cursor of the rest."""
    status = query.get("order_status")
    wanted = [order for order in reversed(orders) if status in (None, order.status)]
    ids = [order.order_id for order in wanted]
    begin = ids.index(query["cursor"]) if query.get("cursor") in ids else 0
    limit = query.get("limit", "")
    count = min(_ORDERS_MAX, int(limit) if limit.isdigit() and limit != "0" else _ORDERS_MAX)
    rest = ids[begin + count :]
    return {
        "orders": [_told(order) for order in wanted[begin : begin + count]],
        "sequence": "0",
        "has_next": bool(rest),
        "cursor": rest[0] if rest else "",
    }


def _told(order: Order) -> dict[str, Any]:
    """An order as REST tells it, whose words are not those of the socket."""
    spec = order.spec
    price = decimal(order.price, spec.price_digits)
    hundredths = order.filled * 10_000 // order.size
    limit = {
        "base_size": decimal(order.size, spec.size_digits), "limit_price": price,
        "post_only": False,
    }  # fmt: skip
    return {
        "order_id": order.order_id, "client_order_id": order.client_order_id,
        "product_id": spec.product_id, "side": "BUY" if order.buys else "SELL",
        "status": order.status, "order_configuration": {"limit_limit_gtc": limit},
        "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": instant(order.placed_ns),
        "completion_percentage": f"{hundredths // 100}.{hundredths % 100:02d}",
        "filled_size": decimal(order.filled, spec.size_digits),
        "average_filled_price": price if order.filled else "0",
        "number_of_fills": str(order.fills),
        "filled_value": decimal(order.value, spec.price_digits + spec.size_digits),
        "order_type": "LIMIT", "product_type": "SPOT", "settled": order.status != OPEN,
    }  # fmt: skip


def _order(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not body.get("client_order_id"):
        raise advanced_refusal(400, "INVALID_ARGUMENT", "client_order_id is required")
    return {
        "success": True,
        "success_response": {
            "order_id": _id(str(body["client_order_id"])),
            "product_id": body.get("product_id", ""),
            "side": body.get("side", ""),
            "client_order_id": body["client_order_id"],
        },
        "order_configuration": body.get("order_configuration"),
    }


def _exchange(
    method: str, path: str, query: Mapping[str, str], body: Any
) -> tuple[int, Any, dict[str, str]]:
    match method, path.split("/")[1:]:
        case "GET", ["accounts"]:
            return 200, [_exchange_account(name) for name in _ACCOUNTS], {}
        case "GET", ["users", "self", "verify"]:
            return 200, {"id": _id("user")}, {}
        case "GET", ["orders"]:
            return _exchange_orders(query)
        case "POST", ["orders"]:
            if not isinstance(body, dict) or "product_id" not in body:
                raise RefusedError(400, {"message": "product_id is required"})
            client_id = str(body.get("client_oid", ""))
            return 200, body | {"id": _id(client_id), "status": "pending"}, {}
        case "DELETE", ["orders", order_id]:
            return 200, order_id, {}
    raise RefusedError(404, {"message": "NotFound"})


def _exchange_account(name: str) -> dict[str, Any]:
    return {
        "id": _id(name), "currency": name, "balance": "0.0000000000000000", "hold": "0.00",
        "available": "0", "profile_id": _id("profile"), "trading_enabled": True,
    }  # fmt: skip


def _exchange_orders(query: Mapping[str, str]) -> tuple[int, Any, dict[str, str]]:
    """Five done orders, numbered from 5 down, in pages with cursors."""
    after, limit = query.get("after", ""), query.get("limit", "")
    below = int(after) if after.isdigit() else 6
    count = int(limit) if limit.isdigit() and limit != "0" else 1000
    numbers = [number for number in range(5, 0, -1) if number < below][:count]
    orders = [{"id": _id(str(each)), "status": "done", "product_id": "BTC-USD"} for each in numbers]
    if not numbers or (numbers[-1] == 1 and below == 6):
        return 200, orders, {}
    return 200, orders, {"CB-BEFORE": str(numbers[0]), "CB-AFTER": str(numbers[-1])}


def _id(text: str) -> str:
    return str(uuid.uuid5(_ACCOUNT_SPACE, text))
