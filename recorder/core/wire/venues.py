"""Which wire module speaks which venue's protocol."""

from collections.abc import Sequence
from typing import Literal, Protocol, cast

from recorder.core.messages import Decoded
from recorder.core.wire import advanced, exchange

Asked = tuple[str, str, tuple[str, ...]]  # type, channel (subscribe name), product ids


class Wire(Protocol):
    """What a wire module gives.

    ``FIRST_SEQUENCE`` is the number of a connection's first frame, None where frames have none;
    ``UNFILTERED`` are the channels whose subscription names no product.
    """

    @property
    def FIRST_SEQUENCE(self) -> int | None:  # noqa: N802  a module's constant
        """The number of a connection's first frame."""

    @property
    def UNFILTERED(self) -> frozenset[str]:  # noqa: N802  a module's constant
        """Channels whose subscription names no product."""

    @property
    def CHANNELS(self) -> frozenset[str]:  # noqa: N802  a module's constant
        """Channels that are recorded, by their subscribe names."""

    def decode(self, raw: bytes) -> Decoded:
        """Decode one frame; never raises."""

    def request(
        self,
        kind: Literal["subscribe", "unsubscribe"],
        channel: str,
        product_ids: Sequence[str] = (),
    ) -> bytes:
        """Write the text that subscribes or unsubscribes one channel."""

    def requested(self, raw: bytes) -> tuple[Asked, ...]:
        """Read a text that was sent."""


WIRES: dict[str, Wire] = {
    "advanced": cast("Wire", advanced),
    "exchange": cast("Wire", exchange),
}


def wire_of(venue: str) -> Wire:
    """The wire module of a venue; an unknown one is taken for Advanced Trade."""
    return WIRES.get(venue, WIRES["advanced"])


def venue_of(raw: bytes) -> str | None:
    """Whose frame this is; None where it could be of either, or of neither."""
    for venue, wire in WIRES.items():
        if wire.decode(raw).label not in _NOBODYS:
            return venue
    return None


def decode_any(raw: bytes) -> Decoded:
    """Decode a frame of whichever venue it is; where it is of neither, as Advanced Trade's."""
    venue = venue_of(raw)
    return wire_of(venue or "advanced").decode(raw)


_NOBODYS = frozenset({"malformed", "unknown", "error"})
