"""Some of the million hostile frames (`python -m tests.hostile`)."""

import pytest

from tests.hostile.attack import through_pipeline, through_recording


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_frames_neither_crash_nor_vanish(seed: int) -> None:
    """Every frame is counted, whatever is in it."""
    found = through_pipeline(seed, 4_000)
    assert found.frames == found.counted > 3_900
    assert found.faults > 0
    assert found.rows > 0


def test_hostile_frames_are_kept() -> None:
    """Byte for byte, in order."""
    found = through_recording(3, 2_000)
    assert found.broken == []
    assert found.kept == found.frames == found.counted
