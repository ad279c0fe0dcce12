"""The command `publish`: sealed hours into a bucket."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli import terminal
from recorder.cli.care import DRY_RUN_HELP, NOT_WHOLE
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.cli.times import instant
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.publishing import Done, PublishReport

_HOUR_NS = 3_600_000_000_000
_TIME_HELP = "ISO 8601 (UTC where it names no zone), or seconds, ms, us or ns since 1970."


def publish(
    to: Annotated[
        str, typer.Option(metavar="s3://BUCKET/PREFIX", help="Where to: a bucket and a prefix.")
    ],
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A store that is not Amazon's. Default: AWS_ENDPOINT_URL_S3, then Amazon S3.",
        ),
    ] = None,
    allow_http: Annotated[
        bool,
        typer.Option("--allow-http", help="Let the endpoint be plain http on other machines too."),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help=f"Hours from here on. {_TIME_HELP}"),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Hours before this only.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Publish the account's own orders, too.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Look whether all objects are there; send what is missing."),
    ] = False,
    remove_superseded: Annotated[
        bool,
        typer.Option(
            "--remove-superseded",
            help="Remove objects that no record has named for over an hour.",
        ),
    ] = False,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Go on with what another directory has published there."),
    ] = False,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Files sent at once.")] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY_RUN_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Publish sealed hours to a bucket of Amazon S3 or a store that speaks S3.

    Each hour's files, then its commit record, in order; `recorder.open("s3://…")` reads it. What is
    there already is not sent again, nothing is overwritten, and it may be killed and run again at
    any moment; it may be recorded meanwhile. What is pruned here stays there. The exit code is 1
    where an hour was left alone for what is wrong with it.

    Keys come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE), a
    profile or the instance's role.

    Examples:
        recorder publish --to s3://market-data/coinbase --dry-run
        recorder publish --to s3://market-data/coinbase --data /srv/market-data
        recorder publish --to s3://market-data/coinbase --endpoint https://s3.example.com --json
    """
    first, last = (None if each is None else instant(each) for each in (since, until))
    if first is not None and last is not None and first >= last:
        raise UsageError("--since is not before --until; there is nothing between")
    try:
        from recorder import publishing  # noqa: PLC0415  heavy, and not everybody has its library
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the library for S3 is not installed here ({error.name}). Install the extra: pip "
            "install 'recorder[s3]'."
        ) from error

    options = publishing.Options(
        endpoint=endpoint,
        allow_http=allow_http,
        private=private,
        adopt=adopt,
        check=check,
        remove_superseded=remove_superseded,
        dry_run=dry_run,
        jobs=jobs,
        first=None if first is None else first // _HOUR_NS,
        last=None if last is None else -(-last // _HOUR_NS),
    )
    with terminal.progress("Publishing", "bytes") as progress:
        report = publishing.publish(data, to, options, progress=progress)
    if as_json:
        terminal.print_json(report)
    else:
        _show(report)
    if not report.whole:
        raise typer.Exit(NOT_WHOLE)


def _show(report: "PublishReport") -> None:
    out = terminal.output()
    for each in report.published:
        out.print(_line(each, dry_run=report.dry_run))
    for path in report.removed:
        out.print(f"{'Would remove' if report.dry_run else 'Removed'}: {terminal.plain(path)}.")
    for left in report.left:
        line = f"Left alone: {_name(left.what)}: {terminal.plain(left.reason).rstrip('.')}."
        out.print(line, style="red" if left.wrong else None)
    files = sum(each.files for each in report.published)
    size = terminal.amount(sum(each.bytes for each in report.published))
    word = "would be sent" if report.dry_run else "sent"
    out.print(
        f"{terminal.plain(report.to)}: {len(report.published):,} published, {files:,} files, "
        f"{size} {word}; {report.there:,} hours were there."
    )
    if report.conditional is False:
        out.print(
            "Note: this store does not refuse to overwrite by itself; each object was looked for "
            "before it was written. Let no other process publish there."
        )


def _line(each: "Done", *, dry_run: bool) -> str:
    word = "Would publish" if dry_run else "Published"
    again = {"replaced": " (replaces what was there)", "packed": " (packed)"}.get(each.how, "")
    files = "1 file" if each.files == 1 else f"{each.files:,} files"
    size = terminal.amount(each.bytes)
    return f"{word}: {_name(each.what)}{again}: {each.rows:,} rows, {files}, {size}."


def _name(what: str) -> str:
    """An hour or a day, for reading."""
    return terminal.hour_name(what) if what.isdigit() else terminal.plain(what)
