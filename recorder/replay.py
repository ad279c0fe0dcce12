"""Captures played through the same core: import, rebuild, and sealing by hand.

What a recording wrote live, these write again: same arrivals in, same rows out, byte for byte.
"""

import hashlib
import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recorder import recovery
from recorder.core.book import Book, BookState
from recorder.core.frames import Arrival, Closed, Frame, Opened, Sent, hour_of
from recorder.core.messages import ASK, BID
from recorder.core.numbers import plain
from recorder.core.wire import advanced
from recorder.errors import DataError, NoInputError
from recorder.recording import Recording, look_before
from recorder.store.lock import WriterLock
from recorder.store.ndjson import CaptureLine, read_lines
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root, hour_text, iso
from recorder.store.publish import empty

Progress = Callable[[int, int], None]

FLUSH_ROWS = 1_000_000
FLUSH_BYTES = 32 * 2**20
ENDED_WITH_RECORD = 1005  # the close code for "no code": the record ends, the connection did not


@dataclass(frozen=True, slots=True)
class BookSummary:
    """One book at the end of an import. ``sha256`` is of the lines ``bid PRICE SIZE``, best first,
    then ``ask PRICE SIZE``, best first, in plain notation."""

    bids: int
    asks: int
    best_bid: tuple[str, str] | None
    best_ask: tuple[str, str] | None
    sha256: str
    valid: bool


@dataclass(frozen=True, slots=True)
class TradesSummary:
    """The trades of one product: rows, distinct ids, and the range of ids."""

    trades: int
    distinct: int
    first_id: int
    last_id: int


@dataclass(slots=True)
class ImportReport:
    """What an import read and wrote. ``messages`` counts frames by channel and type."""

    files: int = 0
    frames_in: int = 0
    frames_out: int = 0
    connections: int = 0
    gaps: int = 0
    faults: int = 0
    hours: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    books: dict[str, BookSummary] = field(default_factory=dict)
    trades: dict[str, TradesSummary] = field(default_factory=dict)


@dataclass(slots=True)
class SealReport:
    """The hours sealed, and what their files hold."""

    hours: list[str] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    bytes: int = 0


# --- sealing by hand --------------------------------------------------------------------------------


def seal(
    root_path: Path, *, include_current: bool, progress: Progress | None = None
) -> SealReport:
    """Finish the open hours of a data directory that nobody records into.

    ``include_current``: the hour that is not over too; recording on in it seals it again.

    Raises:
        LockedError: somebody records into it.
        NoInputError: it is no data directory.
    """
    root = Root(root_path)
    if not root.path.is_dir():
        raise NoInputError(f"{root.path}: no such directory. Name one that was recorded into.")
    with WriterLock(root):
        return _seal(root, include_current=include_current, progress=progress)


def _seal(root: Root, *, include_current: bool, progress: Progress | None = None) -> SealReport:
    empty(root.staging)
    _end_lost(root)
    recovery.publish_missing(root.path)
    now_hour = int(time.time()) // 3600
    held = sorted(set(root.captured_hours()) | set(root.part_hours()))
    due = [
        hour
        for hour in held
        if (include_current or hour < now_hour) and not recovery.is_sealed(root, hour)
    ]
    report = SealReport()
    for index, hour in enumerate(due):
        commit = recovery.seal_and_switch(root, [hour])[0]
        report.hours.append(hour_text(hour))
        report.files += len(commit.files)
        report.rows += commit.rows
        report.bytes += commit.bytes
        if progress is not None:
            progress(index + 1, len(due))
    over = [hour for hour in held if include_current or hour < now_hour]
    if over:
        recovery.advance(root, over[-1] + 1)
    return report


def _end_lost(root: Root) -> None:
    """Give a recording that died its end, so that its intervals are written down."""
    before = look_before(root)
    if before.hour is not None and before.last_ns is not None and not before.orderly:
        Recording.end_lost(root, before)


# --- import -------------------------------------------------------------------------------------------


def import_captures(
    files: Sequence[Path], root_path: Path, progress: Progress | None = None
) -> ImportReport:
    """Read capture files of others into a data directory and seal their hours.

    The files are merged by time. A file that goes on where another ended (same connection name,
    next sequence number) continues its connection.

    Raises:
        NoInputError, DataError: a file cannot be read, is no capture, or an hour of it is already
            in the data directory.
        LockedError: somebody records into the data directory.
    """
    root = Root(root_path)
    total = sum(_size(path) for path in files)
    with WriterLock(root):
        empty(root.staging)
        write_empty_parts(root)
        _end_lost(root)
        _seal(root, include_current=False)
        return _Import(root, files, total, progress).run()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise NoInputError(f"{path}: {error.strerror}. Check the path.") from error


@dataclass(slots=True)
class _Timed:
    """A line with its time: the file's, or the frame's own where the file has none."""

    recv_ns: int
    line: CaptureLine
    file: int


def _timed(path: Path, file: int, read: Callable[[int], None]) -> Iterator[_Timed]:
    """The lines of a file with times that never go back."""
    waiting: list[CaptureLine] = []
    last_ns: int | None = None
    for line in read_lines(path, read):
        given_ns = line.t_ns
        if given_ns is None and not line.outgoing:
            given_ns = advanced.decode(line.raw).exchange_ns
        if given_ns is None and last_ns is None:
            waiting.append(line)  # what stands before the first time gets that time
            continue
        last_ns = max(given_ns or 0, last_ns or 0)
        for early in waiting:
            yield _Timed(last_ns, early, file)
        waiting.clear()
        yield _Timed(last_ns, line, file)
    if waiting:
        raise DataError(
            f"{path}: no line has a time, neither its own nor one in a frame. Nothing can be said "
            "about when this was recorded; add `t` (seconds since 1970) to its lines."
        )


@dataclass(slots=True)
class _Session:
    """A connection of the files while it is imported: its id, and the file that it is in."""

    connection_id: str
    file: int


class _Import:
    """One import: lines in, arrivals to a recording, hours sealed."""

    def __init__(
        self, root: Root, files: Sequence[Path], total: int, progress: Progress | None
    ) -> None:
        self._root = root
        self._files = list(files)
        self._total = total
        self._progress = progress
        self._bytes = 0
        self._recording: Recording | None = None
        self._sessions: dict[str, _Session] = {}
        self._names: set[str] = set()
        self._hours: list[int] = []
        self._trades: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self.report = ImportReport(files=len(self._files))

    def run(self) -> ImportReport:
        """Import everything, seal, and report."""
        streams = [_timed(path, index, self._read) for index, path in enumerate(self._files)]
        for timed in heapq.merge(*streams, key=lambda each: each.recv_ns):
            self._line(timed)
        self._finish()
        commits = recovery.seal_and_switch(self._root, self._hours)
        self.report.hours = [hour_text(commit.hour) for commit in commits]
        self.report.connections = len(self._names)
        self.report.rows = dict(sorted(self._rows.items()))
        return self.report

    def _read(self, count: int) -> None:
        """Some bytes of the files were read."""
        self._bytes += count
        if self._progress is not None:
            self._progress(self._bytes, self._total)

    def _line(self, timed: _Timed) -> None:
        recording = self._at(timed.recv_ns)
        line = timed.line
        session = self._session(timed, recording)
        if line.outgoing:
            self.report.frames_out += 1
            self._take(Sent(timed.recv_ns, session.connection_id, line.raw))
            return
        self.report.frames_in += 1
        self._take(Frame(timed.recv_ns, session.connection_id, line.raw))
        if recording.capture.buffered > FLUSH_BYTES or recording.pending_rows > FLUSH_ROWS:
            recording.flush()

    def _at(self, recv_ns: int) -> Recording:
        """The recording that takes this time; a silence of hours ends one and begins another."""
        recording, hour = self._recording, hour_of(recv_ns)
        if recording is not None and hour - recording.hour > 1:
            self._finish()
            recording = None
        if recording is None or hour != recording.hour:
            self._refuse_held(hour, recv_ns)
            self._hours.append(hour)
        if recording is None:
            recording = self._recording = Recording(self._root, recv_ns, backfill=True)
        return recording

    def _refuse_held(self, hour: int, recv_ns: int) -> None:
        """An hour is imported once: what is there already must end before the file begins."""
        before = look_before(self._root, hour)
        if before.hour != hour or (self._recording is not None and hour == self._recording.hour):
            return
        if before.last_ns is None or before.last_ns < recv_ns:
            return
        raise DataError(
            f"{self._root.path}: the hour {iso(hour)} is already recorded beyond the begin of these "
            "files. Import them into another data directory."
        )

    def _session(self, timed: _Timed, recording: Recording) -> _Session:
        """The session of a line; a name that begins anew in another file is another session."""
        line = timed.line
        session = self._sessions.get(line.conn)
        if session is not None and session.file == timed.file:
            return session
        sequence = None if line.outgoing else advanced.decode(line.raw).sequence
        if session is not None:
            due = recording.pipeline.sessions[session.connection_id].next_sequence
            if sequence is not None and sequence == due:
                session.file = timed.file
                return session
            self._take(
                Closed(timed.recv_ns, session.connection_id, ENDED_WITH_RECORD, "the record ends")
            )
        session = _Session(self._name(line.conn, timed.recv_ns), timed.file)
        self._sessions[line.conn] = session
        first = advanced.FIRST_SEQUENCE if sequence in (None, advanced.FIRST_SEQUENCE) else None
        self._take(Opened(timed.recv_ns, session.connection_id, "import", first))
        return session

    def _name(self, conn: str, recv_ns: int) -> str:
        """A session's id from the file's name for it: one word, and unique."""
        word = "".join(letter if letter.isalnum() else "_" for letter in conn)[:40] or "conn"
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(recv_ns // 1_000_000_000))
        name = f"{word}-{moment}.{recv_ns // 1_000_000 % 1000:03d}Z"
        while name in self._names:
            name += "+"
        self._names.add(name)
        return name

    def _take(self, arrival: Arrival) -> None:
        assert self._recording is not None
        step = self._recording.take(arrival)
        for block in step.rows:
            self._rows[block.table] += block.count
            if block.table == "trades":
                self._trades[block.values[0]] += block.count

    def _finish(self) -> None:
        """End the recording in order and keep what the report says of it."""
        recording = self._recording
        if recording is None:
            return
        pipeline = recording.pipeline
        for (_, product_id), book in sorted(pipeline.books.items()):
            self.report.books[product_id] = summarise(book)
        for product_id, ids in sorted(pipeline.trades.items()):
            if ids.first is None or ids.last is None or not self._trades[product_id]:
                continue
            held = ids.last - ids.first + 1 - sum(last - first + 1 for first, last in ids.holes)
            self.report.trades[product_id] = TradesSummary(
                self._trades[product_id], held, ids.first, ids.last
            )
        for label, frames in pipeline.messages.items():
            self.report.messages[label] = self.report.messages.get(label, 0) + frames
        self.report.gaps += pipeline.gaps
        self.report.faults += pipeline.faults
        for block in recording.stop(recording.last_ns).rows:
            self._rows[block.table] += block.count
        recording.flush()
        recording.capture.close()
        self._sessions.clear()
        self._recording = None


def summarise(book: Book) -> BookSummary:
    """A book's size, best prices and digest."""
    digest = hashlib.sha256()
    best: dict[str, tuple[str, str] | None] = {BID: None, ASK: None}
    for side in (BID, ASK):
        for price, size in book.levels(side):
            price_text, size_text = book.texts(side, price)
            shown = plain(price, price_text), plain(size, size_text)
            best[side] = best[side] or shown
            digest.update(f"{side} {shown[0]} {shown[1]}\n".encode())
    return BookSummary(
        len(book.bids),
        len(book.asks),
        best[BID],
        best[ASK],
        digest.hexdigest(),
        book.state is BookState.LIVE,
    )
