"""The store's tests do not wait for the disk: what a power cut takes is proven elsewhere."""

import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk():
    """Replace the two system calls that wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        yield
