"""`recorder status`: what a recorder that runs says of itself, and what its directory holds."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from recorder import config as settings
from recorder.cli import terminal
from recorder.cli.record import JSON_HELP
from recorder.config import HttpConfig
from recorder.errors import UnavailableError


def status(
    data: Annotated[
        Path | None, typer.Option(help="The data directory, instead of the configured one.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file: for data, and the token and certificate.")
    ] = None,
    only_ready: Annotated[
        bool,
        typer.Option("--ready", help="Ask for nothing else than whether it is ready; quick."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show whether it records as it should, and what the directory holds.

    Asks the recorder that writes to the directory over HTTP, where it serves that. The exit code
    is 0 where one runs that is ready, else 1.

    Examples:
        recorder status                      of ./data
        recorder status --config /etc/recorder.toml --json
        recorder status --config /etc/recorder.toml --ready    for a health check
    """
    chosen = settings.load(config)
    root = (data or chosen.data).expanduser()
    if only_ready:
        known = config is not None
        _tell_ready(root, chosen.http, configured=known, as_json=as_json)
        return
    from recorder import dataset  # noqa: PLC0415  heavy
    from recorder.http import asking  # noqa: PLC0415  heavy

    held = dataset.open_dataset(root).products()
    pid, live, wrong = asking.recording_pid(root), None, None
    try:
        live = asking.ask(root, chosen.http)
    except UnavailableError as error:
        wrong = str(error)
    document = {
        "data": str(root.absolute()),
        "recording": pid is not None,
        "pid": pid,
        "live": live,
        "not_asked": wrong,
        "products": [each.product_id for each in held],
        "first": min((each.first for each in held), default=None),
        "last": max((each.last for each in held), default=None),
        "bytes": sum(each.bytes for each in held),
    }
    if as_json:
        terminal.print_json(document)
    else:
        show(document)
    if live is None or not live["ready"]:
        raise typer.Exit(1)


def _tell_ready(root: Path, http: HttpConfig, *, configured: bool, as_json: bool) -> None:
    """One line, or a document of two fields; exit code 1 where it is not ready."""
    from recorder.http import asking  # noqa: PLC0415  heavy

    try:
        wrong = asking.ready(root, http, configured=configured)
    except UnavailableError as error:
        wrong = str(error)
    if as_json:
        terminal.print_json({"ready": wrong is None, "why": wrong})
    else:
        terminal.output().print("ready" if wrong is None else f"not ready: {terminal.plain(wrong)}")
    if wrong is not None:
        raise typer.Exit(1)


def show(document: dict[str, Any]) -> None:
    """Print what is known."""
    out = terminal.output()
    data, live = terminal.plain(document["data"]), document["live"]
    if not document["recording"]:
        out.print(f"Nobody records into {data}.", style="yellow")
    elif live is None:
        why = document["not_asked"] or "it serves no HTTP: http.listen is off, or see its log"
        out.print(f"Process {document['pid']} records into {data}.")
        out.print(f"It cannot be asked: {terminal.plain(why)}", style="yellow")
    else:
        _show_live(data, live)
    if document["first"] is not None:
        count = len(document["products"])
        sealed = document["bytes"]
        out.print(
            f"On disk: {count} product{'s' * (count != 1)}, "
            f"{terminal.moment(document['first'])} to {terminal.moment(document['last'])} UTC, "
            f"{f'{terminal.amount(sealed)} sealed' if sealed else 'no hour sealed yet'}."
        )


def _show_live(data: str, live: dict[str, Any]) -> None:
    out = terminal.output()
    mark, style = ("● ready", "green") if live["ready"] else ("● not ready", "bold red")
    out.print(Text(mark, style), f"recorder {live['version']}, recording into {data}")
    for reason in live["reasons"]:
        out.print(f"  {terminal.plain(reason['detail'])}", style="red")
    up = sum(each["up"] for each in live["connections"])
    disk, lag, sealing = live["disk"], live["lag"], live["sealing"]
    rows = terminal.table("", "")
    for name, value in (
        ("up since", f"{live['started_at']} ({terminal.clock(live['uptime_s'])})"),
        ("products", f"{live['products']}, {live['books_live']} books live"),
        ("connections", f"{up} of {len(live['connections'])} open"),
        ("frames", f"{live['frames']:,}"),
        ("gaps, faults", f"{live['gaps']:,}, {live['faults']:,} since the start"),
        ("free space", _amount(disk["free_bytes"])),
        ("not durable", f"{terminal.amount(disk['buffered_bytes'])}, {disk['unsynced_s']:.1f} s"),
        ("receipt to book p50, p99", _spans(lag["applied_p50_s"], lag["applied_p99_s"])),
        ("loop lag p50, p99", _spans(lag["loop_p50_s"], lag["loop_p99_s"])),
        ("from the venue p50, p99", _spans(lag["travel_p50_s"], lag["travel_p99_s"])),
        ("next seal in", terminal.clock(sealing["next_s"])),
        ("hours to seal", f"{sealing['waiting']}"),
    ):
        rows.add_row(name, value)
    out.print(rows)
    for what in sealing["failing"]:
        out.print(f"Fails, and is tried again: {terminal.plain(what)}", style="red")


def _amount(size_bytes: int | None) -> str:
    return "not known" if size_bytes is None else terminal.amount(size_bytes)


def _spans(*seconds: float | None) -> str:
    """Bounds of quantiles, in milliseconds."""
    if None in seconds:
        return "not known"
    return f"at most {', '.join(f'{each * 1000:g}' for each in seconds if each is not None)} ms"
