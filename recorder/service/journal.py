"""Log lines as entries of the journal: with fields, so that they can be asked for by them.

    journalctl EVENT=gap_found PRODUCT_ID=BTC-USD

The native protocol of systemd-journald: one datagram an entry; a value with a line break has its
length before it, so that no value can pass for another field or another entry.
"""

import json
import os
import re
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

SOCKET = "/run/systemd/journal/socket"
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
IDENTIFIER = "recorder"
STDERR = 2
BUFFER_BYTES = 8 * 2**20
NAME_CHARACTERS_MAX = 64

# What the journal gives a meaning to: a key of ours with such a name is another thing.
_TAKEN = frozenset({"MESSAGE", "MESSAGE_ID", "PRIORITY", "ERRNO", "DOCUMENTATION", "TID", "UNIT"})
_TAKEN_BEFORE = ("SYSLOG_", "CODE_", "OBJECT_", "COREDUMP_", "USER_", "USERSPACE_")


def is_stderr(getenv: Callable[[str], str | None] = os.getenv) -> bool:
    """Whether what we write to stderr goes to the journal, and not to a file or a pipe."""
    told = getenv("JOURNAL_STREAM") or ""
    try:
        status = os.fstat(STDERR)
    except OSError:
        return False
    return told == f"{status.st_dev}:{status.st_ino}"


class Journal:
    """Writes entries. One that cannot be sent is written by ``otherwise``, as a line of JSON.

    Where the journal is too busy, an entry is dropped rather than waited for, and the next one says
    how many were (``ENTRIES_LOST``).
    """

    def __init__(self, otherwise: Callable[[str], None], address: str = SOCKET) -> None:
        self._otherwise = otherwise
        self._address = address
        self._lost = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)

    def write(self, line: str, message: str, fields: Mapping[str, Any]) -> None:
        """Write one entry: for people a ``message``, for programs all ``fields`` and the level.

        ``line`` is the same as JSON, with ``<N>`` before it, which journald takes for the priority.
        It is not waited for, and nothing is raised.
        """
        lost = {"entries_lost": self._lost} if self._lost else {}
        try:
            self._socket.sendto(entry(message, {**fields, **lost}), self._address)
        except BlockingIOError:
            self._lost += 1
        except OSError:  # too large for a datagram, or the journal was never there
            self._otherwise(line)
        else:
            self._lost = 0

    def close(self) -> None:
        """Write no more."""
        self._socket.close()


def entry(message: str, fields: Mapping[str, Any]) -> bytes:
    """One entry, from plain JSON values whose ``level`` is a word of ours."""
    found = {
        "MESSAGE": message,
        "PRIORITY": str(priority(fields)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
    }
    for name, value in fields.items():
        found.setdefault(field_name(name), _text(value))
    return b"".join(_field(name, value) for name, value in found.items())


def priority(fields: Mapping[str, Any]) -> int:
    """The priority of an entry by its ``level``, as syslog(3) numbers them."""
    return PRIORITIES.get(str(fields.get("level")), PRIORITIES["info"])


def field_name(name: str) -> str:
    """The name of a field for a key: capitals, digits and underscores, a letter first."""
    word = re.sub(r"[^A-Z0-9_]", "_", name.upper())[:NAME_CHARACTERS_MAX]
    if not word[:1].isalpha() or word in _TAKEN or word.startswith(_TAKEN_BEFORE):
        word = f"RECORDER_{word.lstrip('_')}"[:NAME_CHARACTERS_MAX]
    return word


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _field(name: str, value: str) -> bytes:
    content = value.encode(errors="backslashreplace")
    if b"\n" not in content:
        return b"%s=%s\n" % (name.encode(), content)
    return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(content)), content)
