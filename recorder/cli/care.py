"""Commands that look after a data directory: verify, repair, prune, pack."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli import terminal
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.config import checks
from recorder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recorder.pack import PackedDay
    from recorder.verify import Finding

NOT_WHOLE = 1
DRY_RUN_HELP = "Say what would be done, and do nothing."


def verify(
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Make the rows of every hour again whose capture is kept."),
    ] = False,
    note: Annotated[
        bool,
        typer.Option("--note", help="Note time and outcome there, for the recorder's metrics."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check that a data directory is whole: every claim it makes, against the bytes.

    Commit records against files, checksums of the capture, numbers, parts, books at the full hour,
    coverage. It may be recorded into meanwhile. The exit code is 0 where all is whole, else 1, and
    every finding says which file, what is wrong and what to do.

    Examples:
        recorder verify --data data
        recorder verify --data data --deep    also: do the captured frames give these rows?
        recorder verify --json                for a program
    """
    from recorder import verify as checking  # noqa: PLC0415  heavy

    with terminal.progress("Checking") as progress:
        report = checking.verify(data, deep=deep, progress=progress)
    if note:
        try:
            checking.note(data, report)
        except OSError as error:
            why = terminal.plain(error.strerror or error)
            terminal.messages().print(f"The outcome could not be noted for the metrics: {why}.")
    if as_json:
        terminal.print_json(report)
    else:
        out = terminal.output()
        show_findings(report.findings)
        for each in report.notes:
            out.print(f"Note: {terminal.plain(each.path)}: {terminal.plain(each.text)}.")
        size = terminal.amount(report.bytes)
        out.print(
            f"{report.hours:,} hours, {report.files:,} files, {report.rows:,} rows, "
            f"{report.segments:,} segments, {size}; {report.checkpoints:,} books compared, "
            f"{report.rebuilt:,} hours made again."
        )
        out.print("Whole." if report.whole else f"Not whole: {_findings(report.findings)}.")
    if not report.whole:
        raise typer.Exit(NOT_WHOLE)


def repair(
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    deep: Annotated[
        bool, typer.Option("--deep", help="Look as deep as verify --deep does before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY_RUN_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Mend what verify finds, from the capture that is kept.

    Files that are not whole are set aside into `quarantine`, never deleted; the files of the hour
    are made again from its capture, and everything is checked once more. What cannot be made again
    stays as it is, with the reason, and the exit code is 1. Nobody may record meanwhile.

    Examples:
        recorder repair --data data --dry-run    what would be done?
        recorder repair --data data
    """
    from recorder import repair as mending  # noqa: PLC0415  heavy

    with terminal.progress("Checking") as progress:
        report = mending.repair(data, deep=deep, dry_run=dry_run, progress=progress)
    if as_json:
        terminal.print_json(report)
    else:
        out = terminal.output()
        for each in report.mended:
            hour = "" if each.hour is None else f"{terminal.hour_name(each.hour)}: "
            out.print(f"{hour}{terminal.plain(each.what)}{' (not done)' if dry_run else ''}.")
        for path in report.set_aside:
            out.print(f"Set aside: {terminal.plain(path)}{' (not done)' if dry_run else ''}.")
        if report.quarantine is not None:
            out.print(f"What was set aside is in {terminal.plain(report.quarantine)}.")
        show_findings(report.refused)
        if report.refused:
            out.print(f"Not mended: {_findings(report.refused)}.")
        elif not report.found:
            out.print("Nothing to mend: all is whole.")
        elif not dry_run:
            out.print("Mended: all is whole.")
    if not report.whole:
        raise typer.Exit(NOT_WHOLE)


def prune(
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    keep_capture: Annotated[
        str | None,
        typer.Option(
            metavar="48h",
            help="Remove the capture of hours that were sealed longer ago. Default: none.",
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="30d",
            help="Remove whole days that ended longer ago, with their sealed files. Default: none.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY_RUN_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Remove what sealed hours no longer need, from a directory that nobody records into.

    Parts of hours that were sealed an hour ago always go; capture and whole days only when asked
    for. Recording does the first two by itself: with --older-than alone it may go on meanwhile.
    What is removed is gone.

    Examples:
        recorder prune --data data --keep-capture 48h --dry-run
        recorder prune --data data --older-than 30d
    """
    keep_capture_s = _length("--keep-capture", keep_capture)
    older_than_s = _length("--older-than", older_than)
    from recorder import repair as mending  # noqa: PLC0415  heavy

    report = mending.prune(
        data, keep_capture_s=keep_capture_s, older_than_s=older_than_s, dry_run=dry_run
    )
    if as_json:
        terminal.print_json(report)
        return
    out = terminal.output()
    word = "Would remove" if dry_run else "Removed"
    for line in report.removed:
        out.print(f"{word}: {terminal.plain(line)}.")
    if not report.removed:
        out.print("Nothing to remove.")


def pack(
    days: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DAY]...", help="Days such as 2026-11-21 (UTC). Default: all that are closed."
        ),
    ] = None,
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    older_than: Annotated[
        str | None,
        typer.Option(metavar="7d", help="Only days that ended longer ago. Default: every day."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY_RUN_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Pack closed days: one file a table and product in the place of those of their hours.

    It may be recorded meanwhile, and read: rows, order and every answer stay the same. A day is
    closed when all its hours are sealed, for over an hour, and a later one is. Others are left
    alone, and the reason is told; the exit code is 1 where a day is damaged, has hours missing, or
    is one that was asked for. The files of the hours go at the next pack, from 61 minutes on:
    run it once a day. Nothing needs packing; it is for those who mind many files.

    Examples:
        recorder pack --data data --dry-run           what would be done?
        recorder pack --data data --older-than 7d     for a timer, once a day
        recorder pack 2026-11-21 2026-11-22 --json
    """
    older_than_s = _length("--older-than", older_than)
    if days and older_than is not None:
        raise UsageError("days and --older-than are two ways to say which; choose one")
    from recorder import pack as packing  # noqa: PLC0415  heavy

    with terminal.progress("Packing") as progress:
        report = packing.pack(
            data, days or (), older_than_s=older_than_s, dry_run=dry_run, progress=progress
        )
    if as_json:
        terminal.print_json(report)
    else:
        out = terminal.output()
        for line in report.removed:
            out.print(f"{'Would remove' if dry_run else 'Removed'}: {terminal.plain(line)}.")
        for each in report.packed:
            out.print(_packed_line(each, dry_run=dry_run))
        for left in report.left:
            line = f"Left alone: {left.day}: {terminal.plain(left.reason).rstrip('.')}."
            out.print(line, style="red" if left.wrong else None)
        if not (report.removed or report.packed or report.left):
            out.print("Nothing to pack.")
    if not report.whole:
        raise typer.Exit(NOT_WHOLE)


def _packed_line(day: "PackedDay", *, dry_run: bool) -> str:
    before = f"{day.files_before:,} files, {terminal.amount(day.bytes_before)}"
    hours = "1 hour" if day.hours == 1 else f"{day.hours} hours"
    if dry_run:
        return f"Would pack: {day.day}: {hours}, {day.rows:,} rows, {before}."
    after = f"{day.files:,} files, {terminal.amount(day.bytes)}"
    return f"Packed: {day.day}: {hours}, {day.rows:,} rows; {before}, are now {after}."


def show_findings(findings: "Sequence[Finding]") -> None:
    """Print what is wrong: file, hour, what, what to do."""
    out = terminal.output()
    for each in findings:
        hour = "" if each.hour is None else f" ({terminal.hour_name(each.hour)})"
        out.print(f"{terminal.plain(each.path)}{hour}", style="bold")
        out.print(f"    {terminal.plain(each.problem)}", style="red")
        out.print(f"    {terminal.plain(each.what_to_do)}")


def _findings(findings: "Sequence[Finding]") -> str:
    return "1 finding" if len(findings) == 1 else f"{len(findings):,} findings"


def _length(option: str, text: str | None) -> int | None:
    """Seconds of a length of time as the settings write it; None for none, or for ever."""
    if text is None:
        return None
    try:
        return checks.keep(text)
    except checks.WrongValueError as error:
        raise UsageError(f"{option} {text[:40]!r} is wrong; write 48h, 30d or forever") from error
