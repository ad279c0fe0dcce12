"""Times as a reader writes them: text, datetime or a number."""

from datetime import UTC, datetime

from recorder.errors import UsageError

# An int of at least this many counts in this unit, in nanoseconds.
_EPOCH_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (0, 1_000_000_000))

Time = str | int | datetime


def to_ns(moment: Time) -> int:
    """A time as nanoseconds since 1970 UTC.

    Text is ISO 8601, UTC where it names no zone; an int counts seconds, milli-, micro- or
    nanoseconds since 1970, told apart by its size.

    Raises UsageError for what is no time.
    """
    if isinstance(moment, int):
        unit = next(factor for least, factor in _EPOCH_UNITS if abs(moment) >= least)
        return moment * unit
    if isinstance(moment, str):
        if moment.isascii() and moment.isdigit():
            return to_ns(int(moment))
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as error:
            raise UsageError(
                f"{moment!r} is no time. Write it as 2026-11-21T19:30:00 (UTC), or as seconds "
                "since 1970."
            ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def to_datetime(nanoseconds: int) -> datetime:
    """Nanoseconds since 1970 UTC as a datetime, cut to microseconds."""
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(
        microsecond=nanoseconds // 1000 % 1_000_000
    )
