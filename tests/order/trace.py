"""Lines of ``strace -f -y`` as system calls that begin and end.

A call that another thread's call overlaps is two lines, ``<unfinished ...>`` and ``resumed``.
What a sync covers is what was written before it *began*; what it gives counts when it *ended*.
"""

import codecs
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "openat,mkdir,mkdirat,write,pwrite64,writev,pwritev,fsync,fdatasync,"
    "rename,renameat,renameat2,unlink,unlinkat"
)
TEXT_MAX = 2000  # bytes of a write that are kept: a block's header, a whole current.json
_whole = re.compile(r"(\d+)\s+(\w+)\((.*)\)\s+= (-?\d+)(?:<(.*)>)?").match
_unfinished = re.compile(r"(\d+)\s+(\w+)\((.*?),? *<unfinished \.\.\.>").match
_resumed = re.compile(r"(\d+)\s+<\.\.\. (\w+) resumed>(.*)\)\s+= (-?\d+)(?:<(.*)>)?").match
_text = re.compile(r'"((?:[^"\\]|\\.)*)"').findall
_handle = re.compile(r"\d+<([^>]*)>").match
_named = re.compile(r'(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)"').findall


@dataclass(slots=True)
class Call:
    """One system call. ``path`` is of its handle or its first name, ``other`` of its second."""

    thread: int
    name: str
    path: str
    other: str = ""
    data: bytes = b""
    creates: bool = False
    failed: bool = False


def why_not() -> str | None:
    """Why system calls cannot be traced here; None where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed (Debian: strace)"
    tried = subprocess.run(["strace", "-qq", "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace is not allowed: {tried.stderr.strip()}"


def run(command: Sequence[str], log: Path) -> subprocess.CompletedProcess[str]:
    """Run a command and everything that it starts under strace."""
    options = ("-f", "-y", "-qq", "-s", str(TEXT_MAX), "-e", f"trace={CALLS}", "-o", str(log))
    return subprocess.run(
        ["strace", *options, *command], capture_output=True, text=True, check=False
    )


def read(lines: Iterable[str]) -> Iterator[tuple[bool, Call]]:
    """Every call twice: (False, call) where it begins, (True, call) where it ended."""
    begun: dict[str, tuple[Call, str]] = {}
    for line in lines:
        if found := _unfinished(line):
            call = _call(found[1], found[2], found[3])
            begun[found[1]] = call, found[3]
            yield False, call
        elif found := _resumed(line):
            call, arguments = begun.pop(found[1], (_call(found[1], found[2], ""), ""))
            _end(call, f"{arguments}{found[3]}", found[4], found[5])
            yield True, call
        elif found := _whole(line):
            call = _call(found[1], found[2], found[3])
            _end(call, found[3], found[4], found[5])
            yield False, call
            yield True, call


def _call(thread: str, name: str, arguments: str) -> Call:
    call = Call(int(thread), name, "")
    if name in ("fsync", "fdatasync", "write", "pwrite64", "writev", "pwritev"):
        handle = _handle(arguments)
        call.path = handle[1].removesuffix("(deleted)") if handle else ""
    else:
        names = [
            f"{folder}/{path}" if path[:1] != "/" else path for folder, path in _named(arguments)
        ]
        call.path, call.other = (*names, "", "")[:2]
    return call


def _end(call: Call, arguments: str, result: str, opened: str | None) -> None:
    call.failed = result.startswith("-")
    if call.name == "openat":
        call.creates = "O_CREAT" in arguments
        call.path = opened or call.path
    elif "write" in call.name:
        texts = _text(arguments)
        call.data = codecs.escape_decode(texts[0].encode())[0] if texts else b""
