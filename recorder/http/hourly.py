"""How much of each hour was recorded, for a map: read in a process of its own, like intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from recorder.errors import NoInputError, UsageError
from recorder.http.answers import moment

if TYPE_CHECKING:
    from recorder.dataset import ProductCoverage

PRODUCTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class AskedHours:
    """Which hours: of one product or channel or of all, those of [start, end)."""

    product_id: str | None
    channel: str | None
    start_ns: int
    end_ns: int


def read_hours(path: Path, asked: AskedHours) -> bytes:
    """Read the map, as JSON; empty for what is no channel. Runs in a process of its own.

    Of each product a word (``recorded``, ``unverified``, ``gap``, ``partly``, ``missing``,
    ``ahead``), seconds that were recorded, lost in gaps, and not recorded by anybody, and the
    number of gaps, each for every hour in order; those first of which most was lost. What has no
    product has the name of its channel.
    """
    from recorder import dataset  # noqa: PLC0415  heavy, and the recording does without

    data = dataset.open_dataset(path)
    told: Sequence[ProductCoverage] = ()
    try:
        told = data.coverage_map(
            asked.product_id, asked.channel, asked.start_ns, asked.end_ns
        ).products
    except NoInputError:  # no such product has hours
        pass
    except UsageError:
        return b""
    products: list[dict[str, Any]] = []
    for each in told:
        channels = {name for hour in each.hours for name in hour.channels}
        named = {"product_id": each.product_id}
        if each.product_id is None:
            named["channel"] = next(iter(channels), None)
        shares = [hour.share for hour in each.hours]
        products.append(
            {
                **named,
                "states": [hour.state for hour in each.hours],
                "recorded_s": [_rounded(one.recorded_s + one.unverified_s) for one in shares],
                "lost_s": [_rounded(one.gap_s) for one in shares],
                "missing_s": [_rounded(one.missing_s) for one in shares],
                "gaps": [one.gaps for one in shares],
            }
        )
    products.sort(key=_worst)
    hours = max((each.hours for each in told), key=len, default=())
    return msgspec.json.encode(
        {
            "start": moment(asked.start_ns),
            "end": moment(asked.end_ns),
            "hours": [hour.start.strftime("%Y-%m-%dT%H:%M:%SZ") for hour in hours],
            "truncated": len(products) > PRODUCTS_MAX,
            "products": products[:PRODUCTS_MAX],
        }
    )


def _worst(product: dict[str, Any]) -> tuple[float, int, str]:
    """The order of products: those first of which most was lost; the others by name."""
    return -sum(product["lost_s"]), -sum(product["gaps"]), product["product_id"] or "~"


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
