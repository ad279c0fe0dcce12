"""Some calls of the sweep; `python -m tests.sweep` fails every one of them."""

import pytest

from tests.sweep.__main__ import reference, trial
from tests.sweep.faults import CODES

TRIALS = 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The session in which nothing fails."""
    return reference(tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("number", range(TRIALS))
def test_whatever_call_fails_nothing_is_lost(tmp_path, whole, number):
    """Every frame is there once, and the files are those of a session without faults."""
    calls, wanted = whole
    lasting, code = bool(number % 2), CODES[number % len(CODES)]
    first = (2 * number + 1) * len(calls) // (2 * TRIALS)
    faults = trial(tmp_path, first, lasting, code, wanted)
    assert faults.failed
