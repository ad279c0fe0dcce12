"""How a recording goes, read off the real one: its status, its signs, and what a manager hears."""

import asyncio
import os
import signal
from pathlib import Path

from recorder import disk, live
from recorder.feed import connection
from recorder.recording import Pending
from recorder.service import outlook, vitals
from recorder.service.unit import Unit
from recorder.store.capture import read_arrivals
from recorder.venue import Venue
from recorder.verify.directory import verify
from tests.recorders import all_recorded, config_for, live_rows, recording, wait_for
from tests.service.test_unit import Told


def seen(running: live.Recorder) -> vitals.Signs:
    sessions = running._recording.pipeline.sessions
    return outlook.signs(running._connections, sessions, running._tries, running._disk)


def doubts(running: live.Recorder) -> tuple[str, ...]:
    return outlook.doubts(running.progress(), running._disk, running.lineup)


async def test_a_recording_moves_and_has_no_doubts(tmp_path: Path) -> None:
    """Ready once it records, no doubt in the status, and each sign is another one soon."""
    told = Told(watchdog_s=3.0)
    async with (
        Venue(seed=1, depth=0.01) as venue,
        recording(config_for(tmp_path, venue.url), unit=Unit(told)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "everything is recorded")
        assert doubts(running) == ()
        before = seen(running)
        assert set(before.lines) == {"ws1"}
        await wait_for(lambda: seen(running).lines != before.lines, "frames are seen")
        await wait_for(lambda: seen(running).capture is not None, "capture waits for the disk")
        held = seen(running).capture
        await wait_for(lambda: seen(running).capture not in {held, None}, "it is synced")
        await wait_for(lambda: told.of("READY"), "it is ready")
        await wait_for(lambda: len(told.of("WATCHDOG")) > 2, "the watchdog is fed")
        assert set(told.of("WATCHDOG")) == {1}
    assert told.of("STOPPING") == [1]
    names = [name for each in told.messages for name in each]
    assert "EXTEND_TIMEOUT_USEC" in names[names.index("STOPPING") :], "for the last parts"


async def test_an_outage_is_a_doubt_and_moves(tmp_path: Path, monkeypatch) -> None:
    """Nobody is there: told, and every try is a sign of life."""
    monkeypatch.setattr(connection, "BACKOFF_S_MAX", 0.5)
    async with recording(config_for(tmp_path, "ws://127.0.0.1:9")) as running:
        signs = set()
        await wait_for(lambda: signs.add(seen(running).lines["ws1"]) or len(signs) > 3, "tries")
        assert doubts(running) == ("no connection",)
        assert seen(running).capture is None or not running._disk.refusing


async def test_a_disk_that_refuses_is_a_doubt_and_moves(tmp_path: Path, monkeypatch) -> None:
    """Each refusal is an answer; a write that does not return is none."""
    async with (
        Venue(seed=1, depth=0.01) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "everything is recorded")
        capture = running._recording.capture
        write = capture.write

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(capture, "write", refuse)
        await wait_for(lambda: running._disk.refusing, "the disk refuses")
        assert doubts(running) == ("the disk refuses, what arrives is kept in memory",)
        first = seen(running).capture
        await wait_for(lambda: seen(running).capture != first, "it is tried again")
        running._disk._low = True
        running._disk.look_for_room()
        assert doubts(running) == ("nothing is read: too little space is free",)
        assert seen(running).unread
        running._disk._low = False
        monkeypatch.setattr(capture, "write", write)
        await wait_for(lambda: not running._disk.refusing, "it goes on")


async def test_a_writer_that_hangs_is_told(tmp_path: Path, monkeypatch) -> None:
    """Frames come, the write does not return: the manager is asked for another process."""
    told, gate = Told(watchdog_s=1.0), asyncio.Event()
    async with (
        Venue(seed=1, depth=0.01) as venue,
        recording(config_for(tmp_path, venue.url), unit=Unit(told)) as running,
    ):
        await wait_for(lambda: all_recorded(running), "everything is recorded")
        to_thread = asyncio.to_thread

        async def hang(function, *arguments):
            if function == running._recording.capture.sync:
                await gate.wait()
            return await to_thread(function, *arguments)

        monkeypatch.setattr(disk.asyncio, "to_thread", hang)
        await wait_for(lambda: "trigger" in told.of("WATCHDOG"), "it is told")
        assert told.of("STATUS")[-1].startswith("stuck: the capture waits for the disk")
        gate.set()
        monkeypatch.undo()


async def test_a_reload_is_told_from_begin_to_end(tmp_path: Path) -> None:
    """SIGHUP: RELOADING=1, and READY=1 when the file was read, right or wrong."""
    told = Told()
    async with Venue(seed=1, depth=0.01) as venue:
        good = config_for(tmp_path, venue.url)
        answers = [good]

        def read():
            return answers[0] if len(answers) == 1 else config_for(tmp_path, "http://wrong")

        async with recording(good, unit=Unit(told), read=read) as running:
            await wait_for(lambda: told.of("READY") == [1], "it is ready")
            os.kill(os.getpid(), signal.SIGHUP)
            await wait_for(lambda: told.of("READY") == [1, 1], "it was read")
            assert told.of("RELOADING") == [1]
            assert doubts(running) == ()
            answers.append(good)
            os.kill(os.getpid(), signal.SIGHUP)
            await wait_for(lambda: told.of("READY") == [1, 1, 1], "it was read, and is wrong")
            assert doubts(running) == ("the changed configuration is refused (config_refused)",)


async def test_a_second_signal_leaves_the_parts_to_the_next_start(
    tmp_path: Path, monkeypatch
) -> None:
    """What was received is synced; nothing else is waited for, and nothing is lost."""
    published: list[Pending] = []
    async with Venue(seed=1, depth=0.01, keep_sent=True) as venue:
        async with recording(config_for(tmp_path, venue.url, part_seconds=600)) as running:
            await wait_for(lambda: all_recorded(running), "everything is recorded")
            with monkeypatch.context() as patch:
                patch.setattr(Pending, "publish", lambda self, *_: published.append(self))
                # At once: a stop with little to write is over in a moment.
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)
                await wait_for(lambda: running.stopping.hurried, "it hurries")
                await wait_for(lambda: running._summary.rows, "it has ended")
        assert published == []
        assert live_rows(tmp_path, "trades") == []
        synced = sum(1 for _ in read_arrivals([tmp_path / "capture"]))
        assert synced > running._frames > 0
        async with recording(config_for(tmp_path, venue.url)) as again:
            await wait_for(lambda: again._hours.recovered, "it recovers")
    assert live_rows(tmp_path, "trades")
    assert verify(tmp_path).findings == []
