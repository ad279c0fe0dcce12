"""What may be shown of a text that may be, or hold, a key: rules of form, for every message.

They know no key of this process (`recorder.credentials.without_secrets` does), so the same text is
always shown the same.
"""

import html
import os
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

REDACTED = "[redacted]"
SECRET_NAMES = (
    "secret",
    "passphrase",
    "password",
    "passwd",
    "jwt",
    "api[_-]?key",
    "authorization",
    "signature",
    "access[_-]?sign",
    "private[_-]?key",
    "access[_-]?token",
    "refresh[_-]?token",
    "credential",
    "cookie",
)
_SECRET_TEXTS = (
    # A PEM block, to its end or to the end of the text.
    re.compile(r"()-----BEGIN [\s\S]*?(?:-----END [A-Z0-9 ]*-----|\Z)"),
    # A JWT: two base64 JSON objects and a signature.
    re.compile(r"()\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),
    # A header or a scheme with its token.
    re.compile(r"(\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE),
    # A password in an address.
    re.compile(r"(://)[^/\s@]+(?=@)"),
    # A member of a JSON object, a query, a repr or a header, that is named like a secret.
    re.compile(
        rf"((?:{'|'.join(SECRET_NAMES)}|\btoken)\w*[\\\"']*\s*[:=]\s*(?:\\?[\"'])?)"
        r"(?:(?<=[\"'])(?:[^\"'\\]|\\.)+|[^\s,;&}\"']+)",
        re.IGNORECASE,
    ),
)

_RUN_MIN = 24
_RUN = re.compile(rf"[A-Za-z0-9+/=_-]{{{_RUN_MIN},}}")
_UNBROKEN = re.compile(rf"[A-Za-z0-9+=]{{{_RUN_MIN},}}")
_UNBROKEN_KEY = re.compile(r"[A-Za-z0-9+=]{40,}|[A-Z0-9]{24,}")
_PADDED = re.compile(r"[A-Za-z0-9+/_-]{20,}={1,2}\Z")
# Where a word of letters and digits turns from one kind to another: `keyFile2` does so twice.
_TURN = re.compile(
    r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[0-9]|(?<=[0-9])[A-Za-z]|(?<=[A-Z])[A-Z](?=[a-z])"
)
# So many characters turn so often in random base64: each of 20,000 keys of 32 bytes did; of
# 200,000 paths of files 5 in 1,000 did, nearly all for a digest in them.
_TURNS = ((24, 7), (32, 8), (40, 9))
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Of letters and digits, at least so many digits: letters alone are words, and a year is short.
_DIGITS_MIN = 0.12
_PATH = re.compile(r"[A-Za-z][A-Za-z_.-]{0,22}\Z|[/~]|\.{1,2}/|[\w.-]+/|.*\.[A-Za-z0-9]{1,8}\Z")
# From the first of a run of backslashes only: a frame may have thousands.
_CODE = re.compile(r"(?<!\\)\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_BREAK = re.compile(r"(?<!\\)\\+[nrt]")
_ESCAPED_TIMES = 3
_NO_PATH = re.compile(r"-----BEGIN|[{}\"\r\n]")


def redact(text: str) -> str:
    """Give `text` without what looks like a secret: PEM, JWT, tokens, passwords in addresses."""
    for pattern in _SECRET_TEXTS:
        text = pattern.sub(rf"\1{REDACTED}", text)
    return text


def without_keys(text: str) -> str:
    """Give a text with ``…`` for each long run of characters as keys have them.

    Where there are some in what is quoted for URLs, the whole is shown unquoted.
    """
    bare = unquote(text) if "%" in text else text
    found = _RUN.sub(_masked, bare)
    return found if found != bare else _RUN.sub(_masked, text)


def _masked(run: re.Match[str]) -> str:
    return "…" if _is_key_like(run[0]) else run[0]


def unescaped(text: str) -> str:
    """Give a text without escapes (of URLs, HTML, JSON and Python, also twice) and white space."""
    for _ in range(_ESCAPED_TIMES):
        text = html.unescape(unquote(text))
        text = _CODE.sub(lambda code: chr(int(code[1] or code[2], 16)), text)
    return "".join(_BREAK.sub("", text).replace("\\", "").split())


def in_base64(raw: bytes) -> Iterator[str]:
    """Give the characters that are the same whatever stands around: for each offset, both ways."""
    for shift in range(3):
        # Of a character that others have bits of, nothing is known.
        whole = slice((shift * 8 + 5) // 6, (shift + len(raw)) * 8 // 6)
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(b"\0" * shift + raw)[whole].decode()


def _is_key_like(run: str) -> bool:
    if _UNBROKEN_KEY.search(run) or _PADDED.search(run):
        return True
    if any(map(_is_mixed, _UNBROKEN.findall(run))):
        return True
    turns = [turn.start() for turn in _TURN.finditer(run)]
    return any(
        last - first < width
        for width, number in _TURNS
        for first, last in zip(turns, turns[number - 1 :], strict=False)
    )


def _is_mixed(run: str) -> bool:
    return sum(each.isdigit() for each in run) >= _DIGITS_MIN * len(run)


def is_path_like(text: str) -> bool:
    """Whether a text is a file that is there, or a path as people write them, and no key."""
    if _NO_PATH.search(text) or not text.isprintable():
        return False
    if _is_there(text):
        return True
    bare = _UUID.sub("", text)
    return (
        _PATH.match(text) is not None
        and _UNBROKEN.search(bare) is None
        and without_keys(bare) == bare
    )


def names_key(path: str) -> bool:
    """Whether a path that is to be made has in its name what looks like a key."""
    bare = _UUID.sub("", path)
    return without_keys(redact(bare)) != bare and not _is_there(path)


def _is_there(text: str) -> bool:
    try:
        return os.path.lexists(Path(text).expanduser())
    except RuntimeError:  # there is no such home
        return False


def shown_path(text: object) -> str:
    """Give the path of a secret's file; what is none may be the secret, and is not shown."""
    path = str(text)
    return path if is_path_like(path) else f"[hidden: {len(path)} characters]"


def no_path(text: object) -> str:
    """Say that a path belongs where a text stands that is none."""
    return (
        f"{shown_path(text)} is no path of a file: give the path of the file; if this is the key "
        "itself, put it into a file with mode 0600"
    )


def shown_address(text: str) -> str:
    """Give an address without what may be secret in it: user, password, query and fragment."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return f"[hidden: {len(text)} characters]"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    # An @ behind a slash may be of a password that has a slash in it.
    return without_keys(f"{bare[: bare.index(':') + 1]}//…@{bare.rpartition('@')[2]}"
                        if "@" in bare and ":" in bare else bare)  # fmt: skip
