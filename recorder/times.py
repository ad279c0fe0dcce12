"""Times as a reader writes them: text, datetime or a number."""

import re
from datetime import UTC, date, datetime, time

import numpy as np

from recorder.errors import UsageError

# An int of at least this many counts in this unit, in nanoseconds.
_EPOCH_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (0, 1_000_000_000))
# Digits behind the microseconds, which a datetime would lose without a word.
_beyond_us = re.compile(r"(.*[T ].*[.,]\d{6})(\d{1,3})\d*(\D.*)?").fullmatch
_NS_MAX = 2**63 - 1
_FINER = {"ps": 10**3, "fs": 10**6, "as": 10**9}  # NumPy's units below a nanosecond, in one
_SHOWN_MAX = 60

# Digits that are meant as a date, and would be seconds of 1970, or milliseconds of 1976 or 2612.
_date_alone = re.compile(r"(?:19|2[0-2])\d\d(?:(?:\d\d){0,2}|(?:\d\d){4,5})").fullmatch

Time = str | int | datetime
"""What every method takes as a time; `to_ns` says how it is read."""


def to_ns(moment: Time) -> int:
    """A time as nanoseconds since 1970 UTC.

    Text is ISO 8601 down to nanoseconds, UTC where it names no zone; a date is its midnight; an
    int counts seconds, milli-, micro- or nanoseconds since 1970, told apart by its size. The times
    of pandas and NumPy keep their nanoseconds.

    >>> to_ns("1970-01-01T00:00:01.000000001Z")
    1000000001
    >>> to_ns(1_795_289_400) == to_ns("2026-11-21T19:30") == to_ns("2026-11-21T20:30+01:00")
    True

    Raises UsageError for what is no time.
    """
    found = _to_ns(moment)
    if not -_NS_MAX <= found <= _NS_MAX:
        raise UsageError(f"{_shown(moment)} is too far away; times are from 1677 to 2262.")
    return found


def _shown(moment: object) -> str:
    """What was given for a time, as far as a message has room."""
    if isinstance(moment, int) and abs(moment) > _NS_MAX:
        return "an int that large"  # Python does not even write every one
    text = repr(moment)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def _to_ns(moment: object) -> int:
    match moment:
        case bool():
            pass
        case int():
            unit = next(factor for least, factor in _EPOCH_UNITS if abs(moment) >= least)
            return moment * unit
        case str():
            return _from_text(moment)
        case datetime() if moment == moment:  # noqa: PLR0124  pandas has a datetime that is none
            return _from_datetime(moment) + int(getattr(moment, "nanosecond", 0))
        case date() if moment == moment:  # noqa: PLR0124
            return _from_datetime(datetime.combine(moment, time(), UTC))
        case np.timedelta64():  # NumPy has it as an integer
            pass
        case np.integer():
            return _to_ns(int(moment))
        case np.datetime64() if not np.isnat(moment):
            return _from_numpy(moment)
    raise UsageError(
        f"{_shown(moment)} is no time. Give text such as 2026-11-21T19:30:00 (UTC), a datetime, or "
        "an int of seconds to nanoseconds since 1970."
    )


def _from_numpy(moment: np.datetime64) -> int:
    """NumPy wraps around where nanoseconds do not hold a time, without a word."""
    unit, count = np.datetime_data(moment.dtype)
    if unit in _FINER:
        return int(moment.astype(np.int64)) * count // _FINER[unit]
    found = moment.astype("datetime64[ns]")
    whole = found.astype(moment.dtype) == moment
    return int(found.astype(np.int64)) if whole else _NS_MAX + 1


def _from_text(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20:
        if _date_alone(text):
            raise UsageError(
                f"{_shown(text)} could be a date, or a number since 1970. Write a date with its "
                "hyphens: 2026-11-21."
            )
        return _to_ns(int(text))
    # RFC 3339 has t and z in small letters as well; Python's reader has not.
    upper = text.upper() if text.isprintable() else ""  # Python reads up to a NUL
    beyond = _beyond_us(upper)
    try:
        moment = datetime.fromisoformat(beyond[1] + (beyond[3] or "") if beyond else upper)
    except ValueError as error:
        raise UsageError(
            f"{_shown(text)} is no time. Write it as 2026-11-21T19:30:00 (UTC), or as seconds "
            "since 1970."
        ) from error
    return _from_datetime(moment) + (int(beyond[2].ljust(3, "0")) if beyond else 0)


def _from_datetime(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def to_datetime(nanoseconds: int) -> datetime:
    """Nanoseconds since 1970 UTC as a datetime, cut to microseconds."""
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(
        microsecond=nanoseconds // 1000 % 1_000_000
    )


def to_text(nanoseconds: int) -> str:
    """Nanoseconds since 1970 UTC as ISO 8601 with as many digits as it needs, 0, 3 or 6.

    >>> to_text(1_795_289_400_250_000_000)
    '2026-11-21T19:30:00.250Z'
    """
    moment = to_datetime(nanoseconds)
    digits = f"{moment.microsecond:06}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{digits}" if digits else "") + "Z"


def bounds(start: Time | None, end: Time | None) -> tuple[int | None, int | None]:
    """The two ends of a range in nanoseconds. Raises UsageError where it is reversed."""
    start_ns = None if start is None else to_ns(start)
    end_ns = None if end is None else to_ns(end)
    if start_ns is not None and end_ns is not None and start_ns > end_ns:
        raise UsageError(
            f"The range ends before it begins: {to_text(start_ns)} to {to_text(end_ns)}. "
            "Give the earlier time first."
        )
    return start_ns, end_ns
