"""What holds for every test."""

import gc

from hypothesis import settings

# How long an example takes says more of the machine than of us.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_sessionfinish() -> None:
    """What a recorder in this process made last to its end, ends with the process."""
    gc.unfreeze()
