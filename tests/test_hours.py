"""Whatever fails beside the recording is told, tried again, and never ends it."""

import asyncio
import errno
import os
import time
from contextlib import asynccontextmanager, suppress

import pytest

from recorder import hours as beside
from recorder.core.frames import FIRST_OFFSET, HOUR_NS
from recorder.hours import Hours
from recorder.recovery import Until
from recorder.store.seal import sealed_before
from tests.damages import OPEN, record_hours


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing waits long, what a power cut takes is not in question, and workers are threads."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)
    monkeypatch.setattr(beside, "SWITCH_DELAY_S", 0.1)
    monkeypatch.setattr(beside, "RETRY_S", 0.1)
    monkeypatch.setattr(beside, "LOOK_S", 0.02)
    monkeypatch.setattr(beside, "work", asyncio.to_thread)


class Beside:
    """Hours at work, and what they wrote down."""

    def __init__(self, root, until):
        self.root = root
        self.noted = []
        self.now_ns = (OPEN + 1) * HOUR_NS
        note = lambda kind, detail: self.noted.append((kind, detail))  # noqa: E731
        self.hours = Hours(root, until, None, lambda: self.now_ns, note)
        self.task = asyncio.create_task(self.hours.run())

    @property
    def kinds(self):
        return [kind for kind, _ in self.noted]

    async def until(self, condition):
        async with asyncio.timeout(60):
            while not condition():
                assert not self.task.done(), self.task.exception()
                await asyncio.sleep(0.02)


@asynccontextmanager
async def at_work(root, until):
    running = Beside(root, until)
    try:
        yield running
    finally:
        running.task.cancel()
        with suppress(asyncio.CancelledError):
            await running.task


@pytest.fixture
def root(tmp_path):
    return record_hours(tmp_path / "data")


class _Commit:
    """Of an hour in which nothing was."""

    files = ()
    rows = bytes = 0


def sealing_nothing(monkeypatch):
    """Hours are sealed without a look at them; the list tells which."""
    sealed = []

    def seal(_root, hour):
        sealed.append(hour)
        return _Commit(), []

    monkeypatch.setattr(beside, "seal_sound", seal)
    monkeypatch.setattr(beside, "differing_books", lambda *_: [])
    return sealed


LATER = Until(OPEN + 1, FIRST_OFFSET)


def refusing(function, times):
    """A function that a full disk refuses so often, then does what it did."""
    left = [times]

    def refuse(*arguments, **named):
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(*arguments, **named)

    return refuse


async def test_a_disk_that_is_full_at_the_switch_is_waited_for(root, monkeypatch):
    root.current.unlink()
    monkeypatch.setattr(beside, "switch", refusing(beside.switch, 3))
    async with at_work(root, Until(OPEN, 1 << 24)) as running:
        await running.until(lambda: "hour_finished" in running.kinds)
        assert running.kinds == ["hour_unfinished", "hour_finished"]
        assert "No space left" in running.noted[0][1]


@pytest.mark.parametrize("what", ["seal_sound", "switch", "publish_views", "differing_books"])
async def test_an_hour_is_finished_once_the_disk_takes_it(root, monkeypatch, what):
    async with at_work(root, Until(OPEN, FIRST_OFFSET)) as running:
        await running.until(lambda: running.hours.recovered)
        monkeypatch.setattr(beside, what, refusing(getattr(beside, what), 2))
        running.hours.ended([OPEN])
        await running.until(lambda: sealed_before(root) == OPEN + 1)
        await running.until(lambda: "hour_unfinished" in running.kinds)
        if what in {"seal_sound", "switch"}:
            await running.until(lambda: "hour_finished" in running.kinds)
        assert root.commit(OPEN).exists()


async def test_a_switch_that_is_damaged_meanwhile_is_set_aside_and_made_again(root):
    async with at_work(root, Until(OPEN, FIRST_OFFSET)) as running:
        await running.until(lambda: running.hours.recovered)
        root.current.chmod(0o644)
        root.current.write_bytes(b"\0" * 60)
        running.hours.ended([OPEN])
        await running.until(lambda: root.commit(OPEN).exists())
        await running.until(lambda: "record_set_aside" in running.kinds)
        # Between the setting aside and the new one there is none.
        await running.until(lambda: root.current.exists() and root.current.stat().st_size > 60)
        assert sealed_before(root) == OPEN + 1
    assert list((root.path / "quarantine").rglob("current.json"))


async def test_hours_that_wait_are_sealed_without_a_minute_between(root, monkeypatch):
    """After an outage, or a jump of the clock: the switch is for readers, the next seal is not."""
    monkeypatch.setattr(beside, "SWITCH_DELAY_S", 3600.0)
    sealed = sealing_nothing(monkeypatch)
    async with at_work(root, LATER) as running:
        running.hours.ended(range(OPEN + 1, OPEN + 6))
        await running.until(lambda: len(sealed) == 5)


async def test_later_hours_are_sealed_while_recovery_fails_and_nobody_is_switched(
    root, monkeypatch
):
    """Readers would not see the hours that are still to be recovered."""
    monkeypatch.setattr(beside.sealing, "recover", refusing(None, -1))
    sealed = sealing_nothing(monkeypatch)
    before = sealed_before(root)
    async with at_work(root, LATER) as running:
        running.hours.ended([OPEN + 1, OPEN + 2])
        await running.until(lambda: sealed == [OPEN + 2])
        await asyncio.sleep(0.3)
        assert sealed == [OPEN + 2]
        assert sealed_before(root) == before
        assert running.kinds == ["hour_unfinished"]


async def test_parts_stay_for_their_readers_after_a_late_switch(root, monkeypatch):
    retired = []
    monkeypatch.setattr(beside, "retire", lambda *_: retired.append(1) or [])
    monkeypatch.setattr(beside, "RETIRE_S", 0.05)
    root.current.unlink()
    async with at_work(root, LATER) as running:
        await running.until(lambda: sealed_before(root) is not None)
        await asyncio.sleep(0.3)
        assert retired == []


async def test_nothing_goes_too_early_by_a_clock_that_was_set_back(root, monkeypatch):
    """Our time is ahead of the system's then, and hours are dated by the latter."""
    asked = []
    monkeypatch.setattr(beside, "retire", lambda _root, now_s, _keep: asked.append(now_s) or [])
    monkeypatch.setattr(beside, "RETIRE_S", 0.05)
    monkeypatch.setattr(beside, "GRACE_S", 0)
    async with at_work(root, LATER) as running:
        running.now_ns = time.time_ns() + 72 * HOUR_NS
        await running.until(lambda: asked)
    assert max(asked) <= time.time()
