"""Times as people write them on a command line."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from recorder.errors import UsageError

_EPOCH = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,9})?")
_ISO = re.compile(
    r"(?P<whole>\d{4}-\d{2}-\d{2}(?:[T ]\d{2}(?::\d{2}(?::\d{2})?)?)?)"
    r"(?:[.,](?P<fraction>\d{1,9}))?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
# Digits that are meant as a date, as `recorder.times` has them; that needs NumPy, slow to import.
_date_alone = re.compile(r"(?:19|2[0-2])\d\d(?:(?:\d\d){0,2}|(?:\d\d){4,5})", re.ASCII).fullmatch
# Up to these, a bare number is taken for seconds, milliseconds, microseconds; beyond, nanoseconds.
# Each reaches from 1973 to the year 5138 and so cannot be taken for another.
_SECONDS_MAX = 10**11
_MILLISECONDS_MAX = 10**14
_MICROSECONDS_MAX = 10**17
_NS_MAX = 2**63 - 1


def instant(text: str) -> int:
    """Give nanoseconds since 1970 UTC for a time as a person writes it.

    ISO 8601, in UTC where it names no zone, or the seconds, milliseconds, microseconds or
    nanoseconds since 1970 (told apart by their size).

    Raises:
        UsageError: It is neither, or outside of 1970 to 2262.
    """
    said = text.strip()
    at_ns = _from_epoch(said) if _EPOCH.fullmatch(said) else _from_iso(said)
    if _date_alone(said) or at_ns is None or not 0 <= at_ns <= _NS_MAX:
        raise UsageError(
            f"{text[:60]!r} is not a time; write 2026-11-21T19:30:00Z, 2026-11-21 19:30 (UTC is "
            "meant), 2026-11-21T20:30:00+01:00 or seconds since 1970"
        )
    return at_ns


def _from_epoch(text: str) -> int:
    number = Decimal(text)
    if number < _SECONDS_MAX:
        scale = 10**9
    elif number < _MILLISECONDS_MAX:
        scale = 10**6
    elif number < _MICROSECONDS_MAX:
        scale = 10**3
    else:
        scale = 1
    return int(number * scale)


def _from_iso(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    whole, fraction, zone = match["whole"], match["fraction"] or "", match["zone"] or "Z"
    try:
        moment = datetime.fromisoformat(f"{whole}{zone.upper()}" if len(whole) > 10 else whole)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since.days * 86_400 + since.seconds
    return seconds * 10**9 + int(fraction.ljust(9, "0"))
