"""What was recorded, read from the data directory beside the recording, and kept for a while.

Reading may take seconds and a good part of a core. It is done in a process of its own, one at a
time, so that the recording never waits for it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from recorder.core.frames import HOUR_NS
from recorder.errors import NoInputError, RecorderError, UsageError
from recorder.http.answers import RefusedError, moment
from recorder.http.guard import Refusal
from recorder.times import to_ns
from recorder.worker import WorkError, work

ROWS_MAX = 20_000
SPAN_NS_MAX = 31 * 24 * HOUR_NS
SPAN_NS = 24 * HOUR_NS
KEPT_S = 15.0
KEPT_MAX = 16
WAITING_MAX = 4
_TIMES = {"start_time", "end_time"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which intervals: of one product or channel or of all, those that touch [start, end)."""

    product_id: str | None
    channel: str | None
    start_ns: int
    end_ns: int | None
    gaps: bool


def span_of(start: str | None, end: str | None, now_ns: int) -> tuple[int, int | None]:
    """The range that is asked for: the last day, where nothing is said. None: no end.

    The begin of the last day is rounded, so that it is the same for a minute.

    Raises:
        RefusedError: a time cannot be read, or the range is too long or has nothing in it.
    """
    try:
        end_ns = None if end is None else to_ns(_time(end))
        start_ns = None if start is None else to_ns(_time(start))
    except (RecorderError, ValueError, OverflowError):
        wanted = "times are ISO 8601, or whole numbers since 1970"
        raise RefusedError(Refusal(400, "time", wanted)) from None
    if start_ns is None:
        start_ns = ((end_ns or now_ns) - SPAN_NS) // 60_000_000_000 * 60_000_000_000
    last_ns = now_ns if end_ns is None else end_ns
    if not start_ns < last_ns:
        raise RefusedError(Refusal(400, "range", "the range ends before it begins"))
    if last_ns - start_ns > SPAN_NS_MAX:
        raise RefusedError(Refusal(400, "range", "a range is 31 days at most"))
    return start_ns, end_ns


def _time(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text[:40]


def read(path: Path, asked: Asked) -> bytes:
    """Read intervals, as JSON; empty for what is no channel. Runs in a process of its own."""
    from recorder import dataset  # noqa: PLC0415  heavy, and the recording does without

    data, rows = dataset.open_dataset(path), []
    try:
        every = data.coverage(asked.product_id, asked.channel, asked.start_ns, asked.end_ns)
        rows = [row for row in every.to_pylist() if row["state"] == "gap" or not asked.gaps]
    except NoInputError:  # no such product has intervals
        pass
    except UsageError:
        return b""
    shown = [
        {
            name: _shown(name, value)
            for name, value in row.items()
            if value is not None and name != "noted_seq"
        }
        for row in rows[-ROWS_MAX:]
    ]
    return msgspec.json.encode(
        {
            "start": moment(asked.start_ns),
            "end": moment(asked.end_ns),
            "truncated": len(rows) > ROWS_MAX,
            "intervals": shown,
        }
    )


def _shown(name: str, value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if name in _TIMES else value


class Intervals:
    """Reads what was recorded of a data directory, and keeps the answers for a while.

    What is asked is given with the function that reads it, in the process of its own.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def get(self, asked: Hashable, reader: Callable[[Path, Any], bytes] = read) -> bytes:
        """The answer, as JSON.

        Raises:
            RefusedError: too many wait already, or it cannot be read now.
        """
        kept = self._fresh(asked)
        if kept is not None:
            return kept
        if self._waiting >= WAITING_MAX:
            raise RefusedError(
                Refusal(503, "busy", "too many ask for coverage; ask again", {"Retry-After": "5"})
            )
        self._waiting += 1
        try:
            async with self._turn:
                kept = self._fresh(asked)
                return await self._read(asked, reader) if kept is None else kept
        finally:
            self._waiting -= 1

    def _fresh(self, asked: Hashable) -> bytes | None:
        at_s, content = self._kept.get(asked, (0.0, b""))
        return content if content and time.monotonic() - at_s < KEPT_S else None

    async def _read(self, asked: Hashable, reader: Callable[[Path, Any], bytes]) -> bytes:
        try:
            content: bytes = await work(reader, self._path, asked)
        except (WorkError, OSError):
            raise RefusedError(
                Refusal(503, "unreadable", "coverage cannot be read now; `recorder verify` says "
                        "whether it is whole", {"Retry-After": "5"})
            ) from None  # fmt: skip
        if not content:
            # An empty answer would say that nothing is missing of it.
            raise RefusedError(Refusal(400, "channel", "not a channel; /v1/products lists them"))
        self._kept[asked] = (time.monotonic(), content)
        self._kept.move_to_end(asked)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return content
