"""What may be said of the address that the recorder serves HTTP on, and who may reach it.

On this machine alone nothing more is needed. An address that others reach needs a token and TLS,
or a person who says that it is guarded in some other way.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recorder.config.checks import Mistake, WrongValueError, kind_of, shown

OFF = "off"
_WANTED = (
    f'"{OFF}", or an address of this machine with a port is wanted, such as "127.0.0.1:9464" or '
    '"[::1]:9464"'
)
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<four>[0-9a-z.]{1,45})):(?P<port>[0-9]{1,5})"
)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_HOSTS_MAX = 32


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: an IP address of this machine and a port, 0 for any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)


HERE = Address("127.0.0.1", 9464)


def is_loopback(host: str) -> bool:
    """Whether an IP address is of this machine alone."""
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def listen(value: object) -> Address | None:
    """Check where to listen; None for nowhere."""
    if not isinstance(value, str):
        raise WrongValueError(Mistake(f"is {kind_of(value)}, {shown(value)}; {_WANTED}"))
    if value == OFF:
        return None
    found = _ADDRESS.fullmatch(value)
    if found is None:
        raise WrongValueError(Mistake(f"{shown(value)} is not an address; {_WANTED}"))
    host, port = found["six"] or found["four"], int(found["port"])
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        wrong = f"{shown(host)} is not an IP address; {_WANTED}"
        raise WrongValueError(Mistake(wrong)) from None
    if getattr(address, "ipv4_mapped", None):
        wrong = f"{shown(host)} is IPv4 in the words of IPv6; the IPv4 itself is wanted"
        raise WrongValueError(Mistake(wrong))
    if port > 65_535:
        raise WrongValueError(Mistake(f"{port} is not a port; allowed is 0 to 65535"))
    return Address(str(address), port)


def listen_text(address: Address | None) -> str:
    """Give what `listen` reads."""
    return OFF if address is None else str(address)


def hosts(value: object) -> tuple[str, ...]:
    """Check names by which requests may call this machine: lower case, without a port."""
    wanted = 'a list of host names is wanted, such as ["recorder.lan"]'
    if not isinstance(value, list):
        raise WrongValueError(Mistake(f"is {kind_of(value)}, {shown(value)}; {wanted}"))
    mistakes: list[Mistake] = []
    for position, item in enumerate(value):
        if not isinstance(item, str):
            mistakes.append(Mistake(f"holds {kind_of(item)}, {shown(item)}; {wanted}", position))
        elif not _is_host(item):
            allowed = 'a name in lower case without "://", port or path is wanted'
            mistakes.append(Mistake(f"{shown(item)} is not a host name; {allowed}", position))
    if len(value) > _HOSTS_MAX:
        mistakes.append(Mistake(f"has {len(value)} names; {_HOSTS_MAX} are allowed"))
    if mistakes:
        raise WrongValueError(*mistakes)
    return tuple(dict.fromkeys(value))


def _is_host(text: str) -> bool:
    if _HOST.fullmatch(text):
        return True
    try:
        return str(ipaddress.ip_address(text)) == text
    except ValueError:
        return False


def exposure(what: str, *, token: bool, tls: bool, insecure: bool) -> str | None:
    """What is wrong with serving on an address that others reach; None: nothing."""
    if insecure or (token and tls):
        return None
    lacking = [
        each
        for each, there in (("a token (http.token_file)", token),
                            ("TLS (http.tls_cert, http.tls_key)", tls))
        if not there
    ]  # fmt: skip
    return (
        f"{what} can be reached from other machines, which needs {' and '.join(lacking)}; or set "
        'http.insecure = true where something else guards it; "127.0.0.1:9464" is for this machine '
        "alone"
    )


def together(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What settings of `http` do not allow of each other: (key, mistake)."""
    cert, key = settings["http.tls_cert"], settings["http.tls_key"]
    if (cert is None) != (key is None):
        there, lacking = ("tls_cert", "tls_key") if key is None else ("tls_key", "tls_cert")
        yield f"http.{there}", f"needs http.{lacking} beside it"
    address: Address | None = settings["http.listen"]
    if address is None or address.loopback:
        return
    wrong = exposure(
        shown(str(address)),
        token=settings["http.token_file"] is not None,
        tls=cert is not None and key is not None,
        insecure=settings["http.insecure"],
    )
    if wrong is not None:
        yield "http.listen", wrong
