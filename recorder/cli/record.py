"""Commands that write: run, check-config, import, seal."""

import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder import config as settings
from recorder.cli import terminal
from recorder.cli.status import StatusLine
from recorder.cli.summary import show_recorded

if TYPE_CHECKING:
    from recorder.listing import Selection

DATA_HELP = "The data directory."
JSON_HELP = "Print one JSON document instead of tables."
_NAMED_MAX = 12  # products that are named one by one
_FIRST = 5


def hasten() -> None:
    """Get to the first frame sooner, in a process that does nothing but record.

    Nothing is collected while it imports, a tenth of the time; `live.settle` has it on again.
    """
    gc.disable()
    from recorder.worker import without_pandas  # noqa: PLC0415  heavy

    without_pandas()


def run(
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file; see check-config --example. Without one: the defaults.",
            readable=False,  # if we may not, we say so, with an exit code that ends restarts
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Record into this directory instead of the configured one.")
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option(
            help='Record this product instead of the configured ones: an id, a pattern ("*-USD"), '
            "or all; repeat for more."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave this product or pattern out, instead of those configured."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Connect to this WebSocket instead of the configured one.")
    ] = None,
    no_seal: Annotated[
        bool,
        typer.Option(
            "--no-seal", help="On Ctrl-C leave the hour open, to go on recording in it later."
        ),
    ] = False,
    log_level: Annotated[
        str | None,
        typer.Option(
            help="debug, info, warning or error. Default: warning on a terminal, else info."
        ),
    ] = None,
) -> None:
    """Record from Coinbase until it is stopped.

    On a terminal one line shows what is going on. Ctrl-C stops cleanly, seals the hours into
    Parquet files, and shows where they are and how to read them.

    Without a terminal it is a service: JSON logs on stdout, SIGTERM stops it cleanly with
    everything received on disk, and the hour stays open for the next start. SIGHUP reads the
    configuration and the venue's list of products again: what is added or removed is subscribed
    or unsubscribed, and everything else goes on undisturbed.

    Examples:
        recorder run                                   BTC-USD and ETH-USD into ./data
        recorder run --product SOL-USD --data /srv/md  one product, somewhere else
        recorder run --product '*-USD'                 all that are traded in dollars
        recorder run --config /etc/recorder.toml       everything from a file
    """
    from recorder import live, logs  # noqa: PLC0415  heavy

    interactive = terminal.on_terminal()
    options = options_of(data, product, exclude, url)

    def read() -> settings.Config:
        return settings.override(settings.load(config), options)

    chosen = read()
    logs.configure(
        service=not interactive, level=log_level or ("warning" if interactive else "info")
    )
    logs.log().info("config_loaded", **settings.describe(chosen))
    if not interactive:
        live.record(chosen, seal_on_exit=False, watch=None, read=None if _attached() else read)
        return
    say = terminal.messages().print

    def planned(selection: "Selection", connections: int) -> None:
        say(
            f"Recording {plan_text(selection, connections)} from {chosen.feed.url} "
            f"into {terminal.plain(chosen.data)}.",
            "Ctrl-C stops." if no_seal else "Ctrl-C stops and seals.",
        )
        for line in oddities(selection):
            say(line)

    with StatusLine() as status:
        summary = live.record(
            chosen,
            seal_on_exit=not no_seal,
            watch=status.update,
            planned=planned,
            read=None if _attached() else read,
            leaving=status.leave,
        )
    show_recorded(summary)


def _attached() -> bool:
    """Whether SIGHUP means that our terminal was closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def plan_text(selection: "Selection", connections: int) -> str:
    """Name what is recorded: all products if they are few, else their number and the first."""
    products = selection.products
    if len(products) <= _NAMED_MAX:
        return ", ".join(products)
    first = ", ".join(products[:_FIRST])
    over = "one connection" if connections == 1 else f"{connections} connections"
    return f"{len(products)} products ({first}, …) over {over}"


def oddities(selection: "Selection") -> list[str]:
    """Say, a line each, what is not recorded as it was asked for."""
    lines = [f"{asked} is another name of {own}." for asked, own in selection.aliases.items()]
    for names, what in (
        (selection.unknown, "not a product of the venue"),
        (selection.delisted, "delisted, so not recorded"),
        (selection.offline, "recorded, and not traded now"),
        (selection.unmatched, "no product matches"),
    ):
        if names:
            rest = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
            lines.append(f"{what[0].upper()}{what[1:]}: {', '.join(names[:_NAMED_MAX])}{rest}.")
    return lines


def check_config(
    file: Annotated[
        Path | None, typer.Argument(help="TOML file; without it, the defaults.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print a complete configuration with comments.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check a configuration file and show every setting.

    All mistakes are reported at once, each with its line and what is allowed there; the exit code
    is then 78. Nothing is connected to and nothing is written.

    Examples:
        recorder check-config --example > recorder.toml    a file to start from
        recorder check-config recorder.toml                is it right?
    """
    if example:
        print(settings.example(), end="")
        return
    chosen = settings.load(file)
    described = settings.describe(chosen)
    if as_json:
        terminal.print_json(described)
        return
    defaults = settings.describe(settings.load(None))
    out = terminal.output()
    out.print("These are the defaults." if file is None else f"{terminal.plain(file)} is right.")
    rows = terminal.table("key", "value", "")
    for name, value in described.items():
        if name != "source":
            shown = ", ".join(value) if isinstance(value, list) else str(value)
            same = file is not None and value == defaults[name]
            rows.add_row(name, "forever" if value is None else shown, "default" if same else "")
    out.print(rows)


def import_(
    files: Annotated[list[Path], typer.Argument(help="gzip NDJSON captures, in any order.")],
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Import captures that others made, and seal their hours.

    A capture is a gzip file of JSON lines {"t", "conn", "dir", "raw"}: the time of receipt, the
    connection, the direction (in or out), and the frame as it was. Frames go the way that live
    ones go: through the same core, into the same tables.

    Examples:
        recorder import btc.part1.ndjson.gz btc.part2.ndjson.gz --data imported
        recorder import *.ndjson.gz --data imported --json
    """
    from recorder import replay  # noqa: PLC0415  heavy

    with terminal.progress("Importing", "bytes") as progress:
        report = replay.import_captures(files, data, progress)
    if as_json:
        terminal.print_json(report)
        return
    out = terminal.output()
    out.print(
        f"{report.frames_in:,} frames received and {report.frames_out:,} sent on "
        f"{report.connections} connections, from {report.files} files into {terminal.plain(data)}.",
        f"{report.gaps} gaps, {report.faults} faults.",
    )
    out.print(_hours(report.hours))
    terminal.show(terminal.count_table("Messages", "channel/type", report.messages))
    terminal.show(terminal.count_table("Rows", "table", report.rows))
    books = terminal.table("product", "#bids", "#asks", "#best bid", "#best ask", "", title="Books")
    for name, book in report.books.items():
        bid, ask = (side[0] if side else "" for side in (book.best_bid, book.best_ask))
        state = "" if book.valid else "not valid"
        books.add_row(terminal.plain(name), f"{book.bids:,}", f"{book.asks:,}", bid, ask, state)
    terminal.show(books)
    trades = terminal.table(
        "product", "#trades", "#distinct", "#first id", "#last id", title="Trades"
    )
    for name, seen in report.trades.items():
        trades.add_row(
            terminal.plain(name),
            f"{seen.trades:,}",
            f"{seen.distinct:,}",
            str(seen.first_id),
            str(seen.last_id),
        )
    terminal.show(trades)


def seal(
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    everything: Annotated[
        bool, typer.Option("--all", help="Seal the current hour too, though it is not over.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Finish the open hours of a directory that nobody records into.

    Sealing writes each product-hour as one Parquet file that never changes again. Recording does
    it by itself at every full hour. An hour sealed with --all before it was over is sealed again
    when recording goes on in it.

    Examples:
        recorder seal --data data          every hour that is over
        recorder seal --data data --all    the current one too
    """
    from recorder import finishing  # noqa: PLC0415  heavy

    with terminal.progress("Sealing") as progress:
        report = finishing.seal(data, include_current=everything, progress=progress)
    if as_json:
        terminal.print_json(report)
        return
    out = terminal.output()
    if report.hours or everything:
        out.print(_hours(report.hours))
    else:
        out.print("Nothing to seal: no hour that is over is open. --all seals the current one too.")
    if report.hours:
        size = terminal.amount(report.bytes)
        out.print(f"{report.files:,} files, {report.rows:,} rows, {size}.")


def options_of(
    data: Path | None, product: list[str] | None, exclude: list[str] | None, url: str | None
) -> Mapping[str, tuple[str, object]]:
    """Give the settings that options replace, as `recorder.config.override` takes them."""
    options: dict[str, tuple[str, object]] = {}
    if data is not None:
        options["data"] = ("--data", str(data))
    if product:
        options["feed.products"] = ("--product", product)
    if exclude:
        options["feed.exclude"] = ("--exclude", exclude)
    if url is not None:
        options["feed.url"] = ("--url", url)
    return options


def _hours(hours: list[str]) -> str:
    names = ", ".join(terminal.hour_name(hour) for hour in hours)
    return f"Sealed: {names}." if hours else "Nothing to seal: no hour is open."
