"""What a value in the configuration may be: one function for each kind of value.

Each takes what TOML gave and returns the setting, or raises `WrongValueError` with every mistake
in it. Texts from the file are shown escaped and cut, and never when they may hold a secret.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from recorder.masking import is_path_like, no_path, without_keys

PRODUCT = re.compile(r"[A-Z0-9]{1,20}(?:-[A-Z0-9]{1,20}){1,3}")
ALL = "all"
_PRODUCT_CHARACTERS_MAX = 83  # four words of 20, and what joins them
_PATTERN = re.compile(r"[A-Z0-9*]{1,20}(?:-[A-Z0-9*]{1,20}){0,3}")
# What each venue has, by the names of Advanced Trade. On the Exchange `level2` needs a key, which
# is looked for at the start, and `level2_batch` does not (`coinbase.md` §2.3).
CHANNELS_OF = {
    "advanced": (
        *("level2", "ticker", "ticker_batch", "market_trades", "heartbeats", "status", "candles"),
    ),
    "exchange": (
        *("level2_batch", "level2", "ticker", "ticker_batch", "market_trades", "heartbeats"),
        "status",
    ),
}
TRANSPORTS = ("websockets", "picows")
CHANNELS = tuple(dict.fromkeys(name for names in CHANNELS_OF.values() for name in names))

_SIZE = re.compile(r"([0-9]{1,12})(kB|MB|GB|TB)", re.ASCII)
_UNIT_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_KEEP_S_MAX = 36_500 * 86_400
_HOST_CHARACTERS_MAX = 253
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_SHOWN_CHARACTERS_MAX = 60
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}

Check = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a value; `position` is the element of a list, None for the whole."""

    text: str
    position: int | None = None


class WrongValueError(Exception):
    """A value is refused; for the parser, which knows the line and the key."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(mistake.text for mistake in mistakes))
        self.mistakes = mistakes


def shown(value: object) -> str:
    """Give a value as it can be shown: texts in quotes, escaped, without keys, cut when long."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, hundreds of brackets
        return "too large to be shown"
    body = without_keys(text[1:-1] if isinstance(value, str) else text)
    if len(body) > _SHOWN_CHARACTERS_MAX:
        body = f"{body[:_SHOWN_CHARACTERS_MAX]}…"
    return f'"{body}"' if isinstance(value, str) else body


def kind_of(value: object) -> str:
    """Name the TOML type of a value, as a person would: ``a text``, ``a list``, ``a table``."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    return _KINDS.get(type(value), "a date or time")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Ask whether the nearest of `known` was meant; empty when none is near."""
    near = difflib.get_close_matches(word.lower()[:64], known, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""


def venue(value: object) -> str:
    """Check the venue."""
    text = _text(value)
    if text not in CHANNELS_OF:
        raise _wrong(f"{shown(text)} is not a venue", 'allowed are "advanced" and "exchange"')
    return text


def transport(value: object) -> str:
    """Check that the library is one that we can use, and installed."""
    text = _text(value)
    if text not in TRANSPORTS:
        raise _wrong(f"{shown(text)} is no transport", 'allowed are "websockets" and "picows"')
    if text != TRANSPORTS[0] and find_spec(text) is None:
        raise _wrong(f"{text} is not installed", f"`pip install 'recorder[{text}]'`")
    return text


def socket_url(value: object) -> str:
    """Check a WebSocket address: wss, or ws to this machine."""
    return _url(value, secure="wss", plain="ws")


def http_url(value: object) -> str:
    """Check an HTTP address: https, or http to this machine."""
    return _url(value, secure="https", plain="http")


def http_url_or_none(value: object) -> str:
    """Check an HTTP address as `http_url` does; an empty text stands for none."""
    return "" if value == "" else http_url(value)


def products(value: object) -> tuple[str, ...]:
    """Check what names products: at least one id, pattern or ``all``, none twice."""
    return _unique_texts(value, 'product ids, such as ["BTC-USD"]', _product_mistake)


def exclude(value: object) -> tuple[str, ...]:
    """Check what names products that are left out; there may be none."""
    if value == []:
        return ()
    return products(value)


def boolean(value: object) -> bool:
    """Check that it is true or false."""
    if not isinstance(value, bool):
        raise _wrong(f"is {kind_of(value)}, {shown(value)}", "true or false is wanted")
    return value


def channels(value: object) -> tuple[str, ...]:
    """Check the channels: known ones, none twice, ``heartbeats`` among them."""
    found = _unique_texts(value, 'channels, such as ["level2", "heartbeats"]', _channel_mistake)
    if "heartbeats" not in found:
        raise _wrong(
            '"heartbeats" is missing',
            "it must be there: it is the only sign of life on a quiet connection, and without it "
            "silence cannot be told from a lost connection",
        )
    return found


def channels_at(venue: str, names: Sequence[str]) -> list[Mistake]:
    """What is wrong with channels, each a known one, at a venue."""
    allowed = CHANNELS_OF[venue]
    mistakes = [
        Mistake(f"{shown(name)} {_why_not_at(venue, name)}; allowed are {', '.join(allowed)}", at)
        for at, name in enumerate(names)
        if name not in allowed
    ]
    for one, other in (("ticker", "ticker_batch"), ("level2", "level2_batch")):
        if venue == "exchange" and {one, other} <= set(names):
            text = f'"{one}" and "{other}" cannot be told apart on the Exchange; choose one of them'
            mistakes.append(Mistake(text, names.index(other)))
    return mistakes


def user_at(venue: str, *, user: bool) -> list[Mistake]:
    """What is wrong with the account's own orders at a venue."""
    if not user or venue == "advanced":
        return []
    return [Mistake('true is for feed.venue "advanced" only; the Exchange has other keys')]


def _why_not_at(venue: str, name: str) -> str:
    if name == "level2_batch":
        return 'is a channel of the Exchange; on Advanced Trade it is "level2"'
    return f"is not a channel of feed.venue {shown(venue)}"


def part_seconds(value: object) -> int:
    """Check a whole number of seconds from 1 to 600; true and false are not numbers."""
    if type(value) is not int:
        raise _wrong(f"is {kind_of(value)}, {shown(value)}", "a whole number, 1 to 600, is wanted")
    if not 1 <= value <= 600:
        raise _wrong(f"{shown(value)} is out of range", "allowed is 1 to 600")
    return value


def keep(value: object) -> int | None:
    """Check how long to keep something; seconds, or None for ever."""
    allowed = 'allowed is a whole number with s, m, h or d, such as "48h", or "forever"'
    text = _text(value, allowed)
    if text == "forever":
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        raise _wrong(f"{shown(text)} is not a length of time", allowed)
    keep_s = int(match[1]) * _UNIT_S[match[2]]
    if keep_s > _KEEP_S_MAX:
        raise _wrong(f"{shown(text)} is more than 100 years", 'write "forever"')
    return keep_s


def keep_text(keep_s: int | None) -> str:
    """Give what `keep` reads, in the largest unit that fits."""
    if keep_s is None:
        return "forever"
    unit = next(unit for unit in ("d", "h", "m", "s") if keep_s % _UNIT_S[unit] == 0)
    return f"{keep_s // _UNIT_S[unit]}{unit}"


def size(value: object) -> int:
    """Check an amount of space; bytes."""
    allowed = 'allowed is a whole number with kB, MB, GB or TB, such as "512MB"'
    text = _text(value, allowed)
    match = _SIZE.fullmatch(text)
    if match is None:
        raise _wrong(f"{shown(text)} is not an amount of space", allowed)
    return int(match[1]) * _UNIT_BYTES[match[2]]


def size_text(size_bytes: int) -> str:
    """Give what `size` reads, in the largest unit that fits."""
    unit = next(each for each in ("TB", "GB", "MB", "kB") if size_bytes % _UNIT_BYTES[each] == 0)
    return f"{size_bytes // _UNIT_BYTES[unit]}{unit}" if size_bytes else "0MB"


def directory(value: object) -> Path:
    """Check a path: absolute, relative to the current directory, or below ``~``."""
    text = _text(value)
    if not text or not text.isprintable():
        raise _wrong(f"{shown(text)} cannot be a directory", "a path in plain characters is wanted")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise _wrong(f"{shown(text)} names no home directory", "write the path in full") from None


def key_file_or_none(value: object) -> Path | None:
    """Check the path of a secret's file; an empty text is none. What is no path is not shown."""
    if not isinstance(value, str):
        raise _wrong(f"is {kind_of(value)}", "the path of a file in quotes is wanted")
    if value and not is_path_like(value):
        raise _wrong(no_path(value))
    return None if value == "" else directory(value)


def _text(value: object, allowed: str = "a text in quotes is wanted") -> str:
    if not isinstance(value, str):
        raise _wrong(f"is {kind_of(value)}, {shown(value)}", allowed)
    return value


def _unique_texts(
    value: object, what: str, mistake_in: Callable[[str], str | None]
) -> tuple[str, ...]:
    wanted = f"a list of {what} is wanted"
    if not isinstance(value, list):
        raise _wrong(f"is {kind_of(value)}, {shown(value)}", wanted)
    if not value:
        raise _wrong("is an empty list", wanted)
    mistakes: list[Mistake] = []
    found: dict[str, None] = {}
    for position, item in enumerate(value):
        if not isinstance(item, str):
            text: str | None = f"holds {kind_of(item)}, {shown(item)}; {wanted}"
        elif item in found:
            text = f"{shown(item)} is there twice; write it once"
        else:
            found[item] = None
            text = mistake_in(item)
        if text is not None:
            mistakes.append(Mistake(text, position))
    if mistakes:
        raise WrongValueError(*mistakes)
    return tuple(found)


def _product_mistake(item: str) -> str | None:
    if _names_products(item):
        return None
    better = item.strip().upper().replace("/", "-").replace("_", "-")
    better = ALL if better == ALL.upper() else better
    near = f'; did you mean "{better}"?' if _names_products(better) else ""
    told = shown(item) if len(item) <= _PRODUCT_CHARACTERS_MAX else f"[{len(item)} characters]"
    return (
        f"{told} is not a product id; allowed are capitals and digits joined by 1 to 3 "
        f'"-", such as "BTC-USD", with "*" for any characters, such as "*-USD", and "all"{near}'
    )


def _names_products(item: str) -> bool:
    """Whether a text is a product id, a pattern, or stands for all."""
    if PRODUCT.fullmatch(item) or item == ALL:
        return True
    return "*" in item and _PATTERN.fullmatch(item) is not None


def _channel_mistake(item: str) -> str | None:
    if item in CHANNELS:
        return None
    if item == "user":
        return f"{shown(item)} has a switch of its own: feed.user = true"
    near = '"level2"' if item.lower() in {"l2_data", "l2"} else ""
    hint = f"did you mean {near}?" if near else did_you_mean(item, CHANNELS)
    allowed = f"{shown(item)} is not a channel; allowed are {', '.join(CHANNELS)}"
    return f"{allowed}; {hint}" if hint else allowed


def _url(value: object, *, secure: str, plain: str) -> str:
    text = _text(value)
    wanted = f"{secure}://host is wanted, or {plain}://host when the host is this machine"
    if "@" in text:
        # Not shown: what stands before the @ is a secret.
        raise _wrong("holds a user name or password", "secrets do not belong into an address")
    if not re.fullmatch(r"[!-~]+", text):
        raise _wrong(f"{shown(text)} holds characters that no address has", wanted)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _wrong(f"{shown(text)} is not an address", wanted) from None
    if parts.scheme not in {secure, plain}:
        raise _wrong(f"{shown(text)} is not a {secure} address", wanted)
    host = parts.hostname or ""
    if not _is_host(host) or port == 0 or parts.netloc.endswith(":"):
        raise _wrong(f"{shown(text)} has no valid host and port", wanted)
    if parts.query or parts.fragment or text[-1] in "?#":
        # Not shown: a query is where tokens travel.
        raise _wrong('has a "?" or a "#"', "an address ends with its path")
    if parts.scheme == plain and not is_loopback(parts):
        raise _wrong(f"{shown(text)} would send in the clear", wanted, f"use {secure}://{host}")
    return text


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    labels = host.removesuffix(".").split(".")
    return len(host) <= _HOST_CHARACTERS_MAX and all(
        re.fullmatch(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in labels
    )


def is_loopback(url: SplitResult) -> bool:
    """Whether an address can only be this machine. Names other than localhost never are."""
    host = url.hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address in _LOOPBACK
    return address == ipaddress.IPv6Address("::1")


def _wrong(*sentences: str) -> WrongValueError:
    return WrongValueError(Mistake("; ".join(sentences)))
