"""Captures of others played through the same core: import.

What a recording wrote live, this writes again: same arrivals in, same rows out, byte for byte.
"""

import heapq
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import attrgetter, itemgetter
from pathlib import Path

from recorder import recovery
from recorder.before import look_before
from recorder.core.frames import (
    ADVANCED,
    FIRST_OFFSET,
    HOUR_NS,
    Arrival,
    Closed,
    Frame,
    Opened,
    Sent,
    hour_of,
)
from recorder.core.many import AT_ONCE
from recorder.core.pipeline import Step
from recorder.core.rows import Columns, Rows
from recorder.core.state import trades_to_state
from recorder.core.tables import TRADES
from recorder.core.trades import TradeIds, all_merged
from recorder.core.wire import advanced
from recorder.core.wire.venues import decode_any, venue_of, wire_of
from recorder.errors import DataError, NoInputError
from recorder.finishing import Progress, finish, on_disk
from recorder.recording import Recording, remember
from recorder.store.capture import read_hour
from recorder.store.days import clear, is_packed
from recorder.store.importing import forget, note_begin, take_back
from recorder.store.lock import PackLock, WriterLock
from recorder.store.ndjson import CaptureLine
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root, hour_from_text, hour_text, iso
from recorder.store.seal import taken_to
from recorder.store.survey import Stretch, Survey, survey_all, timed_lines
from recorder.store.unpack import take_apart
from recorder.summaries import ImportReport, TradesSummary, summarise

FLUSH_ROWS = 1_000_000
FLUSH_BYTES = 32 * 2**20
USER_MARK = b'"user"'  # in every frame of the account's own orders
ENDED_WITH_RECORD = 1005  # the close code for "no code": the record ends, the connection did not
_TRADE = [TRADES.stored().index(name) for name in ("product_id", "trade_id")]


def import_captures(
    files: Sequence[Path], root_path: Path, progress: Progress | None = None
) -> ImportReport:
    """Read capture files of others into a data directory and seal their hours.

    The files are merged by time, whatever their order here. A file that goes on where another ended
    (same connection name, next sequence number) continues its connection. All or nothing: where it
    raises, or the process dies, nothing of the files is imported, and it can be done again.

    Raises:
        NoInputError, DataError: a file cannot be read, is no capture, is given twice, goes on where
            an earlier import ended, or an hour of it is already in the data directory.
        LockedError: somebody records into the data directory, or packs it.
        StorageError: the disk refused.
    """
    root = Root(root_path)
    total = sum(_size(path) for path in files)
    try:
        surveys = survey_all(files, decode_any, venue_of)
    except DataError as error:
        raise DataError(f"{error} Nothing was imported.") from error
    with WriterLock(root), PackLock(root), on_disk(root):
        clear(root)
        write_empty_parts(root)
        finish(root, include_current=False)
        _refuse_continuing(root, surveys)
        work = _Import(root, surveys, total, progress)
        report = work.run()
        report.files = len(files)
        _seal_to(root, report, work.told)
        return report


def _late(surveys: Sequence[Survey]) -> Iterator[tuple[Path, Stretch]]:
    """The stretches that begin in the middle and go on from no other of these files."""
    stretches = [stretch for each in surveys for stretch in each.stretches.values()]
    for each in surveys:
        for stretch in each.stretches.values():
            if stretch.late and not any(map(stretch.continues, stretches)):
                yield each.path, stretch


def _refuse_continuing(root: Root, surveys: Sequence[Survey]) -> None:
    """A connection that an earlier import holds the begin of would go on without its books."""
    for path, stretch in _late(surveys):
        hours = [hour for hour in root.captured_hours() if hour <= hour_of(stretch.first_ns)]
        if hours and stretch.first_sequence in _next_numbers(root, hours[-1], _word(stretch.conn)):
            raise DataError(
                f"{path}: connection {stretch.conn!r} goes on here (number "
                f"{stretch.first_sequence}) where an earlier import into {root.path} ended. Give "
                "all part files in one command, into a fresh data directory. Nothing was imported."
            )


def _next_numbers(root: Root, hour: int, word: str) -> set[int]:
    """The numbers that would come next on the sessions of an hour that were named like this."""
    last: dict[str, bytes] = {}
    for _, arrival in read_hour(root.segments(hour)):
        if isinstance(arrival, Frame) and arrival.connection_id.rpartition("-")[0] == word:
            last[arrival.connection_id] = arrival.raw
    numbers = [advanced.decode(raw).sequence for raw in last.values()]
    return {number + 1 for number in numbers if number is not None}


def _word(conn: str) -> str:
    """A file's name of a connection as one word."""
    return "".join(letter if letter.isalnum() else "_" for letter in conn)[:40] or "conn"


def _seal_to(root: Root, report: ImportReport, told: int | None) -> None:
    """Seal the hours of an import, and older ones that are open, so that readers can take them.

    ``told`` is the hour that tells of it, where nobody records in that.
    """
    last = hour_from_text(report.hours[-1]) if report.hours else 0
    open_hours = [hour for hour in root.captured_hours() if not recovery.is_sealed(root, hour)]
    recovery.seal_and_switch(root, [hour for hour in open_hours if hour <= last or hour == told])
    if report.hours:
        recovery.advance(root, last + 1)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise NoInputError(f"{path}: {error.strerror}. Check the path.") from error


class _Import:
    """One import: lines in, arrivals to a recording."""

    def __init__(
        self, root: Root, surveys: Sequence[Survey], total: int, progress: Progress | None
    ) -> None:
        self._root = root
        self._surveys = sorted(surveys, key=attrgetter("order"))
        self._total = total
        self._progress = progress
        self._bytes = 0
        self._recording: Recording | None = None
        self._frames: list[Frame] = []
        self._ids: dict[Stretch, str] = {}
        self._named: set[str] = set()
        self._begins: dict[int, int] = {}
        self._trades: dict[str, TradeIds] = {}
        self._trade_rows: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self.report = ImportReport()
        self.told: int | None = None

    def run(self) -> ImportReport:
        """Take all lines in the order of their times, and report; on an error, leave nothing."""
        streams = [self._lines(index) for index in range(len(self._surveys))]
        try:
            for recv_ns, index, line in heapq.merge(*streams, key=itemgetter(0)):
                self._line(recv_ns, self._surveys[index].stretches[line.conn], line)
            self._finish()
            self._remember()
        except BaseException:
            if self._recording is not None:
                with suppress(OSError):
                    self._recording.capture.close()
            take_back(self._root)
            raise
        forget(self._root)
        self._report()
        return self.report

    def _lines(self, index: int) -> Iterator[tuple[int, int, CaptureLine]]:
        for recv_ns, line in timed_lines(self._surveys[index].path, decode_any, self._read):
            yield recv_ns, index, line

    def _read(self, count: int) -> None:
        """Some bytes of the files were read."""
        self._bytes += count
        if self._progress is not None:
            self._progress(self._bytes, self._total)

    # --- line by line ---------------------------------------------------------------------------

    def _line(self, recv_ns: int, stretch: Stretch, line: CaptureLine) -> None:
        recording = self._at(recv_ns)
        connection_id = self._connection(recv_ns, stretch)
        if line.outgoing:
            self.report.frames_out += 1
            self._take(Sent(recv_ns, connection_id, line.raw))
        else:
            self.report.frames_in += 1
            self._frame(Frame(recv_ns, connection_id, line.raw))
        stretch.lines -= 1
        if stretch.lines == 0:
            self._take_frames()
        if stretch.lines == 0 and self._follower(stretch) is None:
            self._close(recv_ns, stretch)
        if recording.capture.buffered > FLUSH_BYTES or recording.pending_rows > FLUSH_ROWS:
            recording.flush()

    def _at(self, recv_ns: int) -> Recording:
        """The recording that takes this time.

        It ends, and another begins, at a silence of hours and before an hour that holds something.
        """
        recording, hour = self._recording, hour_of(recv_ns)
        if recording is not None and hour == recording.hour:
            return recording
        self._take_frames()
        self._refuse_held(hour, recv_ns)
        begin = taken_to(self._root, hour)
        if recording is not None and (hour - recording.hour > 1 or begin != FIRST_OFFSET):
            self._finish()
            recording = None
        if is_packed(self._root, hour):
            take_apart(self._root, hour // 24)
        self._begins[hour] = begin
        note_begin(self._root, self._begins)
        if recording is None:
            recording = self._recording = Recording(
                self._root, recv_ns, backfill=True, also=self._trades
            )
        return recording

    def _refuse_held(self, hour: int, recv_ns: int) -> None:
        """An hour is imported once: what is there already must end before the file begins."""
        before = look_before(self._root, hour)
        if before.hour == hour and before.last_ns is not None and before.last_ns >= recv_ns:
            raise DataError(
                f"{self._root.path}: the hour {iso(hour)} is recorded already, up to "
                f"{_clock(before.last_ns)}, and these files begin at {_clock(recv_ns)} in it. If "
                "they were imported before, nothing is missing; otherwise import them into another "
                "data directory. Nothing was imported."
            )

    def _connection(self, recv_ns: int, stretch: Stretch) -> str:
        """The id of a stretch's session, which begins here or goes on from another file."""
        connection_id = self._ids.get(stretch)
        if connection_id is not None:
            return connection_id
        for other in self._ids:
            if other.lines == 0 and self._follower(other) is stretch:
                connection_id = self._ids[stretch] = self._ids.pop(other)
                stretch.begun = True
                return connection_id
        connection_id = self._ids[stretch] = self._name(stretch.conn, recv_ns)
        venue = stretch.venue or ADVANCED
        number = wire_of(venue).FIRST_SEQUENCE
        whole = stretch.first_sequence in (None, number)
        first = number if whole and not stretch.begun else None
        stretch.begun = True
        self._take(Opened(recv_ns, connection_id, "import", first, venue))
        return connection_id

    def _follower(self, ended: Stretch) -> Stretch | None:
        """The stretch of another file that goes on where this one ended, if there is one."""
        assert self._recording is not None
        session = self._recording.pipeline.sessions.get(self._ids[ended])
        due = session.next_sequence if session is not None else None
        if not due:
            return None
        for other in (each.stretches.get(ended.conn) for each in self._surveys):
            if other is not None and other.first_sequence == due and not other.begun:
                return other
        return None

    def _name(self, conn: str, recv_ns: int) -> str:
        """A session's id from the file's name for it: one word, and unique."""
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(recv_ns // 1_000_000_000))
        name = f"{_word(conn)}-{moment}.{recv_ns // 1_000_000 % 1000:03d}Z"
        while name in self._named:
            name += "+"
        self._named.add(name)
        return name

    def _frame(self, frame: Frame) -> None:
        """Take a frame with those that come next.

        The first of an hour turns it, and what is captured behind the account's own orders is
        private: neither waits.
        """
        assert self._recording is not None
        self._frames.append(frame)
        is_first = hour_of(frame.recv_ns) != self._recording.hour
        if is_first or len(self._frames) >= AT_ONCE or USER_MARK in frame.raw:
            self._take_frames()

    def _take_frames(self) -> None:
        frames, self._frames = self._frames, []
        if frames:
            assert self._recording is not None
            self._count(self._recording.take_frames(frames))

    def _take(self, arrival: Arrival) -> None:
        assert self._recording is not None
        self._take_frames()
        self._count(self._recording.take(arrival))

    def _count(self, step: Step) -> None:
        for block in step.rows:
            self._rows[block.table] += block.count
            if block.table == TRADES.name:
                for product_id, trade_ids in _trades_in(block):
                    self._trade_rows[product_id] += len(trade_ids)
                    for trade_id in trade_ids:
                        self._trades.setdefault(product_id, TradeIds()).take(trade_id)

    # --- ends -----------------------------------------------------------------------------------

    def _close(self, recv_ns: int, stretch: Stretch) -> None:
        """The record of a connection ends; its books are what the report tells."""
        connection_id = self._ids.pop(stretch)
        self._keep_books(connection_id)
        self._take(Closed(recv_ns, connection_id, ENDED_WITH_RECORD, "the record ends"))

    def _keep_books(self, connection_id: str) -> None:
        assert self._recording is not None
        for (line, product_id), book in self._recording.pipeline.books.items():
            if line == connection_id:
                self.report.books[product_id] = summarise(book)

    def _finish(self) -> None:
        """End the recording in order; connections that go on later are others there."""
        recording = self._recording
        if recording is None:
            return
        self._take_frames()
        for connection_id in self._ids.values():
            self._keep_books(connection_id)
        self._ids.clear()
        self._count(recording.stop(recording.last_ns))
        recording.flush()
        recording.capture.close()
        pipeline = recording.pipeline
        for label, frames in pipeline.messages.items():
            self.report.messages[label] = self.report.messages.get(label, 0) + frames
        self.report.gaps += pipeline.gaps_told()
        self.report.sequence_gaps += pipeline.sequence_gaps
        self.report.faults += pipeline.faults
        self._recording = None

    def _remember(self) -> None:
        """Later hours than these are there: what is recorded next must know of these trades."""
        root, newest = self._root, look_before(self._root)
        both = all_merged(newest.trades, self._trades)
        if newest.hour is None or trades_to_state(both) == trades_to_state(newest.trades):
            return
        recv_ns = max(time.time_ns(), newest.last_ns or 0, newest.hour * HOUR_NS)
        hour = hour_of(recv_ns)
        if hour not in root.captured_hours() or recovery.is_sealed(root, hour):
            self.told = hour
        note_begin(root, {hour: taken_to(root, hour)} | self._begins)
        remember(root, recv_ns, self._trades)

    def _report(self) -> None:
        report = self.report
        report.connections = len(self._named)
        report.hours = [hour_text(hour) for hour in sorted(self._begins)]
        report.rows = dict(sorted(self._rows.items()))
        report.books = dict(sorted(report.books.items()))
        for product_id, ids in sorted(self._trades.items()):
            assert ids.first is not None
            assert ids.last is not None
            held = ids.last - ids.first + 1 - sum(last - first + 1 for first, last in ids.holes)
            report.trades[product_id] = TradesSummary(
                self._trade_rows[product_id], held, ids.first, ids.last
            )


def _trades_in(block: Rows) -> Iterator[tuple[str, list[int]]]:
    """The trade ids of each product in rows of trades: of one frame, or of many."""
    product_id, trade_ids = (block.values[index] for index in _TRADE)
    if not isinstance(block, Columns):
        yield product_id, trade_ids
        return
    for place, name in enumerate(product_id.words):
        yield name, trade_ids[product_id.places == place].tolist()


def _clock(at_ns: int) -> str:
    """A time of day for a message, UTC, to the millisecond."""
    moment = time.strftime("%H:%M:%S", time.gmtime(at_ns // 1_000_000_000))
    return f"{moment}.{at_ns // 1_000_000 % 1000:03d}"
