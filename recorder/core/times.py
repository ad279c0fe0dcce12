"""The venue's times as nanoseconds since 1970 UTC.

Two spellings occur: RFC 3339 with 0 to 9 digits of fraction, trailing zeros cut, and (in
heartbeats) Go's default print. Sources: `coinbase.md` §1.3, §1.6.3; vectors in §5.5.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

_seconds_form = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}").fullmatch
_go_form = re.compile(
    r"([0-9-]{10} [0-9:]{8})(?:\.([0-9]{1,9}))? \+0000 UTC(?: m=[+-][0-9.]+)?"
).fullmatch

# Coinbase writes "no time" as the epoch (level2 snapshots) or as year 1 (user orders).
NO_TIME = ("1970-01-01T00:00:00", "0001-01-01T00:00:00")
_YEARS = range(1971, 2262)  # what int64 nanoseconds hold, less the epoch year
SECONDS_MAX = int(datetime(_YEARS.stop, 1, 1, tzinfo=UTC).timestamp())  # exclusive
_FRACTION = 9
_UNITS = tuple(10 ** (_FRACTION - digits) for digits in range(_FRACTION + 1))  # of a last digit

# Frames of the same seconds follow each other, so the last ones' values answer nearly always.
_seconds_known: dict[str, int | None] = {}
_KNOWN_MAX = 64


def _seconds_ns(text: str) -> int | None:
    """Convert the whole seconds, ``2026-09-08T10:00:00``; None for "no time"."""
    if text in NO_TIME:
        return None
    if _seconds_form(text) is None:
        raise ValueError(f"not a time: {text[:40]!r}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"not a time: {text!r}: {error}") from error
    if moment.year not in _YEARS:
        raise ValueError(f"a time outside {_YEARS.start} to {_YEARS.stop - 1}: {text[:40]!r}")
    return int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _known_seconds_ns(head: str) -> int | None:
    whole = _seconds_known.get(head, -1)
    if whole == -1:
        whole = _seconds_ns(head)
        if len(_seconds_known) >= _KNOWN_MAX:
            _seconds_known.clear()
        _seconds_known[head] = whole
    return whole


def rfc3339_ns(text: str) -> int | None:
    """Convert ``2026-09-08T10:00:00.39625135Z``; None where the venue means "no time".

    Raises ValueError for anything else.
    """
    whole = _seconds_known.get(text[:19], -1)
    if whole == -1:
        whole = _known_seconds_ns(text[:19])
    if text[-1:] != "Z":
        raise ValueError(f"not a time in UTC: {text[:40]!r}")
    fraction = text[20:-1]
    if not fraction and len(text) == len("1970-01-01T00:00:00Z"):
        return whole
    count = len(fraction)
    if not (fraction.isdigit() and fraction.isascii()) or text[19] != "." or count > _FRACTION:
        raise ValueError(f"not a time: {text[:40]!r}")
    return None if whole is None else whole + int(fraction) * _UNITS[count]


_HEAD = 20  # letters before the fraction, the point included
_WIDTH = _HEAD + _FRACTION + 1
_ZERO, _POINT, _END = b"0.Z"


def rfc3339_many_ns(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Convert many as `rfc3339_ns` does, and say which of them were converted.

    The others are no times, or such as the venue seldom writes: without a fraction, or "no time".
    """
    count = len(texts)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    if not "".join(texts).isascii():
        texts = [text if text.isascii() else "" for text in texts]
    # Letter by letter, each a row of all texts: what is done to them is done to long rows.
    letters = np.array(texts, f"S{_WIDTH}").view(np.uint8).reshape(count, _WIDTH)
    letters = np.ascontiguousarray(letters[:, _HEAD - 1 :].T)
    point, fraction = letters[0], letters[1:]
    values = fraction - np.uint8(_ZERO)  # of what is below "0", more than 9
    are_digits = values <= 9
    digits = are_digits.sum(axis=0, dtype=np.intp)
    held = np.count_nonzero(fraction, axis=0)
    ends = fraction[np.minimum(digits, _FRACTION), np.arange(count)]
    lengths = np.fromiter(map(len, texts), np.intp, count)
    good = (digits > 0) & (point == _POINT) & (ends == _END)
    good &= (lengths == _HEAD + 1 + digits) & (held == digits + 1)
    values[~are_digits] = 0
    total = np.zeros(count, np.int64)
    for row in values[:_FRACTION]:
        total *= 10
        total += row
    seconds, known = _seconds_of(texts)
    return seconds + total, good & known


def _seconds_of(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The whole seconds of times, each converted once for all that follow each other with it."""
    heads = np.array(texts, f"S{_HEAD - 1}")
    begins = np.flatnonzero(np.append(True, heads[1:] != heads[:-1]))
    values = np.zeros(len(begins), np.int64)
    known = np.zeros(len(begins), np.bool_)
    for place, begin in enumerate(begins.tolist()):
        with suppress(ValueError):
            whole = _known_seconds_ns(texts[begin][: _HEAD - 1])
            if whole is not None:
                values[place], known[place] = whole, True
    lengths = np.diff(np.append(begins, len(texts)))
    return np.repeat(values, lengths), np.repeat(known, lengths)


def go_time_ns(text: str) -> int | None:
    """Convert Go's ``2026-09-08 10:00:01.25788961 +0000 UTC m=+52431.507312884``.

    The ``m=`` tail is the server's own monotonic clock and is ignored. None for "no time"; raises
    ValueError for anything else.
    """
    matched = _go_form(text)
    if matched is None:
        raise ValueError(f"not a time as Go prints it: {text[:60]!r}")
    whole = _seconds_ns(matched[1].replace(" ", "T"))
    return None if whole is None else whole + int((matched[2] or "0").ljust(_FRACTION, "0"))
