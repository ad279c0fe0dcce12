"""What `recorder.http.history` promises: how it went lately, in columns, within bounds."""

import pytest

from recorder.http import history
from recorder.http.history import COLUMNS, KEPT, estimated
from tests.http.served import served
from tests.recorders import all_recorded, wait_for

BOUNDS = (0.001, 0.01, 0.1)


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ([0, 0, 0, 0], 0.5, None),
        ([4, 0, 0, 0], 0.5, 0.0005),
        ([0, 10, 0, 0], 0.5, 0.0055),
        ([5, 5, 0, 0], 0.5, 0.001),
        ([0, 0, 0, 3], 0.99, 0.1),
        ([98, 0, 2, 0], 0.99, 0.055),
    ],
)
def test_delays_are_estimated_within_their_bucket(counts, share, value):
    assert estimated(BOUNDS, counts, share) == (None if value is None else pytest.approx(value))


async def test_samples_are_of_the_time_between_them(tmp_path):
    """Rates and delays are those since the sample before; who has some asks for the others."""
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        found = there.server._site.history
        found.sample()
        found._samples.clear()
        before = there.recorder.progress().frames
        await wait_for(lambda: there.recorder.progress().frames > before + 5, "frames")
        found.sample()
        told = (await there.get("/v1/history")).json
        assert (told["samples"], set(told["columns"])) == (1, set(COLUMNS))
        row = {name: values[0] for name, values in told["columns"].items()}
        assert row["frames_s"] > 0
        assert row["books_live"] == 2
        assert 0 < row["applied_p50_s"] <= row["applied_p99_s"]
        after = await there.get(f"/v1/history?after={row['at_s']}")
        assert (after.json["samples"], after.json["columns"]["at_s"]) == (0, [])


async def test_what_is_kept_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "EVERY_S", 3600.0)
    async with served(tmp_path) as there:
        found = there.server._site.history
        for _ in range(KEPT + 3):
            found.sample()
        assert found.view()["samples"] == KEPT
