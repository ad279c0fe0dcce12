"""What a failed request means, and what to do about it: one error with one text for a person.

Sources of the answers: `coinbase.md` §1.13.3 (Advanced Trade), §2.7.4 (Exchange), §2.8 (clock).
Coinbase's answers are JSON of several shapes, plain text (401) or the HTML of its content network.
"""

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp

from recorder.errors import (
    KeyRefusedError,
    RecorderError,
    VenueRefusedError,
    VenueUnavailableError,
)
from recorder.masking import redact, without_keys

# A signature is good for 30 s around its time (HMAC), or from 5 s before it to 115 s after (JWT).
CLOCK_S_MAX = {"jwt": (5.0, 115.0)}
_CLOCK_S_MAX = (30.0, 30.0)
_SAID_CHARACTERS_MAX = 300
KEYS_PAGE = "portal.cdp.coinbase.com/projects/api-keys"
_CERTIFICATE_FAULTS = {
    9: "its certificate is not valid yet: check this machine's clock",
    10: "its certificate has expired: check this machine's clock; if that is right, somebody "
    "stands between, or the venue forgot to renew it",
    18: "its certificate is self-signed",
    19: "its certificate is of an authority that this machine does not trust",
    20: "its certificate is of an authority that this machine does not trust",
    21: "its certificate cannot be verified",
    62: "its certificate is for another host",
    64: "its certificate is for another address",
}


class Asked(NamedTuple):
    """What was asked: for the words of an error. ``scheme`` is None for an unsigned request."""

    host: str
    method: str
    path: str
    scheme: str | None


def unreachable(error: Exception, host: str, method: str, waited_s: float) -> VenueUnavailableError:
    """Say why there is no answer; of a request that may change something also what is known."""
    not_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    why = _why_unreachable(error, host, waited_s)
    if method != "GET":
        why += ". Nothing was sent" if not_sent else f". {_unknown(method)}"
    return VenueUnavailableError(why)


def _unknown(method: str) -> str:
    return f"Whether the {method} was carried out is not known: look before you send it again"


def _why_unreachable(error: Exception, host: str, waited_s: float) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why = f"is not trusted: {certificate_fault(error.certificate_error)}"
        case aiohttp.ClientConnectorDNSError():
            why = "is not found: check the name, and this machine's DNS"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            reason = getattr(getattr(error, "os_error", error), "reason", None) or "TLS failed"
            why = (
                f"does not speak TLS as wanted (1.2 or newer): {reason}. Check the address, and "
                "what stands between"
            )
        case TimeoutError():
            why = f"did not answer within {waited_s:g} s: check the network, or try later"
        case aiohttp.ClientConnectorError():
            said = error.os_error.strerror or "it broke off the connection at once"
            why = f"cannot be reached: {said}. Check the network, the firewall and the address"
        case aiohttp.ClientResponseError():
            why = "did not answer in HTTP: check the address"
        case _:
            why = (
                f"broke off the connection ({type(error).__name__}): try again; if it repeats, "
                "check the network"
            )
    return f"{host} {why}"


def certificate_fault(cause: Exception) -> str:
    """Say what is wrong with a certificate, and that there is no way around it."""
    said = getattr(cause, "verify_message", "") or "it does not verify"
    fault = _CERTIFICATE_FAULTS.get(
        getattr(cause, "verify_code", 0), f"its certificate is refused: {said}"
    )
    return (
        f"{fault}. Do not go on from here. Where a proxy opens TLS on purpose, its authority must "
        "be installed on this machine, or named by SSL_CERT_FILE"
    )


def too_large(host: str, bytes_max: int) -> VenueUnavailableError:
    """Say that an answer was given up on."""
    return VenueUnavailableError(
        f"{host} sent more than {bytes_max // 2**20 or 1} MiB in one answer, which no regular one "
        "has: ask for less, with a limit or a shorter time; check the address"
    )


def odd(asked: Asked, what: str) -> VenueUnavailableError:
    """Say that an answer is not of the shape that it should have."""
    return VenueUnavailableError(
        f"{asked.host} answered {asked.method} {asked.path} with something else than expected: "
        f"{what}. Check the address; if it is right, the venue has changed: report it"
    )


def not_done(host: str, method: str, path: str, body: Mapping[str, Any]) -> RecorderError | None:
    """Say that a 200 is none, or not for all: orders and cancels are refused so; None where it is.

    An order has its ``success`` on top (`coinbase.md` §1.13.3), cancels one in each of ``results``.
    """
    results = body.get("results")
    each = results if isinstance(results, list) else []
    failed = [one for one in each if isinstance(one, dict) and one.get("success") is False]
    if body.get("success") is False:
        what, words = "it was not done", said(body.get("error_response") or body)
    elif failed:
        what = f"{len(failed)} of {len(each)} were not done"
        words = ", ".join(dict.fromkeys(str(one.get("failure_reason") or "?") for one in failed))
    else:
        return None
    words = words[:_SAID_CHARACTERS_MAX]
    return VenueRefusedError(
        f"{host} answered {method} {path} with 200, and that {what}"
        f"{f': {words}' if words else ''}. Correct what was asked for"
    )


def said(body: Any) -> str:
    """Give the venue's own words: the message inside of JSON, or a short text.

    Without what looks like a key: a server may repeat a request, in pieces and in any spelling.
    """
    return without_keys(redact(_words(body)))


def _words(body: Any) -> str:
    if isinstance(body, dict):
        errors = body.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            return _words(errors[0])
        words = [
            body.get(name)
            for name in ("error", "error_details", "message", "preview_failure_reason")
        ]
        texts = list(dict.fromkeys(word for word in words if isinstance(word, str) and word))
        if texts:
            return ": ".join(texts)[:_SAID_CHARACTERS_MAX]
    if isinstance(body, str):
        text = " ".join(body.split())
        return "a page of HTML" if text.startswith("<") else text[:_SAID_CHARACTERS_MAX]
    return str(body)[:_SAID_CHARACTERS_MAX]


def explain(
    asked: Asked, status: int, body: Any, clock_ahead_s: float | None, wait_s: float
) -> RecorderError:
    """Make the error for an answer that is not good.

    Args:
        asked: what was asked.
        status: the answer's status.
        body: its body, decoded.
        clock_ahead_s: by how much our clock is ahead of the venue's, as far as known.
        wait_s: what its Retry-After asks for, 0 without one.
    """
    words = said(body)
    name = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    what = f"{asked.host} answered {asked.method} {asked.path} with {status} {name}".rstrip()
    if words and words.lower() != name.lower():
        what += f": {words}"
    error: type[RecorderError] = VenueRefusedError
    advice = "Correct the request: its path, its query or its body"
    if status == 401:
        error, advice = KeyRefusedError, _unauthorized(asked, words, clock_ahead_s)
    elif status == 403:
        error, advice = _forbidden(asked, body, words)
    elif status == 404:
        advice = "Check the path, and ids: they are in capitals"
    elif status == 429:
        error = VenueUnavailableError
        advice = (
            "Too many requests from this address or with this key, others' included. Wait "
            f"{f'{wait_s:.0f} s' if wait_s else 'a minute'}, then ask less often"
        )
    elif status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        error = VenueUnavailableError
        advice = (
            "The venue failed; try later. A wrong parameter can cause it too, such as a limit "
            "above 1000"
            if asked.method == "GET"
            else f"The venue failed. {_unknown(asked.method)}"
        )
    elif status < 400:
        error = VenueUnavailableError
        advice = (
            "Redirects are not followed, so that no signature goes astray: set the address to the "
            "service's own"
        )
    return error(f"{what}. {advice}")


_REFUSALS = (
    ("timestamp", "Set this machine's clock: a signature is good for 30 s around its time"),
    ("passphrase", "COINBASE_API_PASSPHRASE is not the one that was chosen when the key was made"),
    (
        "api key",
        "The venue does not know the key: it was deleted, or is the other venue's (docs/auth.md)",
    ),
    ("signature", "COINBASE_API_SECRET is not the secret of this key: copy both again"),
)


def _unauthorized(asked: Asked, words: str, clock_ahead_s: float | None) -> str:
    if asked.scheme is None:
        return (
            "This needs a key: see `recorder auth check --help`. Market data of Advanced Trade is "
            "free below /api/v3/brokerage/market/"
        )
    if clock := clock_fault(asked.scheme, clock_ahead_s):
        return clock
    for word, advice in _REFUSALS:
        if word in words.lower():
            return advice
    return (
        "The signature or the key is refused: the key was deleted, its secret is not its own, it "
        "is of the other venue, or this machine's address is not on its allow-list "
        f"({KEYS_PAGE})"
    )


def clock_fault(scheme: str, clock_ahead_s: float | None) -> str:
    """Say it when the clock is too wrong for signatures to be taken; empty otherwise."""
    if clock_ahead_s is None or scheme == "bearer":
        return ""
    ahead_max_s, behind_max_s = CLOCK_S_MAX.get(scheme, _CLOCK_S_MAX)
    if -behind_max_s < clock_ahead_s < ahead_max_s:
        return ""
    where = "ahead of" if clock_ahead_s > 0 else "behind"
    return (
        f"This machine's clock is {abs(clock_ahead_s):.0f} s {where} the venue's, too far for a "
        "signature made by it to be taken: set it (`timedatectl set-ntp true`)"
    )


def _forbidden(asked: Asked, body: Any, words: str) -> tuple[type[RecorderError], str]:
    if isinstance(body, str) and body.lstrip().startswith("<"):
        return VenueUnavailableError, (
            "The venue's content network blocks this address: too many requests, or a country or "
            "network that it does not serve. Wait some minutes and ask less often"
        )
    if asked.scheme is None:
        return KeyRefusedError, "This needs a key: see `recorder auth check --help`"
    if "scope" in words.lower() or "permission" in words.lower():
        return KeyRefusedError, (
            "The key may not do this: `recorder auth check` shows what it may; permissions are "
            f"given at {KEYS_PAGE}"
        )
    return KeyRefusedError, (
        "The key may not do this, or not from this address: look at its permissions and its "
        f"allow-list at {KEYS_PAGE}"
    )
