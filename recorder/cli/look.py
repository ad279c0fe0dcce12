"""Commands that read: book, products."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from recorder.cli import terminal
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.cli.times import instant
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.dataset import BookView, ProductSummary

_BAR_CELLS = 24
_BAR_STEPS = " ▏▎▍▌▋▊▉█"


def book(
    product: Annotated[str, typer.Argument(help="Product id, such as BTC-USD.")],
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The book as it was then: ISO 8601 (UTC where it names no zone), or seconds, "
            "ms, us or ns since 1970. Default: the last one recorded.",
        ),
    ] = None,
    depth: Annotated[str, typer.Option(metavar="N|all", help="Price levels on each side.")] = "10",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show the order book of a product, now or at any time that was recorded.

    Asks stand above, bids below, the best of each next to the spread; each level with its size
    and the sum of sizes from the best to it. A book that cannot be trusted, because of a gap or
    a lost connection, is shown with the reason.

    Examples:
        recorder book BTC-USD                        the last one recorded
        recorder book BTC-USD --at 2026-11-21T19:30Z
        recorder book BTC-USD --depth all --json     every level, for a program
    """
    levels = levels_of(depth)
    at_ns = None if at is None else instant(at)
    from recorder import dataset  # noqa: PLC0415  heavy

    view = dataset.open_dataset(data).book(product, at=at_ns, depth=levels)
    if as_json:
        terminal.print_json(book_json(view))
        return
    show_book(view)


def products(
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """List what a data directory holds: products, from when to when, how much.

    Examples:
        recorder products --data data
        recorder products --json
    """
    from recorder import dataset  # noqa: PLC0415  heavy

    found = dataset.open_dataset(data).products()
    if as_json:
        terminal.print_json(found)
        return
    show_products(found)


def levels_of(depth: str) -> int | None:
    """Give how many levels a person wants on each side; None for all."""
    if depth == "all":
        return None
    if depth.isascii() and depth.isdigit() and 0 < len(depth) < 8 and int(depth) > 0:
        return int(depth)
    raise UsageError(f'--depth {depth[:40]!r} is wrong; write a number from 1 on, or "all"')


def book_json(view: "BookView") -> dict[str, object]:
    """Give a book as the JSON that other programs read; `reason` only when it is not valid."""
    document: dict[str, object] = {
        "product_id": view.product_id,
        "valid": view.valid,
        "as_of": view.as_of,
        "bids": view.bids,
        "asks": view.asks,
    }
    return document if view.valid else document | {"reason": view.reason}


def show_book(view: "BookView") -> None:
    """Print the ladder."""
    out = terminal.output()
    sizes = [Decimal(size) for _, size in (*view.bids, *view.asks)]
    largest = max(sizes, default=Decimal(0))
    ladder = terminal.table("", "#price", "#size", "#total", "")
    for level in reversed(_levels(view.asks, largest)):
        ladder.add_row(Text("ask", "red"), *level[:3], Text(level[3], "red"))
    ladder.add_row("", Text(_spread(view), "bold"), "", "", "")
    for level in _levels(view.bids, largest):
        ladder.add_row(Text("bid", "green"), *level[:3], Text(level[3], "green"))
    name = terminal.plain(view.product_id)
    out.print(f"{name} at {terminal.moment(view.as_of)} UTC", style="bold")
    if not view.valid:
        reason = terminal.plain(view.reason or "no snapshot was received")
        out.print(f"This book cannot be trusted: {reason}", style="yellow")
    out.print(ladder)


def show_products(found: "list[ProductSummary]") -> None:
    """Print a line for each product."""
    out = terminal.output()
    if not found:
        out.print("Nothing was recorded.")
        return
    names = list(dict.fromkeys(name for one in found for name in one.rows))
    rows = terminal.table(
        "product", "first (UTC)", "last (UTC)", "#hours", *(f"#{name}" for name in names), "#size"
    )
    for one in found:
        rows.add_row(
            terminal.plain(one.product_id),
            terminal.moment(one.first),
            terminal.moment(one.last),
            f"{one.hours:,}",
            *(f"{one.rows.get(name, 0):,}" for name in names),
            terminal.amount(one.bytes),
        )
    out.print(rows)


def _levels(side: list[tuple[str, str]], largest: Decimal) -> list[tuple[str, str, str, str]]:
    total = Decimal(0)
    levels = []
    for price, size in side:
        total += Decimal(size)
        levels.append((price, size, f"{total:f}", _bar(Decimal(size), largest)))
    return levels


def _bar(size: Decimal, largest: Decimal) -> str:
    steps = len(_BAR_STEPS) - 1
    filled = max(1, int(size / largest * _BAR_CELLS * steps)) if largest else 0
    whole, part = divmod(filled, steps)
    return _BAR_STEPS[-1] * whole + (_BAR_STEPS[part] if part else "")


def _spread(view: "BookView") -> str:
    if not (view.bids and view.asks):
        return "one side is empty" if view.bids or view.asks else "empty"
    return f"spread {Decimal(view.asks[0][0]) - Decimal(view.bids[0][0]):f}"
