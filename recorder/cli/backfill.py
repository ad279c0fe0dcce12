"""The command that fetches missing trades by hand: backfill."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder import config as settings
from recorder.cli import terminal
from recorder.cli.care import NOT_WHOLE
from recorder.cli.record import JSON_HELP
from recorder.cli.times import instant
from recorder.errors import VenueUnavailableError

if TYPE_CHECKING:
    from recorder.filling import FillReport, ProductFilled
    from recorder.missing import MissingTrades

_HOLES_SHOWN = 40
_SPANS_SHOWN = 5
TIME_HELP = "ISO 8601 (UTC where it names no zone), or seconds, ms, us or ns since 1970."


def backfill(
    data: Annotated[
        Path | None, typer.Option(help="The data directory, instead of the configured one.")
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option(help="Only this product; repeat for more. Default: all that are recorded."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help=f"Only what is missing after it. {TIME_HELP}"),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Only what is missing before it."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with data and feed.trades_url.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The Exchange's REST service, instead of feed.trades_url.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is missing, and ask for nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Fetch the trades that are missing in a data directory that nobody records into.

    A running recorder does this by itself, within seconds of a gap. By hand it is for what was
    recorded with feed.trades_url = "", imported from captures, or missed while the venue's REST
    was away for long.

    The trade ids of a product are contiguous, so every id between two recorded ones of which
    there is no row is missing. The Exchange's REST service has every trade since 2015, by the
    same ids, without a key. What comes is stored with kind = 'backfill' in the present hour,
    each trade once; coverage says 'backfilled' over the gap. A second run asks only for what the
    venue did not have. What lies before the first recorded trade is not missing.

    The exit code is 0 where nothing is missing afterwards, else 1.

    Examples:
        recorder backfill --dry-run                          what is missing in ./data?
        recorder backfill --data /srv/md --product BTC-USD
        recorder backfill --from 2026-11-21T19:00 --to 2026-11-21T20:00
        recorder backfill --config /etc/recorder.toml --json
    """
    start_ns = None if start is None else instant(start)
    end_ns = None if end is None else instant(end)
    chosen = settings.override(settings.load(config), _options(data, url))
    from recorder import filling  # noqa: PLC0415  heavy

    if dry_run:
        report = filling.look(chosen, product, start_ns, end_ns)
    else:
        with terminal.progress("Fetching trades") as progress:
            report = filling.fill(chosen, product, start_ns, end_ns, progress)
    if as_json:
        terminal.print_json(_document(report))
    else:
        show(report)
    if report.error is not None:
        raise VenueUnavailableError(
            f"{report.error}. {report.filled:,} of {report.missing:,} trades came before that and "
            "are stored; the same command asks for the rest"
        )
    if not report.whole:
        raise typer.Exit(NOT_WHOLE)


def _options(data: Path | None, url: str | None) -> dict[str, tuple[str, object]]:
    options: dict[str, tuple[str, object]] = {}
    if data is not None:
        options["data"] = ("--data", str(data))
    if url is not None:
        options["feed.trades_url"] = ("--url", url)
    return options


def _document(report: "FillReport") -> dict[str, object]:
    return {
        "whole": report.whole,
        "dry_run": report.dry_run,
        "unfinished": report.unfinished,
        "missing": report.missing,
        "filled": report.filled,
        "products": report.products,
        "sealed": report.sealed,
        "error": report.error,
    }


def show(report: "FillReport") -> None:
    """Print what was missing, and what became of it."""
    out = terminal.output()
    holes = [hole for product in report.products for hole in product.missing]
    if report.unfinished:
        out.print(
            "The recording has not ended, or it died: what came in its last seconds is not counted "
            "yet. `recorder run`, `recorder seal` and this command without --dry-run finish it."
        )
    if not report.products:
        out.print("No trades are recorded.")
        return
    if not holes:
        out.print("No trades are missing.")
        return
    _show_holes(holes)
    out.print()
    if report.dry_run:
        out.print(f"{report.missing:,} trades are missing. Nothing was asked for.")
        return
    for product in report.products:
        if product.missing:
            _show_product(product)
    if report.sealed:
        hours = ", ".join(terminal.hour_name(hour) for hour in report.sealed)
        out.print(f"Sealed: {hours}.")
    if report.error is None:
        left = report.missing - report.filled
        out.print(
            "No trades are missing now." if report.whole else f"{left:,} trades are still missing."
        )


def _show_holes(holes: "list[MissingTrades]") -> None:
    out = terminal.output()
    rows = terminal.table("product", "#first id", "#last id", "#trades", "after (UTC)", "before")
    for hole in holes[:_HOLES_SHOWN]:
        rows.add_row(
            terminal.plain(hole.product_id),
            str(hole.first),
            str(hole.last),
            f"{hole.count:,}",
            terminal.moment(hole.start),
            terminal.moment(hole.end),
        )
    out.print(rows)
    if len(holes) > _HOLES_SHOWN:
        out.print(f"and {len(holes) - _HOLES_SHOWN:,} more; --json has all.")


def _show_product(product: "ProductFilled") -> None:
    out = terminal.output()
    name = terminal.plain(product.product_id)
    out.print(f"{name}: {product.filled:,} of {product.count:,} trades filled.")
    if product.refused is not None:
        out.print(f"    The venue refused: {terminal.plain(product.refused)}", style="yellow")
    if product.lacking:
        spans = ", ".join(f"{first} … {last}" for first, last in product.lacking[:_SPANS_SHOWN])
        more = len(product.lacking) - _SPANS_SHOWN
        rest = f" and {more:,} more ranges" if more > 0 else ""
        out.print(f"    The venue does not have {spans}{rest}.", style="yellow")
