"""The command that says what would be recorded: plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from recorder import config as settings
from recorder.cli import terminal
from recorder.cli.record import JSON_HELP, oddities, options_of

if TYPE_CHECKING:
    from recorder.listing import Planned


def plan(
    config: Annotated[
        Path | None, typer.Option(help="TOML file. Without one: the defaults.")
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option(help="This product, pattern or all, instead of those configured; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave this product or pattern out, instead of those configured."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every product of the venue, not only those asked for.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show what a configuration would record: each product, why, and on which connection.

    The venue is asked for its list of products; if it does not answer, the list that was kept in
    the data directory is taken. Nothing is recorded and nothing is written.

    Examples:
        recorder plan --config recorder.toml
        recorder plan --product '*-USD' --exclude 'A*' --json
        recorder plan --all                                    what the venue has
    """
    options = options_of(None, product, exclude, None)
    chosen = settings.override(settings.load(config), options)
    from recorder import listing  # noqa: PLC0415  heavy

    planned = listing.plan_of(chosen)
    if as_json:
        terminal.print_json(plan_json(planned, everything=everything))
        return
    show_plan(planned, everything=everything)


def plan_json(planned: "Planned", *, everything: bool) -> dict[str, object]:
    """Give a plan as the JSON that other programs read."""
    selection = planned.selection
    return {
        "venue": planned.venue,
        "listed": planned.listed,
        "fetched": planned.fetched,
        "error": planned.error or None,
        "products": selection.products,
        "connections": {line.label: line.products for line in planned.lines},
        "aliases": dict(selection.aliases),
        "unknown": selection.unknown,
        "delisted": selection.delisted,
        "offline": selection.offline,
        "excluded": selection.excluded,
        "unmatched": selection.unmatched,
        "verdicts": [each for each in planned.verdicts if everything or each.asked],
    }


def show_plan(planned: "Planned", *, everything: bool) -> None:
    """Print a line a product, in the order of the recording."""
    out = terminal.output()
    line_of = {name: line.label for line in planned.lines for name in line.products}
    rows = terminal.table("product", "status", "#24 h", "connection", "why")
    for each in planned.verdicts:
        if everything or each.asked:
            rows.add_row(
                Text(terminal.plain(each.product_id), "" if each.recorded_as else "dim"),
                terminal.plain(each.status),
                "" if each.volume is None else f"{each.volume:,.0f}",
                line_of.get(each.recorded_as or "", ""),
                terminal.plain(each.why),
            )
    out.print(rows)
    products, lines = len(planned.selection.products), len(planned.lines)
    of = f" of {planned.listed:,}" if planned.listed else ""
    over = "one connection" if lines == 1 else f"{lines} connections"
    out.print(f"\n{products:,}{of} products over {over}.")
    if planned.error:
        moment = terminal.moment(planned.fetched)
        instead = f"this is that of {moment} UTC" if planned.fetched else "none was kept either"
        error = terminal.plain(planned.error)
        out.print(f"The venue's list of products could not be had, {instead}: {error}")
    for line in oddities(planned.selection):
        out.print(terminal.plain(line))
