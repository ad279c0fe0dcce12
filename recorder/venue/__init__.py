"""A seeded Coinbase on loopback, in the words of either of its feeds, and a player of recordings.

For tests, for load, and for trying the recorder without a network. Shares no code with
`recorder.core`, so that a misreading of the protocol in one of them does not hide in the other.
"""

import asyncio
import ipaddress
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from recorder.errors import NoInputError, UsageError
from recorder.venue.access import Access
from recorder.venue.door import Door
from recorder.venue.kinds import KINDS, Fault, Happening
from recorder.venue.plan import FaultPlan
from recorder.venue.playback import Playback
from recorder.venue.server import Venue
from recorder.venue.subscriptions import Limits

__all__ = [
    "KINDS", "Access", "Fault", "FaultPlan", "Happening", "Limits", "Playback", "Venue", "run",
    "serve",
]  # fmt: skip


async def serve(door: Door, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; ``on_ready`` is told the URL once clients can dial it.

    Raises:
        UsageError: the address cannot be listened on.
    """
    try:
        await door.__aenter__()
    except OSError as error:
        raise UsageError(
            f"The venue cannot listen: {error.strerror}. Choose another port, or 0 for a free one."
        ) from error
    try:
        on_ready(door.url)
        await stop.wait()
    finally:
        await door.__aexit__(None, None, None)


def run(
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    products: Sequence[str] = ("BTC-USD", "ETH-USD"),
    rate: float = 1.0,
    depth: float = 1.0,
    play: Sequence[Path] = (),
    speed: str | float | None = 1.0,
    on_ready: Callable[[str], None] = lambda _: None,
    protocol: str = "advanced",
    rest_port: int | None = None,
    rest_key: Path | None = None,
    on_rest: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a venue, or a playback of ``play`` if given, until SIGINT or SIGTERM.

    ``protocol`` is the market's: ``advanced`` or ``exchange``. ``speed`` is the playback's factor,
    or ``max`` (or None) for as fast as the client reads. With ``rest_port`` the market's REST is
    served too, and ``on_rest`` told its URL; ``rest_key`` is where the file of a new key that it
    knows is written.

    Raises:
        UsageError: the host is not a loopback address, or a figure cannot mean anything.
        NoInputError: a file to play is not there, or cannot be read.
    """
    _check(host, products, rate, depth)
    factor = _factor(speed)
    for each in play:
        if not each.is_file() or not os.access(each, os.R_OK):
            raise NoInputError(f"{each} cannot be played: there is no such file that may be read.")
    if play and rest_port is not None:
        raise UsageError("A playback has no REST: there is no market behind it.")

    async def main() -> None:
        door: Door
        if play:
            door = Playback(play, factor, host=host, port=port)
        else:
            door = Venue(seed, tuple(products), rate, depth, host, port, protocol=protocol)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        ready = on_ready
        async with AsyncExitStack() as beside:
            if rest_port is not None and isinstance(door, Venue):
                from recorder.venue import rest  # noqa: PLC0415  heavy

                service = rest.beside(door, host, rest_port, rest_key)
                rest_url = (await beside.enter_async_context(service)).url

                def ready(url: str) -> None:  # nothing is told before all of it is served
                    on_rest(rest_url)
                    on_ready(url)

            await serve(door, ready, stop)

    asyncio.run(main())


def _check(host: str, products: Sequence[str], rate: float, depth: float) -> None:
    """Refuse what cannot mean anything, before anything is opened."""
    if not _is_loopback(host):
        raise UsageError(
            f"The venue serves on loopback only, and {host!r} is not: its data is invented, "
            "and nobody else should take it for Coinbase's. Use 127.0.0.1, ::1 or localhost."
        )
    if not products:
        raise UsageError("The venue needs at least one product, for example BTC-USD.")
    if not (rate > 0 and depth > 0):
        raise UsageError("The venue's rate and depth are factors and must be above 0.")


def _factor(speed: str | float | None) -> float | None:
    """The speed of a playback: a factor, or None for ``max``."""
    if speed is None or speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise UsageError(f"{speed!r} is not a speed. Give a factor above 0, or max.")
    return factor


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
