"""Checks of the way to the venue: names, TLS, the socket, REST, and its clock."""

import asyncio
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from recorder.api import CLOCK_S_FINE
from recorder.doctor.findings import Case, Verdict, bad, doubtful, good, skipped
from recorder.errors import RecorderError
from recorder.feed.dial import describe, dial
from recorder.feed.products import Venue
from recorder.feed.rest import Rest
from recorder.feed.rest_errors import certificate_fault
from recorder.feed.sockets import OpeningError
from recorder.listing import why_not_asked

WAIT_S_MAX = 8.0
CERTIFICATE_DAYS_GOOD = 3.0
CLOCK_S_MAX = 30.0
_OFFLINE = "--offline: nothing is asked of the network"
_NETWORK = "look at the network, the firewall and feed.url; https://status.coinbase.com tells more"


def addresses(case: Case) -> Iterator[tuple[str, str]]:
    """The addresses that a recorder uses, by their keys."""
    feed = case.config.feed
    yield "feed.url", feed.url
    if feed.user:
        yield "feed.user_url", feed.user_url
    for word in ("rest_url", "trades_url"):
        if getattr(feed, word) and not why_not_asked(feed, word):
            yield f"feed.{word}", getattr(feed, word)


def names(case: Case) -> Verdict:
    """The names of the venue are found."""
    if case.offline:
        return skipped(_OFFLINE)
    found, hosts = [], {urlsplit(url).hostname or "" for _, url in addresses(case)}
    for host in sorted(hosts):
        answer = resolve(host)
        if isinstance(answer, str):
            fix = "look at /etc/resolv.conf and /etc/hosts; `getent hosts` tells what is found"
            return bad(f"{host}: {answer}", fix)
        found.append(f"{host} ({len(answer)})")
    return good(", ".join(found))


def resolve(host: str) -> list[str] | str:
    """The addresses of a name, or why there are none. Does not wait for long, as the system may."""
    answers: queue.SimpleQueue[list[str] | str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put(sorted({str(each[4][0]) for each in told}))
        except (OSError, UnicodeError) as error:
            answers.put(getattr(error, "strerror", None) or "it is no name")

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=WAIT_S_MAX)
    except queue.Empty:
        return f"no answer within {WAIT_S_MAX:g} s"


def tls(case: Case) -> Verdict:
    """TLS is what it should be: 1.2 or newer, and a certificate that this machine trusts."""
    if case.offline:
        return skipped(_OFFLINE)
    secure = sorted({url for _, url in addresses(case) if urlsplit(url).scheme in ("wss", "https")})
    if not secure:
        return skipped("nothing is secured by TLS: the venue is on this machine")
    found = []
    for url in secure:
        verdict = _handshake(url)
        if verdict.state != "ok":
            return verdict
        found.append(verdict.found)
    return good("; ".join(found))


def _handshake(url: str) -> Verdict:
    parts = urlsplit(url)
    host = parts.hostname or ""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with (
            socket.create_connection((host, parts.port or 443), timeout=WAIT_S_MAX) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate, spoken = secure.getpeercert() or {}, secure.version()
    except ssl.SSLCertVerificationError as error:
        fix = "do not go on: set the clock, or install the authority of the proxy (SSL_CERT_FILE)"
        return bad(f"{host}: {certificate_fault(error).split('. ')[0]}", fix)
    except ssl.SSLError as error:
        return bad(f"{host} does not speak TLS 1.2 or newer: {error.reason}", _NETWORK)
    except OSError as error:
        return bad(f"{host} cannot be reached: {error.strerror or 'no answer'}", _NETWORK)
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86_400
    found = f"{host}: {spoken}, certificate for {days:.0f} more days"
    if days < CERTIFICATE_DAYS_GOOD:
        return doubtful(found, "the venue renews it; if it is a proxy's, renew that one")
    return good(found)


def web_socket(case: Case) -> Verdict:
    """The WebSocket opens."""
    if case.offline:
        return skipped(_OFFLINE)
    feed = case.config.feed

    async def open_each(urls: list[str]) -> list[str]:
        said = []
        for url in urls:
            begun_s = time.monotonic()
            try:
                connection = await dial(url, compression=feed.compression, transport=feed.transport)
            except (OSError, OpeningError, TimeoutError) as error:
                raise _ClosedError(url, describe(error)) from None
            said.append(f"{url} opened in {(time.monotonic() - begun_s) * 1000:.0f} ms")
            await connection.close(1000, "")
        return said

    try:
        return good("; ".join(asyncio.run(open_each([feed.url, *[feed.user_url] * feed.user]))))
    except _ClosedError as error:
        return bad(str(error), _NETWORK)


class _ClosedError(Exception):
    """A socket did not open."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url}: {why}")


def rest(case: Case) -> Verdict:
    """The venue's REST service answers: it has the list of products."""
    return _answers(case, "rest_url", case.config.feed.venue)


def trades(case: Case) -> Verdict:
    """The service answers of which missing trades are fetched."""
    if not case.config.feed.trades_url:
        return skipped("feed.trades_url is empty: missing trades stay missing")
    return _answers(case, "trades_url", "exchange")


def _answers(case: Case, word: str, venue: Venue) -> Verdict:
    url = getattr(case.config.feed, word)
    try:
        ahead_s = _ask(case, word, venue)
    except _NotAskedError as error:
        return skipped(str(error))
    except RecorderError as error:
        # Recording goes on without it, by ids and with the list that was kept.
        return doubtful(str(error), f"look at feed.{word} and the network")
    return good(f"{url} answers" if ahead_s is not None else f"{url} is there")


def clock(case: Case) -> Verdict:
    """Our clock and the venue's agree."""
    try:
        ahead_s = _ask(case, "rest_url", case.config.feed.venue)
    except _NotAskedError as error:
        return skipped(str(error))
    except RecorderError:
        return skipped("the venue's clock could not be asked; see `rest`")
    where = "ahead of" if ahead_s > 0 else "behind"
    found = f"{abs(ahead_s):.2f} s {where} the venue's"
    fix = "`timedatectl set-ntp true`, or install chrony"
    if abs(ahead_s) > CLOCK_S_MAX:
        return bad(found, fix)
    return doubtful(found, fix) if abs(ahead_s) > CLOCK_S_FINE else good(found)


class _NotAskedError(Exception):
    """A service is not asked."""


def _ask(case: Case, word: str, venue: Venue) -> float:
    """By how much our clock is ahead of a service's."""
    if case.offline:
        raise _NotAskedError(_OFFLINE)
    if why := why_not_asked(case.config.feed, word):
        raise _NotAskedError(why.split(":")[0])
    url = getattr(case.config.feed, word)

    async def ask() -> float:
        async with Rest(venue, url) as service, asyncio.timeout(WAIT_S_MAX):
            return (await service.time()).ahead_s

    try:
        return asyncio.run(ask())
    except TimeoutError:
        raise RecorderError(f"{url} did not answer within {WAIT_S_MAX:g} s") from None
