"""How much of each hour was recorded, for a map: read in a process of its own, like intervals."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from recorder.http.answers import moment
from recorder.http.intervals import NICE

PRODUCTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class AskedHours:
    """Which hours: of one product or channel or of all, those of [start, end)."""

    product_id: str | None
    channel: str | None
    start_ns: int
    end_ns: int


def read_hours(path: Path, asked: AskedHours) -> bytes:
    """Read the map, as JSON; runs in a process of its own.

    Of each product a word (``recorded``, ``unverified``, ``gap``, ``missing``, ``ahead``), the part
    that was recorded and the number of gaps of each hour, in their order; those first of which
    least was recorded. What has no product has the name of its channel.
    """
    with suppress(OSError):
        os.nice(NICE)
    from recorder import dataset  # noqa: PLC0415  heavy, and the recording does without

    found = dataset.open_dataset(path).coverage_map(
        asked.product_id, asked.channel, asked.start_ns, asked.end_ns
    )
    products: list[dict[str, Any]] = []
    for each in found.products:
        channels = {name for hour in each.hours for name in hour.channels}
        named = {"product_id": each.product_id}
        if each.product_id is None:
            named["channel"] = next(iter(channels), None)
        shares = [hour.share for hour in each.hours]
        have_s = sum(share.recorded_s + share.unverified_s for share in shares)
        told_s = have_s + sum(share.gap_s + share.missing_s for share in shares)
        products.append(
            {
                **named,
                "part": _part(have_s / told_s if told_s else None),
                "states": [hour.state for hour in each.hours],
                "parts": [_part(share.part) for share in shares],
                "gaps": [share.gaps for share in shares],
            }
        )
    products.sort(key=_worst)
    hours = max((each.hours for each in found.products), key=len, default=())
    return msgspec.json.encode(
        {
            "start": moment(asked.start_ns),
            "end": moment(asked.end_ns),
            "hours": [hour.start.strftime("%Y-%m-%dT%H:%M:%SZ") for hour in hours],
            "truncated": len(products) > PRODUCTS_MAX,
            "products": products[:PRODUCTS_MAX],
        }
    )


def _worst(product: dict[str, Any]) -> tuple[bool, float, str]:
    """The order of products: those without a part last."""
    part: float | None = product["part"]
    return part is None, part or 0.0, product["product_id"] or ""


def _part(part: float | None) -> float | None:
    """Rounded down, so that 1 means all of it."""
    return None if part is None else int(part * 1_000_000) / 1_000_000
