"""What `recorder.config.keys` promises: every default is right, at every venue."""

import pytest

from recorder.config import checks
from recorder.config.keys import KEYS


@pytest.mark.parametrize("venue", checks.CHANNELS_OF)
@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_default_passes_its_own_check(key, venue):
    """A default is what the file could say, for each venue."""
    assert key.default_of(venue) is not None or key.default == '""'  # a path that is not set


@pytest.mark.parametrize("venue", checks.CHANNELS_OF)
def test_the_channels_of_a_venue_are_its_own(venue):
    """Nothing is asked for by default that the venue does not have."""
    (key,) = [key for key in KEYS if key.name == "feed.channels"]
    channels = key.default_of(venue)
    assert checks.channels(list(channels)) == channels
    assert checks.channels_at(venue, channels) == []


def test_keys_are_named_once_and_defaults_are_of_venues():
    """A name is one setting."""
    names = [key.name for key in KEYS]
    assert len(names) == len(set(names))
    assert all(set(key.defaults) <= set(checks.CHANNELS_OF) for key in KEYS)
