"""The command that lets a recording happen again: replay."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli import terminal
from recorder.cli.care import NOT_WHOLE
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.cli.times import instant
from recorder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recorder.broadcast import Summary, Tape
    from recorder.rebuild import Comparison

READY = "Serving at "
_SECOND_NS = 1_000_000_000


def replay(
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    to: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|TIME",
            help="Make the tables again from the capture, in this new directory. With --serve: "
            "the end of what is served.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Make the rows again and compare them with those on disk."),
    ] = False,
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve the recording on a socket that speaks as Coinbase does; 127.0.0.1 where "
            "no host is named, port 0 takes a free one.",
        ),
    ] = None,
    speed: Annotated[
        str,
        typer.Option(metavar="1|10|max", help="How fast it is served: a factor, or max."),
    ] = "1",
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="The begin of what is served."),
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option(help="Serve this product only; repeat for more. Default: all."),
    ] = None,
    clients: Annotated[
        int, typer.Option(min=1, help="Begin to serve once so many clients have subscribed.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Let a recording happen again: as tables, as a check, or on a socket.

    --to makes the tables anew from the capture, in a directory of their own. --check makes them
    and compares them with those on disk, by table and hour; the exit code is 0 where all are the
    same, else 1. --serve plays the recording to any client of Coinbase's Advanced Trade: the very
    frames where the capture is kept, frames made from the tables where it is not. It begins when
    a client has subscribed, and ends with the recording or Ctrl-C.

    Examples:
        recorder replay --data data --to rebuilt
        recorder replay --data data --check
        recorder replay --serve 127.0.0.1:8765 --speed 10
        recorder run --url ws://127.0.0.1:8765 --data again    in another terminal
        recorder replay --serve 8765 --from 2026-11-21T19:00 --to 2026-11-21T20:00 --speed max
    """
    ways = [to is not None and serve is None, check, serve is not None]
    if sum(ways) != 1:
        raise UsageError("say one of --to DIR, --check and --serve HOST:PORT")
    if serve is not None:
        _serve(data, serve, speed, from_, to, product, clients, as_json=as_json)
        return
    if from_ is not None or product or speed != "1" or clients != 1:
        raise UsageError("--from, --product, --speed and --clients go with --serve")
    from recorder import rebuild  # noqa: PLC0415  heavy

    if check:
        with terminal.progress("Comparing") as progress:
            found = rebuild.compare(data, progress)
        _show_comparison(found, as_json=as_json)
        return
    with terminal.progress("Making again") as progress:
        made = rebuild.rebuild_into(data, Path(to or ""), progress)
    if as_json:
        terminal.print_json(made)
        return
    hours = "1 hour" if len(made.hours) == 1 else f"{len(made.hours):,} hours"
    terminal.output().print(
        f"Made again: {hours}, {made.files:,} files, {made.rows:,} rows, in "
        f"{terminal.plain(made.target)}."
    )


def _show_comparison(found: "Comparison", *, as_json: bool) -> None:
    if as_json:
        terminal.print_json(found)
    else:
        out = terminal.output()
        rows = terminal.table("hour", "table", "#rows", "#made again", "digest", "")
        for each in found.tables:
            digest = each.digest if each.same else f"{each.digest} ≠ {each.digest_made}"
            rows.add_row(
                terminal.hour_name(each.hour),
                each.table,
                f"{each.rows:,}",
                f"{each.rows_made:,}",
                digest,
                "same" if each.same else "DIFFERENT",
            )
        out.print(rows)
        if found.without_capture:
            named = ", ".join(map(terminal.hour_name, found.without_capture))
            out.print(f"Not compared, because their capture is gone: {named}.")
        different = sum(not each.same for each in found.tables)
        out.print("All are the same." if found.same else f"Different: {different} tables of hours.")
    if not found.same:
        raise typer.Exit(NOT_WHOLE)


def _serve(
    data: Path,
    where: str,
    speed: str,
    start: str | None,
    end: str | None,
    products: list[str] | None,
    clients: int,
    *,
    as_json: bool,
) -> None:
    start_ns, end_ns = (None if each is None else instant(each) for each in (start, end))
    from recorder import broadcast  # noqa: PLC0415  heavy

    host, port = broadcast.address(where)
    factor = broadcast.factor(speed)
    say = terminal.messages() if as_json else terminal.output()

    with terminal.progress("Serving") as progress:
        begin = [0, 1]

        def ready(url: str, tape: "Tape") -> None:
            begin[:] = tape.start_ns, max(tape.end_ns, tape.start_ns + 1)
            say.print(f"{READY}{url}")
            served = ", ".join(tape.product_ids[:12])
            more = len(tape.product_ids) - 12
            say.print(f"{served}{f' and {more} more' if more > 0 else ''}. Waiting for a client.")
            say.file.flush()

        summary = broadcast.serve(
            data,
            host,
            port,
            speed=factor,
            products=products,
            start_ns=start_ns,
            end_ns=end_ns,
            clients=clients,
            on_ready=ready,
            watch=_watch(progress, begin),
        )
    if as_json:
        terminal.print_json(summary)
        return
    _show_summary(summary)


def _watch(
    progress: "Callable[[int, int], None] | None", span: list[int]
) -> "Callable[[Summary], None]":
    """What shows how far the recording is told."""
    if progress is None:
        return lambda _: None
    show = progress

    def watch(now: "Summary") -> None:
        total = (span[1] - span[0]) // _SECOND_NS + 1
        show(min((now.now_ns - span[0]) // _SECOND_NS, total), total)

    return watch


def _show_summary(summary: "Summary") -> None:
    out = terminal.output()
    seconds = terminal.clock((summary.now_ns - summary.start_ns) / _SECOND_NS)
    ended = "Served to its end" if summary.finished else "Stopped"
    clients = "1 client" if summary.clients == 1 else f"{summary.clients:,} clients"
    size = terminal.amount(summary.bytes)
    out.print(f"{ended}: {seconds} of recorded time, {summary.frames:,} frames, {size}, {clients}.")
    out.print(
        f"Hours from the capture: {summary.hours_captured}, from the tables: "
        f"{summary.hours_tabled}."
    )
    if summary.holes:
        out.print(f"Holes told to clients: {summary.holes}.")
    if summary.slow_clients:
        out.print(f"Clients closed because they read too slowly: {summary.slow_clients}.")
    if summary.left_out:
        out.print(f"Not served, because no client can take it: {summary.left_out:,}.")
