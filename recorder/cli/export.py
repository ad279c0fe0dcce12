"""The command that hands recorded data to backtests of others: export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli import terminal
from recorder.cli.care import NOT_WHOLE
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.cli.times import instant
from recorder.errors import IncompleteData, UsageError

if TYPE_CHECKING:
    from recorder.export import Exported


def export(
    kind: Annotated[str, typer.Argument(metavar="tardis|hftbacktest|nautilus", help="The format.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to: a new directory, there when it is whole.")
    ],
    product: Annotated[
        list[str] | None, typer.Option(help="Export this product; repeat for more.")
    ] = None,
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="The begin. Default: the first thing recorded."
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The end, exclusive. Default: the newest."),
    ] = None,
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Take what is there of a range with gaps.")
    ] = False,
    price_increment: Annotated[
        str | None,
        typer.Option(metavar="STEP", help="The step of prices, instead of that of `status`."),
    ] = None,
    size_increment: Annotated[
        str | None,
        typer.Option(metavar="STEP", help="The step of sizes, instead of that of `status`."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Write books and trades in the format of a backtest, and compare them with the recording.

    tardis makes CSV files as Tardis has them, hftbacktest its arrays of events, nautilus a catalog
    of NautilusTrader. What is written is read back, and the book that it comes to is compared with
    ours: at every snapshot, every hour, every minute. The exit code is 0 where all is the same,
    else 1. A range with a gap is refused unless --allow-gaps.

    Examples:
        recorder export tardis --product BTC-USD --out csv
        recorder export hftbacktest --product BTC-USD --from 2026-11-21 --to 2026-11-22 --out npz
        recorder export nautilus --product BTC-USD --product ETH-USD --out catalog --allow-gaps
    """
    start_ns, end_ns = (None if each is None else instant(each) for each in (from_, to))
    if not product:
        raise UsageError("no product to export; name at least one with --product")
    from recorder import export as exporting  # noqa: PLC0415  heavy

    try:
        with terminal.progress("Exporting") as progress:
            made = exporting.export(
                data,
                kind,
                product,
                out,
                start=start_ns,
                end=end_ns,
                allow_gaps=allow_gaps,
                price_increment=price_increment,
                size_increment=size_increment,
                progress=progress,
            )
    except IncompleteData as error:
        # Its words are those of Python.
        said = str(error).replace("`allow_gaps=True`", "--allow-gaps")
        said = said.replace("`gaps()` lists them", "`recorder coverage` lists them")
        raise IncompleteData(said, error.gaps) from error
    if as_json:
        terminal.print_json(made)
    else:
        _show(made)
    if not made.same:
        raise typer.Exit(NOT_WHOLE)


def _show(made: "Exported") -> None:
    out = terminal.output()
    rows = terminal.table(
        "product",
        "from (UTC)",
        "to (UTC)",
        "#book rows",
        "#trades",
        "#gaps",
        "#size",
        "#compared",
        "",
    )
    for each in made.products:
        rows.add_row(
            terminal.plain(each.product_id),
            _moment(each.start),
            _moment(each.end),
            f"{each.book_rows:,}",
            f"{each.trades:,}",
            f"{len(each.gaps):,}",
            terminal.amount(sum(file.bytes for file in each.files)),
            f"{each.checkpoints:,}",
            "same" if each.same else "DIFFERENT",
        )
    out.print(rows)
    files = sum(len(each.files) for each in made.products)
    count = "1 file" if files == 1 else f"{files:,} files"
    out.print(f"Exported: {count} in {terminal.plain(made.out)}; export.json describes them.")
    for each in made.products:
        if each.first_difference is not None:
            out.print(
                f"{terminal.plain(each.product_id)} is not what was recorded: "
                f"{terminal.plain(each.first_difference)}. Do not use it. `recorder verify` tells "
                "whether the data directory is whole."
            )


def _moment(text: str) -> str:
    """A time in two words, which a narrow table can put below each other."""
    return text.replace("T", " ").removesuffix("Z")
