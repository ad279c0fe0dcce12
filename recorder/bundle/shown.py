"""What of a text, a value or a setting may be shown to others.

A word may be shown if it stands in this program's own source, or if Python or the system could
have said it: such a word is no secret. So may short numbers, times, and the names of products and
sessions that are known. All else is ``…``, whatever it is: a key that was planted into a log
line, an address, a name, a path.
"""

import builtins
import errno
import http
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorder import config as settings
from recorder.config import Config
from recorder.config.checks import is_loopback
from recorder.logs import is_secret_name

HIDDEN = "…"
TEXT_CHARACTERS_MAX = 2_000
_NESTED_MAX = 8
_ITEMS_MAX = 5_000
_NUMBER_DIGITS_MAX = 5  # no passphrase is so short
_WORD = re.compile(r"[A-Za-z0-9]+")
_TOKEN = re.compile(r"\S+")
_AROUND = re.compile(r"^([\s\"'`(\[{<]*)(.*?)([\s\"'`)\]}>.,:;!?…]*)$", re.DOTALL)
_PLAIN = re.compile(r"[\x21-\x7e]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d){0,2}(?:\.\d{1,9})?(?:Z|\+00:00)?)?")
_SESSION = re.compile(r"[a-z]{1,8}\d{1,3}-\d{8}T\d{6}\.\d{3}Z")
_HOUR = re.compile(r"20\d{8}")
_COLLAPSED = re.compile(rf"{HIDDEN}(?:\s+{HIDDEN})+")
# What OpenSSL and the network say, and this program does not.
_SAID_BY_OTHERS = """
    certificate verify failed expired self signed unable to get local issuer hostname mismatch
    wrong version number handshake failure alert unknown ca eof occurred in violation of protocol
    Name or service not known Temporary failure in name resolution No address associated with
    Traceback most recent call last File line During handling the above exception another
    Started Stopped Starting Stopping Failed Main process exited Deactivated successfully Consumed
    CPU time Scheduled restart job counter is at code status result killed dumped core watchdog
    timeout signal oom kill memory systemd service unit entered Triggered dependency
"""


class Shown:
    """Shows texts and values. ``products`` are names that are known to be those of products."""

    def __init__(self, products: Iterable[str] = ()) -> None:
        self._products = frozenset(products)

    def text(self, text: str) -> str:
        """A text with ``…`` for each word that nobody knows."""
        cut = text[:TEXT_CHARACTERS_MAX]
        shown = _TOKEN.sub(lambda found: self._token(found[0]), cut)
        more = f" {HIDDEN}" if len(text) > TEXT_CHARACTERS_MAX else ""
        return _COLLAPSED.sub(HIDDEN, shown + more)

    def value(self, value: Any, depth: int = 0) -> Any:
        """A JSON value with its texts as `text` shows them, within bounds."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth < _NESTED_MAX and isinstance(value, Mapping):
            return self._members(value, depth + 1)
        if depth < _NESTED_MAX and isinstance(value, list | tuple):
            return [self.value(each, depth + 1) for each in value[:_ITEMS_MAX]]
        return self.text(str(value))

    def _members(self, members: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in list(members.items())[:_ITEMS_MAX]:
            word = self.text(str(name))
            if HIDDEN in word:
                found[HIDDEN] = found.get(HIDDEN, 0) + 1  # how many there were
            elif is_secret_name(str(name)):
                found[word] = HIDDEN
            else:
                found[word] = self.value(value, depth)
        return found

    def _token(self, token: str) -> str:
        matched = _AROUND.match(token)
        assert matched, "it matches everything"
        before, inner, after = matched.groups()
        return f"{before}{inner if self._is_known(inner) else HIDDEN}{after}"

    def _is_known(self, inner: str) -> bool:
        if not inner or inner in self._products or inner == HIDDEN:
            return True
        if any(form.fullmatch(inner) for form in (_TIME, _SESSION, _HOUR)):
            return True
        if not _PLAIN.fullmatch(inner):
            return False
        return all(self._is_word(word) for word in _WORD.findall(inner))

    def _is_word(self, word: str) -> bool:
        if word.isdigit():
            return len(word) <= _NUMBER_DIGITS_MAX
        known = vocabulary()
        return word in known or word.lower() in known


@cache
def vocabulary() -> frozenset[str]:
    """Every word that is no secret, because this program, Python or the system has it."""
    package = Path(settings.__file__).resolve().parent.parent
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    texts += [_SAID_BY_OTHERS, *dir(builtins), *dir(ssl), *errno.errorcode.values()]
    texts += [os.strerror(number) for number in errno.errorcode]
    texts += [f"{status.phrase} {status.description}" for status in http.HTTPStatus]
    return frozenset(word for text in texts for word in _WORD.findall(text) if _can_be_said(word))


def _can_be_said(word: str) -> bool:
    """One letter is a word only where it is one: pieces of keys would be made of them."""
    return len(word) > 1 or word in {"a", "A", "I", "s", "h", "d"}


# --- settings --------------------------------------------------------------------------------

# Values of a closed grammar, which no key fits. All others are told of, and not shown.
_AS_THEY_ARE = frozenset({
    "feed.venue", "feed.channels", "feed.compression", "feed.require_view_only", "feed.sign_all",
    "feed.user", "store.part_seconds", "store.keep_capture", "store.free_space_min",
    "http.insecure",
})  # fmt: skip
_ADDRESSES = frozenset({"feed.url", "feed.rest_url", "feed.trades_url", "feed.user_url"})
_PRODUCTS = frozenset({"feed.products", "feed.exclude"})
SERVICE_DATA = "/var/lib/recorder"


def of_config(config: Config, products: Iterable[str]) -> dict[str, Any]:
    """Every setting: as it is where no key fits into it, else only what kind of value it has."""
    known, found = frozenset(products), settings.describe(config)
    defaults = {key.name: key for key in settings.KEYS}
    shown: dict[str, Any] = {"file": config.source is not None}
    for name, key in defaults.items():
        value, default = found[name], key.default_of(config.feed.venue)
        default = key.as_toml(default) if key.as_toml else default
        shown[name] = _setting(name, value, default, known)
    return shown


def _setting(name: str, value: Any, default: Any, products: frozenset[str]) -> Any:
    if name == "data":
        return value if value == SERVICE_DATA else "the default" if value == default else "set"
    if name in _AS_THEY_ARE or value == default:
        return value
    if name in _ADDRESSES:
        return _address(value)
    if name in _PRODUCTS:
        return [each if _names_products(each, products) else HIDDEN for each in value]
    if isinstance(value, list):
        return f"{len(value)} of them"
    return "set" if value else "not set"


def _names_products(text: str, products: frozenset[str]) -> bool:
    """Whether it is a product that is known, or a pattern made of what some of them are made of."""
    known = {word for product in products for word in product.split("-")}
    return text in products or all(
        word in known for word in re.findall(r"[A-Z0-9]+", text) if word != "all"
    )


def _address(url: str) -> str:
    """The address of a service: whose it is, without its path."""
    if not url:
        return "none"
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(parts):
        return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"
    if host.endswith(".coinbase.com") and all(map(_in_source, host.split("."))):
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{HIDDEN}"


def _in_source(label: str) -> bool:
    return all(word in vocabulary() for word in _WORD.findall(label))


def mistakes(places: Iterable[tuple[int, str]]) -> list[dict[str, Any]]:
    """Where a configuration is wrong; what stands there may be anything, and is not shown."""
    known = {key.name for key in settings.KEYS}
    return [
        {"line": line, "key": key if key in known else HIDDEN if key else None}
        for line, key in places
    ]
