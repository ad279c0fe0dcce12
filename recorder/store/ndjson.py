r"""Capture files of others: gzip NDJSON, one JSON object a line.

    {"t": 1786309548.6290078, "conn": "ws1", "dir": "in", "raw": "{\"channel\":…}"}

``t`` is the receive time (for ``out`` the send time) in seconds since 1970, or null when it was
not kept; ``conn`` names the connection, a new one for each reconnect; ``dir`` is ``in`` or
``out``; ``raw`` is the exact text. Further keys are ignored, and so are blank lines. Plain (not
gzipped) files are read as well.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from recorder.errors import DataError, NoInputError

GZIP_MAGIC = b"\x1f\x8b"
SECONDS_DIGITS_MAX = 10  # up to the year 2286; milliseconds since 2001 have more
_LINES_A_REPORT = 500


class _Record(msgspec.Struct):
    conn: str
    dir: Literal["in", "out"]
    raw: str
    # A number as its digits: 19 significant digits do not fit a float.
    t: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(frozen=True, slots=True)
class CaptureLine:
    """One line of a capture file. ``t_ns`` is None where the file has no time for it."""

    t_ns: int | None
    conn: str
    outgoing: bool
    raw: bytes


def _nanoseconds(digits: str) -> int:
    """Decimal seconds to whole nanoseconds, without passing through a float."""
    whole, _, fraction = digits.partition(".")
    if not whole.isascii() or not whole.isdigit() or not (fraction or "0").isdigit():
        raise ValueError("t is not a plain number of seconds since 1970")
    if len(whole) > SECONDS_DIGITS_MAX:
        raise ValueError(f"t is {whole} seconds; in which unit is it?")
    return int(whole) * 1_000_000_000 + int((fraction + "000000000")[:9])


def read_lines(
    path: Path, read: Callable[[int], None] = lambda _count: None
) -> Iterator[CaptureLine]:
    """Read a capture file in its order; ``read`` is told how many bytes of the file were taken.

    Raises:
        NoInputError: the file cannot be opened.
        DataError: a line is not of the format, or the gzip stream is torn; the message names the
            file and line, and every line before it has been yielded.
    """
    number = 0
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == GZIP_MAGIC
            file.seek(0)
            taken = 0
            for number, line in enumerate(gzip.GzipFile(fileobj=file) if zipped else file, 1):
                if not line.isspace():
                    yield _line(line)
                if number % _LINES_A_REPORT == 0:
                    read(file.tell() - taken)
                    taken = file.tell()
            read(path.stat().st_size - taken)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip data is torn after line {number} ({error}). "
            f"Get a whole copy of the file, or cut it there: `zcat FILE | head -n {number}`."
        ) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise DataError(
            f"{path}, line {number}: not a capture line ({error}). Expected one JSON object a "
            'line: {"t": seconds or null, "conn": name, "dir": "in" or "out", "raw": text}.'
        ) from error
    except OSError as error:
        raise NoInputError(f"{path}: {error.strerror}. Check the path and its mode.") from error


def _line(text: bytes) -> CaptureLine:
    record = _decode(text)
    given = bytes(record.t).decode()
    return CaptureLine(
        None if given == "null" else _nanoseconds(given),
        record.conn,
        record.dir == "out",
        record.raw.encode("utf-8", "surrogatepass"),
    )
