"""What `recorder top` shows: a picture of what a recorder said, for a terminal of any size."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from recorder.cli import terminal

_STATES = {"stale": 0, "empty": 1, "live": 2}
_STYLES = {"stale": "bold red", "empty": "yellow", "live": "green"}
_BELOW_MIN = 4  # lines: an empty one, the heading, a product, the foot
_FOOT = "q leaves · sort: n s r b u t g · arrows scroll"


class Order(Enum):
    """What comes first; the values are what a person writes."""

    NAME = "name"
    STATE = "state"
    RATE = "rate"
    SPREAD = "spread"
    UPDATE = "update"
    TRADE = "trade"
    GAPS = "gaps"


ORDERS = {"n": "name", "s": "state", "r": "rate", "b": "spread", "u": "update", "t": "trade",
          "g": "gaps"}  # fmt: skip
"""Keys of the orders."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a recorder said: `/v1/status`, `/v1/products`, and the newest of `/v1/history`."""

    status: dict[str, Any]
    products: list[dict[str, Any]]
    gaps_since: str
    lately: dict[str, float | None]


def rate_of(product: dict[str, Any]) -> float | None:
    """Messages a second of all channels of a product; None while too little is known."""
    rates = [each["rate"] for each in product["channels"].values() if each["rate"] is not None]
    return sum(rates) if rates else None


_VALUES: dict[Order, Callable[[dict[str, Any]], Any]] = {
    Order.NAME: lambda product: product["product_id"],
    Order.STATE: lambda product: _STATES.get(product["book"], 0),
    Order.RATE: lambda product: rate_of(product) or 0.0,
    Order.SPREAD: lambda product: product["spread_bps"] or 0.0,
    Order.UPDATE: lambda product: inf if product["age_s"] is None else product["age_s"],
    Order.TRADE: lambda product: (product["last_trade"] or {}).get("recv_time", ""),
    Order.GAPS: lambda product: product["gaps_today"],
}
_LEAST_FIRST = {Order.NAME, Order.STATE}


def sorted_products(
    products: list[dict[str, Any]], order: Order, *, turned: bool = False
) -> list[dict[str, Any]]:
    """Put products into an order: the most, and what is wrong, first; equal ones by name."""
    named = sorted(products, key=_VALUES[Order.NAME])
    return sorted(named, key=_VALUES[order], reverse=(order not in _LEAST_FIRST) != turned)


def picture(
    seen: Seen,
    order: Order,
    *,
    width: int,
    turned: bool = False,
    height: int | None = None,
    first: int = 0,
    wrong: str | None = None,
) -> RenderableType:
    """Give the picture of what was seen.

    With a ``height`` no more than fits, from product ``first`` on; ``wrong`` is why it is old.
    """
    head = _head(seen, wrong)
    products = sorted_products(seen.products, order, turned=turned)
    if height is None:
        return Group(*head, "", _table(products, order, width, turned=turned))
    measuring = Console(width=width, force_terminal=False)
    lines = sum(len(each.wrap(measuring, width)) for each in head)
    if lines > height - _BELOW_MIN:  # products come first: each line about the recorder is cut
        lines = len(head)
        for each in head:
            each.no_wrap, each.overflow = True, "ellipsis"
    room = max(1, height - lines - 3)  # an empty line, the heading, the foot
    first = max(0, min(first, len(products) - room))
    shown = products[first : first + room]
    foot = Text(_FOOT, style="dim", no_wrap=True, overflow="ellipsis")
    if len(shown) < len(products):
        foot = Text(f"{first + 1} to {first + len(shown)} of {len(products)} · ").append_text(foot)
        foot.no_wrap, foot.overflow = True, "ellipsis"
    return Group(*head, "", _table(shown, order, width, turned=turned), foot)


def _head(seen: Seen, wrong: str | None) -> list[Text]:
    """The lines about the recorder; what is as it should be is plain."""
    status, lately = seen.status, seen.lately
    mark = ("● recording", "bold green") if status["ready"] else ("● not ready", "bold red")
    lines = [
        _line(
            mark,
            f"recorder {terminal.plain(status['version'])}",
            terminal.plain(status["data"]),
            f"up {terminal.clock(status['uptime_s'])}",
        )
    ]
    if wrong is not None:
        lines.append(Text(f"does not answer: {terminal.plain(wrong)}", "bold red"))
    lines += [Text(terminal.plain(each["detail"]), "bold red") for each in status["reasons"]]
    lines.append(_counts(seen))
    delays = [
        f"{name} {span(lately.get(f'{column}_p50_s'))} / {span(lately.get(f'{column}_p99_s'))}"
        for name, column in (("venue", "travel"), ("book", "applied"), ("loop", "loop"))
    ]
    lines.append(_line("p50 / p99", *delays))
    lines.append(_stored(status["disk"], status["sealing"]))
    return lines


def _counts(seen: Seen) -> Text:
    status, products = seen.status, seen.products
    live = sum(each["book"] == "live" for each in products)
    up = sum(each["up"] for each in status["connections"])
    gaps = sum(each["gaps_today"] for each in products)
    rate = sum(rate_of(each) or 0.0 for each in products)
    return _line(
        (f"{live}/{len(products)} books live", "" if live == len(products) else "bold red"),
        (
            f"{up}/{len(status['connections'])} connections",
            "" if up == len(status["connections"]) else "bold red",
        ),
        f"{rate:,.1f} messages/s",
        (
            f"{gaps} gap{'s' * (gaps != 1)} since {seen.gaps_since[11:16]} UTC",
            "yellow" if gaps else "",
        ),
    )


def _stored(disk: dict[str, Any], sealing: dict[str, Any]) -> Text:
    free, floor, to_full_s = disk["free_bytes"], disk["free_bytes_min"], disk["seconds_to_full"]
    full = "" if to_full_s is None else f", full in {span(to_full_s)}"
    tight = bool(disk["refused"] or disk["stopped"]) or (free is not None and free < floor)
    said = "free space not known" if free is None else f"{terminal.amount(free)} free{full}"
    waiting = f", {sealing['waiting']} hours wait" if sealing["waiting"] else ""
    failing = [(f"fails: {terminal.plain(what)}", "bold red") for what in sealing["failing"]]
    return _line(
        (said, "bold red" if tight else ""),
        (f"{disk['unsynced_s']:.1f} s not durable", "bold red" if disk["unsynced_s"] > 5 else ""),
        f"seal in {terminal.clock(sealing['next_s'])}{waiting}",
        *failing,
    )


def _line(*parts: str | tuple[str, str]) -> Text:
    line = Text()
    for number, part in enumerate(parts):
        text, style = part if isinstance(part, tuple) else (part, "")
        line.append(" · " if number else "", style="dim")
        line.append(text, style=style)
    return line


def _table(products: list[dict[str, Any]], order: Order, width: int, *, turned: bool) -> Table:
    """The table of products, with as many columns as fit."""
    wanted: list[tuple[str, str, Order | None]] = [
        ("product", "name", Order.NAME), ("book", "state", Order.STATE),
        ("#msg/s", "rate", Order.RATE), ("#gaps", "gaps", Order.GAPS),
    ]  # fmt: skip
    if width >= 56:
        wanted.insert(3, ("#spread bp", "spread", Order.SPREAD))
    if width >= 68:
        wanted.insert(4, ("#last trade", "trade", Order.TRADE))
    if width >= 84:
        wanted.insert(4, ("#updated", "update", Order.UPDATE))
    if width >= 116:
        wanted[2:2] = [("#bid", "bid", None), ("#ask", "ask", None)]
    arrow = "↑" if turned else "↓"
    made = terminal.table(*(f"{title}{arrow if by is order else ''}" for title, _, by in wanted))
    made.header_style = "dim"
    for column in made.columns:
        column.no_wrap = True
    for product in products:
        cells = _cells(product, reasons=width >= 68)
        made.add_row(*(cells[name] for _, name, _ in wanted))
    return made


def _cells(product: dict[str, Any], *, reasons: bool) -> dict[str, Text]:
    state, gaps, rate = product["book"], product["gaps_today"], rate_of(product)
    trade, spread, age_s = product["last_trade"], product["spread_bps"], product["age_s"]
    reason = f" {terminal.plain(product['reason'])}" if reasons and product.get("reason") else ""
    price = {side: product[side][0] if product[side] else "" for side in ("bid", "ask")}
    return {
        "name": Text(terminal.plain(product["product_id"]), "bold"),
        "state": Text(f"{state if state == 'live' else state.upper()}{reason}", _STYLES[state]),
        "bid": Text(terminal.plain(price["bid"])),
        "ask": Text(terminal.plain(price["ask"])),
        "rate": Text("" if rate is None else f"{rate:,.1f}"),
        "spread": Text("" if spread is None else _points(spread)),
        "update": Text("never" if age_s is None else f"{span(age_s)} ago"),
        "trade": Text(terminal.plain(trade["price"]) if trade else ""),
        "gaps": Text(f"{gaps:,}", "yellow" if gaps else ""),
    }


def span(seconds: float | None) -> str:
    """Give a span of time in its own unit: ``85 µs``, ``3.2 ms``, ``12 s``, ``5 min``, ``3 h``."""
    if seconds is None:
        return "-"
    for below, factor, unit in (
        (1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min"),
        (172_800.0, 1 / 3600, "h"),
    ):  # fmt: skip
        if seconds < below:
            return f"{seconds * factor:.3g} {unit}" if seconds else "0 s"
    return f"{seconds / 86_400:.3g} d"


def _points(spread: float) -> str:
    """Basis points: a spread of 0.0015 is not 0.00."""
    return f"{spread:.2f}" if spread >= 0.1 or not spread else f"{spread:.2g}"
