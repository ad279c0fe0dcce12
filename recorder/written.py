"""A request as a person or a script writes it: what of it can be sent, and how it is sent.

What was written is sent to the byte or refused, since that is what is signed, and since `recorder
auth headers` signs for somebody else who sends it.
"""

import json
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from recorder.errors import UsageError
from recorder.feed.products import Venue
from recorder.feed.transport import encoded

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
_BASE: dict[Venue, str] = {"advanced": "/api/v3/brokerage", "exchange": ""}
_NOT_IN_A_QUERY = ' "<>\\^`{|}'


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as it will be sent. Make it with `ask`."""

    method: str
    path: str
    query: str  # as it stands in the address
    body: bytes

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


def ask(
    venue: Venue, method: str, path: str, query: list[str] | None = None, body: str = ""
) -> Ask:
    """Make a request of what a person wrote.

    Args:
        venue: whom it is for.
        method: in any case.
        path: with or without the venue's ``/api/v3/brokerage``; a query in it is sent as it was
            written, to the byte, since that is what is signed.
        query: ``key=value`` each, in plain: they are encoded, and added to the path's.
        body: JSON; it is sent as it is, to the byte, since that is what is signed.

    Raises:
        UsageError: it cannot be sent.
    """
    verb = method.upper()
    if verb not in METHODS:
        raise UsageError(f"{method!r} is no method; allowed are {', '.join(METHODS)}")
    if "://" in path or any(not c.isprintable() for c in path):
        raise UsageError(f"{path!r} is no path: the host comes from the settings or --url")
    path, _, written = path.partition("?")
    _check_path(path, written)
    if not path.startswith("/"):
        path = f"{_BASE[venue]}/{path}"
    if not _is_text(written, body, *(query or [])):
        raise UsageError("the query or the body holds bytes that are not UTF-8")
    if body:
        _check_body(verb, body)
    return Ask(verb, path, _query(written, query or []), body.encode())


def _check_path(path: str, written: str) -> None:
    """Refuse what a client on the way would make another path of, after it was signed."""
    if "#" in path or "#" in written:
        raise UsageError(
            "nothing after a # is ever sent: leave it out, or write %23 for a # itself"
        )
    parts = path.split("/")
    if "" in parts[1:-1]:
        raise UsageError(f"{path!r} has two slashes in a row: leave one out, or put in what lacks")
    if {".", ".."} & {unquote(part) for part in parts}:
        raise UsageError(f"{path!r} has . or .. in it: write the path that is meant")


def _query(written: str, added: list[str]) -> str:
    """The query of an address: one that stands in it already, and pairs that are still plain."""
    if odd := next((c for c in written if not c.isascii() or c in _NOT_IN_A_QUERY), None):
        raise UsageError(
            f"{odd!r} cannot stand in a query: write {quote(odd)} for it, or give the pair with "
            "--query, which encodes it"
        )
    for pair in [*filter(None, written.split("&")), *added]:
        name, equals, _ = pair.partition("=")
        if not name or not equals:
            raise UsageError(f"{pair!r} is no key=value")
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in added)]
    return "&".join(filter(None, (written, encoded(pairs))))


def _is_text(*texts: str) -> bool:
    """Whether all of it can be sent: what a shell gives may hold bytes that are no text."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_body(verb: str, body: str) -> None:
    if verb == "GET":
        raise UsageError("a GET has no body: use --query, or another method")
    try:
        json.loads(body, parse_constant=_no_number, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as wrong:
        raise UsageError(f"the body is not JSON: {wrong}") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """Refuse a name that comes twice: which of the two counts is for whoever reads it to choose."""
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise ValueError(f"{name!r} is there twice in one object")
        seen.add(name)
