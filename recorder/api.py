"""Requests by hand: what `recorder api` and `recorder auth` do, for a person or a script.

Joins the settings, the key and the venue's REST service. One event loop a call; nothing here knows
of recording.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from recorder import credentials, written
from recorder.config import Config, override
from recorder.errors import ConfigError, KeyRefusedError, RecorderError, UsageError
from recorder.feed.auth import JwtSigner, Scheme, Signer, signer_for
from recorder.feed.products import Venue
from recorder.feed.rest import URLS, Rest
from recorder.feed.rest_errors import KEYS_PAGE, clock_fault, not_done
from recorder.feed.signing import VenueClock
from recorder.feed.transport import Answer, encoded
from recorder.written import Ask

T = TypeVar("T")
VENUES: tuple[Venue, ...] = ("advanced", "exchange")
SCHEMES: tuple[Scheme, ...] = ("jwt", "exchange", "legacy", "bearer")
# A clock that is off by more is worth a word, even where signatures are still taken.
CLOCK_S_FINE = 2.0
_PAGES_MAX = 1000
_FREE: dict[Venue, tuple[str, ...]] = {
    "advanced": ("/api/v3/brokerage/market", "/api/v3/brokerage/time"),
    "exchange": ("/products", "/time", "/currencies"),
}
NO_KEY = (
    "there is no key. Name a CDP key file with --key-file or feed.key_file, or set "
    f"{credentials.KEY} and {credentials.SECRET} (and {credentials.PASSPHRASE} for Exchange), in "
    f"the environment or as systemd credentials. Keys are made at {KEYS_PAGE}; View is enough"
)


@dataclass(frozen=True, slots=True)
class Service:
    """Whom to ask, and with which key."""

    venue: Venue
    url: str
    key_file: Path | None
    scheme: Scheme | None


def service(
    config: Config,
    venue: str | None = None,
    url: str | None = None,
    key_file: Path | None = None,
    scheme: str | None = None,
) -> Service:
    """Choose whom to ask: the settings, and what options replace of them.

    Raises:
        UsageError: an option is not one of what is allowed.
    """
    chosen = _one_of("--venue", venue, VENUES) or config.feed.venue
    if url is not None:
        address = override(config, {"feed.rest_url": ("--url", url)}).feed.rest_url
    else:
        # The settings' address is that of their own venue.
        address = config.feed.rest_url if chosen == config.feed.venue else URLS[chosen]
    return Service(
        chosen, address, key_file or config.feed.key_file, _one_of("--scheme", scheme, SCHEMES)
    )


def _one_of(option: str, value: str | None, allowed: tuple[T, ...]) -> T | None:
    for each in allowed:
        if each == value:
            return each
    if value is None:
        return None
    raise UsageError(f"{option}: {value!r} is none; allowed are {', '.join(map(str, allowed))}")


def ask(
    service: Service, method: str, path: str, query: list[str] | None = None, body: str = ""
) -> Ask:
    """Make a request to a service of what a person wrote: see `recorder.written.ask`."""
    return written.ask(service.venue, method, path, query, body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: ``error`` is for a person, None where the venue did what was asked.

    ``body`` is JSON with Decimals for fractions, so that what is printed is what was said; or text.
    """

    status: int
    body: Any
    error: Exception | None


def is_free(service: Service, path: str) -> bool:
    """Whether a path is market data, for which no key is needed."""
    return any(path == free or path.startswith(f"{free}/") for free in _FREE[service.venue])


def signer_of(service: Service) -> tuple[Signer, credentials.Credentials]:
    """Load the key and make its signer.

    Raises:
        ConfigError: there is none, or it is not one for this venue.
        PermissionRefusedError: others may read its file.
    """
    found = credentials.load(service.key_file)
    if found is None:
        raise ConfigError(NO_KEY)
    return signer_for(found, service.venue, service.scheme), found


def send(service: Service, ask: Ask, *, every_page: bool = False, signed: bool = True) -> Reply:
    """Send one request; with ``every_page`` also those for what does not fit on its page.

    Market data is asked for without a signature.

    Raises:
        VenueUnavailableError: there is no answer.
    """
    signer = signer_of(service)[0] if signed and not is_free(service, ask.path) else None

    async def run() -> Reply:
        async with Rest(service.venue, service.url, signer) as rest:
            if every_page:
                return await _all_pages(rest, ask)
            return (await _one(rest, ask, ask.query))[0]

    return asyncio.run(run())


async def _one(rest: Rest, ask: Ask, query: str) -> tuple[Reply, Answer]:
    answer = await rest.answer(ask.method, ask.path, query, body=ask.body)
    body = answer.exact()
    error = None if answer.good else rest.explain(answer, ask.method, ask.path)
    if answer.good and isinstance(body, dict):
        error = not_done(rest.host, ask.method, ask.path, body)
    return Reply(answer.status, body, error), answer


async def _all_pages(rest: Rest, ask: Ask) -> Reply:
    """Ask for one page after the other, and join their lists; an error ends it, after what came."""
    if ask.changes:
        raise UsageError("--paginate is for GET")
    reply, answer = await _one(rest, ask, ask.query)
    parts = [pair for pair in ask.query.split("&") if pair]
    whole, seen = reply.body, set()
    for _ in range(_PAGES_MAX):
        cursor = _next_page(answer, reply.body)
        if reply.error or cursor is None or cursor in seen:
            break
        seen.add(cursor)
        others = (pair for pair in parts if unquote(pair.partition("=")[0]) != cursor[0])
        try:
            reply, answer = await _one(rest, ask, "&".join((*others, encoded([cursor]))))
        except RecorderError as failed:
            return Reply(reply.status, whole, failed)
        if reply.error:
            break
        whole = _joined(whole, reply.body)
    else:
        error = UsageError(
            f"there are more than {_PAGES_MAX} pages, and the others were not asked for: ask for "
            "less, by the query, or in larger pages"
        )
        return Reply(reply.status, whole, error)
    return Reply(reply.status, whole, reply.error)


def _next_page(answer: Answer, body: Any) -> tuple[str, str] | None:
    """What to add to the query for the page after this one; None on the last.

    Exchange tells it in a header, also where the next page is empty; Advanced Trade in the body
    (`coinbase.md` §2.7.3, §1.13.1).
    """
    if isinstance(body, list):
        after = answer.headers.get("CB-AFTER")
        return ("after", after) if after and body else None
    if not isinstance(body, dict):
        return None
    pages = body.get("pagination")
    pages = body if not isinstance(pages, dict) else pages
    cursor = pages.get("next_cursor") or pages.get("cursor")
    # Fills have no has_next: an empty cursor is their end, and would ask for the first page again.
    if not isinstance(cursor, str) or not cursor or pages.get("has_next") is False:
        return None
    return "cursor", cursor


def _joined(one: Any, other: Any) -> Any:
    """Two pages as one: lists one after the other, of all else the later."""
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            **one,
            **{
                name: _joined(one.get(name), value) if isinstance(value, list) else value
                for name, value in other.items()
            },
        }
    return other


def token(service: Service, method: str | None = None, path: str = "") -> credentials.Secret[str]:
    """Make a token: for a socket, or for one request by REST.

    Raises:
        UsageError: the key is of a kind that signs no tokens.
    """
    signer, _ = signer_of(service)
    if not isinstance(signer, JwtSigner):
        raise UsageError("only a CDP key signs tokens; see `recorder auth headers` for the others")
    if method is None:
        return signer.token(None)
    asked = ask(service, method, path)
    rest = Rest(service.venue, service.url)
    return signer.token(f"{asked.method} {rest.host}{rest.target(asked.path)}")


def headers(service: Service, ask: Ask) -> credentials.Secret[dict[str, str]]:
    """Make the headers that sign a request which somebody else will send."""
    signer, _ = signer_of(service)
    rest = Rest(service.venue, service.url)
    target = rest.target(ask.path, ask.query)
    made = dict(signer.headers(ask.method, rest.host, target, ask.body).reveal())
    return credentials.Secret(made | ({"Content-Type": "application/json"} if ask.body else {}))


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What is known of a key after a request that it signed.

    Permissions are None where the venue does not tell them: Exchange has no request for that.
    ``clock_ahead_s`` is by how much this machine's clock is ahead of the venue's.
    """

    key: str
    source: str
    scheme: str
    venue: str
    url: str
    can_view: bool | None
    can_trade: bool | None
    can_transfer: bool | None
    portfolio_type: str | None
    clock_ahead_s: float
    clock_uncertain_s: float
    warnings: list[str]


def check(service: Service, *, require_view_only: bool) -> KeyReport:
    """Sign a real request, read what the key may do, and compare the clocks.

    Raises:
        KeyRefusedError: the venue refuses the key, or it may do more than it should.
        VenueUnavailableError: there is no answer.
    """
    report = asyncio.run(examine(service, *signer_of(service)))
    if require_view_only:
        refuse_too_much(report)
    return report


async def examine(
    service: Service,
    signer: Signer,
    found: credentials.Credentials,
    clock: VenueClock | None = None,
) -> KeyReport:
    """Do what `check` does; ``clock`` is put right before anything is signed.

    Raises:
        KeyRefusedError: the venue refuses the key.
        VenueUnavailableError: there is no answer.
    """
    # Exchange tells no permissions; that it answers at all shows that the key may view.
    path = "/accounts" if service.venue == "exchange" else "/api/v3/brokerage/key_permissions"

    async with Rest(service.venue, service.url, signer) as rest:
        time = await rest.time()
        if clock is not None:
            clock.ahead_s = time.ahead_s
        body = (await rest.request("GET", path)).decoded()
    told = body if isinstance(body, dict) else {}
    may = {name: told.get(f"can_{name}") for name in ("view", "trade", "transfer")}
    may = {name: value if isinstance(value, bool) else None for name, value in may.items()}
    if service.venue == "exchange":
        may["view"] = True
    kind = told.get("portfolio_type")
    return KeyReport(
        found.key, found.source, signer.scheme, service.venue, service.url,
        may["view"], may["trade"], may["transfer"],
        kind if isinstance(kind, str) else None, round(time.ahead_s, 3),
        round(time.uncertain_s, 3), _warnings(signer.scheme, may, time.ahead_s),
    )  # fmt: skip


def refuse_too_much(report: KeyReport) -> None:
    """Raise KeyRefusedError for a key that may trade or transfer, or of which that is not known."""
    if report.can_trade is not False or report.can_transfer is not False:
        raise KeyRefusedError(
            f"{_too_much(report.can_trade, report.can_transfer)}, and only a key that may view and "
            f"nothing else is wanted (require_view_only): make one at {KEYS_PAGE} with View alone"
        )


def _too_much(trade: bool | None, transfer: bool | None) -> str:
    if trade is None or transfer is None:
        return "the venue does not say what the key may do"
    may = [word for word, allowed in (("trade", trade), ("transfer", transfer)) if allowed]
    return f"the key may {' and '.join(may)}"


def _warnings(scheme: str, may: dict[str, bool | None], ahead_s: float) -> list[str]:
    found = []
    if may["trade"] or may["transfer"]:
        found.append(
            f"{_too_much(may['trade'], may['transfer'])}: a recorder needs to view only, and who "
            f"steals this key has more; make one at {KEYS_PAGE} with View alone"
        )
    if may["view"] is False:
        found.append("the key may not view: accounts and orders cannot be read with it")
    if fault := clock_fault(scheme, ahead_s):
        found.append(fault)
    elif abs(ahead_s) > CLOCK_S_FINE:
        where = "ahead of" if ahead_s > 0 else "behind"
        found.append(
            f"this machine's clock is {abs(ahead_s):.1f} s {where} the venue's: signatures are "
            "still taken, but set it (`timedatectl set-ntp true`)"
        )
    return found
