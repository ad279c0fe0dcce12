"""A recording from its settings: what must hold before it begins, and what a person is told.

One process records into a data directory. The key is tried and, where there are patterns, the
venue's list of products is had before anything is recorded; `recorder.daemon` does the rest.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from recorder import recovery, sealing
from recorder.config import Config
from recorder.daemon import Recorder
from recorder.errors import RecorderError, StorageError
from recorder.feed.selection import Selection, is_pattern
from recorder.http import open_door, serving
from recorder.keycheck import Signings, reading, signings_for
from recorder.listing import Listing, fetch_from, rest_services
from recorder.progress import Progress, Summary
from recorder.service.notifier import Notifier
from recorder.service.unit import Unit
from recorder.store.lock import WriterLock
from recorder.store.paths import Root, hour_text

MIDDLE_EVERY = 2  # collections of the young ones: some thousand values, half a millisecond
SWITCH_S = 0.0005  # a thread that computes keeps the interpreter for so long where others want it
OLD_EVERY = 5000  # collections of the middle ones, and the old ones are looked at

__all__ = ["Progress", "Recorder", "Summary", "record"]


def record(
    config: Config,
    *,
    seal_on_exit: bool,
    watch: Callable[[Progress], None] | None = None,
    stop_after_s: float | None = None,
    planned: Callable[[Selection, int], None] | None = None,
    read: Callable[[], Config] | None = None,
    leaving: Callable[[], None] | None = None,
) -> Summary:
    """Record until a signal to stop or ``stop_after_s``; blocks, returns after a clean stop.

    SIGTERM and SIGINT stop it, and SIGHUP does where ``read`` is None: the terminal was closed.
    Otherwise SIGHUP reads the configuration again, by ``read``, and the list of products.

    A second signal to stop ends the process as soon as what was received is synced, with exit code
    0; ``leaving`` is called right before. After a stop of a service, signals are held back: it is
    about to end, and everything is on disk.

    ``seal_on_exit``: also seal the hour that is open. ``watch`` is called once a second;
    ``planned`` once, at the start, with what is recorded and over how many connections.

    Raises:
        LockedError: another process records into the data directory.
        StorageError: the disk refused.
        UnavailableError: there are patterns, and the list of products could not be had.
        ConfigError: there is nothing to record, a key is needed and there is none, or HTTP would
            be open to others.
        PermissionRefusedError: the key must not be used; see `signings_for` for this and more.
    """
    root = Root(config.data)

    def leave() -> None:
        if leaving is not None:
            leaving()
        leave_at_once()

    async def run(signings: Signings) -> Summary:
        async with rest_services(config.feed) as (rest, trades):
            signings.clock.ask = None if rest is None else rest.time
            listing = Listing(root, config.feed.venue, fetch_from(rest))
            if listing.products is None and any(map(is_pattern, config.feed.products)):
                await listing.refresh()
            recorder = Recorder(
                root,
                config,
                watch,
                stop_after_s,
                listing=listing,
                read=reading(read, signings),
                trades=trades,
                signings=signings,
                unit=Unit(Notifier()),
                leave=leave,
            )
            if planned is not None:
                planned(recorder.lineup.selection, recorder.progress().connections)
            settle()
            async with serving(door, recorder):
                return await recorder.run()

    door = open_door(config.http)
    with WriterLock(root):
        signings = signings_for(config.feed)
        try:
            summary = asyncio.run(run(signings))
        except* OSError as group:
            raise StorageError(_storage_text(root, group)) from group
        except* RecorderError as group:
            raise _first(group) from None
        if not seal_on_exit:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        else:
            sealing.mend_all(root)
            recovery.publish_missing(root.path)
            hours = recovery.unsealed(root)
            commits = recovery.seal_and_switch(root, hours)
            summary.sealed += [hour_text(commit.hour) for commit in commits]
        return summary


def leave_at_once() -> None:
    """End this process, with exit code 0, and wait for nothing: no name that is being looked up."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def settle() -> None:
    """What there is by now stays to the end: a collection of garbage need not look at it again.

    It would take 30 to 70 ms each time, in the middle of whatever arrives; and as long where it
    looks at all rows that wait for their part. Young garbage goes as ever, old cycles (connections
    that were closed) are few, and can wait. Threads that compute, such as those that write parts,
    give the interpreter back soon to the loop.
    """
    gc.enable()  # `recorder run` has it off while it imports
    gc.collect()
    gc.freeze()
    young, _, _ = gc.get_threshold()
    gc.set_threshold(young, MIDDLE_EVERY, OLD_EVERY)
    sys.setswitchinterval(SWITCH_S)


def _first(error: BaseException) -> BaseException:
    """The first exception that is no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _storage_text(root: Root, group: BaseExceptionGroup[OSError]) -> str:
    return (
        f"{root.path}: the disk refused ({_first(group)}). What was synced is safe. See that the "
        "disk has space and is writable, and start again: recording goes on in the same directory."
    )
