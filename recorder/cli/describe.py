"""The command that tells what a range is like: describe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from recorder.cli import terminal
from recorder.cli.coverage import PNG_HELP
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.cli.times import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from recorder.dataset import Description, Distribution, Gap, ProductDescription

_GAPS_SHOWN = 5
_QUANTILES = ("p10", "p50", "p90", "p99", "p999", "max")
_COLUMNS = ("#mean", "#min", "#p10", "#p50", "#p90", "#p99", "#p99.9", "#max")


def describe(
    products: Annotated[list[str], typer.Argument(metavar="PRODUCT…", help="Product ids.")],
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="The begin. Default: the first thing recorded."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TIME", help="The end, exclusive. Default: the newest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help=PNG_HELP)] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help=PNG_HELP)] = None,
) -> None:
    """Tell what a range of products is like: rows, rates, latencies, the spread, the trades.

    The gaps of the range are told first; nothing needs to be allowed, and rates leave out the
    seconds that a gap touches. Latencies are from the venue's clock to ours: where the two differ,
    so do they. It reads hour by hour, so that days need no more memory than an hour.

    Examples:
        recorder describe BTC-USD --from 2026-11-21 --to 2026-11-22
        recorder describe BTC-USD ETH-USD --svg day.svg
        recorder describe BTC-USD --json
    """
    start_ns, end_ns = (None if each is None else instant(each) for each in (from_, to))
    from recorder import dataset  # noqa: PLC0415  heavy

    if png is not None or svg is not None:
        from recorder import plots  # noqa: PLC0415  heavy

        plots.library()  # before what may take long
    found = dataset.open_dataset(data).describe(products, start_ns, end_ns)
    for path, kind in ((png, "png"), (svg, "svg")):
        if path is not None:
            plots.draw_description(found, path, kind)
            terminal.messages().print(f"Drawn: {terminal.plain(path)}.", soft_wrap=True)
    if as_json:
        terminal.print_json(found)
    else:
        show(found)


def show(found: "Description") -> None:
    """Print all of it, a product after the other."""
    out = terminal.output()
    for at, product in enumerate(found.products):
        if at:
            out.print()
        _show(product)


def _show(product: "ProductDescription") -> None:
    out = terminal.output()
    name, start, end = product.product_id, product.start, product.end
    title = f"{terminal.plain(name)}  {terminal.moment(start)} to {terminal.moment(end)} UTC"
    out.print(title, style="bold")
    for line in gap_lines(product.gaps):
        out.print(line, style="yellow" if product.gaps else "")
    if not product.tables:
        out.print("Nothing is recorded in this range.")
        return
    kinds = list(dict.fromkeys(kind for each in product.tables for kind in each.kinds))
    rows = terminal.table("table", "#rows", *(f"#{kind}" for kind in kinds), "#messages")
    for table in product.tables:
        counts = (f"{table.kinds.get(kind, 0):,}" for kind in kinds)
        rows.add_row(table.table, f"{table.rows:,}", *counts, f"{table.messages:,}")
    terminal.show(rows)
    shown = _distributions("Rows a second", "table")
    for table in product.tables:
        _add(shown, table.table, table.per_second)
    terminal.show(shown)
    late = _distributions("Latency in milliseconds, from the venue's clock to ours", "of")
    for table in product.tables:
        _add(late, f"{table.table}: a message", table.message_latency)
        _add(late, f"{table.table}: what happened", table.event_latency)
    if late.row_count:
        terminal.show(late)
    _show_spread(product)
    _show_trades(product)


def _show_spread(product: "ProductDescription") -> None:
    out, spread = terminal.output(), product.spread
    if spread is None:
        out.print("\nNo spread: there was no book to be trusted.")
        return
    rows = _distributions(f"Spread, by its time ({terminal.clock(spread.seconds)})", "in")
    if spread.increments is not None:
        _add(rows, f"increments of {terminal.plain(spread.increment)}", spread.increments)
    _add(rows, "basis points", spread.basis_points)
    terminal.show(rows)
    if spread.increments is None:
        out.print("The price's increment is not known: no rules of the product were recorded.")


def _show_trades(product: "ProductDescription") -> None:
    out, trades = terminal.output(), product.trades
    if trades is None:
        out.print("\nNo trades.")
        return
    base, _, quote = terminal.plain(product.product_id).partition("-")
    rows = _distributions("Trades", "each")
    _add(rows, f"size, {base}", trades.size)
    _add(rows, f"turnover, {quote or 'quote'}", trades.value)
    terminal.show(rows)
    told = [
        f"{trades.count:,} trades",
        f"volume {number(trades.volume)} {base}",
        f"turnover {number(trades.turnover)} {quote}".rstrip(),
    ]
    if trades.vwap is not None:
        told.append(f"vwap {number(trades.vwap)}")
    if trades.bought is not None:
        told.append(f"takers bought {trades.bought:.1%} of the volume")
    out.print(Text("; ".join(told) + "."))
    ends = (trades.first, trades.high, trades.low, trades.last)
    first, high, low, last = (number(each) for each in ends)
    out.print(f"First price {first}, high {high}, low {low}, last {last}.")


def gap_lines(gaps: "Sequence[Gap]") -> list[str]:
    """Say which gaps a range has."""
    if not gaps:
        return ["No gaps."]
    seconds = sum(gap.end_ns - gap.start_ns for gap in gaps) / 1e9
    count = f"{len(gaps):,} gap{'' if len(gaps) == 1 else 's'}"
    lines = [f"This range is not complete: {count}, {seconds:,.3f} s of all channels in all."]
    lines += [f"  {terminal.plain(gap)}" for gap in gaps[:_GAPS_SHOWN]]
    if len(gaps) > _GAPS_SHOWN:
        lines.append(f"  … and {len(gaps) - _GAPS_SHOWN:,} more; `recorder coverage --gaps`")
    return lines


def number(value: float) -> str:
    """Give an amount for reading, to five digits; whole ones as they are."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if 1e-4 <= abs(value) < 1e15:
        digits = max(0, 4 - len(str(int(abs(value)))) + (abs(value) < 1))
        return f"{value:,.{max(digits, 2 if abs(value) >= 1 else 5)}f}"
    return f"{value:.3g}"


def _distributions(title: str, name: str) -> "Table":
    return terminal.table(name, *_COLUMNS, title=title)


def _add(rows: "Table", name: str, found: "Distribution | None") -> None:
    if found is not None:
        values = (found.mean, found.min, *(getattr(found, each) for each in _QUANTILES))
        rows.add_row(name, *(number(value) for value in values))
