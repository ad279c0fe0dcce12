"""What really happened, kept beside the product: what was made, sent and promised, and when.

The venue and the recorder of a simulation are the real ones with a listener at two doors: where the
venue lets a frame out, before its faults, and where the recorder takes an arrival.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest.mock import patch

import pyarrow as pa

from recorder import recording
from recorder.core.book import BookState
from recorder.core.frames import ADVANCED, Arrival, Closed, Frame, Opened, Sent
from recorder.daemon import Recorder
from recorder.store import capture_writer
from recorder.venue import Fault, Venue, door
from recorder.venue.faults import AFTER_NUMBERING
from recorder.venue.kept import Request
from tests.sim.wirebook import WireBook, digest_of, told


class Truth(NamedTuple):
    """A product's book right after a frame: the number of the frame on its link, and the digest.

    ``snapshot``: the frame is the whole book.
    """

    product_id: str
    number: int
    digest: int
    snapshot: bool


@dataclass(slots=True)
class Heard:
    """One session as the recorder heard it: on which link, how many frames, the books so far.

    ``quiet_s_max`` is the longest time in which nothing came, from the first request to its end.

    ``books`` are what the venue told up to the newest frame that was heard. Where frames have no
    numbers, nobody can tell a lost one or an old one: then they are what was heard, in that order.
    ``whole_s`` is when the newest snapshot of each was heard.
    """

    connection_id: str
    link: int
    opened_s: float
    frames: int = 0
    asked_s: float | None = None
    heard_s: float = 0.0
    quiet_s_max: float = 0.0
    books: dict[str, Truth] = field(default_factory=dict)
    whole_s: dict[str, float] = field(default_factory=dict)
    own: dict[str, WireBook] = field(default_factory=dict)
    closed: Closed | None = None

    def hear(self, now_s: float) -> None:
        """Something came, or it is over."""
        if self.asked_s is not None:
            quiet_s = now_s - max(self.heard_s, self.asked_s)
            self.quiet_s_max = max(self.quiet_s_max, quiet_s)
        self.heard_s = now_s


@dataclass(slots=True)
class Problem:
    """A promise that was broken: which, how, and when (simulated seconds; None: in the end)."""

    promise: str
    text: str
    at_s: float | None = None

    def __str__(self) -> str:
        at = "" if self.at_s is None else f" at {self.at_s:.3f} s"
        return f"({self.promise}){at}: {self.text}"


class Witness:
    """Everything that is known of a run beside what the recorder wrote.

    By link: ``wires`` are the frames that the venue sent, ``truths`` the books right after each
    frame that it made, lost ones included, ``received`` the requests that it got; ``hurt`` are the
    links on which frames were lost, spoilt, repeated or sent in another order. ``requests`` is what
    the recorder asked for, when and on which session; ``tables`` are the parts as it wrote them.
    While ``refusing``, the disk takes nothing. ``together`` counts the frames that were taken so.
    """

    def __init__(self, protocol: str, now_s: Callable[[], float]) -> None:
        self.numbered = protocol == ADVANCED
        self.now_s = now_s
        self.notes: list[tuple[float, str]] = []
        self.problems: list[Problem] = []
        self.wires: dict[int, list[bytes]] = {}
        self.truths: dict[int, dict[bytes, Truth]] = {}
        self.heard: dict[str, Heard] = {}
        self.requests: list[tuple[float, str, bytes]] = []
        self.received: dict[int, list[Request]] = {}
        self.hurt: set[int] = set()
        self.refusing = False
        self.together = 0
        self.tables: dict[str, dict[str, pa.Table]] = {}

    def note(self, text: str) -> None:
        """Write down what was done to the world."""
        self.notes.append((self.now_s(), text))

    def complain(self, promise: str, text: str) -> None:
        """A promise is broken here and now."""
        self.problems.append(Problem(promise, text, self.now_s()))

    def truth_of(self, raw: bytes, heard: Heard) -> Truth | None:
        """The book after a frame that was heard; None where it speaks of none."""
        if self.numbered:
            return self.truths[heard.link].get(raw)
        for said in told(raw):
            book = heard.own.setdefault(said.product_id, WireBook())
            book.take(said)
            return Truth(said.product_id, heard.frames, book.digest, said.snapshot)
        return None


# --- the two doors ------------------------------------------------------------------------------


class WatchedVenue(Venue):
    """The venue; each frame that it makes is noted, with the book that it leads to."""

    def __init__(self, witness: Witness, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, keep_sent=True)
        self.witness = witness
        self._books: dict[tuple[int, str], WireBook] = {}
        self._made: dict[int, int] = {}

    def _greet(self, connection: door.Connection) -> None:
        super()._greet(connection)
        assert connection.kept is not None
        link = connection.socket.transport.link
        self.witness.wires[link] = connection.kept.sent
        self.witness.received[link] = connection.kept.requests
        self.witness.truths[link] = {}

    def _hit(self, fault: Fault, connection: int | None, *about: Any) -> None:
        super()._hit(fault, connection, *about)
        if fault.kind in AFTER_NUMBERING and connection is not None:
            record = next(each for each in self.connections if each.number == connection)
            self.witness.hurt.add(record.socket.transport.link)

    def note_frames(self, connection: door.Connection, frames: Sequence[bytes]) -> None:
        """Frames were made for a connection; faults come after this."""
        link = connection.socket.transport.link
        for raw in frames:
            number = self._made[link] = self._made.get(link, 0) + 1
            for said in told(raw):
                book = self._books.setdefault((link, said.product_id), WireBook())
                book.take(said)
                truth = Truth(said.product_id, number, book.digest, said.snapshot)
                self.witness.truths[link][raw] = truth


@contextmanager
def watch(venue: WatchedVenue) -> Iterator[None]:
    """Note every frame that the venue makes, and every part that the recorder writes."""
    send, write_part = door.Connection.send, recording.write_part
    write_all = capture_writer._write_all

    def watched(connection: door.Connection, frames: Sequence[bytes]) -> None:
        if frames and connection.open:
            venue.note_frames(connection, frames)
        send(connection, frames)

    def written(root: Any, table: Any, arrow: pa.Table, *place: int) -> Any:
        refuse()
        path = write_part(root, table, arrow, *place)
        # One that was written before its cut's record was refused is written again.
        venue.witness.tables.setdefault(table.name, {})[path.name] = arrow
        return path

    def written_all(handle: int, content: bytes) -> None:
        refuse()
        write_all(handle, content)

    def refuse() -> None:
        if venue.witness.refusing:
            raise OSError(errno.ENOSPC, "simulated: no space left")

    with (
        patch.object(door.Connection, "send", watched),
        patch.object(recording, "write_part", written),
        patch.object(capture_writer, "_write_all", written_all),
    ):
        yield


class WatchedRecorder(Recorder):
    """The recorder; each arrival is noted, and a book that is LIVE must be the venue's."""

    def __init__(self, witness: Witness, *args: Any, **options: Any) -> None:
        self.witness = witness
        super().__init__(*args, **options)

    def deliver(self, arrival: Arrival, came_ns: int | None = None) -> None:
        """Take an arrival as the recorder does, then look at what it made of it."""
        witness = self.witness
        if isinstance(arrival, Opened):
            heard = Heard(arrival.connection_id, self._link_of(arrival), witness.now_s())
            if arrival.connection_id in witness.heard:
                witness.complain("1", f"two sessions are called {arrival.connection_id}")
            witness.heard[arrival.connection_id] = heard
        elif isinstance(arrival, Sent):
            witness.requests.append((witness.now_s(), arrival.connection_id, arrival.raw))
            heard = witness.heard[arrival.connection_id]
            heard.asked_s = witness.now_s() if heard.asked_s is None else heard.asked_s
        elif isinstance(arrival, Closed):
            witness.heard[arrival.connection_id].closed = arrival
            witness.heard[arrival.connection_id].hear(witness.now_s())
        super().deliver(arrival, came_ns)
        if isinstance(arrival, Frame):
            self._look([arrival])

    def deliver_frames(self, frames: Sequence[Frame], came_ns: Sequence[int]) -> None:
        """Take frames that waited together, then look at what came of the last ones."""
        super().deliver_frames(frames, came_ns)
        self.witness.together += len(frames)
        self._look(frames)

    def _link_of(self, opened: Opened) -> int:
        for connection in self._connections:
            if connection.connection_id == opened.connection_id and connection._socket is not None:
                return connection._socket.transport.link
        raise AssertionError(f"{opened.connection_id} is no connection of the recorder")

    def _look(self, frames: Sequence[Frame]) -> None:
        """After frames with changes of books: a book that is LIVE is the venue's."""
        changed = {(each.connection_id, self._hear(each)) for each in frames}
        for connection_id, product_id in sorted((a, b) for a, b in changed if b is not None):
            for text in self.wrong_books(connection_id, product_id):
                self.witness.complain("2", text)

    def _hear(self, frame: Frame) -> str | None:
        """Note a frame; the product of which it changes the book."""
        heard = self.witness.heard[frame.connection_id]
        heard.frames += 1
        heard.hear(self.witness.now_s())
        truth = self.witness.truth_of(frame.raw, heard)
        if truth is None:
            return None
        before = heard.books.get(truth.product_id)
        if before is None or truth.number > before.number:
            heard.books[truth.product_id] = truth
        if truth.snapshot:
            heard.whole_s[truth.product_id] = self.witness.now_s()
        return truth.product_id

    def wrong_books(self, connection_id: str, product_id: str) -> Iterator[str]:
        """What is wrong with a book in memory, as far as it says that it can be trusted."""
        book = self._recording.pipeline.books.get((connection_id, product_id))
        if book is None or book.state is not BookState.LIVE:
            return
        truth = self.witness.heard[connection_id].books.get(product_id)
        if truth is None:
            yield f"{product_id} is LIVE on {connection_id}, which never had its snapshot"
        elif digest_of(book) != truth.digest:
            yield (
                f"{product_id} is LIVE on {connection_id} and not the venue's book after frame "
                f"{truth.number} of the connection: {len(book.bids)} bids, {len(book.asks)} asks"
            )
