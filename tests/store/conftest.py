"""The store's tests do not wait for the disk: what a power cut takes is proven elsewhere."""

import os
from pathlib import Path

import pytest

from tests.store.asking import STATES, record


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk():
    """Replace the two system calls that wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        yield


@pytest.fixture(scope="module", params=STATES)
def data(request, tmp_path_factory) -> Path:
    """The same recording in all the states that it can be found in."""
    return record(tmp_path_factory.mktemp("views"), request.param).path
