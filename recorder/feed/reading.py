"""Delivering what comes out of a socket, in turns, and not while there is no room for it.

Where many frames wait, because more came than there was time for, they are delivered together,
which takes about half the time a frame (`recorder.core.many`); else one by one.

A long frame, a snapshot of megabytes, is decoded before it is delivered, and others get their turns
in between. Its time of receipt is when it is delivered: nothing may be captured before something
that has an earlier time.
"""

import asyncio
from dataclasses import dataclass

from recorder.core.frames import ADVANCED, Frame, Noted
from recorder.core.wire.gradual import Gradual
from recorder.credentials import without_secrets_in
from recorder.feed.shell import Shell
from recorder.feed.sockets import Ended, Socket
from recorder.feed.tally import Tally

# So many frames of one connection are delivered before others get their turn: about a millisecond.
FRAMES_AT_ONCE = 32
# As soon as so many wait, the next ones are delivered together: three milliseconds, at most.
MANY_MIN = 96
MANY_MAX = 256
MANY_BYTES_MAX = 512 * 1024
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
    line = _Line(socket, connection_id, shell, tally, venue, signs)
    while await inbox.wait():
        if inbox.count >= MANY_MIN and line.deliver_many():
            await line.room()
            await asyncio.sleep(0)
            continue
        for _ in range(FRAMES_AT_ONCE):
            if not await line.deliver_one():
                break
        else:
            await asyncio.sleep(0)
    if socket.failure is not None:
        raise socket.failure
    assert inbox.end is not None
    return inbox.end


@dataclass(frozen=True, slots=True)
class _Line:
    """A session that is read."""

    socket: Socket
    connection_id: str
    shell: Shell
    tally: Tally
    venue: str
    signs: bool

    async def deliver_one(self) -> bool:
        """Deliver the next frame; False where none waits."""
        first = self.socket.inbox.take()
        if first is None:
            return False
        came_ns, raw = first
        if len(raw) >= LONG_BYTES and self.venue == ADVANCED:
            self.socket.inbox.decoding = True
            await _decode(raw, self.shell)
            self.socket.inbox.decoding = False
        frame = self._frame(raw)
        self.shell.deliver(frame, came_ns)
        if frame.raw != raw:
            self._note()
        await self.room()
        return True

    def deliver_many(self) -> bool:
        """Deliver frames that waited, together; False where none could be, and all wait still.

        After one that is kept without a secret comes the note of that.
        """
        if self.venue != ADVANCED:
            return False
        frames: list[Frame] = []
        times: list[int] = []
        came = self.socket.inbox.take_many(MANY_MAX, MANY_BYTES_MAX, LONG_BYTES)
        for came_ns, raw in came:
            frames.append(self._frame(raw))
            times.append(came_ns)
            if frames[-1].raw != raw:
                self.shell.deliver_frames(frames, times)
                self._note()
                frames, times = [], []
        if frames:
            self.shell.deliver_frames(frames, times)
        return bool(came)

    def _frame(self, raw: bytes) -> Frame:
        self.tally.frames += 1
        self.tally.bytes += len(raw)
        kept = raw
        if self.signs and len(raw) < LONG_BYTES:
            kept = without_secrets_in(raw, is_data=raw.startswith(_DATA))
        return Frame(self.shell.now_ns(), self.connection_id, kept)

    def _note(self) -> None:
        detail = f"{self.connection_id}: {_REPEATED}"
        self.shell.deliver(Noted(self.shell.now_ns(), "secret_repeated", detail))

    async def room(self) -> None:
        """Wait until the disk keeps up."""
        if not self.shell.has_room():
            await _room_or_close(self.socket, self.shell)


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
