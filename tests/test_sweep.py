"""Some calls of the sweeps; `python -m tests.sweep` fails every one of them."""

import errno
import os
from contextlib import suppress

import pytest

from tests.sweep import daemon
from tests.sweep.__main__ import Hang, _sweep, bounded, reference, trial
from tests.sweep.faults import CODES, READ_CODES, READS, Faults, planted

TRIALS = 20
DAEMON_TRIALS = 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The session in which nothing fails."""
    return reference(tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("number", range(TRIALS))
def test_whatever_call_fails_nothing_is_lost(tmp_path, whole, number):
    """Every frame is there once, and the files are those of a session without faults."""
    calls, wanted = whole
    first = (2 * number + 1) * len(calls) // (2 * TRIALS)
    codes = READ_CODES if calls[first] in READS else CODES
    lasting, code = bool(number % 2), codes[number % len(codes)]
    faults = trial(tmp_path, first, lasting, code, wanted)
    assert faults.failed


@pytest.fixture(scope="module")
def calls_of_the_daemon(tmp_path_factory):
    """The calls of a run in which nothing fails."""
    faults = Faults()
    with planted(faults):
        assert daemon.play(tmp_path_factory.mktemp("daemon"), faults) == []
    return faults.names


@pytest.mark.parametrize("number", range(DAEMON_TRIALS))
def test_the_daemon_goes_on_whatever_call_fails(tmp_path, calls_of_the_daemon, number):
    """All is recorded or told, the hour is sealed, and readers are switched to it."""
    calls = calls_of_the_daemon
    first = (2 * number + 1) * len(calls) // (2 * DAEMON_TRIALS)
    codes = READ_CODES if calls[first] in READS else CODES
    faults = Faults(first, first + 6, codes[number % len(codes)])
    with planted(faults):
        assert daemon.play(tmp_path, faults) == []
    assert faults.failed


def test_what_is_lost_and_what_hangs_is_counted(tmp_path, capsys):
    """The sweep's own judgement: a trial that finds something, one that swallows every error."""

    def lose(_folder, faults):
        faults.arm()
        try:
            os.scandir(tmp_path).close()
        except OSError:
            return ["lost"]
        return []

    tally = _sweep(tmp_path, ["os.scandir", "os.scandir"], 1, lose)
    assert (tally.trials, tally.lost, tally.failed) == (8, 4, {"os.scandir": 4})
    assert f"0-{errno.errorcode[errno.EIO]}-once os.scandir: lost" in capsys.readouterr().out


def test_a_trial_that_does_not_end_is_ended():
    """Also where it takes every error for something to try again."""

    def wait_for_ever():
        while True:
            with suppress(Exception):
                os.read(os.pipe()[0], 1)

    with bounded(1), pytest.raises(Hang):
        wait_for_ever()
