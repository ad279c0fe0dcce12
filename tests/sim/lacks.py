"""What is not as the plan wants it at a moment, as far as the recorder and the venue know."""

from collections.abc import Container, Iterator

from recorder.core.book import BookState
from recorder.core.wire.exchange import SUBSCRIBE_NAMES
from recorder.feed.plan import CANONICAL
from tests.sim.plan import Wanted
from tests.sim.witness import WatchedRecorder, WatchedVenue

NAMES = {**SUBSCRIBE_NAMES, **CANONICAL}  # of channels, in the words of either venue
WITHOUT_PRODUCTS = ("heartbeats", "status")


def lacks(
    recorder: WatchedRecorder, venue: WatchedVenue, wanted: Wanted, delisted: Container[str]
) -> list[str]:
    """What is wanted and not recorded, and what is recorded or served and not wanted."""
    return [
        *_missing(recorder, venue, wanted, delisted),
        *_unwanted(recorder, wanted),
        *_served(venue, wanted),
    ]


def _missing(
    recorder: WatchedRecorder, venue: WatchedVenue, wanted: Wanted, delisted: Container[str]
) -> Iterator[str]:
    pipeline = recorder._recording.pipeline
    keys = {key for line in recorder._lines for key in line.wanted() if key[1] not in delisted}
    tracks = pipeline.coverage.tracks
    for key in sorted(keys, key=str):
        if (key not in tracks or not tracks[key].recordings) and not _has_nothing(venue, *key):
            yield f"{key[0]} of {key[1] or 'all'} is not recorded"
    live = {name for (_, name), book in pipeline.books.items() if book.state is BookState.LIVE}
    for product_id in wanted.products:
        if product_id not in delisted and product_id not in live:
            yield f"the book of {product_id} is not LIVE"


def _has_nothing(venue: WatchedVenue, channel: str, product_id: str | None) -> bool:
    """Whether there is nothing to record: a ticker of the Exchange comes with trades alone."""
    if channel != "ticker" or venue.witness.numbered:
        return False
    about = f'"product_id":"{product_id}"'.encode()
    links = [each.socket.transport.link for each in venue.connections]
    sent = (raw for link in links for raw in venue.witness.wires[link])
    return not any(b'"type":"ticker"' in raw and about in raw for raw in sent)


def _unwanted(recorder: WatchedRecorder, wanted: Wanted) -> Iterator[str]:
    pipeline = recorder._recording.pipeline
    channels = {CANONICAL.get(each, each) for each in wanted.channels}
    for key, track in pipeline.coverage.tracks.items():
        is_wanted = key[0] in channels and key[1] in {None, *wanted.products}
        if track.recordings and not is_wanted:
            yield f"{key[0]} of {key[1]} is recorded and not wanted"


def _served(venue: WatchedVenue, wanted: Wanted) -> Iterator[str]:
    channels = {NAMES.get(each, each) for each in wanted.channels}
    for connection, session in venue._sessions.items():
        for channel, names in session.channels.items():
            beyond = [] if channel in WITHOUT_PRODUCTS else set(names) - set(wanted.products)
            if connection.open and (beyond or NAMES.get(channel, channel) not in channels):
                yield f"{channel} of {sorted(names)} is served and not wanted"
