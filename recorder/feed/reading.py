"""Delivering what comes out of a socket, in turns, and not while there is no room for it.

A long frame, a snapshot of megabytes, is decoded before it is delivered, and others get their turns
in between. Its time of receipt is when it is delivered: nothing may be captured before something
that has an earlier time.
"""

import asyncio

from recorder.core.frames import ADVANCED, Frame, Noted
from recorder.core.wire.gradual import Gradual
from recorder.credentials import without_secrets_in
from recorder.feed.shell import Shell
from recorder.feed.sockets import Ended, Socket
from recorder.feed.tally import Tally

# So many frames of one connection are delivered before others get their turn: about a millisecond.
FRAMES_AT_ONCE = 32
LONG_BYTES = 128 * 1024  # about 1,200 levels: a millisecond
# Frames of data begin so. In them only keys are looked for, in others signatures and escapes, too.
_DATA = tuple(
    start.encode()
    for start in (
        *(f'{{"channel":"{name}"' for name in (
            "l2_data", "market_trades", "ticker", "heartbeats", "status", "candles", "user",
        )),
        *(f'{{"type":"{name}"' for name in (
            "l2update", "snapshot", "ticker", "match", "last_match", "heartbeat", "status",
            "received", "open", "done", "change",
        )),
    )
)  # fmt: skip
_REPEATED = "the venue repeated a secret or a signature of ours; the frame is kept without it"


async def read(
    socket: Socket,
    connection_id: str,
    shell: Shell,
    tally: Tally,
    venue: str = ADVANCED,
    *,
    signs: bool = False,
) -> Ended:
    """Deliver every frame of a session until it has ended; returns how.

    Where requests are signed, what a frame repeats of our key or a signature is not kept.
    """
    inbox = socket.inbox
    while await inbox.wait():
        for _ in range(FRAMES_AT_ONCE):
            first = inbox.take()
            if first is None:
                break
            came_ns, raw = first
            if len(raw) >= LONG_BYTES and venue == ADVANCED:
                await _decode(raw, shell)
            kept = raw
            if signs and len(raw) < LONG_BYTES:
                kept = without_secrets_in(raw, is_data=raw.startswith(_DATA))
            shell.deliver(Frame(shell.now_ns(), connection_id, kept), came_ns)
            if kept != raw:
                shell.deliver(
                    Noted(shell.now_ns(), "secret_repeated", f"{connection_id}: {_REPEATED}")
                )
            tally.frames += 1
            tally.bytes += len(raw)
            if not shell.has_room():
                await _room_or_close(socket, shell)
        else:
            await asyncio.sleep(0)
    if socket.failure is not None:
        raise socket.failure
    assert inbox.end is not None
    return inbox.end


async def _decode(raw: bytes, shell: Shell) -> None:
    """Decode a long frame bit by bit; an unusual one is left to whoever it is delivered to."""
    gradual = Gradual(raw)
    for _ in gradual:
        await asyncio.sleep(0)
    if gradual.decoded is not None:
        shell.decoded(raw, gradual.decoded)


async def _room_or_close(socket: Socket, shell: Shell) -> None:
    """Let frames wait in the socket; a session that is closed meanwhile waits no longer."""
    waits = [
        asyncio.create_task(shell.wait_room()),
        asyncio.create_task(socket.wait_closed()),
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
