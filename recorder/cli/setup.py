"""`recorder setup`: a configuration, a data directory, checks, and what comes next."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli import terminal
from recorder.cli.doctor import show as show_finding
from recorder.cli.record import JSON_HELP
from recorder.errors import RecorderError

if TYPE_CHECKING:
    from recorder.doctor import Diagnosis, Finding
    from recorder.setup import Asked, Places, Prepared

_SAID = {"done": "Written", "there": "There already", "would": "Would be written"}


def setup(
    product: Annotated[
        list[str] | None,
        typer.Option(
            "--product",
            "--products",
            help='Record this: an id, a pattern ("*-USD"), or all; repeat for more, or put commas '
            "between. Default: BTC-USD and ETH-USD.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", "--root", help="The data directory. Default: the service's, or your own."
        ),
    ] = None,
    venue: Annotated[str | None, typer.Option(help="advanced (the default) or exchange.")] = None,
    url: Annotated[
        str | None, typer.Option(help="The WebSocket to record, instead of the venue's own.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="A CDP key file. Market data needs none. For the service it is copied."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Write this file. Default: /etc/recorder/recorder.toml for root, else your own."
        ),
    ] = None,
    user: Annotated[
        bool, typer.Option("--user", help="For yourself, though you are root.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there already; it is kept beside.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask no questions, on a terminal too.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Check without the network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Get this machine ready to record: once, and as often as you like.

    Writes a configuration with comments, makes the data directory with the right owner and mode,
    does the checks of `recorder doctor`, and says the next command. As root it is for the service
    of systemd, otherwise for you. On a terminal it asks what is not said by options. What is there
    already stays, and doing it again changes nothing. The exit code is 1 where a check failed.

    Examples:
        recorder setup
        recorder setup --product '*-USD' --data /srv/market-data
        recorder setup --dry-run --yes
    """
    from recorder import setup as preparing  # noqa: PLC0415  heavy

    products = None if product is None else [each for word in product for each in word.split(",")]
    asked = preparing.Asked(products, data, venue, url, key_file)
    where = preparing.places(user=user)
    where = where if config is None else replace(where, config=config.expanduser().absolute())
    if may_ask(yes=yes or as_json) and not asked.anything and (force or not where.config.exists()):
        asked = guided(where)
    prepared = preparing.prepare(asked, where, force=force, dry_run=dry_run)
    if not as_json:
        show_steps(prepared)
    found = None if dry_run else checked(prepared, offline=offline, quiet=as_json)
    if as_json:
        terminal.print_json({"prepared": prepared, "doctor": found})
    else:
        show_next(prepared)
    if found is not None and not found.ok:
        raise typer.Exit(1)


def may_ask(*, yes: bool) -> bool:
    """Whether somebody is there who answers."""
    return not yes and sys.stdin is not None and sys.stdin.isatty() and terminal.on_terminal()


def guided(where: "Places") -> "Asked":
    """Ask for what is worth asking; an answer that is wrong is asked for again, with the reason."""
    from recorder import setup as preparing  # noqa: PLC0415  heavy

    say = terminal.messages().print
    say("Enter takes what stands in brackets. Everything can be changed later, in the file.")
    while True:
        venue = typer.prompt("Venue (advanced or exchange)", "advanced", err=True)
        products = typer.prompt("Products, patterns or all", "BTC-USD, ETH-USD", err=True)
        data = typer.prompt("Data directory", str(where.data), err=True)
        key = typer.prompt("Key file (market data needs none)", "", show_default=False, err=True)
        asked = preparing.Asked(
            [each.strip() for each in products.split(",")],
            Path(data),
            venue.strip(),
            None,
            Path(key) if key.strip() else None,
        )
        try:
            preparing.text_of(asked, where, Path(data).expanduser().absolute())
        except RecorderError as error:
            say(terminal.plain(preparing.problem_of(error)), style="red")
            continue
        return asked


def checked(prepared: "Prepared", *, offline: bool, quiet: bool) -> "Diagnosis":
    """Do the checks, and show what is not well."""
    from recorder import doctor  # noqa: PLC0415  heavy

    asked = doctor.Asked(Path(prepared.config), Path(prepared.data), offline)
    if quiet:
        return doctor.examine(asked)
    found = doctor.examine(asked, _show_trouble)
    parts = [f"{count} {state}" for state, count in sorted(found.counts.items())]
    terminal.output().print(f"{len(found.findings)} checks: {', '.join(parts)}.")
    return found


def _show_trouble(finding: "Finding") -> None:
    if finding.state in ("warn", "fail"):
        show_finding(finding)


def show_steps(prepared: "Prepared") -> None:
    """Print what was done, was there, or would be done."""
    for step in prepared.steps:
        line = f"{_SAID[step.state]}: {step.what} {terminal.plain(step.path)}"
        terminal.output().print(line, soft_wrap=True)


def show_next(prepared: "Prepared") -> None:
    """Print the commands that come next."""
    out = terminal.output()
    out.print("Next:")
    for command in prepared.next:
        out.print(f"  {terminal.plain(command)}", soft_wrap=True)
