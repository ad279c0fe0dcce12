"""The command that sends one request: `recorder api`. Its options serve `recorder auth` too."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder import config as settings
from recorder.cli import terminal
from recorder.errors import NoInputError, UsageError
from recorder.masking import without_keys

if TYPE_CHECKING:
    from recorder.api import Service
    from recorder.written import Ask

Config = Annotated[
    Path | None,
    typer.Option(help="TOML file with feed.venue, feed.rest_url and feed.key_file."),
]
Venue = Annotated[
    str | None, typer.Option(help="advanced or exchange, instead of the configured one.")
]
Url = Annotated[str | None, typer.Option(help="The REST service, instead of the venue's own.")]
KeyFile = Annotated[
    Path | None,
    # Whoever reads it says what is wrong with its mode or owner, and how to put it right.
    typer.Option(help="CDP key file to sign with, instead of the configured one.", readable=False),
]
Scheme = Annotated[
    str | None,
    typer.Option(help="jwt, exchange, legacy or bearer, instead of the one of the venue's keys."),
]
Query = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Add to the query; repeat for more.")
]
BODY_CHARACTERS_MAX = 1024 * 1024


def api(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, DELETE or PATCH.")],
    path: Annotated[str, typer.Argument(help="The path, with or without /api/v3/brokerage.")],
    body: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="BODY", help="Send this JSON; @FILE reads a file, - reads stdin."
        ),
    ] = None,
    query: Query = None,
    paginate: Annotated[
        bool, typer.Option("--paginate", help="Ask for all pages, and print them as one.")
    ] = False,
    allow_write: Annotated[
        bool, typer.Option("--allow-write", help="Send what may change something: all but GET.")
    ] = False,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Send it without a signature.")
    ] = False,
    config: Config = None,
    venue: Venue = None,
    url: Url = None,
    key_file: KeyFile = None,
    scheme: Scheme = None,
) -> None:
    """Send one request to Coinbase's REST, signed where it needs to be, and print the answer.

    The answer goes to stdout as JSON, what a person has to know of an error to stderr. Market data
    needs no key. For all else the key is taken from the key file, systemd's credentials or the
    environment, in this order: `recorder auth check` says which, and what it may do.

    Requests that may change something are shown and not sent, unless there is --allow-write. They
    are sent once: where it is not known what became of one, that is said.

    Examples:
        recorder api GET market/products/BTC-USD          without a key
        recorder api GET accounts --paginate
        recorder api GET market/product_book --query product_id=BTC-USD --query limit=5
        recorder api GET "/products/BTC-USD/book?level=2" --venue exchange
        recorder api POST orders/batch_cancel --json '{"order_ids":["11111111"]}' --allow-write
        recorder api POST orders --json @order.json --allow-write
    """
    from recorder import api as requests  # noqa: PLC0415  heavy

    service = requests.service(settings.load(config), venue, url, key_file, scheme)
    ask = requests.ask(service, method, path, query, _body(body))
    if ask.changes:
        shown = _shown(service, ask)
        doing = "Sending" if allow_write else "Not sent:"
        terminal.messages().print(f"{doing} {shown}", soft_wrap=True)
        if not allow_write:
            raise UsageError("this may change something. Add --allow-write to send it.")
    reply = requests.send(service, ask, every_page=paginate, signed=not no_auth)
    if isinstance(reply.body, str):
        if reply.body.strip():
            print(terminal.plain_lines(reply.body.rstrip()))
    else:
        terminal.print_answer(reply.body)
    sys.stdout.flush()
    if reply.error is not None:
        raise reply.error


def _shown(service: "Service", ask: "Ask") -> str:
    """A request for a person: where to, and its body as it goes out."""
    line = without_keys(
        f"{ask.method} {service.url}{ask.path}{f'?{ask.query}' if ask.query else ''}"
    )
    if not ask.body:
        return terminal.plain(line)
    return f"{terminal.plain(line)}\n{terminal.plain_lines(ask.body.decode().rstrip())}"


def _body(given: str | None) -> str:
    """Read the body from where it was said to be."""
    if given is None:
        return ""
    if given != "-" and not given.startswith("@"):
        return given
    name = "stdin" if given == "-" else terminal.plain(given[1:])
    try:
        if given == "-":
            content = sys.stdin.read(BODY_CHARACTERS_MAX + 1)
        else:
            with Path(given[1:]).open(encoding="utf-8") as file:
                content = file.read(BODY_CHARACTERS_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise NoInputError(f"cannot read {name}: {reason}") from None
    if len(content) > BODY_CHARACTERS_MAX:
        raise UsageError(f"{name} is longer than a body may be (1 MiB)")
    return content
