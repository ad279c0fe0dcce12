"""The account's own orders, as Advanced Trade's channel `user` tells them (`coinbase.md` §1.6.9).

Every value is text, "no time" is year 1, and what does not apply is an empty text. Prices and sizes
become numbers; amounts of money stay text, because they are what an account is settled by.
"""

from recorder.core.messages import Order, Problem
from recorder.core.numbers import count, is_exact, number
from recorder.core.times import rfc3339_ns
from recorder.core.wire import advanced_shapes as shapes
from recorder.core.wire import fields

CHANNEL = "user"
NUMBERS = ("limit_price", "stop_price", "avg_price", "cumulative_quantity", "leaves_quantity")
TIMES = ("creation_time", "start_time", "end_time")
TEXTS = tuple(
    name
    for name in shapes.Order.__struct_fields__
    if name not in {*NUMBERS, *TIMES, "number_of_fills"}
)


def order(wire: shapes.Order, problems: list[Problem]) -> Order:
    """Take one order; a value that cannot be is null and hurts no other."""
    values: dict[str, str | float | int | None] = {
        name: text(getattr(wire, name)) for name in TEXTS
    }
    inexact: dict[str, str] = {}
    for name in NUMBERS:
        written = text(getattr(wire, name))
        values[name] = None
        if not written:
            continue
        try:
            values[name] = number(written)
        except ValueError as error:
            problems.append(_problem("impossible_number", f"{name}: {error}", wire))
            continue
        if not is_exact(written):
            inexact[name] = written
    for name in TIMES:
        values[name] = _time(name, wire, problems)
    values["number_of_fills"] = _fills(wire, problems)
    return Order(values, inexact or None)


def text(told: shapes.Told) -> str | None:
    """Write a value as the tables have it, whatever JSON it was."""
    if isinstance(told, bool):
        return "true" if told else "false"
    return str(told) if isinstance(told, int) else told


def _time(name: str, wire: shapes.Order, problems: list[Problem]) -> int | None:
    """Convert a time to microseconds; None for none."""
    written = text(getattr(wire, name))
    if not written:
        return None
    try:
        return fields.microseconds(rfc3339_ns(written))
    except ValueError as error:
        problems.append(_problem("impossible_time", f"{name}: {error}", wire))
        return None


def _fills(wire: shapes.Order, problems: list[Problem]) -> int | None:
    written = text(wire.number_of_fills)
    if not written:
        return None
    try:
        return count(written)
    except ValueError as error:
        problems.append(_problem("impossible_number", f"number_of_fills: {error}", wire))
        return None


def _problem(kind: str, detail: str, wire: shapes.Order) -> Problem:
    return Problem(kind, f"order {wire.order_id[:40]!r}: {detail}", CHANNEL, wire.product_id)
