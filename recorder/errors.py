"""The operator's mistakes, as a tree of exceptions.

Three kinds of wrong exist in this project. What Coinbase or the network did wrong is a row in
``faults``. What the operator did wrong is an exception from this file, whose text ends in what to
do next; the command line prints it as one message and exits with its code. Our own bug is an
``assert``.

Exit codes are those of sysexits(3).
"""

from collections.abc import Sequence
from typing import Any


class RecorderError(Exception):
    """Something a person can put right; ``str()`` of it says what and how."""

    exit_code = 70  # EX_SOFTWARE


class UsageError(RecorderError):
    """The command was called in a way that cannot mean anything."""

    exit_code = 64  # EX_USAGE


class WrongOptionsError(UsageError):
    """Options of the command line are refused; the message has a line for each mistake."""


class DataError(RecorderError):
    """The data given, or the data directory, is not what the command needs."""

    exit_code = 65  # EX_DATAERR


class IncompleteData(DataError):  # noqa: N818  what a reader meets: it says what is the matter
    """What was asked for has gaps; ``gaps`` are those, as `recorder.dataset.Gap`."""

    def __init__(self, message: str, gaps: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.gaps = tuple(gaps)


class NoInputError(RecorderError):
    """A file or a data directory that was named does not exist or cannot be read."""

    exit_code = 66  # EX_NOINPUT


class UnavailableError(RecorderError):
    """A service that the command needs cannot be reached."""

    exit_code = 69  # EX_UNAVAILABLE


class VenueUnavailableError(UnavailableError):
    """The venue cannot be reached safely, fails, or asks to wait."""


class VenueRefusedError(UsageError):
    """The venue understood a request and refused it as wrong; asking again changes nothing."""


class StorageError(RecorderError):
    """The disk refused: full, read-only, failing."""

    exit_code = 74  # EX_IOERR


class LockedError(RecorderError):
    """Another process writes to the data directory."""

    exit_code = 75  # EX_TEMPFAIL


class PermissionRefusedError(RecorderError):
    """A file has the wrong owner or mode, or a key may do too much."""

    exit_code = 77  # EX_NOPERM


class KeyRefusedError(PermissionRefusedError):
    """The venue refused the key, its signature, or what was asked with it."""


class ConfigError(RecorderError):
    """The configuration is wrong; the message lists every mistake in it.

    ``places`` has a line and a key (empty: none) for each mistake of a file.
    """

    exit_code = 78  # EX_CONFIG

    def __init__(self, message: str, places: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message)
        self.places = tuple(places)
