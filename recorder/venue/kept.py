"""What the venue remembers of its clients, so that a checker knows what was true.

All times are nanoseconds since 1970 by the wall clock; ``loop_s`` is the event loop's clock, which
cannot be set and is what rates are reckoned from.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a client."""

    at_ns: int
    loop_s: float
    text: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A frame that was made and numbered, and then lost on purpose.

    ``position`` is how many frames of the connection went out before it, ``kind`` the fault.
    """

    position: int
    frame: bytes
    kind: str


@dataclass(slots=True)
class Connect:
    """One client at the door.

    ``outcome`` is ``open``, ``reset``, ``mute``, ``http 503``, or ``gone`` if it left before its
    handshake was answered; ``number`` is that of the connection if it opened. Clients that came
    while nothing listened are not seen.
    """

    at_ns: int
    loop_s: float
    address: str
    outcome: str = "gone"
    number: int | None = None


@dataclass(slots=True)
class Kept:
    """One connection: everything that was sent, lost, asked.

    ``sent`` has the exact bytes of every frame given to the socket, in order, duplicates and
    spoilt ones as they went out; what was under way when a connection broke is among them, so a
    client has the beginning of ``sent``. A frame that went out as binary is a `Binary`. The giant
    and the bomb are not among them. ``ended`` says how it ended, as far as the venue did it.
    """

    number: int
    address: str
    opened_ns: int
    opened_s: float
    sent: list[bytes]
    lost: list[Lost] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    closed_ns: int | None = None
    ended: str = ""
