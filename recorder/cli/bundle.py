"""`recorder support-bundle`: one file to send along with a report."""

from pathlib import Path
from typing import Annotated

import typer

from recorder.cli import terminal
from recorder.cli.record import JSON_HELP
from recorder.errors import UsageError

_DAYS_MAX, _LINES_MAX = 366, 100_000


def support_bundle(
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to make, or a folder for it. It must not be there. Default: "
            "recorder-support-TIME.tar.gz here."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", "--root", help="The data directory, instead of the configured one."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of the recorder. It may be wrong.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="A file that has the log, where that does not go to systemd's journal."),
    ] = None,
    days: Annotated[int, typer.Option(help="How far back faults, gaps and hours go.")] = 7,
    lines: Annotated[int, typer.Option(help="How many lines of the log.")] = 2_000,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nothing of the network for the doctor's part.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Make one file that says how a recorder does, to send along with a report.

    Versions, settings, state, metrics, the log, faults, gaps, sizes, what `recorder doctor` finds.
    No market data, no paths and names of yours, and no key: only words that are known to be
    harmless are in it, all else is "…". It is for you to read before you send it: all of it is
    text. It has mode 0600.

    Examples:
        recorder support-bundle --config /etc/recorder/recorder.toml
        recorder support-bundle --data data --log recorder.log --out report.tar.gz
    """
    if not (1 <= days <= _DAYS_MAX and 1 <= lines <= _LINES_MAX):
        raise UsageError(f"--days is 1 to {_DAYS_MAX}, --lines 1 to {_LINES_MAX:,}")
    from recorder import bundle  # noqa: PLC0415  heavy

    made = bundle.make(bundle.Asked(out, data, config, log, days, lines, offline))
    if as_json:
        terminal.print_json(made)
        return
    shown = terminal.table("part", "#size", "what")
    for part in made.parts:
        if part.left_out is None:
            shown.add_row(part.name, terminal.amount(part.bytes), part.what)
        else:
            shown.add_row(part.name, "not there", terminal.plain(part.left_out))
    output = terminal.output()
    output.print(shown)
    output.print(
        f"{terminal.plain(made.path)}, {terminal.amount(made.bytes)}. It is for you alone to read, "
        "and holds no key and no market data; look into it before you send it."
    )
