"""Commands about keys: auth jwt, auth headers, auth check."""

import json
from collections.abc import Callable
from typing import Annotated

import typer

from recorder import config as settings
from recorder.cli import terminal
from recorder.cli.api import Config, KeyFile, Query, Scheme, Url, Venue
from recorder.cli.record import JSON_HELP

HELP = """Sign requests with a Coinbase key, and find out what a key may do.

Market data needs no key. Where one is needed it is taken from the first place that has one: the
CDP key file of --key-file or of feed.key_file (the JSON of portal.cdp.coinbase.com, mode 0600);
systemd's credentials COINBASE_API_KEY, COINBASE_API_SECRET and COINBASE_API_PASSPHRASE, or a CDP
key file named coinbase there; the environment, by the same three names.

Examples:
    recorder auth check                  is the key right, and view only?
    recorder auth headers GET accounts   what curl needs
"""


def jwt(
    rest: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--rest", metavar="METHOD PATH", help="For this request by REST, instead of a socket."
        ),
    ] = None,
    config: Config = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Print a token of a CDP key, as a line that a shell can evaluate.

    It is good for two minutes. Without --rest it is for a subscription of a WebSocket; with it, for
    that one request: its method, the host and its path, without the query.

    Examples:
        eval "$(recorder auth jwt)"; echo "$JWT"
        eval "$(recorder auth jwt --rest GET accounts)"
    """
    from recorder import api  # noqa: PLC0415  heavy

    service = api.service(settings.load(config), "advanced", url, key_file)
    print(f"export JWT={api.token(service, *(rest or ())).reveal()}")


def headers(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, DELETE or PATCH.")],
    path: Annotated[str, typer.Argument(help="The path, with or without /api/v3/brokerage.")],
    query: Query = None,
    body: Annotated[
        str, typer.Option(help="The JSON that will be sent, to the byte: it is signed on Exchange.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    config: Config = None,
    venue: Venue = None,
    url: Url = None,
    key_file: KeyFile = None,
    scheme: Scheme = None,
) -> None:
    """Print the headers that sign a request, one a line: what curl needs.

    They are good for half a minute (Exchange) or two (Advanced Trade), for this request alone.

    Examples:
        recorder auth headers GET accounts > headers
        curl -H @headers https://api.coinbase.com/api/v3/brokerage/accounts
        recorder auth headers GET "/orders?status=done" --venue exchange --json
    """
    from recorder import api  # noqa: PLC0415  heavy

    service = api.service(settings.load(config), venue, url, key_file, scheme)
    made = api.headers(service, api.ask(service, method, path, query, body))
    if as_json:
        print(json.dumps(made.reveal()))
        return
    for name, value in made.reveal().items():
        print(f"{name}: {value}")


def check(
    require_view_only: Annotated[
        bool,
        typer.Option(
            "--require-view-only", help="Refuse a key that may trade or transfer (exit code 77)."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    config: Config = None,
    venue: Venue = None,
    url: Url = None,
    key_file: KeyFile = None,
    scheme: Scheme = None,
) -> None:
    """Sign a real request: is the key right, what may it do, and is the clock right?

    It reads and changes nothing. A key that may trade or transfer is worth a warning, since a
    recorder needs neither; with --require-view-only, or feed.require_view_only in the settings, it
    is refused.

    Examples:
        recorder auth check
        recorder auth check --key-file cdp_api_key.json --require-view-only
        recorder auth check --venue exchange
    """
    from recorder import api  # noqa: PLC0415  heavy

    chosen = settings.load(config)
    service = api.service(chosen, venue, url, key_file, scheme)
    report = api.check(
        service, require_view_only=require_view_only or chosen.feed.require_view_only
    )
    if as_json:
        terminal.print_json(report)
        return
    said = {True: "yes", False: "no", None: "the venue does not say"}
    out = terminal.output()
    rows = terminal.table("", "")
    rows.show_header = False
    for name, value in (
        ("key", report.key),
        ("from", report.source),
        ("signs", f"{report.scheme}, taken by {report.url}"),
        ("may view", said[report.can_view]),
        ("may trade", said[report.can_trade]),
        ("may transfer", said[report.can_transfer]),
        ("clock", _clock(report.clock_ahead_s, report.clock_uncertain_s)),
    ):
        rows.add_row(name, terminal.plain(value))
    out.print(rows)
    for warning in report.warnings:
        terminal.messages().print(f"Warning: {warning}.", soft_wrap=True)


def _clock(ahead_s: float, uncertain_s: float) -> str:
    where = "ahead of" if ahead_s > 0 else "behind"
    return f"{abs(ahead_s):.2f} s {where} the venue's, give or take {uncertain_s:.2f} s"


COMMANDS: dict[str, Callable[..., None]] = {"check": check, "headers": headers, "jwt": jwt}
