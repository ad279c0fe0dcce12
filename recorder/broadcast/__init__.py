"""A recording served again, over a socket that speaks Coinbase's Advanced Trade.

Whoever can listen to the venue can listen to what was recorded of it: the frames that came where
their capture is kept, frames made from the tables where it is not. See docs/replay.md.
"""

import asyncio
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from recorder.broadcast.server import Broadcast, Summary
from recorder.broadcast.tape import Tape
from recorder.errors import UsageError

__all__ = ["Broadcast", "Summary", "Tape", "address", "factor", "serve"]

_address = re.compile(r"(?:(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]*):)?([0-9]{1,5})").fullmatch
LOOPBACK = "127.0.0.1"


def address(text: str) -> tuple[str, int]:
    """The host and port of ``HOST:PORT``, ``:PORT`` or ``PORT``; without a host the loopback one.

    Raises:
        UsageError: it is none of these.
    """
    found = _address(text.strip())
    if found is None or int(found[2]) > 65_535:
        raise UsageError(
            f"{text[:60]!r} is not an address to serve on; write 127.0.0.1:8765, [::1]:8765, or "
            "8765; port 0 takes a free one"
        )
    return (found[1] or LOOPBACK).strip("[]"), int(found[2])


def factor(text: str) -> float | None:
    """A speed: a number above 0, or None for ``max``.

    Raises:
        UsageError: it is neither.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f'{text[:40]!r} is not a speed; write 1, 10, any factor above 0, or "max"')
    return speed


def serve(
    path: Path,
    host: str = LOOPBACK,
    port: int = 0,
    *,
    speed: float | None = 1.0,
    products: Sequence[str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    clients: int = 1,
    on_ready: Callable[[str, Tape], None] = lambda _url, _tape: None,
    watch: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Serve a recording until it is told, or until SIGINT or SIGTERM; see `Broadcast`.

    ``on_ready`` is told the URL and the tape once clients can dial it.

    Raises:
        UsageError: the address cannot be listened on, or what `Tape` raises.
        NoInputError: what `Tape` raises.
    """
    tape = Tape(path, products, start_ns, end_ns)

    async def main() -> Summary:
        door = Broadcast(tape, speed, host=host, port=port, clients=clients, watch=watch)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, door.ended.set)
        try:
            await door.__aenter__()
        except OSError as error:
            raise UsageError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another address, or "
                "port 0 for a free one."
            ) from error
        try:
            on_ready(door.url, tape)
            await door.ended.wait()
        finally:
            await door.__aexit__(None, None, None)
        if door.error is not None:
            raise door.error
        return door.summary

    return asyncio.run(main())
