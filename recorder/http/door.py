"""Where HTTP is served: the sockets, TLS, the token; and what may not be opened to others.

systemd can hand sockets over (``recorder.socket``): then those are served, and stay open while the
recorder is replaced, so that no scrape fails. Everything that is wrong with the settings is told
before anything is recorded.
"""

import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from recorder.config import HttpConfig
from recorder.config.listening import Address, exposure, is_loopback
from recorder.credentials import Secret, read_secret
from recorder.errors import ConfigError

FIRST_HANDED = 3  # sd_listen_fds(3)
HANDED_MAX = 8
BACKLOG = 32
TOKEN_MIN, TOKEN_MAX = 16, 256


@dataclass(frozen=True, slots=True)
class Door:
    """How requests come in.

    ``handed`` are sockets that systemd gave; without any, ``address`` is bound. ``token`` is what
    must be shown, None for nothing; ``tls`` is None for plain HTTP. ``hosts`` are further names
    that this machine may be called by. ``until_s`` is until when the certificate holds.
    """

    address: Address | None
    handed: tuple[socket.socket, ...]
    tls: ssl.SSLContext | None
    token: Secret[str] | None
    hosts: frozenset[str]
    until_s: float | None = None


def open_door(config: HttpConfig, getenv: Callable[[str], str | None] = os.getenv) -> Door | None:
    """Give the door that the settings want; None where nothing is to be served.

    Raises:
        ConfigError: it would be open to others, or the certificate or the token is no good.
        PermissionRefusedError: others may read the token or the private key.
        NoInputError: a file is not there.
    """
    handed = handed_over(getenv)
    if config.listen is None and not handed:
        return None
    token = None if config.token_file is None else token_of(config.token_file, getenv)
    tls = None
    if config.tls_cert is not None and config.tls_key is not None:
        tls = tls_of(config.tls_cert, config.tls_key, getenv)
    for each in handed:
        if each.family != socket.AF_UNIX and not is_loopback(each.getsockname()[0]):
            name = str(Address(*each.getsockname()[:2]))
            wrong = exposure(
                f"{name}, which systemd listens on,",
                token=token is not None,
                tls=tls is not None,
                insecure=config.insecure,
            )
            if wrong is not None:
                raise ConfigError(wrong)
    hosts = frozenset(config.hosts)
    until_s = None if tls is None or config.tls_cert is None else holds_until_s(config.tls_cert)
    return Door(None if handed else config.listen, handed, tls, token, hosts, until_s)


def handed_over(getenv: Callable[[str], str | None] = os.getenv) -> tuple[socket.socket, ...]:
    """Take the listening sockets that were handed over to this process; sd_listen_fds(3).

    Raises:
        ConfigError: what was handed over are no listening sockets of streams.
    """
    count = getenv("LISTEN_FDS") or ""
    if getenv("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or len(count) > 3:
        return ()
    if int(count) > HANDED_MAX:
        raise ConfigError(f"{count} sockets were handed over by systemd; {HANDED_MAX} are allowed")
    found: list[socket.socket] = []
    for number in range(FIRST_HANDED, FIRST_HANDED + int(count)):
        os.set_inheritable(number, False)
        try:
            given = socket.socket(fileno=number)
            listens = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise ConfigError(
                f"what systemd handed over as {number} is no socket ({error.strerror}): "
                "recorder.socket needs ListenStream="
            ) from None
        if given.type != socket.SOCK_STREAM or not listens:
            raise ConfigError(
                f"the socket that systemd handed over as {number} does not listen for streams: "
                "recorder.socket needs ListenStream= and Accept=no"
            )
        given.setblocking(False)
        found.append(given)
    return tuple(found)


def bound(address: Address) -> socket.socket:
    """Listen on an address. Raises OSError where it is taken, or not of this machine."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def token_of(path: Path, getenv: Callable[[str], str | None] = os.getenv) -> Secret[str]:
    """Read a token. What it is is in no message.

    Raises:
        NoInputError, PermissionRefusedError: as for key files.
        ConfigError: it is none.
    """
    content = read_secret(path, getenv)
    wrong = _token_fault(content)
    if wrong:
        raise ConfigError(
            f"{path} {wrong}; a token is one line of {TOKEN_MIN} to {TOKEN_MAX} printable "
            "characters without spaces, such as `openssl rand -hex 32` prints"
        )
    return Secret(content.reveal().strip())


def _token_fault(content: Secret[str]) -> str:
    """What is wrong with a token; nothing in here raises, so that no traceback shows it."""
    length = len(content.reveal().strip())
    if not length:
        return "is empty"
    if not TOKEN_MIN <= length <= TOKEN_MAX:
        return f"holds {length} characters"
    if not all("!" <= each <= "~" for each in content.reveal().strip()):
        return "holds more than one line, spaces, or characters that are not ASCII"
    return ""


def tls_of(
    cert: Path, key: Path, getenv: Callable[[str], str | None] = os.getenv
) -> ssl.SSLContext:
    """Make what TLS is served with: 1.2 or newer.

    Raises:
        NoInputError, PermissionRefusedError: as for key files, of the private key.
        ConfigError: certificate and key are no PEM, or do not belong together.
    """
    read_secret(key, getenv)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Never asked for a passphrase: nobody is there to answer.
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not PEM"
        raise ConfigError(
            f"TLS cannot be served with {cert} and {key}: {reason}; a certificate and its private "
            "key are wanted, both as PEM, the key without a passphrase"
        ) from None
    return context


def holds_until_s(cert: Path) -> float | None:
    """Until when a certificate holds, in seconds since 1970: the first one of those in the file."""
    try:
        certificate = x509.load_pem_x509_certificates(cert.read_bytes())[0]
    except (OSError, ValueError):
        return None  # OpenSSL took it; it is only watched
    return certificate.not_valid_after_utc.timestamp()
