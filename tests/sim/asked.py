"""What a request asks for, in the words of either protocol; read without the recorder's wire."""

from collections.abc import Iterator

import msgspec

from recorder.feed.plan import CANONICAL

Key = tuple[str, str | None]  # channel by its subscribe name, product or None for all

# The Exchange's names, as a request has them.
_NAMES = {"matches": "market_trades", "heartbeat": "heartbeats", **CANONICAL}


class _Channel(msgspec.Struct):
    name: str
    product_ids: list[str] = []


class _Request(msgspec.Struct):
    type: str
    channel: str = ""
    channels: list[_Channel | str] = []
    product_ids: list[str] = []


_read = msgspec.json.Decoder(_Request).decode


def keys_of(raw: bytes) -> Iterator[tuple[str, Key]]:
    """What a request of either protocol is about."""
    request = _read(raw)
    for each in request.channels or [request.channel]:
        name, products = (
            (each, request.product_ids)
            if isinstance(each, str)
            else (each.name, each.product_ids or request.product_ids)
        )
        for product_id in products or (None,):
            yield request.type, (_NAMES.get(name, name), product_id)
