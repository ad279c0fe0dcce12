"""Checks of the machine: clock, limits, memory, time zones."""

import ctypes
import ctypes.util
import re
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

from recorder import machine
from recorder.doctor.findings import Case, Verdict, bad, doubtful, good, skipped

# What the unit has; a recorder needs a few dozen and those of its readers.
FILES_GOOD, FILES_MIN = 1024, 256
# 128 MiB of frames may wait for the disk, books of hundreds of products stand beside a seal.
MEMORY_GOOD_BYTES, MEMORY_MIN_BYTES = 2**30, 400 * 2**20
# No clock is right that is behind the day on which this was written.
EPOCH = datetime(2026, 11, 1, tzinfo=UTC)
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_SET = "`timedatectl set-ntp true`, or install chrony"
_MEBIBYTE = 2**20


class _Timex(ctypes.Structure):
    """The begin of ``struct timex``; the kernel writes behind it, into ``rest``."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def clock(_: Case) -> Verdict:
    """The clock is kept right by somebody (NTP): the kernel knows."""
    if datetime.now(UTC) < EPOCH:
        return bad(f"it says {datetime.now(UTC):%Y-%m-%d %H:%M}", f"set it: {_SET}")
    told = kernel_clock()
    if told is None:
        return skipped("the kernel does not say whether it is synchronised")
    state, error_us = told
    if state == _UNSYNCHRONISED:
        return doubtful("it is not synchronised with anything", _SET)
    return good(f"synchronised, within {error_us / 1000:.0f} ms")


def kernel_clock() -> tuple[int, int] | None:
    """What adjtimex(2) says: the state, and the largest error in microseconds; None: nothing."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        told = _Timex()
        state = int(library.adjtimex(ctypes.byref(told)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else (state, int(told.maxerror))


def open_files(case: Case) -> Verdict:
    """Enough files may be open."""
    mine = _files_of(case.pid) if case.pid is not None else None
    count = machine.files_max() if mine is None else mine
    whose = "here" if mine is None else f"for process {case.pid}"
    fix = f"`ulimit -n {FILES_GOOD}`, or LimitNOFILE= in the unit"
    if count < FILES_MIN:
        return bad(f"{count} may be open {whose}", fix)
    if count < FILES_GOOD:
        return doubtful(f"{count} may be open {whose}", fix)
    return good(f"{count:,} may be open {whose}")


def _files_of(pid: int) -> int | None:
    try:
        text = (machine.PROC / str(pid) / "limits").read_text()
    except OSError:
        return None
    found = re.search(r"^Max open files\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None


def memory(_: Case) -> Verdict:
    """There is memory enough."""
    size = machine.memory_bytes()
    if size is None:
        return skipped("the system does not say")
    found, fix = f"{size // _MEBIBYTE:,} MiB", "give it 1 GiB or more: memory, or MemoryMax="
    if size < MEMORY_MIN_BYTES:
        return bad(found, fix)
    return doubtful(found, fix) if size < MEMORY_GOOD_BYTES else good(found)


def time_zones(_: Case) -> Verdict:
    """Time zones are known: readers show times in them. The recorder itself knows only UTC."""
    fix = "install the system's tzdata"
    try:
        zoneinfo.ZoneInfo("Europe/Berlin")
    except (zoneinfo.ZoneInfoNotFoundError, OSError):
        return doubtful("there is no data of time zones", fix)
    here = Path("/etc/localtime")
    if here.is_symlink() and not here.exists():
        return doubtful("/etc/localtime leads nowhere", fix)
    return good("known")
