"""`recorder doctor`: is this machine fit to record, and is what runs here well?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from recorder.cli import terminal
from recorder.cli.record import JSON_HELP

if TYPE_CHECKING:
    from recorder.doctor import Finding

_MARKS = {
    "ok": ("ok", "green"),
    "warn": ("warn", "bold yellow"),
    "fail": ("FAIL", "bold red"),
    "skip": ("-", "dim"),
}
_WIDTH_MARK, _WIDTH_NAME = 6, 14


def doctor(
    data: Annotated[
        Path | None,
        typer.Option("--data", "--root", help="The data directory, instead of the configured one."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of the recorder. It may be wrong.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing of the network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check everything that a recording depends on, and say how to put right what is wrong.

    The configuration, the clock, the disk and its speed, limits, the way to the venue, the key,
    the service. Nothing is changed. Run it as the user who records. The exit code is 0 where no
    check failed, else 1.

    Examples:
        recorder doctor --config /etc/recorder/recorder.toml
        recorder doctor --data data --offline
        recorder doctor --json                for a program
    """
    from recorder import doctor as examining  # noqa: PLC0415  heavy

    asked = examining.Asked(config, data, offline)
    found = examining.examine(asked, None if as_json else show)
    if as_json:
        terminal.print_json(found)
    else:
        parts = [f"{count} {state}" for state, count in sorted(found.counts.items())]
        terminal.output().print(f"{len(found.findings)} checks: {', '.join(parts)}.")
    if not found.ok:
        raise typer.Exit(1)


def show(finding: "Finding") -> None:
    """Print what a check found, and below it what to do."""
    out = terminal.output()
    mark, style = _MARKS[finding.state]
    line = Text.assemble(
        (f"{mark:<{_WIDTH_MARK}}", style),
        f"{finding.check:<{_WIDTH_NAME}}",
        terminal.plain(finding.found),
    )
    out.print(line, soft_wrap=True)
    if finding.fix:
        indent = " " * (_WIDTH_MARK + _WIDTH_NAME)
        out.print(Text(f"{indent}→ {terminal.plain(finding.fix)}"), soft_wrap=True)
